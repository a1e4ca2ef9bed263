"""A: allocations that the filter manager refuses, or that should have been made otherwise."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from tracecheck.fltmgr import RELEASES, ContextType, Effect
from tracecheck.fltmgr.limits import LARGEST_CONTEXT, NON_PAGED_POOL, PAGED_POOL, POOLS, VARIABLE_SIZE
from tracecheck.fltmgr.status import (
    FAILURE_BIT,
    STATUS_FLT_CONTEXT_ALLOCATION_NOT_FOUND,
    STATUS_FLT_DELETING_OBJECT,
    STATUS_FLT_MUST_BE_NONPAGED_POOL,
    STATUS_INVALID_BUFFER_SIZE,
)
from tracecheck.replay.engine import TWO_GENERATIONS
from tracecheck.rules.call_sites import Ints, call_sites, candidate
from tracecheck.rules.evidence import Evidence
from tracecheck.rules.registration import of_filter, registered
from tracecheck.rules.registry import Candidate, rule

Marks = NDArray[np.bool_]

_SERVED = "the allocation succeeded: what was logged may not be what was passed"
_IN_FORCE = "type and size were registered: the registration that was logged may not be the one in force"
_TYPE, _NEITHER, _SIZE = 1, 2, 3
_NO_SIZE = 1 << 40
_CONTRADICTION = "a trace that contradicts itself shows that it is incomplete, not that the driver has a bug"


@rule("A01", "context type not registered")
def type_not_registered(evidence: Evidence) -> Iterator[Candidate]:
    """Find allocations of types that the filter did not register."""
    for site in call_sites(evidence, _unregistered(evidence, _TYPE)):
        yield candidate(evidence, site, "asked for {kind}, a type that the filter did not register")
    for site in call_sites(evidence, _unregistered(evidence, _NEITHER)):
        yield candidate(evidence, site, "asked for {kind}, which is not registered", doubts=(_IN_FORCE,))


@rule("A02", "context of size zero")
def size_zero(evidence: Evidence) -> Iterator[Candidate]:
    """Find allocations of no bytes."""
    rows = _allocations(evidence)
    rows = rows[evidence.ops.has("size")[rows] & (evidence.ops["size"][rows] == 0)]
    failed = _marks(evidence, rows[_failed(evidence, rows)])
    for site in call_sites(evidence, rows):
        site = site.only(failed)
        doubts = () if failed[site.rows[0]] else (_SERVED,)
        yield candidate(evidence, site, "asked for {kind} of 0 bytes", doubts=doubts)


@rule("A03", "context larger than 65535 bytes")
def too_large(evidence: Evidence) -> Iterator[Candidate]:
    """Find allocations of more than MAXUSHORT bytes."""
    rows = _allocations(evidence)
    large = evidence.ops["size"][rows] > LARGEST_CONTEXT
    rows = rows[large | _returned(evidence, rows, STATUS_INVALID_BUFFER_SIZE)]
    for site in call_sites(evidence, rows):
        size = int(evidence.ops["size"][site.rows[0]])
        bytes_ = f"{size:,} bytes" if size > LARGEST_CONTEXT else "a size that was refused"
        words = f"asked for {{kind}} of {bytes_}: {LARGEST_CONTEXT:,} is the most"
        yield candidate(evidence, site, words)


@rule("A04", "size differs from the registered one")
def size_not_registered(evidence: Evidence) -> Iterator[Candidate]:
    """Find allocations of sizes that the filter did not register for the type."""
    for site in call_sites(evidence, _unregistered(evidence, _SIZE)):
        first = int(site.rows[0])
        size = f" of {int(evidence.ops['size'][first]):,} bytes" if evidence.ops.has("size")[first] else ""
        yield candidate(evidence, site, f"asked for {{kind}}{size}, a size that the filter did not register")


@rule("A05", "volume context in paged pool")
def paged_volume_context(evidence: Evidence) -> Iterator[Candidate]:
    """Find volume contexts that are asked for from paged pool."""
    rows, ops = _allocations(evidence), evidence.ops
    volume = ops["context_type"][rows] == ContextType.VOLUME
    paged = ops.has("pool")[rows] & (ops["pool"][rows] & PAGED_POOL != 0)
    refused = _returned(evidence, rows, STATUS_FLT_MUST_BE_NONPAGED_POOL)
    # Where a profile tells the type, what is not known of the profile weakens it.
    needs = frozenset({"FltAllocateContext"} if evidence.coverage.profile else ())
    for site in call_sites(evidence, rows[(volume & paged) | refused]):
        words = "asked for {kind} from paged pool: it must be nonpaged"
        yield candidate(evidence, site, words, needs=needs)


@rule("A06", "invalid pool type", severity="warning")
def invalid_pool(evidence: Evidence) -> Iterator[Candidate]:
    """Find allocations from pools that the filter manager does not know; a note where it refused them."""
    rows, ops = _allocations(evidence), evidence.ops
    rows = rows[ops.has("pool")[rows] & ~np.isin(ops["pool"][rows], POOLS)]
    served = _marks(evidence, rows[~_failed(evidence, rows)])
    for site in call_sites(evidence, rows):
        site = site.only(served)
        severity = None if served[site.rows[0]] else "note"
        words = f"asked for {{kind}} from pool type {int(ops['pool'][site.rows[0]]):#x}"
        yield candidate(evidence, site, words, severity=severity)


@rule("A07", "context in executable pool", severity="note", sound=False)
def executable_pool(evidence: Evidence) -> Iterator[Candidate]:
    """Find allocations from NonPagedPool, from which code may run."""
    rows, ops = _allocations(evidence), evidence.ops
    rows = rows[ops.has("pool")[rows] & (ops["pool"][rows] == NON_PAGED_POOL)]
    for site in call_sites(evidence, rows):
        yield candidate(evidence, site, "asked for {kind} from executable pool (NonPagedPool)")


@rule("A09", "allocation while the filter is unloading", severity="note", sound=False)
def allocated_in_unload(evidence: Evidence) -> Iterator[Candidate]:
    """Find allocations that were refused because the filter goes away."""
    rows = _allocations(evidence)
    for site in call_sites(evidence, rows[_returned(evidence, rows, STATUS_FLT_DELETING_OBJECT)]):
        yield candidate(evidence, site, "asked for {kind} while the filter was being unloaded")


@rule("A12", "pointer allocated twice while live")
def allocated_twice(evidence: Evidence) -> Iterator[Candidate]:
    """Find allocations that returned the pointer of a context that had not been freed by what was logged."""
    if evidence.coverage.lacks(RELEASES):
        return  # M04 tells of all such lives at once.
    for life, (op, what) in sorted(evidence.replay.contradictions.items()):
        if what == TWO_GENERATIONS:
            message = "its memory was handed out again while references to it were owned"
            time = int(evidence.ops["time"][op])
            yield Candidate(life, (op,), message, time, (what,), (_CONTRADICTION,), severity="note")


def _allocations(evidence: Evidence) -> Ints:
    """Find the calls of FltAllocateContext."""

    def make() -> NDArray[np.int64]:
        return np.flatnonzero(evidence.ops.effect() == Effect.ALLOCATE)

    return evidence.ops.once("rows of allocations", make)


def _failed(evidence: Evidence, rows: Ints) -> Marks:
    """Tell which calls returned an error, or no context where no status was logged."""
    ops = evidence.ops
    by_status = (ops["status"][rows] & FAILURE_BIT) != 0
    failed: Marks = np.where(ops.has("status")[rows], by_status, ops["context"][rows] == 0)
    return failed


def _returned(evidence: Evidence, rows: Ints, status: int) -> Marks:
    returned: Marks = evidence.ops.has("status")[rows] & (evidence.ops["status"][rows] == status)
    return returned


def _marks(evidence: Evidence, rows: Ints) -> Marks:
    marks = np.zeros(evidence.ops.size, np.bool_)
    marks[rows] = True
    return marks


def _unregistered(evidence: Evidence, which: int) -> Ints:
    """Find the allocations that failed because the type, or because the size, was not registered."""
    rows = _allocations(evidence)
    verdict = evidence.ops.once("what was not registered", lambda: _verdicts(evidence, rows))
    found: Ints = rows[verdict == which]
    return found


def _verdicts(evidence: Evidence, rows: Ints) -> NDArray[np.uint8]:
    """Tell of each allocation whether its type (_TYPE) or its size (_SIZE) was not registered; else 0.

    The status is the same for both. Where the registration is not known, a type that the capture shows
    allocated was registered, with another size.
    """
    ops = evidence.ops
    verdict = np.zeros(len(rows), np.uint8)
    failed = _failed(evidence, rows)
    suspects = np.flatnonzero(failed)
    if not len(suspects):
        return verdict
    said = _returned(evidence, rows, STATUS_FLT_CONTEXT_ALLOCATION_NOT_FOUND)
    served = np.unique(ops["context_type"][rows[~failed]])
    known = registered(evidence)
    asked = np.stack(
        [ops["filter"][rows], ops["context_type"][rows].astype(np.uint64), _sizes(evidence, rows), said]
    )[:, suspects]
    # Registrations are few: each combination that occurs is judged once, by its first call.
    every, first, which = np.unique(asked, axis=1, return_index=True, return_inverse=True)
    told = np.zeros(len(first), np.uint8)
    for i, (filter_, kind, size, refused) in enumerate(every.T.tolist()):
        one = of_filter(known, filter_, int(rows[suspects[first[i]]]))
        if one is not None and kind:
            told[i] = _judged(one.sizes.get(kind, set()), size, bool(refused))
        elif refused:
            told[i] = _SIZE if kind in served else _TYPE
    verdict[suspects] = told[which.reshape(-1)]
    return verdict


def _judged(sizes: set[int | None], size: int, refused: bool) -> int:
    """Judge a call by the sizes with which its type was registered."""
    if not sizes:
        return _TYPE
    fixed = {one for one in sizes if one is not None}
    clear = fixed == sizes and VARIABLE_SIZE not in fixed and size != _NO_SIZE
    if refused:
        return _SIZE if clear and size not in fixed else _NEITHER
    # Whatever the flags of the registration are, nothing above the largest size is served.
    return _SIZE if clear and LARGEST_CONTEXT >= size > max(fixed) else 0


def _sizes(evidence: Evidence, rows: Ints) -> NDArray[np.uint64]:
    """Give the sizes that were asked for."""
    size = evidence.ops["size"][rows].astype(np.uint64)
    return np.where(evidence.ops.has("size")[rows], size, np.uint64(_NO_SIZE))
