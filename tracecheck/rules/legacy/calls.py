"""F11 to F24, but for those on lives: calls that are wrong whatever the state; one finding a call site."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from tracecheck.fltmgr import PER_STREAM, PerStream
from tracecheck.fltmgr.per_stream import CREATE, HIGHEST_IRQL, NOT_REMOVED_IN, PAGED, TELLING
from tracecheck.fltmgr.status import STATUS_INVALID_DEVICE_REQUEST
from tracecheck.operations.table import OWNERS
from tracecheck.replay.per_stream.rows import in_callbacks
from tracecheck.rules.evidence import Evidence
from tracecheck.rules.legacy.blocks import MOST, Ints, blocks, call
from tracecheck.rules.legacy.unfreed import failed_and_not_freed
from tracecheck.rules.registry import Candidate, rule

_LISTS = (PerStream.INSERT, PerStream.LOOKUP, PerStream.REMOVE, PerStream.TEARDOWN)
_FINDS = (PerStream.LOOKUP, PerStream.REMOVE)
_COMPLETION = (2, 3)
_UNKNOWN_OWNER = "the initialisation of what was returned is not in the capture"
_WHOSE_CALL = "which owner the caller is was not logged"


@rule("F11", "removed while the stream is closing")
def removed_in_close(evidence: Evidence) -> Iterator[Candidate]:
    """Find removals in the dispatch routines of close and plug and play."""
    ops = evidence.ops
    if not _any(evidence):
        return
    major = ops.has("major") & np.isin(ops["major"], NOT_REMOVED_IN)
    found = (ops.per_stream() == PerStream.REMOVE) & major & ~np.isin(ops["phase"], _COMPLETION)
    yield from _by_site(evidence, np.flatnonzero(found), "was made while the stream is closing")


@rule("F12", "removed inside its own FreeCallback")
def removed_in_callback(evidence: Evidence) -> Iterator[Candidate]:
    """Find removals between the begin and the end of a FreeCallback."""
    if not _any(evidence):
        return
    rows = np.flatnonzero(evidence.ops.per_stream() == PerStream.REMOVE)
    inside, begins = in_callbacks(evidence.ops, rows)
    yield from _by_site(evidence, inside, "was made inside a FreeCallback", begins)


@rule("F14", "file object used in FreeCallback", sound=False)
def file_object_in_callback(evidence: Evidence) -> Iterator[Candidate]:
    """Find calls between the begin and the end of a FreeCallback that name a file object."""
    if not _any(evidence):
        return
    inside, begins = in_callbacks(evidence.ops, np.flatnonzero(evidence.ops["file_object"]))
    yield from _by_site(evidence, inside, "named a file object inside a FreeCallback", begins)


@rule("F15", "no owner or no FreeCallback")
def no_owner(evidence: Evidence) -> Iterator[Candidate]:
    """Find initialisations without an owner or a FreeCallback."""
    if not _has_owners(evidence):
        return
    ops = evidence.ops
    missing = _is_null(evidence, "owner_id") | _is_null(evidence, "free_callback")
    found = np.flatnonzero((ops.per_stream() == PerStream.INIT) & missing)
    yield from _by_site(evidence, found, "was given no owner, or no FreeCallback")


@rule("F16", "instance given without owner")
def instance_without_owner(evidence: Evidence) -> Iterator[Candidate]:
    """Find lookups and removals with an instance but without an owner."""
    if not _has_owners(evidence):
        return
    wrong = _is_null(evidence, "owner_id") & (evidence.ops["instance_id"] != 0)
    found = np.flatnonzero(np.isin(evidence.ops.per_stream(), _FINDS) & wrong)
    yield from _by_site(evidence, found, "was given an instance without its owner")


@rule("F17", "another driver's context removed")
def foreign_context(evidence: Evidence) -> Iterator[Candidate]:
    """Find what lookups and removals without owner and instance returned that is another owner's."""
    of = blocks(evidence)
    if of is None or not _has_owners(evidence):
        return
    wild = _is_null(evidence, "owner_id") & _is_null(evidence, "instance_id")
    rows = np.flatnonzero(np.isin(evidence.ops.per_stream(), _FINDS) & wild & (of.block_of_op >= 0))
    owner = of.column("owner")[of.block_of_op[rows]].astype(np.uint64)
    own = _owners_by_file(evidence)
    every = set(evidence.ops["owner_id"][_owned_inits(evidence)].tolist())
    sure, unsure, unknown = [], [], []
    for op, whose in zip(rows.tolist(), owner.tolist(), strict=True):
        mine = own.get(_file(evidence.names("site", op)))
        if not whose:
            unknown.append(op)
        elif mine is not None and whose not in mine:
            sure.append(op)
        elif mine is None and every - {whose}:
            unsure.append(op)
    words = "took whatever was first in the list: a context of another owner"
    for found, doubts in ((sure, ()), (unsure, (_WHOSE_CALL,)), (unknown, (_UNKNOWN_OWNER,))):
        yield from _by_site(evidence, np.array(found, np.int64), words, doubts=doubts)


