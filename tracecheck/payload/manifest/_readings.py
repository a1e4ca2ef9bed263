"""What a layout with gaps may mean: the catalogue's layouts, and how the payloads choose among readings.

The catalogue was made from Windows' own manifests on a 64-bit machine, and lost what it had no word for:
pointers became 64-bit numbers, booleans (of four bytes) bytes, and strings whose length another field
says became bytes of that number, where the manifests count characters; of arrays one element is left.
Each such gap can be filled in few ways. That reading is right which uses up the payloads.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import TYPE_CHECKING

from tracecheck.payload._schema import In

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tracecheck.payload.manifest.definition import Event, Field

# What can be an element of the array that ends an event.
_ELEMENTS = frozenset(
    {In.INT8, In.UINT8, In.INT16, In.UINT16, In.INT32, In.UINT32, In.INT64, In.UINT64, In.GUID, In.DOUBLE}
)
_COUNTS = frozenset({In.UINT8, In.UINT16, In.UINT32})
_MOST_COUNTS = 3

# Parts of names of counted fields that are bytes and no text, where an event has both.
_BYTES_NAMES = ("hash", "binary", "data", "blob", "descriptor", "address", "sid")

# Parts of names of 64-bit numbers that are no pointers. Of the events of Windows' manifests with both kinds,
# names with none of these tell half right; of the others nearly all contradict the size, and so are said.
_NUMBER_NAMES = (
    *("time", "duration", "latency", "count", "number", "sequence", "amount", "value", "mask", "id"),
    *("size", "length", "bytes", "offset", "position", "lba", "physical", "information"),
)


def readings(event: Event, pointer_size: int) -> Iterator[list[tuple[Field, ...]]]:
    """Give the layouts that an event may have.

    Args:
        event: An event whose layout is inferred.
        pointer_size: The writer's, 4 or 8.

    Yields:
        The layout as it stands, then the others: at most 90 in all, those that change least first. Those
        that differ in nothing but which 64-bit numbers are pointers come together.
    """
    fields = event.fields
    counted = any(_is_counted(field) for field in fields)
    small = any(field.in_type == In.UINT8 for field in fields)
    wide = pointer_size == 4 and any(field.in_type == In.UINT64 for field in fields)
    pointers = ("none", "named", "all") if wide else ("none",)
    for (places, count), characters, booleans in product(
        _arrays(fields), ("none", "all", "named")[: 1 + 2 * counted], (False, True)[: 1 + small]
    ):
        variants: dict[tuple[Field, ...], None] = {}
        for kind in pointers:
            changed = (_changed(field, characters, booleans, kind) for field in fields)
            variants[
                tuple(
                    replace(field, count=count) if place in places else field
                    for place, field in enumerate(changed)
                )
            ] = None
        yield list(variants)


def _arrays(fields: tuple[Field, ...]) -> list[tuple[range, str]]:
    """Say which fields may be arrays, and which field counts them.

    Returns:
        First none; then the last field, counted by the nearest count before it; then the fields of one
        type that stand right behind a count.
    """
    out = [(range(0), "")]
    counts = [
        place
        for place, field in enumerate(fields[:-1])
        if field.in_type in _COUNTS and "count" in field.name.lower()
    ]
    if counts and fields[-1].in_type in _ELEMENTS:
        out.append((range(len(fields) - 1, len(fields)), fields[counts[-1]].name))
    for place in counts[-_MOST_COUNTS:]:
        first = end = place + 1
        while end < len(fields) and fields[end].in_type == fields[first].in_type:
            end += 1
        run = (range(first, end), fields[place].name)
        if fields[first].in_type in _ELEMENTS and run not in out:
            out.append(run)
    return out


def _changed(field: Field, characters: str, booleans: bool, pointers: str) -> Field:
    if _is_counted(field) and (characters == "all" or (characters == "named" and _is_text(field))):
        return replace(field, in_type=In.UNICODESTRING)
    if booleans and field.in_type == In.UINT8:
        return replace(field, in_type=In.BOOL32)
    if field.in_type == In.UINT64 and (pointers == "all" or (pointers == "named" and _is_named(field))):
        return replace(field, in_type=In.POINTER)
    return field


def _is_counted(field: Field) -> bool:
    return field.in_type == In.BINARY and isinstance(field.length, str)


def _is_text(field: Field) -> bool:
    return not any(part in field.name.lower() for part in _BYTES_NAMES)


def _is_named(field: Field) -> bool:
    return not any(part in field.name.lower() for part in _NUMBER_NAMES)
