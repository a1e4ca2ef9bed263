"""Findings by cause: what one call site did to many contexts is one thing to mend."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tracecheck.reporters.common import CONFIDENCES, SEVERITIES, count, rows
from tracecheck.reporters.lookup import Row, rank
from tracecheck.rules import signature

if TYPE_CHECKING:
    from collections.abc import Callable

    from tracecheck.capture import Analysis

# What of a site changes from build to build: lines, offsets, addresses.
_CHANGES = re.compile(r"\s*\(?[^\s()]*:\d+\)?|\+0x[0-9a-f]+|0x[0-9a-f]+", re.IGNORECASE)


@dataclass(frozen=True)
class Cause:
    """Findings that have one cause.

    Attributes:
        signature: Hash of the kind, the context type, and the routine and function that are to blame; no
            address and no line is in it, so that it is the same in another build of the driver.
        kind: "leak", "over-release" or "use" where somebody is to blame, else the rule.
        context_type: The type of the contexts.
        rules: The rules that found it, in the order of their codes.
        severity: The worst of the findings.
        confidence: The surest of the findings.
        findings: Rows of the findings table, the worst and surest first.
        contexts: How many contexts they are about.
        operations: The call that is to blame, one for each context; empty where nobody is.
        sentence: Who did what, by the first finding.
    """

    signature: str
    kind: str
    context_type: int
    rules: tuple[str, ...]
    severity: str
    confidence: str
    findings: tuple[int, ...]
    contexts: int
    operations: tuple[int, ...]
    sentence: str

    @property
    def example(self) -> int:
        """The row of the finding that is shown first."""
        return self.findings[0]

    def shown(self, most: int) -> str:
        """Say how many of the contexts are shown: ``3 of 7 shown``, "" where all are."""
        return "" if self.contexts <= most else f"{most} of {self.contexts:,} shown"


def groups(analysis: Analysis) -> list[Cause]:
    """Group the findings of an analysis by their cause.

    Args:
        analysis: What was found.

    Returns:
        The causes, the worst and surest first.
    """
    found = rows(analysis.findings)
    blame = {row["finding"]: row for row in rows(analysis.blame)}
    # A signature is that of the real names: it does not change with redaction.
    original = str if analysis.redaction is None else analysis.redaction.original
    alike: dict[str, list[int]] = {}
    for place in sorted(range(len(found)), key=lambda i: (*rank(found[i]), i)):
        alike.setdefault(_signature(found[place], blame.get(place), original), []).append(place)
    return [_cause(key, places, found, blame) for key, places in alike.items()]


def _signature(finding: Row, blame: Row | None, original: Callable[[str], str]) -> str:
    """Hash what makes two findings have one cause."""
    if blame is None:
        own: str = finding["signature"]
        return own
    where = original(blame["function"] or "") or steady(original(blame["site"] or ""))
    return signature(blame["kind"], finding["context_type"], (blame["routine"], where))


def steady(site: str) -> str:
    """Take out of a site what another build of the driver has otherwise."""
    return " ".join(_CHANGES.sub("", site).split())


def _cause(key: str, places: list[int], found: list[Row], blame: dict[int, Row]) -> Cause:
    mine = [found[place] for place in places]
    first = mine[0]
    blamed = [blame[place] for place in places if place in blame]
    by_context = {row["context"]: row["operation"] for row in reversed(blamed)}
    contexts = {row["context_id"] for row in mine if row["context_id"] is not None}
    return Cause(
        signature=key,
        kind=blamed[0]["kind"] if blamed else first["rule"],
        context_type=first["context_type"],
        rules=tuple(sorted({row["rule"] for row in mine})),
        severity=min((row["severity"] for row in mine), key=SEVERITIES.index),
        confidence=min((row["confidence"] for row in mine), key=CONFIDENCES.index),
        findings=tuple(places),
        contexts=len(contexts),
        operations=tuple(sorted(by_context.values())),
        sentence=blamed[0]["text"] if blamed else first["message"],
    )


def title(cause: Cause) -> str:
    """Say in a line what a cause is: its rules, how sure they are, and how many contexts it has."""
    what = f"{cause.severity} {', '.join(cause.rules)} ({cause.confidence})"
    return f"{what}: {count(cause.contexts, 'context')}" if cause.contexts else what
