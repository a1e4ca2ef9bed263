"""Arguments of WPP messages as Arrow columns: all messages of one definition together.

A message carries no types: its definition says which arguments its payload has, packed one behind the other
(:mod:`tracecheck.payload.wpp.items`). Messages of one definition and one pointer size are read an argument
at a time.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from tracecheck.etl.layout import MESSAGE_POINTER32, MESSAGE_POINTER64, Kind
from tracecheck.payload._arrays import Budget
from tracecheck.payload._reader import Reader
from tracecheck.payload._slices import distinct_slices, within
from tracecheck.payload._values import UTC_NS, filetimes
from tracecheck.payload.arrow import batch, nulls, unique_names
from tracecheck.payload.wpp.definition import MOST_ITEMS
from tracecheck.payload.wpp.items import column_of, layout_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt

    from tracecheck.etl.reader import Chunk
    from tracecheck.payload._slices import Ints
    from tracecheck.payload.wpp.definition import Definition

# GUID and message number of a record, padded to whole words.
_KEY_SIZE = 24
_LAST_NUMBER = 0xFFFF


@dataclass(frozen=True)
class Decoded:
    """The messages of one definition by writers of one pointer size.

    Attributes:
        definition: Their definition.
        rows: Their indices in the arguments' arrays, int64, ascending.
        table: One column for each argument, ``len(rows)`` rows, named by its expression; a name that occurs
            again gets a suffix (``a``, ``a_2``). A value is null where its payload ended before it, where
            the item's type is not known, or a time that Arrow cannot hold.
        problems: For each row null, or why it was not decoded whole; None where all rows were.
        pointer_size: The writers', 4 or 8.
        ticks: Of each column of times, by its index, the FILETIMEs that the payloads have, int64: they
            reach further than timestamp[ns], and drivers write 0 (1601) for no time.
    """

    definition: Definition
    rows: npt.NDArray[np.int64]
    table: pa.RecordBatch
    problems: pa.DictionaryArray | None
    pointer_size: int = 8
    ticks: dict[int, pa.Array] = field(default_factory=dict)


def decode_messages(
    chunk: Chunk, definitions: Sequence[Definition], *, pointer_size: int = 8
) -> tuple[list[Decoded], npt.NDArray[np.int64]]:
    """Find and decode the WPP messages of a chunk.

    Args:
        chunk: Records and the bytes that they point into.
        definitions: What is known of messages.
        pointer_size: The log's (LogHeader.pointer_size).

    Returns:
        What :func:`decode` gives, its rows those of ``chunk.records``; and the rows of the messages that
        have no definition, ascending.
    """
    kind = chunk.column("kind")
    rows = np.flatnonzero(kind == Kind.WPP_MESSAGE)
    names = ("provider", "id", "payload", "payload_size", "flags")
    columns = [chunk.column(name) for name in names]
    if rows.size < kind.size:
        columns = [column[rows] for column in columns]
    provider, number, start, size, flags = columns
    codes = definition_codes(provider, number, definitions)
    out = decode(chunk.data, codes, definitions, start, size, flags, pointer_size=pointer_size)
    return [replace(decoded, rows=rows[decoded.rows]) for decoded in out], rows[codes < 0]


def definition_codes(
    provider: npt.NDArray[np.uint64], number: npt.ArrayLike, definitions: Sequence[Definition]
) -> npt.NDArray[np.int32]:
    """Find the definition of each message by its GUID and number.

    Args:
        provider: The message GUIDs as two u64 each, as :meth:`tracecheck.etl.reader.Chunk.column` gives
            them; shape (n, 2).
        number: The message numbers, shape (n,).
        definitions: Where two have one GUID and number, the first counts.

    Returns:
        Indices into ``definitions``, shape (n,); -1 where there is none.
    """
    keys = np.zeros((provider.shape[0], _KEY_SIZE // 8), dtype="<u8")
    keys[:, :2] = provider
    keys[:, 2] = np.asarray(number)
    known: dict[bytes, int] = {}
    for code, definition in enumerate(definitions):
        if 0 <= definition.number <= _LAST_NUMBER:
            known.setdefault(definition.guid.bytes_le + definition.number.to_bytes(8, "little"), code)
    start = np.arange(keys.shape[0], dtype=np.int64) * _KEY_SIZE
    local, distinct = distinct_slices(keys.reshape(-1).view(np.uint8), start, np.full_like(start, _KEY_SIZE))
    if not distinct:
        return np.zeros(0, dtype=np.int32)
    return np.array([known.get(key, -1) for key in distinct], dtype=np.int32)[local]


def decode(
    data: npt.NDArray[np.uint8],
    definition_code: npt.ArrayLike,
    definitions: Sequence[Definition],
    payload_start: npt.ArrayLike,
    payload_size: npt.ArrayLike,
    flags: npt.ArrayLike,
    *,
    pointer_size: int = 8,
) -> list[Decoded]:
    """Decode the arguments of WPP messages.

    The Arrow types are those of :func:`tracecheck.payload.wpp.items.column_of`; ItemTimestamp becomes
    timestamp[ns, UTC].

    Args:
        data: The bytes that hold the messages, one contiguous array.
        definition_code: For each message the index of its definition, negative where it has none; shape
            (n,).
        definitions: The definitions.
        payload_start: Where each message's arguments start in ``data``.
        payload_size: Bytes of arguments.
        flags: The option flags of each (TRACE_MESSAGE_*), which tell the writer's pointer size.
        pointer_size: The log's, 4 or 8: that of writers whose flags do not tell.

    Returns:
        One :class:`Decoded` for each definition and pointer size that occur, in the order of their first
        messages; messages without a definition are in none. Slices that leave ``data`` are cut at its end;
        no payload raises.

    Raises:
        IndexError: A code has no definition.
    """
    data = np.ascontiguousarray(data, dtype=np.uint8)
    pos, room = within(data, payload_start, payload_size)
    code = np.asarray(definition_code).astype(np.int64)
    narrow = _is_narrow(np.asarray(flags), pointer_size)
    out = []
    for key, rows in _groups(np.where(code < 0, -1, 2 * code + narrow)):
        start, end = pos[rows], pos[rows] + room[rows]
        reader = Reader(data, start, end, Budget(0))
        out.append(_decoded(definitions[key >> 1], rows, reader, 4 if key & 1 else 8))
    return sorted(out, key=lambda decoded: int(decoded.rows[0]))


def _is_narrow(flags: npt.NDArray[np.integer], pointer_size: int) -> npt.NDArray[np.bool_]:
    """Say of each message whether its writer's pointers have 4 bytes."""
    widths = flags & (MESSAGE_POINTER32 | MESSAGE_POINTER64)
    narrow: npt.NDArray[np.bool_] = widths == MESSAGE_POINTER32
    return narrow | (widths == 0) if pointer_size == 4 else narrow


