"""The tables of blocks and of their steps, from what was played."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tracecheck.payload.arrow import from_numpy, strings
from tracecheck.replay.per_stream.machine import IMPOSSIBLE, Act, State
from tracecheck.replay.per_stream.tables import (
    BIRTH_NAMES,
    BLOCK_STEPS,
    BLOCKS,
    DOUBT_NAMES,
    FAULT_NAMES,
    STATE_NAMES,
)

if TYPE_CHECKING:
    from tracecheck.replay.effects import Ops
    from tracecheck.replay.per_stream.judged import Judged
    from tracecheck.replay.per_stream.rows import BlockRows

Ints = NDArray[np.int64]


def build_steps(rows: BlockRows, judged: Judged) -> pa.Table:
    """Make the table of steps; memory that no routine for per-stream contexts names is left out."""
    order, block = _sorted(rows, judged)
    fault = judged.fault[order]
    columns = [
        from_numpy(block.astype(np.uint32), pa.uint32()),
        from_numpy(rows.op[judged.row[order]].astype(np.uint32), pa.uint32()),
        _names(judged.state[order], STATE_NAMES),
        _names(np.where(fault == IMPOSSIBLE, 0, fault), FAULT_NAMES),
        _names(judged.doubt[order], DOUBT_NAMES),
    ]
    return pa.Table.from_arrays(columns, schema=BLOCK_STEPS)


def build_blocks(ops: Ops, rows: BlockRows, judged: Judged) -> pa.Table:
    """Make the table of blocks."""
    order, block = _sorted(rows, judged)
    size = int(rows.named.sum())
    starts = np.searchsorted(block, np.arange(size))
    ends = np.searchsorted(block, np.arange(size), "right")
    shown = np.zeros(len(rows.op), np.bool_)
    shown[judged.row[_happened(rows, judged)]] = True
    by_log = np.flatnonzero(rows.named[rows.life] & shown)
    first, last = _ends(rows, by_log)
    op, act = rows.op, rows.act
    time = ops["time"]
    born = act[first] == Act.ALLOCATE
    stream = np.where(np.isin(act, (Act.INSERT, Act.LOOKUP)), rows.stream, 0)
    impossible = (judged.fault[order] == IMPOSSIBLE) & (act[judged.row[order]] != Act.ALLOCATE)
    owners = [_given(ops, rows, by_log, name) for name in ("owner_id", "instance_id")]
    columns = {
        "id": np.arange(size, dtype=np.uint32),
        "pointer": rows.pointer[first],
        "generation": _generations(rows)[first].astype(np.uint32),
        "birth": _names(np.where(born, 0, 1), BIRTH_NAMES),
        "first": time[op[first]],
        "last": time[op[last]],
        "state": _names(judged.state[order][ends - 1], STATE_NAMES),
        "reused": _reused(rows, judged),
        "owner": owners[0],
        "instance": owners[1],
        "stream": _last_of(rows, by_log, stream),
        "pool": np.where(born, ops["pool"][op[first]], 0).astype(np.uint32),
        "pool_tag": np.where(born, ops["pool_tag"][op[first]], 0).astype(np.uint32),
        "operations": (ends - starts).astype(np.uint32),
        "contradicted": np.bincount(block[impossible], minlength=size) > 0,
    }
    arrays = [
        columns[f.name] if isinstance(columns[f.name], pa.Array) else from_numpy(columns[f.name], f.type)
        for f in BLOCKS
    ]
    return pa.Table.from_arrays(arrays, schema=BLOCKS)


def _sorted(rows: BlockRows, judged: Judged) -> tuple[Ints, Ints]:
    """Put what was played in the order of the blocks; give the block of each."""
    life = rows.life[judged.row]
    order = np.argsort(life, kind="stable")
    order = order[rows.named[life[order]] & _happened(rows, judged)[order]]
    block = np.cumsum(rows.named) - 1
    return order, block[life[order]]


def _happened(rows: BlockRows, judged: Judged) -> NDArray[np.bool_]:
    """Leave out the teardowns of streams in which a block was no longer inserted."""
    torn = np.isin(judged.state, (State.TORN, State.FREED_TORN))
    return np.asarray((rows.act[judged.row] != Act.TEARDOWN) | torn)


def _ends(rows: BlockRows, by_log: Ints) -> tuple[Ints, Ints]:
    """Find the first and the last row of each block in the order of the log."""
    life = rows.life[by_log]
    new = np.append(True, life[1:] != life[:-1])[: len(life)]
    first = np.flatnonzero(new)
    return by_log[first], by_log[np.append(first[1:], len(life)) - 1]


def _generations(rows: BlockRows) -> Ints:
    """Number the lives of each pointer from 1, a first one of unknown birth 0."""
    new = np.append(True, rows.pointer[1:] != rows.pointer[:-1])
    allocations = np.cumsum(rows.act == Act.ALLOCATE)
    start = np.maximum.accumulate(np.where(new, np.arange(len(new)), 0))
    before = allocations[start] - (rows.act[start] == Act.ALLOCATE)
    found: Ints = allocations - before
    return found


def _reused(rows: BlockRows, judged: Judged) -> NDArray[np.bool_]:
    """Tell of which blocks the pointer was allocated again though no free was seen."""
    again = judged.row[(judged.fault == IMPOSSIBLE) & (rows.act[judged.row] == Act.ALLOCATE)]
    again = again[rows.pointer[again - 1] == rows.pointer[again]]
    lives = np.zeros(len(rows.named), np.bool_)
    lives[rows.life[again] - 1] = True
    return lives[rows.named]


def _last_of(rows: BlockRows, by_log: Ints, values: NDArray[Any]) -> NDArray[np.uint64]:
    """Give the last value of each block that is not 0."""
    block = (np.cumsum(rows.named) - 1)[rows.life]
    out = np.zeros(int(rows.named.sum()), np.uint64)
    told = by_log[values[by_log] != 0]
    # Of several writes to one place the last one stays.
    out[block[told]] = values[told]
    return out


def _given(ops: Ops, rows: BlockRows, by_log: Ints, name: str) -> NDArray[np.uint64]:
    """Give what each block's last initialisation was given."""
    if name not in ops.table.schema.names:
        return np.zeros(int(rows.named.sum()), np.uint64)
    init = np.isin(rows.act, (Act.INIT, Act.FIRST_INIT))
    return _last_of(rows, by_log, np.where(init, ops[name][rows.op], 0))


def _names(codes: Ints, names: Sequence[str]) -> pa.Array:
    return pa.DictionaryArray.from_arrays(from_numpy(codes.astype(np.int32), pa.int32()), strings(names))
