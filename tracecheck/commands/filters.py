"""The options of `events` that say which records are shown."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import wraps
from typing import TYPE_CHECKING, Any

import click

from tracecheck.errors import UsageError
from tracecheck.reporters.names import LEVELS

if TYPE_CHECKING:
    from collections.abc import Callable

    from tracecheck.reporters.events.selection import Selection

_SECOND = 1_000_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TIME = re.compile(
    r"(?P<whole>\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d)?)?)"
    r"(?:\.(?P<part>\d{1,9}))?(?P<zone>Z|[+-]\d\d:?\d\d)?"
)
_SECONDS = re.compile(r"(?P<whole>\d{1,9})(?:\.(?P<part>\d{1,9}))?s?")
_LAST_ID = 0xFFFF
_LAST_LEVEL = 0xFF


def ids_of(text: str) -> range:
    """Read a number or a range: 10, 10-20."""
    found = re.fullmatch(r"(\d{1,5})(?:-(\d{1,5}))?", text)
    if found is None:
        raise click.BadParameter(f"{text!r} is no number and no range like 10-20")
    first = int(found[1])
    last = int(found[2]) if found[2] else first
    if not first <= last <= _LAST_ID:
        raise click.BadParameter(f"{text!r} is not a range of 0 to {_LAST_ID}")
    return range(first, last + 1)


def number_of(text: str, most: int = 0xFFFFFFFF) -> int:
    """Read a number, hexadecimal with 0x."""
    found = re.fullmatch(r"0[xX]([0-9a-fA-F]{1,16})|(\d{1,20})", text)
    number = -1 if found is None else int(found[1], 16) if found[1] else int(found[2])
    if not 0 <= number <= most:
        raise click.BadParameter(f"{text!r} is no number of 0 to {most:#x}; hexadecimal ones begin with 0x")
    return number


def pointer_of(text: str) -> int:
    """Read a pointer; a backquote between its halves, as debuggers write it, is allowed."""
    return number_of(text.replace("`", ""), (1 << 64) - 1)


def level_of(text: str) -> int:
    """Read a level: its name or number."""
    level = LEVELS.get(text.lower())
    if level is None and re.fullmatch(r"\d{1,3}", text) and int(text) <= _LAST_LEVEL:
        level = int(text)
    if level is None:
        raise click.BadParameter(
            f"{text!r} is none of {', '.join(LEVELS)} and no number of 0 to {_LAST_LEVEL}"
        )
    return level


_OPTIONS = (
    click.option(
        "--provider",
        "providers",
        multiple=True,
        metavar="GUID|NAME",
        help="Show a provider: its GUID, name, or how they begin.",
    ),
    click.option(
        "--id",
        "ids",
        multiple=True,
        type=ids_of,
        metavar="N[-M]",
        help="Show event ids or message numbers: 10, 10-20.",
    ),
    click.option("--pid", "pids", multiple=True, type=number_of, metavar="N", help="Show a process."),
    click.option("--tid", "tids", multiple=True, type=number_of, metavar="N", help="Show a thread."),
    click.option("--level", type=level_of, metavar="LEVEL", help="Show what is as severe or more: error, 4."),
    click.option("--from", "first", metavar="TIME", help="Begin there: ISO 8601, or seconds from the start."),
    click.option("--to", "last", metavar="TIME", help="End there."),
)


class Wanted:
    """The records that the user wants, before the capture is open.

    Args:
        options: The values of the options.
    """

    def __init__(self, **options: Any) -> None:  # noqa: ANN401 - click's values
        self._options = options

    def __bool__(self) -> bool:
        """Tell whether anything was asked for."""
        return any(value not in (None, ()) for value in self._options.values())

    def selection(self, start: int) -> Selection:
        """Say what a record must be to be shown.

        Args:
            start: When the capture starts; nanoseconds since 1970.

        Raises:
            UsageError: A time can't be understood.
        """
        from tracecheck.reporters.events.selection import Selection

        options = dict(self._options)
        first, last = options.pop("first"), options.pop("last")
        return Selection(
            **options,
            first=None if first is None else time_of(first, start, "--from")[0],
            last=None if last is None else time_of(last, start, "--to")[1],
        )


def filters(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options of a selection; it takes them as one argument ``wanted``."""
    names = ("providers", "ids", "pids", "tids", "level", "first", "last")

    @wraps(function)
    def command(*args: object, **options: object) -> object:
        mine = {name: options.pop(name) for name in names}
        return function(*args, wanted=Wanted(**mine), **options)

    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def time_of(text: str, start: int, option: str) -> tuple[int, int]:
    """Read a time: ISO 8601 (UTC where no zone is told), or seconds from the start of the capture.

    Args:
        text: As ``2026-03-02T09:30:02.5``, ``2026-03-02``, ``12.5``.
        start: When the capture starts; nanoseconds since 1970.
        option: Whose value it is, for the error.

    Returns:
        The first and the last nanosecond that the text means.

    Raises:
        UsageError: It is neither.
    """
    found = _SECONDS.fullmatch(text.strip())
    if found is not None:
        at, unit = start + int(found["whole"]) * _SECOND, _SECOND
    else:
        found = _TIME.fullmatch(text.strip())
        if found is None:
            raise UsageError(f"{option} {text!r}: neither an ISO 8601 time nor seconds from the start")
        at, unit = _calendar(found, text, option)
    part = found["part"]
    if part is None:
        return at, at + unit - 1
    at += int(part.ljust(9, "0"))
    return at, at + 10 ** (9 - len(part)) - 1


def _calendar(found: re.Match[str], text: str, option: str) -> tuple[int, int]:
    whole = found["whole"]
    unit = {10: 86400, 16: 60}.get(len(whole), 1) * _SECOND
    if found["part"] is not None and unit != _SECOND:
        raise UsageError(f"{option} {text!r}: has a fraction but no seconds")
    try:
        midnight = "T00:00" if len(whole) == len("2026-03-02") else ""
        time = datetime.fromisoformat(f"{whole}{midnight}{found['zone'] or 'Z'}")
    except ValueError as error:
        raise UsageError(f"{option} {text!r}: {error}") from error
    delta = time - _EPOCH
    return (delta.days * 86400 + delta.seconds) * _SECOND, unit
