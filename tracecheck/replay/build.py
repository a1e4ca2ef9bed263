"""Replayed lives to the tables that everything else reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tracecheck.fltmgr import Effect as Routine
from tracecheck.payload.arrow import from_numpy, strings, whole
from tracecheck.replay.effects import Mark, Ops
from tracecheck.replay.gone import objects_gone
from tracecheck.replay.lives import Counts, Lives
from tracecheck.replay.machine import FAULTS
from tracecheck.replay.order import Timing
from tracecheck.replay.slots import Slots
from tracecheck.replay.tables import CONTEXTS, STEPS

if TYPE_CHECKING:
    from tracecheck.replay.played import Played

BIRTHS = ("allocated", "unknown")
ENDS = ("freed", "reused", "attached", "held")


def build_contexts(
    ops: Ops, lives: Lives, counts: Counts, played: dict[int, Played], slots: Slots, when: Timing
) -> pa.Table:
    """Make the contexts table.

    Args:
        ops: The operations.
        lives: All lives.
        counts: Their counts by sums.
        played: Lives that were replayed step by step.
        slots: What is known of slots.
        when: When each operation can have taken effect.
    """
    first, last, time = lives.first, lives.last, ops["time"]
    size = len(first)
    owned, link, peak = counts.owned[last].copy(), counts.link[last].copy(), _peaks(lives, counts)
    freed_at = _freed_at(lives, counts)
    ordered = np.ones(size, np.bool_)
    for life, p in played.items():
        begin, end = p.steps[0], p.steps[-1]
        owned[life], link[life] = end.owned, end.link
        before = begin.owned - begin.delta_owned + begin.link - begin.delta_link
        peak[life] = max(before, *(s.owned + s.link for s in p.steps))
        freed_at[life] = _freed_step(p, bool(lives.mark[first[life]] & Mark.BIRTH))
        ordered[life] = p.ordered
    born = (lives.mark[first] & Mark.BIRTH) != 0
    reused = np.zeros(size, np.bool_)
    if size:
        reused[:-1] = (lives.pointer[first][1:] == lives.pointer[first][:-1]) & born[1:]
    ends = np.select([freed_at >= 0, reused, owned > 0, link > 0], [0, 1, 3, 2], 0)
    attach = _attachments(ops, lives)

    def link_before(life: int, op: int) -> int:
        return _link_before(lives, counts, played, life, op)

    gone = objects_gone(
        ops, lives, slots, np.flatnonzero(ends == ENDS.index("held")), attach, link_before, when
    )
    freed = np.where(freed_at >= 0, time[np.maximum(freed_at, 0)], 0)
    columns: dict[str, pa.Array] = {
        "id": from_numpy(np.arange(size, dtype=np.uint32), pa.uint32()),
        "pointer": from_numpy(lives.pointer[first], pa.uint64()),
        "generation": from_numpy(_generations(lives, born), pa.uint32()),
        "context_type": from_numpy(_types(ops, lives), pa.uint16()),
        "filter": from_numpy(_first_known(ops["filter"][lives.op], lives), pa.uint64()),
        "birth": _names(np.where(born, 0, 1), BIRTHS),
        "first": from_numpy(time[lives.op[first]], CONTEXTS.field("first").type),
        "last": from_numpy(_last_time(lives, time), CONTEXTS.field("last").type),
        "site": _sites(ops, lives.op[first]),
        "object": from_numpy(np.where(attach >= 0, ops["object"][np.maximum(attach, 0)], 0), pa.uint64()),
        "instance": from_numpy(np.where(attach >= 0, ops["instance"][np.maximum(attach, 0)], 0), pa.uint64()),
        "end": _names(ends, ENDS),
        "freed": from_numpy(freed, CONTEXTS.field("freed").type, freed_at >= 0),
        "object_gone": from_numpy(np.maximum(gone, 0), CONTEXTS.field("object_gone").type, gone >= 0),
        "owned": from_numpy(owned.astype(np.int32), pa.int32()),
        "link": from_numpy(link.astype(np.int32), pa.int32()),
        "peak": from_numpy(peak.astype(np.int32), pa.int32()),
        "operations": from_numpy(np.diff(np.append(first, len(lives.op))).astype(np.uint32), pa.uint32()),
        "ordered": from_numpy(ordered, pa.bool_()),
    }
    return pa.Table.from_arrays([columns[f.name] for f in CONTEXTS], schema=CONTEXTS)


def build_steps(lives: Lives, counts: Counts, played: dict[int, Played]) -> pa.Table:
    """Make the steps table; a played life's rows are replaced by its steps, as many as they were."""
    op, owned, link = lives.op.astype(np.uint32), counts.owned.copy(), counts.link.copy()
    d_owned = lives.owned.copy()
    d_link = lives.link.copy()
    d_link[(lives.mark & (Mark.CLEANUP | Mark.CLEANUP_END)) != 0] = 0
    cleanup = np.flatnonzero((lives.mark & Mark.CLEANUP) != 0)
    same = (
        cleanup[(cleanup > 0) & (lives.life[cleanup - 1] == lives.life[cleanup])] if len(cleanup) else cleanup
    )
    d_link[same] = -link[same - 1]
    freed = _free_before(lives, counts)
    fault = np.zeros(len(op), np.int32)
    codes = {name: code for code, name in enumerate(FAULTS)}
    for life, p in played.items():
        at = int(lives.first[life])
        for i, s in enumerate(p.steps, at):
            op[i], d_owned[i], d_link[i], owned[i], link[i] = (
                s.op,
                s.delta_owned,
                s.delta_link,
                s.owned,
                s.link,
            )
            freed[i], fault[i] = s.freed, codes[s.fault]
    columns = [
        from_numpy(lives.life.astype(np.uint32), pa.uint32()),
        from_numpy(op, pa.uint32()),
        from_numpy(d_owned, pa.int8()),
        from_numpy(d_link, pa.int8()),
        from_numpy(owned, pa.int32()),
        from_numpy(link, pa.int32()),
        from_numpy(freed, pa.bool_()),
        _names(fault, FAULTS),
    ]
    return pa.Table.from_arrays(columns, schema=STEPS)


