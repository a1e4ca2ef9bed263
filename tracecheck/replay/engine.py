"""Replay: the operations table to contexts and steps.

Sorting and sums settle every life that balances; the others are replayed one by one by
:mod:`tracecheck.replay.machine`. The rules are those of docs/replay.md.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tracecheck.operations.table import ASSUMED
from tracecheck.payload.arrow import whole
from tracecheck.replay.build import ENDS, build_contexts, build_steps
from tracecheck.replay.effects import Effects, Mark, Ops, effects
from tracecheck.replay.lives import Lives, count, split
from tracecheck.replay.order import Reach, Timing
from tracecheck.replay.per_stream.engine import PerStreamReplay, per_stream
from tracecheck.replay.played import Played, play
from tracecheck.replay.slots import find_slots, find_unnamed
from tracecheck.replay.tables import CONTEXTS, STEPS

#: How far from its log line a call is taken to be where nothing in the trace bounds it, nanoseconds.
TOLERANCE = 1_000_000
TWO_GENERATIONS = "two live generations"
CLEANUP_REFERENCED = "cleanup while referenced"


@dataclass(frozen=True)
class Replay:
    """What a replay gives.

    Attributes:
        contexts: Schema :data:`~tracecheck.replay.tables.CONTEXTS`; a row a life.
        steps: Schema :data:`~tracecheck.replay.tables.STEPS`, sorted by context.
        hidden: For lives whose log order has a fault that another order explains: life -> the operation
            at fault and the fault, in the log's order.
        contradictions: Life -> the operation that contradicts what came before it, and how
            (TWO_GENERATIONS or CLEANUP_REFERENCED).
        hasty: Lives that are at fault only if no call was logged later than the tolerance after it was made.
        assumed: Lives that rest on an outcome that was not logged.
        uncertain: Lives that may have gained a reference that was not logged.
        silent: Lives of which a call is taken to have succeeded because no line says that it failed
            (:data:`~tracecheck.operations.table.ASSUMED`).
        per_stream: The legacy per-stream contexts; None where the capture has none.
        logged_free: Lives with a fault in the log's order that end free in it, whatever the best order says.
    """

    contexts: pa.Table
    steps: pa.Table
    hidden: dict[int, tuple[int, str]]
    contradictions: dict[int, tuple[int, str]]
    hasty: frozenset[int]
    assumed: frozenset[int]
    uncertain: frozenset[int]
    silent: frozenset[int] = frozenset()
    per_stream: PerStreamReplay | None = None
    logged_free: frozenset[int] = frozenset()


def replay(
    operations: pa.Table, losses: pa.Table, *, tolerance: int = TOLERANCE, apart: int = 0, spread: int = 0
) -> Replay:
    """Replay every context's count.

    Args:
        operations: Schema :data:`~tracecheck.operations.OPERATIONS`, in time order.
        losses: Schema :data:`~tracecheck.etl.LOSSES`.
        tolerance: How far from its log line a call may be where nothing bounds it, nanoseconds.
        apart: By how much the clocks of two processors may differ, nanoseconds.
        spread: By how much they did before they were put on one, nanoseconds.
    """
    ops = Ops(operations)
    reach = Reach(tolerance, apart)
    blocks = per_stream(ops, reach, spread)
    lives = split(effects(ops), ops["time"], stretches(losses))
    if not len(lives.op):
        nobody: frozenset[int] = frozenset()
        none = (CONTEXTS.empty_table(), STEPS.empty_table())
        return Replay(*none, {}, {}, nobody, nobody, nobody, per_stream=blocks)
    slots = find_slots(ops, lives)
    when = Timing(ops, reach)
    unnamed = find_unnamed(ops, lives, slots, when)
    uncertain = frozenset(unnamed.life[unnamed.uncertain].tolist())
    lives = _with_unnamed(ops, lives, unnamed.op[unnamed.unlinks], unnamed.life[unnamed.unlinks])
    counts = count(lives)
    played = play(ops, lives, counts, reach, spread)
    contexts = build_contexts(ops, lives, counts, played, slots, when)
    return Replay(
        contexts,
        build_steps(lives, counts, played),
        {life: p.hidden for life, p in played.items() if p.hidden},
        _contradictions(contexts, lives, played),
        frozenset(life for life, p in played.items() if p.hasty),
        frozenset(np.unique(lives.life[(lives.mark & Mark.ASSUMED) != 0]).tolist()),
        uncertain,
        _silent(ops, lives),
        blocks,
        frozenset(life for life, p in played.items() if p.logged_free),
    )


def _silent(ops: Ops, lives: Lives) -> frozenset[int]:
    """Find the lives that rest on calls of whose end nothing was logged."""
    if ASSUMED.name not in ops.table.schema.names:
        return frozenset()
    return frozenset(np.unique(lives.life[ops[ASSUMED.name][lives.op]]).tolist())


def stretches(losses: pa.Table) -> list[tuple[int, int]]:
    """Give losses as intervals of nanoseconds; an open side reaches as far as time does."""
    bounds = np.iinfo(np.int64)
    starts = losses.column("start").cast(pa.int64()).fill_null(bounds.min).to_pylist()
    ends = losses.column("end").cast(pa.int64()).fill_null(bounds.max).to_pylist()
    return sorted(set(zip(starts, ends, strict=True)))


def _with_unnamed(ops: Ops, lives: Lives, op: NDArray[np.int64], life: NDArray[np.int64]) -> Lives:
    """Put the unlinks that slots tell of among the effects of their lives."""
    if not len(op):
        return lives
    new = Effects(
        op.astype(np.int32),
        lives.pointer[lives.first[life]],
        np.zeros(len(op), np.int8),
        np.full(len(op), -1, np.int8),
        np.where(ops.has("status")[op], int(Mark.UNLINK), Mark.UNLINK | Mark.ASSUMED).astype(np.uint16),
    )
    whose = np.concatenate([lives.life, life.astype(np.int32)])
    order = np.lexsort((np.concatenate([lives.op * np.int64(2), op * 2 + 1]), whose))
    whose = whose[order]
    first = np.flatnonzero(np.append(True, whose[1:] != whose[:-1]))
    return Lives(
        np.concatenate([lives.op, new.op])[order],
        np.concatenate([lives.pointer, new.pointer])[order],
        np.concatenate([lives.owned, new.owned])[order],
        np.concatenate([lives.link, new.link])[order],
        np.concatenate([lives.mark, new.mark])[order],
        whose,
        first,
    )


def _contradictions(
    contexts: pa.Table, lives: Lives, played: dict[int, Played]
) -> dict[int, tuple[int, str]]:
    """Find the lives that cannot have been as the trace tells, and the operations that show it."""
    ends = whole(contexts.column("end")).indices.to_numpy(zero_copy_only=False)
    owned = contexts.column("owned").to_numpy()
    reused = np.flatnonzero((ends == ENDS.index("reused")) & (owned > 0)).tolist()
    found = {life: (int(lives.op[lives.first[life + 1]]), TWO_GENERATIONS) for life in reused}
    return found | {
        life: (p.contradicted, CLEANUP_REFERENCED) for life, p in played.items() if p.contradicted >= 0
    }
