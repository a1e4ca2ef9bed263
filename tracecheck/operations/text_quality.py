"""What text logs lack, as a verdict has to know it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tracecheck.payload.text.timeline import STEP

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tracecheck.payload.text import LogQuality

_MOST_APART = 999_999
# How many lines of a log without times a call may be from its own line: others print between the two.
_LINES = 8


def weaknesses(qualities: Sequence[LogQuality], tolerance: int) -> tuple[str, ...]:
    """Say why no finding of text logs is sure.

    Args:
        qualities: What each log lacks.
        tolerance: How far from its log line a call is taken to be at most, nanoseconds.

    Returns:
        A sentence for each thing that any of them lacks; none where there is no text log.
    """
    found = []
    if any(not each.timed for each in qualities):
        found.append("the log has no times: how long before its line a call was made is not known")
    if any(each.timed and each.precision > tolerance for each in qualities):
        coarsest = max(each.precision for each in qualities) // 1_000_000
        found.append(f"the log's times are no finer than {coarsest:,} ms")
    if any(not each.threads for each in qualities):
        found.append("the log does not name threads: which calls overlapped is not known")
    if any(not each.complete for each in qualities):
        found.append("the log's writer did not number the messages: that none is missing is not known")
    return tuple(found)


def text_tolerance(qualities: Sequence[LogQuality], tolerance: int) -> int:
    """Tell how far from its log line a call may be before its fault is taken to be none.

    Where no threads bound the calls, almost every fault could be explained by some order: there the log's own
    order is taken, and a fault that another one explains is no more than possible.

    Args:
        qualities: What each log lacks.
        tolerance: How far it may be where times are exact, nanoseconds.

    Returns:
        Nanoseconds; ``tolerance`` itself where there is no text log.
    """
    if any(not each.threads for each in qualities):
        return 0
    each = [tolerance + log.precision if log.timed else _LINES * STEP for log in qualities]
    return max([tolerance, *each])


class Apart:
    """Keeps the order of lines whose times are equal: what the log cannot tell apart is put 1 ns apart."""

    def __init__(self) -> None:
        self._last = self._run = 0

    def add(self, time: NDArray[np.int64]) -> NDArray[np.int64]:
        """Put some lines apart.

        Args:
            time: Their times, nanoseconds, in the order of the file.

        Returns:
            The same, with less than a millisecond added.
        """
        index = np.arange(len(time))
        first = np.diff(time, prepend=self._last) != 0
        start = np.maximum.accumulate(np.where(first, index, -self._run))
        run = index - start
        if len(time):
            self._last, self._run = int(time[-1]), int(run[-1]) + 1
        return time + np.minimum(run, _MOST_APART)
