"""R: releases that were not owed, and uses of what was given back."""

from __future__ import annotations

from collections.abc import Iterator

from tracecheck.fltmgr import acquires
from tracecheck.replay.machine import REFERENCE_FREED, RELEASE_ATTACHED, RELEASE_FREED, USE_FREED, USE_UNOWNED
from tracecheck.rules.evidence import Evidence
from tracecheck.rules.neighbours import soonest_after
from tracecheck.rules.registry import OVER_RELEASES, Candidate, rule

_HASTY = "when calls began was not logged: one that was logged long after it was made explains it"
_MOST_LISTED = 100
_HIDDEN = "another order of overlapping calls explains it"


@rule("R01", "release with no owned reference while attached", family=OVER_RELEASES)
def released_while_attached(evidence: Evidence) -> Iterator[Candidate]:
    """Find releases that took the object's own reference; the system stops with 0xF5, 0x6D."""
    yield from _faults(evidence, RELEASE_ATTACHED, "released a reference that only its object held")


@rule("R02", "release after free", family=OVER_RELEASES)
def released_after_free(evidence: Evidence) -> Iterator[Candidate]:
    """Find releases of a context whose count had reached zero."""
    yield from _faults(evidence, RELEASE_FREED, "released a context that was already free")


@rule("R03", "reference after free", family=OVER_RELEASES)
def referenced_after_free(evidence: Evidence) -> Iterator[Candidate]:
    """Find references to a context whose count had reached zero; the system stops with 0xF5, 0x6E."""
    yield from _faults(evidence, REFERENCE_FREED, "referenced a context that was already free")


@rule("R04", "use after free", family=OVER_RELEASES)
def used_after_free(evidence: Evidence) -> Iterator[Candidate]:
    """Find calls that were given a context whose count had reached zero, and uses of its memory."""
    yield from _faults(evidence, USE_FREED, "used a context that was already free")


@rule("R05", "use after own last release", family=OVER_RELEASES)
def used_without_reference(evidence: Evidence) -> Iterator[Candidate]:
    """Find uses of a context that only its object holds: they work until the object goes away."""
    yield from _faults(evidence, USE_UNOWNED, "used a context without owning a reference to it")


def _faults(evidence: Evidence, fault: str, words: str) -> Iterator[Candidate]:
    """Find the lives that have a fault among their steps, and those in which one is only hidden."""
    by_life: dict[int, list[int]] = {}
    rows = evidence.steps_with(fault)
    lives, ops_at_fault = evidence.step("context")[rows].tolist(), evidence.step("operation")[rows].tolist()
    for life, op in zip(lives, ops_at_fault, strict=True):
        by_life.setdefault(life, []).append(op)
    for life, ops in by_life.items():
        yield _candidate(evidence, life, ops, words, (_HASTY,) if life in evidence.replay.hasty else ())
    held = set(evidence.held.tolist())
    for life, (op, name) in evidence.replay.hidden.items():
        # Only the reference that was never released hides it; where all balance, it was the log's order.
        if name == fault and life in held:
            yield _candidate(evidence, life, [op], words, (_HIDDEN,))


def _candidate(
    evidence: Evidence, life: int, ops: list[int], words: str, doubts: tuple[str, ...]
) -> Candidate:
    """Describe a life with a fault: the operations at fault, and the release before the first of them."""
    first = ops[0]
    routine, site = evidence.names("routine", first), evidence.names("site", first)
    where = f" at {site}" if site else ""
    often = f" ({len(ops)} times)" if len(ops) > 1 else ""
    steps = _steps_until(evidence, life, first)
    before = [op for op, delta in steps if delta < 0][-1:]
    needs = acquires(int(evidence.context("context_type")[life]))
    # In the order of the replay a step may stand before one that was logged earlier, and calls that give
    # something back are logged before they are made.
    judged = max(int(evidence.latest[op]) for op in (first, *(op for op, _ in steps)))
    if not doubts and evidence.found(soonest_after)[0][life] <= evidence.latest[first]:
        doubts = (_HASTY,)
    cause = (routine, evidence.names("function", first))
    return Candidate(
        life, (*ops[:_MOST_LISTED], *before), f"{routine}{where} {words}{often}", judged, cause, doubts, needs
    )


def _steps_until(evidence: Evidence, life: int, op: int) -> list[tuple[int, int]]:
    """Give the steps of a life before an operation, in the order of the replay, and what each changed."""
    rows = slice(evidence.first_step[life], evidence.first_step[life + 1])
    steps = evidence.step("operation")[rows].tolist()
    return list(zip(steps, evidence.step("delta_owned")[rows].tolist(), strict=True))[: steps.index(op)]
