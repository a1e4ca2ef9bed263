"""The lives that leaked, as the rules that say why look at them."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tracecheck.fltmgr import RELEASES
from tracecheck.rules.evidence import Evidence
from tracecheck.rules.leaks import leaked_at_unload, outlived_its_object, outstanding_at_end
from tracecheck.rules.pairing import Open, pairs
from tracecheck.rules.registry import Candidate

_LATER = "the capture ended before the filter was unloaded: the release may have come later"
_MOST = 100
_WHICH = "which of its references was not released is not certain"


@dataclass(frozen=True)
class Leak:
    """A life that L01, L02 or L03 names.

    Attributes:
        life: Row of the contexts table.
        open: Its acquires that nothing answers.
        judged: Until when the trace had to be complete, nanoseconds.
        doubts: Why it is no more than possible that it leaked.
        certain: Whether L01 or L02 names it, and not only the end of the capture.
    """

    life: int
    open: Open
    judged: int
    doubts: tuple[str, ...]
    certain: bool


@dataclass(frozen=True)
class Answered:
    """Acquires and the releases that answer them.

    Attributes:
        taken: The operations that acquired.
        given: The operations that released, one for each.
        kind: The type of the context.
    """

    taken: NDArray[np.uint32]
    given: NDArray[np.uint32]
    kind: NDArray[np.uint16]


def accused(evidence: Evidence) -> Iterator[Leak]:
    """Give every life that L01, L02 or L03 says leaked; ask for it with ``evidence.found(accused)``."""
    certain = {c.life: c for find in (outlived_its_object, leaked_at_unload) for c in evidence.found(find)}
    likely = {c.life: c for c in evidence.found(outstanding_at_end) if c.severity is None}
    for life, found in (likely | certain).items():
        assert life is not None
        sure = life in certain
        doubts = found.doubts if sure else (*found.doubts, _LATER)
        yield Leak(life, evidence.unanswered(life), found.judged, doubts, sure)


def blame(
    evidence: Evidence,
    leak: Leak,
    mine: Collection[int],
    words: tuple[str, str],
    *,
    doubts: tuple[str, ...] = (),
    proof: tuple[int, ...] = (),
    needs: frozenset[str] = RELEASES,
) -> Candidate | None:
    """Lay a leak to the charge of one kind of acquire.

    Args:
        evidence: All there is to look at.
        leak: The leak.
        mine: The operations of this kind.
        words: What is said before and after the name of the acquire.
        doubts: Why it may not be this kind, besides the doubts of the leak itself.
        proof: What else shows it.
        needs: The routines that must be logged completely.

    Returns:
        The fault; None where no acquire of this kind is unanswered. It is no more than possible where another
        choice of answers leaves an acquire of another kind open.
    """
    ops = tuple(op for op in leak.open.steps if op in mine)
    if not ops:
        return None
    doubts = (*leak.doubts, *doubts)
    if not all(op in mine for op in leak.open.candidates):
        doubts += (_WHICH,)
    cause = (evidence.names("routine", ops[0]), evidence.names("function", ops[0]))
    message = call(evidence, ops[0]).join(words)
    return Candidate(leak.life, (*ops[:_MOST], *proof), message, leak.judged, cause, doubts, needs)


def answered(evidence: Evidence) -> Iterator[Answered]:
    """Learn from the lives that are not held which releases answer which acquires; one item."""
    life, op = evidence.step("context").astype(np.int64), evidence.step("operation")
    delta = evidence.step("delta_owned").astype(np.int64)
    taken, given = pairs(life, evidence.ops["tid"][op], evidence.function[op], delta)
    held = np.zeros(len(evidence.replay.contexts), np.bool_)
    held[evidence.held] = True
    sound = ~held[life[taken]]
    taken, given = taken[sound], given[sound]
    yield Answered(op[taken], op[given], evidence.context("context_type")[life[taken]])


def call(evidence: Evidence, op: int) -> str:
    """Name a call and its place in words."""
    site = evidence.names("site", op)
    return evidence.names("routine", op) + (f" at {site}" if site else "")
