"""E01, E04, E05, E06, R16: the end of contexts and of the filter, and what comes after it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tracecheck.fltmgr import RELEASES, TYPE_NAMES, ContextType, Effect
from tracecheck.replay.engine import CLEANUP_REFERENCED, TOLERANCE
from tracecheck.replay.played import PATIENCE
from tracecheck.rules.evidence import Evidence
from tracecheck.rules.registry import Candidate, rule
from tracecheck.rules.rows import Bools, Ints, born_as, by_life, one

_ALLOCATE = frozenset({"FltAllocateContext"})
_CLEANUP = frozenset({"ContextCleanup"})
_BEGIN, _END = 1, 2
_LOOKED_AT = 100
_HOLE = "references may have been given back by calls that were not logged: no bug is proved"
_NEAR = "it was logged so near to the end of the unload that the clocks of two processors may explain it"
_BEFORE = (Effect.RELEASE, Effect.RELEASE_MANY, Effect.DELETE, Effect.USE)
_CALLS = (
    *_BEFORE,
    Effect.SET,
    Effect.GET,
    Effect.GET_MANY,
    Effect.REFERENCE,
    Effect.DELETE_BY_OBJECT,
    Effect.CREATE_SECTION,
    Effect.CLOSE_SECTION,
)


@rule("R16", "cleanup callback brings its own context back")
def brought_back(evidence: Evidence) -> Iterator[Candidate]:
    """Find FltReferenceContext and sets of a context in its own cleanup callback."""
    ops, effect = evidence.ops, evidence.ops.effect()
    op, life = evidence.step("operation").astype(np.int64), evidence.step("context").astype(np.int64)
    steps = np.flatnonzero(evidence.step("freed"))
    steps = steps[np.isin(effect[op[steps]], (Effect.REFERENCE, Effect.SET))]
    steps = steps[ops["context"][op[steps]] == evidence.context("pointer")[life[steps]]]
    for each, part in by_life(op[steps], life[steps]):
        mine = evidence.step("operation")[evidence.first_step[each] : evidence.first_step[each + 1]]
        cleanups = mine[effect[mine] == Effect.CLEANUP].astype(np.int64)
        inside = [row for row in part[:_LOOKED_AT].tolist() if _is_inside(evidence, cleanups, row)]
        if inside:
            yield one(evidence, each, np.array(inside), "was given a context in its own cleanup callback")


@rule("E01", "context operation after unregistering")
def used_after_unload(evidence: Evidence) -> Iterator[Candidate]:
    """Find calls on a filter's contexts that began after its FltUnregisterFilter or its unload had ended."""
    ended = _ends(evidence)
    if not len(ended) or not len(evidence.replay.contexts):
        return
    ops = evidence.ops
    end_of = _end_of_lives(evidence, ended)
    op, life = evidence.step("operation").astype(np.int64), evidence.step("context").astype(np.int64)
    steps = np.flatnonzero((end_of[life] >= 0) & (op > end_of[life]))
    steps = steps[np.isin(ops.effect()[op[steps]], _CALLS)]
    rows = op[steps]
    begin = np.where(
        ops.has("begin")[rows], np.minimum(ops["begin"][rows], ops["time"][rows]), ops["time"][rows]
    )
    # Where its beginning was not logged, a call may have been made long before it was logged.
    slow = ~ops.has("begin")[rows] & ~np.isin(ops.effect()[rows], _BEFORE)
    late = begin - np.where(slow, PATIENCE, 0) > ops["time"][end_of[life[steps]]]
    for each, part in by_life(rows[late], life[steps][late]):
        end = int(end_of[each])
        near = int(ops["time"][part[0]] - ops["time"][end]) <= TOLERANCE
        words = f"was called after {evidence.names('routine', end)} of its filter had ended"
        yield one(evidence, each, part, words, doubts=(_NEAR,) if near else (), needs=_ALLOCATE)


@rule("E04", "number of cleanups is not the number of contexts")
def cleaned_up_otherwise(evidence: Evidence) -> Iterator[Candidate]:
    """Find lives that were cleaned up twice, and lives that were freed and never cleaned up."""
    coverage, ops = evidence.coverage, evidence.ops
    declared = coverage.declared and not coverage.profile and not coverage.lacks(_CLEANUP | _ALLOCATE)
    op, life = evidence.step("operation").astype(np.int64), evidence.step("context").astype(np.int64)
    begins = (ops.effect() == Effect.CLEANUP) & (ops["phase"] != _END)
    steps = np.flatnonzero(begins[op])
    if not declared or not len(steps):
        return
    times = np.bincount(life[steps], minlength=len(evidence.replay.contexts))
    twice = steps[times[life[steps]] > 1]
    for each, part in by_life(op[twice], life[twice]):
        if not _gap(evidence, each, int(ops["time"][part[1]])):
            rows = np.append(part[1:], part[0])
            words = "ran although it had run for this context before"
            yield one(evidence, each, rows, words, needs=_ALLOCATE | _CLEANUP)
    for each in np.flatnonzero(_never_cleaned(evidence, times)).tolist():
        last = evidence.first_step[each + 1] - 1
        until = _until(evidence, each)
        if not _gap(evidence, each, until):
            words = "gave back the last reference, and the context's cleanup callback did not run"
            needs = _ALLOCATE | _CLEANUP | RELEASES
            yield one(evidence, each, op[last : last + 1], words, needs=needs)


