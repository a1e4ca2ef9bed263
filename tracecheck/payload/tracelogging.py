"""TraceLogging: events that carry their own schema, decoded by schema into Arrow columns.

The schema (extended item 11) of most events of a trace is one of few. Events are grouped by the exact
bytes of theirs, and all payloads of one schema are decoded together, a field at a time. Field layouts are
those of TraceLoggingProvider.h; see :mod:`tracecheck.payload._schema`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from tracecheck.payload._arrays import Budget
from tracecheck.payload._plan import Scope, reader_of
from tracecheck.payload._reader import Reader, Tail
from tracecheck.payload._schema import EventSchema, Field, In, Out, SchemaError, parse_schema
from tracecheck.payload._slices import distinct_slices, within
from tracecheck.payload._traits import ProviderTraits, provider_traits
from tracecheck.payload.arrow import from_numpy, strings, unique_names

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    from tracecheck.payload._columns import Column
    from tracecheck.payload._slices import Ints

__all__ = [
    "Decoded",
    "EventSchema",
    "Field",
    "In",
    "Out",
    "ProviderTraits",
    "Tail",
    "decode",
    "provider_traits",
]

# A schema costs about as much as four fields before its first; a call decodes schemas of this many fields in
# all, the most frequent first, so that a file in which every event has its own cannot take minutes.
_SCHEMA_COST = 4
_BUDGET = 1 << 16

# Elements of arrays that a call reads, plain numbers not counted: 16 bytes of a full chunk for each.
_ELEMENTS = 1 << 22


@dataclass(frozen=True)
class Decoded:
    """The events of one schema.

    Attributes:
        schema: Their schema; None where the schema item cannot be parsed (all such events together).
        rows: Their indices in the arguments' arrays, int64, ascending.
        table: One column for each field in the schema's order, ``len(rows)`` rows. Names that occur
            again get a suffix (``a``, ``a_2``). A value is null where its payload ended before it,
            where the field has no type that is known, or a time that Arrow cannot hold.
        problems: For each row null, or why it was not decoded whole; None where all rows were.
        tail: The last columns once for each different end of a payload, where these are few; else None.
    """

    schema: EventSchema | None
    rows: npt.NDArray[np.int64]
    table: pa.RecordBatch
    problems: pa.DictionaryArray | None
    tail: Tail | None = None


def decode(
    data: npt.NDArray[np.uint8],
    schema_start: npt.ArrayLike,
    schema_size: npt.ArrayLike,
    payload_start: npt.ArrayLike,
    payload_size: npt.ArrayLike,
    *,
    pointer_size: int = 8,
) -> list[Decoded]:
    """Decode the payloads of TraceLogging events.

    Integers keep their width; those that the out-type makes hexadecimal or a status are unsigned.
    Booleans become bool, FILETIMEs timestamp[ns, UTC], SYSTEMTIMEs timestamp[ms], GUIDs string, binary
    data binary; strings, SIDs, characters and addresses dictionary<int32, string>; structs struct, arrays
    list (arrays of characters: strings). Characters that cannot be decoded become U+FFFD.

    Args:
        data: The bytes that hold the events, one contiguous array.
        schema_start: For each event, where the data of its extended item 11 starts in ``data``.
        schema_size: Bytes of that item's data.
        payload_start: Where its user data starts.
        payload_size: Bytes of user data.
        pointer_size: The writer's, 4 or 8; only the old in-type 16 needs it.

    Returns:
        One :class:`Decoded` for each different schema, in the order of their first events. Slices that
        leave ``data`` are cut at its end; no input raises.
    """
    data = np.ascontiguousarray(data, dtype=np.uint8)
    start, size = within(data, schema_start, schema_size)
    pos, room = within(data, payload_start, payload_size)
    codes, schemas = distinct_slices(data, start, size)
    groups = list(_rows_by_code(codes, len(schemas)))
    parsed, refused = _parse(schemas, [rows.size for rows in groups])
    scope = Scope(pointer_size, Budget(_ELEMENTS))
    out = []
    for code, schema in parsed.items():
        rows = groups[code]
        fields = tuple(reader_of(field, scope) for field in schema.fields)
        reader = Reader(data, pos[rows], pos[rows] + room[rows], scope.budget)
        out.append(_decoded(schema, rows, reader, fields))
    if refused:
        out.append(_refuse(codes, refused, len(schemas)))
    return sorted(out, key=lambda decoded: int(decoded.rows[0]))


def _rows_by_code(codes: npt.NDArray[np.int32], count: int) -> Iterator[Ints]:
    # numpy sorts 16-bit keys by radix, in linear time.
    order = np.argsort(codes.astype(np.uint16) if count <= 1 << 16 else codes, kind="stable")
    ends = np.cumsum(np.bincount(codes, minlength=count))
    for end, size in zip(ends.tolist(), np.diff(ends, prepend=0).tolist(), strict=True):
        yield order[end - size : end]


def _parse(schemas: list[bytes], events: list[int]) -> tuple[dict[int, EventSchema], dict[int, str]]:
    """Parse schemas within the budget; return those parsed, and why the others were not."""
    parsed: dict[int, EventSchema] = {}
    refused: dict[int, str] = {}
    left = _BUDGET
    for code in sorted(range(len(schemas)), key=lambda code: -events[code]):
        left -= _SCHEMA_COST
        try:
            if left < 0:
                raise SchemaError("there are too many different ones")
            schema = parse_schema(schemas[code])
        except SchemaError as error:
            refused[code] = f"the schema was not read: {error}"
        else:
            left -= schema.size
            parsed[code] = schema
    return parsed, refused


def _decoded(schema: EventSchema, rows: Ints, reader: Reader, fields: tuple[Column, ...]) -> Decoded:
    columns = reader.payloads(fields)
    names = unique_names(field.name for field in schema.fields)
    return Decoded(schema, rows, _batch(columns, names, rows.size), reader.finish(), reader.tail)


def _refuse(codes: npt.NDArray[np.int32], refused: dict[int, str], count: int) -> Decoded:
    messages = {message: number for number, message in enumerate(dict.fromkeys(refused.values()))}
    number = np.full(count, -1, dtype=np.int32)
    number[list(refused)] = [messages[message] for message in refused.values()]
    problem = number[codes]
    rows = np.flatnonzero(problem >= 0)
    values = strings(messages)
    problems = pa.DictionaryArray.from_arrays(from_numpy(problem[rows], pa.int32()), values)
    return Decoded(None, rows, _batch([], [], rows.size), problems)


def _batch(columns: list[pa.Array], names: list[str], rows: int) -> pa.RecordBatch:
    if columns:
        return pa.RecordBatch.from_arrays(columns, names)
    # A batch made of no arrays would forget how many rows it has.
    return pa.RecordBatch.from_struct_array(pa.Array.from_buffers(pa.struct([]), rows, [None]))
