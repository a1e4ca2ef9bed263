"""What a trace tells that cannot have been: calls whose results do not go together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tracecheck.fltmgr import Effect
from tracecheck.fltmgr.status import (
    KEEP_IF_EXISTS,
    STATUS_FLT_CONTEXT_ALREADY_DEFINED,
    STATUS_NOT_FOUND,
)
from tracecheck.rules.evidence import Evidence

KEPT_AND_REPLACED = "a set that keeps what exists succeeded and returned an old context"
KEPT_NOTHING = "a set failed because a context exists, and returned none although one was asked for"
FOUND_NOTHING = "a get found nothing and returned a context"
LINKED_TWICE = "it was set on an object while another set shows it attached"


@dataclass(frozen=True)
class Contradiction:
    """A call that cannot have been as the trace tells it.

    Attributes:
        op: The operation.
        life: The context's row in the contexts table; None where none is counted.
        context: Its address, 0 for none.
        what: What is wrong, in words.
    """

    op: int
    life: int | None
    context: int
    what: str


def contradictions(evidence: Evidence) -> Iterator[Contradiction]:
    """Find the calls that cannot have been as the trace tells, in the order of the trace for each kind."""
    for rows, what in _results(evidence):
        yield from _of_rows(evidence, rows, what)
    yield from _linked_twice(evidence)


def contradicted(evidence: Evidence) -> Iterator[frozenset[int]]:
    """Give the lives that such calls are about, as one set; to be asked for by :meth:`Evidence.found`."""
    yield frozenset(one.life for one in evidence.found(contradictions) if one.life is not None)


def _results(evidence: Evidence) -> Iterator[tuple[NDArray[np.int64], str]]:
    """Find the calls whose status and pointers cannot go together."""
    ops = evidence.ops
    effect, told, status = ops.effect(), ops.has("status"), ops["status"]
    sets, old = (effect == Effect.SET) & told, ops["old_context"]
    keeps = ops.has("operation") & (ops["operation"] == KEEP_IF_EXISTS)
    yield np.flatnonzero(sets & keeps & ops.succeeded() & (old != 0)), KEPT_AND_REPLACED
    asked = ops.has("old_requested") & ops["old_requested"] & ops["has_old_context"]
    exists = status == STATUS_FLT_CONTEXT_ALREADY_DEFINED
    yield np.flatnonzero(sets & exists & asked & (old == 0)), KEPT_NOTHING
    found = (effect == Effect.GET) & told & (status == STATUS_NOT_FOUND) & (ops["context"] != 0)
    yield np.flatnonzero(found), FOUND_NOTHING


def _of_rows(evidence: Evidence, rows: NDArray[np.int64], what: str) -> Iterator[Contradiction]:
    if not len(rows):
        return
    op = evidence.step("operation")
    steps = np.flatnonzero(np.isin(op, rows))
    touched: dict[int, list[int]] = {}
    for row, life in zip(op[steps].tolist(), evidence.step("context")[steps].tolist(), strict=True):
        touched.setdefault(row, []).append(life)
    for row in rows.tolist():
        # What a call returned may be wrong, and so may what it was given.
        for life in touched.get(row, [None]):
            pointer = evidence.ops["context"][row] if life is None else evidence.context("pointer")[life]
            yield Contradiction(row, life, int(pointer), what)


def _linked_twice(evidence: Evidence) -> Iterator[Contradiction]:
    """Find sets that succeeded on contexts that are attached, where nothing is known to be missing."""
    sets = (evidence.ops.effect() == Effect.SET) & evidence.ops.succeeded()
    # Most sets link: only the steps of the others are looked at any further.
    at = np.flatnonzero((evidence.step("delta_link") == 0) & sets[evidence.step("operation")])
    op, life = evidence.step("operation")[at], evidence.step("context")[at]
    own = evidence.ops["context"][op] == evidence.context("pointer")[life]
    stays = (evidence.step("link")[at] == 1) & (evidence.step("fault")[at] == 0)
    found = np.flatnonzero(own & stays & ~evidence.step("freed")[at])
    for row, which in zip(op[found].tolist(), life[found].tolist(), strict=True):
        if not evidence.gap_during(int(evidence.context("first")[which]), int(evidence.ops["time"][row])):
            yield Contradiction(row, which, int(evidence.context("pointer")[which]), LINKED_TWICE)
