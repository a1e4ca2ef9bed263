"""Raw ticks of a session's clock to UTC and back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tracecheck.etl.header import LogHeader
from tracecheck.etl.layout import CLOCK_CPUCYCLE, CLOCK_SYSTEMTIME, UNIX_EPOCH_AS_FILETIME

_NS = 1_000_000_000
_FILETIME_FREQUENCY = 10_000_000
# Bounds that keep a lying header's sums within 64 bits: seconds from the start, ticks, nanoseconds.
_FAR = 200 * 365 * 86400
_FAR_TICKS = 2**61
_FAR_START = 2**61
# The fastest clock whose ticks, times a billion, fit 64 bits.
_FASTEST = 9 * _NS


@dataclass(frozen=True)
class Clock:
    """A straight line from ticks to nanoseconds since 1970, UTC.

    Attributes:
        origin: The tick of the log's first record.
        start: The time of that tick, nanoseconds since 1970.
        frequency: Ticks in a second.
    """

    origin: int
    start: int
    frequency: int

    @classmethod
    def of(cls, header: LogHeader, first_tick: int) -> Clock:
        """Make the clock that a log's header describes.

        Args:
            header: The log file's header.
            first_tick: The raw time of the record that holds it.
        """
        if header.clock_type == CLOCK_SYSTEMTIME:
            return cls(UNIX_EPOCH_AS_FILETIME, 0, _FILETIME_FREQUENCY)
        frequency = header.cpu_mhz * 1_000_000 if header.clock_type == CLOCK_CPUCYCLE else header.perf_freq
        if not 0 < frequency <= _FASTEST:
            frequency = _FILETIME_FREQUENCY
        start = (header.start_filetime - UNIX_EPOCH_AS_FILETIME) * 100
        return cls(_clamp(first_tick, _FAR_TICKS), _clamp(start, _FAR_START), frequency)

    def nanoseconds(self, ticks: NDArray[np.int64]) -> NDArray[np.int64]:
        """Convert raw ticks to nanoseconds since 1970, UTC.

        A tick more than 200 years from the log's start is taken as that far.

        Args:
            ticks: Raw ticks; int64, any shape.
        """
        limit = min(_FAR * self.frequency, _FAR_TICKS)
        passed = np.clip(ticks, self.origin - limit, self.origin + limit) - self.origin
        if _NS % self.frequency == 0:
            return passed * (_NS // self.frequency) + self.start
        seconds, rest = np.divmod(passed, self.frequency)
        nanoseconds: NDArray[np.int64] = seconds * _NS + rest * _NS // self.frequency + self.start
        return nanoseconds

    def ticks(self, nanoseconds: NDArray[np.int64]) -> NDArray[np.int64]:
        """Convert nanoseconds since 1970, UTC, to raw ticks; the inverse, to the nearest tick below."""
        seconds, rest = np.divmod(nanoseconds - self.start, _NS)
        ticks: NDArray[np.int64] = self.origin + seconds * self.frequency + rest * self.frequency // _NS
        return ticks


def _clamp(value: int, limit: int) -> int:
    return max(-limit, min(value, limit))
