"""Times as logs print them, as nanoseconds: each different text is read once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow.compute as pc

from tracecheck.payload.text._cells import flags, lengths, numbers, plain, rows
from tracecheck.payload.text._cells import valid as matched

if TYPE_CHECKING:
    import numpy.typing as npt
    import pyarrow as pa

    from tracecheck.payload._slices import Ints

SECOND = 1_000_000_000
DAY = 86_400 * SECOND
# What is neither digit nor separator (marks of direction) has been taken out before.
_CALENDAR = (
    r"^(?P<a>\d+)[/.-](?P<b>\d+)[/.-](?P<c>\d+)[-T ]"
    r"(?P<h>\d+):(?P<m>\d+):(?P<s>\d+)(?:[.,:](?P<f>\d+))? ?(?:(?P<am>[Aa])|(?P<pm>[Pp]))?"
)
_DAYTIME = r"^(?P<h>\d+):(?P<m>\d+):(?P<s>\d+)(?:[.,:](?P<f>\d+))? ?(?:(?P<am>[Aa])|(?P<pm>[Pp]))?"
_ELAPSED = r"^(?P<s>\d+)[.,](?P<f>\d+)$"
# What an int64 of nanoseconds can hold, with room for sums.
_YEARS = (1980, 2199)
_DIGITS = 9
# A leap second is 60; 24 hours are another day's.
_HOURS, _MINUTES, _SECONDS, _LONGEST_MONTH = 24, 60, 61, 31
_DAY_FIRST = r"^(?:1[3-9]|2\d|3[01])[/-]|^\d{1,2}\."


@dataclass(frozen=True)
class Times:
    """What times were read from texts.

    Attributes:
        time: Nanoseconds: since 1970, since midnight or since the log began; 0 where there is none.
        has_time: Where there is one.
        dated: Whether any of them has a date.
        of_day: Which of them are times of a day without a date.
        digits: How many digits the fractions of seconds have at most.
    """

    time: Ints
    has_time: npt.NDArray[np.bool_]
    dated: bool
    of_day: npt.NDArray[np.bool_]
    digits: int


def read_times(texts: pa.StringArray, *, day_first: bool = False) -> Times:
    """Read times in any form that a log has them in.

    Args:
        texts: The times; null where a line has none.
        day_first: Whether dates that do not begin with the year begin with the day.
    """
    encoded = texts.dictionary_encode()
    values = _unmarked(encoded)
    size = len(values)
    time, known = np.zeros(size + 1, np.int64), np.zeros(size + 1, np.bool_)
    of_day = np.zeros(size + 1, np.bool_)
    digits, dated = 0, False
    for pattern in (_CALENDAR, _DAYTIME, _ELAPSED):
        found = pc.extract_regex(values, pattern)
        places = np.flatnonzero(matched(found) & ~known[:size])
        if not len(places):
            continue
        parts = {field.name: rows(found.field(i), places) for i, field in enumerate(found.type)}
        clock, good = _clock(parts)
        if pattern == _CALENDAR:
            day, real = _days(parts, day_first)
            clock, good = clock + day * DAY, good & real
            dated = dated or bool(good.any())
        time[places], known[places] = np.where(good, clock, 0), good
        of_day[places] = good & (pattern == _DAYTIME)
        digits = max(digits, int(lengths(parts["f"]).max()))
    codes = np.where(matched(encoded.indices), plain(encoded.indices, "i4"), size)
    return Times(time[codes], known[codes], dated, of_day[codes], digits)


def says_day_first(texts: pa.StringArray) -> bool:
    """Tell whether dates show that they begin with the day: a first number above 12, or dots."""
    shown = pc.match_substring_regex(_unmarked(texts.dictionary_encode()), _DAY_FIRST)
    return bool(flags(shown).any())


def _unmarked(encoded: pa.DictionaryArray) -> pa.StringArray:
    """Give the different texts without marks of direction."""
    return pc.replace_substring_regex(encoded.dictionary, r"[\x{200e}\x{200f}?]", "")


def _clock(parts: dict[str, pa.StringArray]) -> tuple[Ints, npt.NDArray[np.bool_]]:
    """Put together hours, minutes, seconds and fractions; hours are missing where seconds are elapsed."""
    seconds = numbers(parts["s"])
    fraction = numbers(parts["f"]) * 10 ** (_DIGITS - np.minimum(lengths(parts["f"]), _DIGITS))
    if "h" not in parts:
        return seconds * SECOND + fraction, seconds >= 0
    hour, minute = numbers(parts["h"]), numbers(parts["m"])
    morning, afternoon = lengths(parts["am"]) > 0, lengths(parts["pm"]) > 0
    good = (hour < _HOURS) & (minute < _MINUTES) & (seconds < _SECONDS)
    hour = np.where(morning | afternoon, hour % 12 + 12 * afternoon, hour)
    return (hour * 3600 + minute * 60 + seconds) * SECOND + fraction, good


def _days(parts: dict[str, pa.StringArray], day_first: bool) -> tuple[Ints, npt.NDArray[np.bool_]]:
    """Count the days from 1970 to each date."""
    a, b, c = (numbers(parts[name]) for name in "abc")
    year_first = a > _LONGEST_MONTH
    year = np.where(year_first, a, c)
    month = np.where(year_first, b, b if day_first else a)
    day = np.where(year_first, c, a if day_first else b)
    good = (year >= _YEARS[0]) & (year <= _YEARS[1]) & (month >= 1) & (month <= 12) & (day >= 1)
    months = np.where(good, (year - 1970) * 12 + month - 1, 0)
    first = months.astype("M8[M]").astype("M8[D]").astype(np.int64)
    after = (months + 1).astype("M8[M]").astype("M8[D]").astype(np.int64)
    good &= day <= after - first
    return np.where(good, first + day - 1, 0), good
