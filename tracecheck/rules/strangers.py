"""R07, R08, R10, R13: calls that were given what is not the driver's to give: NULL, no context, another's."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tracecheck.fltmgr import RELEASES, Effect, acquires
from tracecheck.replay.played import PATIENCE
from tracecheck.rules.evidence import Evidence
from tracecheck.rules.registry import Candidate, rule
from tracecheck.rules.rows import MOST, Ints, born, born_as, by_life, by_site, having, null, one, placed, told

_ALLOCATE = frozenset({"FltAllocateContext"})
_CLEANUP = frozenset({"ContextCleanup"})
_FREE = "ExFreePoolWithTag"
_NAMING = (Effect.ALLOCATE, Effect.GET, Effect.GET_MANY, Effect.SET, Effect.DELETE_BY_OBJECT)
_NO_SIZE = 1


def null_releases(evidence: Evidence) -> Ints:
    """Find the releases of a context that was logged as 0."""
    return null(evidence, having(evidence, Effect.RELEASE))


@rule("R07", "release of a pointer that is no context")
def released_a_stranger(evidence: Evidence) -> Iterator[Candidate]:
    """Find releases of a pointer that nothing named, in captures that saw all from the filter's start."""
    unknown = evidence.lives_that("birth", "unknown")
    if not len(unknown) or not _saw_the_start(evidence, unknown):
        return
    needs = acquires(0) | RELEASES
    operations, pointer = evidence.step("operation"), evidence.context("pointer")
    rows = operations[evidence.first_step[unknown]].astype(np.int64)
    known = np.unique(evidence.function[operations[_of_the_born(evidence)]])
    for row, life in zip(rows.tolist(), unknown.tolist(), strict=True):
        if evidence.ops.effect()[row] not in (Effect.RELEASE, Effect.RELEASE_MANY):
            continue
        if pointer[life] in pointer[life + 1 : life + 2] and _follows(evidence, life):
            continue
        # What only some other driver calls may be its own, from before the capture.
        function = evidence.function[row]
        of_ours = function and function in known
        doubts: tuple[str, ...] = () if of_ours else ("the function works on no other context",)
        words = "released a pointer that the filter manager never handed out"
        doubts += told(evidence, row)
        yield one(evidence, life, np.array([row]), words, doubts=doubts, needs=needs)


@rule("R08", "release of NULL")
def released_null(evidence: Evidence) -> Iterator[Candidate]:
    """Find FltReleaseContext, FltReferenceContext and FltDeleteContext of a context logged as 0."""
    rows = null(evidence, having(evidence, Effect.RELEASE, Effect.REFERENCE, Effect.DELETE))
    for group in by_site(evidence, rows):
        yield one(evidence, -1, group, "was given NULL", doubts=told(evidence, int(group[0])))


@rule("R10", "driver frees a context's memory itself")
def freed_by_hand(evidence: Evidence) -> Iterator[Candidate]:
    """Find frees of pool at the address of a live context, or inside it."""
    ops = evidence.ops
    names = ops.routines()
    if _FREE not in names or not len(evidence.replay.contexts):
        return
    rows = np.flatnonzero((ops["routine"] == names.index(_FREE)) & (ops["context"] != 0))
    cleans = bool(len(having(evidence, Effect.CLEANUP)))
    for life, part in by_life(rows, _around(evidence, rows)):
        live = [row for row in part[:MOST].tolist() if _is_live(evidence, life, row, cleans)]
        if live:
            words = "freed the memory of a context that is still alive"
            yield one(evidence, life, np.array(live), words, needs=_ALLOCATE | _CLEANUP)


