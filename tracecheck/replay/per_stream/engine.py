"""Replay of legacy per-stream contexts: rows to blocks and steps.

Arrays settle every block that goes through its states in the order of the log; the others are played one
by one. The rules are those of docs/replay.md.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tracecheck.replay.effects import Ops
from tracecheck.replay.order import Reach
from tracecheck.replay.per_stream.build import build_blocks, build_steps
from tracecheck.replay.per_stream.judged import Judged, judge_pointers
from tracecheck.replay.per_stream.machine import FAULT, NEXT, Act, State
from tracecheck.replay.per_stream.rows import BlockRows, any_blocks, find_rows

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class PerStreamReplay:
    """What the replay of legacy per-stream contexts gives.

    Attributes:
        blocks: Schema :data:`~tracecheck.replay.per_stream.tables.BLOCKS`; a row a block.
        steps: Schema :data:`~tracecheck.replay.per_stream.tables.BLOCK_STEPS`, sorted by block.
    """

    blocks: pa.Table
    steps: pa.Table


def per_stream(ops: Ops, reach: Reach, spread: int = 0) -> PerStreamReplay | None:
    """Replay every legacy per-stream context; None where the capture has none.

    Args:
        ops: The operations, in time order.
        reach: How far from its log line a call may be.
        spread: By how much the clocks of two processors were apart before they were put on one, nanoseconds.
    """
    if not any_blocks(ops):
        return None
    rows = find_rows(ops)
    if not len(rows.op):
        return None
    state, suspicious = _states(rows)
    judged = judge_pointers(ops, rows, np.unique(rows.pointer[suspicious]), reach, spread)
    judged = _with_settled(rows, state, judged)
    return PerStreamReplay(build_blocks(ops, rows, judged), build_steps(rows, judged))


def _states(rows: BlockRows) -> tuple[Ints, NDArray[np.bool_]]:
    """Work out the state after each row in the log's order, and which rows are at fault there."""
    torn = rows.act == Act.TEARDOWN
    moves = np.isin(rows.act, _MOVERS)
    before = _state_before(rows, moves)
    last_put = _last(rows, np.isin(rows.act, (Act.INSERT, Act.LOOKUP)))
    put_in = np.where(last_put >= 0, rows.stream[last_put], 0)
    tears = torn & (before == State.INSERTED) & (put_in == rows.stream)
    moved = moves | tears
    before = _state_before(rows, moved)
    after = np.where(moved, _RESULT[rows.act], before)
    after[(rows.act == Act.FREE) & (before == State.TORN)] = State.FREED_TORN
    last = _last(rows, moved)
    after = np.where(~moved & (last >= 0), after[last], after)
    before = np.where(last >= 0, after[last], before)
    # The table has the true state; where the fast one differs from it, it is played.
    strange = ~torn & ((FAULT[rows.act, before] != 0) | (NEXT[rows.act, before] != after))
    return after, strange


#: The acts that lead to one state from wherever they are legal.
_RESULTS = {
    Act.ALLOCATE: State.RAW,
    Act.FREE: State.FREED,
    Act.INIT: State.INIT,
    Act.FIRST_INIT: State.INIT,
    Act.INSERT: State.INSERTED,
    Act.LOOKUP: State.INSERTED,
    Act.REMOVE: State.REMOVED,
    Act.TEARDOWN: State.TORN,
    Act.CALLBACK: State.TORN,
}
_MOVERS = tuple(act for act in _RESULTS if act is not Act.TEARDOWN)
_RESULT = np.array([_RESULTS.get(act, State.UNKNOWN) for act in Act], np.int64)


def _last(rows: BlockRows, which: NDArray[np.bool_]) -> Ints:
    """Give for each row the last one before it, of the same pointer, that is one of some; -1 for none."""
    at = np.where(which, np.arange(len(rows.op)), -1)
    last = np.append(-1, np.maximum.accumulate(at)[:-1]) if len(at) else at
    same = (last >= 0) & (rows.pointer[last] == rows.pointer)
    return np.where(same, last, -1)


def _state_before(rows: BlockRows, moves: NDArray[np.bool_]) -> Ints:
    last = _last(rows, moves)
    return np.where(last >= 0, _RESULT[rows.act[last]], int(State.UNKNOWN))


def _with_settled(rows: BlockRows, state: Ints, judged: Judged) -> Judged:
    """Add what the arrays settled to what was played: all rows in the order of the log, without faults."""
    rest = np.flatnonzero(~np.isin(rows.pointer, rows.pointer[judged.row]))
    zeros = np.zeros(len(rest), np.int64)
    return Judged(
        np.concatenate([judged.row, rest]),
        np.concatenate([judged.state, state[rest]]),
        np.concatenate([judged.fault, zeros]),
        np.concatenate([judged.doubt, zeros]),
    )
