"""Which release answers which acquire."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Taken:
    """One effect on a life's owned references.

    Attributes:
        delta: What it changed them by.
        thread, function: Who did it.
        stored: Whether it was FltReferenceContext, which is called to keep a context beyond the call.
    """

    delta: int
    thread: int
    function: int
    stored: bool


@dataclass(frozen=True)
class Open:
    """The acquires of a life that no release answers.

    Attributes:
        steps: The steps, in order; one for each reference that is still held.
        candidates: All the steps that another choice of answers could leave open.
    """

    steps: list[int]
    candidates: list[int]


def unanswered(taken: Sequence[Taken]) -> Open:
    """Find the acquires of a life that no release answers.

    A release answers the latest open acquire of its own thread and function, a get before a reference;
    what is left over answers the latest of its own thread, else the oldest open one.

    Args:
        taken: The effects on the owned references, in replay order.
    """
    open_: list[int] = []
    candidates: set[int] = set()
    elsewhere = []
    for i, one in enumerate(taken):
        if one.delta > 0:
            open_ += [i] * one.delta
        elif one.delta < 0:
            same = [j for j in open_ if (taken[j].thread, taken[j].function) == (one.thread, one.function)]
            if not same:
                elsewhere.append(i)
                continue
            gets = [j for j in same if not taken[j].stored]
            if len(gets) < len(same):
                candidates |= set(same)
            open_.remove((gets or same)[-1])
    for i in elsewhere:
        earlier = [j for j in open_ if j < i]
        if len(earlier) > 1:
            candidates |= set(earlier)
        if earlier:
            own = [j for j in earlier if taken[j].thread == taken[i].thread]
            open_.remove(own[-1] if own else earlier[0])
    return Open(open_, sorted(candidates | set(open_)))


def holds(life: Ints, thread: Ints, function: Ints, delta: Ints, time: Ints) -> tuple[Ints, Ints]:
    """Pair acquires with releases in many lives at once, to learn how long references are held.

    As brackets are paired: first those of one life, thread and function, then what is left over of the
    life. Good enough to learn from, not to judge by.

    Args:
        life: The life of each step; steps are sorted by it and then in replay order.
        thread: Who made the step.
        function: Where it was made.
        delta: What it changed the owned references by.
        time: When, nanoseconds.

    Returns:
        The rows of the acquires that were answered, and how long each was held, nanoseconds.
    """
    taken, given = pairs(life, thread, function, delta)
    return taken, np.maximum(time[given] - time[taken], 0)


def pairs(life: Ints, thread: Ints, function: Ints, delta: Ints) -> tuple[Ints, Ints]:
    """Pair acquires with releases as :func:`holds` does; give the rows of both."""
    rows = np.flatnonzero(delta)
    flow = _number(life[rows], thread[rows], function[rows])
    taken, given = _match(flow, rows, delta)
    left = np.setdiff1d(rows, np.concatenate([taken, given]), assume_unique=True)
    more_taken, more_given = _match(life[left], left, delta)
    return np.concatenate([taken, more_taken]), np.concatenate([given, more_given])


def _number(life: Ints, thread: Ints, function: Ints) -> Ints:
    """Number the different (life, thread, function)."""
    thread_code = np.unique(thread, return_inverse=True)[1].astype(np.int64)
    function_code = np.unique(function, return_inverse=True)[1].astype(np.int64)
    width = int(function_code.max(initial=0)) + 1
    flows = (thread_code * width + function_code) + life.astype(np.int64) * (
        int(thread_code.max(initial=0)) + 1
    ) * width
    numbers: Ints = np.unique(flows, return_inverse=True)[1].astype(np.int64)
    return numbers


def _match(key: Ints, rows: Ints, delta: Ints) -> tuple[Ints, Ints]:
    """Pair the acquires and releases of each key as opening and closing brackets."""
    order = np.argsort(key, kind="stable")
    key, rows = key[order], rows[order]
    sign = np.sign(delta[rows])
    total = np.cumsum(sign)
    first = np.searchsorted(key, key)
    depth = total - (total[first] - sign[first]) + (sign < 0)
    # Of one key and depth, an acquire is closed by the release that comes next.
    nested = np.lexsort((np.arange(len(key)), depth, key))
    same = (key[nested][1:] == key[nested][:-1]) & (depth[nested][1:] == depth[nested][:-1])
    closed = np.flatnonzero(same & (sign[nested][:-1] > 0) & (sign[nested][1:] < 0))
    return rows[nested[closed]], rows[nested[closed + 1]]
