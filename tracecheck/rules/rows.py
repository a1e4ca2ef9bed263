"""Rows that a rule suspects: whose life each is of, and how they become one finding a life or a call site."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracecheck.fltmgr import TYPE_NAMES, ContextType, Effect
from tracecheck.operations.table import ASSUMED
from tracecheck.rules.evidence import Evidence
from tracecheck.rules.registry import Candidate

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

#: How many operations a finding names at most.
MOST = 100

_OF_PROFILE = "a message of the driver's own tells it, which need not say what the call was given"
_ASSUMED = "that the call succeeded is assumed, as no line says that it failed"
NOTHING: frozenset[str] = frozenset()


def having(evidence: Evidence, *effects: Effect) -> Ints:
    """Find the operations of some effects: most rules look at a small part of all."""
    ops = evidence.ops
    return ops.once(f"having {effects}", lambda: np.flatnonzero(_among(effects)[ops.effect()]))


def steps_having(evidence: Evidence, *effects: Effect) -> Ints:
    """Find the steps whose operations are of some effects."""

    def make() -> NDArray[Any]:
        ops = evidence.ops
        of_steps = ops.once("effect of steps", lambda: ops.effect()[evidence.step("operation")])
        return np.flatnonzero(_among(effects)[of_steps])

    return evidence.ops.once(f"steps having {effects}", make)


def _among(effects: tuple[Effect, ...]) -> Bools:
    table = np.zeros(256, np.bool_)
    table[list(effects)] = True
    return table


def own(evidence: Evidence, steps: Ints) -> Ints:
    """Keep of some steps those on the context that the operation was given or returned, not on an old one."""
    life = evidence.step("context")[steps]
    mine = evidence.ops["context"][evidence.step("operation")[steps]] == evidence.context("pointer")[life]
    kept: Ints = steps[mine]
    return kept


def placed(evidence: Evidence, steps: Ints) -> tuple[Ints, Ints]:
    """Give the operations of some steps, and their lives."""
    op, life = evidence.step("operation")[steps], evidence.step("context")[steps]
    return op.astype(np.int64), life.astype(np.int64)


def born(evidence: Evidence) -> Bools:
    """Tell of which lives the allocation is in the capture."""

    def make() -> NDArray[Any]:
        known = np.zeros(len(evidence.replay.contexts), np.bool_)
        known[evidence.lives_that("birth", "allocated")] = True
        return known

    return evidence.ops.once("born", make)


def kinds(evidence: Evidence) -> NDArray[np.uint16]:
    """Give the context type of each operation: its routine's, else the one it was logged with."""
    ops = evidence.ops

    def make() -> NDArray[Any]:
        slot = ops.slot_type().astype(np.uint16)
        return np.where(slot == 0, ops["context_type"], slot)

    return ops.once("kinds", make)


def lives_of(evidence: Evidence, rows: Ints) -> Ints:
    """Find the life of the context that each of some operations names; -1 where it has none."""
    found = np.full(len(rows), -1, np.int64)
    if not len(rows) or not len(evidence.replay.steps):
        return found
    ops, op = evidence.ops, evidence.step("operation")
    asked = np.zeros(ops.size, np.bool_)
    asked[rows] = True
    steps = np.flatnonzero(asked[op])
    life = evidence.step("context")[steps].astype(np.int64)
    own = evidence.context("pointer")[life] == ops["context"][op[steps]]
    named, life = op[steps][own].astype(np.int64), life[own]
    order = np.argsort(named, kind="stable")
    named, life = named[order], life[order]
    at = np.searchsorted(named, rows)
    there = at < len(named)
    there[there] = named[at[there]] == rows[there]
    found[there] = life[at[there]]
    return found


def born_as(evidence: Evidence, lives: Ints) -> NDArray[np.uint16]:
    """Tell the type that the allocation of each of some lives logged; 0 where none did."""
    births = np.zeros(len(evidence.replay.contexts), np.uint16)
    known = evidence.lives_that("birth", "allocated")
    births[known] = evidence.ops["context_type"][evidence.step("operation")[evidence.first_step[known]]]
    return births[lives]


