"""The order of calls that is best for the driver: acquires as early, releases as late as they can be."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tracecheck.fltmgr import Effect as Routine
from tracecheck.replay.effects import Mark, Ops
from tracecheck.replay.machine import Effect

Ints = NDArray[np.int64]


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


def intervals(ops: Ops, tolerance: int) -> Intervals:
    """Bound each operation by its own begin and by its thread's other operations.

    Args:
        ops: The operations.
        tolerance: How far from its log line a call may be where nothing else bounds it, nanoseconds.
    """
    time = ops["time"]
    begin = np.where(ops.has("begin"), np.minimum(ops["begin"], time), time - tolerance)
    before, after = _neighbours(ops)
    early = np.maximum(begin, np.where(before >= 0, time[before], begin))
    starts = np.where(ops.has("begin"), np.minimum(ops["begin"], time), time)
    late = time + tolerance
    late = np.minimum(late, np.where(after >= 0, np.maximum(starts[after], time), late))
    return Intervals(time, np.minimum(early, time), late)


def _neighbours(ops: Ops) -> tuple[Ints, Ints]:
    """Find the same thread's call before and after each operation; -1 where there is none.

    The rows of one call on several contexts have the same neighbours.
    """
    order = np.argsort(ops["tid"], kind="stable")
    thread, record = ops["tid"][order], ops["record"][order]
    new = np.ones(len(order), np.bool_)
    new[1:] = (thread[1:] != thread[:-1]) | (record[1:] != record[:-1])
    call = np.cumsum(new) - 1
    first = np.flatnonzero(new)
    of_thread = thread[first]
    same = of_thread[1:] == of_thread[:-1]
    before, after = np.full(len(first), -1), np.full(len(first), -1)
    before[1:][same] = order[first[:-1]][same]
    after[:-1][same] = order[first[1:]][same]
    result = np.empty((2, len(order)), np.int64)
    result[:, order] = before[call], after[call]
    return result[0], result[1]


# Calls that are logged before they are made.
_LOGGED_BEFORE = (Routine.RELEASE, Routine.RELEASE_MANY, Routine.DELETE, Routine.CLEANUP, Routine.USE)


def best_for_driver(effects: list[Effect], ops: Ops, when: Intervals) -> list[Effect]:
    """Put the effects on one life in the order in which its count is highest at every moment.

    Args:
        effects: In the order of the log.
        ops: The operations.
        when: The operations' intervals.
    """
    routine, thread = ops.effect(), ops["tid"]
    cleanup = next((int(when.time[e.op]) for e in effects if e.mark & Mark.CLEANUP), None)
    # Doubled times leave room for "just before" between two moments.
    keys: list[int] = []
    next_raise: dict[int, int] = {}
    for effect in reversed(effects):
        op, one = effect.op, int(thread[effect.op])
        time = int(when.time[op])
        raises = (effect.owned > 0 or effect.link > 0) and routine[op] not in _LOGGED_BEFORE
        if raises:
            keys.append(2 * int(when.early[op]))
            next_raise[one] = min(keys[-1], next_raise.get(one, keys[-1]))
        elif effect.mark & Mark.RELEASE:
            bound = min(2 * int(when.late[op]), next_raise.get(one, 2 * int(when.late[op])))
            if cleanup is not None and time <= cleanup:
                bound = min(bound, 2 * cleanup)
            keys.append(max(bound - 1, 2 * time))
            next_raise[one] = keys[-1]
        else:
            keys.append(2 * time)
            next_raise[one] = keys[-1]
    keys.reverse()
    if effects[0].mark & Mark.BIRTH:
        keys = [max(key, keys[0]) for key in keys]
    order = sorted(range(len(effects)), key=lambda i: (keys[i], i))
    return [effects[i] for i in order]
