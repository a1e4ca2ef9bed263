"""What ``%s`` shows of an argument: names of codes, lists, sets and enums, times, bytes.

The forms are tracefmt's, but for times (UTC with ``Z`` where tracefmt prints the machine's local time), SIDs
(the identifier, where tracefmt asks the machine for an account) and dumps of bytes (inline).
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from tracecheck.payload.wpp.definition import Members
from tracecheck.payload.wpp.items import layout_of
from tracecheck.payload.wpp.names import code_names, hresult_name

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from tracecheck.payload.wpp.definition import Definition, Item

    Show = Callable[[Any], str]

# FILETIME ticks are 100 ns since 1601.
_FILETIME_EPOCH = datetime(1601, 1, 1, tzinfo=UTC)
_TICKS_PER_MILLISECOND = 10_000
# The widest set, %!...! of a ULONG.
_BITS = 32
_LAST_FILETIME = (datetime.max.replace(tzinfo=UTC) - _FILETIME_EPOCH) // timedelta(microseconds=1) * 10

_LINE_END = re.compile(r"\r\n|\r|\n")


def show_of(item: Item, definition: Definition) -> Show:
    """Give the function that shows a value of an item as ``%s`` does.

    Args:
        item: The argument.
        definition: Its message, which has the members of enums.

    Returns:
        A function of a value as the column has it (of times, the FILETIME).
    """
    match layout_of(item).shown:
        case "ntstatus" | "ndis_status" | "ndis_oid" as table:
            return lambda value: _hex_named(value, code_names(table).get(value))
        case "hresult":
            return lambda value: _hex_named(value, hresult_name(value))
        case "win32":
            return _win32
        case "list":
            names = item.values
            return lambda value: _hex_named(value, names[value] if value < len(names) else None)
        case "set":
            # More names than bits name nothing.
            bits = item.values[:_BITS]
            return lambda value: _bits(value, bits)
        case "enum":
            names_of = _members(item, definition).names
            return lambda value: names_of.get(value) or f"0x{value:x}"
        case "flags":
            members = _members(item, definition)
            return lambda value: _flags(value, members)
    return _PLAIN.get(layout_of(item).shown, str)


def timestamp(ticks: int) -> str:
    """Print a FILETIME: ``2020-01-01 00:00:00.000Z``; as a number where no calendar reaches."""
    if not 0 <= ticks <= _LAST_FILETIME:
        return str(ticks)
    time = _FILETIME_EPOCH + timedelta(milliseconds=ticks // _TICKS_PER_MILLISECOND)
    return f"{time:%Y-%m-%d %H:%M:%S}.{time.microsecond // 1000:03d}Z"


def time_delta(ticks: int) -> str:
    """Print a span of 100 ns ticks: ``5.000s``; of a minute or more ``day~h:mm:ss.mmms``."""
    sign = "-" if ticks < 0 else ""
    seconds, milliseconds = divmod(abs(ticks) // _TICKS_PER_MILLISECOND, 1000)
    if seconds < 60:
        return f"{sign}{seconds}.{milliseconds:03d}s"
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    return f"{sign}{days}~{hours}:{minutes:02d}:{seconds:02d}.{milliseconds:03d}s"


def wait_time(ticks: int) -> str:
    """Print a time to wait: a time of the clock, or, if negative, a span from now (as KeSetTimer's)."""
    return timestamp(ticks) if ticks >= 0 else time_delta(-ticks)


def _win32(value: int) -> str:
    name = code_names("win32").get(value)
    return str(value) if name is None else f"{value}({name})"


def _hex_named(value: int, name: str | None) -> str:
    return f"0x{value:08x}" if name is None else f"0x{value:08x}({name})"


def _bits(value: int, names: tuple[str, ...]) -> str:
    return "[" + ",".join(name for bit, name in enumerate(names) if value >> bit & 1) + "]"


def _members(item: Item, definition: Definition) -> Members:
    """Return the members of an item's enum."""
    name = item.values[0] if item.values else ""
    return dict(definition.enums).get(name, Members())


def _flags(value: int, members: Members) -> str:
    names = [name for bits, name in members.flags if value & bits == bits]
    if not names and value in members.names:
        names = [members.names[value]]
    return f"{' | '.join(names)}(0x{value:x})" if names else f"0x{value:x}"


def _hex(value: bytes) -> str:
    return value.hex().upper()


def _folded(value: str) -> str:
    """Put a string on one line, as "reduced" strings are shown."""
    return _LINE_END.sub(" ", value).rstrip()


_PLAIN: dict[str, Show] = {
    "time": timestamp,
    "delta": time_delta,
    "wait": wait_time,
    "hex": _hex,
    "folded": _folded,
}
