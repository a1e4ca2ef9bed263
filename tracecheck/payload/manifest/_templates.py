"""Templates: the fields of a manifest's events."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracecheck.payload._schema import In
from tracecheck.payload.manifest._elements import local, number, plain
from tracecheck.payload.manifest._names import IN_TYPES, OUT_TYPES
from tracecheck.payload.manifest.definition import Field

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from xml.etree.ElementTree import Element

    from tracecheck.payload.manifest.definition import ValueMap

# As for TraceLogging schemas: ETW takes 128 fields; a hostile manifest may say anything.
_MAX_FIELDS = 1024
_MAX_DEPTH = 8
_MOST = 0xFFFF

#: The in-type of a field whose type the manifest names in a way that is not known.
UNKNOWN = 0xFF

#: In-types that can say how long another field is.
NUMBERS = frozenset(
    {
        In.INT8,
        In.UINT8,
        In.INT16,
        In.UINT16,
        In.INT32,
        In.UINT32,
        In.INT64,
        In.UINT64,
        In.HEXINT32,
        In.HEXINT64,
        In.POINTER,
    }
)


class TemplateError(ValueError):
    """A template contradicts itself; the message says how."""


def read_template(
    element: Element, maps: Mapping[str, ValueMap], note: Callable[[str], None]
) -> tuple[Field, ...]:
    """Read a template's fields.

    Args:
        element: ``<template>``, with ``<data>`` and ``<struct>`` in it.
        maps: The provider's maps.
        note: Called with a line for what is wrong but does no harm to the layout.

    Raises:
        TemplateError: A count or a length names a field that does not stand before it, or is no number;
            there are too many fields or structs within structs.
    """
    reading = _Reading(maps, note)
    return reading.fields(element, 0)


class _Reading:
    """The reading of one template."""

    def __init__(self, maps: Mapping[str, ValueMap], note: Callable[[str], None]) -> None:
        self.maps = maps
        self.note = note
        self.left = _MAX_FIELDS

    def fields(self, element: Element, depth: int) -> tuple[Field, ...]:
        if depth > _MAX_DEPTH:
            raise TemplateError("it has too many structs within structs")
        out: list[Field] = []
        numbers: set[str] = set()
        for child in element:
            if local(child) not in ("data", "struct"):
                continue
            self.left -= 1
            if self.left < 0:
                raise TemplateError("it has too many fields")
            is_struct = local(child) == "struct"
            field = self._struct(child, numbers, depth) if is_struct else self._data(child, numbers)
            out.append(field)
            if field.in_type in NUMBERS and field.count is None:
                numbers.add(field.name)
        return tuple(out)

    def _struct(self, element: Element, numbers: set[str], depth: int) -> Field:
        name = element.get("name", "")
        inner = self.fields(element, depth + 1)
        return Field(name, In.STRUCT, count=_amount(element, "count", numbers), fields=inner)

    def _data(self, element: Element, numbers: set[str]) -> Field:
        name = element.get("name", "")
        said = element.get("inType")
        in_type: int = IN_TYPES.get(plain(said), UNKNOWN)
        if in_type == UNKNOWN:
            self.note(f"field {name!r}: the in-type {said!r} is not known")
        names = element.get("map")
        if names and names not in self.maps:
            self.note(f"field {name!r}: the map {names!r} is not defined; its values are shown as numbers")
        return Field(
            name,
            in_type,
            OUT_TYPES.get(plain(element.get("outType")), 0),
            self.maps.get(names) if names else None,
            _amount(element, "count", numbers),
            _amount(element, "length", numbers),
        )


def _amount(element: Element, attribute: str, numbers: set[str]) -> int | str | None:
    """Read a count or a length: a number, or the name of a number that stands before it."""
    said = (element.get(attribute) or "").strip()
    if not said:
        return None
    fixed = number(said)
    if fixed is not None:
        if fixed > _MOST:
            raise TemplateError(f"the {attribute} {said} of field {element.get('name')!r} is too large")
        return fixed
    if said not in numbers:
        name = element.get("name")
        raise TemplateError(f"the {attribute} of field {name!r} is {said!r}, which is no number before it")
    return said
