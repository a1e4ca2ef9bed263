"""The findings of a capture to its blame table."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from tracecheck.blame.habits import Habits
from tracecheck.blame.leaks import Leaks
from tracecheck.blame.releases import Releases
from tracecheck.blame.tables import BLAME
from tracecheck.blame.verdict import Blamed, weakest
from tracecheck.blame.words import Words
from tracecheck.rules.evidence import Evidence
from tracecheck.rules.registry import LEAKS, OVER_RELEASES, RULES


def blame_all(evidence: Evidence, pairs: pa.Table, findings: pa.Table) -> pa.Table:
    """Blame every finding of a leak, of a release too many or of a use without a reference.

    Args:
        evidence: The tables.
        pairs: Schema :data:`~tracecheck.blame.tables.PAIRS`.
        findings: Schema :data:`~tracecheck.rules.table.FINDINGS`.

    Returns:
        Schema :data:`~tracecheck.blame.tables.BLAME`.
    """
    words = Words(evidence)
    found = list(_blamed(evidence, pairs, findings, words))
    lives: dict[tuple[str, str, str], set[int]] = {}
    for finding, blamed in found:
        lives.setdefault(_cause(blamed, words), set()).add(finding["context_id"])
    rows = [_row(finding, blamed, words, lives) for finding, blamed in found]
    return pa.Table.from_pylist(rows, schema=BLAME)


def _blamed(
    evidence: Evidence, pairs: pa.Table, findings: pa.Table, words: Words
) -> Iterator[tuple[dict[str, Any], Blamed]]:
    """Yield each finding that can be blamed on somebody, with the blame."""
    told = findings.select(["rule", "context_id", "operations", "confidence"]).to_pylist()
    families = [RULES[row["rule"]].family if row["rule"] in RULES else "" for row in told]
    if not any(families):
        return
    habits = Habits(evidence, pairs)
    leaks, releases = Leaks(evidence, habits, words), Releases(evidence, habits, words)
    held, at_fault = set(evidence.held.tolist()), set(evidence.lives_at_fault.tolist())
    known: dict[tuple[str, int], Blamed] = {}
    for number, (row, family) in enumerate(zip(told, families, strict=True)):
        life = row["context_id"]
        if life is None:
            continue
        key = (family, life)
        if key not in known:
            if family == LEAKS and life in held and evidence.unanswered(life).steps:
                known[key] = leaks.blame(life)
            elif family == OVER_RELEASES and life in at_fault:
                known[key] = releases.blame(life)
            elif family == OVER_RELEASES and row["operations"]:
                known[key] = releases.hidden(row["operations"][0])
            else:
                continue
        yield {**row, "number": number}, known[key]


def _cause(blamed: Blamed, words: Words) -> tuple[str, str, str]:
    """Name what makes two blames one: what was done, and by which function."""
    routine, function, site = words.names(blamed.operation)
    return blamed.kind, routine, function or site


def _row(
    finding: dict[str, Any], blamed: Blamed, words: Words, lives: dict[tuple[str, str, str], set[int]]
) -> dict[str, Any]:
    routine, function, site = words.names(blamed.operation)
    doubts = blamed.doubts
    reasons = [doubt.reason for doubt in doubts]
    confidence = weakest([*(doubt.confidence for doubt in doubts), finding["confidence"]])
    if confidence != weakest(doubt.confidence for doubt in doubts):
        reasons.append(f"the finding itself is {finding['confidence']}")
    return {
        "finding": finding["number"],
        "context": finding["context_id"],
        "kind": blamed.kind,
        "operation": blamed.operation,
        "routine": routine,
        "function": function or None,
        "site": site or None,
        "pattern": blamed.pattern,
        "pattern_count": blamed.pattern_count,
        "deviation": blamed.deviation,
        "owner": blamed.owner,
        "victim": blamed.victim,
        "alike": len(lives[_cause(blamed, words)]),
        "confidence": confidence,
        "reasons": reasons,
        "text": blamed.text,
    }
