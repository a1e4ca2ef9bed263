"""Q: contexts at an IRQL that is too high for them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from tracecheck.fltmgr import Effect
from tracecheck.fltmgr.limits import (
    APC_LEVEL,
    DATA_PATH,
    DISPATCH_LEVEL,
    DRAINING,
    HIGHEST_IRQL,
    IRQL_LIMITS,
    PAGED_POOL,
    POST,
)
from tracecheck.rules.call_sites import CallSite, Ints, call_sites, candidate, lives_at, logged, pool_of
from tracecheck.rules.evidence import Evidence
from tracecheck.rules.registry import Candidate, rule

_RELEASES = (Effect.RELEASE, Effect.RELEASE_MANY)
_LOOKUPS = (
    Effect.ALLOCATE,
    Effect.GET,
    Effect.GET_MANY,
    Effect.SET,
    Effect.DELETE,
    Effect.DELETE_BY_OBJECT,
)
_NOT_LOGGED = "the IRQL was not logged: the operation may have been synchronised, or completed at a low one"


@rule("Q01", "release of a paged context at DISPATCH_LEVEL")
def paged_released_at_dispatch(evidence: Evidence) -> Iterator[Candidate]:
    """Find releases of contexts from paged pool where no page fault can be served."""
    rows = _of(evidence, _raised(evidence), _RELEASES)
    paged = rows[_is_paged(evidence, rows)]
    for site in call_sites(evidence, paged):
        words = f"released {{kind}} from paged pool at {_level(evidence, site)}"
        yield candidate(evidence, site, words, doubts=_of_another_life(evidence, site))


@rule("Q02", "get, set, delete or allocate above APC_LEVEL")
def called_too_high(evidence: Evidence) -> Iterator[Candidate]:
    """Find routines for APC_LEVEL and below that were called above it."""
    yield from _above(evidence, APC_LEVEL, "APC_LEVEL")


@rule("Q03", "reference above DISPATCH_LEVEL")
def referenced_too_high(evidence: Evidence) -> Iterator[Candidate]:
    """Find FltReferenceContext above the highest IRQL at which it may be called."""
    rows = _above_limit(evidence, DISPATCH_LEVEL)
    yield from _called_at(evidence, _of(evidence, rows, (Effect.REFERENCE,)), "DISPATCH_LEVEL")


@rule(
    "Q04", "get, set or delete in a post-operation callback that is not safe", severity="warning", sound=False
)
def called_after_io(evidence: Evidence) -> Iterator[Candidate]:
    """Find look-ups after reads and writes whose IRQL was not logged.

    It is a warning where the capture shows that the place may run at DISPATCH_LEVEL: an idle thread ran it,
    or the same function was logged at that IRQL. Where nothing shows it, it is a note: drivers synchronise.
    """
    ops = evidence.ops
    rows = logged(evidence, "major", lambda major: np.isin(major, DATA_PATH))
    rows = rows[np.isin(ops["phase"][rows], (POST, DRAINING)) & ~ops.has("irql")[rows]]
    rows = _of(evidence, rows, _LOOKUPS)
    if not len(rows):
        return
    high = np.unique(evidence.function[_raised(evidence)])
    seen = np.zeros(ops.size, np.bool_)
    function = evidence.function[rows]
    seen[rows] = (ops["tid"][rows] == 0) | ((function != 0) & np.isin(function, high))
    for site in call_sites(evidence, rows):
        shown = seen[site.rows].any()
        words = "was called in the callback after a read or write"
        if shown:
            words += ", where the capture shows DISPATCH_LEVEL"
        site = site.only(seen)
        severity = None if shown else "note"
        yield candidate(evidence, site, words, doubts=(_NOT_LOGGED,), severity=severity)


@rule("Q05", "memory of a paged context touched at DISPATCH_LEVEL", sound=False)
def paged_touched_at_dispatch(evidence: Evidence) -> Iterator[Candidate]:
    """Find uses of the memory of contexts from paged pool where no page fault can be served."""
    rows = _of(evidence, _raised(evidence), (Effect.USE,))
    for site in call_sites(evidence, rows[_is_paged(evidence, rows)]):
        words = f"touched {{kind}} from paged pool at {_level(evidence, site)}"
        yield candidate(evidence, site, words, doubts=_of_another_life(evidence, site))


@rule("Q06", "last release at DISPATCH_LEVEL", severity="note", sound=False)
def freed_at_dispatch(evidence: Evidence) -> Iterator[Candidate]:
    """Find releases that freed a context at an IRQL at which its cleanup is put off."""
    raised = np.zeros(evidence.ops.size, np.bool_)
    raised[_of(evidence, _raised(evidence), _RELEASES)] = True
    if not raised.any():
        return
    step = np.flatnonzero(raised[evidence.step("operation")])
    last = (evidence.step("owned")[step] == 0) & (evidence.step("link")[step] == 0)
    last &= (evidence.step("delta_owned")[step] < 0) & ~evidence.step("freed")[step]
    step = step[last]
    known = np.zeros(len(evidence.replay.contexts), np.bool_)
    known[evidence.lives_that("birth", "allocated")] = True
    step = step[known[evidence.step("context")[step]]]
    rows = np.unique(evidence.step("operation")[step]).astype(np.int64)
    for site in call_sites(evidence, rows):
        words = f"released {{kind}} for the last time at {_level(evidence, site)}: its cleanup comes later"
        yield candidate(evidence, site, words)


def _above(evidence: Evidence, limit: int, name: str) -> Iterator[Candidate]:
    """Find the calls of all routines with a limit that were made above it."""
    yield from _called_at(evidence, _above_limit(evidence, limit), name)


def _above_limit(evidence: Evidence, limit: int) -> Ints:
    """Find calls above the IRQL limit that their routine has, of the routines that have this one."""
    rows = _raised(evidence)
    has = np.array([IRQL_LIMITS.get(name) == limit for name in evidence.ops.routines()] + [False])
    found: Ints = rows[has[evidence.ops["routine"][rows]] & (evidence.ops["irql"][rows] > limit)]
    return found


def _called_at(evidence: Evidence, rows: Ints, limit: str) -> Iterator[Candidate]:
    for site in call_sites(evidence, rows):
        words = f"was called at {_level(evidence, site)}: {limit} is the highest that is allowed"
        yield candidate(evidence, site, words)


def _raised(evidence: Evidence) -> Ints:
    """Find the operations that were logged at DISPATCH_LEVEL or above."""

    def make() -> NDArray[np.int64]:
        return logged(evidence, "irql", lambda irql: (irql >= DISPATCH_LEVEL) & (irql <= HIGHEST_IRQL))

    return evidence.ops.once("rows at a raised IRQL", make)


def _of(evidence: Evidence, rows: Ints, effects: tuple[Effect, ...]) -> Ints:
    found: Ints = rows[np.isin(evidence.ops.effect()[rows], effects)]
    return found


def _is_paged(evidence: Evidence, rows: Ints) -> NDArray[np.bool_]:
    pool = pool_of(evidence, rows)
    paged: NDArray[np.bool_] = (pool >= 0) & (pool & PAGED_POOL != 0)
    return paged


def _level(evidence: Evidence, site: CallSite) -> str:
    """Name the IRQL of a site's first call."""
    irql = int(evidence.ops["irql"][site.rows[0]])
    return "DISPATCH_LEVEL" if irql == DISPATCH_LEVEL else f"IRQL {irql}"


def _of_another_life(evidence: Evidence, site: CallSite) -> tuple[str, ...]:
    """Say what is missing between the allocation that tells the pool and the call."""
    first = site.rows[0]
    life = int(lives_at(evidence)[first])
    gap = evidence.gap_during(int(evidence.context("first")[life]), int(evidence.ops["time"][first]))
    return (f"{gap}: another context may have had this address meanwhile",) if gap else ()
