"""The order of overlapping calls that is best for the driver, found by looking at every one.

A call lies somewhere in its interval; calls of one thread are in the order of the log. What has been done
at some moment is then the log up to some row, and a few rows more: as long as few calls overlap, few such
sets exist, and all of them are followed at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from tracecheck.replay.per_stream.machine import IMPOSSIBLE, START, Place, play

# Where more sets of calls than this are possible at one moment, they are not all looked at.
_MOST_SETS = 64
_MOST_AHEAD = 24
# What is impossible weighs more than any number of faults.
_HEAVY = 1 << 40


class Row(NamedTuple):
    """One call on a block.

    Attributes:
        act: An :class:`~tracecheck.replay.per_stream.machine.Act`.
        stream: The stream that it names, 0 for none.
        thread: Who made it.
        early: The earliest moment at which it can have taken effect, nanoseconds.
        late: The latest.
    """

    act: int
    stream: int
    thread: int
    early: int
    late: int


class Done(NamedTuple):
    """A call in the order that was found.

    Attributes:
        row: The place of the call among the rows.
        place: The block after it.
        fault: What is wrong with it, 0 for nothing.
    """

    row: int
    place: Place
    fault: int


class _Way(NamedTuple):
    """How a state was reached at the least cost; ``before`` leads back to the start."""

    cost: int
    done: Done | None
    before: _Way | None


_Set = tuple[int, frozenset[int]]  # all rows before the first number are done, and these more
_Front = dict[_Set, dict[Place, _Way]]


def log_order(rows: Sequence[Row], start: Place = START) -> list[Done]:
    """Do the calls in the order of the log."""
    done, place = [], start
    for at, row in enumerate(rows):
        place, fault = play(place, row.act, row.stream)
        done.append(Done(at, place, fault))
    return done


def best_order(rows: Sequence[Row], counts: Callable[[int, int], bool] | None = None) -> list[Done] | None:
    """Find the order with the fewest faults among those with the fewest impossible calls.

    Args:
        rows: The calls, in the order of the log.
        counts: Tells of a fault, by its row and number, whether it counts; None for all.

    Returns:
        All calls in that order; None where too many overlap to look at every order.
    """
    least_early = [0] * len(rows)
    least = 1 << 63
    for at in range(len(rows) - 1, -1, -1):
        least = least_early[at] = min(least, rows[at].early)
    front: _Front = {(0, frozenset()): {START: _Way(0, None, None)}}
    for _ in rows:
        after: _Front = {}
        for (first, more), ways in front.items():
            choices = _choices(rows, least_early, first, more)
            if choices is None:
                return None
            for chosen in choices:
                _do(after, rows, chosen, _with(first, more, chosen), ways, counts)
        if len(after) > _MOST_SETS:
            return None
        front = after
    (ways,) = front.values()
    way: _Way | None = min(ways.values(), key=lambda one: one.cost)
    found: list[Done] = []
    while way is not None and way.done is not None:
        found.append(way.done)
        way = way.before
    return found[::-1]


def _choices(
    rows: Sequence[Row], least_early: list[int], first: int, more: frozenset[int]
) -> list[int] | None:
    """Find the calls that may come next; None where too many might."""
    limit = rows[first].late
    if not more and (first + 1 == len(rows) or least_early[first + 1] > limit):
        return [first]
    waiting = []
    at = first
    while at < len(rows) and least_early[at] <= limit:
        if at not in more:
            waiting.append(at)
            limit = min(limit, rows[at].late)
            if len(waiting) > _MOST_AHEAD:
                return None
        at += 1
    threads: set[int] = set()
    found = []
    for one in waiting:
        if rows[one].early <= limit and rows[one].thread not in threads:
            found.append(one)
        threads.add(rows[one].thread)
    return found


def _with(first: int, more: frozenset[int], chosen: int) -> _Set:
    """Add a call to those that are done."""
    if chosen != first:
        return first, more | {chosen}
    first += 1
    while first in more:
        more -= {first}
        first += 1
    return first, more


def _do(
    front: _Front,
    rows: Sequence[Row],
    chosen: int,
    done: _Set,
    ways: dict[Place, _Way],
    counts: Callable[[int, int], bool] | None,
) -> None:
    """Do a call in every state that the block may be in; keep the cheapest way to each state after it."""
    reached = front.setdefault(done, {})
    row = rows[chosen]
    for place, way in ways.items():
        after, fault = play(place, row.act, row.stream)
        cost = way.cost
        if fault == IMPOSSIBLE:
            cost += _HEAVY
        elif fault and (counts is None or counts(chosen, fault)):
            cost += 1
        known = reached.get(after)
        if known is None or cost < known.cost:
            reached[after] = _Way(cost, Done(chosen, after, fault), way)