@rule("R13", "context of another filter")
def crossed_filters(evidence: Evidence) -> Iterator[Candidate]:
    """Find operations that name a filter and a context which another filter allocated."""
    ops, known = evidence.ops, np.flatnonzero(born(evidence))
    named = ops["filter"][ops["filter"] != 0]
    if not len(known) or not (named != named[:1]).any():
        return
    owner = np.zeros(len(evidence.replay.contexts), np.uint64)
    owner[known] = ops["filter"][evidence.step("operation")[evidence.first_step[known]]]
    op, life = placed(evidence, np.flatnonzero(ops["filter"][evidence.step("operation")]))
    odd = (ops["filter"][op] != owner[life]) & (owner[life] != 0)
    for each, part in by_life(op[odd], life[odd]):
        words = f"by another filter than the one that allocated it ({int(owner[each]):#x})"
        yield one(evidence, each, part, words, needs=_ALLOCATE, doubts=told(evidence, int(part[0])))


def _saw_the_start(evidence: Evidence, unknown: Ints) -> bool:
    """Tell whether the capture shows every filter's registration, lost nothing and knows all contexts."""
    ops, effect = evidence.ops, evidence.ops.effect()
    names = ops.routines()
    if len(evidence.losses) or "FltRegisterFilter" not in names:
        return False
    if evidence.coverage.lacks(acquires(0) | RELEASES):
        return False
    rows = np.flatnonzero(ops["routine"] == names.index("FltRegisterFilter"))
    naming = np.isin(effect, _NAMING)
    if not len(rows) or np.flatnonzero(naming)[:1].tolist() < rows[:1].tolist():
        return False
    if np.setdiff1d(np.unique(ops["filter"][naming]), np.append(ops["filter"][rows], 0)).size:
        return False
    # A context that was got and not allocated is older than the capture; so may be any other then.
    op, life = evidence.step("operation"), evidence.step("context")
    older = np.isin(life, unknown) & naming[op]
    return not older.any()


def _of_the_born(evidence: Evidence) -> Ints:
    """Give the steps of lives of known birth."""
    return np.flatnonzero(born(evidence)[evidence.step("context")])


def _follows(evidence: Evidence, life: int) -> bool:
    """Tell whether an allocation of the pointer was logged so soon after that it may have come before."""
    return int(evidence.context("first")[life + 1] - evidence.context("last")[life]) <= PATIENCE


def _around(evidence: Evidence, rows: Ints) -> Ints:
    """Find the life in whose memory each freed address lies, the last that began before; -1 for none."""
    pointer = evidence.context("pointer")
    births = evidence.step("operation")[evidence.first_step[:-1]].astype(np.int64)
    address = evidence.ops["context"][rows]
    distinct, first = np.unique(pointer, return_index=True)
    base = np.searchsorted(distinct, address, "right") - 1
    # Lives of one pointer follow each other: the pointer's place and the birth sort as the table does.
    key = (np.repeat(np.arange(len(distinct)), np.diff(np.append(first, len(pointer)))) << 32) + births
    at = np.searchsorted(key, (base << 32) + rows) - 1
    good = (base >= 0) & (at >= 0)
    good[good] = pointer[at[good]] == distinct[base[good]]
    size = np.where(
        born_as(evidence, np.maximum(at, 0)) != 0, evidence.ops["size"][births[np.maximum(at, 0)]], 0
    )
    inside = address - pointer[np.maximum(at, 0)] < np.maximum(size, _NO_SIZE)
    return np.where(good & inside, at, -1)


def _is_live(evidence: Evidence, life: int, row: int, cleans: bool) -> bool:
    """Tell whether a context was alive at an operation: it is referenced, or worked on later."""
    steps = slice(int(evidence.first_step[life]), int(evidence.first_step[life + 1]))
    op = evidence.step("operation")[steps]
    before = np.flatnonzero(op < row)
    if not len(before):
        return False
    at = steps.start + int(before[-1])
    owned, link = int(evidence.step("owned")[at]), int(evidence.step("link")[at])
    if not owned and not link:
        return False
    # That only an object holds it is believed where its cleanup would have been seen.
    return owned > 0 or bool((op > row).any()) or cleans
