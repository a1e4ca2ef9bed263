"""Records that hold one pointer: first by the bytes of their payloads, then by what these mean."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from tracecheck.reporters.fields import integers

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tracecheck.etl import Chunk
    from tracecheck.reporters.events.group import Group, Ints
    from tracecheck.reporters.events.page import Page

# A number of fewer digits would be found in texts by chance.
_LEAST_DIGITS = 8


def rows_with(chunk: Chunk, rows: Ints, pointer: int) -> Ints:
    """Find records whose payloads have a pointer's bytes anywhere, or its digits.

    Args:
        chunk: The records.
        rows: Which of them may be meant, ascending.
        pointer: What is looked for: 8 bytes, or 4 if it fits; and its hexadecimal digits in 8-bit and in
            UTF-16 texts, where there are eight or more.

    Returns:
        The rows that have it.
    """
    start = chunk.column("payload")[rows].astype(np.int64)
    end = start + chunk.column("payload_size")[rows]
    order = np.argsort(start, kind="stable")
    found = np.zeros(rows.size, np.bool_)
    for at, width in _places(chunk.data, pointer):
        place = np.searchsorted(start[order], at, "right") - 1
        inside = place >= 0
        which = order[place[inside]]
        found[which[at[inside] + width <= end[which]]] = True
    return rows[found]


def holds(page: Page, pointer: int) -> Ints:
    """Find the records of a page that hold a pointer, among those whose bytes have it.

    Of a payload that is decoded whole, a field must have it: a number, or a text that names it.

    Returns:
        Their rows, ascending.
    """
    keep = np.ones(len(page), np.bool_)
    for group in page.groups:
        if group.fields is not None:
            keep[group.rows] = _in_fields(group, pointer)
    for row, problem in enumerate(page.problems):
        # What was not decoded whole may hold it in the rest.
        keep[row] |= problem is not None
    return np.flatnonzero(keep)


def _places(data: NDArray[np.uint8], pointer: int) -> list[tuple[Ints, int]]:
    """Find where in the bytes a pointer stands; with how many bytes it has there."""
    width = 4 if pointer < 1 << 32 else 8
    out = []
    for shift in range(width):
        words = data[shift : shift + (data.size - shift) // width * width].view(f"<u{width}")
        out.append((np.flatnonzero(words == pointer) * width + shift, width))
    digits = f"{pointer:x}"
    if len(digits) < _LEAST_DIGITS:
        return out
    raw = data.tobytes()
    for text in {digits, digits.upper()}:
        for spelled in (text.encode(), text.encode("utf-16-le")):
            at = []
            place = raw.find(spelled)
            while place >= 0:
                at.append(place)
                place = raw.find(spelled, place + len(spelled))
            out.append((np.array(at, np.int64), len(spelled)))
    return out


def _in_fields(group: Group, pointer: int) -> NDArray[np.bool_]:
    assert group.fields is not None
    found = np.zeros(group.rows.size, np.bool_)
    for column in group.fields.table.columns:
        found |= _in_column(column, pointer)
    return found


def _in_column(column: pa.Array, pointer: int) -> NDArray[np.bool_]:
    kind = column.type
    if pa.types.is_integer(kind):
        values = integers(column)
        fits = 0 <= pointer <= np.iinfo(values.dtype).max
        signed = pointer - (1 << kind.bit_width)
        wanted = pointer if fits else signed if signed >= np.iinfo(values.dtype).min else None
        return values == wanted if wanted is not None else np.zeros(len(column), np.bool_)
    if pa.types.is_dictionary(kind):
        digits = f"{pointer:x}"
        named = np.array(
            [
                len(digits) >= _LEAST_DIGITS and digits in (word or "").lower()
                for word in column.dictionary.to_pylist()
            ]
            + [False],
            np.bool_,
        )
        valid = np.asarray(column.is_valid().cast(pa.uint8()).to_numpy(), np.bool_)
        return named[np.where(valid, integers(column.indices), -1)]
    # The bytes of lists, structs and dumps have it; which element it is does not matter.
    return np.full(len(column), pa.types.is_nested(kind) or pa.types.is_binary(kind))
