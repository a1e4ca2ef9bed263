"""Which release answers which acquire."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

#: How a release was found to answer an acquire.
BY_FUNCTION, BY_PATTERN, BY_THREAD, BY_ORDER = "function", "pattern", "thread", "order"


@dataclass(frozen=True, slots=True)
class Taken:
    """One effect on a life's owned references.

    Attributes:
        delta: What it changed them by, 1 or -1.
        thread, function: Who did it.
        stored: Whether it was FltReferenceContext, which is called to keep a context beyond the call.
        site: Its call site, for which partners may be known.
    """

    delta: int
    thread: int
    function: int
    stored: bool
    site: int = -1


@dataclass(frozen=True)
class Open:
    """The acquires of a life that no release answers.

    Attributes:
        steps: The steps, in order; one for each reference that is still held.
        candidates: All the steps that another choice of answers could leave open.
    """

    steps: list[int]
    candidates: list[int]


@dataclass(frozen=True)
class Pairing:
    """Acquires and the releases that answer them.

    Attributes:
        pairs: Acquire, release, and how the one was found for the other.
        open: The acquires that no release answers.
        extra: The releases for which no acquire is left, in order.
        strays: All releases that found no acquire in their own thread and function.
    """

    pairs: list[tuple[int, int, str]]
    open: Open
    extra: list[int]
    strays: list[int]


#: The sites of releases, each with the sites of acquires that it usually answers.
Partners = Mapping[int, frozenset[int]]
_NOBODY: Partners = {}


def pair(taken: Sequence[Taken], partners: Partners = _NOBODY) -> Pairing:
    """Pair the acquires and releases of a stretch of a life.

    A release answers an acquire of its own thread and function: one at a site that it usually answers,
    else, unless such a one is open elsewhere, any; a get before a reference, the latest before others.
    Releases that find none answer, each in turn, an acquire before them at a site that they usually answer,
    then any: the latest of their own thread, else the oldest.

    Args:
        taken: The effects on the owned references, in replay order.
        partners: What healthy lives show of who answers whom.
    """
    work = _Work(taken, partners)
    strays = work.in_function()
    left = work.in_pattern(strays)
    extra = work.in_order(left)
    steps = [i for i, one in enumerate(taken) if one.delta > 0 and not work.answered[i]]
    work.candidates.update(steps)
    return Pairing(sorted(work.pairs), Open(steps, sorted(work.candidates)), extra, strays)


@dataclass
class _Stacks:
    """Steps that are open, by any key; those answered meanwhile are dropped when they come to light."""

    answered: list[bool]
    of: dict[object, list[int]] = field(default_factory=lambda: defaultdict(list))
    first: dict[object, int] = field(default_factory=lambda: defaultdict(int))

    def add(self, key: object, step: int) -> None:
        self.of[key].append(step)

    def latest(self, key: object) -> int:
        """Give the latest open step of a key, -1 where there is none."""
        stack = self.of.get(key)
        while stack and self.answered[stack[-1]]:
            stack.pop()
        return stack[-1] if stack else -1

    def oldest(self, key: object) -> int:
        """Give the oldest open step of a key, -1 where there is none."""
        stack = self.of.get(key, [])
        at = self.first[key]
        while at < len(stack) and self.answered[stack[at]]:
            at += 1
        self.first[key] = at
        return stack[at] if at < len(stack) else -1


class _Work:
    """One pairing under way: every step is touched a bounded number of times."""

    def __init__(self, taken: Sequence[Taken], partners: Partners) -> None:
        self.taken = taken
        self.partners = partners
        self.answered = [False] * len(taken)
        self.pairs: list[tuple[int, int, str]] = []
        self.candidates: set[int] = set()

    def in_function(self) -> list[int]:
        """Pair within threads and functions; give the releases that find no acquire there."""
        stacks = _Stacks(self.answered)
        unmarked: dict[tuple[int, int], list[int]] = defaultdict(list)
        open_at: dict[int, int] = defaultdict(int)
        strays = []
        for i, one in enumerate(self.taken):
            flow = (one.thread, one.function)
            if one.delta > 0:
                stacks.add((flow, one.stored), i)
                stacks.add((flow, one.site, one.stored), i)
                unmarked[flow].append(i)
                open_at[one.site] += 1
                continue
            got, stored = stacks.latest((flow, False)), stacks.latest((flow, True))
            plain = got if got >= 0 else stored
            usual = self.partners.get(one.site, frozenset())
            fits = max((stacks.latest((flow, site, False)) for site in usual), default=-1)
            if fits < 0:
                fits = max((stacks.latest((flow, site, True)) for site in usual), default=-1)
            if plain < 0 or (fits < 0 and any(open_at[site] for site in usual)):
                strays.append(i)
                continue
            chosen = fits if fits >= 0 else plain
            if stored >= 0 or chosen != plain:
                self.candidates.update(j for j in unmarked[flow] if not self.answered[j])
                unmarked[flow] = []
            open_at[self.taken[chosen].site] -= 1
            self._answer(chosen, i, BY_FUNCTION)
        return strays

    def in_pattern(self, strays: Sequence[int]) -> list[int]:
        """Let releases answer acquires at sites that they usually answer; give those that find none."""
        earlier = _Earlier(self)
        left = []
        for i in strays:
            earlier.reach(i)
            usual = self.partners.get(self.taken[i].site, frozenset())
            thread = self.taken[i].thread
            chosen = max((earlier.open.latest((thread, site)) for site in usual), default=-1)
            if chosen < 0:
                oldest = [earlier.open.oldest(site) for site in usual]
                chosen = min((step for step in oldest if step >= 0), default=-1)
            if chosen < 0:
                left.append(i)
                continue
            earlier.choose(chosen)
            self._answer(chosen, i, BY_PATTERN)
        return left

    def in_order(self, left: Sequence[int]) -> list[int]:
        """Let releases answer whatever is open before them; give those that find nothing."""
        earlier = _Earlier(self)
        extra = []
        for i in left:
            earlier.reach(i)
            own = earlier.open.latest(("thread", self.taken[i].thread))
            chosen = own if own >= 0 else earlier.open.oldest("all")
            if chosen < 0:
                extra.append(i)
                continue
            earlier.choose(chosen)
            self._answer(chosen, i, BY_THREAD if own >= 0 else BY_ORDER)
        return extra

    def _answer(self, acquire: int, release: int, how: str) -> None:
        self.answered[acquire] = True
        self.pairs.append((acquire, release, how))


class _Earlier:
    """The acquires that are open before a release, as one goes on from release to release."""

    def __init__(self, work: _Work) -> None:
        self.open = _Stacks(work.answered)
        self._work = work
        self._at = 0
        self._size = 0
        self._unmarked: list[int] = []

    def reach(self, release: int) -> None:
        """Take in the acquires before a release."""
        for i in range(self._at, release):
            one = self._work.taken[i]
            if one.delta > 0 and not self._work.answered[i]:
                for key in ("all", one.site, (one.thread, one.site), ("thread", one.thread)):
                    self.open.add(key, i)
                self._unmarked.append(i)
                self._size += 1
        self._at = max(self._at, release)

    def choose(self, chosen: int) -> None:
        """Note that one of them is answered: if there are others, each might have been the one."""
        if self._size > 1:
            self._work.candidates.update(j for j in self._unmarked if not self._work.answered[j])
            self._unmarked = []
        self._size -= 1
        assert not self._work.answered[chosen]


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
    taken, given = brackets(flow, rows, delta)
    left = np.setdiff1d(rows, np.concatenate([taken, given]), assume_unique=True)
    more_taken, more_given = brackets(life[left], left, delta)
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


def brackets(key: Ints, rows: Ints, delta: Ints) -> tuple[Ints, Ints]:
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
