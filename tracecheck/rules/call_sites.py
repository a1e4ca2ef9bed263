"""One finding for each call site: rules about how a call is made, not about what became of a context."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracecheck.fltmgr import TYPE_NAMES, ContextType
from tracecheck.rules.evidence import Evidence
from tracecheck.rules.registry import Candidate

Ints = NDArray[np.int64]

#: More operations than these are counted, and not listed.
MOST_LISTED = 100

_ASSUMED = "only the intent of the call was logged: that it succeeded is assumed, as no line says it failed"


@dataclass(frozen=True)
class CallSite:
    """Calls of one routine at one place for one type of context.

    Attributes:
        rows: The operations, in the order of the log; at least one.
        kind: FLT_CONTEXT_TYPE, 0 where it is not known.
    """

    rows: Ints
    kind: int

    def only(self, kept: NDArray[np.bool_]) -> CallSite:
        """Give the calls of it that are marked, all where none is; the marks are of all operations."""
        marked = self.rows[kept[self.rows]]
        return CallSite(marked, self.kind) if len(marked) else self


def lives_at(evidence: Evidence) -> Ints:
    """Give the life of the context that each operation names first; -1 where it has none."""

    def make() -> NDArray[Any]:
        life = np.full(evidence.ops.size, -1, np.int64)
        op, context = evidence.step("operation"), evidence.step("context")
        own = evidence.ops["context"][op] == evidence.context("pointer")[context]
        life[op[own]] = context[own]
        return life

    return evidence.ops.once("life of the context", make)


def pool_of(evidence: Evidence, rows: Ints) -> Ints:
    """Give the pool that the context of each operation was allocated from; -1 where that is not known."""
    allocations = np.flatnonzero(evidence.ops.has("pool"))
    if not len(rows) or not len(allocations):
        return np.full(len(rows), -1, np.int64)
    life = lives_at(evidence)
    pools = np.full(len(evidence.replay.contexts) + 1, -1, np.int64)
    pools[life[allocations]] = evidence.ops["pool"][allocations]
    pools[-1] = -1
    return pools[life[rows]]


def kinds_of(evidence: Evidence, rows: Ints) -> Ints:
    """Give the type that each operation is about: the one it says, its routine's, else its context's."""
    said = evidence.ops["context_type"][rows].astype(np.int64)
    said = np.where(said == 0, evidence.ops.slot_type()[rows], said)
    if not len(rows) or said.all() or not len(evidence.replay.contexts):
        return said
    life = lives_at(evidence)[rows]
    own = np.where(life >= 0, evidence.context("context_type")[np.maximum(life, 0)], 0)
    return np.where(said == 0, own, said)


def call_sites(evidence: Evidence, rows: Ints) -> Iterator[CallSite]:
    """Sort operations by routine, place (line and function) and type of context."""
    if not len(rows):
        return
    ops, kind = evidence.ops, kinds_of(evidence, rows)
    site = np.where(ops.has("site")[rows], ops["site"][rows].astype(np.int64) + 1, 0)
    keys = (kind, evidence.function[rows], site, ops["routine"][rows])
    order = np.lexsort((rows, *keys))
    changes = np.zeros(len(rows) - 1, np.bool_)
    for key in keys:
        changes |= key[order][1:] != key[order][:-1]
    for part in np.split(order, np.flatnonzero(changes) + 1):
        yield CallSite(rows[part], int(kind[part[0]]))


def candidate(
    evidence: Evidence,
    site: CallSite,
    words: str,
    *,
    doubts: tuple[str, ...] = (),
    severity: str | None = None,
    needs: frozenset[str] = frozenset(),
) -> Candidate:
    """Describe what is wrong with the calls of a site.

    Args:
        evidence: The tables.
        site: The calls.
        words: What they did; ``{kind}`` stands for a context of their type.
        doubts: As of :class:`Candidate`.
        severity: As of :class:`Candidate`.
        needs: As of :class:`Candidate`.
    """
    first = int(site.rows[0])
    routine, place = evidence.names("routine", first), evidence.names("site", first)
    where = f" at {place}" if place else ""
    often = f" ({len(site.rows):,} times)" if len(site.rows) > 1 else ""
    life = int(lives_at(evidence)[first])
    pointer = int(evidence.ops["context"][first])
    if is_assumed(evidence, site.rows):
        doubts = (*doubts, _ASSUMED)
    return Candidate(
        life if life >= 0 else None,
        tuple(site.rows[:MOST_LISTED].tolist()),
        f"{routine}{where} {words.format(kind=a_context(site.kind))}{often}",
        int(evidence.ops["time"][first]),
        (routine, evidence.names("function", first)),
        doubts,
        needs,
        severity,
        context=pointer or None,
        context_type=site.kind,
    )


def is_assumed(evidence: Evidence, rows: Ints) -> bool:
    """Tell whether of none of some operations a line told the outcome."""
    if "assumed" not in evidence.ops.table.schema.names:
        return False
    return bool(evidence.ops["assumed"][rows].all())


def logged(evidence: Evidence, column: str, holds: Callable[[NDArray[Any]], NDArray[np.bool_]]) -> Ints:
    """Find the operations of which a column was logged and has a value that ``holds``."""
    if evidence.ops.table.column(column).null_count == evidence.ops.size:
        return np.zeros(0, np.int64)
    return np.flatnonzero(evidence.ops.has(column) & holds(evidence.ops[column]))


def a_context(kind: int) -> str:
    """Name a context by its type, in words."""
    if kind not in TYPE_NAMES:
        return f"a context of type {kind:#x}" if kind else "a context"
    name = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", TYPE_NAMES[ContextType(kind)]).lower()
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name} context"
