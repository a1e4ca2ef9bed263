"""X: section contexts, which are attached by FltCreateSectionForDataScan and by nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from tracecheck.fltmgr import ContextType, Effect
from tracecheck.fltmgr.status import (
    FAILURE_BIT,
    STATUS_FLT_CONTEXT_ALREADY_DEFINED,
    STATUS_INVALID_PARAMETER,
    STATUS_NOT_FOUND,
)
from tracecheck.rules.call_sites import Ints, call_sites, candidate, lives_at
from tracecheck.rules.evidence import Evidence
from tracecheck.rules.registry import OVER_RELEASES, Candidate, rule
from tracecheck.rules.releases import released_while_attached

_CREATE = "FltCreateSectionForDataScan"
_REGISTER = "FltRegisterForDataScan"
_CLOSED = "the close was not refused: the creation that it ends may not have been logged"
_SERVED = "the set was not refused: the context's type may be another than what was logged"
_UNDECLARED = f"nothing says that every call of {_REGISTER} is logged"
_OLDER = "the filter was registered before the capture, and so may the instance have been"


@rule("X01", "close of a section that was never created")
def closed_without_creation(evidence: Evidence) -> Iterator[Candidate]:
    """Find closes of section contexts with which no section was created."""
    yield from _bad_closes(
        evidence, STATUS_INVALID_PARAMETER, False, "although no section was created with it"
    )


@rule("X02", "section closed twice")
def closed_twice(evidence: Evidence) -> Iterator[Candidate]:
    """Find closes of sections that were closed before."""
    yield from _bad_closes(evidence, STATUS_NOT_FOUND, True, "although it was closed before")


@rule("X03", "section context released instead of closed", family=OVER_RELEASES)
def released_instead_of_closed(evidence: Evidence) -> Iterator[Candidate]:
    """Find releases of the reference that an open section holds: what R01 is for a section."""
    kind = evidence.context("context_type")
    for found in evidence.found(released_while_attached):
        if found.life is not None and kind[found.life] == ContextType.SECTION:
            yield replace(found, message=f"{found.message}: its section is open")


@rule("X05", "section created without registering for data scans")
def created_unregistered(evidence: Evidence) -> Iterator[Candidate]:
    """Find creations for instances whose volume was not registered for data scans since they were set up."""
    ops = evidence.ops
    rows = np.flatnonzero((ops.effect() == Effect.CREATE_SECTION) & (ops["instance"] != 0))
    if not len(rows):
        return
    registering = _of_routine(evidence, _REGISTER)
    declared = evidence.coverage.declared
    if not len(registering) and not declared:
        return
    gone = np.flatnonzero(ops.effect() == Effect.TEARDOWN_COMPLETE)
    since = _last(evidence, gone, rows)
    setup = _last(evidence, _of_routine(evidence, "InstanceSetup"), rows)
    done = _last(evidence, registering[ops.succeeded()[registering]], rows)
    rows = rows[(done <= since) & (setup > since)]
    named = evidence.coverage.routines is not None and _REGISTER in evidence.coverage.routines
    begun = _of_routine(evidence, "FltRegisterFilter")
    for site in call_sites(evidence, rows):
        first = int(site.rows[0])
        doubts: list[str] = []
        if not declared or not (named or len(registering)):
            doubts.append(_UNDECLARED)
        if not len(begun) or begun[0] > first:
            doubts.append(_OLDER)
        gap = evidence.gap_during(0, int(ops["time"][first]))
        doubts += [f"{gap}: the registration may be among them"] if gap else []
        words = f"was called for an instance without a successful {_REGISTER}"
        # Most likely the registration is what is missing from the log.
        severity = "note" if doubts else None
        needs = frozenset({_REGISTER})
        yield candidate(evidence, site, words, doubts=tuple(doubts), severity=severity, needs=needs)


@rule("X06", "second section on one stream", severity="warning")
def created_twice(evidence: Evidence) -> Iterator[Candidate]:
    """Find creations on streams that have a section; a note where every context of them was released."""
    ops = evidence.ops
    rows = np.flatnonzero(ops.effect() == Effect.CREATE_SECTION)
    rows = rows[ops.has("status")[rows] & (ops["status"][rows] == STATUS_FLT_CONTEXT_ALREADY_DEFINED)]
    if not len(rows):
        return
    held = np.zeros(len(evidence.replay.contexts) + 1, np.bool_)
    held[evidence.lives_that("end", "held")] = True
    kept = np.zeros(ops.size, np.bool_)
    kept[rows] = held[lives_at(evidence)[rows]]
    for site in call_sites(evidence, rows):
        site = site.only(kept)
        severity = None if kept[site.rows[0]] else "note"
        words = "was called for a stream that has a section already"
        yield candidate(evidence, site, words, severity=severity)


@rule("X07", "section context given to a set")
def section_set(evidence: Evidence) -> Iterator[Candidate]:
    """Find sets of section contexts, for which there is no such routine."""
    sections = evidence.context("context_type") == ContextType.SECTION
    if not sections.any():
        return
    ops = evidence.ops
    step = np.flatnonzero(sections[evidence.step("context")])
    rows = np.unique(evidence.step("operation")[step]).astype(np.int64)
    rows = rows[ops.effect()[rows] == Effect.SET]
    life = lives_at(evidence)[rows] if len(rows) else rows
    rows = rows[(life >= 0) & sections[life]]
    refused = np.zeros(ops.size, np.bool_)
    refused[rows] = ops.has("status")[rows] & (ops["status"][rows] & FAILURE_BIT != 0)
    # Where a profile tells the type, what is not known of the profile weakens it.
    needs = frozenset({"FltAllocateContext"} if evidence.coverage.profile else ())
    for site in call_sites(evidence, rows):
        site = site.only(refused)
        first = int(site.rows[0])
        doubts = [] if refused[first] else [_SERVED]
        begun = int(evidence.context("first")[lives_at(evidence)[first]])
        gap = evidence.gap_during(begun, int(ops["time"][first]))
        doubts += [f"{gap}: another context may have had this address meanwhile"] if gap else []
        yield candidate(evidence, site, "was given a section context", doubts=tuple(doubts), needs=needs)


def _bad_closes(evidence: Evidence, status: int, closed: bool, why: str) -> Iterator[Candidate]:
    """Find closes with a status, and those that were not refused but close nothing by the replay.

    Args:
        evidence: The tables.
        status: What the filter manager returns for such a close.
        closed: Whether the section was created once; or never.
        why: What is wrong, in words.
    """
    ops = evidence.ops
    closes = np.flatnonzero(ops.effect() == Effect.CLOSE_SECTION)
    if not len(closes):
        return
    refused = np.zeros(ops.size, np.bool_)
    refused[closes] = ops.has("status")[closes] & (ops["status"][closes] == status)
    idle = _closing_nothing(evidence, closes, closed)
    for site in call_sites(evidence, np.union1d(closes[refused[closes]], idle)):
        site = site.only(refused)
        certain = bool(refused[site.rows[0]])
        yield candidate(
            evidence,
            site,
            f"closed a section context {why}",
            doubts=() if certain else (_CLOSED,),
            # The filter manager closed something: by that the log is incomplete, whatever the driver did.
            severity=None if certain else "note",
            needs=frozenset() if certain else frozenset({_CREATE}),
        )


def _closing_nothing(evidence: Evidence, closes: Ints, closed: bool) -> Ints:
    """Find the closes that were not refused and came when no section of the life was open."""
    ops = evidence.ops
    closing = np.zeros(ops.size, np.bool_)
    closing[closes[ops.succeeded()[closes]]] = True
    op, life = evidence.step("operation"), evidence.step("context")
    known = np.zeros(len(evidence.replay.contexts), np.bool_)
    known[evidence.lives_that("birth", "allocated")] = True
    idle = np.flatnonzero(closing[op] & (evidence.step("delta_link") == 0) & ~evidence.step("freed"))
    idle = idle[known[life[idle]]]
    if not len(idle):
        return np.zeros(0, np.int64)
    creating = (ops.effect()[op] == Effect.CREATE_SECTION) & ops.succeeded()[op]
    before = np.append(0, np.cumsum(creating))
    created = before[idle] > before[evidence.first_step[life[idle]]]
    return np.unique(op[idle[created == closed]]).astype(np.int64)


def _of_routine(evidence: Evidence, name: str) -> Ints:
    routines = evidence.ops.routines()
    if name not in routines:
        return np.zeros(0, np.int64)
    return np.flatnonzero(evidence.ops["routine"] == routines.index(name))


def _last(evidence: Evidence, rows: Ints, calls: Ints) -> NDArray[np.int64]:
    """Find the last of some operations on the instance of each call before it; -1 where there is none."""
    instance = evidence.ops["instance"]
    both = np.concatenate([rows, calls])
    _, number = np.unique(instance[both], return_inverse=True)
    size = evidence.ops.size
    keys = number.reshape(-1) * np.int64(size) + both
    of_rows, of_calls = keys[: len(rows)], keys[len(rows) :]
    order = np.argsort(of_rows)
    at = np.searchsorted(of_rows[order], of_calls) - 1
    found = np.append(rows[order], -1)[at]
    same = (at >= 0) & (np.append(of_rows[order], 0)[at] // size == of_calls // size)
    return np.where(same, found, -1)
