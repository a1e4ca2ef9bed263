"""F01 to F06: a block in a state in which the call is not allowed."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tracecheck.fltmgr import PerStream
from tracecheck.replay.per_stream.machine import (
    FAULTS,
    FREED_INSERTED,
    FREED_TWICE,
    INSERTED_TWICE,
    NOT_INITIALISED,
    USED_FREED,
    USED_TORN,
)
from tracecheck.rules.evidence import Evidence
from tracecheck.rules.legacy.blocks import TAKES_OFF, Blocks, about, blocks, call
from tracecheck.rules.registry import Candidate, rule

_POOL = frozenset({"ExAllocatePoolWithTag", "ExFreePoolWithTag"})
_INSERT, _REMOVE = "FsRtlInsertPerStreamContext", TAKES_OFF[0]
_INIT, _CALLBACK = "FsRtlInitPerStreamContext", TAKES_OFF[1]
# What brought a block into the state in which the call is wrong.
_TELLS = (PerStream.ALLOCATE, PerStream.FREE, PerStream.INSERT, PerStream.REMOVE, PerStream.CALLBACK)
_NO_CALLBACKS = "no FreeCallback is logged in this capture: the free may have been made in one"


@rule("F01", "freed without being removed")
def freed_while_inserted(evidence: Evidence) -> Iterator[Candidate]:
    """Find frees of contexts that their streams' lists still hold."""
    of = blocks(evidence)
    if of is None:
        return
    if evidence.coverage.lacks(frozenset(TAKES_OFF)):
        return
    needs = frozenset({"ExFreePoolWithTag", _INSERT, *TAKES_OFF})
    doubts: tuple[str, ...] = ()
    listed = evidence.coverage.routines is not None and _CALLBACK in evidence.coverage.routines
    if not listed and not (of.role == PerStream.CALLBACK).any():
        # Without callbacks every teardown looks like this: only what is unusual in the capture is told.
        faulty, freed = of.faults(FAULTS[FREED_INSERTED - 1]), int(of.in_state("freed").sum())
        if 2 * len(faulty) > freed:
            return
        doubts = (_NO_CALLBACKS,)
    yield from _faults(evidence, of, FREED_INSERTED, "freed a context that is still inserted", needs, doubts)


@rule("F02", "inserted before it was initialised")
def inserted_uninitialised(evidence: Evidence) -> Iterator[Candidate]:
    """Find inserts of memory that nobody initialised since its allocation."""
    of = blocks(evidence)
    # The initialisation is a macro: only the driver itself can log it, and many do not.
    if of is not None and (of.role == PerStream.INIT).any():
        needs = frozenset({"ExAllocatePoolWithTag", _INIT, _INSERT})
        yield from _faults(
            evidence, of, NOT_INITIALISED, "inserted a context that was not initialised", needs
        )


@rule("F03", "inserted twice")
def inserted_twice(evidence: Evidence) -> Iterator[Candidate]:
    """Find inserts of contexts that are inserted already."""
    of = blocks(evidence)
    if of is not None:
        needs = frozenset({_INSERT, _REMOVE, _CALLBACK, *_POOL})
        yield from _faults(evidence, of, INSERTED_TWICE, "inserted a context that is inserted already", needs)


@rule("F04", "used after it was freed")
def used_after_free(evidence: Evidence) -> Iterator[Candidate]:
    """Find calls that name memory which the driver freed."""
    of = blocks(evidence)
    if of is not None:
        yield from _faults(evidence, of, USED_FREED, "named a context that was already freed", _POOL)


@rule("F05", "used after the stream was torn down")
def used_after_teardown(evidence: Evidence) -> Iterator[Candidate]:
    """Find calls that name a context after its FreeCallback, or after its stream was torn down."""
    of = blocks(evidence)
    if of is not None:
        needs = frozenset({_INSERT, *_POOL})
        yield from _faults(evidence, of, USED_TORN, "named a context that went away with its stream", needs)


@rule("F06", "freed twice")
def freed_twice(evidence: Evidence) -> Iterator[Candidate]:
    """Find frees of what was freed already."""
    of = blocks(evidence)
    if of is not None:
        yield from _faults(evidence, of, FREED_TWICE, "freed a context that was already freed", _POOL)


def _faults(
    evidence: Evidence,
    of: Blocks,
    fault: int,
    words: str,
    needs: frozenset[str],
    doubts: tuple[str, ...] = (),
) -> Iterator[Candidate]:
    """Find the blocks that have a fault among their steps."""
    for block, steps in of.faults(FAULTS[fault - 1]).items():
        at = steps[0]
        ops = [int(of.op[one]) for one in steps[:50]]
        start = int(np.searchsorted(of.block, block))
        earlier = [one for one in range(start, at) if of.role[one] in _TELLS]
        cause = [int(of.op[one]) for one in earlier[-1:]]
        often = f" ({len(steps)} times)" if len(steps) > 1 else ""
        message = f"{call(evidence, ops[0])} {words}{often}"
        judged = int(of.time[start : at + 1].max())
        why = (*doubts, *of.doubt_of(at))
        yield about(evidence, of, block, (*ops, *cause), message, needs, judged=judged, doubts=why)