@rule("F20", "paged allocation in the completion of a create", severity="warning", sound=False)
def paged_in_completion(evidence: Evidence) -> Iterator[Candidate]:
    """Find contexts that were allocated from paged pool in a create's completion routine."""
    of = blocks(evidence)
    if of is None:
        return
    ops = evidence.ops
    created = ops.has("major") & (ops["major"] == CREATE) & np.isin(ops["phase"], _COMPLETION)
    paged = ops.has("pool") & ((ops["pool"] & PAGED) != 0)
    mine = (ops.per_stream() == PerStream.ALLOCATE) & (of.block_of_op >= 0)
    found = np.flatnonzero(mine & created & paged)
    yield from _by_site(evidence, found, "took paged pool where a create completes")


@rule("F21", "list routine above APC_LEVEL")
def above_apc_level(evidence: Evidence) -> Iterator[Candidate]:
    """Find calls on a stream's list at DISPATCH_LEVEL or above."""
    if not _any(evidence):
        return
    ops = evidence.ops
    high = ops.has("irql") & (ops["irql"] > HIGHEST_IRQL)
    found = np.flatnonzero(np.isin(ops.per_stream(), _LISTS) & high)
    yield from _by_site(evidence, found, "was made above APC_LEVEL")


@rule("F22", "stream without support for contexts", severity="warning")
def unsupported(evidence: Evidence) -> Iterator[Candidate]:
    """Find inserts that the file system refused; where the driver freed the context it is but a note."""
    of = blocks(evidence)
    if of is None:
        return
    ops = evidence.ops
    refused = ops.has("status") & (ops["status"] == STATUS_INVALID_DEVICE_REQUEST)
    rows = np.flatnonzero((ops.per_stream() == PerStream.INSERT) & refused)
    words = "was refused: the stream has no support for contexts"
    lost = {candidate.operations[0]: candidate for candidate in evidence.found(failed_and_not_freed)}
    handled = ~np.isin(rows, list(lost))
    for candidate in _by_site(evidence, rows[~handled], words):
        # It is as sure as that nobody freed it.
        unfreed = lost[candidate.operations[0]]
        yield replace(
            candidate,
            judged=unfreed.judged,
            doubts=unfreed.doubts,
            needs=unfreed.needs,
            since=unfreed.since,
        )
    yield from _by_site(evidence, rows[handled], words, severity="note")


@rule("F24", "teardown by a filter")
def torn_down_by_filter(evidence: Evidence) -> Iterator[Candidate]:
    """Find teardowns that were made by a function which works on contexts as filters do."""
    of = blocks(evidence)
    if of is None:
        return
    role, function = evidence.ops.per_stream(), evidence.function
    works = np.unique(function[np.isin(role, (PerStream.INIT, PerStream.INSERT, *_FINDS))])
    mine = np.isin(function, works[works != 0])
    found = np.flatnonzero((role == PerStream.TEARDOWN) & mine)
    steps = np.flatnonzero(of.role == PerStream.TEARDOWN)
    torn = dict(zip(of.op[steps].tolist(), of.pointer[of.block[steps]].tolist(), strict=True))
    for candidate in _by_site(evidence, found, "tore down a stream that is its file system's"):
        whose = next((torn[op] for op in candidate.operations if op in torn), None)
        yield replace(candidate, context=whose)


