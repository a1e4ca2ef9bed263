"""Pairing the acquires and releases of many lives at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tracecheck.rules.evidence import Evidence
from tracecheck.rules.pairing import BY_FUNCTION, BY_ORDER, BY_PATTERN, BY_THREAD, Partners, brackets
from tracecheck.rules.patterns import LONGEST, closed, forms

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

HOW = (BY_FUNCTION, BY_PATTERN, BY_THREAD, BY_ORDER)
# So many of the usual pairs of sites are tried in long stretches, those that are released most often.
_MOST_PATTERNS = 64
# What long stretches show is believed if it is seen so often, and by so large a part of a site's releases.
_OFTEN = 2
_PART = 0.25


@dataclass(frozen=True)
class Found:
    """Pairs of rows, and how they were found.

    Attributes:
        acquire: The acquires.
        release: The release that answers each.
        how: Where in :data:`HOW`.
    """

    acquire: Ints
    release: Ints
    how: Ints

    @classmethod
    def joined(cls, parts: list[Found]) -> Found:
        """Put parts together."""
        nothing = np.zeros(0, np.int64)
        return cls(
            np.concatenate([nothing, *(part.acquire for part in parts)]),
            np.concatenate([nothing, *(part.release for part in parts)]),
            np.concatenate([nothing, *(part.how for part in parts)]),
        )


def in_sound_lives(evidence: Evidence) -> Found:
    """Pair the stretches of all lives without a fault, but for the last ones of lives that leak."""
    return evidence.once("pairs of sound lives", lambda: in_bulk(evidence, _is_sound(evidence)))


def _is_sound(evidence: Evidence) -> Bools:
    """Tell which stretches are of lives without a fault, and not what a life still holds."""
    effects, (starts, ends) = evidence.effects, evidence.stretches
    held, faulty = (np.zeros(len(evidence.replay.contexts) + 1, np.bool_) for _ in range(2))
    held[evidence.held], faulty[evidence.lives_at_fault] = True, True
    whose = effects.life[starts]
    sound: Bools = ~faulty[whose] & (closed(effects, starts, ends) | ~held[whose])
    return sound


def all_partners(evidence: Evidence) -> Partners:
    """Give what is usual, and for releases of which short stretches show nothing what long ones show."""
    return evidence.once("all partners", lambda: _all_partners(evidence))


def _all_partners(evidence: Evidence) -> Partners:
    found, rows = in_sound_lives(evidence), evidence.effect_rows
    site = evidence.effects.site
    acquire, release = (site[np.searchsorted(rows, row)] for row in (found.acquire, found.release))
    pairs, counts = np.unique(np.stack([release, acquire], 1), axis=0, return_counts=True)
    all_of: Counter[int] = Counter()
    for (of, _), number in zip(pairs.tolist(), counts.tolist(), strict=True):
        all_of[of] += number
    more: dict[int, set[int]] = {}
    for (of, answered), number in zip(pairs.tolist(), counts.tolist(), strict=True):
        if of not in evidence.partners and number >= max(_OFTEN, _PART * all_of[of]):
            more.setdefault(of, set()).add(answered)
    return {**evidence.partners, **{of: frozenset(sites) for of, sites in more.items()}}


def in_bulk(evidence: Evidence, waits: Bools) -> Found:
    """Pair stretches: the short ones of each form at once, then the long ones.

    Args:
        evidence: The tables.
        waits: Which of the evidence's stretches.
    """
    effects, (starts, ends) = evidence.effects, evidence.stretches
    rows, left, found = evidence.effect_rows, waits.copy(), []
    short = waits & closed(effects, starts, ends)
    for size in range(2, LONGEST + 1, 2):
        some = np.flatnonzero(short & (ends - starts == size))
        for form in forms(effects, starts[some], size, evidence.partners):
            for acquire, release, how in form.pairing.pairs:
                many = np.full(len(form.starts), HOW.index(how), np.int64)
                found.append(Found(rows[form.starts + acquire], rows[form.starts + release], many))
            left[np.searchsorted(starts, form.starts)] = False
    return Found.joined([*found, *_long(evidence, np.flatnonzero(left))])


def _long(evidence: Evidence, which: Ints) -> Iterator[Found]:
    """Pair long stretches: by usual sites in each thread and function, then in all, then what is left."""
    effects, (starts, ends) = evidence.effects, evidence.stretches
    length = ends[which] - starts[which]
    stretch = np.repeat(which, length)
    offset = np.arange(len(stretch)) - np.repeat(np.cumsum(length) - length, length)
    row = starts[stretch] + offset
    left = np.ones(len(row), np.bool_)
    thread = effects.thread[row]
    flow = _number((stretch, thread, effects.function[row]))

    def match(key: Ints, among: Ints, how: str) -> Found:
        among = among[left[among]]
        acquire, release = brackets(key[among], row[among], effects.delta)
        left[np.searchsorted(row, np.concatenate([acquire, release]))] = False
        rows = evidence.effect_rows
        return Found(rows[acquire], rows[release], np.full(len(acquire), HOW.index(how), np.int64))

    # Where each site's rows are, so that no pair of sites has to look at all of them.
    by_site = np.argsort(effects.site[row], kind="stable")
    sites = effects.site[row][by_site]
    usual = [
        np.sort(np.concatenate([by_site[slice(*np.searchsorted(sites, [one, one + 1]))] for one in pair]))
        for pair in _usual_pairs(evidence, sites)
    ]
    everything = np.arange(len(row))
    for some in usual:
        yield match(flow, some, BY_FUNCTION)
    strange = ~np.isin(effects.site[row], list(evidence.partners)) | (effects.delta[row] > 0)
    yield match(flow, everything[strange & ~effects.stored[row]], BY_FUNCTION)
    yield match(flow, everything[strange], BY_FUNCTION)
    for some in usual:
        yield match(stretch, some, BY_PATTERN)
    yield match(flow, everything, BY_FUNCTION)
    yield match(_number((stretch, thread)), everything, BY_THREAD)
    yield match(stretch, everything, BY_ORDER)


def _usual_pairs(evidence: Evidence, sites: Ints) -> list[tuple[int, int]]:
    """List the usual pairs of sites, release and acquire, of which both are among some sites."""
    different, counts = np.unique(sites, return_counts=True)
    often = dict(zip(different.tolist(), counts.tolist(), strict=True))
    found = [
        (release, acquire)
        for release, acquires in evidence.partners.items()
        for acquire in acquires
        if release in often and acquire in often
    ]
    return sorted(found, key=lambda pair: (-often[pair[0]], pair))[:_MOST_PATTERNS]


def _number(keys: tuple[Ints, ...]) -> Ints:
    """Number the different combinations of keys."""
    code = np.zeros(len(keys[0]), np.int64)
    for key in keys:
        different, own = np.unique(key, return_inverse=True)
        code = np.unique(code * max(len(different), 1) + own, return_inverse=True)[1].astype(np.int64)
    return code
