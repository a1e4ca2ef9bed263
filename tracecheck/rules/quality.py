"""M: what the capture itself does not tell, or tells wrongly."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tracecheck.etl import plain_rows
from tracecheck.replay.engine import CLEANUP_REFERENCED, TWO_GENERATIONS
from tracecheck.rules.evidence import Evidence, describe_loss
from tracecheck.rules.registry import Candidate, rule

_CONTRADICTIONS = {
    TWO_GENERATIONS: "another allocation returned this pointer while it was still referenced",
    CLEANUP_REFERENCED: "it was cleaned up while references to it were owned",
}


@rule("M01", "born before the capture", severity="note")
def born_before_capture(evidence: Evidence) -> Iterator[Candidate]:
    """Find contexts that were used but whose allocation is not in the capture."""
    for life in evidence.lives_that("birth", "unknown").tolist():
        op = int(evidence.step("operation")[evidence.first_step[life]])
        message = "its allocation is not in the capture: how many references it had is not known"
        yield Candidate(life, (op,), message, evidence.end, ("unknown birth",))


@rule("M04", "the capture is incomplete or contradicts itself", severity="note")
def incomplete(evidence: Evidence) -> Iterator[Candidate]:
    """Find losses, and lives that cannot have been as the trace tells."""
    for loss in plain_rows(evidence.losses):
        yield Candidate(None, (), describe_loss(loss), evidence.end, ("loss", loss["sign"]))
    for life, (op, what) in sorted(evidence.replay.contradictions.items()):
        yield Candidate(life, (op,), _CONTRADICTIONS[what], evidence.end, (what,))
    backwards = _backwards(evidence)
    if backwards:
        message = f"{backwards} events of one thread are numbered otherwise than timed: the clocks differ"
        yield Candidate(None, (), message, evidence.end, ("time goes backwards",))


def _backwards(evidence: Evidence) -> int:
    """Count the operations of a thread that are numbered before an earlier one of the same thread."""
    ops = evidence.ops
    rows = np.flatnonzero(ops.has("sequence"))
    record = ops["record"][rows]
    # A call on several contexts has several rows of one number.
    rows = rows[np.append(True, record[1:] != record[:-1])[: len(rows)]]
    number = np.sort(ops["sequence"][rows])
    if (number[1:] == number[:-1]).any():
        return 0
    rows = rows[np.argsort(ops["tid"][rows], kind="stable")]
    same = ops["tid"][rows][1:] == ops["tid"][rows][:-1]
    return int(np.count_nonzero(same & (ops["sequence"][rows][1:] < ops["sequence"][rows][:-1])))
