"""S01 to S12: sets that the filter manager refuses, or that do not do what the driver takes them to do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from tracecheck.fltmgr import ContextType, Effect
from tracecheck.fltmgr.status import (
    KEEP_IF_EXISTS,
    STATUS_FLT_CONTEXT_ALREADY_DEFINED,
    STATUS_FLT_CONTEXT_ALREADY_LINKED,
    STATUS_FLT_DELETING_OBJECT,
    STATUS_NOT_FOUND,
)
from tracecheck.rules.evidence import Evidence
from tracecheck.rules.flows import before
from tracecheck.rules.gets import CREATE, ON_FILES, PRE
from tracecheck.rules.registry import OVER_RELEASES, Candidate, rule
from tracecheck.rules.releases import used_after_free, used_without_reference
from tracecheck.rules.rows import (
    Bools,
    assumed,
    born_as,
    by_life,
    by_site,
    called,
    failed,
    lives_of,
    one,
    per_site,
    status_is,
    told,
)

_ALLOCATE = frozenset({"FltAllocateContext"})
_DRAINING = 3
_LEAST_SETS = 8
_RATE = 0.25
_LOOKED_AT = 100
_WENT_WELL = "the call succeeded or its status was not logged: no context of another type can be set"
_OWN_OPEN = "the set succeeded: the file object may be one that the driver opened itself"
_NO_STATUS = "whether the call failed was not logged"


@rule("S01", "set of a context that is already attached")
def set_twice(evidence: Evidence) -> Iterator[Candidate]:
    """Find sets that returned STATUS_FLT_CONTEXT_ALREADY_LINKED."""
    rows = np.flatnonzero(_sets(evidence) & status_is(evidence, STATUS_FLT_CONTEXT_ALREADY_LINKED))
    for life, part in by_life(rows, lives_of(evidence, rows)):
        doubts = assumed(evidence, int(part[0]))
        yield one(evidence, life, part, "was given a context that is attached already", doubts=doubts)


@rule("S02", "context of another type given to a set")
def set_of_another_type(evidence: Evidence) -> Iterator[Candidate]:
    """Find sets of a context that was allocated as another type; for profiles M05 tells."""
    if evidence.coverage.profile or not len(evidence.replay.contexts):
        return
    op, life = evidence.step("operation").astype(np.int64), evidence.step("context").astype(np.int64)
    steps = np.flatnonzero(_sets(evidence)[op])
    steps = steps[evidence.ops["context"][op[steps]] == evidence.context("pointer")[life[steps]]]
    born = born_as(evidence, life[steps])
    odd = (born != 0) & (born != evidence.ops.slot_type()[op[steps]])
    for each, part in by_life(op[steps[odd]], life[steps[odd]]):
        name = _type_name(int(born_as(evidence, np.array([each]))[0]))
        doubts = () if failed(evidence)[part[0]] else (_WENT_WELL,)
        words = f"was given a context that was allocated as {name}"
        yield one(evidence, each, part, words, doubts=doubts, needs=_ALLOCATE)


@rule("S03", "set on a file object that is not open yet")
def set_before_open(evidence: Evidence) -> Iterator[Candidate]:
    """Find sets of file, stream and handle contexts in pre-create callbacks."""
    ops = evidence.ops
    place = ops.has("major") & (ops["major"] == CREATE) & ops.has("phase") & (ops["phase"] == PRE)
    rows = np.flatnonzero(_sets(evidence) & place & ((ops.slot_type() & ON_FILES) != 0))
    words = "was called in a pre-create callback, where the file is not open yet"
    refused, good = failed(evidence)[rows], (ops.has("status") & ops.succeeded())[rows]
    for life, part in by_life(rows[~good], lives_of(evidence, rows[~good])):
        unknown = () if refused[np.searchsorted(rows, part[0])] else (_NO_STATUS,)
        yield one(evidence, life, part, words, doubts=(*told(evidence, int(part[0])), *unknown))
    yield from per_site(evidence, rows[good], words, doubts=(_OWN_OPEN,), severity="note")


@rule("S05", "set while draining", severity="warning", sound=False)
def set_while_draining(evidence: Evidence) -> Iterator[Candidate]:
    """Find sets in post-operation callbacks that were called to clean up only."""
    ops = evidence.ops
    place = ops.has("phase") & (ops["phase"] == _DRAINING) & _sets(evidence)
    words = "was called in a post-operation callback that was called to clean up only"
    yield from per_site(evidence, np.flatnonzero(place & ~failed(evidence)), words)
    yield from per_site(evidence, np.flatnonzero(place & failed(evidence)), words, severity="note")


@rule("S06", "set while the object is going away", severity="note", sound=False)
def set_while_going(evidence: Evidence) -> Iterator[Candidate]:
    """Find sets that returned STATUS_FLT_DELETING_OBJECT."""
    rows = np.flatnonzero(_sets(evidence) & status_is(evidence, STATUS_FLT_DELETING_OBJECT))
    yield from per_site(evidence, rows, "came while its instance or volume was going away")


@rule("S07", "replace drops a context that others still use", severity="warning", sound=False)
def replaced_in_use(evidence: Evidence) -> Iterator[Candidate]:
    """Note sets that replaced, without asking for it, a context that was owned, and used after it.

    A driver may mean it so, and nothing in a log tells that it does not: it is a note.
    """
    ops, effect = evidence.ops, evidence.ops.effect()
    op, life = evidence.step("operation").astype(np.int64), evidence.step("context").astype(np.int64)
    steps = np.flatnonzero((evidence.step("delta_link") < 0) & (evidence.step("owned") > 0))
    steps = steps[_sets(evidence)[op[steps]]]
    pointer = evidence.context("pointer")[life[steps]]
    unnamed = (ops["context"][op[steps]] != pointer) & (ops["old_context"][op[steps]] != pointer)
    steps = steps[unnamed]
    uses = np.flatnonzero(np.isin(effect[op], (Effect.USE, Effect.REFERENCE))) if len(steps) else steps
    last_use = np.zeros(len(evidence.replay.contexts), np.int64)
    last_use[life[uses]] = op[uses]
    steps = steps[last_use[life[steps]] > op[steps]]
    rows, lives = op[steps], life[steps]
    order = np.argsort(rows, kind="stable")
    rows, lives = rows[order], lives[order]
    for group in by_site(evidence, rows):
        first = int(lives[np.searchsorted(rows, group[0])])
        words = "replaced a context, and did not ask for it, that was used after that"
        yield one(evidence, first, group, words, severity="note")


@rule("S08", "status of a set ignored", severity="warning", sound=False)
def set_status_ignored(evidence: Evidence) -> Iterator[Candidate]:
    """Find contexts that were used after they could not be set, in the function whose set it was."""
    ops, effect = evidence.ops, evidence.ops.effect()
    usual = status_is(evidence, STATUS_FLT_CONTEXT_ALREADY_DEFINED)
    usual |= status_is(evidence, STATUS_FLT_CONTEXT_ALREADY_LINKED)
    rows = np.flatnonzero(_sets(evidence) & failed(evidence) & ~usual & (ops["context"] != 0))
    found: dict[int, int] = {}
    for life, part in by_life(rows, lives_of(evidence, rows)):
        steps = slice(evidence.first_step[life], evidence.first_step[life + 1])
        after = evidence.step("operation")[steps].astype(np.int64)
        uses = after[np.isin(effect[after], (Effect.USE, Effect.REFERENCE, Effect.DELETE))]
        for row in part[:_LOOKED_AT].tolist():
            mine = uses[(uses > row) & (ops.thread()[uses] == ops.thread()[row])]
            mine = mine[(evidence.function[mine] == evidence.function[row]) & (evidence.function[row] != 0)]
            if len(mine) and not _set_between(evidence, after, row, int(mine[0])):
                found[row] = int(mine[0])
                break
    for group in by_site(evidence, np.array(sorted(found), np.int64)):
        first = int(group[0])
        life = int(lives_of(evidence, group[:1])[0])
        words = f"failed, and {called(evidence, found[first])} went on with the context all the same"
        yield one(evidence, life, group, words)


@rule("S09", "set of a context that nobody owns", family=OVER_RELEASES)
def set_unowned(evidence: Evidence) -> Iterator[Candidate]:
    """Find the sets among the uses that R04 and R05 found."""
    yield from of_uses(evidence, Effect.SET, "was given a context to which nobody owned a reference")


@rule("S10", "allocate and set without looking first", severity="note", sound=False)
def set_without_looking(evidence: Evidence) -> Iterator[Candidate]:
    """Find call sites of which a large part of the sets finds a context already there."""
    exists = status_is(evidence, STATUS_FLT_CONTEXT_ALREADY_DEFINED)
    for group in by_site(evidence, np.flatnonzero(_sets(evidence))):
        there = group[exists[group]]
        if len(there) >= _LEAST_SETS and len(there) > _RATE * len(group):
            words = f"found a context already there at {len(there):,} of {len(group):,} calls"
            life = int(lives_of(evidence, there[:1])[0])
            yield replace(
                one(evidence, life, there, ""), message=f"{called(evidence, int(there[0]))} {words}"
            )


@rule("S11", "set without a context or with an unknown operation")
def set_of_nothing(evidence: Evidence) -> Iterator[Candidate]:
    """Find sets whose new context was logged as 0, and sets of an operation that there is not."""
    ops = evidence.ops
    null = np.flatnonzero(_sets(evidence) & ops["has_context"] & (ops["context"] == 0))
    for group in by_site(evidence, null):
        yield one(evidence, -1, group, "was given NULL", doubts=told(evidence, int(group[0])))
    strange = ops.has("operation") & (ops["operation"] > KEEP_IF_EXISTS) & (ops["context"] != 0)
    rows = np.flatnonzero(_sets(evidence) & strange)
    for life, part in by_life(rows, lives_of(evidence, rows)):
        words = f"was given the operation {int(ops['operation'][part[0]])}, which is neither replace nor keep"
        yield one(evidence, life, part, words, doubts=told(evidence, int(part[0])))


@rule("S12", "volume context set by each instance", severity="warning", sound=False)
def set_by_each_instance(evidence: Evidence) -> Iterator[Candidate]:
    """Find call sites that set volume contexts, mostly to find one there, without a get before."""
    ops = evidence.ops
    volume = _sets(evidence) & (ops.slot_type() == ContextType.VOLUME)
    exists = status_is(evidence, STATUS_FLT_CONTEXT_ALREADY_DEFINED)
    for group in by_site(evidence, np.flatnonzero(volume & exists)):
        blind = [row for row in group[:_LOOKED_AT].tolist() if not _looked(evidence, row)]
        if blind:
            rows = np.array(blind)
            life = int(lives_of(evidence, rows[:1])[0])
            yield one(evidence, life, rows, "found that another instance had set the volume's context")


def of_uses(evidence: Evidence, effect: Effect, words: str) -> Iterator[Candidate]:
    """Make further findings of the uses without a reference that are calls of one kind."""
    for find in (used_after_free, used_without_reference):
        for base in evidence.found(find):
            ops = [op for op in base.operations if evidence.ops.effect()[op] == effect]
            # The last operation of the base is the release before the first use, and no use.
            if ops:
                rest = [op for op in base.operations if op not in ops[:1]]
                cause = (evidence.names("routine", ops[0]), evidence.names("function", ops[0]))
                text = f"{called(evidence, ops[0])} {words}"
                yield replace(base, operations=(ops[0], *rest), message=text, cause=cause)


def _sets(evidence: Evidence) -> Bools:
    mask: Bools = evidence.ops.effect() == Effect.SET
    return mask


def _set_between(
    evidence: Evidence, steps: np.ndarray[tuple[int], np.dtype[np.int64]], one: int, two: int
) -> bool:
    """Tell whether a life was set after one operation and before another."""
    between = steps[(steps > one) & (steps < two)]
    return bool((_sets(evidence)[between] & evidence.ops.succeeded()[between]).any())


def _looked(evidence: Evidence, row: int) -> bool:
    """Tell whether a thread had found no context on the volume before it tried to set one."""
    ops = evidence.ops
    return any(
        ops["volume"][one] == ops["volume"][row]
        and ops.effect()[one] == Effect.GET
        and ops["status"][one] == STATUS_NOT_FOUND
        for one in before(evidence, row, 16)
    )


def _type_name(kind: int) -> str:
    return str(ContextType(kind).name).lower()
