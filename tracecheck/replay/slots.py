"""Slots: which context an object holds, for the calls that change it without naming it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tracecheck.fltmgr import ContextType, Effect
from tracecheck.fltmgr.status import KEEP_IF_EXISTS, STATUS_NOT_FOUND
from tracecheck.replay.effects import Mark, Ops
from tracecheck.replay.lives import Lives

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
EMPTY = -1


@dataclass(frozen=True)
class Slots:
    """What is known of every slot, sorted by slot and then by operation.

    Attributes:
        key: The slot, hashed; uint64.
        op: The operation that tells.
        life: The life that it names, or EMPTY.
    """

    key: NDArray[np.uint64]
    op: Ints
    life: Ints


@dataclass(frozen=True)
class Unnamed:
    """Effects on contexts that a call did not name but that its slot held.

    Attributes:
        op: The operation.
        life: The life in the slot.
        unlinks: Whether the call took it out of the slot.
        uncertain: Whether the call may have given the driver a reference to it that was not logged.
    """

    op: Ints
    life: Ints
    unlinks: Bools
    uncertain: Bools


def slot_keys(ops: Ops) -> NDArray[np.uint64]:
    """Hash the slot that each operation works on; 0 where it has none."""
    kind = ops.slot_type()
    scope = np.where(kind == ContextType.VOLUME, ops["filter"], ops["instance"])
    mixed = ops["object"] * np.uint64(0x9E3779B97F4A7C15) ^ scope * np.uint64(0xC2B2AE3D27D4EB4F)
    mixed = (mixed ^ mixed >> np.uint64(29)) * np.uint64(0xBF58476D1CE4E5B9) ^ kind * np.uint64(
        0x165667B19E3779F9
    )
    has = (kind != 0) & (ops["object"] != 0)
    return np.where(has, mixed | np.uint64(1), np.uint64(0))


def find_slots(ops: Ops, lives: Lives) -> Slots:
    """Collect what every operation tells of its slot.

    Args:
        ops: The operations.
        lives: The effects on named contexts.
    """
    keys, effect, success = slot_keys(ops), ops.effect(), ops.succeeded()
    life_of = np.full(ops.size, EMPTY, np.int64)
    named = np.zeros(ops.size, np.bool_)
    own = ops["context"][lives.op] == lives.pointer
    old = ~own & (ops["old_context"][lives.op] == lives.pointer)
    kind, good = effect[lives.op], success[lives.op]
    # A set that succeeded and a get name what is in the slot; a set that failed, the old one in it.
    tells = own & good & ((kind == Effect.SET) | (kind == Effect.GET)) | old & ~good & (kind == Effect.SET)
    life_of[lives.op[tells]] = lives.life[tells]
    named[lives.op[tells]] = True
    empties = success & (effect == Effect.DELETE_BY_OBJECT)
    empties |= (effect == Effect.GET) & ops.has("status") & (ops["status"] == STATUS_NOT_FOUND)
    rows = np.flatnonzero((named | empties) & (keys != 0))
    order = np.argsort(keys[rows], kind="stable")
    rows = rows[order]
    return Slots(keys[rows], rows, life_of[rows])


def find_unnamed(ops: Ops, lives: Lives, slots: Slots) -> Unnamed:
    """Find the contexts that calls took out of a slot, or returned, without the log naming them."""
    effect, success, keys = ops.effect(), ops.succeeded(), slot_keys(ops)
    sets, deletes = effect == Effect.SET, effect == Effect.DELETE_BY_OBJECT
    silent = (sets | deletes) & ~ops["has_old_context"] & (keys != 0)
    asked = ops.has("old_requested") & ops["old_requested"]
    keeps = ops.has("operation") & (ops["operation"] == KEEP_IF_EXISTS)
    unlinks = silent & success
    uncertain = silent & asked & (success | (sets & keeps))
    rows = np.flatnonzero(unlinks | uncertain)
    if not len(rows) or not len(slots.op):
        return Unnamed(rows[:0], rows[:0], unlinks[:0], uncertain[:0])
    at = _last_before(slots, keys[rows], rows)
    held = np.where(at >= 0, slots.life[at], EMPTY)
    held = np.where(_still_there(slots, held, keys[rows], rows), held, EMPTY)
    other = ops["context"][rows] != lives.pointer[lives.first[held]]
    # A set of the context that the slot already holds takes nothing out of it.
    keep = (held != EMPTY) & (other | deletes[rows])
    keep &= ~_left_since(lives, held, np.where(at >= 0, slots.op[at], 0), rows)
    rows, held = rows[keep], held[keep]
    return Unnamed(rows, held, unlinks[rows], uncertain[rows])


def _last_before(slots: Slots, key: NDArray[np.uint64], op: Ints) -> Ints:
    """Find the last thing known of a slot before an operation; -1 where nothing is."""
    distinct, code = np.unique(slots.key, return_inverse=True)
    packed = code.astype(np.int64) << 32 | slots.op
    wanted = np.searchsorted(distinct, key)
    known = wanted < len(distinct)
    known[known] = distinct[wanted[known]] == key[known]
    at = np.searchsorted(packed, wanted.astype(np.int64) << 32 | op) - 1
    found = known & (at >= 0)
    found[found] = slots.key[at[found]] == key[found]
    return np.where(found, at, -1)


def _still_there(slots: Slots, life: Ints, key: NDArray[np.uint64], op: Ints) -> Bools:
    """Tell which lives were named for no other slot since: a context is in one slot at most."""
    order = np.lexsort((slots.op, slots.life))
    by_life, by_op = slots.life[order], slots.op[order]
    at = np.searchsorted(by_life << 32 | by_op, np.maximum(life, 0) << 32 | op) - 1
    good = (life >= 0) & (at >= 0)
    good[good] = (by_life[at[good]] == life[good]) & (slots.key[order][at[good]] == key[good])
    return good


def _left_since(lives: Lives, life: Ints, named: Ints, op: Ints) -> Bools:
    """Tell which lives were cleaned up, or taken out of their slot, after they were last named for it."""
    leaves = np.flatnonzero((lives.mark & (Mark.UNLINK | Mark.CLEANUP)) != 0)
    packed = lives.life[leaves] << 32 | lives.op[leaves]
    at = np.searchsorted(packed, np.maximum(life, 0) << 32 | op) - 1
    left = (life >= 0) & (at >= 0)
    left[left] = packed[at[left]] > (life[left] << 32 | named[left])
    return left
