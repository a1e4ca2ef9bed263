"""E01, E04, E05, E06, R16: the end of contexts and of the filter, and what comes after it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tracecheck.fltmgr import RELEASES, Effect
from tracecheck.replay.engine import CLEANUP_REFERENCED, TOLERANCE
from tracecheck.replay.played import PATIENCE
from tracecheck.rules.evidence import Evidence
from tracecheck.rules.registry import Candidate, rule
from tracecheck.rules.rows import (
    Bools,
    Ints,
    born,
    born_as,
    by_life,
    one,
    own,
    placed,
    steps_having,
    type_name,
)

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
    effect = evidence.ops.effect()
    steps = steps_having(evidence, Effect.REFERENCE, Effect.SET)
    for each, part in by_life(*placed(evidence, own(evidence, steps[evidence.step("freed")[steps]]))):
        mine = evidence.step("operation")[evidence.first_step[each] : evidence.first_step[each + 1]]
        cleanups = np.sort(mine[effect[mine] == Effect.CLEANUP].astype(np.int64))
        inside = [row for row in part[:_LOOKED_AT].tolist() if _is_inside(evidence, cleanups, row)]
        if inside:
            yield one(evidence, each, np.array(inside), "was given a context in its own cleanup callback")


@rule("E01", "context operation after unregistering")
def used_after_unload(evidence: Evidence) -> Iterator[Candidate]:
    """Find calls on a filter's contexts that began after its FltUnregisterFilter or its unload had ended."""
    ops, ended = evidence.ops, _ends(evidence)
    if not len(ended) or not len(evidence.replay.contexts):
        return
    end_of = _end_of_lives(evidence, ended)
    outlived = (end_of >= 0) & (evidence.context("last") > ops["time"][end_of])
    if not outlived.any():
        return
    op, life = placed(evidence, np.flatnonzero(outlived[evidence.step("context")]))
    calls = (op > end_of[life]) & np.isin(ops.effect()[op], _CALLS)
    rows, lives = op[calls], life[calls]
    time, begun = ops["time"][rows], ops.has("begin")[rows]
    # Where its beginning was not logged, a call may have been made long before it was logged.
    slow = ~begun & ~np.isin(ops.effect()[rows], _BEFORE)
    begin = np.where(begun, np.minimum(ops["begin"][rows], time), time - np.where(slow, PATIENCE, 0))
    late = begin > ops["time"][end_of[lives]]
    for each, part in by_life(rows[late], lives[late]):
        end = int(end_of[each])
        near = int(ops["time"][part[0]] - ops["time"][end]) <= TOLERANCE
        words = f"was called after {evidence.names('routine', end)} of its filter had ended"
        yield one(evidence, each, part, words, doubts=(_NEAR,) if near else (), needs=_ALLOCATE)


@rule("E04", "number of cleanups is not the number of contexts")
def cleaned_up_otherwise(evidence: Evidence) -> Iterator[Candidate]:
    """Find lives that were cleaned up twice, and lives that were freed and never cleaned up."""
    coverage, ops = evidence.coverage, evidence.ops
    declared = coverage.declared and not coverage.profile and not coverage.lacks(_CLEANUP | _ALLOCATE)
    op, life = placed(evidence, steps_having(evidence, Effect.CLEANUP))
    begins = ops["phase"][op] != _END
    op, life = op[begins], life[begins]
    if not declared or not len(op):
        return
    times = np.bincount(life, minlength=len(evidence.replay.contexts))
    twice = times[life] > 1
    for each, part in by_life(op[twice], life[twice]):
        if not _gap(evidence, each, int(ops["time"][part[1]])):
            words = "ran although it had run for this context before"
            yield one(evidence, each, np.roll(part, -1), words, needs=_ALLOCATE | _CLEANUP)
    for each in np.flatnonzero(_never_cleaned(evidence, times)).tolist():
        if not _gap(evidence, each, _until(evidence, each)):
            last = int(evidence.step("operation")[evidence.first_step[each + 1] - 1])
            words = "gave back the last reference, and the context's cleanup callback did not run"
            yield one(evidence, each, np.array([last]), words, needs=_ALLOCATE | _CLEANUP | RELEASES)


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
    if evidence.coverage.profile:
        return
    op, life = placed(evidence, steps_having(evidence, Effect.CLEANUP))
    kind = born_as(evidence, life)
    odd = (kind != 0) & (ops["context_type"][op] != 0) & (kind != ops["context_type"][op])
    for each, part in by_life(op[odd], life[odd]):
        was, told_ = int(born_as(evidence, np.array([each]))[0]), int(ops["context_type"][part[0]])
        words = f"was told the type {type_name(told_)} of a context that was allocated as {type_name(was)}"
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
    rows = np.flatnonzero((effect == Effect.UNREGISTER) | (effect == Effect.UNLOAD))
    ends: Ints = rows[(evidence.ops["phase"][rows] == _END) & (evidence.ops["filter"][rows] != 0)]
    return ends


def _end_of_lives(evidence: Evidence, ended: Ints) -> Ints:
    """Find, for each life, the first end of its filter after its birth; -1 where there is none."""
    filters, code = np.unique(evidence.ops["filter"][ended], return_inverse=True)
    key = np.sort((code.astype(np.int64) << 32) + ended)
    mine = evidence.context("filter")
    of = np.minimum(np.searchsorted(filters, mine), len(filters) - 1)
    births = evidence.step("operation")[evidence.first_step[:-1]].astype(np.int64)
    at = np.searchsorted(key, (of << 32) + births)
    found = np.minimum(at, len(key) - 1)
    good = (filters[of] == mine) & (at < len(key)) & (key[found] >> 32 == of)
    return np.where(good & born(evidence), key[found] & 0xFFFFFFFF, -1)


def _never_cleaned(evidence: Evidence, times: Ints) -> Bools:
    """Find the lives of known birth that were freed by counts, of types that others are cleaned up of."""
    size = len(evidence.replay.contexts)
    freed = np.zeros(size, np.bool_)
    freed[evidence.lives_that("end", "freed")] = True
    freed[np.intersect1d(evidence.lives_that("end", "freed"), evidence.lives_that("birth", "allocated"))] = (
        True
    )
    freed &= born(evidence)
    faulty = np.zeros(size, np.bool_)
    faulty[evidence.step("context")[evidence.step("fault") != 0]] = True
    kind = evidence.context("context_type")
    usual = np.zeros(1 << 16, np.bool_)
    usual[kind[times > 0]] = True
    found: Bools = freed & ~faulty & usual[kind] & (times == 0)
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
