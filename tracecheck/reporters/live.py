"""How many contexts of each type were alive, and when: for plots and for counters."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tracecheck.payload.arrow import whole

Ints = NDArray[np.int64]


def lifetimes(contexts: pa.Table) -> tuple[Ints, Ints, NDArray[np.bool_]]:
    """Tell from when to when each context was alive, as far as the capture shows.

    A life that began before the capture counts from the first moment of all; one whose pointer was allocated
    again counts until it was last seen.

    Args:
        contexts: Schema :data:`~tracecheck.replay.tables.CONTEXTS`.

    Returns:
        Begin and end, nanoseconds; and whether the life ended at all.
    """
    first, last = times(contexts, "first"), times(contexts, "last")
    freed = np.where(_valid(contexts, "freed"), times(contexts, "freed"), last)
    if first.size:
        first = np.where(has_word(contexts, "birth", "unknown"), first.min(), first)
    ended = has_word(contexts, "end", "freed") | has_word(contexts, "end", "reused")
    return first, np.maximum(freed, first), ended


def live_counts(contexts: pa.Table) -> dict[int, tuple[Ints, Ints]]:
    """Count the living contexts of each type over time.

    Returns:
        By context type: the moments at which the count changed, ascending, and the count from then on.
    """
    first, end, ended = lifetimes(contexts)
    kind = whole(contexts.column("context_type")).to_numpy() if contexts.num_rows else np.zeros(0, np.uint16)
    found = {}
    for each in np.unique(kind).tolist():
        mine = kind == each
        moments = np.concatenate([first[mine], end[mine & ended]])
        change = np.ones(len(moments), np.int64)
        change[int(mine.sum()) :] = -1
        when, place = np.unique(moments, return_inverse=True)
        net = np.bincount(place, change, len(when)).astype(np.int64)
        found[int(each)] = (when, np.cumsum(net))
    return found


def times(table: pa.Table, name: str) -> Ints:
    """Give a column of times as nanoseconds; null is 0."""
    if not table.num_rows:
        return np.zeros(0, np.int64)
    column = whole(table.column(name)).cast(pa.int64())
    found: Ints = (column.fill_null(0) if column.null_count else column).to_numpy()
    return found


def _valid(table: pa.Table, name: str) -> NDArray[np.bool_]:
    return np.asarray(table.column(name).is_valid().to_numpy(), np.bool_)


def has_word(table: pa.Table, name: str, word: str) -> NDArray[np.bool_]:
    """Tell which rows of a column of names have a word."""
    column = whole(table.column(name)) if table.num_rows else None
    if column is None or word not in (words := column.dictionary.to_pylist()):
        return np.zeros(table.num_rows, np.bool_)
    return np.asarray(column.indices.to_numpy() == words.index(word), np.bool_)
