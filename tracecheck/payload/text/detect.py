"""Which form of text log a file is, by how it begins."""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING

import pyarrow.compute as pc

from tracecheck.payload.arrow import strings
from tracecheck.payload.text._cells import flags
from tracecheck.payload.text.forms import csv_columns, form_of

if TYPE_CHECKING:
    import pyarrow as pa

    from tracecheck.payload.text.forms import Form

#: How much of a file tells its form.
HEAD = 1 << 16
_BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_MOST_LINES = 500
_LINE = 1 << 10
# A message may have many lines, and a log may begin with other lines; one of so many must begin a message.
_SHARE = 20
# Control characters that no text has many of; a driver that prints garbage has some.
_CONTROLS = [bytes([code]) for code in range(0x20) if code not in b"\t\n\v\f\r\x1b"]
_DEBUGGER = (
    r"^(?:Opened log file '|Microsoft \(R\) Windows Debugger Version|Kernel Debugger connection established"
    r"|(?:\d{1,4}: )?kd> )"
)


def detect(head: bytes, prefix: str = "") -> Form | None:
    """Tell which form of log a file is.

    Args:
        head: The file's beginning, :data:`HEAD` bytes where it has as many.
        prefix: What TRACE_FORMAT_PREFIX is set to; "" for tracefmt's default.

    Returns:
        The form; None where the file is not recognisably one of them. A plain text log is none: any text
        would be one.
    """
    encoding, start = encoding_of(head)
    lines = _lines(head, encoding, start)
    if not len(lines):
        return None
    first = lines[0].as_py()
    if csv_columns(first):
        return form_of("tracefmt-csv", encoding, start, head=first)
    prefixes = (prefix, "") if prefix else ("",)
    for name, one in (*(("tracefmt", p) for p in prefixes), ("debugview", ""), ("tracefmt-csv", "")):
        form = form_of(name, encoding, start, prefix=one)
        # A prefix without a time or an id would be found in any text.
        if form.fields & {"time", "tid", "pid"} and _share(lines, form.pattern) * _SHARE >= len(lines):
            return form
    return form_of("kd", encoding, start) if _share(lines, _DEBUGGER) else None


def described(head: bytes, name: str, prefix: str = "") -> Form:
    """Make the form that a file is said to be of, with the encoding and the columns that its beginning shows.

    Args:
        head: The file's beginning.
        name: One of :data:`~tracecheck.payload.text.forms.FORM_NAMES`.
        prefix: What TRACE_FORMAT_PREFIX is set to.
    """
    encoding, start = encoding_of(head)
    lines = _lines(head, encoding, start)
    first = lines[0].as_py() if len(lines) else ""
    if name == "tracefmt" and prefix and len(lines):
        form = form_of(name, encoding, start, prefix=prefix)
        if not _share(lines, form.pattern):
            prefix = ""
    return form_of(name, encoding, start, prefix=prefix, head=first)


def looks_like_text(head: bytes) -> bool:
    """Tell whether a file's beginning is text of any kind."""
    encoding, start = encoding_of(head)
    if encoding != "utf-8" or start:
        return True
    controls = sum(head.count(code) for code in _CONTROLS)
    return controls * _SHARE < len(head)


def encoding_of(head: bytes) -> tuple[str, int]:
    """Read a byte order mark; give the encoding and the mark's length."""
    return next(((name, len(mark)) for mark, name in _BOMS if head.startswith(mark)), ("utf-8", 0))


def _lines(head: bytes, encoding: str, start: int) -> pa.StringArray:
    """Cut a file's beginning into lines that are not blank; the last one may be cut."""
    text = head[start:].decode(encoding, "replace").replace("\r\n", "\n")
    cut = (line[:_LINE] for line in text.split("\n"))
    return strings([line for line in cut if line.strip()][:_MOST_LINES])


def _share(lines: pa.StringArray, pattern: str) -> int:
    """Count the lines that begin as a pattern says."""
    return int(flags(pc.match_substring_regex(lines, pattern)).sum())
