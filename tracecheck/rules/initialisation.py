"""A08: contexts that others can get before they are initialised."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from tracecheck.fltmgr import Effect
from tracecheck.rules.call_sites import Ints, call_sites, candidate
from tracecheck.rules.evidence import Evidence
from tracecheck.rules.registry import Candidate, rule

# A place is one of initialisation if it touches contexts before their first set in so many lives, and in so
# many times as many as those in which it comes after.
_LEAST = 5
_TIMES = 5


@rule("A08", "context attached before it is initialised", severity="warning", sound=False)
def attached_raw(evidence: Evidence) -> Iterator[Candidate]:
    """Find contexts that a place which initialises contexts touched only after they had been set.

    What initialises a context is not logged as such. It is taken to be a ContextUse that in the other lives
    of the capture is the first one and comes before the first set.
    """
    ops = evidence.ops
    if not (ops.effect() == Effect.USE).any():
        return
    op = evidence.step("operation")
    uses, sets = ops.effect()[op] == Effect.USE, evidence.step("delta_link") > 0
    sets &= ops.effect()[op] == Effect.SET
    use, set_ = _first(evidence, uses), _first(evidence, sets)
    lives = np.flatnonzero((use < len(op)) & (set_ < len(op)))
    lives = lives[np.isin(lives, evidence.lives_that("birth", "allocated"))]
    use, set_ = use[lives], set_[lives]
    site = np.where(ops.has("site")[op[use]], ops["site"][op[use]].astype(np.int64) + 1, 0)
    early = use < set_
    before = np.bincount(site[early], minlength=int(site.max(initial=0)) + 1)
    after = np.bincount(site[~early], minlength=len(before))
    initialises = (before >= _LEAST) & (before >= _TIMES * after)
    initialises[0] = False
    thread = ops.thread()
    late = ~early & initialises[site] & (thread[op[use]] == thread[op[set_]])
    rows: Ints = op[use[late]].astype(np.int64)
    for one in call_sites(evidence, rows):
        words = "touched {kind} after it had been set; in other lives it does so before"
        yield candidate(evidence, one, words)


def _first(evidence: Evidence, marked: NDArray[np.bool_]) -> Ints:
    """Give the first marked step of each life; the number of all steps where there is none."""
    size = len(marked)
    rows = np.append(np.where(marked, np.arange(size), size), size)
    starts = evidence.first_step[:-1]
    found: Ints = np.minimum.reduceat(rows, starts) if len(starts) else np.zeros(0, np.int64)
    return found
