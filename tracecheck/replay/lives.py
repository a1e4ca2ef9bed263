"""Lives: which effects on one pointer belong to one context, and the counts of those that balance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tracecheck.replay.effects import Effects, Mark

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Lives:
    """All effects sorted by life and then by operation; each array has an element an effect.

    Attributes:
        op: The operation's row.
        pointer: The context.
        owned, link: Deltas; the link's is that of the log, before it is held within 0..1.
        mark: :class:`~tracecheck.replay.effects.Mark` flags.
        life: Number of the life, ascending.
        first: For each life, its first effect.
    """

    op: NDArray[np.int32]
    pointer: NDArray[np.uint64]
    owned: NDArray[np.int8]
    link: NDArray[np.int8]
    mark: NDArray[np.uint16]
    life: NDArray[np.int32]
    first: Ints

    @property
    def last(self) -> Ints:
        """For each life, its last effect."""
        return np.append(self.first[1:], len(self.op)) - 1


def split(effects: Effects, time: Ints, losses: list[tuple[int, int]]) -> Lives:
    """Sort effects by pointer and cut them into lives.

    Args:
        effects: In the order of the operations.
        time: The time of each operation, nanoseconds.
        losses: Stretches in which events are missing, nanoseconds.
    """
    order = _by_pointer(effects.pointer)
    pointer, mark, op = effects.pointer[order], effects.mark[order], effects.op[order]
    starts = np.ones(len(order), np.bool_)
    starts[1:] = pointer[1:] != pointer[:-1]
    starts |= (mark & Mark.BIRTH) != 0
    starts |= _reborn_unseen(starts, mark, time[op], losses)
    life = np.cumsum(starts, dtype=np.int32)
    life -= 1
    return Lives(op, pointer, effects.owned[order], effects.link[order], mark, life, np.flatnonzero(starts))


def _by_pointer(pointer: NDArray[np.uint64]) -> Ints:
    """Sort stably by pointer; where pointer and place fit into 64 bits together, as one packed key."""
    if not len(pointer):
        return np.zeros(0, np.int64)
    low, bits = pointer.min(), len(pointer).bit_length()
    span = int(pointer.max() - low)
    if span.bit_length() + bits <= 64:
        packed = (pointer - low) << np.uint64(bits) | np.arange(len(pointer), dtype=np.uint64)
        packed.sort()
        places: Ints = (packed & np.uint64((1 << bits) - 1)).view(np.int64)
        return places
    return np.argsort(pointer, kind="stable")


def _reborn_unseen(
    starts: Bools, mark: NDArray[np.uint16], time: Ints, losses: list[tuple[int, int]]
) -> Bools:
    """Find rows that follow a cleanup across a loss: they belong to a life whose birth was lost."""
    cleanups = (mark & (Mark.CLEANUP | Mark.CLEANUP_END)) != 0
    reborn = np.zeros(len(mark), np.bool_)
    reborn[1:] = cleanups[:-1] & ~cleanups[1:] & ~starts[1:]
    rows = np.flatnonzero(reborn)
    reborn[rows] = overlaps(time[rows - 1], time[rows], losses)
    return reborn


def overlaps(start: Ints, end: Ints, losses: list[tuple[int, int]]) -> Bools:
    """Tell which intervals a loss overlaps, if only at one moment: what was lost may have been of it.

    Args:
        start: Where the intervals begin, nanoseconds.
        end: Where they end.
        losses: Stretches, nanoseconds.
    """
    touched = np.zeros(len(start), np.bool_)
    for low, high in losses:
        touched |= (start <= high) & (end >= low)
    return touched


@dataclass(frozen=True)
class Counts:
    """The counts after each effect, by sums alone, and which lives those sums do not settle.

    Attributes:
        owned, link: After each effect.
        unsettled: For each life, whether it has to be looked at step by step.
    """

    owned: NDArray[np.int32]
    link: NDArray[np.int32]
    unsettled: Bools


def count(lives: Lives) -> Counts:
    """Sum the deltas of every life; find the lives in which anything is out of the ordinary."""
    owned = _running(lives.owned, lives)
    link = _running(lives.link, lives)
    cleanup = (lives.mark & Mark.CLEANUP) != 0
    marker = (lives.mark & Mark.CLEANUP_END) != 0
    birth = (lives.mark & Mark.BIRTH) != 0
    before_owned = owned - lives.owned
    before_link = link - lives.link
    free = (before_owned == 0) & (before_link == 0)
    odd = (owned < 0) | (link < 0) | (link > 1)
    odd |= free & ~birth & ~cleanup & ~marker
    odd |= ((lives.mark & Mark.USE) != 0) & (before_owned == 0)
    odd |= cleanup & (before_owned != 0)
    # The cleanup drops the link. Nothing but its own end may follow it, so sums before it stay right.
    after = np.zeros(len(owned), np.bool_)
    after[1:] = (cleanup | marker)[:-1] & (lives.life[1:] == lives.life[:-1])
    odd |= after & ~marker
    odd[lives.first] |= ~birth[lives.first]
    unsettled = np.zeros(len(lives.first), np.bool_)
    unsettled[lives.life[odd]] = True
    link[_running(cleanup.view(np.int8), lives) > 0] = 0
    return Counts(owned, link, unsettled)


def _running(delta: NDArray[np.int8], lives: Lives) -> NDArray[np.int32]:
    """Sum deltas from the start of each life."""
    total = np.cumsum(delta, dtype=np.int32)
    before = total[lives.first] - delta[lives.first]
    total -= np.repeat(before, np.diff(np.append(lives.first, len(delta))))
    return total
