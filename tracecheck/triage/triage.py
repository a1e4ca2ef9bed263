"""Findings apart: what counts, what is suppressed, and what a baseline knows."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from tracecheck.etl import plain_rows
from tracecheck.fltmgr import CONTEXT_TYPES
from tracecheck.operations.frames import frames_of
from tracecheck.operations.table import STACK, has_stacks
from tracecheck.payload.arrow import from_numpy, whole
from tracecheck.rules.table import FINDINGS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tracecheck.capture import Analysis
    from tracecheck.triage.baseline import Baseline, Known
    from tracecheck.triage.suppressions import Suppression


@dataclass(frozen=True)
class Triage:
    """What is left of an analysis, and what was taken away.

    Attributes:
        analysis: The analysis with the findings that count, and the verdict that they give.
        suppressed: The findings that a suppression matches; schema :data:`tracecheck.rules.FINDINGS`.
        by: For each of them the suppression.
        known: The findings whose signature the baseline has.
        absent: Signatures of the baseline that no finding has any more.
        used: Each suppression that matched, and how many findings.
        unused: The suppressions that matched none.
        expired: The suppressions that hold no more; they match nothing.
        compared: Whether there was a baseline.
    """

    analysis: Analysis
    suppressed: pa.Table
    by: tuple[Suppression, ...] = ()
    known: pa.Table | None = None
    absent: tuple[tuple[str, Known], ...] = ()
    used: tuple[tuple[Suppression, int], ...] = ()
    unused: tuple[Suppression, ...] = ()
    expired: tuple[Suppression, ...] = ()

    @property
    def compared(self) -> bool:
        """Tell whether there was a baseline."""
        return self.known is not None


def triage(
    analysis: Analysis,
    suppressions: Sequence[Suppression] = (),
    baseline: Baseline | None = None,
    *,
    today: date | None = None,
    original: Callable[[str], str] = str,
) -> Triage:
    """Take away what is suppressed and what is known.

    Args:
        analysis: What was found.
        suppressions: The first one that matches a finding takes it.
        baseline: The findings of an earlier capture; None for none.
        today: Tells which suppressions have expired; the day on which it is called where None.
        original: Gives the name that a redacted name stands for: suppressions name sites as the source does.
    """
    day = today or date.today()
    holding = [each for each in suppressions if each.holds(day)]
    owners = _owners(analysis, holding, original)
    findings = analysis.findings
    free = np.array([owner is None for owner in owners], np.bool_)
    known = np.zeros(len(free), np.bool_)
    absent: tuple[tuple[str, Known], ...] = ()
    if baseline is not None:
        signatures = findings.column("signature").to_pylist()
        known = free & np.array([signature in baseline.known for signature in signatures], np.bool_)
        absent = tuple(item for item in baseline.known.items() if item[0] not in set(signatures))
    by = tuple(owner for owner in owners if owner is not None)
    uses = Counter(id(owner) for owner in by)
    return Triage(
        analysis.with_findings(_take(findings, free & ~known)) if by or known.any() else analysis,
        _take(findings, ~free),
        by,
        None if baseline is None else _take(findings, known),
        absent,
        tuple((each, uses[id(each)]) for each in holding if uses[id(each)]),
        tuple(each for each in holding if not uses[id(each)]),
        tuple(each for each in suppressions if not each.holds(day)),
    )


def _take(findings: pa.Table, which: np.ndarray) -> pa.Table:
    return findings.take(from_numpy(np.flatnonzero(which), pa.int64()))


def _owners(
    analysis: Analysis, suppressions: Sequence[Suppression], original: Callable[[str], str]
) -> list[Suppression | None]:
    """Find the suppression of each finding."""
    findings = plain_rows(analysis.findings.select([name for name in FINDINGS.names if name != "time"]))
    if not suppressions:
        return [None] * len(findings)
    wanted = np.unique(np.array([op for row in findings for op in row["operations"]], np.int64))
    chosen = analysis.operations.select(_shown(analysis.operations)).take(from_numpy(wanted, pa.int64()))
    names = {
        int(number): [original(name) for name in row.values() if name]
        for number, row in zip(wanted, plain_rows(chosen.select(["site", "function"])), strict=True)
    }
    codes, frames = _stacks(chosen, original)
    stack = dict(zip(wanted.tolist(), codes, strict=True))
    owners = []
    for row in findings:
        kind = CONTEXT_TYPES.get(row["context_type"], "")
        sites = list(dict.fromkeys(name for op in row["operations"] for name in names[op]))
        different = dict.fromkeys(stack[op] for op in row["operations"])
        stacks = [frames[code] for code in different if code is not None]
        matching = (s for s in suppressions if s.matches(row["rule"], kind, row["signature"], sites, stacks))
        owners.append(next(matching, None))
    return owners


def _shown(operations: pa.Table) -> list[str]:
    return ["site", "function", *([STACK.name] if has_stacks(operations) else [])]


def _stacks(
    operations: pa.Table, original: Callable[[str], str]
) -> tuple[list[int | None], dict[int, list[str]]]:
    """Give the number of each operation's stack, None where it has none; and the frames of each stack."""
    if not has_stacks(operations):
        return [None] * len(operations), {}
    column = whole(operations.column(STACK.name))
    codes = column.indices.to_pylist()
    used = {code for code in codes if code is not None}
    frames = {code: frames_of(column.dictionary[code].as_py()) for code in used}
    return codes, {code: [original(frame) for frame in each] for code, each in frames.items()}
