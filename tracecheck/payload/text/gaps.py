"""Numbers that no message of a log has: what was written but is not there."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa

from tracecheck.etl.tables import LOSSES

if TYPE_CHECKING:
    import numpy.typing as npt

    from tracecheck.payload._slices import Ints

# More gaps than this are told of in one row.
_MOST_ROWS = 1000
# More runs than this are no log's: its numbers count something else.
_MOST_RUNS = 1 << 18
# A number has less than 40 bits; which series it is of stands above.
_SERIES = 40
_LOW = (1 << _SERIES) - 1


class _Runs(NamedTuple):
    """Numbers without a gap between them: the first, the last, and the times of both."""

    low: Ints
    high: Ints
    begin: Ints
    end: Ints


class NumberGaps:
    """Collects the numbers of a log's messages, as runs.

    Args:
        restarts: Whether a number that is lower than the one before begins another series (DebugView counts
            anew when its display is cleared); messages in the order of time may be numbered otherwise.

    Attributes:
        numbered: How many messages have a number.
    """

    def __init__(self, *, restarts: bool) -> None:
        self.numbered = 0
        self._restarts = restarts
        self._last = self._series = 0
        self._sane = True
        self._runs = _Runs(*(np.zeros(0, np.int64) for _ in range(4)))

    def add(self, number: Ints, time: Ints, numbered: npt.NDArray[np.bool_]) -> None:
        """Take the numbers of some messages, in the order of the file."""
        number, time = number[numbered], time[numbered]
        if not len(number) or not self._sane:
            return
        self.numbered += len(number)
        number = np.clip(number, 0, _LOW - 1)
        if self._restarts:
            before = np.concatenate([np.array([self._last]), number[:-1]])
            series = self._series + np.cumsum(number < before)
            self._last, self._series = int(number[-1]), int(series[-1])
            number = number | np.minimum(series, (1 << 22) - 1) << _SERIES
        order = np.argsort(number, kind="stable")
        number, time = number[order], time[order]
        self._runs = _joined([self._runs, _Runs(number, number, time, time)])
        self._sane = len(self._runs.low) <= _MOST_RUNS

    def table(self, precision: int = 0) -> pa.Table:
        """Make the losses table (:data:`tracecheck.etl.LOSSES`).

        Args:
            precision: How much later than its time a message may have been written, nanoseconds: logs cut
                times off.
        """
        runs = self._runs
        gap = np.flatnonzero(runs.low[1:] >> _SERIES == runs.high[:-1] >> _SERIES)
        if not len(gap) or not self._sane:
            return LOSSES.empty_table()
        first, count = runs.high[gap] + 1, runs.low[gap + 1] - runs.high[gap] - 1
        start = np.minimum(runs.end[gap], runs.begin[gap + 1])
        end = np.maximum(runs.end[gap], runs.begin[gap + 1]) + precision
        if len(gap) > _MOST_ROWS:
            total = min(int(count.astype(np.float64).sum()), _LOW)
            rows = [_row(int(start.min()), int(end.max()), total, f"{len(gap)} places")]
        else:
            columns = (c.tolist() for c in (start, end, count, first & _LOW))
            rows = [
                _row(low, high, some, f"no message has the numbers {one} to {one + some - 1}")
                for low, high, some, one in zip(*columns, strict=True)
            ]
        return pa.Table.from_pylist(rows, schema=LOSSES)


def _row(start: int, end: int, count: int, detail: str) -> dict[str, int | str | None]:
    told = {"unit": "events", "sign": "message sequence", "detail": detail}
    return {"cpu": None, "start": start, "end": end, "count": count, **told}


def _joined(parts: list[_Runs]) -> _Runs:
    """Put runs together that touch or overlap."""
    low, high, begin, end = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.argsort(low, kind="stable")
    low, high, begin, end = low[order], high[order], begin[order], end[order]
    reach = np.maximum.accumulate(high)
    first = np.flatnonzero(np.concatenate([np.ones(1, np.bool_), low[1:] > reach[:-1] + 1]))
    last = np.append(first[1:], len(low)) - 1
    # The time of a run's last number is that of whichever part of it reaches furthest.
    furthest = np.maximum.accumulate(np.where(high == reach, np.arange(len(high)), 0))[last]
    return _Runs(low[first], reach[last], begin[first], end[furthest])
