"""G01 to G05: what a get did not return, could not return, or was asked for where there is nothing to get."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from tracecheck.fltmgr import ContextType, Effect, acquires
from tracecheck.replay.played import PATIENCE
from tracecheck.rules.evidence import Evidence
from tracecheck.rules.flows import GET_FAILED, GOT_MANY, Filled, filled_null, filled_stale
from tracecheck.rules.registry import OVER_RELEASES, Candidate, rule
from tracecheck.rules.releases import referenced_after_free, used_after_free, used_without_reference
from tracecheck.rules.rows import (
    MOST,
    Ints,
    born,
    by_life,
    by_site,
    called,
    failed,
    having,
    kinds,
    null,
    one,
    own,
    per_site,
    placed,
    steps_having,
    told,
)

#: The contexts that a FILE_OBJECT leads to.
ON_FILES = int(ContextType.FILE | ContextType.STREAM | ContextType.STREAMHANDLE)
#: Those of them, and the others, that hang on its stream.
ON_STREAMS = int(ContextType.FILE | ContextType.STREAM | ContextType.SECTION)
CREATE, CLOSE, NETWORK_QUERY_OPEN = 0x00, 0x02, 0xF2
PRE = 1

_CHANGES = (Effect.SET, Effect.DELETE, Effect.DELETE_BY_OBJECT, Effect.CREATE_SECTION, Effect.CLOSE_SECTION)
_LOOKED_AT = 16
_HOLE = "calls are missing from the capture, or objects are mixed up in it: no bug is proved"
_OWN_OPEN = "the get succeeded: the file object may be one that the driver opened itself"


def used_stale(evidence: Evidence) -> Iterator[tuple[Candidate, Filled]]:
    """Explain uses of a context that is not the driver's by the call that should have filled the variable."""
    for find in (referenced_after_free, used_after_free, used_without_reference):
        for base in evidence.found(find):
            assert base.life is not None
            filled = filled_stale(evidence, base.operations[0], base.life)
            if filled is not None:
                yield base, filled


def null_uses(evidence: Evidence) -> Iterator[tuple[Candidate, Filled]]:
    """Explain uses of NULL likewise: one finding for each cause and call site."""
    rows = null(evidence, having(evidence, Effect.REFERENCE, Effect.USE, Effect.DELETE))
    for group in by_site(evidence, rows):
        seen = set()
        for at, op in enumerate(group[:MOST].tolist()):
            filled = filled_null(evidence, op)
            if filled is not None and filled.how not in seen:
                seen.add(filled.how)
                found = one(evidence, -1, group[at:], "", doubts=told(evidence, op), needs=acquires(0))
                yield found, filled


@rule("G01", "use of what a failed get did not return", family=OVER_RELEASES)
def used_what_failed(evidence: Evidence) -> Iterator[Candidate]:
    """Find uses of a variable that a get should have filled which failed."""
    for base, filled in (*evidence.found(used_stale), *evidence.found(null_uses)):
        if filled.how == GET_FAILED:
            yield _explained(evidence, base, filled, "failed and returned nothing")


@rule("G02", "member of FltGetContextsEx used without a test", severity="warning", sound=False)
def used_no_member(evidence: Evidence) -> Iterator[Candidate]:
    """Find uses of NULL after FltGetContexts(Ex), which leaves NULL in members that do not exist."""
    for base, filled in evidence.found(null_uses):
        if filled.how == GOT_MANY:
            yield _explained(evidence, base, filled, "leaves NULL in the members that do not exist")


@rule("G03", "get returned another context than the one attached")
def got_another(evidence: Evidence) -> Iterator[Candidate]:
    """Find gets from one object of a context that by the log is attached to another."""
    if _is_blind(evidence):
        return
    ops, kind = evidence.ops, kinds(evidence)
    steps = own(evidence, steps_having(evidence, Effect.SET, Effect.GET))
    op, life = placed(evidence, steps)
    # Where streams are not logged with every call, a file object stands in for them: these differ.
    exact = (ops["object"][op] != 0) & ((ops["stream"][op] != 0) | ((kind[op] & ON_STREAMS) == 0))
    exact &= ops.succeeded()[op]
    steps, op, life = steps[exact], op[exact], life[exact]
    where, instance = ops["object"][op], ops["instance"][op]
    odd = (where[:-1] != where[1:]) | (instance[:-1] != instance[1:])
    odd &= (life[:-1] == life[1:]) & (kind[op[:-1]] == kind[op[1:]])
    odd &= (ops.effect()[op[1:]] == Effect.GET) & (evidence.step("link")[steps[1:]] == 1)
    for each, part in by_life(op[1:][odd], life[1:][odd]):
        yield from _hole(evidence, each, part, "returned a context that is attached elsewhere")


