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
    MOST,
    Ints,
    assumed,
    born_as,
    by_life,
    by_site,
    called,
    failed,
    having,
    lives_of,
    null,
    one,
    own,
    per_site,
    placed,
    status_is,
    steps_having,
    told,
    type_name,
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
    rows = _refused(evidence, STATUS_FLT_CONTEXT_ALREADY_LINKED)
    for life, part in by_life(rows, lives_of(evidence, rows)):
        doubts = assumed(evidence, int(part[0]))
        yield one(evidence, life, part, "was given a context that is attached already", doubts=doubts)


@rule("S02", "context of another type given to a set")
def set_of_another_type(evidence: Evidence) -> Iterator[Candidate]:
    """Find sets of a context that was allocated as another type; for profiles M05 tells."""
    if evidence.coverage.profile:
        return
    op, life = placed(evidence, own(evidence, steps_having(evidence, Effect.SET)))
    kind = born_as(evidence, life)
    odd = (kind != 0) & (kind != evidence.ops.slot_type()[op])
    for each, part in by_life(op[odd], life[odd]):
        name = type_name(int(born_as(evidence, np.array([each]))[0]))
        doubts = () if failed(evidence, part[:1])[0] else (_WENT_WELL,)
        words = f"was given a context that was allocated as {name}"
        yield one(evidence, each, part, words, doubts=doubts, needs=_ALLOCATE)


@rule("S03", "set on a file object that is not open yet")
def set_before_open(evidence: Evidence) -> Iterator[Candidate]:
    """Find sets of file, stream and handle contexts in pre-create callbacks."""
    ops, rows = evidence.ops, _sets(evidence)
    place = ops.has("major")[rows] & (ops["major"][rows] == CREATE)
    place &= ops.has("phase")[rows] & (ops["phase"][rows] == PRE)
    rows = rows[place & ((ops.slot_type()[rows] & ON_FILES) != 0)]
    words = "was called in a pre-create callback, where the file is not open yet"
    good = ops.has("status")[rows] & ops.succeeded()[rows]
    for life, part in by_life(rows[~good], lives_of(evidence, rows[~good])):
        unknown = () if failed(evidence, part[:1])[0] else (_NO_STATUS,)
        yield one(evidence, life, part, words, doubts=(*told(evidence, int(part[0])), *unknown))
    yield from per_site(evidence, rows[good], words, doubts=(_OWN_OPEN,), severity="note")


@rule("S05", "set while draining", severity="warning", sound=False)
def set_while_draining(evidence: Evidence) -> Iterator[Candidate]:
    """Find sets in post-operation callbacks that were called to clean up only."""
    ops, rows = evidence.ops, _sets(evidence)
    rows = rows[ops.has("phase")[rows] & (ops["phase"][rows] == _DRAINING)]
    refused = failed(evidence, rows)
    words = "was called in a post-operation callback that was called to clean up only"
    yield from per_site(evidence, rows[~refused], words)
    yield from per_site(evidence, rows[refused], words, severity="note")


@rule("S06", "set while the object is going away", severity="note", sound=False)
def set_while_going(evidence: Evidence) -> Iterator[Candidate]:
    """Find sets that returned STATUS_FLT_DELETING_OBJECT."""
    rows = _refused(evidence, STATUS_FLT_DELETING_OBJECT)
    yield from per_site(evidence, rows, "came while its instance or volume was going away")


@rule("S07", "replace drops a context that others still use", severity="warning", sound=False)
def replaced_in_use(evidence: Evidence) -> Iterator[Candidate]:
    """Note sets that replaced, without asking for it, a context that was owned, and used after it.

    A driver may mean it so, and nothing in a log tells that it does not: it is a note.
    """
    ops, steps = evidence.ops, steps_having(evidence, Effect.SET)
    steps = steps[(evidence.step("delta_link")[steps] < 0) & (evidence.step("owned")[steps] > 0)]
    rows, lives = placed(evidence, steps)
    pointer = evidence.context("pointer")[lives]
    unnamed = (ops["context"][rows] != pointer) & (ops["old_context"][rows] != pointer)
    rows, lives = rows[unnamed], lives[unnamed]
    later = _last_use(evidence)[lives] > rows
    order = np.argsort(rows[later], kind="stable")
    rows, lives = rows[later][order], lives[later][order]
    for group in by_site(evidence, rows):
        first = int(lives[np.searchsorted(rows, group[0])])
        words = "replaced a context, and did not ask for it, that was used after that"
        yield one(evidence, first, group, words, severity="note")


@rule("S08", "status of a set ignored", severity="warning", sound=False)
def set_status_ignored(evidence: Evidence) -> Iterator[Candidate]:
    """Find contexts that were used after they could not be set, in the function whose set it was."""
    rows = _sets(evidence)
    rows = rows[failed(evidence, rows)]
    # What is attached already, or finds another one attached, may be used all the same.
    usual = status_is(evidence, rows, STATUS_FLT_CONTEXT_ALREADY_DEFINED)
    usual |= status_is(evidence, rows, STATUS_FLT_CONTEXT_ALREADY_LINKED)
    rows = rows[~usual]
    lives = lives_of(evidence, rows)
    rows, lives = rows[lives >= 0], lives[lives >= 0]
    later = _last_use(evidence, Effect.DELETE)[lives] > rows
    found = {}
    for life, part in by_life(rows[later], lives[later]):
        for row in part[:_LOOKED_AT].tolist():
            use = _use_after(evidence, life, row)
            if use is not None:
                found[row] = use
                break
    for group in by_site(evidence, np.array(sorted(found), np.int64)):
        life = int(lives_of(evidence, group[:1])[0])
        words = f"failed, and {called(evidence, found[int(group[0])])} went on with the context all the same"
        yield one(evidence, life, group, words)


