"""L19: contexts that are made all the time and never freed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import numpy as np

from tracecheck.rules.evidence import Evidence, Ints
from tracecheck.rules.leaks import leaked_at_unload, outlived_its_object, outstanding_at_end
from tracecheck.rules.registry import LEAKS, Candidate, rule

# How many contexts of one site must have been left, and what part of all that it made.
_ENOUGH = 16
_NEARLY_ALL = 0.9
# What part of them each quarter of the time must have brought, for a rise that goes on.
_QUARTER = 1 / 8
# How often the usual life of a context must fit into the time of the rise.
_LIFETIMES = 10
_MOST = 100


@rule("L19", "number of contexts grows all the time", severity="warning", sound=False, family=LEAKS)
def grows(evidence: Evidence) -> Iterator[Candidate]:
    """Find allocation sites nearly all contexts of which are still owned, made at a steady rate for long."""
    leaked: dict[int, bool] = {}
    for find in (leaked_at_unload, outlived_its_object, outstanding_at_end):
        for candidate in evidence.found(find):
            assert candidate.life is not None
            leaked[candidate.life] = candidate.severity is None
    if len(leaked) < _ENOUGH:
        return
    by_site: dict[int, list[int]] = defaultdict(list)
    sites = _sites(evidence)
    for life in sorted(leaked):
        by_site[int(sites[life])].append(life)
    made = np.bincount(sites[evidence.lives_that("birth", "allocated")], minlength=int(sites.max()) + 1)
    for site, lives in by_site.items():
        if len(lives) >= _ENOUGH and len(lives) >= _NEARLY_ALL * made[site] and _rises(evidence, lives):
            meant = not any(leaked[life] for life in lives)
            yield _candidate(evidence, lives, int(made[site]), "note" if meant else None)


def _sites(evidence: Evidence) -> Ints:
    """Number where each life was allocated: call site (pool tag where it was not logged) and type."""
    ops, birth = evidence.ops, evidence.step("operation")[evidence.first_step[:-1]]
    place = np.where(ops.has("site")[birth], ops["site"][birth].astype(np.int64) * 2 + 1, 0)
    place = np.where(place == 0, ops["pool_tag"][birth].astype(np.int64) * 2, place)
    key = (place << 16) + evidence.context("context_type")
    numbers: Ints = np.unique(key, return_inverse=True)[1].astype(np.int64)
    return numbers


def _rises(evidence: Evidence, lives: list[int]) -> bool:
    """Tell whether contexts were made at a steady rate, for long by what others live."""
    born = np.sort(evidence.context("first")[lives])
    # The first and the last are the bounds of the time, whatever the rate.
    start, end = int(born[0]), int(born[-1])
    usual = _usual_life(evidence, int(evidence.context("context_type")[lives[0]]))
    if usual is None or end - start < _LIFETIMES * usual or end == start:
        return False
    quarters = np.histogram(born, bins=4, range=(start, end))[0]
    return bool((quarters >= _QUARTER * len(lives)).all())


def _usual_life(evidence: Evidence, kind: int) -> int | None:
    """Give the median life of the contexts that were freed: of one type, of all if none of it was."""
    freed = evidence.lives_that("end", "freed")
    same = freed[evidence.context("context_type")[freed] == kind]
    lives = same if len(same) else freed
    if not len(lives):
        return None
    return int(np.median(evidence.context("freed")[lives] - evidence.context("first")[lives]))


def _candidate(evidence: Evidence, lives: list[int], made: int, severity: str | None) -> Candidate:
    birth = evidence.step("operation")[evidence.first_step[lives]]
    first, site = int(birth[0]), evidence.names("site", int(birth[0]))
    time = evidence.ops["time"][birth]
    seconds = int(time.max() - time.min()) / 1e9
    message = (
        f"of {made:,} contexts that {evidence.names('routine', first)}{f' at {site}' if site else ''} made, "
        f"{len(lives):,} were never freed: their number grew steadily for {seconds:,.1f} s"
    )
    cause = (evidence.names("routine", first), evidence.names("function", first))
    kind = int(evidence.context("context_type")[lives[0]])
    return Candidate(
        None,
        tuple(birth[:_MOST].tolist()),
        message,
        evidence.never,
        cause,
        severity=severity,
        context_type=kind,
    )
