"""The order of calls that is best for the driver: acquires as early, releases as late as they can be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracecheck.fltmgr import Effect as Routine
from tracecheck.replay.effects import Mark, Ops
from tracecheck.replay.machine import Effect

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Reach:
    """How far from its log line a call may be.

    Attributes:
        tolerance: Where nothing bounds it, nanoseconds.
        apart: By how much the clocks of two processors may differ, nanoseconds.
    """

    tolerance: int
    apart: int = 0


@dataclass(frozen=True)
class Intervals:
    """When each operation can have taken effect, nanoseconds.

    Attributes:
        time: When it was logged.
        early: The earliest, for a call that is logged after it is made.
        late: The latest, for a call that is logged before it is made.
    """

    time: Ints
    early: Ints
    late: Ints


class Timing:
    """When operations can have taken effect, worked out for those that are asked for.

    Most captures never ask, because most operations tell when they began.

    Args:
        ops: The operations.
        reach: How far from its log line a call may be.
    """

    def __init__(self, ops: Ops, reach: Reach) -> None:
        self._ops = ops
        self._reach = reach

    def early(self, rows: Ints) -> Ints:
        """Tell the earliest moment of some operations; where all tell their begin, that is all it takes."""
        if self._ops.has("begin")[rows].all():
            begin: Ints = np.minimum(self._ops["begin"][rows], self._ops["time"][rows])
            return begin - self._reach.apart
        return intervals(self._ops, rows, self._reach)[0].early[rows]


def intervals(ops: Ops, rows: Ints, *reaches: Reach) -> list[Intervals]:
    """Bound operations by their own begin, else by their threads' other operations.

    Args:
        ops: The operations.
        rows: Those asked for; of the others nothing is told.
        reaches: How far from its log line a call may be.

    Returns:
        The intervals for each reach.
    """
    rows, before, after = _neighbours(ops, rows)
    time, begun = ops["time"], ops.has("begin")[rows]
    mine = time[rows]
    begin = np.minimum(ops["begin"][rows], mine)
    next_start = np.where(ops.has("begin")[after], np.minimum(ops["begin"][after], time[after]), time[after])
    out = []
    for reach in reaches:
        tolerance, apart = reach.tolerance, reach.apart
        early, late = np.zeros(ops.size, np.int64), np.zeros(ops.size, np.int64)
        soonest = np.where(before >= 0, np.maximum(mine - tolerance, time[before]), mine - tolerance)
        latest = np.where(
            after >= 0, np.minimum(mine + tolerance, np.maximum(next_start, mine)), mine + tolerance
        )
        early[rows], late[rows] = np.where(begun, begin, soonest) - apart, latest + apart
        out.append(Intervals(time, early, late))
    return out


def _neighbours(ops: Ops, rows: Ints) -> tuple[Ints, Ints, Ints]:
    """Find the same thread's call before and after each of some operations; -1 for none.

    The rows of one call on several contexts have the same neighbours. What a cleanup callback logs lies
    inside the call that made it run, and is not before that call.

    Returns:
        The operations, each once, and of each the calls before and after it.
    """
    order = ops.by_thread()
    thread = ops.thread()
    asked = np.isin(thread, np.unique(thread[rows]))
    order = order if asked.all() else order[asked[order]]
    thread, record = thread[order], ops["record"][order]
    new = np.ones(len(order), np.bool_)
    new[1:] = (thread[1:] != thread[:-1]) | (record[1:] != record[:-1])
    call = np.cumsum(new) - 1
    first = np.flatnonzero(new)
    of_thread = thread[first]
    inside = _in_cleanup(ops, order[first], of_thread)
    index = np.arange(len(first))
    outside = np.maximum.accumulate(np.where(inside, -1, index)) if len(index) else index
    before, after = np.full(len(first), -1), np.full(len(first), -1)
    candidate = np.where(inside[1:], index[:-1], outside[:-1])
    same = (candidate >= 0) & (of_thread[np.maximum(candidate, 0)] == of_thread[1:])
    before[1:][same] = order[first[candidate[same]]]
    follows = of_thread[1:] == of_thread[:-1]
    after[:-1][follows] = order[first[1:]][follows]
    wanted = np.zeros(ops.size, np.bool_)
    wanted[rows] = True
    at = np.flatnonzero(wanted[order])
    return order[at], before[call[at]], after[call[at]]


def _in_cleanup(ops: Ops, calls: Ints, thread: NDArray[Any]) -> NDArray[np.bool_]:
    """Tell which calls, sorted by thread, are cleanup callbacks or are made by one."""
    cleanup = ops.effect()[calls] == Routine.CLEANUP
    phase = ops["phase"][calls]
    depth = np.cumsum(np.where(cleanup, (phase == 1).astype(np.int64) - (phase == 2), 0))
    starts = np.flatnonzero(np.append(True, thread[1:] != thread[:-1])[: len(thread)])
    group = np.repeat(np.arange(len(starts)), np.diff(np.append(starts, len(thread))))
    depth -= np.append(0, depth)[starts][group]
    # Where beginnings and ends do not pair up, only the callbacks' own rows are known to lie inside.
    ends = np.append(starts[1:], len(thread)) - 1
    paired = (depth[ends] == 0)[group] if len(starts) else cleanup
    return np.asarray(cleanup | (paired & (depth > 0)))


# Calls that are logged before they are made.
_LOGGED_BEFORE = (Routine.RELEASE, Routine.RELEASE_MANY, Routine.DELETE, Routine.CLEANUP, Routine.USE)


@dataclass(frozen=True)
class Moment:
    """When an effect is placed, in doubled nanoseconds: these leave room for "just before".

    Attributes:
        at: The best moment for the driver.
        until: The last moment to which it may be put off.
    """

    at: int
    until: int


@dataclass(frozen=True)
class Window:
    """When an effect can have been, in doubled nanoseconds.

    Attributes:
        first, last: Its bounds.
        logged: When it was logged.
        thread: Whose call it is of; calls of one thread keep their order.
    """

    first: int
    last: int
    logged: int
    thread: int


def windows(effects: list[Effect], ops: Ops, when: Intervals) -> list[Window]:
    """Tell when each effect on one life can have been.

    Args:
        effects: In the order of the log.
        ops: The operations.
        when: The operations' intervals.
    """
    rows = np.array([effect.op for effect in effects], np.int64)
    # Plain numbers: a long life is looked at call by call.
    routine, thread = ops.effect()[rows].tolist(), ops.thread()[rows].tolist()
    time, early, late = (column[rows].tolist() for column in (when.time, when.early, when.late))
    cleaned = next((i for i, e in enumerate(effects) if e.mark & Mark.CLEANUP), len(effects))
    cleanup = 2 * int(when.time[effects[cleaned].op]) if cleaned < len(effects) else None
    found: list[Window] = []
    for i, effect in enumerate(effects):
        first = last = logged = 2 * time[i]
        if routine[i] not in _LOGGED_BEFORE:
            if effect.owned > 0 or effect.link > 0 or effect.mark & Mark.USE:
                # Just behind its bound: the call that bounds it may have been at that very moment.
                first = min(2 * early[i] + 1, last)
            if cleanup is not None and i > cleaned and effect.owned > 0:
                # Who took a reference before the cleanup has logged it before he gave it back.
                first = max(first, min(cleanup + 1, last))
        elif effect.mark & Mark.RELEASE or routine[i] == Routine.DELETE:
            bound = 2 * late[i]
            if cleanup is not None and first <= cleanup:
                bound = min(bound, cleanup)
            last = max(bound - 1, first)
        found.append(Window(first, last, logged, thread[i]))
    if effects[0].mark & Mark.BIRTH:
        # Nothing can happen to a context before it is allocated.
        born = found[0].first
        found = [Window(max(w.first, born), max(w.last, born), max(w.logged, born), w.thread) for w in found]
    return found


def best_moments(effects: list[Effect], found: list[Window]) -> list[Moment]:
    """Place the effects on one life so that its count is as high as it can be at every moment.

    Args:
        effects: In the order of the log.
        found: When each can have been.
    """
    moments: list[Moment] = []
    next_of_thread: dict[int, int] = {}
    for effect, window in reversed(list(zip(effects, found, strict=True))):
        at, until = window.first, window.last
        if effect.mark & Mark.RELEASE:
            at = until = max(min(window.last, next_of_thread.get(window.thread, window.last + 1) - 1), at)
        elif effect.mark & Mark.UNLINK and not effect.owned:
            at = until = window.logged
        # No later row of the thread may be overtaken, not only the next.
        next_of_thread[window.thread] = min(at, next_of_thread.get(window.thread, at))
        moments.append(Moment(at, max(at, until)))
    moments.reverse()
    return moments
