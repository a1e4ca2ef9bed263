"""L: which reference of a context that leaked was forgotten."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tracecheck.fltmgr import RELEASES, ROUTINES, ContextType, Effect
from tracecheck.fltmgr.status import FAILURE_BIT, STATUS_NAMES, STATUS_NOT_FOUND
from tracecheck.rules.accused import Leak, accused, blame, call
from tracecheck.rules.evidence import Evidence
from tracecheck.rules.registry import LEAKS, Candidate, rule

# How many of a thread's next calls may lie between an allocation and the get that ends its use.
_FLOW = 8
_NEVER_SET = " made this context: nothing ever attached it, and nothing released it"
_OTHER_FUNCTION = "that the get which failed belongs to the same path is inferred from its thread"
_ACQUIRES = {
    int(Effect.DELETE_BY_OBJECT): ("L08",),
    int(Effect.GET): ("L09",),
    int(Effect.GET_MANY): ("L09", "L12"),
    int(Effect.REFERENCE): ("L10",),
}
_DROPPED = {
    "L06": " lost a race and returned this context as the old one: nothing released it",
    "L07": " replaced this context and returned it as the old one: nothing released it",
    "L08": " took this context off its object and returned it: nothing released it",
    "L09": " took a reference that nothing released",
    "L10": " took a reference that nothing released",
    "L12": " returned this context in a member that nothing released",
}


@rule("L04", "set without releasing the allocation reference", family=LEAKS)
def allocation_not_released(evidence: Evidence) -> Iterator[Candidate]:
    """Find contexts that were set, and whose allocation's own reference is still owned."""
    yield from _because(evidence, "L04")


@rule("L05", "failed set, new context not released", family=LEAKS)
def failed_set_not_released(evidence: Evidence) -> Iterator[Candidate]:
    """Find new contexts of which every set failed, and that nobody released."""
    yield from _because(evidence, "L05")


@rule("L06", "old context of a lost race not released", family=LEAKS)
def lost_race_not_released(evidence: Evidence) -> Iterator[Candidate]:
    """Find old contexts of sets that failed, which nobody released."""
    yield from _because(evidence, "L06")


@rule("L07", "replaced context not released", family=LEAKS)
def replaced_not_released(evidence: Evidence) -> Iterator[Candidate]:
    """Find old contexts of sets that succeeded, which nobody released."""
    yield from _because(evidence, "L07")


@rule("L08", "old context of a delete by object not released", family=LEAKS)
def deleted_not_released(evidence: Evidence) -> Iterator[Candidate]:
    """Find old contexts of FltDeleteXxxContext, which nobody released."""
    yield from _because(evidence, "L08")


@rule("L09", "get not released", family=LEAKS)
def get_not_released(evidence: Evidence) -> Iterator[Candidate]:
    """Find the gets among what L01, L02 and L03 found unanswered."""
    yield from _because(evidence, "L09")


@rule("L10", "reference not released", family=LEAKS)
def reference_not_released(evidence: Evidence) -> Iterator[Candidate]:
    """Find the calls of FltReferenceContext among what is unanswered."""
    yield from _because(evidence, "L10")


@rule("L11", "FltDeleteContext and then no release", family=LEAKS)
def deleted_and_kept(evidence: Evidence) -> Iterator[Candidate]:
    """Find threads that deleted a context through a reference and released nothing of it after that."""
    for leak in evidence.found(accused):
        deletion = _kept_after_deletion(evidence, leak.life)
        if deletion is None:
            continue
        before, op = deletion
        words = (
            f"{call(evidence, op)} took it off its object, and its caller never released the reference of "
        )
        found = blame(evidence, leak, before, (words, ""), proof=(op,))
        if found is not None:
            yield found


@rule("L12", "member of FltGetContexts not released", family=LEAKS)
def member_not_released(evidence: Evidence) -> Iterator[Candidate]:
    """Find the members of FltGetContexts(Ex) among what is unanswered."""
    yield from _because(evidence, "L12")


@rule("L13", "allocated, never set, never released", family=LEAKS)
def never_set(evidence: Evidence) -> Iterator[Candidate]:
    """Find contexts that were allocated and forgotten."""
    yield from _because(evidence, "L13")


@rule("L15", "new context lost because the get failed", family=LEAKS)
def failed_get_not_released(evidence: Evidence) -> Iterator[Candidate]:
    """Find new contexts that were forgotten when a get told that the object has no contexts."""
    yield from _because(evidence, "L15")


@rule("L16", "section was not created and its context not released", family=LEAKS)
def failed_section_not_released(evidence: Evidence) -> Iterator[Candidate]:
    """Find section contexts of which every creation of a section failed, and that nobody released."""
    yield from _because(evidence, "L16")


@rule("X04", "section closed and its context not released", severity="warning", family=LEAKS)
def closed_not_released(evidence: Evidence) -> Iterator[Candidate]:
    """Find section contexts whose section was closed, and whose allocation's reference is still owned."""
    yield from _because(evidence, "X04")


def _because(evidence: Evidence, code: str) -> Iterator[Candidate]:
    yield from (candidate for cause, candidate in evidence.found(_causes) if cause == code)


def _causes(evidence: Evidence) -> Iterator[tuple[str, Candidate]]:
    """Say of every leak which kinds of acquires are unanswered, with the codes of their rules."""
    effect = evidence.ops.effect()
    for leak in evidence.found(accused):
        kinds = {op: _kinds(evidence, op) for op in (*leak.open.steps, *leak.open.candidates)}
        for code in sorted({code for op in leak.open.steps for code in kinds[op]}):
            mine = {op for op, codes in kinds.items() if code in codes}
            found = blame(evidence, leak, mine, ("", _DROPPED[code]))
            if found is not None:
                yield code, found
        if any(effect[op] == Effect.ALLOCATE for op in leak.open.steps):
            yield from _of_allocation(evidence, leak)


