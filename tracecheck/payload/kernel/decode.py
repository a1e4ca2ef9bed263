"""Kernel events decoded by type and version into Arrow columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from tracecheck.etl.layout import Kind
from tracecheck.payload._arrays import Budget
from tracecheck.payload._reader import Reader
from tracecheck.payload._slices import within
from tracecheck.payload.kernel._readers import least_size, readers_of
from tracecheck.payload.kernel.layouts import EVENTS, GROUP_OF_GUID, EventType

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    import numpy.typing as npt

    from tracecheck.etl.reader import Chunk
    from tracecheck.payload._slices import Ints

_KERNEL = (Kind.SYSTEM32, Kind.SYSTEM64, Kind.COMPACT32, Kind.COMPACT64, Kind.PERFINFO32, Kind.PERFINFO64)
_CLASSIC = (Kind.FULL32, Kind.FULL64)
_WIDE = (Kind.SYSTEM64, Kind.COMPACT64, Kind.PERFINFO64, Kind.FULL64)


def _flags(kinds: tuple[Kind, ...]) -> npt.NDArray[np.bool_]:
    table = np.zeros(256, np.bool_)
    table[list(kinds)] = True
    return table


_IS_KERNEL, _IS_CLASSIC, _IS_WIDE = _flags(_KERNEL), _flags(_CLASSIC), _flags(_WIDE)

# By group and opcode, the number of the event type and one; 0 where there is none.
_TYPE_OF_KEY = np.zeros(0x102 << 8, np.uint8)
for _number, _event in enumerate(EVENTS, 1):
    _TYPE_OF_KEY[_event.group << 8 | _event.opcode] = _number
_NO_GROUP = 0x101

_GUID_WORDS = np.array(
    [np.frombuffer(guid.bytes_le, "<u8").tolist() for guid in GROUP_OF_GUID], dtype=np.uint64
)
_GROUPS = np.array(list(GROUP_OF_GUID.values()), np.int32)


@dataclass(frozen=True)
class Decoded:
    """The kernel events of one type, version and pointer size.

    Attributes:
        type: What they are.
        version: The version in their headers.
        pointer_size: 4 or 8, their writer's.
        rows: Their rows in the chunk's records, int64, ascending.
        table: One column for each field, ``len(rows)`` rows: addresses uint64, strings
            dictionary<int32, string>. A value is null where its payload ended before it.
        problems: For each row null, or why it was not decoded whole; None where all rows were.
    """

    type: EventType
    version: int
    pointer_size: int
    rows: npt.NDArray[np.int64]
    table: pa.RecordBatch
    problems: pa.DictionaryArray | None


def decode(chunk: Chunk, families: Collection[str] | None = None) -> list[Decoded]:
    """Decode the kernel events of a chunk.

    Args:
        chunk: Records of kernel loggers (SYSTEM, COMPACT, PERFINFO) and of their merged logs (classic events
            of the kernel's event classes); others are passed over.
        families: The event classes to decode, as in :attr:`EventType.family`; None for all.

    Returns:
        One :class:`Decoded` for each type, version and pointer size, in the order of their first records.
        What :data:`~tracecheck.payload.kernel.layouts.EVENTS` does not have is left out. No input raises.
    """
    rows, number = event_types(chunk)
    if families is not None:
        keep = np.array([False, *(event.family in families for event in EVENTS)])[number]
        rows, number = rows[keep], number[keep]
    out = [_decode(chunk, *group) for group in _groups(chunk, rows, number)]
    return sorted(out, key=lambda decoded: int(decoded.rows[0]))


def event_types(chunk: Chunk) -> tuple[Ints, npt.NDArray[np.uint8]]:
    """Find the kernel events of a chunk.

    Returns:
        Their rows, int64, and for each the place of its type in
        :data:`~tracecheck.payload.kernel.layouts.EVENTS`, counted from 1.
    """
    kind = chunk.column("kind")
    classic = np.flatnonzero(_IS_CLASSIC[kind])
    rows = np.flatnonzero(_IS_KERNEL[kind])
    group = chunk.column("group")[rows].astype(np.int32)
    if classic.size:
        words = chunk.column("provider")[classic]
        match = (words[:, None, :] == _GUID_WORDS).all(axis=2)
        of_class = np.where(match.any(axis=1), _GROUPS[match.argmax(axis=1)], _NO_GROUP)
        order = np.argsort(np.concatenate([rows, classic]), kind="stable")
        group = np.concatenate([group, of_class])[order]
        rows = np.concatenate([rows, classic])[order]
    number = _TYPE_OF_KEY[group << 8 | chunk.column("opcode")[rows]]
    known = number > 0
    return rows[known], number[known]


def _groups(
    chunk: Chunk, rows: Ints, number: npt.NDArray[np.uint8]
) -> Iterator[tuple[EventType, int, int, str, Ints]]:
    """Sort events by type, version, pointer size and layout."""
    wide = _IS_WIDE[chunk.column("kind")[rows]]
    key = number.astype(np.int64) << 9 | chunk.column("version")[rows].astype(np.int64) << 1 | wide
    for each in np.unique(key).tolist():
        mine = rows[key == each]
        event, version, pointer_size = EVENTS[(each >> 9) - 1], each >> 1 & 0xFF, 8 if each & 1 else 4
        fields = event.fields(version)
        if event.longer:
            long = chunk.column("payload_size")[mine] >= least_size(event.longer, pointer_size)
            if long.any():
                yield event, version, pointer_size, event.longer, mine[long]
            mine = mine[~long]
        if fields is not None and mine.size:
            yield event, version, pointer_size, fields, mine


def _decode(
    chunk: Chunk, event: EventType, version: int, pointer_size: int, fields: str, rows: Ints
) -> Decoded:
    pos, room = within(chunk.data, chunk.column("payload")[rows], chunk.column("payload_size")[rows])
    reader = Reader(chunk.data, pos, pos + room, Budget(0))
    readers = readers_of(fields, pointer_size)
    columns = reader.columns(readers)
    names = [each.label for each in readers]
    return Decoded(event, version, pointer_size, rows, _batch(columns, names, rows.size), reader.finish())


def _batch(columns: list[pa.Array], names: list[str], rows: int) -> pa.RecordBatch:
    if columns:
        return pa.RecordBatch.from_arrays(columns, names)
    # A batch made of no arrays would forget how many rows it has.
    return pa.RecordBatch.from_struct_array(pa.Array.from_buffers(pa.struct([]), rows, [None]))
