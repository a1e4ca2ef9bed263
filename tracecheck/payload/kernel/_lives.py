"""Lives of what has a number that is used again: processes, threads, images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    Ints = npt.NDArray[np.int64]

#: The begin and the end of a life of which neither was seen.
ALWAYS = np.iinfo(np.int64).min
NEVER = np.iinfo(np.int64).max

# What an event says of a life.
BEGINS, LIVES, ENDS, ENDED = 0, 1, 2, 3


def find_last(
    major: npt.NDArray[Any],
    minor: npt.NDArray[Any],
    wanted_major: npt.NDArray[Any],
    wanted_minor: npt.NDArray[Any],
) -> Ints:
    """Find, in rows sorted by two columns, the last row with a given major and at most a given minor.

    Args:
        major: The first column, ascending, shape (n,).
        minor: The second, ascending where the first is equal.
        wanted_major: What is looked for, shape (m,).
        wanted_minor: The same.

    Returns:
        Shape (m,); -1 where there is no such row.
    """
    if not major.size:
        return np.full(wanted_major.size, -1, dtype=np.int64)
    # Two columns become one of ranks, which one binary search can deal with.
    majors, minors = major[np.append(True, major[1:] != major[:-1])], np.sort(minor)
    base = np.int64(minors.size + 1)
    rank = np.searchsorted(majors, major) * base + np.searchsorted(minors, minor)
    code = np.searchsorted(majors, wanted_major)
    code = np.minimum(code, majors.size - 1)
    wanted = code * base + np.searchsorted(minors, wanted_minor, "right") - 1
    at = np.searchsorted(rank, wanted, "right") - 1
    hit = (at >= 0) & (major[np.maximum(at, 0)] == wanted_major)
    return np.where(hit, at, -1).astype(np.int64)


@dataclass(frozen=True)
class Lives:
    """Lives, sorted by key and begin.

    Attributes:
        key: Whose; uint64.
        start: When it began, nanoseconds since 1970; :data:`ALWAYS` where it was there before the trace.
        end: When it ended; :data:`NEVER` where no end was seen.
        event: The first event of each, an index into the events it was built of.
    """

    key: npt.NDArray[np.uint64]
    start: Ints
    end: Ints
    event: Ints

    def find(self, key: npt.NDArray[np.uint64], time: Ints) -> Ints:
        """Find the newest life of each key that began at or before a time; -1 where there is none."""
        return find_last(self.key, self.start, key, time)


def build_lives(
    key: npt.NDArray[np.uint64], time: Ints, says: npt.NDArray[np.int8], identity: npt.NDArray[Any]
) -> Lives:
    """Cut events into lives.

    A life begins with an event that says so, with one of another identity, and with one that tells of
    something living after an end: its begin was lost.

    Args:
        key: What each event is of, by a number that is used again; shape (n,).
        time: When; nanoseconds.
        says: BEGINS, LIVES, ENDS, or ENDED (an end that lies further back).
        identity: What differs between things of one key.
    """
    order = np.lexsort((time, key))
    key, time, says, identity = key[order], time[order], says[order], identity[order]
    same = np.zeros(key.size, np.bool_)
    same[1:] = key[1:] == key[:-1]
    over = np.zeros(key.size, np.bool_)
    over[1:] = says[:-1] >= ENDS
    other = np.ones(key.size, np.bool_)
    other[1:] = identity[1:] != identity[:-1]
    first = np.flatnonzero(~same | (says == BEGINS) | other | (over & (says == LIVES)))
    if not first.size:
        none = np.zeros(0, np.int64)
        return Lives(key, none, none, none)
    # A begin that was not seen lies behind the last event of the life before it.
    before = np.where(same[first], time[np.maximum(first - 1, 0)], ALWAYS)
    start = np.where(says[first] == BEGINS, time[first], before)
    end = np.minimum.reduceat(np.where(says == ENDS, time, NEVER), first)
    following = np.append(np.where(same[first], start, NEVER)[1:], NEVER)
    return Lives(key[first], start, np.minimum(end, following), order[first].astype(np.int64))