def _groups(key: Ints) -> Iterator[tuple[int, Ints]]:
    """Give each key that is not negative, and the rows that have it."""
    # numpy sorts 16-bit keys by radix, in linear time.
    small = key.size > 0 and int(key.max()) < 1 << 15
    order = np.argsort(key.astype(np.int16) if small else key, kind="stable")
    ordered = key[order]
    bounds = np.flatnonzero(np.diff(ordered, prepend=-2, append=-2))
    for first, end in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
        if ordered[first] >= 0:
            yield int(ordered[first]), order[first:end]


def _decoded(definition: Definition, rows: Ints, reader: Reader, pointer_size: int) -> Decoded:
    items = definition.items[:MOST_ITEMS]
    columns = reader.columns(tuple(column_of(item, pointer_size) for item in items))
    ticks = {}
    for index, item in enumerate(items):
        if layout_of(item).shown == "time":
            ticks[index] = columns[index]
            columns[index] = _timestamps(columns[index])
    names = unique_names(item.expression for item in items)
    return Decoded(definition, rows, batch(columns, names, rows.size), reader.finish(), pointer_size, ticks)


def _timestamps(ticks: pa.Array) -> pa.Array:
    """Turn FILETIMEs into times, nulls into nulls."""
    if ticks.null_count == len(ticks):
        return nulls(len(ticks), UTC_NS)
    values = np.frombuffer(ticks.buffers()[1], dtype="<i8", count=len(ticks))
    if ticks.null_count:
        bits = np.frombuffer(ticks.buffers()[0], dtype=np.uint8)
        valid = np.unpackbits(bits, count=len(ticks), bitorder="little").view(np.bool_)
        # A time beyond the reach of timestamp[ns] is null already.
        values = np.where(valid, values, np.iinfo(np.int64).max)
    return filetimes(values)
