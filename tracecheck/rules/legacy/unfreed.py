"""F07 to F10, and F23: contexts that nobody freed, and contexts that outlive their driver."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from tracecheck.fltmgr import Effect, PerStream
from tracecheck.fltmgr.status import FAILURE_BIT
from tracecheck.rules.evidence import Evidence
from tracecheck.rules.legacy.blocks import FREE, Blocks, about, blocks, call
from tracecheck.rules.registry import Candidate, rule

_FREE = frozenset({FREE, "ExAllocatePoolWithTag"})
_INSERT, _REMOVE = "FsRtlInsertPerStreamContext", "FsRtlRemovePerStreamContext"
_CALLBACK = "FreePerStreamContext"
# How long a free may be put off where the capture does not show how long it is, nanoseconds.
_LONG = 1_000_000_000

_LOADED = "the capture ended before the driver was unloaded: it may have been freed later"
_CUT_OFF = "the call that frees it may still have been running when the capture ended"
_WHOSE = "which driver was unloaded is not certain"


class _End(NamedTuple):
    """The unload of a block's driver: when it had ended, which operation tells, whether it is its own."""

    when: int
    op: int
    sure: bool


@rule("F07", "FreeCallback does not free")
def callback_did_not_free(evidence: Evidence) -> Iterator[Candidate]:
    """Find contexts whose FreeCallback ended and that nobody freed."""
    of = _judgeable(evidence)
    if of is None:
        return
    begun = (of.role == PerStream.CALLBACK) & ~_is_begin(of)
    last = np.where(of.in_state("torn down"), of.last_step(begun), -1)
    for block, at, doubts, until in _lost(evidence, of, last, PerStream.CALLBACK, once=True):
        message = f"{call(evidence, int(of.op[at]))} ended, and the context was not freed"
        ops = (int(of.op[at]), *_start(of, block))
        yield about(evidence, of, block, ops, message, _FREE | {_CALLBACK}, judged=until, doubts=doubts)


@rule("F08", "removed and dropped")
def removed_and_dropped(evidence: Evidence) -> Iterator[Candidate]:
    """Find contexts that were removed and neither freed nor inserted again."""
    of = _judgeable(evidence)
    if of is None:
        return
    removed = of.last_step(of.role == PerStream.REMOVE)
    last = np.where(of.in_state("removed") & (of.last_step(_failed_insert(of)) < removed), removed, -1)
    for block, at, doubts, until in _lost(evidence, of, last, PerStream.REMOVE):
        message = f"{call(evidence, int(of.op[at]))} gave the context back, and nobody freed it"
        ops = (int(of.op[at]), *_start(of, block))
        yield about(evidence, of, block, ops, message, _FREE | {_INSERT}, judged=until, doubts=doubts)


@rule("F09", "insert failed and the context was not freed")
def failed_and_not_freed(evidence: Evidence) -> Iterator[Candidate]:
    """Find contexts whose insert failed and that nobody freed."""
    of = _judgeable(evidence)
    if of is None:
        return
    failed = of.last_step(_failed_insert(of))
    open_ = of.in_state("initialised", "removed", "allocated")
    last = np.where(open_ & (failed > of.last_step(of.role == PerStream.REMOVE)), failed, -1)
    for block, at, doubts, until in _lost(evidence, of, last, PerStream.INSERT):
        message = f"{call(evidence, int(of.op[at]))} failed, and the context was not freed"
        ops = (int(of.op[at]), *_start(of, block))
        yield about(evidence, of, block, ops, message, _FREE | {_INSERT}, judged=until, doubts=doubts)


@rule("F10", "allocated, never inserted, never freed")
def never_inserted(evidence: Evidence) -> Iterator[Candidate]:
    """Find contexts that are neither inserted nor freed when their driver has been unloaded."""
    of = _judgeable(evidence)
    if of is None:
        return
    idle = of.in_state("initialised", "allocated") & (of.last_step(_failed_insert(of)) < 0)
    ends = _Ends(evidence, of)
    for block in np.flatnonzero(idle).tolist():
        end = ends.of(block)
        if end is None:
            continue
        start = _start(of, block)
        message = f"{call(evidence, start[0])}: the context was never inserted and never freed"
        doubts = () if end.sure else (_WHOSE,)
        needs = _FREE | {_INSERT}
        yield about(evidence, of, block, (*start, end.op), message, needs, judged=end.when, doubts=doubts)


