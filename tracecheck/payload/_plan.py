"""From a schema's fields to the readers that decode them, and to the Arrow types that they give."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pyarrow as pa

from tracecheck.payload import _values
from tracecheck.payload._arrays import Array
from tracecheck.payload._columns import Counted, Label, Nothing, Scalar, Sid, Terminated, Unknown
from tracecheck.payload._nested import FixedArray, Struct
from tracecheck.payload._schema import In, Out

if TYPE_CHECKING:
    from tracecheck.payload._arrays import Budget
    from tracecheck.payload._columns import Column, Decode
    from tracecheck.payload._schema import Field

_UTF16 = "utf-16-le"

_INTEGERS = {
    In.INT8: "<i1",
    In.UINT8: "<u1",
    In.INT16: "<i2",
    In.UINT16: "<u2",
    In.INT32: "<i4",
    In.UINT32: "<u4",
    In.INT64: "<i8",
    In.UINT64: "<u8",
    In.HEXINT32: "<u4",
    In.HEXINT64: "<u8",
}

_ARROW_INTEGERS = {
    "i1": pa.int8(),
    "u1": pa.uint8(),
    "i2": pa.int16(),
    "u2": pa.uint16(),
    "i4": pa.int32(),
    "u4": pa.uint32(),
    "i8": pa.int64(),
    "u8": pa.uint64(),
}

# Out-types whose values are bit patterns: a status compares as 0xC0000034, not as a negative number.
_UNSIGNED = frozenset({Out.HEX, Out.NTSTATUS, Out.HRESULT, Out.CODE_POINTER, Out.UNSIGNED})

# Out-types that say that an 8-bit string is UTF-8.
_UTF8 = frozenset({Out.UTF8, Out.XML, Out.JSON})

# Integers that the out-type "string" makes characters, and the bytes of each.
_CHARACTERS: dict[int, int] = {In.INT8: 1, In.UINT8: 1, In.UINT16: 2}

_IPV4_CARRIERS = frozenset({In.INT32, In.UINT32, In.HEXINT32})


@dataclass(frozen=True)
class Scope:
    """What holds for a field besides its own words in the schema.

    Attributes:
        pointer_size: 4 or 8, for the in-type "pointer".
        budget: How many elements of arrays may be read, of all fields together.
        path: Names of the structs around the field, each followed by a dot.
        depth: How many arrays of structs are around it.
    """

    pointer_size: int
    budget: Budget
    path: str = ""
    depth: int = 0

    def inside(self, struct: Field) -> Scope:
        """Return the scope of a struct's fields."""
        depth = self.depth + (struct.count is not None)
        return replace(self, path=f"{self.path}{struct.name}.", depth=depth)


def reader_of(field: Field, scope: Scope) -> Column:
    """Make the reader of a field."""
    label = scope.path + field.name
    if field.count == "custom":
        return Counted(label, 1, None)
    unit = _CHARACTERS.get(field.in_type, 0) if field.out_type == Out.STRING else 0
    if unit and field.count is not None:
        return _characters(label, unit, field.count)
    element = _value(field, label, scope)
    if field.count is None or isinstance(element, Unknown):
        return element
    return _array(label, element, None if field.count == "variable" else int(field.count), scope)


def _array(label: str, element: Column, count: int | None, scope: Scope) -> Column:
    """Make the reader of an array; an array of what takes no bytes is nothing, whatever it counts."""
    if not element.least or count == 0:
        return Nothing(label, 2 if count is None else 0)
    if count is not None and isinstance(element, Scalar):
        return FixedArray(label, element, count)
    budget = None if isinstance(element, Scalar) else scope.budget
    return Array(label, element, count, budget, scope.depth + 1)


def _characters(label: str, unit: int, count: int | str) -> Column:
    """Make the reader of an array of characters, which is a string."""
    decode: Decode = _UTF16 if unit == 2 else _values.ansi
    if count == "variable":
        return Counted(label, unit, decode)
    return Label(label, int(count) * unit, decode)


def _value(field: Field, label: str, scope: Scope) -> Column:
    """Make the reader of a single value."""
    if field.in_type == In.STRUCT:
        inner = tuple(reader_of(each, scope.inside(field)) for each in field.fields)
        return Struct(label, tuple(each.name for each in field.fields), inner)
    if field.in_type in _INTEGERS:
        return _integer(label, _INTEGERS[In(field.in_type)], field)
    if field.in_type == In.POINTER:
        return _integer(label, "<u4" if scope.pointer_size == 4 else "<u8", field)
    return _string(field, label) or _other(field, label)


def _integer(label: str, dtype: str, field: Field) -> Column:
    out = field.out_type
    if out == Out.STRING and field.in_type in _CHARACTERS:
        unit = _CHARACTERS[field.in_type]
        return Label(label, unit, _UTF16 if unit == 2 else "cp1252")
    if out == Out.IPV4 and field.in_type in _IPV4_CARRIERS:
        return Label(label, 4, _values.ipv4)
    if out == Out.BOOLEAN:
        return Scalar(label, pa.bool_(), dtype, _values.booleans)
    if out == Out.PORT and field.in_type == In.UINT16:
        return Scalar(label, pa.uint16(), ">u2", _values.ports)
    if out in _UNSIGNED or out == Out.SIGNED:
        dtype = f"<{'i' if out == Out.SIGNED else 'u'}{dtype[2]}"
    return Scalar(label, _ARROW_INTEGERS[dtype[1:]], dtype)


def _string(field: Field, label: str) -> Column | None:
    """Make the reader of a string or of counted bytes; None where it is neither."""
    narrow: Decode = "utf-8" if field.out_type in _UTF8 else _values.ansi
    match field.in_type:
        case In.UNICODESTRING:
            return Terminated(label, 2, _UTF16)
        case In.ANSISTRING:
            return Terminated(label, 1, narrow)
        case In.COUNTEDSTRING:
            return Counted(label, 1, _UTF16)
        case In.COUNTEDANSISTRING:
            return Counted(label, 1, narrow)
        case In.BINARY | In.COUNTEDBINARY:
            shown = {Out.IPV6: _values.ipv6, Out.SOCKETADDRESS: _values.socket_address}
            return Counted(label, 1, shown.get(Out(field.out_type)) if field.out_type in shown else None)
    return None


def _other(field: Field, label: str) -> Column:
    match field.in_type:
        case In.NULL:
            return Nothing(label)
        case In.FLOAT:
            return Scalar(label, pa.float32(), "<f4")
        case In.DOUBLE:
            return Scalar(label, pa.float64(), "<f8")
        case In.BOOL32:
            return Scalar(label, pa.bool_(), "<u4", _values.booleans)
        case In.GUID:
            return Scalar(label, pa.string(), "16u1", _values.guids)
        case In.FILETIME:
            return Scalar(label, _values.UTC_NS, "<i8", _values.filetimes)
        case In.SYSTEMTIME:
            utc = field.out_type == Out.DATETIME_UTC
            kind = pa.timestamp("ms", "UTC") if utc else pa.timestamp("ms")
            return Scalar(label, kind, "8<u2", lambda words: _values.systemtimes(words, kind))
        case In.SID:
            return Sid(label, _values.sid)
    return Unknown(label)
