"""Pairing the acquires and releases of all lives, column-wise."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tracecheck.blame.overreleased import extra_releases
from tracecheck.blame.tables import PAIRS
from tracecheck.payload.arrow import from_numpy, strings
from tracecheck.rules.evidence import Evidence
from tracecheck.rules.pairing import BY_FUNCTION, BY_ORDER, BY_PATTERN, BY_THREAD, Pairing, brackets
from tracecheck.rules.patterns import LONGEST, closed, forms

Ints = NDArray[np.int64]

HOW = (BY_FUNCTION, BY_PATTERN, BY_THREAD, BY_ORDER)
# So many of the usual pairs of sites are tried in long stretches, those that are released most often.
_MOST_PATTERNS = 64


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


def pair_all(evidence: Evidence) -> pa.Table:
    """Pair the acquires and releases of every life; schema :data:`~tracecheck.blame.tables.PAIRS`.

    Lives that leak or are released too often are paired as they are judged; of all others, short stretches
    are paired by their form, and long ones as brackets are.
    """
    life = evidence.step("context").astype(np.int64)
    # Rows here are of the steps table.
    found = Found.joined([*_singly(evidence), *_in_bulk(evidence)])
    op = evidence.step("operation")
    order = np.argsort(found.acquire, kind="stable")
    acquire, release, how = found.acquire[order], found.release[order], found.how[order]
    columns = [
        from_numpy(life[acquire].astype(np.uint32), pa.uint32()),
        from_numpy(op[acquire].astype(np.uint32), pa.uint32()),
        from_numpy(op[release].astype(np.uint32), pa.uint32()),
        pa.DictionaryArray.from_arrays(from_numpy(how.astype(np.int32), pa.int32()), strings(HOW)),
    ]
    return pa.Table.from_arrays(columns, schema=PAIRS)


def _singly(evidence: Evidence) -> Iterator[Found]:
    """Pair what is judged life by life: the last stretches of held lives, and lives released too often."""
    for life in np.setdiff1d(evidence.held, evidence.lives_at_fault).tolist():
        first, pairing = evidence.pairing(life)
        yield _of(pairing, evidence.effect_rows[first:])
    for life in evidence.lives_at_fault.tolist():
        window = extra_releases(evidence, life)
        yield _of(window.pairing, np.asarray(window.rows, np.int64))


def _of(pairing: Pairing, rows: Ints) -> Found:
    acquire = [pair[0] for pair in pairing.pairs]
    release = [pair[1] for pair in pairing.pairs]
    how = [HOW.index(pair[2]) for pair in pairing.pairs]
    return Found(rows[acquire], rows[release], np.array(how, np.int64))


def _in_bulk(evidence: Evidence) -> Iterator[Found]:
    """Pair all other stretches: the short ones of each form at once, then the long ones."""
    effects, (starts, ends) = evidence.effects, evidence.stretches
    rows = evidence.effect_rows
    whose = effects.life[starts]
    whole = closed(effects, starts, ends)
    held = np.zeros(len(evidence.replay.contexts) + 1, np.bool_)
    held[np.setdiff1d(evidence.held, evidence.lives_at_fault)] = True
    waits = whole | ~held[whose]
    for life in evidence.lives_at_fault.tolist():
        window = extra_releases(evidence, life).rows or [0]
        first, last = np.searchsorted(rows, window[0]), np.searchsorted(rows, window[-1], "right") - 1
        waits[np.searchsorted(ends, first, "right") : np.searchsorted(starts, last, "right")] = False
    for size in range(2, LONGEST + 1, 2):
        short = np.flatnonzero(waits & whole & (ends - starts == size))
        for form in forms(effects, starts[short], size, evidence.partners):
            for acquire, release, how in form.pairing.pairs:
                many = np.full(len(form.starts), HOW.index(how), np.int64)
                yield Found(rows[form.starts + acquire], rows[form.starts + release], many)
            waits[np.searchsorted(starts, form.starts)] = False
    yield from _long(evidence, np.flatnonzero(waits))


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