@rule("G04", "get returned a context that was free or deleted")
def got_detached(evidence: Evidence) -> Iterator[Candidate]:
    """Find gets of a context that by the log was attached to nothing."""
    if _is_blind(evidence):
        return
    steps = steps_having(evidence, Effect.GET, Effect.GET_MANY)
    steps = steps[(evidence.step("link")[steps] == 0) | evidence.step("freed")[steps]]
    for each, part in by_life(*placed(evidence, steps[born(evidence)[evidence.step("context")[steps]]])):
        yield from _hole(evidence, each, part, "returned a context that was attached to nothing")


@rule("G05", "get where contexts are not supported", severity="warning")
def got_where_none_are(evidence: Evidence) -> Iterator[Candidate]:
    """Find gets of file, stream and handle contexts in callbacks, and for files, that know none."""
    ops, rows = evidence.ops, having(evidence, Effect.GET, Effect.GET_MANY)
    rows = rows[(kinds(evidence)[rows] & ON_FILES) != 0]
    place = ops.has("major")[rows] & ops.has("phase")[rows]
    major, phase = ops["major"][rows], ops["phase"][rows]
    paging = ops.has("paging_file")[rows] & ops["paging_file"][rows]
    refused = failed(evidence, rows) | (ops["context"][rows] == 0)
    opening, closing = (major == CREATE) & (phase == PRE), (major == CLOSE) & (phase > PRE)
    places = (
        ("for a paging file, which has no contexts", paging, ()),
        ("in a pre-create callback, where the file is not open yet", place & opening, (_OWN_OPEN,)),
        ("in a post-close callback, where the file is gone", place & closing, ()),
        (
            "in IRP_MJ_NETWORK_QUERY_OPEN, whose file object is none",
            place & (major == NETWORK_QUERY_OPEN),
            (),
        ),
    )
    for text, there, doubts in places:
        yield from per_site(evidence, rows[there & ~refused], f"was called {text}", doubts=doubts)
        words = f"was called {text}, and refused"
        yield from per_site(evidence, rows[there & refused], words, severity="note")


def _is_blind(evidence: Evidence) -> bool:
    """Tell whether calls that change what is attached are known not to be logged."""
    changes = {
        "FltDeleteContext",
        *(name for name in acquires(0) if name.startswith(("FltSet", "FltDelete"))),
    }
    return bool(evidence.coverage.lacks(frozenset(changes)))


def _hole(evidence: Evidence, life: int, gets: Ints, words: str) -> Iterator[Candidate]:
    """Note the gets of a life that nothing explains: what it is attached to did not change around them."""
    op, time, effect = evidence.step("operation"), evidence.ops["time"], evidence.ops.effect()
    steps = op[evidence.first_step[life] : evidence.first_step[life + 1]]
    others = steps[np.isin(effect[steps], _CHANGES)]
    early = (
        np.where(evidence.ops.has("begin")[others], evidence.ops["begin"][others], time[others]) - PATIENCE
    )
    odd = []
    for row in gets[:_LOOKED_AT].tolist():
        begin = int(evidence.ops["begin"][row]) if evidence.ops.has("begin")[row] else int(time[row])
        if not ((time[others] >= begin - PATIENCE) & (early <= time[row])).any():
            odd.append(row)
    if odd:
        text = f"{words} by what was logged"
        yield one(evidence, life, np.array(odd), text, doubts=(_HOLE,), severity="note")


def _explained(evidence: Evidence, base: Candidate, filled: Filled, words: str) -> Candidate:
    op = base.operations[0]
    doubts = (*base.doubts, *filled.doubts)
    if base.life is None:
        lacking = evidence.coverage.lacks(acquires(0))
        doubts += (f"the capture does not log {', '.join(sorted(lacking))} completely",) if lacking else ()
    text = f"{called(evidence, op)} was given what no call returned: {called(evidence, filled.op)} before it "
    cause = (*base.cause, evidence.names("routine", filled.op), evidence.names("function", filled.op))
    return replace(base, operations=(op, filled.op), message=text + words, cause=cause, doubts=doubts)
