"""M: what the capture itself does not tell, or tells wrongly."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tracecheck.etl import plain_rows
from tracecheck.fltmgr import RELEASES, TYPE_NAMES, ContextType
from tracecheck.operations.table import ASSUMED
from tracecheck.replay.engine import CLEANUP_REFERENCED, TWO_GENERATIONS
from tracecheck.rules.contradictions import contradictions
from tracecheck.rules.evidence import Evidence, describe_loss
from tracecheck.rules.registry import Candidate, rule

#: How many contexts are told of one by one.
_MOST_NOTES = 100
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
    yield from _impossible(evidence)
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


def _impossible(evidence: Evidence) -> Iterator[Candidate]:
    """Tell of the calls that cannot have been as the trace tells: one note for each life and kind."""
    told: dict[tuple[int | None, int, str], list[int]] = {}
    for one in evidence.found(contradictions):
        told.setdefault((one.life, one.context, one.what), []).append(one.op)
    for (life, context, what), ops in list(told.items())[:_MOST_NOTES]:
        often = f" ({len(ops)} times)" if len(ops) > 1 else ""
        where = None if life is not None or not context else context
        yield Candidate(life, tuple(ops[:100]), what + often, evidence.end, (what,), context=where)
    left = len(told) - _MOST_NOTES
    if left > 0:
        message = f"{left:,} more contexts are told of in ways that cannot have been"
        yield Candidate(None, (), message, evidence.end, ("more contradictions",))


@rule("M02", "only the intent is logged", severity="note")
def only_intent(evidence: Evidence) -> Iterator[Candidate]:
    """Find the routines of which calls are taken to have succeeded because no line says that they failed."""
    if ASSUMED.name not in evidence.ops.table.schema.names:
        return
    assumed, names = evidence.ops[ASSUMED.name], evidence.ops.routines()
    codes, first, counts = np.unique(evidence.ops["routine"][assumed], return_index=True, return_counts=True)
    rows = np.flatnonzero(assumed)[first]
    for code, row, count in zip(codes.tolist(), rows.tolist(), counts.tolist(), strict=True):
        calls = "1 call" if count == 1 else f"{count:,} calls"
        message = f"of {calls} of {names[code]} only the intent was logged: that they succeeded is assumed"
        yield Candidate(None, (row,), message, evidence.end, (names[code],))


@rule("M05", "text and routine disagree on the type", severity="note")
def types_disagree(evidence: Evidence) -> Iterator[Candidate]:
    """Find routines whose messages name another type than the routine has, or the context's allocation."""
    ops = evidence.ops
    if ASSUMED.name not in ops.table.schema.names:
        return
    op, life = evidence.step("operation"), evidence.step("context")
    told, routine = ops["context_type"][op].astype(np.int64), ops.slot_type()[op].astype(np.int64)
    own = ops["context"][op] == evidence.context("pointer")[life]
    born = np.isin(life, evidence.lives_that("birth", "allocated"))
    allocated = np.where(born, evidence.context("context_type")[life], 0).astype(np.int64)
    due = np.where((routine != 0) & (told != routine), routine, allocated)
    wrong = np.flatnonzero(own & (told != 0) & (due != 0) & (told != due))
    kinds = np.stack([ops["routine"][op[wrong]].astype(np.int64), told[wrong], due[wrong]], axis=1)
    every, first, counts = np.unique(kinds, axis=0, return_index=True, return_counts=True)
    for (code, said, is_), row, count in zip(
        every.tolist(), op[wrong[first]].tolist(), counts.tolist(), strict=True
    ):
        name = ops.routines()[code]
        message = f"{count:,} messages of {name} say {_type(said)} context of what is a {_type(is_)} context"
        yield Candidate(None, (row,), message, evidence.end, (name, str(said), str(is_)))


def _type(kind: int) -> str:
    return TYPE_NAMES[ContextType(kind)].lower() if kind in list(TYPE_NAMES) else hex(kind)


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