@rule("E05", "cleanup while references are owned")
def cleaned_up_owned(evidence: Evidence) -> Iterator[Candidate]:
    """Note what M04 tells of such lives; where releases are known to be missing it says nothing."""
    if evidence.coverage.lacks(RELEASES):
        return
    for life, (op, what) in sorted(evidence.replay.contradictions.items()):
        if what == CLEANUP_REFERENCED:
            words = "ran while references to the context were owned by what was logged"
            yield one(evidence, life, np.array([op]), words, doubts=(_HOLE,), severity="note")


@rule("E06", "cleanup with another type than the allocation's")
def cleaned_up_as_another(evidence: Evidence) -> Iterator[Candidate]:
    """Find cleanups whose context type is not that of the allocation; for profiles M05 tells."""
    ops = evidence.ops
    if evidence.coverage.profile or not len(evidence.replay.contexts):
        return
    op, life = evidence.step("operation").astype(np.int64), evidence.step("context").astype(np.int64)
    cleanups = (ops.effect() == Effect.CLEANUP) & (ops["context_type"] != 0)
    steps = np.flatnonzero(cleanups[op])
    born = born_as(evidence, life[steps])
    odd = (born != 0) & (born != ops["context_type"][op[steps]])
    for each, part in by_life(op[steps[odd]], life[steps[odd]]):
        was, is_ = int(born_as(evidence, np.array([each]))[0]), int(ops["context_type"][part[0]])
        words = f"was told the type {_name(is_)} of a context that was allocated as {_name(was)}"
        yield one(evidence, each, part, words, needs=_ALLOCATE)


def _is_inside(evidence: Evidence, cleanups: Ints, row: int) -> bool:
    """Tell whether an operation lies between begin and end of a life's cleanup, in the same thread."""
    ops = evidence.ops
    same = cleanups[ops.thread()[cleanups] == ops.thread()[row]]
    at = int(np.searchsorted(same, row)) - 1
    if at < 0 or not ops.has("phase")[same[at]] or ops["phase"][same[at]] != _BEGIN:
        return False
    # A callback whose end was lost did not last until now.
    return not evidence.gap_during(int(ops["time"][same[at]]), int(ops["time"][row])) and at + 1 < len(same)


def _ends(evidence: Evidence) -> Ints:
    """Find the rows that tell that a filter was unregistered or unloaded."""
    effect = evidence.ops.effect()
    ends = ((effect == Effect.UNREGISTER) | (effect == Effect.UNLOAD)) & (evidence.ops["phase"] == _END)
    return np.flatnonzero(ends & (evidence.ops["filter"] != 0))


def _end_of_lives(evidence: Evidence, ended: Ints) -> Ints:
    """Find, for each life, the first end of its filter after its birth; -1 where there is none."""
    filters, code = np.unique(evidence.ops["filter"][ended], return_inverse=True)
    key = np.sort((code.astype(np.int64) << 32) + ended)
    mine = evidence.context("filter")
    of = np.minimum(np.searchsorted(filters, mine), len(filters) - 1)
    born = evidence.step("operation")[evidence.first_step[:-1]].astype(np.int64)
    at = np.searchsorted(key, (of << 32) + born)
    found = np.minimum(at, len(key) - 1)
    good = (filters[of] == mine) & (at < len(key)) & (key[found] >> 32 == of)
    good[evidence.lives_that("birth", "unknown")] = False
    return np.where(good, key[found] & 0xFFFFFFFF, -1)


def _never_cleaned(evidence: Evidence, times: Ints) -> Bools:
    """Find the lives of known birth that were freed by counts, of types that others are cleaned up of."""
    size = len(evidence.replay.contexts)
    freed = np.zeros(size, np.bool_)
    freed[np.intersect1d(evidence.lives_that("end", "freed"), evidence.lives_that("birth", "allocated"))] = (
        True
    )
    faulty = np.zeros(size, np.bool_)
    faulty[evidence.step("context")[evidence.step("fault") != 0]] = True
    kind = evidence.context("context_type")
    usual = np.isin(kind, np.unique(kind[times > 0]))
    found: Bools = freed & ~faulty & usual & (times == 0)
    found &= (evidence.context("owned") == 0) & (evidence.context("link") == 0)
    # A work item that cleans up may come a little later.
    found &= evidence.context("last") + PATIENCE < evidence.end
    return found


def _until(evidence: Evidence, life: int) -> int:
    """Tell until when a freed life's cleanup would have been logged: until its pointer was used again."""
    pointer = evidence.context("pointer")
    if life + 1 < len(pointer) and pointer[life + 1] == pointer[life]:
        return int(evidence.context("first")[life + 1])
    return evidence.never


def _gap(evidence: Evidence, life: int, until: int) -> str:
    return evidence.gap_during(int(evidence.context("first")[life]), until)


def _name(kind: int) -> str:
    return TYPE_NAMES[ContextType(kind)].lower() if kind in list(TYPE_NAMES) else hex(kind)
