"""M: what the capture itself does not tell, or tells wrongly."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tracecheck.etl import plain_rows
from tracecheck.fltmgr import RELEASES
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


@rule("M03", "releases are not all logged", severity="note")
def releases_missing(evidence: Evidence) -> Iterator[Candidate]:
    """Find the release routines of which the driver's own log is said to lack calls."""
    coverage = evidence.coverage
    for routines, what in (
        (coverage.partial, "is logged at some of its call sites only"),
        (coverage.silent, "is called and never logged"),
    ):
        for routine in sorted(routines & RELEASES):
            yield Candidate(None, (), f"{routine} {what}: leaks are not judged", evidence.end, (routine,))


@rule("M04", "the capture is incomplete or contradicts itself", severity="note")
def incomplete(evidence: Evidence) -> Iterator[Candidate]:
    """Find losses, and lives that cannot have been as the trace tells."""
    for loss in plain_rows(evidence.losses):
        yield Candidate(None, (), describe_loss(loss), evidence.end, ("loss", loss["sign"]))
    contradictions = evidence.replay.contradictions
    if contradictions and evidence.coverage.lacks(RELEASES):
        # Every life may be one of these: the same words for each would hide all else.
        count = len(contradictions)
        whose = "1 context was" if count == 1 else f"{count:,} contexts were"
        message = f"{whose} freed while references were owned, as not every release is logged"
        yield Candidate(None, (), message, evidence.end, ("releases not logged",))
        contradictions = {}
    for life, (op, what) in sorted(contradictions.items()):
        yield Candidate(life, (op,), _CONTRADICTIONS[what], evidence.end, (what,))
    apart = evidence.coverage.clocks_apart
    if apart:
        by = f"{apart / 1000:,.0f} microseconds"
        message = f"the processors' clocks differ by up to {by}: events are in the order of their numbers"
        yield Candidate(None, (), message, evidence.end, ("clocks differ",))
    elif evidence.out_of_order:
        message = "the processors' clocks differ: calls are not in the order in which they were made"
        yield Candidate(None, (), message, evidence.end, ("clocks differ",))
    backwards = _backwards(evidence)
    if backwards:
        message = f"{backwards} events of one thread are numbered otherwise than timed: the clocks differ"
        yield Candidate(None, (), message, evidence.end, ("time goes backwards",))


def _backwards(evidence: Evidence) -> int:
    """Count the operations of a thread that are numbered before an earlier one of the same thread."""
    ops = evidence.ops
    rows = ops.by_thread()[ops.has("sequence")[ops.by_thread()]]
    number, record, thread = ops["sequence"][rows], ops["record"][rows], ops["tid"][rows]
    earlier = (thread[1:] == thread[:-1]) & (number[1:] < number[:-1])
    if not earlier.any():
        return 0
    # Two writers, each with a counter of its own, use a number twice: nothing can be concluded.
    order = np.argsort(number, kind="stable")
    twice = (number[order][1:] == number[order][:-1]) & (record[order][1:] != record[order][:-1])
    return 0 if twice.any() else int(np.count_nonzero(earlier))
