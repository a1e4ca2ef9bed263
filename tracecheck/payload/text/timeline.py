"""The times of a log's messages: without gaps, and never back where its lines are in order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tracecheck.payload.text.times import DAY, SECOND, read_times, says_day_first

if TYPE_CHECKING:
    import numpy.typing as npt
    import pyarrow as pa

    from tracecheck.payload._slices import Ints

#: How far apart lines without a time are put: the order's tolerance is then about a line.
STEP = 1_000_000
# Sums of times stay far below what an int64 holds.
_END = 1 << 62
_DIGITS = 9


class Timeline:
    """Reads times block by block.

    Args:
        forward: Whether lines stand in the order of the messages: then a time that goes back (a cleared
            display, midnight) goes on from the one before.
        after: What times without a date are counted from, nanoseconds.

    Attributes:
        timed: Whether any line had a time.
        dated: Whether any had a date.
        precision: What the log's times can tell apart, nanoseconds.
    """

    def __init__(self, forward: bool, after: int = 0) -> None:
        self.timed = self.dated = False
        self._after = after
        self._forward = forward
        self._day_first = False
        self._digits = 0
        # The last time as the log has it, and as it was given out.
        self._said = self._last = 0

    @property
    def precision(self) -> int:
        """What the log's times can tell apart, nanoseconds."""
        return SECOND // 10 ** min(self._digits, _DIGITS) if self.timed else STEP

    @property
    def last(self) -> int:
        """The last time that was given out."""
        return self._last + self._base

    @property
    def _base(self) -> int:
        return 0 if self.dated else self._after

    def add(self, texts: pa.StringArray, number: Ints) -> tuple[Ints, npt.NDArray[np.bool_]]:
        """Read the times of some messages.

        Args:
            texts: The times, "" or null where there is none.
            number: The messages' line numbers.

        Returns:
            Nanoseconds, and which of them the log has itself.
        """
        self._day_first = self._day_first or says_day_first(texts)
        times = read_times(texts, day_first=self._day_first)
        given = np.flatnonzero(times.has_time)
        self.dated = self.dated or times.dated
        self._digits = max(self._digits, times.digits)
        if not len(given):
            time = np.full(len(texts), self._last) if self.timed else np.minimum(number, _END // STEP) * STEP
            self._last = int(time[-1]) if len(time) else self._last
            return time + self._base, times.has_time
        values = times.time[given]
        if self._forward:
            values = self._onward(values, times.of_day[given])
        # A line without a time has the one before it; before the first one, that one.
        place = np.cumsum(times.has_time) - 1
        first = self._last if self.timed else int(values[0])
        time = np.where(place >= 0, values[np.maximum(place, 0)], first)
        self.timed, self._last = True, int(time[-1])
        return time + self._base, times.has_time

    def _onward(self, values: Ints, of_day: npt.NDArray[np.bool_]) -> Ints:
        """Make times that never go back."""
        said = self._said if self.timed else int(values[0])
        last = self._last if self.timed else int(values[0])
        step = np.diff(values, prepend=said)
        midnight = of_day & (step < -DAY // 2)
        step = np.maximum(np.where(midnight, step + DAY, step), 0)
        self._said = int(values[-1])
        # Absurd times one after another may come to more than 64 bits.
        total = last + np.cumsum(step)
        fits = last + np.cumsum(step.astype(np.float64)) < _END
        return np.where(fits, total, _END)
