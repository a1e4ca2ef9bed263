"""Lives that follow each other at one address: calls on one may have been logged among those on another."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from tracecheck.fltmgr import Effect
from tracecheck.replay.machine import RELEASE_ATTACHED, RELEASE_FREED
from tracecheck.replay.order import Reach, intervals
from tracecheck.replay.played import PATIENCE
from tracecheck.rules.evidence import Evidence, Ints


def soonest_after(evidence: Evidence) -> Iterator[Ints]:
    """Tell when, at the earliest, a call was made that added to a later life of the same address.

    A get that was logged long after it was made may have been of the context that had the address before.
    To be asked for by :meth:`Evidence.found`.

    Yields:
        Once, for each life with a fault nanoseconds; ``evidence.never`` for others, and where there is none.
    """
    found = np.full(len(evidence.replay.contexts), evidence.never)
    life, op = evidence.step("context"), evidence.step("operation").astype(np.int64)
    pointer = evidence.context("pointer")
    faulty = np.unique(pointer[life[evidence.step("fault") != 0]])
    adds = (evidence.step("delta_owned") > 0) | (evidence.step("delta_link") > 0)
    rows = np.flatnonzero(adds & (evidence.ops.effect()[op] != Effect.ALLOCATE))
    rows = rows[np.isin(pointer[life[rows]], faulty)] if len(faulty) else rows[:0]
    if len(rows):
        early = intervals(evidence.ops, np.unique(op[rows]), Reach(PATIENCE))[0].early[op[rows]]
        np.minimum.at(found, life[rows], early)
        found = _least_behind(pointer, found)
    yield found


def mixed_up(evidence: Evidence) -> Iterator[frozenset[int]]:
    """Give the lives of which one has a release too many and the next at its address one too few.

    Where events have no numbers, and several processors logged them, a clock that is behind tells just that
    of a driver which does nothing wrong. To be asked for by :meth:`Evidence.found`.
    """
    pointer, owned = evidence.context("pointer"), evidence.context("owned")
    releases = np.concatenate([evidence.steps_with(RELEASE_ATTACHED), evidence.steps_with(RELEASE_FREED)])
    op = evidence.step("operation")[releases].astype(np.int64)
    life = evidence.step("context")[releases].astype(np.int64)
    after = np.minimum(life + 1, len(pointer) - 1)
    pairs = (after > life) & (pointer[after] == pointer[life]) & (owned[after] > 0)
    pairs &= evidence.context("first")[after] - evidence.ops["time"][op] <= PATIENCE
    pairs &= ~evidence.ops.has("sequence")[op]
    both = {one for one in np.unique(life[pairs]).tolist() if evidence.is_shared(one)}
    yield frozenset(both | {one + 1 for one in both})


def _least_behind(group: NDArray[np.uint64], values: Ints) -> Ints:
    """Give for each place the least value behind it in its group; the greatest there is where none is."""
    each, rank = np.unique(values, return_inverse=True)
    same = group[1:] == group[:-1]
    # From the end: every further group's numbers are below all that came before.
    below = np.append(0, np.cumsum(~same[::-1])) * len(each)
    least = (np.minimum.accumulate(rank[::-1] - below) + below)[::-1]
    behind = np.full(len(values), np.iinfo(np.int64).max)
    behind[:-1][same] = each[least[1:][same]]
    return behind
