"""Slots: which context an object holds, for the calls that change it without naming it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracecheck.fltmgr import ContextType, Effect
from tracecheck.fltmgr.status import STATUS_NOT_FOUND
from tracecheck.replay.effects import Mark, Ops
from tracecheck.replay.lives import Lives
from tracecheck.replay.order import Timing

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

    @cached_property
    def by_life(self) -> Ints:
        """The order by life and then by operation."""
        return np.argsort(_packed(self.life + 1, self.op), kind="stable")


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
    """Hash the slot that each operation works on; 0 where it has none.

    Only rows of routines that work on a slot are hashed: they are a small part of most captures.
    """
    keys: NDArray[np.uint64] = ops.once("slot keys", lambda: _slot_keys(ops))
    return keys


def _slot_keys(ops: Ops) -> NDArray[np.uint64]:
    rows = np.flatnonzero((ops.slot_type() != 0) & (ops["object"] != 0))
    keys = np.zeros(ops.size, np.uint64)
    keys[rows] = _hashed(ops, rows)
    return keys


def _hashed(ops: Ops, rows: Ints) -> NDArray[np.uint64]:
    """Mix type, object and scope of each row into one number that is not 0."""
    kind = ops.slot_type()[rows]
    scope = ops["instance"][rows]
    volumes = np.flatnonzero(kind == ContextType.VOLUME)
    scope[volumes] = _filters(ops, rows[volumes])
    mixed = ops["object"][rows] * np.uint64(0x9E3779B97F4A7C15) ^ scope * np.uint64(0xC2B2AE3D27D4EB4F)
    mixed = (mixed ^ mixed >> np.uint64(29)) * np.uint64(0xBF58476D1CE4E5B9) ^ kind * np.uint64(
        0x165667B19E3779F9
    )
    keys: NDArray[np.uint64] = mixed | np.uint64(1)
    return keys


def _filters(ops: Ops, rows: Ints) -> NDArray[np.uint64]:
    """Give the filter of some rows; FltSetVolumeContext has none, its context's allocation told it."""
    filters = ops["filter"][rows]
    allocated = np.flatnonzero((ops.effect() == Effect.ALLOCATE) & (ops["filter"] != 0))
    if not len(allocated) or filters.all():
        return filters
    pointers, last = np.unique(ops["context"][allocated][::-1], return_index=True)
    of_pointer = ops["filter"][allocated[::-1][last]]
    at = np.minimum(np.searchsorted(pointers, ops["context"][rows]), len(pointers) - 1)
    known = pointers[at] == ops["context"][rows]
    return np.where((filters == 0) & known, of_pointer[at], filters)


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


def find_unnamed(ops: Ops, lives: Lives, slots: Slots, when: Timing) -> Unnamed:
    """Find the contexts that calls took out of a slot, or returned, without the log naming them.

    What was in the slot is known only if it was named by the same thread, or before the call can have
    begun, and if it is not found there again; otherwise the call may have come first, and the context is
    only uncertain.

    Args:
        ops: The operations.
        lives: The effects on named contexts.
        slots: What is known of slots.
        when: When each operation can have taken effect.
    """
    effect, success, keys = ops.effect(), ops.succeeded(), slot_keys(ops)
    sets, deletes = effect == Effect.SET, effect == Effect.DELETE_BY_OBJECT
    silent = (sets | (deletes & success)) & ~ops["has_old_context"] & (keys != 0)
    asked = ops.has("old_requested") & ops["old_requested"]
    rows = np.flatnonzero(silent & (success | asked))
    if not len(rows) or not len(slots.op):
        return Unnamed(rows[:0], rows[:0], silent[:0], silent[:0])
    at = _last_before(slots, keys[rows], rows)
    held = np.where(at >= 0, slots.life[at], EMPTY)
    held = np.where(_still_there(slots, held, keys[rows], rows), held, EMPTY)
    # A set of the context that the slot already holds takes nothing out of it.
    keep = (held != EMPTY) & ((ops["context"][rows] != lives.pointer[lives.first[held]]) | deletes[rows])
    keep &= ~_left_since(lives, held, np.where(at >= 0, slots.op[at], 0), rows)
    keep &= rows < _next_life(lives)[held]
    rows, held, named = rows[keep], held[keep], slots.op[at[keep]]
    early = when.early(rows)
    sure = (ops.thread()[named] == ops.thread()[rows]) | (ops["time"][named] <= early)
    sure &= ~_found_later(ops, slots, held, rows)
    return Unnamed(rows, held, success[rows] & sure, asked[rows] | ~sure)


def _next_life(lives: Lives) -> Ints:
    """Tell, for each life, the operation with which the next life of its pointer begins."""
    pointer, op = lives.pointer[lives.first], lives.op[lives.first]
    after = np.full(len(pointer), np.iinfo(np.int64).max)
    same = pointer[1:] == pointer[:-1]
    after[:-1][same] = op[1:][same]
    return after


def _packed(major: NDArray[Any], minor: NDArray[Any]) -> Ints:
    """Put two numbers below 2^31 into one that sorts as the pair does."""
    pair: Ints = major.astype(np.int64) << 32 | minor
    return pair


def _last_before(slots: Slots, key: NDArray[np.uint64], op: Ints) -> Ints:
    """Find the last thing known of a slot before an operation; -1 where nothing is."""
    distinct, code = np.unique(slots.key, return_inverse=True)
    packed = _packed(code, slots.op)
    wanted = np.searchsorted(distinct, key)
    known = wanted < len(distinct)
    known[known] = distinct[wanted[known]] == key[known]
    at = np.searchsorted(packed, _packed(wanted, op)) - 1
    found = known & (at >= 0)
    found[found] = slots.key[at[found]] == key[found]
    return np.where(found, at, -1)


def _still_there(slots: Slots, life: Ints, key: NDArray[np.uint64], op: Ints) -> Bools:
    """Tell which lives were named for no other slot since: a context is in one slot at most."""
    order = slots.by_life
    by_life, by_op = slots.life[order], slots.op[order]
    at = np.searchsorted(_packed(by_life, by_op), _packed(np.maximum(life, 0), op)) - 1
    good = (life >= 0) & (at >= 0)
    good[good] = (by_life[at[good]] == life[good]) & (slots.key[order][at[good]] == key[good])
    return good


def _found_later(ops: Ops, slots: Slots, life: Ints, op: Ints) -> Bools:
    """Tell which lives are next named, after an operation, as what a slot held: no call put them back."""
    order = slots.by_life
    by_life, by_op = slots.life[order], slots.op[order]
    at = np.searchsorted(_packed(by_life, by_op), _packed(life, op), "right")
    found = at < len(order)
    found[found] = by_life[at[found]] == life[found]
    following = by_op[np.minimum(at, len(order) - 1)]
    put_back = (ops.effect()[following] == Effect.SET) & ops.succeeded()[following]
    later: Bools = found & ~put_back
    return later


def _left_since(lives: Lives, life: Ints, named: Ints, op: Ints) -> Bools:
    """Tell which lives were cleaned up, or taken out of their slot, after they were last named for it."""
    leaves = np.flatnonzero((lives.mark & (Mark.UNLINK | Mark.CLEANUP)) != 0)
    packed = _packed(lives.life[leaves], lives.op[leaves])
    at = np.searchsorted(packed, _packed(np.maximum(life, 0), op)) - 1
    left = (life >= 0) & (at >= 0)
    left[left] = packed[at[left]] > _packed(life[left], named[left])
    return left
