"""The oracle of order: every order of a few calls on one context, each replayed by the rulebook's machine.

Nothing here is shared with the package, and nothing is clever: a call has a stretch of time in which it took
effect, the calls of a thread keep their order, and all orders that this leaves are tried. What the filter
manager cannot have done is left out: nothing happens to a context before its allocation, and no cleanup
callback runs while a reference is owned.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import combinations_with_replacement
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

#: kind -> what it adds to owned and link, whether a reference must be owned for it, and whether it is
#: logged before it is made.
KINDS = {
    "allocate": (1, 0, False, False),
    "get": (1, 0, False, False),
    "reference": (1, 0, True, False),
    "release": (-1, 0, False, True),
    "set": (0, 1, True, False),
    "failed set": (0, 0, True, False),
    "replaced": (1, -1, False, False),
    "kept": (1, 0, False, False),
    "delete": (0, -1, True, True),
    "close": (0, -1, True, False),
    "cleanup": (0, 0, False, True),
    "use": (0, 0, True, True),
}


class Call(NamedTuple):
    """A call on the context as it was logged, or one that was not and was made until ``end``; nanoseconds."""

    kind: str
    thread: int
    time: int
    begin: int | None = None
    end: int | None = None


class State(NamedTuple):
    """The context's counts, the faults so far, and whether it was given out when it was free."""

    owned: int = 0
    link: int = 0
    freed: bool = False
    faults: frozenset[str] = frozenset()
    ghost: bool = False


@dataclass(frozen=True)
class Outcomes:
    """What all orders give.

    Attributes:
        faults: The sets of faults that orders end with.
        owned: The counts of owned references that they end with, 0 where the context is free.
        real: The same without the orders in which the filter manager gives out a context that is free.
    """

    faults: frozenset[frozenset[str]]
    owned: frozenset[int]
    real: frozenset[int]

    @property
    def possible(self) -> bool:
        """Whether there is an order at all; a log that has none contradicts itself."""
        return bool(self.faults)

    @property
    def verdict(self) -> str:
        """In which orders there is a fault: "every", "some" or "none"."""
        return _how_many([bool(found) for found in self.faults])

    @property
    def leak(self) -> str:
        """In which orders a reference is owned at the end."""
        return _how_many([owned > 0 for owned in self.owned])

    @property
    def real_leak(self) -> str:
        """The same of the orders that the filter manager allows."""
        return _how_many([owned > 0 for owned in self.real])

    @property
    def codes(self) -> frozenset[str]:
        """Every fault of any order."""
        return frozenset().union(*self.faults)


def _how_many(answers: Sequence[bool]) -> str:
    return "none" if not answers else "every" if all(answers) else "some" if any(answers) else "none"


def outcomes(calls: Sequence[Call], tolerance: int) -> Outcomes:
    """Try every order.

    Args:
        calls: In the order of the log; the first is the allocation.
        tolerance: How far from its log line a call may be where nothing bounds it, nanoseconds.
    """
    when = [stretch(calls, place, tolerance) for place in range(len(calls))]
    everything = (1 << len(calls)) - 1

    @cache
    def ends(done: int, now: int, state: State) -> frozenset[tuple[frozenset[str], int, bool]]:
        if done == everything:
            return frozenset({(state.faults, 0 if state.freed else state.owned, state.ghost)})
        found: frozenset[tuple[frozenset[str], int, bool]] = frozenset()
        for place in _next(calls, when, done, now):
            after = step(state, calls[place].kind)
            if after is not None:
                found |= ends(done | 1 << place, max(now, when[place][0]), after)
        return found

    all_ends = ends(1, when[0][0], State(owned=1))
    return Outcomes(
        frozenset(faults for faults, _, _ in all_ends),
        frozenset(owned for _, owned, _ in all_ends),
        frozenset(owned for _, owned, ghost in all_ends if not ghost),
    )


def fillings(calls: Sequence[Call], start: int, end: int, most: int = 2) -> Iterator[list[Call]]:
    """Fill a gap in every way: with up to so many calls of other threads that were not logged.

    Args:
        calls: What was logged.
        start: Where the gap begins, nanoseconds.
        end: Where it ends.
        most: How many calls a filling has at most.
    """
    start = max(start, calls[0].time)
    for count in range(most + 1 if start <= end else 1):
        for kinds in combinations_with_replacement(
            ("get", "release", "cleanup", "allocate", "set", "delete"), count
        ):
            lost = [Call(kind, -place, start, None, end) for place, kind in enumerate(kinds, 1)]
            yield [*calls, *lost]


def stretch(calls: Sequence[Call], place: int, tolerance: int) -> tuple[int, int]:
    """When a call took effect: before its line, or behind it if it is logged first."""
    call = calls[place]
    if call.end is not None:
        return call.time, call.end
    if call.kind in ("cleanup", "use"):
        return call.time, call.time
    if KINDS[call.kind][3]:
        later = [other for other in calls[place + 1 :] if other.thread == call.thread]
        bounds = [other.time if other.begin is None else other.begin for other in later[:1]]
        return call.time, max(call.time, min([call.time + tolerance, *bounds]))
    bounds = [call.begin]
    if call.begin is None:
        earlier = [other.time for other in calls[:place] if other.thread == call.thread]
        bounds = [call.time - tolerance, *earlier[-1:]]
    if KINDS[call.kind][0] > 0:
        # Who took a reference before the cleanup has logged it before he, or anyone, gave it back.
        bounds += [other.time for other in calls[:place] if other.kind == "cleanup"]
    return max(bounds), call.time


def _next(calls: Sequence[Call], when: Sequence[tuple[int, int]], done: int, now: int) -> Iterator[int]:
    """The calls that can come next."""
    left = [place for place in range(len(calls)) if not done >> place & 1]
    threads: set[int] = set()
    last = min(when[place][1] for place in left)
    for place in left:
        first = calls[place].thread not in threads
        threads.add(calls[place].thread)
        # Nobody knows the address of a new context before its allocation is logged: what was logged before
        # is about the one that had the address before it.
        if calls[place].kind == "allocate" and calls[place].end is None and place != left[0]:
            continue
        # Whatever waits beyond its own stretch can no longer be placed.
        if first and max(now, when[place][0]) <= last:
            yield place


def step(state: State, kind: str) -> State | None:
    """Apply a call; None where the filter manager cannot have done it."""
    owned, link, needs, _ = KINDS[kind]
    if kind == "allocate":
        return State(1, 0, False, state.faults, state.ghost) if state.freed else None
    if kind == "cleanup":
        return None if state.owned else state._replace(link=0, freed=True)
    fault = _fault(state, kind, needs)
    faults = state.faults | {fault} if fault else state.faults
    if fault in ("R01", "R02", "R04"):
        return state._replace(faults=faults)
    now_owned = state.owned + owned
    now_link = state.link if state.freed else min(max(state.link + link, 0), 1)
    freed = state.freed or now_owned + now_link == 0
    ghost = state.ghost or (state.freed and kind in ("get", "kept", "replaced"))
    return State(now_owned, now_link, freed, faults, ghost)


def _fault(state: State, kind: str, needs: bool) -> str:
    if kind == "release" and state.owned == 0:
        return "R02" if state.freed else "R01"
    if not needs:
        return ""
    if state.freed:
        return "R03" if kind == "reference" else "R04"
    return "R05" if (state.owned, state.link) == (0, 1) else ""
