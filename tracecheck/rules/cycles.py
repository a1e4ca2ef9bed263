"""L20: contexts that keep each other alive."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from tracecheck.fltmgr import RELEASES, TYPE_NAMES, ContextType, Effect
from tracecheck.rules.accused import Leak, accused, answered, call
from tracecheck.rules.evidence import Evidence
from tracecheck.rules.registry import LEAKS, Candidate, rule


@rule("L20", "contexts that keep each other alive", sound=False, family=LEAKS)
def keep_each_other(evidence: Evidence) -> Iterator[Candidate]:
    """Find pairs of leaked contexts whose references were taken together to be kept, and never released.

    In which context a reference is kept is not logged. Two that one function takes one right after the other,
    that leaked both, and whose like nothing in the capture ever released, may each wait for the other.
    """
    stored = sorted(_stored(evidence), key=lambda one: one[0])
    told: set[int] = set()
    for (place, leak, op), (following, other, also) in pairwise(stored):
        together = following - place == 1 and evidence.ops["tid"][op] == evidence.ops["tid"][also]
        if not together or evidence.function[op] != evidence.function[also] or leak.life == other.life:
            continue
        if leak.life not in told and other.life not in told:
            told |= {leak.life, other.life}
            yield _candidate(evidence, (leak, op), (other, also))


def _stored(evidence: Evidence) -> Iterator[tuple[int, Leak, int]]:
    """Give the references that surely leaked and whose like is never released, by place in their thread."""
    ops, effect = evidence.ops, evidence.ops.effect()
    for leak in evidence.found(accused):
        kind = int(evidence.context("context_type")[leak.life])
        for op in leak.open.steps if leak.certain else ():
            site = (int(ops["routine"][op]), int(evidence.function[op]), kind)
            if effect[op] == Effect.REFERENCE and site not in evidence.found(_released)[0]:
                yield int(evidence.place_in_thread[op]), leak, op


def _released(evidence: Evidence) -> Iterator[set[tuple[int, ...]]]:
    """Give the routine, function and type of references that were released in lives that did not leak."""
    known = evidence.found(answered)[0]
    stored = evidence.ops.effect()[known.taken] == Effect.REFERENCE
    taken, kind = known.taken[stored], known.kind[stored]
    sites = np.stack([evidence.ops["routine"][taken], evidence.function[taken], kind], axis=1)
    yield set(map(tuple, np.unique(sites, axis=0).tolist()))


def _candidate(evidence: Evidence, one: tuple[Leak, int], other: tuple[Leak, int]) -> Candidate:
    (leak, op), (kept, also) = one, other
    whose = f"{_kind(evidence, kept.life)} context {int(evidence.context('pointer')[kept.life]):#x}"
    message = (
        f"{call(evidence, op)} took a reference to this context and {call(evidence, also)} one to {whose}, "
        "together: neither was ever released, each may wait for the other's cleanup"
    )
    cause = (evidence.names("routine", op), evidence.names("function", op))
    judged = max(leak.judged, kept.judged)
    doubts = tuple(dict.fromkeys((*leak.doubts, *kept.doubts)))
    return Candidate(leak.life, (op, also), message, judged, cause, doubts, RELEASES)


def _kind(evidence: Evidence, life: int) -> str:
    kind = int(evidence.context("context_type")[life])
    known = {int(t): name.lower() for t, name in TYPE_NAMES.items()}
    known[int(ContextType.STREAMHANDLE)] = "stream handle"
    return known.get(kind, f"{kind:#x}")