def _link_before(lives: Lives, counts: Counts, played: dict[int, Played], life: int, op: int) -> int:
    """Tell a life's link before an operation, in the order of the log."""
    rows = slice(int(lives.first[life]), int(lives.last[life]) + 1)
    if life in played:
        links = [step.link for step in played[life].steps if step.op < op]
        return links[-1] if links else 0
    before = int(np.searchsorted(lives.op[rows], op))
    return int(counts.link[rows][before - 1]) if before else 0


def _free_before(lives: Lives, counts: Counts) -> NDArray[np.bool_]:
    """Tell before which effects of a settled life it was free already."""
    free = (counts.owned == 0) & (counts.link == 0)
    before = np.zeros(len(free), np.bool_)
    before[1:] = free[:-1] & (lives.life[1:] == lives.life[:-1])
    return before


def _freed_at(lives: Lives, counts: Counts) -> NDArray[np.int64]:
    """Find, for each life that sums settle, the operation that made it free; -1 where none did."""
    free = (counts.owned == 0) & (counts.link == 0)
    rows = np.where(free, np.arange(len(free)), len(free))
    found = np.minimum.reduceat(rows, lives.first) if len(rows) else rows
    at = np.full(len(lives.first), -1, np.int64)
    has = found < len(free)
    at[has] = lives.op[found[has]]
    return at


def _freed_step(p: Played, known: bool) -> int:
    """Find the operation that made a played life free; -1 where none did."""
    for step in p.steps:
        if step.free:
            return step.op
    end = p.steps[-1]
    # Of a life of unknown birth the counts are the least that they can be: zero at its end is no proof,
    # but nothing says that it was held either.
    return end.op if not known and not end.owned and not end.link else -1


def _peaks(lives: Lives, counts: Counts) -> NDArray[np.int64]:
    total = counts.owned + counts.link
    return np.maximum.reduceat(total, lives.first) if len(total) else total


def _last_time(lives: Lives, time: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.maximum.reduceat(time[lives.op], lives.first) if len(lives.op) else time[:0]


def _generations(lives: Lives, born: NDArray[np.bool_]) -> NDArray[np.uint32]:
    """Number the lives of each pointer from 1, from 0 where the first one's birth was not seen."""
    pointer = lives.pointer[lives.first]
    fresh = np.ones(len(pointer), np.bool_)
    fresh[1:] = pointer[1:] != pointer[:-1]
    index = np.arange(len(pointer))
    base = np.maximum.accumulate(np.where(fresh, index, 0)) if len(index) else index
    return (index - base + born[base]).astype(np.uint32)


def _types(ops: Ops, lives: Lives) -> NDArray[np.uint16]:
    """Tell each life's context type: its allocation's, else the first that any of its rows tells."""
    kind = ops["context_type"][lives.op]
    slot = ops.slot_type()[lives.op]
    return _first_known(np.where(kind == 0, slot, kind), lives).astype(np.uint16)


def _first_known(values: NDArray[Any], lives: Lives) -> NDArray[Any]:
    """Take the first value of each life that is not zero; zero where all are."""
    rows = np.where(values != 0, np.arange(len(values)), len(values))
    if not len(rows):
        return values
    found = np.minimum.reduceat(rows, lives.first)
    return np.where(found < len(values), values[np.minimum(found, len(values) - 1)], 0)


def _attachments(ops: Ops, lives: Lives) -> NDArray[np.int64]:
    """Find the operation that last told what each life was attached to; -1 where none did."""
    effect, success = ops.effect()[lives.op], ops.succeeded()[lives.op]
    own = ops["context"][lives.op] == lives.pointer
    tells = (
        own
        & success
        & ((effect == Routine.SET) | (effect == Routine.GET) | (effect == Routine.CREATE_SECTION))
    )
    rows = np.where(tells & (ops["object"][lives.op] != 0), np.arange(len(tells)), -1)
    if not len(rows):
        return rows
    found = np.maximum.reduceat(rows, lives.first)
    return np.where(found >= 0, lives.op[np.maximum(found, 0)], -1)


def _sites(ops: Ops, rows: NDArray[np.int32]) -> pa.Array:
    site = whole(ops.table.column("site"))
    return site.take(from_numpy(rows, pa.int32()))


def _names(codes: NDArray[Any], names: tuple[str, ...]) -> pa.Array:
    return pa.DictionaryArray.from_arrays(from_numpy(codes.astype(np.int32), pa.int32()), strings(names))
