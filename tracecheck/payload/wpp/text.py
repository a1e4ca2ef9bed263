"""The text of WPP messages, as tracefmt prints it; only of the rows that are asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from tracecheck.payload.arrow import from_numpy
from tracecheck.payload.wpp.items import layout_of
from tracecheck.payload.wpp.printf import format_float, format_integer, format_text
from tracecheck.payload.wpp.template import LONGEST, Part, Template, parse_template
from tracecheck.payload.wpp.values import show_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    import numpy.typing as npt

    from tracecheck.payload.wpp.decode import Decoded
    from tracecheck.payload.wpp.definition import Definition, Item
    from tracecheck.payload.wpp.printf import Spec

    Cell = Callable[[Any], str]
    Cells = list[str]

#: What stands where a value is missing: its payload ended before it, or its type is not known.
MISSING = "<missing>"

_CUT = "..."
# Prefix values that are numbers, such as a thread id, are of this width.
_PREFIX_BITS = 64


def render(
    decoded: Decoded,
    rows: npt.ArrayLike | None = None,
    prefix: Mapping[int, Sequence[str | int]] | None = None,
) -> list[str]:
    """Print messages of one definition.

    Control characters of strings are left as they are; a text beyond 262,144 characters is cut and ends in
    dots. Widths beyond 4,096 are not obeyed (:func:`template_of` says so in its notes).

    Args:
        decoded: The messages.
        rows: Which of them, as indices into ``decoded.table``; None for all.
        prefix: What ``%1`` to ``%9`` stand for, a value for each row asked for; nothing where there is none.

    Returns:
        A text for each row asked for, without tracefmt's prefix.
    """
    count = len(decoded.rows)
    index = np.arange(count) if rows is None else np.asarray(rows, dtype=np.int64)
    template = template_of(decoded.definition)
    cells: list[Cells | str] = []
    for part in template.parts:
        if isinstance(part, str):
            cells.append(part)
        elif part.number < 10:
            cells.append(_prefix_cells(part, (prefix or {}).get(part.number)))
        else:
            cells.append(_argument_cells(decoded, part, index))
    return _joined(cells, index.size)


def render_prefix(format_string: str, values: Mapping[int, Sequence[str | int]], rows: int) -> list[str]:
    """Print a prefix (TRACE_FORMAT_PREFIX), ``[%9!d!]%8!04X!.%3!04X!::%4!s! [%1!s!]``.

    Args:
        format_string: The prefix; ``%0`` in it is nothing.
        values: What its numbers stand for, each ``rows`` long; nothing where there is none.
        rows: How many to print.
    """
    template = parse_template(format_string, {})
    cells = [
        part if isinstance(part, str) else _prefix_cells(part, values.get(part.number))
        for part in template.parts
    ]
    return _joined(cells, rows)


def template_of(definition: Definition) -> Template:
    """Read the format string of a message."""
    words = {
        "FUNC": definition.function,
        "LEVEL": definition.level,
        "FLAGS": definition.flags,
        "FILE": definition.file,
        "LINE": "" if definition.line is None else str(definition.line),
    }
    return parse_template(definition.format, words)


def _prefix_cells(part: Part, values: Sequence[str | int] | None) -> Cells | str:
    if values is None:
        return ""
    return _each(values, lambda value: _prefix_cell(part.spec, value))


def _prefix_cell(spec: Spec, value: str | int) -> str:
    if isinstance(value, int):
        return format_integer(spec, value, _PREFIX_BITS, 8)
    return format_text(spec, value)


def _argument_cells(decoded: Decoded, part: Part, index: npt.NDArray[np.int64]) -> Cells | str:
    """Print one argument of all rows that are asked for."""
    numbers = [item.number for item in decoded.definition.items[: decoded.table.num_columns]]
    if part.number not in numbers:
        return MISSING
    place = numbers.index(part.number)
    item = decoded.definition.items[place]
    column = decoded.ticks.get(place, decoded.table.column(place))
    cell = _cell_of(part.spec, item, decoded, column.type)
    if pa.types.is_dictionary(column.type):
        return _dictionary_cells(column, index, cell)
    chosen = column.take(from_numpy(index, pa.int64())).to_pylist()
    if pa.types.is_floating(column.type):
        return [MISSING if value is None else cell(value) for value in chosen]
    return _each(chosen, cell)


def _dictionary_cells(column: pa.DictionaryArray, index: npt.NDArray[np.int64], cell: Cell) -> Cells:
    """Print strings: each different one once, and only those that are asked for."""
    codes = column.indices.take(from_numpy(index, pa.int64())).to_pylist()
    texts = {code: MISSING if code is None else cell(column.dictionary[code].as_py()) for code in set(codes)}
    return [texts[code] for code in codes]


def _cell_of(spec: Spec, item: Item, decoded: Decoded, kind: pa.DataType) -> Cell:
    """Give the function that prints a value of an item by a conversion."""
    show = show_of(item, decoded.definition)
    if pa.types.is_floating(kind):
        return lambda value: format_float(spec, value)
    if not pa.types.is_integer(kind):
        return lambda value: format_text(spec, show(value))
    is_pointer = layout_of(item).shown == "pointer"
    bits, size = kind.bit_width, decoded.pointer_size
    if spec.conversion in "sSZ":
        if is_pointer:
            return lambda value: format_text(spec, f"{value:0{2 * size}X}")
        return lambda value: format_text(spec, show(value))
    return lambda value: format_integer(spec, value, 8 * size if is_pointer else bits, size)


def _each(values: Sequence[Any], cell: Cell) -> Cells:
    """Print values, each different one once."""
    texts = {value: MISSING if value is None else cell(value) for value in set(values)}
    return [texts[value] for value in values]


def _joined(cells: list[Cells | str], rows: int) -> list[str]:
    if not any(isinstance(each, list) for each in cells):
        return ["".join(each for each in cells if isinstance(each, str))] * rows
    columns = [[each] * rows if isinstance(each, str) else each for each in cells]
    return [_one(parts) for parts in zip(*columns, strict=True)]


def _one(parts: tuple[str, ...]) -> str:
    if sum(map(len, parts)) <= LONGEST:
        return "".join(parts)
    out, room = [], LONGEST - len(_CUT)
    for part in parts:
        out.append(part[: max(0, room)])
        room -= len(part)
    return "".join(out) + _CUT
