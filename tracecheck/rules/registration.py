"""A: what a filter registers, and what of it is wrong or never used."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from tracecheck.fltmgr import Effect
from tracecheck.fltmgr.limits import CONTEXT_END, MOST_FIXED_SIZES, MOST_VARIABLE_SIZES, VARIABLE_SIZE
from tracecheck.fltmgr.status import FAILURE_BIT, STATUS_FLT_INVALID_CONTEXT_REGISTRATION
from tracecheck.rules.call_sites import a_context
from tracecheck.rules.evidence import Evidence, Unload
from tracecheck.rules.registry import Candidate, rule

_ROUTINE = "FltRegisterFilter"
# A run of fewer allocations need not have met everything that a driver does.
_ENOUGH = 100

_ACCEPTED = "FltRegisterFilter succeeded: what was logged may not be what was registered"
_CALLBACK = "whether the entry has a callback that allocates is not logged: then it needs no tag"


@dataclass(frozen=True)
class Entry:
    """An FLT_CONTEXT_REGISTRATION.

    Attributes:
        op: The operation that tells it.
        kind: FLT_CONTEXT_TYPE.
        size: Its size, :data:`VARIABLE_SIZE` for any; None where it was not logged.
        tag: Its pool tag, None where it was not logged.
        pool: Its pool, None where it was not logged.
    """

    op: int
    kind: int
    size: int | None
    tag: int | None
    pool: int | None


@dataclass
class Registration:
    """One call of FltRegisterFilter.

    Attributes:
        filter: The filter, 0 where it was not logged.
        entries: What it registers contexts with.
        returned: The operation that tells of the return; None where none does.
        status: What it returned; None where it was not logged.
        whole: Whether it succeeded and all its entries are known to be in the capture.
    """

    filter: int
    entries: list[Entry] = field(default_factory=list)
    returned: int | None = None
    status: int | None = None
    whole: bool = False

    @property
    def failed(self) -> bool:
        """Whether it is known to have returned an error."""
        return self.status is not None and bool(self.status & FAILURE_BIT)

    @property
    def succeeded(self) -> bool:
        """Whether it is known to have returned without one."""
        return self.status is not None and not self.failed

    @cached_property
    def by_kind(self) -> dict[int, list[Entry]]:
        """The entries of each type; of those that are the same the first one, as no other counts."""
        found: dict[int, dict[tuple[int | None, ...], Entry]] = {}
        for entry in self.entries:
            found.setdefault(entry.kind, {}).setdefault((entry.size, entry.tag, entry.pool), entry)
        return {kind: list(entries.values()) for kind, entries in found.items()}

    @cached_property
    def sizes(self) -> dict[int, set[int | None]]:
        """The sizes that each type is registered with."""
        return {kind: {entry.size for entry in entries} for kind, entries in self.by_kind.items()}


def registrations(evidence: Evidence) -> Iterator[Registration]:
    """Find the calls of FltRegisterFilter: the entries of a thread and filter up to the row of the return."""
    routines = evidence.ops.routines()
    if _ROUTINE not in routines:
        return
    ops = evidence.ops
    rows = np.flatnonzero(ops["routine"] == routines.index(_ROUTINE))
    columns = [ops[name][rows].tolist() for name in ("filter", "tid", "context_type", "time")]
    optional = [_optional(evidence, name, rows) for name in ("size", "pool_tag", "pool", "status")]
    begun: dict[tuple[int, int], Registration] = {}
    lacking = evidence.coverage.lacks(frozenset({_ROUTINE}))
    first_gap = min((low for low, _, _ in evidence.gaps), default=evidence.never)
    for op, filter_, tid, kind, time, size, tag, pool, status in zip(
        rows.tolist(), *columns, *optional, strict=True
    ):
        one = begun.setdefault((filter_, tid), Registration(filter_))
        if kind and kind != CONTEXT_END:
            one.entries.append(Entry(op, kind, size, tag, pool))
        elif not kind:
            del begun[filter_, tid]
            one.returned, one.status = op, status
            one.whole = not one.failed and not lacking and time < first_gap
            yield one
    yield from begun.values()


def registered(evidence: Evidence) -> dict[int, list[Registration]]:
    """Give the whole registrations of each filter, in order; there is no filter 0 among them."""
    found: dict[int, list[Registration]] = {}
    for one in evidence.found(registrations):
        if one.whole and one.filter:
            found.setdefault(one.filter, []).append(one)
    return found


def of_filter(found: dict[int, list[Registration]], filter_: int, op: int) -> Registration | None:
    """Find the registration of a filter that an operation comes after; None where it is not known."""
    every = found.get(filter_, [])
    before = bisect_right(every, op, key=lambda one: one.returned or 0)
    return every[before - 1] if before else None


@rule("A10", "wrong registration of contexts")
def registered_wrongly(evidence: Evidence) -> Iterator[Candidate]:
    """Find registrations that FltRegisterFilter refuses; one finding for each."""
    for one in evidence.found(registrations):
        wrong = _objection(one)
        if wrong is not None:
            yield _told(evidence, one, *wrong)


def _objection(one: Registration) -> tuple[str, list[Entry], bool] | None:
    """Say what is wrong with a registration, and of which entries; whether that is known to be wrong."""
    for kind, mine in sorted(one.by_kind.items()):
        variable = [entry for entry in mine if entry.size == VARIABLE_SIZE]
        fixed = [entry for entry in mine if entry.size not in (VARIABLE_SIZE, None)]
        if len(fixed) > MOST_FIXED_SIZES:
            return f"{len(fixed)} fixed sizes for {a_context(kind)}: 3 are allowed", fixed, True
        if len(variable) > MOST_VARIABLE_SIZES:
            return f"{len(variable)} variable sizes for {a_context(kind)}: 1 is allowed", variable, True
    if one.status == STATUS_FLT_INVALID_CONTEXT_REGISTRATION:
        return "contexts that FltRegisterFilter refused as invalid", one.entries, True
    untagged = [entry for entry in one.entries if entry.tag == 0]
    if untagged:
        return f"no pool tag for {a_context(untagged[0].kind)}", untagged, False
    return None


def _told(evidence: Evidence, one: Registration, what: str, entries: list[Entry], known: bool) -> Candidate:
    rows = [entry.op for entry in entries][-100:]
    if one.returned is not None:
        rows.append(one.returned)
    doubts = (_ACCEPTED,) if one.succeeded else ()
    severity = None
    if not known:
        doubts = (*doubts, _CALLBACK)
        severity = "note" if one.succeeded else "warning"
    first = rows[0]
    place = evidence.names("site", first)
    message = f"{_ROUTINE}{f' at {place}' if place else ''} was given {what}"
    cause = (_ROUTINE, evidence.names("function", first))
    kind = entries[0].kind if entries else 0
    time = int(evidence.ops["time"][first])
    return Candidate(None, tuple(rows), message, time, cause, doubts, severity=severity, context_type=kind)


@rule("A11", "registered type never used, or cleanup callback missing", severity="note", sound=False)
def registered_in_vain(evidence: Evidence) -> Iterator[Candidate]:
    """Find types that a filter registered, and never allocated until it was unloaded; one finding each."""
    if evidence.coverage.lacks(frozenset({"FltAllocateContext"})):
        return
    found = registered(evidence)
    if not found:
        return
    ops = evidence.ops
    rows = np.flatnonzero(ops.effect() == Effect.ALLOCATE)
    filters, number = np.unique(ops["filter"][rows], return_inverse=True)
    keys, counts = np.unique(
        number.reshape(-1) << 16 | ops["context_type"][rows].astype(np.int64), return_counts=True
    )
    made: dict[int, dict[int, int]] = {}
    for key, count in zip(keys.tolist(), counts.tolist(), strict=True):
        made.setdefault(int(filters[key >> 16]), {})[key & 0xFFFF] = count
    unloads = {unload.filter: unload for unload in evidence.unloads if unload.ended is not None}
    for filter_, every in found.items():
        used = made.get(filter_, {}) | made.get(0, {})
        unload = unloads.get(filter_)
        # After a second registration it is not known of which one an allocation is.
        if unload is None or len(every) > 1 or 0 < sum(used.values()) < _ENOUGH or 0 in used:
            continue
        idle = [entry for entry in every[0].entries if entry.kind not in used]
        if idle and not evidence.gap_during(0, unload.ended or 0):
            yield _idle(evidence, idle, unload)


def _idle(evidence: Evidence, idle: list[Entry], unload: Unload) -> Candidate:
    kinds = sorted({entry.kind for entry in idle})
    names = ", ".join(a_context(kind).split(" ", 1)[1].removesuffix(" context") for kind in kinds)
    first = idle[0].op
    message = f"contexts of these types were registered and never allocated until the unload: {names}"
    rows = (*(entry.op for entry in idle[:99]), unload.op)
    kind = kinds[0] if len(kinds) == 1 else 0
    cause = (_ROUTINE, evidence.names("function", first), names)
    return Candidate(None, rows, message, unload.ended or 0, cause, context_type=kind)


def _optional(
    evidence: Evidence, name: str, rows: np.ndarray[tuple[int], np.dtype[np.int64]]
) -> list[int | None]:
    values, there = evidence.ops[name][rows].tolist(), evidence.ops.has(name)[rows].tolist()
    return [value if has else None for value, has in zip(values, there, strict=True)]
