"""Decoded fields as JSON and as text has them: Arrow columns to strings, a column at a time."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import repeat
from json.encoder import encode_basestring_ascii
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from tracecheck.payload.tracelogging import In, Out
from tracecheck.reporters.common import dump

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Sequence

    from numpy.typing import NDArray

    from tracecheck.payload.manifest.definition import Field as ManifestField
    from tracecheck.payload.tracelogging import Field

    Quote = Callable[[str], str]

_HEX_IN = frozenset({In.HEXINT32, In.HEXINT64, In.POINTER})
_HEX_OUT = frozenset({Out.HEX, Out.NTSTATUS, Out.HRESULT, Out.CODE_POINTER})
_NULL = "null"


@dataclass(frozen=True, slots=True)
class Look:
    """How the values of a column are written.

    Attributes:
        is_hex: Integers are ``0x…``: pointers, statuses, flags.
        fields: The same of a struct's fields.
        names: Gives the name of an integer, which text shows in its place.
        filetimes: A column of times as FILETIMEs, which reach further than the times of Arrow.
    """

    is_hex: bool = False
    fields: tuple[Look, ...] = ()
    names: Callable[[int], str] | None = None
    filetimes: pa.Array | None = None


def look_of(field: Field | ManifestField) -> Look:
    """Say how the values of a field of a TraceLogging or a manifest event are written."""
    values = getattr(field, "map", None)
    return Look(
        field.in_type in _HEX_IN or field.out_type in _HEX_OUT,
        tuple(look_of(inner) for inner in field.fields),
        values.text if values is not None else None,
    )


class Fields:
    """The fields of events of one shape.

    Args:
        table: A column for each field, a row for each event.
        looks: How each column is written.
    """

    def __init__(self, table: pa.RecordBatch, looks: Sequence[Look]) -> None:
        self.table = table
        self._looks = looks

    def json(self) -> list[str]:
        """Write the fields of each event as a JSON object.

        Pointers and hexadecimal types are ``"0x…"``, binary data hexadecimal digits, times ISO 8601; what
        could not be read is null.
        """
        return self._rows(_template(self.table.schema.names), encode_basestring_ascii)

    def text(self) -> list[str]:
        """Write the fields of each event for a reader: ``Name=value`` with blanks between."""
        names = [name.replace("%", "%%") for name in self.table.schema.names]
        return self._rows(" ".join(f"{name}=%s" for name in names), None)

    def values(self, wanted: Container[int]) -> list[tuple[Any, ...]]:
        """Give the values of each event as JSON has them, numbers as numbers but for hexadecimal ones.

        Args:
            wanted: The places of the fields whose values are needed; those of others are None.
        """
        if not self._looks:
            return [()] * self.table.num_rows
        pairs = zip(self.table.columns, self._looks, strict=True)
        columns: list[Iterable[Any]] = [
            _values(column, look) if place in wanted else repeat(None, self.table.num_rows)
            for place, (column, look) in enumerate(pairs)
        ]
        return list(zip(*columns, strict=True))

    def _rows(self, template: str, quote: Quote | None) -> list[str]:
        columns = [
            _cells(column, look, quote) for column, look in zip(self.table.columns, self._looks, strict=True)
        ]
        if not columns:
            return [template] * self.table.num_rows
        return [template % cells for cells in zip(*columns, strict=True)]


def integers(array: pa.Array) -> NDArray[Any]:
    """See an Arrow array of integers as numpy's, exactly; what null hides is any number."""
    kind = array.type
    dtype = f"<{'u' if pa.types.is_unsigned_integer(kind) else 'i'}{kind.bit_width // 8}"
    if array.buffers()[1] is None:
        return np.zeros(len(array), dtype)
    return np.frombuffer(array.buffers()[1], dtype)[array.offset :][: len(array)]


def _cells(array: pa.Array, look: Look, quote: Quote | None) -> list[str]:
    """Write a column, as JSON where there is a function that quotes, else as text."""
    kind = array.type
    if look.filetimes is not None:
        cells = _filetimes(look.filetimes)
        return _with_nulls([quote(cell) for cell in cells] if quote else cells, look.filetimes)
    if pa.types.is_dictionary(kind):
        words = [quote(word) if quote else word for word in array.dictionary.to_pylist()]
        words.append(_NULL)
        codes = np.where(_valid(array), integers(array.indices), -1) if array.null_count else array.indices
        return [words[code] for code in codes.tolist()]
    if pa.types.is_integer(kind):
        return _with_nulls(_numbers(integers(array).tolist(), look, quote), array)
    if pa.types.is_struct(kind):
        return _struct_cells(array, look)
    if pa.types.is_list(kind):
        return _list_cells(array, look)
    values = _values(array, look)
    if quote is None:
        return [value if isinstance(value, str) else dump(value) for value in values]
    return [quote(value) if isinstance(value, str) else dump(value) for value in values]