def _kinds(evidence: Evidence, op: int) -> tuple[str, ...]:
    """Name the rules that hold where nothing answers an acquire; an allocation has a story of its own."""
    effect = evidence.ops.effect()[op]
    if effect == Effect.SET:
        return ("L07",) if evidence.ops.succeeded()[op] else ("L06",)
    return _ACQUIRES.get(int(effect), ())


def _of_allocation(evidence: Evidence, leak: Leak) -> Iterator[tuple[str, Candidate]]:
    """Say why the reference of the allocation is still owned: by what became of the context after it."""
    ops, life = evidence.ops, leak.life
    steps = evidence.step("operation")[evidence.first_step[life] : evidence.first_step[life + 1]]
    own = ops["context"][steps] == evidence.context("pointer")[life]
    effect, success = ops.effect()[steps], ops.succeeded()[steps]
    sets, sections = own & (effect == Effect.SET), own & (effect == Effect.CREATE_SECTION)
    closed = own & (effect == Effect.CLOSE_SECTION) & success
    attaching = RELEASES | _attaching(int(evidence.context("context_type")[life]))
    mine = set(steps[effect == Effect.ALLOCATE].tolist())
    for code, which, words, needs in (
        ("X04", closed, "{} closed the section: nothing released the reference of ", RELEASES),
        ("L04", sets & success, "{} added a reference for the object: nothing released that of ", RELEASES),
        ("L17", sections & success, "", RELEASES),
        ("L16", sections, "{} failed with {}: nothing released the reference of ", attaching),
        ("L05", sets, "{} failed with {}: nothing released the reference of ", attaching),
    ):
        if not which.any():
            continue
        op = int(steps[which][0])
        before = words.format(call(evidence, op), _status(evidence, op))
        found = blame(evidence, leak, mine, (before, ""), proof=(op,), needs=needs)
        # Of a section that was never closed L17 tells, whether or not its context leaked too.
        if found is not None and code != "L17":
            yield code, found
        return
    yield from _never_tried(evidence, leak, mine, attaching)


def _never_tried(
    evidence: Evidence, leak: Leak, mine: set[int], needs: frozenset[str]
) -> Iterator[tuple[str, Candidate]]:
    """Say why a context was forgotten that nobody tried to attach."""
    get = _failed_get(evidence, min(mine))
    if get is None:
        code, found = "L13", blame(evidence, leak, mine, ("", _NEVER_SET), needs=needs)
    else:
        op, doubts = get
        before = (
            f"{call(evidence, op)} failed with {_status(evidence, op)}: nothing released the reference of "
        )
        code, found = (
            "L15",
            blame(evidence, leak, mine, (before, ""), doubts=doubts, proof=(op,), needs=needs),
        )
    if found is not None:
        yield code, found


def _attaching(context_type: int) -> frozenset[str]:
    """Name the routines that attach a context of a type: where not all are logged, none proves nothing."""
    effect = Effect.CREATE_SECTION if context_type == ContextType.SECTION else Effect.SET
    return frozenset(
        name for name, one in ROUTINES.items() if one.effect == effect and one.context_type == context_type
    )


def _failed_get(evidence: Evidence, allocation: int) -> tuple[int, tuple[str, ...]] | None:
    """Find the get by which the thread of an allocation learnt that the object has no contexts."""
    ops, effect = evidence.ops, evidence.ops.effect()
    kind, rows = ops["context_type"][allocation], ops.by_thread()
    place = int(evidence.place_in_thread[allocation])
    for op in rows[place + 1 : place + 1 + _FLOW].tolist():
        if ops.thread()[op] != ops.thread()[allocation]:
            return None
        if effect[op] == Effect.ALLOCATE and ops["context_type"][op] == kind:
            return None
        if effect[op] not in (Effect.GET, Effect.SET) or ops.slot_type()[op] != kind:
            continue
        status = int(ops["status"][op])
        if effect[op] == Effect.SET or not status & FAILURE_BIT or status == STATUS_NOT_FOUND:
            return None
        same = evidence.function[op] and evidence.function[op] == evidence.function[allocation]
        return op, () if same else (_OTHER_FUNCTION,)
    return None


def _kept_after_deletion(evidence: Evidence, life: int) -> tuple[set[int], int] | None:
    """Find the last FltDeleteContext after which its thread released nothing of a life.

    Returns:
        What its thread had acquired before it, and the deletion; None where there is none.
    """
    rows = slice(evidence.first_step[life], evidence.first_step[life + 1])
    steps, delta = evidence.step("operation")[rows], evidence.step("delta_owned")[rows]
    deletes = np.flatnonzero(
        (evidence.ops.effect()[steps] == Effect.DELETE) & (evidence.step("delta_link")[rows] < 0)
    )
    if not len(deletes):
        return None
    last = int(deletes[-1])
    mine = evidence.ops.thread()[steps] == evidence.ops.thread()[steps[last]]
    if (delta[last:][mine[last:]] < 0).any():
        return None
    acquired = steps[:last][mine[:last] & (delta[:last] > 0)]
    return set(acquired.tolist()), int(steps[last])


def _status(evidence: Evidence, op: int) -> str:
    status = int(evidence.ops["status"][op])
    return STATUS_NAMES.get(status, f"{status:#010x}")
