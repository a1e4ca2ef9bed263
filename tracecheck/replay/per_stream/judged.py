"""The blocks that arrays do not settle, one pointer after the other: which faults every order has."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tracecheck.replay.order import Intervals, Reach, intervals
from tracecheck.replay.per_stream.machine import IMPOSSIBLE, Act
from tracecheck.replay.per_stream.orders import Done, Row, best_order, log_order

if TYPE_CHECKING:
    from tracecheck.replay.effects import Ops
    from tracecheck.replay.per_stream.rows import BlockRows

Ints = NDArray[np.int64]

#: How long an interrupted thread may wait for its processor, nanoseconds.
_HASTY = 100_000_000
# Rows of one block, and of all blocks together, of which every order is looked at.
_MOST_ROWS = 20_000
_MOST_IN_ALL = 100_000
#: The places of the doubts in :data:`~tracecheck.replay.per_stream.tables.DOUBT_NAMES`.
ORDER, HASTY, UNSETTLED = 1, 2, 3

# What is logged after it is made; the others are logged before. Some may be either.
_AFTER = (Act.ALLOCATE, Act.INSERT, Act.INSERT_FAILED, Act.LOOKUP, Act.REMOVE, Act.CALLBACK)
_EITHER = (Act.INIT, Act.FIRST_INIT)


@dataclass(frozen=True)
class Judged:
    """Rows in the order in which they were played.

    Attributes:
        row: The place among all rows about blocks.
        state: The state after it.
        fault: What is wrong with it, 0 for nothing.
        doubt: Why it may be nothing, 0 for no reason.
    """

    row: Ints
    state: Ints
    fault: Ints
    doubt: Ints


class _Budget:
    """How many more rows may be played in every order."""

    def __init__(self) -> None:
        self.left = _MOST_IN_ALL

    def takes(self, rows: int) -> bool:
        self.left -= rows
        return rows <= _MOST_ROWS and self.left >= 0


def judge_pointers(
    ops: Ops, rows: BlockRows, pointers: NDArray[np.uint64], reach: Reach, spread: int = 0
) -> Judged:
    """Play the rows of some pointers.

    Args:
        ops: The operations.
        rows: All rows about blocks.
        pointers: Those to be played.
        reach: How far from its log line a call may be.
        spread: By how much the clocks of two processors were apart before they were put on one, nanoseconds.
    """
    mine = np.flatnonzero(np.isin(rows.pointer, pointers))
    none = np.zeros(0, np.int64)
    if not len(mine):
        return Judged(none, none, none, none)
    reaches = (reach, Reach(max(reach.tolerance, _HASTY), max(reach.apart, spread)))
    bounds = intervals(ops, np.unique(rows.op[mine]), *reaches)
    tight, loose = (
        _columns(ops, rows, mine, each, allowed) for each, allowed in zip(bounds, reaches, strict=True)
    )
    starts = np.flatnonzero(np.append(True, rows.pointer[mine][1:] != rows.pointer[mine][:-1])).tolist()
    budget = _Budget()
    found: list[tuple[int, int, int, int]] = []
    for start, end in zip(starts, [*starts[1:], len(mine)], strict=True):
        life = rows.life[mine[start:end]].tolist()
        at = int(mine[start])
        # The rows of one pointer stand together.
        for done, doubt in _judge(_Calls(tight, start, end), _Calls(loose, start, end), life, budget):
            found.append((at + done.row, done.place.state, done.fault, doubt))
    columns = np.array(found, np.int64).T
    return Judged(columns[0], columns[1], columns[2], columns[3])


class _Calls:
    """The rows of one pointer, made when they are looked at: where very many are at fault most never are."""

    def __init__(self, columns: list[list[int]], start: int, end: int) -> None:
        self._columns = columns
        self._start, self._end = start, end

    def __len__(self) -> int:
        return self._end - self._start

    def rows(self, first: int = 0, last: int | None = None) -> list[Row]:
        """Give some of them."""
        end = self._end if last is None else self._start + last
        part = (column[self._start + first : end] for column in self._columns)
        return [Row(*values) for values in zip(*part, strict=True)]


def _columns(ops: Ops, rows: BlockRows, mine: Ints, when: Intervals, reach: Reach) -> list[list[int]]:
    """Bound the rows: what is logged after it is made from before, the others from behind."""
    op, act = rows.op[mine], rows.act[mine]
    time, thread = when.time[op], ops.thread()[op].astype(np.int64)
    sooner, later = time - reach.apart, time + reach.apart
    either = np.isin(act, _EITHER)
    early = np.where(np.isin(act, _AFTER) | either, when.early[op], sooner)
    late = np.where(np.isin(act, _AFTER) & ~either, later, np.maximum(when.late[op], later))
    torn = act == Act.TEARDOWN
    # Where its begin was not logged, its event may stand before it or behind it.
    slack = np.where(ops.has("begin")[op], 0, reach.tolerance)
    early[torn] = np.where(slack, sooner - slack, when.early[op])[torn]
    late[torn] = (later + slack)[torn]
    # The callbacks lie inside the teardown, on either side of its event: it is in no order with its thread.
    thread[torn] = -1 - op[torn]
    return [column.tolist() for column in (act, rows.stream[mine], thread, early, late)]


def _judge(calls: _Calls, loose: _Calls, life: list[int], budget: _Budget) -> list[tuple[Done, int]]:
    """Play one pointer in the best order, and tell of each fault whether every order has it.

    Args:
        calls: Its rows.
        loose: The same, bounded as if every thread had been interrupted.
        life: The life of each.
        budget: What may be spent.
    """
    order = best_order(calls.rows()) if budget.takes(len(calls)) else None
    if order is None:
        return [(done, UNSETTLED if done.fault else 0) for done in log_order(calls.rows())]
    faults = {(life[done.row], done.fault) for done in order if done.fault not in (0, IMPOSSIBLE)}
    doubts = {which: _doubt(calls, loose, life, which, budget) for which in sorted(faults)}
    return [(done, doubts.get((life[done.row], done.fault), 0)) for done in order]


def _doubt(calls: _Calls, loose: _Calls, life: list[int], which: tuple[int, int], budget: _Budget) -> int:
    """Tell why a life may not have a fault; 0 where every order of it and its neighbours has it."""
    first, last = bisect_left(life, which[0] - 1), bisect_right(life, which[0] + 1)

    def counts(row: int, fault: int) -> bool:
        return (life[first + row], fault) == which

    for some, doubt in ((calls, ORDER), (loose, HASTY)):
        order = best_order(some.rows(first, last), counts) if budget.takes(last - first) else None
        if order is None:
            return UNSETTLED
        if not any(done.fault and counts(done.row, done.fault) for done in order):
            return doubt
    return 0
