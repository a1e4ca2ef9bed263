"""Decoded fields as JSON has them: Arrow columns to plain values, bit patterns as ``"0x…"``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from tracecheck.payload.tracelogging import In, Out
from tracecheck.reporters.common import dump

if TYPE_CHECKING:
    from tracecheck.payload.tracelogging import Decoded, Field

_HEX_IN = frozenset({In.HEXINT32, In.HEXINT64, In.POINTER})
_HEX_OUT = frozenset({Out.HEX, Out.NTSTATUS, Out.HRESULT, Out.CODE_POINTER})


def field_rows(decoded: Decoded) -> list[dict[str, Any]]:
    """Give the fields of events of one schema.

    Args:
        decoded: What :func:`tracecheck.payload.tracelogging.decode` gave.

    Returns:
        A dict for each event, in the order of ``decoded.rows``. Pointers and hexadecimal types are
        ``"0x…"``, binary data hexadecimal digits, times ISO 8601; what could not be read is None.
    """
    fields = decoded.schema.fields if decoded.schema else ()
    columns = [_values(column, field) for column, field in zip(decoded.table.columns, fields, strict=True)]
    names = decoded.table.schema.names
    if not columns:
        return [{} for _ in decoded.rows]
    return [dict(zip(names, cells, strict=True)) for cells in zip(*columns, strict=True)]


def _values(array: pa.Array, field: Field) -> list[Any]:
    kind = array.type
    if pa.types.is_struct(kind):
        return _structs(array, field)
    if pa.types.is_list(kind):
        return _lists(array, field)
    if pa.types.is_timestamp(kind):
        return _times(array)
    values: list[Any] = array.to_pylist()
    if pa.types.is_binary(kind):
        return [None if value is None else value.hex() for value in values]
    if pa.types.is_integer(kind) and (field.in_type in _HEX_IN or field.out_type in _HEX_OUT):
        return [None if value is None else f"{value:#x}" for value in values]
    return values


def _structs(array: pa.Array, field: Field) -> list[Any]:
    children = [_values(child, inner) for child, inner in zip(array.flatten(), field.fields, strict=True)]
    names = [array.type.field(place).name for place in range(array.type.num_fields)]
    rows = [dict(zip(names, cells, strict=True)) for cells in zip(*children, strict=True)]
    return [row if valid else None for row, valid in zip(rows, array.is_valid().to_pylist(), strict=True)]


def _lists(array: pa.Array, field: Field) -> list[Any]:
    elements = iter(_values(array.flatten(), field))
    lengths = array.value_lengths().to_pylist()
    return [None if length is None else [next(elements) for _ in range(length)] for length in lengths]


def _times(array: pa.Array) -> list[str | None]:
    """Write times; through numpy, since the years of a SYSTEMTIME go beyond those of datetime."""
    zone = "Z" if array.type.tz else ""
    ticks = np.array(array.cast(pa.int64()).fill_null(0).to_pylist(), dtype=np.int64)
    texts = np.datetime_as_string(ticks.view(f"M8[{array.type.unit}]")).tolist()
    return [
        f"{text}{zone}" if valid else None
        for text, valid in zip(texts, array.is_valid().to_pylist(), strict=True)
    ]


def field_text(fields: dict[str, Any]) -> str:
    """Write fields on one line for a reader: ``Name=value`` with blanks between."""
    return " ".join(
        f"{name}={value if isinstance(value, str) else dump(value)}" for name, value in fields.items()
    )
