"""What the healthy lives of a capture show: which release sites answer which acquire sites.

A life is cut into stretches, from one moment at which nothing is owned to the next: in a stretch as many
references are dropped as are taken. Short stretches are much the same all over a capture, so each form of
them is paired once, however often it occurs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tracecheck.rules.pairing import Pairing, Partners, Taken, pair

Ints = NDArray[np.int64]

#: Stretches of more effects than this are too particular to learn from.
LONGEST = 8
#: A release site has at most as many partners: those that it answers most often.
MOST_PARTNERS = 16
#: As many forms of stretches of one length are paired, those that occur most often.
_MOST_FORMS = 512
# An odd number near 2**64 / golden ratio: multiplied by it, codes that differ a little differ a lot.
_SPREAD = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True)
class Effects:
    """The effects on owned references of all lives, sorted by life and then in replay order.

    Attributes:
        life: The life of each.
        delta: 1 or -1.
        owned: The owned references after it.
        thread, function: Who did it.
        site: Its call site's code.
        stored: Whether it is FltReferenceContext.
    """

    life: Ints
    delta: Ints
    owned: Ints
    thread: Ints
    function: Ints
    site: Ints
    stored: NDArray[np.bool_]

    def at(self, row: int) -> Taken:
        """Give one of them."""
        return Taken(
            int(self.delta[row]),
            int(self.thread[row]),
            int(self.function[row]),
            bool(self.stored[row]),
            int(self.site[row]),
        )


@dataclass(frozen=True)
class Form:
    """A form that stretches have, and those that have it.

    Attributes:
        starts: Where each of them starts.
        pairing: How its effects answer each other, counted from the start.
    """

    starts: Ints
    pairing: Pairing


def stretches(effects: Effects) -> tuple[Ints, Ints]:
    """Cut lives at the moments at which nothing is owned.

    Returns:
        Where each stretch starts, and where it ends (one behind its last effect).
    """
    size = len(effects.life)
    if not size:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    last = np.append(effects.life[1:] != effects.life[:-1], True) | (effects.owned == 0)
    ends = np.flatnonzero(last) + 1
    return np.append(0, ends[:-1]), ends


def closed(effects: Effects, starts: Ints, ends: Ints) -> NDArray[np.bool_]:
    """Tell which stretches begin and end with nothing owned."""
    begins = effects.owned[starts] - effects.delta[starts] == 0
    both: NDArray[np.bool_] = begins & (effects.owned[ends - 1] == 0)
    return both


def learn(effects: Effects, starts: Ints, ends: Ints) -> Partners:
    """Learn who answers whom, from short stretches and then from longer ones.

    What a stretch of one reference shows is sure. It helps to pair those of two, these those of three.

    Args:
        effects: The effects.
        starts: Where healthy stretches start, each with nothing owned.
        ends: Where they end, likewise.
    """
    seen: Counter[tuple[int, int]] = Counter()
    partners: Partners = {}
    for size in range(2, LONGEST + 1, 2):
        for form in forms(effects, starts[ends - starts == size], size, partners):
            first = int(form.starts[0])
            for acquire, release, _ in form.pairing.pairs:
                key = (int(effects.site[first + release]), int(effects.site[first + acquire]))
                seen[key] += len(form.starts)
        partners = _most_frequent(seen)
    return partners


def _most_frequent(seen: Counter[tuple[int, int]]) -> Partners:
    """Keep for each release site the acquire sites that it answers most often."""
    of: dict[int, list[int]] = {}
    for (release, acquire), _ in sorted(seen.items(), key=lambda item: (-item[1], item[0])):
        mine = of.setdefault(release, [])
        if len(mine) < MOST_PARTNERS:
            mine.append(acquire)
    return {release: frozenset(acquires) for release, acquires in of.items()}


def forms(effects: Effects, starts: Ints, size: int, partners: Partners) -> Iterator[Form]:
    """Sort stretches of one length by their form, the most frequent first, and pair each form.

    Args:
        effects: The effects.
        starts: Where they start.
        size: How many effects each has.
        partners: What is known of who answers whom.
    """
    if not len(starts):
        return
    code = np.zeros(len(starts), np.uint64)
    for place in range(size):
        # Who made it is told by the first effect of the same thread.
        own = np.full(len(starts), place, np.int64)
        for before in range(place - 1, -1, -1):
            own[effects.thread[starts + before] == effects.thread[starts + place]] = before
        here = (effects.site[starts + place] * (2 * LONGEST) + own).astype(np.uint64)
        code = (code ^ (here + np.uint64(1))) * _SPREAD
        code ^= code >> np.uint64(29)
    order = np.argsort(code, kind="stable")
    bounds = np.flatnonzero(np.append(True, code[order][1:] != code[order][:-1]))
    sizes = np.diff(np.append(bounds, len(order)))
    for which in np.argsort(-sizes, kind="stable")[:_MOST_FORMS].tolist():
        members = starts[order[bounds[which] : bounds[which] + sizes[which]]]
        first = int(members[0])
        yield Form(members, pair([effects.at(first + i) for i in range(size)], partners))
