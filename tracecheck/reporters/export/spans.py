"""Which calls can be drawn as spans: those of one thread must lie within each other or apart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Bools = NDArray[np.bool_]


def nested(thread: NDArray[Any], begin: NDArray[np.int64], end: NDArray[np.int64], wanted: Bools) -> Bools:
    """Choose intervals of which none of a thread begins in another and ends behind it.

    Args:
        thread: Whose each interval is.
        begin: Where it begins.
        end: Where it ends.
        wanted: Which are looked at.

    Returns:
        Those that are wanted, do not end before they begin and fit the ones before them.
    """
    mine = np.flatnonzero(wanted & (begin <= end))
    order = mine[np.lexsort((~end[mine], begin[mine], thread[mine]))]
    # Where no interval of a thread begins before all of it have ended, nothing can be wrong: that is nearly
    # always so, and only the other threads are looked at one by one.
    overlaps = (thread[order][1:] == thread[order][:-1]) & (begin[order][1:] < end[order][:-1])
    doubtful = np.isin(thread[order], np.unique(thread[order][1:][overlaps]))
    chosen = np.zeros(len(thread), np.bool_)
    chosen[order[~doubtful]] = True
    open_: list[int] = []
    last = None
    for row in order[doubtful].tolist():
        if thread[row] != last:
            open_, last = [], thread[row]
        while open_ and end[open_[-1]] <= begin[row]:
            open_.pop()
        if not open_ or end[row] <= end[open_[-1]]:
            chosen[row] = True
            open_.append(row)
    return chosen
