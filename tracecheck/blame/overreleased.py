"""Which release of a life was one too many.

The first fault is where a release or a use found nothing owned. The release that took too much may have come
before it, while others still owned what it took: from then on the counts of the log are too low by one, and
that nothing was owned at a moment between the two is not true.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from tracecheck.blame.bulk import all_partners
from tracecheck.fltmgr import Effect
from tracecheck.rules.evidence import Evidence
from tracecheck.rules.pairing import BY_FUNCTION, Pairing, Partners, Taken, pair

# How many stretches and steps around the first fault are looked at: as many of each life, but no more of all
# lives together.
_MOST_STRETCHES, _MOST_STRETCHES_IN_ALL = 16, 40_000
_MOST_STEPS, _MOST_STEPS_IN_ALL = 512, 1_000_000
_LEAST_STRETCHES, _LEAST_STEPS = 2, 32


@dataclass(frozen=True)
class Window:
    """The part of a life in which a release was one too many, if one was.

    Attributes:
        rows: The rows of the steps table that took or dropped references, faulty releases too.
        taken: What each of them did.
        pairing: Who answers whom among them; its ``extra`` are the releases that were too many.
        fault: The row of the steps table of the life's first fault.
        explained: Whether each pair is one that healthy lives show.
        certain: Whether every choice as good as this one names a release of the same site.
        earlier: The row and the effect of what was taken or dropped shortly before.
    """

    rows: list[int]
    taken: list[Taken]
    pairing: Pairing
    fault: int
    explained: bool
    certain: bool
    earlier: list[tuple[int, Taken]]


def extra_releases(evidence: Evidence, life: int) -> Window:
    """Find the releases of a life with a fault that took what was another's.

    Of the stretches before the fault as many are taken for wrong ones as leave the fewest pairs that no
    healthy life shows.

    Args:
        evidence: The tables.
        life: A life with a step at fault.
    """
    return evidence.once(("extra", life), lambda: _extra_releases(evidence, life))


def _extra_releases(evidence: Evidence, life: int) -> Window:
    fault, rows, taken = _around_fault(evidence, life)
    before = sum(row < fault for row in rows)
    owned = evidence.step("owned")
    share = _MOST_STRETCHES_IN_ALL // len(evidence.lives_at_fault)
    most = min(_MOST_STRETCHES, max(_LEAST_STRETCHES, share))
    cuts = [i + 1 for i in range(before) if owned[rows[i]] == 0][-most:]
    # The oldest part may begin in the middle of a stretch: it is looked at as a whole.
    starts = [0, *cuts] if not cuts or cuts[0] else cuts
    starts = [start for start in starts if start < len(rows)] or [0]
    partners = all_partners(evidence)
    alone = [_unexplained(taken[a:b], pair(taken[a:b], partners), partners) for a, b in pairwise(starts)]
    # Each choice of the moments that are not trusted: how odd it is, where it starts, what it gives.
    choices: list[tuple[int, int, Pairing]] = []
    for place in range(len(starts) - 1, -1, -1):
        some = taken[starts[place] :]
        pairing = pair(some, partners)
        odd = 2 * (sum(alone[:place]) + _unexplained(some, pairing, partners))
        # A release that usually answers something is less likely to be the one that is too many.
        odd += bool(pairing.extra) and some[pairing.extra[0]].site in partners
        choices.append((odd, starts[place], pairing))
    odd, start, pairing = min(choices, key=lambda choice: choice[0])
    named = {_extra_site(taken[at:], other) for how_odd, at, other in choices if how_odd == odd}
    earlier = list(zip(rows[:start], taken[:start], strict=True))
    return Window(rows[start:], taken[start:], pairing, fault, odd < 2, len(named) == 1, earlier)


def _extra_site(taken: list[Taken], pairing: Pairing) -> int:
    """Give the site of the release that is too many, -1 where none is."""
    return taken[pairing.extra[0]].site if pairing.extra else -1


def _around_fault(evidence: Evidence, life: int) -> tuple[int, list[int], list[Taken]]:
    """Give the first fault of a life, and what was taken and dropped around it."""
    low, high = int(evidence.first_step[life]), int(evidence.first_step[life + 1])
    faults = evidence.steps_at_fault
    faults = faults[np.searchsorted(faults, low) : np.searchsorted(faults, high)]
    fault = int(faults[0])
    share = _MOST_STEPS_IN_ALL // len(evidence.lives_at_fault)
    most = min(_MOST_STEPS, max(_LEAST_STEPS, share))
    low = max(low, fault - most)
    # What suffers from a release too many may be found at fault some time later.
    high = int(faults[faults <= fault + most][-1]) + 1
    op = evidence.step("operation")[low:high]
    releases = np.isin(evidence.ops.effect()[op], (Effect.RELEASE, Effect.RELEASE_MANY))
    delta = np.where(releases, -1, evidence.step("delta_owned")[low:high])
    sites = (evidence.place[op] << 16) + int(evidence.context("context_type")[life])
    stored = evidence.ops.effect()[op] == Effect.REFERENCE
    columns = (delta, evidence.ops["tid"][op], evidence.function[op], stored, sites)
    taken = [Taken(*cells) for cells in zip(*(column.tolist() for column in columns), strict=True)]
    rows = [low + i for i, one in enumerate(taken) if one.delta]
    return fault, rows, [one for one in taken if one.delta]


def _unexplained(taken: list[Taken], pairing: Pairing, partners: Partners) -> int:
    """Count the pairs that no healthy life shows; within a function nothing has to be shown."""
    odd = 0
    for acquire, release, how in pairing.pairs:
        usual = partners.get(taken[release].site)
        known = usual is not None and taken[acquire].site in usual
        odd += not known and (how != BY_FUNCTION or usual is not None)
    return odd