def _by_site(
    evidence: Evidence,
    rows: Ints,
    words: str,
    begins: Ints | None = None,
    *,
    doubts: tuple[str, ...] = (),
    severity: str | None = None,
) -> Iterator[Candidate]:
    """Make a finding for each call site of some calls.

    Args:
        evidence: The whole evidence.
        rows: The operations at fault.
        words: What is wrong with them.
        begins: Of each the FreeCallback that it lies in, whose context is the one at fault.
        doubts: Why it is no more than possible.
        severity: Where it is not the rule's own.
    """
    if not len(rows):
        return
    ops = evidence.ops
    site = np.where(ops.has("site")[rows], ops["site"][rows].astype(np.int64) + 1, 0)
    key = (ops["routine"][rows].astype(np.int64) << 40) + site
    order = np.argsort(key, kind="stable")
    starts = np.flatnonzero(np.append(True, key[order][1:] != key[order][:-1]))
    for start, end in zip(starts.tolist(), [*starts[1:].tolist(), len(rows)], strict=True):
        mine = rows[order[start:end]][:MOST].tolist()
        first = mine[0]
        within = () if begins is None else (int(begins[order[start]]),)
        pointer = int(ops["context"][within[0] if within else first])
        often = f" ({end - start} times)" if end - start > 1 else ""
        message = f"{call(evidence, first)} {words}{often}"
        cause = (evidence.names("routine", first), evidence.names("function", first))
        proof = (*mine[: MOST - len(within)], *within)
        yield Candidate(
            None,
            proof,
            message,
            int(ops["time"][first]),
            cause,
            doubts,
            severity=severity,
            context=pointer or None,
        )


def _any(evidence: Evidence) -> bool:
    """Tell whether a call on legacy contexts was logged at all, whether or not it found one."""
    every = {name for name, role in PER_STREAM.items() if role in (*TELLING, PerStream.TEARDOWN)}
    return not every.isdisjoint(evidence.ops.routines())


def _has_owners(evidence: Evidence) -> bool:
    """Tell whether owners were logged at all."""
    return _any(evidence) and OWNERS.names[0] in evidence.ops.table.schema.names


def _is_null(evidence: Evidence, name: str) -> np.ndarray:
    """Tell which rows logged a NULL in a column."""
    ops = evidence.ops
    return np.asarray(ops[f"has_{name}"] & (ops[name] == 0))


def _owners_by_file(evidence: Evidence) -> dict[str, set[int]]:
    """Give the owners for which the functions of each source file initialise contexts."""
    ops = evidence.ops
    rows = _owned_inits(evidence)
    site = np.where(ops.has("site")[rows], ops["site"][rows].astype(np.int64), -1)
    found: dict[str, set[int]] = {}
    pairs = np.unique(np.stack([site.astype(np.uint64), ops["owner_id"][rows]], 1), axis=0, return_index=True)
    for at in pairs[1].tolist():
        op = int(rows[at])
        file = _file(evidence.names("site", op))
        if file:
            found.setdefault(file, set()).add(int(ops["owner_id"][op]))
    return found


def _owned_inits(evidence: Evidence) -> np.ndarray:
    """Find the initialisations that say for whom."""
    ops = evidence.ops
    return np.flatnonzero((ops.per_stream() == PerStream.INIT) & (ops["owner_id"] != 0))


def _file(site: str) -> str:
    """Give the source file that a call site names, "" where it names none."""
    place = site.rpartition("(")[2].rstrip(")")
    return place.partition(":")[0] if "." in place else ""