@rule("F23", "driver unloaded with contexts inserted")
def unloaded_while_inserted(evidence: Evidence) -> Iterator[Candidate]:
    """Find contexts that are inserted when their driver has been unloaded."""
    of = blocks(evidence)
    if of is None:
        return
    ends = _Ends(evidence, of)
    needs = frozenset({_REMOVE, _CALLBACK, *_FREE})
    put = of.last_step((of.role == PerStream.INSERT) & ~_failed_insert(of))
    for block in np.flatnonzero(of.in_state("inserted") & (put >= 0)).tolist():
        end = ends.of(block)
        if end is None:
            continue
        message = "the driver was unloaded while the context was inserted: its FreeCallback is gone"
        ops = (int(of.op[put[block]]), end.op)
        doubts = () if end.sure else (_WHOSE,)
        yield about(evidence, of, block, ops, message, needs, judged=end.when, doubts=doubts)


def _judgeable(evidence: Evidence) -> Blocks | None:
    """Give the blocks where the capture can tell that one was not freed."""
    of = blocks(evidence)
    if of is None or evidence.coverage.lacks(frozenset({FREE})):
        return None
    freed = bool((evidence.ops.per_stream() == PerStream.FREE).any())
    return of if freed or evidence.coverage.declared else None


def _is_begin(of: Blocks) -> np.ndarray:
    """Tell which steps are the begin of a callback; one without a phase tells of the whole callback."""
    return np.asarray(of.ops["phase"][of.op] == 1)


def _failed_insert(of: Blocks) -> np.ndarray:
    failed = of.ops.has("status")[of.op] & ((of.ops["status"][of.op] & FAILURE_BIT) != 0)
    return np.asarray((of.role == PerStream.INSERT) & failed)


def _start(of: Blocks, block: int) -> tuple[int, ...]:
    """Give the operation with which a block begins."""
    return (int(of.op[np.searchsorted(of.block, block)]),)


def _lost(
    evidence: Evidence, of: Blocks, last: np.ndarray, role: PerStream, once: bool = False
) -> Iterator[tuple[int, int, tuple[str, ...], int]]:
    """Find the blocks that should have been freed after some step.

    Args:
        evidence: The whole evidence.
        of: The blocks.
        last: Of each block the step after which it should have been freed, -1 for none.
        role: What that step is.
        once: Whether the free is due at that step, and not just some time before the unload.

    Yields:
        The block, the step, doubts, and until when the trace had to be complete.
    """
    ends = _Ends(evidence, of)
    usual = _longest(of, role)
    for block in np.flatnonzero(last >= 0).tolist():
        at = int(last[block])
        end = ends.of(block)
        if end is not None:
            yield block, at, () if end.sure else (_WHOSE,), end.when
            continue
        age = evidence.end - int(of.time[at])
        if usual is not None and age <= 10 * (usual + evidence.coverage.precision):
            continue
        doubts: tuple[str, ...] = () if once else (_LOADED,)
        if usual is None and age < _LONG:
            doubts = (*doubts, _CUT_OFF)
        yield block, at, doubts, evidence.never


def _longest(of: Blocks, role: PerStream) -> int | None:
    """Tell for how long blocks are kept at most after such a step before they are freed, nanoseconds."""
    frees = of.role == PerStream.FREE
    free = of.last_step(frees)[of.block]
    which = of.role == role
    if role is PerStream.INSERT:
        which = _failed_insert(of)
    took = of.time[free] - of.time
    took = took[which & (free >= 0) & (took >= 0)]
    return int(took.max()) if len(took) else None


class _Ends:
    """When the drivers whose contexts are legacy ones had been unloaded.

    A legacy driver has no filter: an unload that names none is its own, and so is one that names the owner of
    its contexts. Where only one filter is named at all, and nothing is done with contexts after its unload,
    that may have been the driver's.

    Args:
        evidence: The whole evidence.
        of: The blocks.
    """

    def __init__(self, evidence: Evidence, of: Blocks) -> None:
        ops = evidence.ops
        ended = np.flatnonzero((ops.effect() == Effect.UNLOAD) & (ops["phase"] == 2))
        filters = ops["filter"]
        known = np.unique(filters[filters != 0])
        latest = int(of.last.max(initial=0))
        self._of = of
        self._ends = [
            (int(filters[op]), _End(int(ops["time"][op]), int(op), sure))
            for op in ended.tolist()
            for sure in (True, False)
            if sure or (len(known) == 1 and ops["time"][op] >= latest)
        ]

    def of(self, block: int) -> _End | None:
        """Give the unload of a block's driver, None where the capture has none that it did not outlive."""
        owner, last = int(self._of.column("owner")[block]), int(self._of.last[block])
        for filter_, end in self._ends:
            mine = filter_ in (0, owner) if end.sure else filter_ != owner
            if mine and end.when >= last:
                return end
        return None
