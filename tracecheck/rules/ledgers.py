"""R14: a place that gives back more than it took, where the sum is right all the same."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tracecheck.fltmgr import RELEASES, acquires
from tracecheck.rules.evidence import Evidence
from tracecheck.rules.registry import Candidate, rule
from tracecheck.rules.rows import Ints, one

# A function whose every other life of this number is in balance does not hand references over.
_LEAST = 8


@rule("R14", "one place releases more than it took", severity="warning", sound=False)
def released_for_another(evidence: Evidence) -> Iterator[Candidate]:
    """Find functions that always give back what they took, but for one life to which they owe a release.

    Functions that take references over, as post-operation callbacks and workers do, are never in balance.
    """
    if evidence.coverage.lacks(acquires(0) | RELEASES) or not len(evidence.replay.contexts):
        return
    op, life = evidence.step("operation").astype(np.int64), evidence.step("context").astype(np.int64)
    delta = evidence.step("delta_owned").astype(np.int64)
    function = evidence.function[op]
    steps = np.flatnonzero((delta != 0) & (function != 0))
    steps = steps[np.argsort(function[steps].astype(np.uint32), kind="stable")]
    if not len(steps):
        return
    new = (np.diff(function[steps]) != 0) | (np.diff(life[steps]) != 0)
    starts = np.flatnonzero(np.append(True, new))
    balance = np.add.reduceat(delta[steps], starts)
    taken = np.add.reduceat((delta[steps] > 0).astype(np.int64), starts)
    of, whose = function[steps[starts]], life[steps[starts]]
    even = np.bincount(of, (balance == 0) & (taken > 0))
    other = np.bincount(of, balance != 0)
    odd = (balance < 0) & (other[of] == 1) & (even[of] >= _LEAST)
    ends = np.append(starts[1:], len(steps))
    for at in np.flatnonzero(odd & _is_whole(evidence)[whose]).tolist():
        part = op[steps[starts[at] : ends[at]]]
        releases = part[delta[steps[starts[at] : ends[at]]] < 0]
        each = int(whose[at])
        if evidence.gap_during(int(evidence.context("first")[each]), int(evidence.context("last")[each])):
            continue
        words = f"is one release more than {evidence.names('function', int(part[0]))} took references"
        # The last release of the function is the one that it did not owe.
        yield one(evidence, each, releases[::-1][:1], words)


def _is_whole(evidence: Evidence) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Tell which lives were seen from their birth to their free, with no fault and nothing assumed."""
    whole = np.zeros(len(evidence.replay.contexts), np.bool_)
    born, freed = evidence.lives_that("birth", "allocated"), evidence.lives_that("end", "freed")
    whole[np.intersect1d(born, freed)] = True
    whole[evidence.step("context")[evidence.step("fault") != 0]] = False
    replay = evidence.replay
    odd: Ints = np.array(
        sorted({*replay.assumed, *replay.uncertain, *replay.silent, *replay.contradictions, *replay.hidden}),
        np.int64,
    )
    whole[odd] = False
    return whole
