"""P: contexts of files where the filter manager supports none."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from tracecheck.fltmgr import Effect
from tracecheck.fltmgr.limits import (
    DRAINING,
    IRP_MJ_CLOSE,
    IRP_MJ_CREATE,
    IRP_MJ_NETWORK_QUERY_OPEN,
    OF_OPEN_FILES,
    POST,
    PRE,
)
from tracecheck.fltmgr.status import (
    FAILURE_BIT,
    STATUS_FLT_CONTEXT_ALREADY_DEFINED,
    STATUS_NOT_FOUND,
)
from tracecheck.rules.call_sites import Ints, call_sites, candidate, logged
from tracecheck.rules.evidence import Evidence
from tracecheck.rules.registry import Candidate, rule

_BY_OBJECT = (Effect.GET, Effect.SET, Effect.DELETE_BY_OBJECT)
#: What a call returns only if it got as far as the list of contexts, which an unopened file object lacks.
_LOOKED_UP = (STATUS_NOT_FOUND, STATUS_FLT_CONTEXT_ALREADY_DEFINED)
_ANOTHER = "the call was not refused: it may have been made for another file object, one that is open"


@rule("P01", "context operation in pre-create")
def before_create(evidence: Evidence) -> Iterator[Candidate]:
    """Find gets, sets and deletes for a file that is not open yet.

    A set that was refused is an error: its context is attached nowhere. Any other call is a note; one that
    was not refused is most likely for a file that the callback has opened itself.
    """
    rows = _in(evidence, IRP_MJ_CREATE, (PRE,))
    if not len(rows):
        return
    refused = _refused(evidence)
    lost = refused & (evidence.ops.effect() == Effect.SET)
    for site in call_sites(evidence, rows):
        site = site.only(lost).only(refused)
        words = "was called for {kind} in the pre-operation callback of IRP_MJ_CREATE"
        doubts = () if refused[site.rows[0]] else (_ANOTHER,)
        severity = None if lost[site.rows[0]] else "note"
        yield candidate(evidence, site, words, doubts=doubts, severity=severity)


@rule("P02", "context operation in post-close", severity="warning")
def after_close(evidence: Evidence) -> Iterator[Candidate]:
    """Find gets, sets and deletes for a file that is closed."""
    rows = _in(evidence, IRP_MJ_CLOSE, (POST, DRAINING))
    yield from _unsupported(evidence, rows, "in the post-operation callback of IRP_MJ_CLOSE", (_ANOTHER,))


@rule("P03", "context operation in network query open", severity="warning")
def in_network_query_open(evidence: Evidence) -> Iterator[Candidate]:
    """Find gets, sets and deletes in a callback of IRP_MJ_NETWORK_QUERY_OPEN."""
    rows = _of_files(evidence, logged(evidence, "major", lambda major: major == IRP_MJ_NETWORK_QUERY_OPEN))
    yield from _unsupported(evidence, rows, "in a callback of IRP_MJ_NETWORK_QUERY_OPEN", (_ANOTHER,))


@rule("P04", "context operation on a paging file", severity="warning")
def on_paging_file(evidence: Evidence) -> Iterator[Candidate]:
    """Find gets, sets and deletes for a paging file."""
    rows = _of_files(evidence, logged(evidence, "paging_file", lambda paging: paging))
    yield from _unsupported(evidence, rows, "for a paging file", ())


def _unsupported(evidence: Evidence, rows: Ints, where: str, doubts: tuple[str, ...]) -> Iterator[Candidate]:
    """Describe calls where there are no contexts: a warning where the filter manager did not refuse them.

    A driver that asks, is refused and goes on without a context does nothing wrong.
    """
    for site in call_sites(evidence, rows):
        failed = _failed(evidence)
        site = site.only(~failed)
        refused = bool(failed[site.rows[0]])
        words = f"was called for {{kind}} {where}" + (" and refused" if refused else "")
        severity = "note" if refused else None
        yield candidate(evidence, site, words, doubts=() if refused else doubts, severity=severity)


def _in(evidence: Evidence, major: int, phases: tuple[int, ...]) -> Ints:
    """Find the calls by object for contexts of files that were made in some callbacks of an operation."""
    rows = _of_files(evidence, logged(evidence, "major", lambda of: of == major))
    return rows[evidence.ops.has("phase")[rows] & np.isin(evidence.ops["phase"][rows], phases)]


def _of_files(evidence: Evidence, rows: Ints) -> Ints:
    ops = evidence.ops
    kind, effect = ops.slot_type()[rows], ops.effect()[rows]
    found: Ints = rows[(kind & OF_OPEN_FILES != 0) & np.isin(effect, _BY_OBJECT)]
    return found


def _failed(evidence: Evidence) -> NDArray[np.bool_]:
    """Tell which calls returned an error."""
    ops = evidence.ops
    return ops.once("failed calls", lambda: ops.has("status") & (ops["status"] & FAILURE_BIT != 0))


def _refused(evidence: Evidence) -> NDArray[np.bool_]:
    """Tell which calls returned an error that no call for an open file returns."""
    return evidence.ops.once(
        "calls refused for no open file",
        lambda: _failed(evidence) & ~np.isin(evidence.ops["status"], _LOOKED_UP),
    )
