"""What every report shares: pointers, times, plurals, colours, and text from a trace made harmless."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    import pyarrow as pa

#: The order in which severities and confidences are shown: the worst and the surest first.
SEVERITIES = ("error", "warning", "note")
CONFIDENCES = ("definite", "probable", "possible")

SEVERITY_COLOURS = {"error": "red", "warning": "yellow", "note": "cyan"}

# Without a zone: every time here is UTC, and isoformat shall not say so a second time.
_EPOCH = datetime(1970, 1, 1)
_NANOSECONDS = 1_000_000_000
_STRICT_JSON = json.JSONEncoder(ensure_ascii=True, allow_nan=False)


def clean(text: str) -> str:
    r"""Make text from a trace safe for a terminal: what can't be seen is shown as an escape.

    Control characters, terminal escapes, bidirectional marks, zero-width characters, line separators,
    unpaired surrogates and unassigned code points become ``\\xNN``, ``\\uNNNN`` or ``\\UNNNNNNNN``.
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _escape(ord(char)) for char in text)


def _escape(code: int) -> str:
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def pointer(value: int | None) -> str | None:
    """Write a pointer as every output does, ``0x`` and lower-case digits; None stays None."""
    return None if value is None else f"{value:#x}"


def iso_time(nanoseconds: int | None) -> str | None:
    """Write nanoseconds since 1970 UTC as ISO 8601 with all nine digits and ``Z``; None stays None."""
    if nanoseconds is None:
        return None
    seconds, rest = divmod(nanoseconds, _NANOSECONDS)
    return f"{(_EPOCH + timedelta(seconds=seconds)).isoformat()}.{rest:09d}Z"


def clock(nanoseconds: int) -> str:
    """Write the time of day alone, for columns whose date stands above them."""
    full = iso_time(nanoseconds)
    assert full is not None
    return full[11:-1]


def day(nanoseconds: int) -> str:
    """Write the date alone."""
    full = iso_time(nanoseconds)
    assert full is not None
    return full[:10]


def duration(nanoseconds: int) -> str:
    """Write a length of time with the unit that a reader expects: ``950 ns``, ``1.250 s``."""
    for limit, unit in ((1_000, "ns"), (1_000_000, "us"), (_NANOSECONDS, "ms")):
        if abs(nanoseconds) < limit:
            return f"{nanoseconds * 1_000 / limit:.3f} {unit}" if unit != "ns" else f"{nanoseconds} ns"
    return f"{nanoseconds / _NANOSECONDS:.3f} s"


def count(number: int, noun: str) -> str:
    """Write ``1 event``, ``1,204 events``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def rows(table: pa.Table) -> list[dict[str, Any]]:
    """Turn a table into dicts; times become nanoseconds, which no datetime of Python can hold.

    Args:
        table: Any table of the package; only what is shown should be in it.

    Returns:
        One dict for each row, times as int nanoseconds since 1970 UTC or None.
    """
    import pyarrow as pa

    for place, field in enumerate(table.schema):
        if pa.types.is_timestamp(field.type):
            table = table.set_column(place, field.name, table.column(place).cast(pa.int64()))
    found: list[dict[str, Any]] = table.to_pylist()
    return found


def painter(colour: bool) -> Callable[..., str]:
    """Return ``click.style``, or what leaves text as it is where no colour is wanted."""
    return click.style if colour else _plain


def _plain(text: str, **_: object) -> str:
    return text


def dump(value: object) -> str:
    """Write JSON in ASCII on one line: no byte of it can steer a terminal, no number is not JSON's."""
    try:
        return _STRICT_JSON.encode(value)
    except ValueError:
        return _STRICT_JSON.encode(_finite(value))


def _finite(value: object) -> object:
    """Replace what JSON has no number for by its name."""
    if isinstance(value, float) and not math.isfinite(value):
        return {math.inf: "Infinity", -math.inf: "-Infinity"}.get(value, "NaN")
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return value


def columns(lines: Iterable[tuple[str, ...]], flushed: Sequence[bool]) -> list[str]:
    """Lay cells out in columns as wide as their widest cell.

    Args:
        lines: The cells of each line; all lines have as many.
        flushed: For each column, whether it is flushed right.

    Returns:
        A line of text for each, without trailing blanks.
    """
    cells = list(lines)
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return ["  ".join(map(_pad, line, widths, flushed)).rstrip() for line in cells]


def _pad(text: str, width: int, right: bool) -> str:
    return text.rjust(width) if right else text.ljust(width)
