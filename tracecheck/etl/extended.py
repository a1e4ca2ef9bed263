"""Extended items of event records: stacks, TraceLogging schemas, provider traits and their like."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tracecheck.etl.layout import Ext

_ITEM_HEADER = 8
# The item's type is the second u16 of its first 8 bytes.
_TYPE_MASK = np.uint64(0xFFFF0000)
_SCHEMA_TYPE = np.uint64(Ext.EVENT_SCHEMA_TL << 16)
# EVENT_HEADER_EXTENDED_DATA_ITEM is small and few: this many are more than any real event has.
_MOST_ITEMS = 64


@dataclass(frozen=True, eq=False)
class Items:
    """The extended items of many events.

    Attributes:
        row: Which event each item belongs to; int64, an index into the arguments of :func:`walk_items`.
        type: EVENT_HEADER_EXT_TYPE_* of each; uint16.
        start: Where its data begin; int64.
        size: How many bytes of data it has; int64.
        end: For each event, where its items end and its user data begin; int64.
        bad: For each event, whether an item did not fit into the record; bool.
    """

    row: NDArray[np.int64]
    type: NDArray[np.uint16]
    start: NDArray[np.int64]
    size: NDArray[np.int64]
    end: NDArray[np.int64]
    bad: NDArray[np.bool_]

    def of_type(self, wanted: int) -> Items:
        """Keep the items of one type (``end`` and ``bad`` still tell of all events)."""
        keep = self.type == wanted
        return Items(self.row[keep], self.type[keep], self.start[keep], self.size[keep], self.end, self.bad)


def walk_items(data: NDArray[np.uint8], start: NDArray[np.int64], limit: NDArray[np.int64]) -> Items:
    """Follow the chains of extended items of many events at once, the i-th item of each together.

    Args:
        data: The chunk's bytes; its length is a multiple of 8.
        start: Where each event's first item begins, a multiple of 8; the event has at least one.
        limit: Where each event's record ends.
    """
    end, bad = start.copy(), np.zeros(len(start), np.bool_)
    parts = [
        (row, word >> 16 & 0xFFFF, at + _ITEM_HEADER, word >> 48)
        for row, at, word in _chain(data, start, limit, end, bad)
    ]
    rows, types, starts, sizes = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.argsort(rows, kind="stable")
    return Items(
        rows[order], types[order].astype(np.uint16), starts[order], sizes[order].astype(np.int64), end, bad
    )


def skip_items(
    data: NDArray[np.uint8], start: NDArray[np.int64], limit: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.bool_], NDArray[np.uint32]]:
    """Find only where the extended items of each event end; arguments as for :func:`walk_items`.

    Returns:
        ``end`` and ``bad`` of :class:`Items`, and where the data of each event's TraceLogging schema begin,
        0 where it has none.
    """
    end, bad = start.copy(), np.zeros(len(start), np.bool_)
    schema = np.zeros(len(start), np.uint32)
    for row, at, word in _chain(data, start, limit, end, bad):
        tells = word & _TYPE_MASK == _SCHEMA_TYPE
        if tells.all():
            schema[row] = at + _ITEM_HEADER
        elif tells.any():
            schema[row[tells]] = at[tells] + _ITEM_HEADER
    return end, bad, schema


def _chain(
    data: NDArray[np.uint8],
    start: NDArray[np.int64],
    limit: NDArray[np.int64],
    end: NDArray[np.int64],
    bad: NDArray[np.bool_],
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.uint64]]]:
    """Step through all chains at once.

    Yields:
        For each step: which events still have an item, where it begins, its first 8 bytes. ``end`` and
        ``bad`` are filled in on the way.
    """
    longs = data.view("<u8")
    row, at = np.arange(len(start)), start
    for _ in range(_MOST_ITEMS):
        word = longs.take(at >> 3, mode="clip")
        total = (word & 0xFFFF).view(np.int64) + 7 & ~7
        after = at + total
        fits = (total >= _ITEM_HEADER + (word >> 48).view(np.int64)) & (after <= limit)
        if not fits.all():
            bad[row[~fits]] = True
            row, at, word, after, limit = row[fits], at[fits], word[fits], after[fits], limit[fits]
        yield row, at, word
        end[row] = at = after
        more = word >> 32 & 1 != 0
        if not more.all():
            row, at, limit = row[more], at[more], limit[more]
            if not len(row):
                return
    bad[row] = True
