"""Which rows of the operations are about blocks of legacy per-stream contexts, sorted by block."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tracecheck.fltmgr import PER_STREAM, Effect, PerStream
from tracecheck.fltmgr.per_stream import TELLING
from tracecheck.fltmgr.status import FAILURE_BIT
from tracecheck.operations.brackets import partners
from tracecheck.replay.per_stream.machine import Act

if TYPE_CHECKING:
    from tracecheck.replay.effects import Ops

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

_ACTS = {
    PerStream.ALLOCATE: Act.ALLOCATE,
    PerStream.FREE: Act.FREE,
    PerStream.INIT: Act.INIT,
    PerStream.INSERT: Act.INSERT,
    PerStream.LOOKUP: Act.LOOKUP,
    PerStream.REMOVE: Act.REMOVE,
    PerStream.CALLBACK: Act.CALLBACK,
    PerStream.USE: Act.USE,
}
_TELLING_ACTS = (
    Act.INIT,
    Act.FIRST_INIT,
    Act.INSERT,
    Act.INSERT_FAILED,
    Act.LOOKUP,
    Act.REMOVE,
    Act.CALLBACK,
    Act.CALLBACK_END,
)


@dataclass(frozen=True)
class BlockRows:
    """Rows about blocks, sorted by pointer and then in the order of the log.

    Attributes:
        op: The row of the operations table.
        pointer: The block.
        act: An :class:`~tracecheck.replay.per_stream.machine.Act`.
        stream: The stream that the call names, 0 for none.
        life: Numbers the allocations of all pointers: rows of one number are of one block.
        named: By life, whether a routine for per-stream contexts names it; all other memory is none of ours.
    """

    op: Ints
    pointer: NDArray[np.uint64]
    act: Ints
    stream: NDArray[np.uint64]
    life: Ints
    named: Bools


def any_blocks(ops: Ops) -> bool:
    """Tell whether a capture may have a legacy per-stream context at all."""
    telling = {name for name, role in PER_STREAM.items() if role in TELLING}
    return not telling.isdisjoint(ops.routines())


def named_blocks(ops: Ops) -> NDArray[np.uint64]:
    """Find the pointers that a routine for per-stream contexts names."""
    telling = np.isin(ops.per_stream(), TELLING)
    pointers: NDArray[np.uint64] = np.unique(ops["context"][telling & (ops["context"] != 0)])
    return pointers


def block_uses(ops: Ops) -> Ints:
    """Find the rows of ContextUse that are about a block, and not about a context of the filter manager."""
    uses = np.flatnonzero(ops.per_stream() == PerStream.USE)
    if not len(uses):
        return uses
    effect = ops.effect()
    counted = ops["context"][(effect != Effect.NONE) & (effect != Effect.USE)]
    blocks = np.setdiff1d(named_blocks(ops), np.concatenate([counted, ops["old_context"]]))
    return uses[np.isin(ops["context"][uses], blocks)]


def find_rows(ops: Ops) -> BlockRows:
    """Find all rows about blocks, and split them into lives at the allocations."""
    role, context = ops.per_stream(), ops["context"]
    blocks = named_blocks(ops)
    pool = np.flatnonzero((role == PerStream.ALLOCATE) | (role == PerStream.FREE))
    telling = np.flatnonzero(np.isin(role, TELLING))
    op = np.concatenate([pool, telling, block_uses(ops)])
    op = op[np.isin(context[op], blocks)]
    op = op[~np.isin(op, removals_in_callbacks(ops))]
    op = op[np.lexsort((op, context[op]))]
    act = _acts(ops, op)
    op, act = _without_strangers(ops, op, act)
    rows = _split(op, context[op], act, ops["stream"][op])
    return _with_teardowns(ops, rows)


def removals_in_callbacks(ops: Ops) -> Ints:
    """Find the removals that a thread made between the begin and the end of a FreeCallback."""
    return in_callbacks(ops, np.flatnonzero(ops.per_stream() == PerStream.REMOVE))[0]


def in_callbacks(ops: Ops, rows: Ints) -> tuple[Ints, Ints]:
    """Find which rows a thread logged inside a FreeCallback.

    Args:
        ops: The operations.
        rows: Those asked for.

    Returns:
        Those of them that lie inside, and for each the row of the callback's begin.
    """
    calls = np.flatnonzero(ops.per_stream() == PerStream.CALLBACK)
    opens = ops["phase"][calls] != 2
    thread = ops.thread().astype(np.int64)
    partner = partners(opens, thread[calls])
    begins, ends = calls[opens & (partner >= 0)], calls[partner[opens & (partner >= 0)]]
    if not len(begins) or not len(rows):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    order = np.lexsort((begins, thread[begins]))
    begins, ends = begins[order], ends[order]
    # The last begin of the same thread before each row.
    code = np.unique(thread[np.concatenate([begins, rows])], return_inverse=True)[1].astype(np.int64)
    of_begin, of_row = code[: len(begins)], code[len(begins) :]
    at = np.searchsorted(of_begin * ops.size + begins, of_row * ops.size + rows) - 1
    inside = (at >= 0) & (of_begin[at] == of_row) & (ends[at] > rows)
    return rows[inside], begins[at[inside]]


def _acts(ops: Ops, op: Ints) -> Ints:
    """Tell what each row does."""
    table = np.full(len(PerStream), -1, np.int64)
    table[[int(role) for role in _ACTS]] = [int(act) for act in _ACTS.values()]
    act = table[ops.per_stream()[op]]
    failed = ops.has("status")[op] & ((ops["status"][op] & FAILURE_BIT) != 0)
    act[(act == Act.INSERT) & failed] = Act.INSERT_FAILED
    act[(act == Act.CALLBACK) & (ops["phase"][op] == 2)] = Act.CALLBACK_END
    pointer = ops["context"][op]
    _, known = _births(pointer, act)
    act[(act == Act.INIT) & ~known] = Act.FIRST_INIT
    return act


def _births(pointer: NDArray[np.uint64], act: Ints) -> tuple[Ints, Bools]:
    """Find the last allocation at or before each row, and whether it is of the same pointer."""
    born = np.maximum.accumulate(np.where(act == Act.ALLOCATE, np.arange(len(act)), -1))
    return born, (born >= 0) & (pointer[born] == pointer)


def _without_strangers(ops: Ops, op: Ints, act: Ints) -> tuple[Ints, Ints]:
    """Leave out the frees of other memory at the same address: their tag is not the allocation's."""
    pointer, tag = ops["context"][op], ops["pool_tag"][op]
    born, known = _births(pointer, act)
    of_block = np.where(known, tag[born], 0)
    strange = (act == Act.FREE) & (tag != 0) & (of_block != 0) & (tag != of_block)
    return op[~strange], act[~strange]


