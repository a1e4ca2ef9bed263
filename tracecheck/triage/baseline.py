"""Baselines: the findings of an earlier capture, so that only what is new makes a job fail."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tracecheck.errors import InputError
from tracecheck.triage.files import read_text

_VERSION = 1
# A baseline has one entry for each cause; a report of a capture may be used as one and is longer.
_LARGEST = 256 << 20
# So much of what a file says of its version is repeated.
_WIDEST = 40


@dataclass(frozen=True)
class Known:
    """What a baseline tells of one signature.

    Attributes:
        rule: The rule's code.
        count: How many findings had the signature.
        message: What the first of them said.
    """

    rule: str
    count: int
    message: str


@dataclass(frozen=True)
class Baseline:
    """The findings of an earlier capture by signature.

    Attributes:
        known: Signature -> what is known of it.
    """

    known: Mapping[str, Known]

    @staticmethod
    def of(findings: list[dict[str, Any]]) -> Baseline:
        """Make one of findings, rows with rule, message and signature."""
        counts = Counter(finding["signature"] for finding in findings)
        first: dict[str, dict[str, Any]] = {}
        for finding in findings:
            first.setdefault(finding["signature"], finding)
        return Baseline(
            {key: Known(first[key]["rule"], counts[key], first[key]["message"]) for key in sorted(first)}
        )

    @staticmethod
    def read(path: Path) -> Baseline:
        """Read what :meth:`pieces` or ``check --format json`` wrote.

        Raises:
            InputError: It is neither.
        """
        try:
            whole = json.loads(read_text(path, _LARGEST, "a baseline"))
        except (ValueError, RecursionError) as error:
            raise InputError(f"{path}: is no baseline: {error}") from error
        if isinstance(whole, dict) and isinstance(whole.get("findings"), list):
            return Baseline.of([_checked(finding, path) for finding in whole["findings"]])
        if isinstance(whole, dict) and isinstance(whole.get("signatures"), dict):
            if whole.get("version") != _VERSION:
                version = repr(whole.get("version"))[:_WIDEST]
                raise InputError(f"{path}: is a baseline of version {version}, not {_VERSION}")
            return Baseline({key: _known(entry, path) for key, entry in whole["signatures"].items()})
        raise InputError(f"{path}: is no baseline: make one with --write-baseline, or check --format json")

    def pieces(self) -> Iterator[str]:
        """Write it as JSON, a signature a line, so that a change of one finding is a change of one line."""
        yield f'{{"version": {_VERSION}, "signatures": {{'
        for place, (key, known) in enumerate(self.known.items()):
            entry = {"rule": known.rule, "count": known.count, "message": known.message}
            yield f"{',' if place else ''}\n  {json.dumps(key)}: {json.dumps(entry)}"
        yield "\n}}\n"


def _checked(finding: object, path: Path) -> dict[str, Any]:
    keys = ("rule", "message", "signature")
    if not isinstance(finding, dict) or not all(isinstance(finding.get(key), str) for key in keys):
        raise InputError(f"{path}: is no baseline: a finding lacks its rule, message or signature")
    return finding


def _known(entry: object, path: Path) -> Known:
    if (
        not isinstance(entry, dict)
        or not isinstance(entry.get("rule"), str)
        or type(entry.get("count")) is not int
        or entry["count"] < 0
        or not isinstance(entry.get("message"), str)
    ):
        raise InputError(f"{path}: is no baseline: an entry lacks its rule, count or message")
    return Known(entry["rule"], entry["count"], entry["message"])