def _struct_cells(array: pa.Array, look: Look) -> list[str]:
    """Write structs as JSON, in text too."""
    names = [array.type.field(place).name for place in range(array.type.num_fields)]
    if not names:
        return _with_nulls(["{}"] * len(array), array)
    template = _template(names)
    children = [
        _cells(child, inner, encode_basestring_ascii)
        for child, inner in zip(array.flatten(), look.fields, strict=True)
    ]
    return _with_nulls([template % cells for cells in zip(*children, strict=True)], array)


def _list_cells(array: pa.Array, look: Look) -> list[str]:
    """Write lists as JSON, in text too."""
    elements = _cells(array.flatten(), look, encode_basestring_ascii)
    out = []
    at = 0
    for length in array.value_lengths().to_pylist():
        out.append(_NULL if length is None else f"[{', '.join(elements[at : at + length])}]")
        at += length or 0
    return out


def _template(names: Sequence[str]) -> str:
    """Make the template of a JSON object."""
    quoted = [encode_basestring_ascii(name).replace("%", "%%") for name in names]
    return "{" + ", ".join(f"{name}: %s" for name in quoted) + "}"


def _numbers(values: list[int], look: Look, quote: Quote | None) -> list[str]:
    if look.names is not None and quote is None:
        names = {value: look.names(value) for value in set(values)}
        return [names[value] for value in values]
    if not look.is_hex:
        return list(map(str, values))
    return [f'"{value:#x}"' for value in values] if quote else [f"{value:#x}" for value in values]


def _with_nulls(cells: list[str], array: pa.Array) -> list[str]:
    if not array.null_count:
        return cells
    return [cell if valid else _NULL for cell, valid in zip(cells, _valid(array).tolist(), strict=True)]


def _valid(array: pa.Array) -> NDArray[np.bool_]:
    return np.asarray(array.is_valid().cast(pa.uint8()).to_numpy(), np.bool_)


def _values(array: pa.Array, look: Look) -> list[Any]:
    """Give the values of a column as JSON has them."""
    kind = array.type
    if pa.types.is_struct(kind):
        return _structs(array, look)
    if pa.types.is_list(kind):
        return _lists(array, look)
    if pa.types.is_timestamp(kind):
        return _times(array)
    values: list[Any] = array.to_pylist()
    if pa.types.is_binary(kind):
        return [None if value is None else value.hex() for value in values]
    if pa.types.is_integer(kind) and look.is_hex:
        return [None if value is None else f"{value:#x}" for value in values]
    return values


def _structs(array: pa.Array, look: Look) -> list[Any]:
    children = [_values(child, inner) for child, inner in zip(array.flatten(), look.fields, strict=True)]
    names = [array.type.field(place).name for place in range(array.type.num_fields)]
    rows = [dict(zip(names, cells, strict=True)) for cells in zip(*children, strict=True)]
    return [row if valid else None for row, valid in zip(rows, _valid(array).tolist(), strict=True)]


def _lists(array: pa.Array, look: Look) -> list[Any]:
    elements = iter(_values(array.flatten(), look))
    lengths = array.value_lengths().to_pylist()
    return [None if length is None else [next(elements) for _ in range(length)] for length in lengths]


def _times(array: pa.Array) -> list[str | None]:
    """Write times; through numpy, since the years of a SYSTEMTIME go beyond those of datetime."""
    zone = "Z" if array.type.tz else ""
    ticks = np.where(_valid(array), integers(array.cast(pa.int64())), 0)
    texts = np.datetime_as_string(ticks.view(f"M8[{array.type.unit}]")).tolist()
    return [
        f"{text}{zone}" if valid else None for text, valid in zip(texts, _valid(array).tolist(), strict=True)
    ]


def _filetimes(array: pa.Array) -> list[str]:
    """Write FILETIMEs, 100 ns since 1601: drivers write 0 where there is no time."""
    ticks = integers(array).astype(np.int64)
    micros = ticks // 10 + np.datetime64("1601-01-01", "us").astype(np.int64)
    texts = np.datetime_as_string(micros.view("M8[us]")).tolist()
    return [f"{text}{tick % 10}00Z" for text, tick in zip(texts, ticks.tolist(), strict=True)]
