"""When the object of a context that is still held went away."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from tracecheck.fltmgr import ContextType, Effect
from tracecheck.fltmgr.status import KEEP_IF_EXISTS, STATUS_NOT_FOUND
from tracecheck.replay.effects import Ops
from tracecheck.replay.lives import Lives
from tracecheck.replay.order import Timing
from tracecheck.replay.slots import EMPTY, Slots

Ints = NDArray[np.int64]


def objects_gone(
    ops: Ops,
    lives: Lives,
    slots: Slots,
    held: Ints,
    attached: Ints,
    link_before: Callable[[int, int], int],
    when: Timing,
) -> Ints:
    """Find when the object of each held life is known to have gone, while it still had its link.

    Args:
        ops: The operations.
        lives: All lives.
        slots: What is known of slots.
        held: The lives to look at.
        attached: For each life, the operation that last told what it is attached to, or -1.
        link_before: Tells a life's link before an operation.
        when: When each operation can have taken effect.

    Returns:
        For each of all lives a time in nanoseconds, -1 where its object is not known to have gone.
    """
    gone = np.full(len(lives.first), -1, np.int64)
    if not len(held):
        return gone
    effect, time = ops.effect(), ops["time"]
    teardowns: dict[int, list[int]] = {}
    for op in np.flatnonzero(effect == Effect.TEARDOWN_COMPLETE).tolist():
        teardowns.setdefault(int(ops["instance"][op]), []).append(op)
    order = np.argsort(slots.life, kind="stable")
    for life in held.tolist():
        found = _displaced(ops, lives, slots, order, life, when)
        op = int(attached[life])
        if op >= 0 and ops.slot_type()[op] != ContextType.VOLUME:
            of_instance = teardowns.get(int(ops["instance"][op]), [])
            found += of_instance[bisect_right(of_instance, op) :][:1]
        found = [op for op in found if link_before(life, op)]
        if found:
            gone[life] = time[min(found)]
    return gone


def _displaced(ops: Ops, lives: Lives, slots: Slots, order: Ints, life: int, when: Timing) -> list[int]:
    """Find the first row after a life was last named for its slot that shows it no longer there."""
    low, high = np.searchsorted(slots.life, (life, life + 1), sorter=order)
    if low == high:
        return []
    mine = order[low:high]
    last = int(mine[np.argmax(slots.op[mine])])
    following = last + 1
    if following == len(slots.key) or slots.key[following] != slots.key[last]:
        return []
    op, named = int(slots.op[following]), int(slots.op[last])
    # A call that may have come before the naming, or that took the context out itself, tells nothing.
    sure = ops.thread()[op] == ops.thread()[named] or ops["time"][named] <= when.early(np.array([op]))[0]
    shows = slots.life[following] != EMPTY or _shows_empty(ops, op)
    return [op] if sure and shows and not _took_out(ops, op, int(lives.pointer[lives.first[life]])) else []


def _took_out(ops: Ops, op: int, pointer: int) -> bool:
    """Tell whether a call took a context out of its slot itself, by replacing it."""
    if ops.effect()[op] != Effect.SET or not ops.succeeded()[op]:
        return False
    if ops["has_old_context"][op]:
        return bool(ops["old_context"][op] == pointer)
    return not _keeps(ops, op)


def _keeps(ops: Ops, op: int) -> bool:
    return bool(ops.has("operation")[op]) and int(ops["operation"][op]) == KEEP_IF_EXISTS


def _shows_empty(ops: Ops, op: int) -> bool:
    """Tell whether a row shows that its slot is empty, or was until then."""
    effect = ops.effect()[op]
    if effect == Effect.GET:
        return bool(ops.has("status")[op] and ops["status"][op] == STATUS_NOT_FOUND)
    return bool(effect == Effect.SET and _keeps(ops, op) and ops.succeeded()[op])
