"""L: references that nobody released."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from tracecheck.fltmgr import RELEASES, ContextType, Effect
from tracecheck.rules.evidence import Evidence, Unload
from tracecheck.rules.registry import LEAKS, Candidate, rule

# No call keeps a reference for as long as this after the object that it works on has gone, nanoseconds.
_LONG_GONE = 1_000_000_000
_GETS = (Effect.GET, Effect.GET_MANY)
_STORED = "references that are taken like this one are often kept in another structure, and released with it"
_CUT_OFF = "the calls that hold it may still have been running when the capture ended"


@rule("L01", "leak at filter unload", family=LEAKS)
def leaked_at_unload(evidence: Evidence) -> Iterator[Candidate]:
    """Find contexts that are owned when their filter's unload ends, or that it waits for."""
    for life in evidence.held.tolist():
        unload = evidence.unload_of(life)
        if unload is None:
            continue
        doubts: tuple[str, ...] = ()
        if unload.ended is None:
            when, until = (
                "FltUnregisterFilter was entered and had not returned at the end of the capture",
                evidence.never,
            )
            cut_off = evidence.in_flight(life) or evidence.is_draining(unload)
            doubts = (_CUT_OFF,) if cut_off else ()
        else:
            when, until = "the filter's unload had ended", unload.ended
        yield _leak(evidence, life, f"when {when}", until, doubts, unload)


@rule("L02", "pinned after its object was gone", family=LEAKS)
def outlived_its_object(evidence: Evidence) -> Iterator[Candidate]:
    """Find contexts that are owned after the object they were attached to went away."""
    gone, last = evidence.context("object_gone"), evidence.context("last")
    valid = evidence.replay.contexts.column("object_gone").is_valid().to_numpy()
    for life in evidence.held.tolist():
        if not valid[life] or last[life] > gone[life]:
            continue
        unload = evidence.unload_of(life)
        doubts: tuple[str, ...] = ()
        # Until an unload has ended a release may still follow, of a call that is slow or was cut off.
        if (unload is None or unload.ended is None) and evidence.end - int(gone[life]) < _LONG_GONE:
            doubts = (_CUT_OFF,)
        until = unload.ended if unload is not None and unload.ended is not None else evidence.never
        yield _leak(evidence, life, "after its object was gone", until, doubts, unload)


@rule("L03", "outstanding at the end of the capture", severity="warning", sound=False, family=LEAKS)
def outstanding_at_end(evidence: Evidence) -> Iterator[Candidate]:
    """Find contexts that are owned at the end of a capture without an unload, by no call in flight."""
    pinned = {candidate.life for candidate in evidence.found(outlived_its_object)}
    for life in evidence.held.tolist():
        if evidence.unload_of(life) is not None or life in pinned or evidence.in_flight(life):
            continue
        leak = _leak(evidence, life, "at the end of the capture", evidence.never, (), None)
        if all(_may_be_stored(evidence, life, op) for op in evidence.unanswered(life).steps):
            leak = replace(leak, severity="note", doubts=(*leak.doubts, _STORED))
        yield leak


@rule("L09", "get not released", family=LEAKS)
def get_not_released(evidence: Evidence) -> Iterator[Candidate]:
    """Find the gets among what L01, L02 and L03 found unanswered."""
    certain = {c.life: c for find in (outlived_its_object, leaked_at_unload) for c in evidence.found(find)}
    likely = {c.life: c for c in evidence.found(outstanding_at_end) if c.severity is None}
    effect = evidence.ops.effect()
    for life, leak in (likely | certain).items():
        assert life is not None
        open_ = evidence.unanswered(life)
        gets = tuple(op for op in open_.steps if effect[op] in _GETS)
        if not gets:
            continue
        doubts = leak.doubts
        if not all(effect[op] in _GETS for op in open_.candidates):
            doubts += ("which of its references was not released is not certain",)
        if life not in certain:
            doubts += ("the capture ended before the filter was unloaded: the release may have come later",)
        routine, where = evidence.names("routine", gets[0]), evidence.names("site", gets[0])
        message = f"{routine} {_at(where)}took a reference that nothing released"
        cause = (routine, evidence.names("function", gets[0]))
        yield Candidate(life, gets, message, leak.judged, cause, doubts, RELEASES)


def _leak(
    evidence: Evidence, life: int, when: str, until: int, doubts: tuple[str, ...], unload: Unload | None
) -> Candidate:
    """Describe a held life."""
    open_ = evidence.unanswered(life)
    owned = int(evidence.context("owned")[life])
    first = open_.steps[0]
    routine, where = evidence.names("routine", first), evidence.names("site", first)
    many = "1 reference was" if owned == 1 else f"{owned} references were"
    verb = "nothing answers" if len(open_.candidates) == owned else "most likely nothing answers"
    message = f"{many} still owned {when}; {verb} {routine} {_at(where)}".rstrip()
    cause = (routine, evidence.names("function", first))
    proof = (*open_.steps, *((unload.op,) if unload else ()))
    return Candidate(life, proof, message, until, cause, doubts, RELEASES)


def _may_be_stored(evidence: Evidence, life: int, op: int) -> bool:
    """Tell whether a reference may be kept in another structure for as long as that lives.

    Drivers do that with FltReferenceContext. They do it with what they got of the contexts of instances and
    volumes too: believed where nothing that was taken like it was ever released in the capture.
    """
    if evidence.ops.effect()[op] == Effect.REFERENCE:
        return True
    lasting = bool(evidence.context("context_type")[life] & (ContextType.INSTANCE | ContextType.VOLUME))
    return lasting and evidence.usual_hold(life, op) is None


def _at(site: str) -> str:
    return f"at {site} " if site else ""