def by_site(evidence: Evidence, rows: Ints) -> Iterator[Ints]:
    """Group operations by routine, call site and context type; groups come as their first operations do."""
    if not len(rows):
        return
    ops = evidence.ops
    site = np.where(ops.has("site")[rows], ops["site"][rows].astype(np.int64) + 1, 0)
    # Where only the function is known, it stands for the site.
    site = np.where(site == 0, -evidence.function[rows], site)
    key = (ops["routine"][rows].astype(np.int64) << 48) + (site << 16) + kinds(evidence)[rows]
    group = np.unique(key, return_inverse=True)[1].reshape(-1)
    order = np.argsort(group, kind="stable")
    parts = np.split(rows[order], np.flatnonzero(np.diff(group[order])) + 1)
    yield from sorted(parts, key=lambda part: int(part[0]))


def by_life(rows: Ints, lives: Ints) -> Iterator[tuple[int, Ints]]:
    """Group operations by life, those without one left out."""
    rows, lives = rows[lives >= 0], lives[lives >= 0]
    order = np.argsort(lives, kind="stable")
    rows, lives = rows[order], lives[order]
    starts = np.flatnonzero(np.append(True, lives[1:] != lives[:-1])[: len(lives)])
    yield from zip(lives[starts].tolist(), np.split(rows, starts[1:]), strict=len(rows) > 0)


def per_site(
    evidence: Evidence,
    rows: Ints,
    words: str,
    *,
    doubts: tuple[str, ...] = (),
    severity: str | None = None,
) -> Iterator[Candidate]:
    """Make one finding for each call site and type; it is about the first context concerned."""
    for group in by_site(evidence, rows):
        life = int(lives_of(evidence, group[:1])[0])
        yield one(evidence, life, group, words, doubts=doubts, severity=severity)


def one(
    evidence: Evidence,
    life: int,
    rows: Ints,
    words: str,
    *,
    doubts: tuple[str, ...] = (),
    needs: frozenset[str] = NOTHING,
    severity: str | None = None,
) -> Candidate:
    """Make one finding of some operations.

    Args:
        evidence: Where they are.
        life: The life that it is about, -1 for none.
        rows: The operations, the one at fault first.
        words: What the first one did.
        doubts: As for :class:`Candidate`.
        needs: Likewise.
        severity: Likewise.
    """
    first = int(rows[0])
    often = f" ({len(rows):,} times)" if len(rows) > 1 else ""
    known = life >= 0
    return Candidate(
        life if known else None,
        tuple(rows[:MOST].tolist()),
        f"{called(evidence, first)} {words}{often}",
        int(evidence.ops["time"][rows[:MOST]].max()),
        (evidence.names("routine", first), evidence.names("function", first)),
        doubts,
        needs,
        severity,
        None if known else int(evidence.ops["context"][first]),
        0 if known else int(kinds(evidence)[first]),
    )


def called(evidence: Evidence, op: int) -> str:
    """Name an operation: its routine, and its call site where that was logged."""
    site = evidence.names("site", op)
    return evidence.names("routine", op) + (f" at {site}" if site else "")


def told(evidence: Evidence, op: int) -> tuple[str, ...]:
    """Say why what an operation was given is not sure: it was read from a driver's own message."""
    return (_OF_PROFILE,) if evidence.coverage.profile else assumed(evidence, op)


def assumed(evidence: Evidence, op: int) -> tuple[str, ...]:
    """Say why the outcome of an operation is not sure: it was not logged."""
    has = ASSUMED.name in evidence.ops.table.schema.names
    return (_ASSUMED,) if has and evidence.ops[ASSUMED.name][op] else ()


def status_is(evidence: Evidence, rows: Ints, status: int) -> Bools:
    """Tell which of some operations were logged with a status."""
    mask: Bools = evidence.ops.has("status")[rows] & (evidence.ops["status"][rows] == status)
    return mask


def failed(evidence: Evidence, rows: Ints) -> Bools:
    """Tell which of some operations were logged with a status that is an error."""
    mask: Bools = evidence.ops.has("status")[rows] & ~evidence.ops.succeeded()[rows]
    return mask


def null(evidence: Evidence, rows: Ints) -> Ints:
    """Keep of some operations those that were given a context which was logged as 0."""
    ops = evidence.ops
    nulls: Ints = rows[ops["has_context"][rows] & (ops["context"][rows] == 0)]
    return nulls


def type_name(kind: int) -> str:
    """Name a context type, or give the number of one that there is not."""
    return TYPE_NAMES[ContextType(kind)].lower() if kind in list(TYPE_NAMES) else hex(kind)
