"""From a manifest's fields to the readers that decode them.

The readers are those of TraceLogging; a manifest adds lengths and counts that other fields say, and
pointers of the writer's size.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from tracecheck.payload import _plan, _values
from tracecheck.payload._arrays import Array
from tracecheck.payload._columns import Column, Counted, Label, Nothing, Scalar, Sized, Terminated, Unknown
from tracecheck.payload._nested import FixedArray, Given, Struct
from tracecheck.payload._schema import Field as SchemaField
from tracecheck.payload._schema import In, Out
from tracecheck.payload.arrow import from_numpy

if TYPE_CHECKING:
    import numpy.typing as npt

    from tracecheck.payload._columns import Decode
    from tracecheck.payload._plan import Scope
    from tracecheck.payload.manifest.definition import Field

_IPV6_SIZE = 16
_SID_LEAST = 8
_UTF8 = frozenset({Out.UTF8, Out.XML, Out.JSON})

# In-types whose size a length can say.
_SIZED = frozenset({In.UNICODESTRING, In.ANSISTRING, In.BINARY, In.SID})


def readers_of(fields: tuple[Field, ...], scope: Scope) -> tuple[Column, ...]:
    """Make the readers of the fields of an event or of a struct.

    Args:
        fields: In the order of the layout.
        scope: The writer's pointer size, the budget and the place of these fields.

    Returns:
        One reader a field. A field whose type or size is not known gets one that says so.
    """
    places: dict[str, int] = {}
    out: list[Column] = []
    for place, field in enumerate(fields):
        reader = _reader(field, places, scope)
        out.append(reader)
        if isinstance(reader, Scalar) and reader.dtype.kind in "iu" and reader.dtype.subdtype is None:
            places[field.name] = place
    return tuple(out)


def _reader(field: Field, places: dict[str, int], scope: Scope) -> Column:
    label = scope.path + field.name
    sized = field.length is not None and field.in_type in _SIZED
    element = _sized(field, label) if sized else _value(field, label, scope)
    if isinstance(element, Sized) and isinstance(field.length, str):
        # An array of elements that other fields size is none that a manifest compiler takes.
        known = field.length in places and field.count is None
        return Given(element, places[field.length]) if known else Unknown(label)
    if field.count is None or isinstance(element, Unknown):
        return element
    return _array(field.count, element, label, places, scope)


def _array(count: int | str, element: Column, label: str, places: dict[str, int], scope: Scope) -> Column:
    """Make the reader of an array; an array of what takes no bytes is nothing, whatever it counts."""
    if not element.least or count == 0:
        return Nothing(label)
    if isinstance(count, int) and isinstance(element, Scalar):
        return FixedArray(label, element, count)
    budget = None if isinstance(element, Scalar) else scope.budget
    if isinstance(count, int):
        return Array(label, element, count, budget, scope.depth + 1)
    if count not in places:
        return Unknown(label)
    return Given(Array(label, element, 0, budget, scope.depth + 1), places[count])


def _sized(field: Field, label: str) -> Column:
    """Make the reader of text or bytes whose size the layout or another field says."""
    unit = 2 if field.in_type == In.UNICODESTRING else 1
    decode = _decode(field)
    if not isinstance(field.length, int):
        return Sized(label, unit, decode)
    if decode is None:
        return Sized(label, unit, None, field.length)
    return Label(label, field.length * unit, decode)


def _decode(field: Field) -> Decode | None:
    match field.in_type:
        case In.UNICODESTRING:
            return _utf16
        case In.ANSISTRING:
            return _utf8 if field.out_type in _UTF8 else _ansi
        case In.SID:
            return _sid
    match field.out_type:
        case Out.IPV6:
            return _values.ipv6
        case Out.SOCKETADDRESS:
            return _values.socket_address
    return None


def _value(field: Field, label: str, scope: Scope) -> Column:
    """Make the reader of a value that says its own size."""
    match field.in_type:
        case In.STRUCT:
            depth = scope.depth + (field.count is not None)
            inner = readers_of(field.fields, replace(scope, path=f"{label}.", depth=depth))
            return Struct(label, tuple(each.name for each in field.fields), inner)
        case In.POINTER:
            dtype = "<u4" if scope.pointer_size == 4 else "<u8"
            return Scalar(label, pa.uint64(), dtype, _addresses)
        case In.UNICODESTRING:
            return Terminated(label, 2, "utf-16-le")
        case In.ANSISTRING:
            return Terminated(label, 1, "utf-8" if field.out_type in _UTF8 else _values.ansi)
        case In.COUNTEDBINARY:
            return Counted(label, 1, None)
        case In.BINARY:
            is_address = field.out_type == Out.IPV6
            return Label(label, _IPV6_SIZE, _values.ipv6) if is_address else Unknown(label)
    # Only the scope's pointer size counts for a single value, and pointers are done.
    named = replace(scope, path="")
    return _plan.reader_of(SchemaField(label, field.in_type, field.out_type), named)


def _addresses(values: npt.NDArray[Any]) -> pa.Array:
    """Widen pointers, so that those of 32-bit writers compare with others."""
    return from_numpy(values.astype("<u8"), pa.uint64())


def _utf16(raw: bytes) -> str:
    """Decode a buffer of UTF-16 up to its NUL, if it has one: what follows is no part of the string."""
    return raw.decode("utf-16-le", "replace").partition("\0")[0]


def _ansi(raw: bytes) -> str:
    return _values.ansi(raw.partition(b"\0")[0])


def _utf8(raw: bytes) -> str:
    return raw.partition(b"\0")[0].decode("utf-8", "replace")


def _sid(raw: bytes) -> str:
    return _values.sid(raw) if len(raw) >= _SID_LEAST else raw.hex()
