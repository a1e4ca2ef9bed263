"""R14: a place that gives back more than it took, where the sum is right all the same."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from tracecheck.fltmgr import RELEASES, acquires
from tracecheck.rules.evidence import Evidence
from tracecheck.rules.registry import Candidate, rule
from tracecheck.rules.rows import Bools, Ints, born, one, placed

# A function that answered so many acquires of its own, and all of them, does not hand references over.
_LEAST = 8


@rule("R14", "one place releases more than it took", severity="warning", sound=False)
def released_for_another(evidence: Evidence) -> Iterator[Candidate]:
    """Find functions that always give back what they took, but for one life to which they owe a release.

    Functions that take references over, as post-operation callbacks and workers do, are never in balance.
    """
    if evidence.coverage.lacks(acquires(0) | RELEASES) or not len(evidence.replay.contexts):
        return
    op, life, delta = _by_function(evidence)
    if not len(op):
        return
    function = evidence.function[op]
    new = (function[1:] != function[:-1]) | (life[1:] != life[:-1])
    starts = np.flatnonzero(np.append(True, new))
    balance = np.add.reduceat(delta, starts, dtype=np.int64)
    taken = np.add.reduceat((delta > 0).view(np.int8), starts, dtype=np.int64)
    of, whose = function[starts], life[starts]
    even = np.bincount(of, np.where(balance == 0, taken, 0))
    other = np.bincount(of, balance != 0)
    odd = (balance < 0) & (other[of] == 1) & (even[of] >= _LEAST)
    ends = np.append(starts[1:], len(op))
    for at in np.flatnonzero(odd & _is_whole(evidence)[whose]).tolist():
        part, each = slice(int(starts[at]), int(ends[at])), int(whose[at])
        releases = op[part][delta[part] < 0]
        if evidence.gap_during(int(evidence.context("first")[each]), int(evidence.context("last")[each])):
            continue
        words = f"is one release more than {evidence.names('function', int(releases[0]))} took references"
        # The last release of the function is the one that it did not owe.
        yield one(evidence, each, releases[::-1][:1], words)


def _by_function(evidence: Evidence) -> tuple[Ints, Ints, NDArray[np.int8]]:
    """Give the operations that took or gave back references, sorted by function and then by life."""
    steps = np.flatnonzero(evidence.step("delta_owned"))
    function = evidence.function[evidence.step("operation")[steps]]
    # Few functions fit 16 bits, which numpy sorts several times as fast.
    small = function.astype(np.uint16) if function.max(initial=0) < 1 << 16 else function
    order = np.argsort(small, kind="stable")
    steps = steps[order[np.count_nonzero(function == 0) :]]
    op, life = placed(evidence, steps)
    return op, life, evidence.step("delta_owned")[steps]


def _is_whole(evidence: Evidence) -> Bools:
    """Tell which lives were seen from their birth to their free, with no fault and nothing assumed."""
    whole = np.zeros(len(evidence.replay.contexts), np.bool_)
    whole[evidence.lives_that("end", "freed")] = True
    whole &= born(evidence)
    whole[evidence.step("context")[evidence.step("fault") != 0]] = False
    replay = evidence.replay
    odd: Ints = np.array(
        sorted({*replay.assumed, *replay.uncertain, *replay.silent, *replay.contradictions, *replay.hidden}),
        np.int64,
    )
    whole[odd] = False
    return whole
