"""L: references that nobody released."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from tracecheck.fltmgr import RELEASES, ContextType, Effect
from tracecheck.rules.evidence import Evidence, Unload
from tracecheck.rules.registry import LEAKS, Candidate, rule

#: No call keeps a reference for as long as this after the object that it works on has gone, nanoseconds.
LONG_GONE = 1_000_000_000
_STORED = "references that are taken like this one are often kept in another structure, and released with it"
#: Why a leak is not certain that only the end of the capture shows.
CUT_OFF = "the calls that hold it may still have been running when the capture ended"


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
            doubts = (CUT_OFF,) if cut_off else ()
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
        if (unload is None or unload.ended is None) and evidence.end - int(gone[life]) < LONG_GONE:
            doubts = (CUT_OFF,)
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
