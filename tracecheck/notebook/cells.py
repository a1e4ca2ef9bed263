"""Which numbers of a table are pointers, and the cells of a table as people read them."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import pyarrow as pa

from tracecheck.reporters.common import clean, iso_time, pointer, rows

if TYPE_CHECKING:
    from collections.abc import Sequence

#: The columns of 64 bits that count something; all others are pointers, also those of a driver's own fields.
COUNTS = frozenset({"sequence", "record", "count", "position", "order", "records", "lost"})
#: Smaller numbers that are written in hexadecimal digits everywhere.
_CODES = frozenset({"status", "pool", "pool_tag", "context_type"})
_LONGEST = 120
_STYLE = "text-align:left;white-space:nowrap;padding:1px 8px"


def hex_columns(schema: pa.Schema) -> frozenset[str]:
    """Name the columns that are shown in hexadecimal digits."""
    return frozenset(
        field.name
        for field in schema
        if (field.type == pa.uint64() and field.name not in COUNTS)
        or (pa.types.is_unsigned_integer(field.type) and field.name in _CODES)
    )


def hex_texts(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    """Write a column of numbers as ``0x…``; null stays null."""
    encoded = column.dictionary_encode()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.combine_chunks()
    texts = pa.array([pointer(value) for value in encoded.dictionary.to_pylist()], pa.string())
    return texts.take(encoded.indices)


def table_html(table: pa.Table, name: str, size: str) -> str:
    """Draw rows as HTML; no text of a trace can be taken for markup or hide what it is.

    Args:
        table: The rows that are shown.
        name: What the table is.
        size: How many rows there are in all, in words.
    """
    shown = hex_columns(table.schema)
    types = {field.name: field.type for field in table.schema}
    head = "".join(f'<th style="{_STYLE}">{_safe(column)}</th>' for column in table.column_names)
    lines = [
        _line([_cell(value, types[key], key in shown) for key, value in row.items()]) for row in rows(table)
    ]
    return (
        f'<div style="overflow-x:auto"><p><b>{_safe(name)}</b>: {_safe(size)}</p>'
        f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table></div>"
    )


def _line(cells: Sequence[str]) -> str:
    return "<tr>" + "".join(f'<td style="{_STYLE}">{_safe(cell)}</td>' for cell in cells) + "</tr>"


def _cell(value: object, kind: pa.DataType, is_hex: bool) -> str:
    if value is None:
        return ""
    if isinstance(value, int) and is_hex:
        return str(pointer(value))
    if isinstance(value, int) and pa.types.is_timestamp(kind):
        return str(iso_time(value))
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return str(value)


def _safe(text: str) -> str:
    text = clean(text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…")
    return escape(text)
