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
    by_life,
    by_site,
    called,
    failed,
    kinds,
    one,
    per_site,
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
    ops = evidence.ops
    uses = np.isin(ops.effect(), (Effect.REFERENCE, Effect.USE, Effect.DELETE))
    rows = np.flatnonzero(uses & ops["has_context"] & (ops["context"] == 0))
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
    ops, effect = evidence.ops, evidence.ops.effect()
    op, life = evidence.step("operation").astype(np.int64), evidence.step("context").astype(np.int64)
    # Where streams are not logged with every call, a file object stands in for them: these differ.
    exact = (ops["object"] != 0) & ((ops["stream"] != 0) | ((kinds(evidence) & ON_STREAMS) == 0))
    names = ((effect == Effect.SET) | (effect == Effect.GET)) & ops.succeeded() & exact
    steps = np.flatnonzero(names[op] & (ops["context"][op] == evidence.context("pointer")[life]))
    before, after = op[steps[:-1]], op[steps[1:]]
    odd = (life[steps[:-1]] == life[steps[1:]]) & (effect[after] == Effect.GET)
    odd &= (evidence.step("link")[steps[1:]] == 1) & (kinds(evidence)[before] == kinds(evidence)[after])
    odd &= (ops["object"][before] != ops["object"][after]) | (
        ops["instance"][before] != ops["instance"][after]
    )
    for each, part in by_life(after[odd], life[steps[1:]][odd]):
        yield from _hole(evidence, each, part, "returned a context that is attached elsewhere")


@rule("G04", "get returned a context that was free or deleted")
def got_detached(evidence: Evidence) -> Iterator[Candidate]:
    """Find gets of a context that by the log was attached to nothing."""
    if _is_blind(evidence):
        return
    known = np.zeros(len(evidence.replay.contexts), np.bool_)
    known[evidence.lives_that("birth", "allocated")] = True
    op, life = evidence.step("operation").astype(np.int64), evidence.step("context").astype(np.int64)
    effect = evidence.ops.effect()
    steps = np.flatnonzero((evidence.step("link") == 0) | evidence.step("freed"))
    steps = steps[np.isin(effect[op[steps]], (Effect.GET, Effect.GET_MANY)) & known[life[steps]]]
    for each, part in by_life(op[steps], life[steps]):
        yield from _hole(evidence, each, part, "returned a context that was attached to nothing")


@rule("G05", "get where contexts are not supported", severity="warning")
def got_where_none_are(evidence: Evidence) -> Iterator[Candidate]:
    """Find gets of file, stream and handle contexts in callbacks, and for files, that know none."""
    ops = evidence.ops
    gets = np.isin(ops.effect(), (Effect.GET, Effect.GET_MANY)) & ((kinds(evidence) & ON_FILES) != 0)
    place = ops.has("major") & ops.has("phase")
    major, phase = ops["major"], ops["phase"]
    refused = failed(evidence) | (ops["context"] == 0)
    words = {
        "for a paging file, which has no contexts": ops.has("paging_file") & ops["paging_file"],
        "in a pre-create callback, where the file is not open yet": place
        & (major == CREATE)
        & (phase == PRE),
        "in a post-close callback, where the file is gone": place & (major == CLOSE) & (phase > PRE),
        "during IRP_MJ_NETWORK_QUERY_OPEN, whose file object is none": place & (major == NETWORK_QUERY_OPEN),
    }
    for text, where in words.items():
        found = gets & where
        doubts = (_OWN_OPEN,) if "pre-create" in text else ()
        yield from per_site(evidence, np.flatnonzero(found & ~refused), f"was called {text}", doubts=doubts)
        yield from per_site(
            evidence, np.flatnonzero(found & refused), f"was called {text}, and refused", severity="note"
        )


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
