"""Events as CSV: fixed columns, and no cell that a spreadsheet would run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracecheck.etl.layout import Kind
from tracecheck.reporters.common import clean

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tracecheck.reporters.events.page import Page

COLUMNS = (
    "time",
    "cpu",
    "pid",
    "process",
    "tid",
    "provider",
    "provider_name",
    "id",
    "name",
    "level",
    "opcode",
    "keyword",
    "text",
    "fields",
    "problem",
    "payload",
    "stack",
)
HEADER = f"{','.join(COLUMNS)}\n"

# What makes a spreadsheet run a cell (OWASP, CSV injection), and the full-width forms that count as such.
_FORMULA = frozenset("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
_QUOTED = frozenset(",\"'\r\n")


def render_csv(page: Page) -> list[bytes]:
    """Write the records of a page as rows of CSV (RFC 4180, but with plain line feeds).

    Control characters are written as escapes, so that a row is a line. A cell that a spreadsheet would take
    for a formula begins with an apostrophe.

    Args:
        page: The records.

    Returns:
        The rows in the order of the records, UTF-8, with line ends.
    """
    names = zip(page.names, page.sources, page.kinds, strict=True)
    payloads = [None if payload is None else payload.hex() for payload in page.payloads]
    # Numbers, times and GUIDs need no care: no trace can put anything else into them.
    columns: tuple[Sequence[object], ...] = (
        page.times,
        page.numbers("cpu"),
        _plain(page.ids("pid")),
        _cells(page.processes or [None] * len(page)),
        _plain(page.ids("tid")),
        _plain(page.providers),
        _cells(page.provider_names),
        page.numbers("id"),
        _cells([source if kind == Kind.WPP_MESSAGE else name for name, source, kind in names]),
        page.levels,
        page.numbers("opcode"),
        page.numbers("keyword"),
        list(map(cell, page.texts)),
        [cell(fields or "{}") for fields in page.fields],
        _cells(page.problems),
        _plain(payloads),
        [cell("; ".join(stack)) for stack in page.stacks] if page.stacks else [""] * len(page),
    )
    return [(_ROW % cells).encode("utf-8", "backslashreplace") for cells in zip(*columns, strict=True)]


_ROW = "%sZ,%d,%s,%s,%s,%s,%s,%d,%s,%d,%d,%#x,%s,%s,%s,%s,%s\n"


def cell(text: str) -> str:
    """Write a text of a trace as a cell."""
    if not text:
        return ""
    shown = clean(text)
    # A backslash stands where a control character did: that cell is no formula, but readers may undo it.
    if text[0] in _FORMULA:
        shown = f"'{shown}"
    return f'"{shown.replace(chr(34), chr(34) * 2)}"' if not _QUOTED.isdisjoint(shown) else shown


def _cells(values: Sequence[str | None]) -> list[str]:
    """Write texts of which few are different."""
    words = {value: cell(value or "") for value in set(values)}
    return [words[value] for value in values]


def _plain(values: Sequence[object]) -> list[str]:
    return ["" if value is None else str(value) for value in values]