@rule("S09", "set of a context that nobody owns", family=OVER_RELEASES)
def set_unowned(evidence: Evidence) -> Iterator[Candidate]:
    """Find the sets among the uses that R04 and R05 found."""
    yield from of_uses(evidence, Effect.SET, "was given a context to which nobody owned a reference")


@rule("S10", "allocate and set without looking first", severity="note", sound=False)
def set_without_looking(evidence: Evidence) -> Iterator[Candidate]:
    """Find call sites of which a large part of the sets finds a context already there."""
    ops, rows = evidence.ops, _sets(evidence)
    for there in by_site(evidence, _refused(evidence, STATUS_FLT_CONTEXT_ALREADY_DEFINED)):
        if len(there) < _LEAST_SETS:
            continue
        first = int(there[0])
        of_site = (ops["site"][rows] == ops["site"][first]) & (ops["routine"][rows] == ops["routine"][first])
        every = int(np.count_nonzero(of_site & (evidence.function[rows] == evidence.function[first])))
        if len(there) > _RATE * every:
            words = f"found a context already there at {len(there):,} of {every:,} calls"
            life = int(lives_of(evidence, there[:1])[0])
            yield replace(one(evidence, life, there, ""), message=f"{called(evidence, first)} {words}")


@rule("S11", "set without a context or with an unknown operation")
def set_of_nothing(evidence: Evidence) -> Iterator[Candidate]:
    """Find sets whose new context was logged as 0, and sets of an operation that there is not."""
    ops, rows = evidence.ops, _sets(evidence)
    for group in by_site(evidence, null(evidence, rows)):
        yield one(evidence, -1, group, "was given NULL", doubts=told(evidence, int(group[0])))
    rows = rows[ops.has("operation")[rows] & (ops["operation"][rows] > KEEP_IF_EXISTS)]
    for life, part in by_life(rows, lives_of(evidence, rows)):
        words = f"was given the operation {int(ops['operation'][part[0]])}, which is neither replace nor keep"
        yield one(evidence, life, part, words, doubts=told(evidence, int(part[0])))


@rule("S12", "volume context set by each instance", severity="warning", sound=False)
def set_by_each_instance(evidence: Evidence) -> Iterator[Candidate]:
    """Find call sites that set volume contexts, mostly to find one there, without a get before."""
    rows = _refused(evidence, STATUS_FLT_CONTEXT_ALREADY_DEFINED)
    for group in by_site(evidence, rows[evidence.ops.slot_type()[rows] == ContextType.VOLUME]):
        blind = [row for row in group[:_LOOKED_AT].tolist() if not _looked(evidence, row)]
        if blind:
            life = int(lives_of(evidence, np.array(blind[:1]))[0])
            words = "found that another instance had set the volume's context"
            yield one(evidence, life, np.array(blind), words)


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
                yield replace(base, operations=(ops[0], *rest)[:MOST], message=text, cause=cause)


def _sets(evidence: Evidence) -> Ints:
    return having(evidence, Effect.SET)


def _refused(evidence: Evidence, status: int) -> Ints:
    """Find the sets that returned a status."""
    rows = _sets(evidence)
    return rows[status_is(evidence, rows, status)]


def _last_use(evidence: Evidence, *more: Effect) -> Ints:
    """Find the last operation on each life that shows that somebody goes on with it; 0 where none does."""
    op, life = placed(evidence, steps_having(evidence, Effect.USE, Effect.REFERENCE, *more))
    last = np.zeros(len(evidence.replay.contexts), np.int64)
    np.maximum.at(last, life, op)
    return last


def _use_after(evidence: Evidence, life: int, row: int) -> int | None:
    """Find the first use of a context by the function that failed to set it, unless it was set meanwhile."""
    ops, effect = evidence.ops, evidence.ops.effect()
    mine = evidence.step("operation")[evidence.first_step[life] : evidence.first_step[life + 1]].astype(
        np.int64
    )
    mine = mine[(mine > row) & (ops.thread()[mine] == ops.thread()[row])]
    uses = mine[np.isin(effect[mine], (Effect.USE, Effect.REFERENCE, Effect.DELETE))]
    uses = uses[(evidence.function[uses] == evidence.function[row]) & (evidence.function[row] != 0)]
    if not len(uses):
        return None
    between = mine[mine < uses[0]]
    set_ = (effect[between] == Effect.SET) & ops.succeeded()[between]
    return None if set_.any() else int(uses[0])


def _looked(evidence: Evidence, row: int) -> bool:
    """Tell whether a thread may have found no context on the volume before it allocated the one to set."""
    ops, effect = evidence.ops, evidence.ops.effect()
    rows = before(evidence, row, 16)
    made = [
        one for one in rows if effect[one] == Effect.ALLOCATE and ops["context"][one] == ops["context"][row]
    ]
    older = [one for one in rows if made and one < made[0]]
    # What the thread did before is to be seen: else it may have looked.
    if not older or evidence.gap_during(int(ops["time"][older[0]]), int(ops["time"][row])):
        return True
    return any(
        ops["volume"][one] == ops["volume"][row]
        and effect[one] == Effect.GET
        and ops["status"][one] == STATUS_NOT_FOUND
        for one in older
    )
