"""What a thread did before: the call that should have filled the variable it now gives back or uses."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tracecheck.fltmgr import Effect
from tracecheck.fltmgr.status import STATUS_FLT_CONTEXT_ALREADY_DEFINED
from tracecheck.rules.evidence import Evidence
from tracecheck.rules.rows import kinds

# What such a call did.
GET_FAILED = "get failed"
SET_FAILED = "set failed"
SET_FOUND_NOTHING = "set found nothing"
SET_DID_NOT_ASK = "set did not ask"
DELETE_FAILED = "delete failed"
DELETE_DID_NOT_ASK = "delete did not ask"
GOT_MANY = "got many"

# How far back a flow is followed, rows of its thread.
_FAR = 32
# Plain numbers: members of an enum are slow to compare with.
_FILLS = frozenset(
    int(effect)
    for effect in (
        Effect.ALLOCATE,
        Effect.GET,
        Effect.GET_MANY,
        Effect.REFERENCE,
        Effect.SET,
        Effect.DELETE_BY_OBJECT,
    )
)
_CLEANUP, _REFERENCE, _ALLOCATE, _SET = (
    int(effect) for effect in (Effect.CLEANUP, Effect.REFERENCE, Effect.ALLOCATE, Effect.SET)
)
_END = 2
_NO_FUNCTION = "of what functions the two calls are was not logged"


@dataclass(frozen=True)
class Filled:
    """The call that should have filled a variable, and what it did instead.

    Attributes:
        op: The operation.
        how: One of the constants of this module.
        doubts: Why it may not be the same variable.
    """

    op: int
    how: str
    doubts: tuple[str, ...]


def before(evidence: Evidence, op: int, far: int = _FAR) -> list[int]:
    """Give the rows of an operation's thread before it, the last one first."""
    ops = evidence.ops
    thread = ops.thread()
    one = int(thread[op])
    # The idle threads of all processors have the id 0: what they do is no flow.
    if not one:
        return []
    order = ops.by_thread()
    sorted_ = ops.once("threads in order", lambda: thread[order])
    low, high = np.searchsorted(sorted_, one, "left"), np.searchsorted(sorted_, one, "right")
    mine: NDArray[np.int64] = order[low:high]
    at = int(np.searchsorted(mine, op))
    record = ops["record"]
    return [int(row) for row in mine[max(at - far, 0) : at][::-1] if record[row] != record[op]]


def _flow(evidence: Evidence, op: int) -> Iterator[int]:
    """Give the rows of a function's flow before an operation, the last one first.

    The flow ends where another function begins. What a cleanup callback did meanwhile is no part of it.
    """
    ops, effect, function = evidence.ops, evidence.ops.effect(), evidence.function
    inside = False
    for row in before(evidence, op):
        if effect[row] == _CLEANUP:
            inside = bool(ops["phase"][row] == _END)
        elif not inside:
            if function[op] and function[row] and function[op] != function[row]:
                return
            yield row


def filled_stale(evidence: Evidence, op: int, life: int) -> Filled | None:
    """Find the call that should have filled the variable in which an operation found a context.

    Args:
        evidence: The evidence.
        op: An operation that was given the context without owning it.
        life: The context's life.

    Returns:
        None where the last such call did return the context, or is not known.
    """
    ops, effect, kind = evidence.ops, evidence.ops.effect(), kinds(evidence)
    pointer, type_ = int(ops["context"][op]), int(evidence.context("context_type")[life])
    for row in _flow(evidence, op):
        if int(effect[row]) not in _FILLS:
            continue
        if pointer in (int(ops["context"][row]), int(ops["old_context"][row])):
            return None
        if effect[row] == _REFERENCE or kind[row] not in (0, type_):
            continue
        how = _outcome(evidence, row)
        return Filled(row, how, _unknown_function(evidence, row, op)) if how else None
    return None


def filled_null(evidence: Evidence, op: int) -> Filled | None:
    """Find the call that left NULL in the variable that an operation was given."""
    ops, effect = evidence.ops, evidence.ops.effect()
    for row in _flow(evidence, op):
        if int(effect[row]) not in _FILLS:
            continue
        how = _outcome(evidence, row)
        if effect[row] == _ALLOCATE and not ops.succeeded()[row]:
            return None
        if how and not (effect[row] == _SET and not ops["has_old_context"][row]):
            doubts = _unknown_function(evidence, row, op)
            gap = evidence.gap_during(int(ops["time"][row]), int(ops["time"][op]))
            return Filled(row, how, (*doubts, f"{gap}, between the two calls") if gap else doubts)
    return None


def _outcome(evidence: Evidence, row: int) -> str:
    """Tell what a call that could have returned a context did instead; "" where it returned one."""
    ops, effect = evidence.ops, evidence.ops.effect()[row]
    good, asked = bool(ops.succeeded()[row]), not ops.has("old_requested")[row] or ops["old_requested"][row]
    nothing = bool(ops["has_old_context"][row]) and not ops["old_context"][row]
    if effect == Effect.GET_MANY:
        return GOT_MANY
    if effect == Effect.GET:
        return "" if good else GET_FAILED
    if effect == Effect.SET:
        if good:
            return SET_FOUND_NOTHING if nothing else ""
        if nothing:
            return SET_FAILED
        exists = int(ops["status"][row]) == STATUS_FLT_CONTEXT_ALREADY_DEFINED
        return SET_DID_NOT_ASK if exists and not asked else ""
    if effect == Effect.DELETE_BY_OBJECT:
        if good:
            return "" if asked else DELETE_DID_NOT_ASK
        return "" if ops["old_context"][row] else DELETE_FAILED
    return ""


def _unknown_function(evidence: Evidence, one: int, other: int) -> tuple[str, ...]:
    return () if evidence.function[one] and evidence.function[other] else (_NO_FUNCTION,)
