"""R06, R09, R11, R12, D04, D07: why a release gave back a reference that the driver did not have.

What R01 and R02 find, and releases of NULL, are explained by the call that the variable's value should have
come from. These are further findings on the same life, as sure as the one that they explain.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from tracecheck.fltmgr import Effect, acquires
from tracecheck.rules.evidence import Evidence
from tracecheck.rules.flows import (
    DELETE_DID_NOT_ASK,
    DELETE_FAILED,
    GET_FAILED,
    SET_DID_NOT_ASK,
    SET_FAILED,
    SET_FOUND_NOTHING,
    Filled,
    before,
    filled_null,
    filled_stale,
)
from tracecheck.rules.gets import null_uses, used_stale
from tracecheck.rules.registry import OVER_RELEASES, Candidate, rule
from tracecheck.rules.releases import released_after_free, released_while_attached
from tracecheck.rules.rows import MOST, by_site, called, lives_of, one, told
from tracecheck.rules.strangers import null_releases

#: How the variable came by what was released -> the rule, and what to say of the call that is to blame.
_CAUSES = {
    GET_FAILED: ("R09", "failed and returned nothing"),
    SET_FAILED: ("R09", "failed and returned no old context"),
    SET_FOUND_NOTHING: ("R11", "found no old context to return"),
    SET_DID_NOT_ASK: ("R12", "found a context and was not asked to return it"),
    DELETE_DID_NOT_ASK: ("D04", "dropped the object's reference itself"),
    DELETE_FAILED: ("D07", "failed and returned no old context"),
}


@rule("R06", "double release through FltReleaseContexts", family=OVER_RELEASES)
def released_with_its_structure(evidence: Evidence) -> Iterator[Candidate]:
    """Find members that were released singly and again with the structure of FltGetContexts(Ex)."""
    for base in _over_released(evidence):
        op = base.operations[0]
        if evidence.ops.effect()[op] != Effect.RELEASE_MANY:
            continue
        found = _member(evidence, op)
        if found is not None:
            single, got = found
            words = f"{called(evidence, op)} released a member that {called(evidence, single)} had released"
            cause = (*base.cause, evidence.names("function", single))
            yield replace(base, operations=(op, single, got), message=words, cause=cause)


@rule("R09", "release after a failed get or set", family=OVER_RELEASES)
def released_what_failed(evidence: Evidence) -> Iterator[Candidate]:
    """Find releases of a variable that a get, a set or a delete that failed should have filled."""
    yield from _caused(evidence, "R09")


@rule("R11", "release of an old context that was not returned", family=OVER_RELEASES)
def released_no_old(evidence: Evidence) -> Iterator[Candidate]:
    """Find releases of a variable for an old context after a set that found none."""
    yield from _caused(evidence, "R11")


@rule("R12", "release of an existing context that was not asked for", family=OVER_RELEASES)
def released_unasked(evidence: Evidence) -> Iterator[Candidate]:
    """Find releases of what a set found on the object, and did not return."""
    yield from _caused(evidence, "R12")


@rule("D04", "delete by object taken for a release", family=OVER_RELEASES)
def released_deleted(evidence: Evidence) -> Iterator[Candidate]:
    """Find releases of a context that a delete by object had dropped without returning it."""
    yield from _caused(evidence, "D04")


@rule("D07", "old context used after a delete that failed", family=OVER_RELEASES)
def used_undeleted(evidence: Evidence) -> Iterator[Candidate]:
    """Find releases and uses of a variable for an old context after a delete that failed."""
    yield from _caused(evidence, "D07")
    for candidate, filled in (*evidence.found(used_stale), *evidence.found(null_uses)):
        if filled.how == DELETE_FAILED:
            yield _explained(evidence, candidate, filled)


def _caused(evidence: Evidence, code: str) -> Iterator[Candidate]:
    for found, candidate in evidence.found(_causes):
        if found == code:
            yield candidate


def _causes(evidence: Evidence) -> Iterator[tuple[str, Candidate]]:
    """Explain each release too many, and each release of NULL, of which the cause can be told."""
    for base in _over_released(evidence):
        assert base.life is not None
        filled = filled_stale(evidence, base.operations[0], base.life)
        if filled is not None and filled.how in _CAUSES and _concerns(evidence, filled, base):
            yield _CAUSES[filled.how][0], _explained(evidence, base, filled)
    for base, filled in evidence.found(_null_causes):
        yield _CAUSES[filled.how][0], _explained(evidence, base, filled)


def _null_causes(evidence: Evidence) -> Iterator[tuple[Candidate, Filled]]:
    """Explain the releases of NULL: one finding for each cause and call site."""
    for group in by_site(evidence, null_releases(evidence)):
        seen = set()
        for at, op in enumerate(group[:MOST].tolist()):
            filled = filled_null(evidence, op)
            if filled is not None and filled.how in _CAUSES and filled.how not in seen:
                seen.add(filled.how)
                doubts = told(evidence, op)
                yield one(evidence, -1, group[at:], "", doubts=doubts, needs=acquires(0)), filled


def _over_released(evidence: Evidence) -> Iterator[Candidate]:
    for find in (released_while_attached, released_after_free):
        yield from evidence.found(find)


def _concerns(evidence: Evidence, filled: Filled, base: Candidate) -> bool:
    """Tell whether a call that named no context worked on the one that was released."""
    ops, life = evidence.ops, base.life
    assert life is not None
    if filled.how == SET_DID_NOT_ASK:
        where = int(evidence.context("object")[life])
        return bool(ops["context"][filled.op]) and where in (0, int(ops["object"][filled.op]))
    if filled.how == DELETE_DID_NOT_ASK:
        place = (int(evidence.context("object")[life]), int(evidence.context("instance")[life]))
        return place == (int(ops["object"][filled.op]), int(ops["instance"][filled.op]))
    return True


def _explained(evidence: Evidence, base: Candidate, filled: Filled) -> Candidate:
    """Make of a fault the finding that says which call it goes back to."""
    op = base.operations[0]
    doubts = (*base.doubts, *filled.doubts)
    if base.life is None:
        lacking = evidence.coverage.lacks(acquires(0))
        doubts += (f"the capture does not log {', '.join(sorted(lacking))} completely",) if lacking else ()
    words = (
        f"{called(evidence, op)} was given what no call returned: {called(evidence, filled.op)} before it "
    )
    cause = (*base.cause, evidence.names("routine", filled.op), evidence.names("function", filled.op))
    message = words + _CAUSES[filled.how][1]
    return replace(base, operations=(op, filled.op), message=message, cause=cause, doubts=doubts)


def _member(evidence: Evidence, op: int) -> tuple[int, int] | None:
    """Find the single release of a member that is released again with its structure, and the get of both."""
    ops, effect = evidence.ops, evidence.ops.effect()
    pointer, single = int(ops["context"][op]), -1
    for row in before(evidence, op):
        if ops["context"][row] != pointer:
            continue
        if effect[row] == Effect.RELEASE and single < 0:
            single = row
        elif effect[row] == Effect.GET_MANY and single >= 0:
            same = lives_of(evidence, np.array([op, row]))
            return (single, row) if same[0] == same[1] else None
        elif effect[row] != Effect.USE:
            return None
    return None