def _split(op: Ints, pointer: NDArray[np.uint64], act: Ints, stream: NDArray[np.uint64]) -> BlockRows:
    new = np.append(True, pointer[1:] != pointer[:-1])[: len(op)] | (act == Act.ALLOCATE)
    life = np.cumsum(new) - 1
    named = np.zeros(int(life[-1]) + 1 if len(life) else 0, np.bool_)
    named[life[np.isin(act, _TELLING_ACTS)]] = True
    return BlockRows(op, pointer, act, stream, life, named)


def _with_teardowns(ops: Ops, rows: BlockRows) -> BlockRows:
    """Add the teardown of its stream to each block that was inserted in one: the next after the insert."""
    torn = np.flatnonzero(ops.per_stream() == PerStream.TEARDOWN)
    torn = torn[ops["stream"][torn] != 0]
    put = np.flatnonzero((rows.act == Act.INSERT) & (rows.stream != 0))
    if not len(torn) or not len(put):
        return rows
    torn = torn[np.lexsort((torn, ops["stream"][torn]))]
    both = np.concatenate([ops["stream"][torn], rows.stream[put]])
    code = np.unique(both, return_inverse=True)[1].astype(np.int64)
    of_torn, of_put = code[: len(torn)], code[len(torn) :]
    at = np.searchsorted(of_torn * ops.size + torn, of_put * ops.size + rows.op[put])
    found = (at < len(torn)) & (of_torn[np.minimum(at, len(torn) - 1)] == of_put)
    pairs = np.unique(np.stack([rows.pointer[put][found], torn[at[found]].astype(np.uint64)]), axis=1)
    op = np.concatenate([rows.op, pairs[1].astype(np.int64)])
    pointer = np.concatenate([rows.pointer, pairs[0]])
    act = np.concatenate([rows.act, np.full(pairs.shape[1], int(Act.TEARDOWN))])
    order = np.lexsort((op, pointer))
    stream = ops["stream"][op[order]]
    return _split(op[order], pointer[order], act[order], stream)
