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

    First the n-th acquire with the n-th release of one life, thread and function, then what is left over
    with the n-th of the life: good enough to learn from, not to judge by.

    Args:
        life, thread, function, delta, time: A row a step, sorted by life and then in replay order.

    Returns:
        The rows of the acquires that were answered, and how long each was held, nanoseconds.
    """
    rows = np.flatnonzero(delta)
    flow = _number(life[rows], thread[rows], function[rows])
    taken, given = _match(flow, rows, delta)
    left = np.setdiff1d(rows, np.concatenate([taken, given]), assume_unique=True)
    more_taken, more_given = _match(life[left], left, delta)
    taken, given = np.concatenate([taken, more_taken]), np.concatenate([given, more_given])
    return taken, np.maximum(time[given] - time[taken], 0)


def _number(life: Ints, thread: Ints, function: Ints) -> Ints:
    """Number the different (life, thread, function)."""
    thread_code = np.unique(thread, return_inverse=True)[1].astype(np.int64)
    function_code = np.unique(function, return_inverse=True)[1].astype(np.int64)
    width = int(function_code.max(initial=0)) + 1
    flows = (thread_code * width + function_code) + life.astype(np.int64) * (int(thread_code.max(initial=0)) + 1) * width
    return np.unique(flows, return_inverse=True)[1].astype(np.int64)


def _match(key: Ints, rows: Ints, delta: Ints) -> tuple[Ints, Ints]:
    """Pair the n-th acquire with the n-th release of each key, where it comes after it."""
    parts = []
    for sign in (1, -1):
        mine = np.flatnonzero(np.sign(delta[rows]) == sign)
        order = mine[np.argsort(key[mine], kind="stable")]
        sorted_key = key[order]
        first = np.searchsorted(sorted_key, sorted_key)
        parts.append((sorted_key << 24 | np.minimum(np.arange(len(order)) - first, (1 << 24) - 1), rows[order]))
    (taken_code, taken), (given_code, given) = parts
    _, i, j = np.intersect1d(taken_code, given_code, return_indices=True)
    taken, given = taken[i], given[j]
    good = taken < given
    return taken[good], given[good]
