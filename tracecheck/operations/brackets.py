"""Pairs what opens with what closes, in many sequences at once."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


def partners(opens: Bools, group: NDArray[Any]) -> Ints:
    """Find the partner of each bracket, as a stack of each group would.

    A closing bracket belongs to the latest one of its group that is still open; one that finds none open,
    and one that is never closed, has no partner.

    Args:
        opens: Whether each opens or closes, in their order; shape (n,).
        group: The sequence that each is of; integers, shape (n,).

    Returns:
        The index of each one's partner, -1 for none; shape (n,).
    """
    found = np.full(opens.size, -1, np.int64)
    if not opens.size:
        return found
    order = np.argsort(group, kind="stable")
    opens, group = opens[order], group[order]
    new = np.append(True, group[1:] != group[:-1])
    level = _levels(opens, new)
    code = (np.cumsum(new) - 1) * (opens.size + 1) + level
    # On one level of one group what opens and what closes take turns.
    by_level = np.argsort(code, kind="stable")
    first, second = by_level[:-1], by_level[1:]
    paired = (code[first] == code[second]) & opens[first] & ~opens[second] & (level[first] > 0)
    one, other = order[first[paired]], order[second[paired]]
    found[one], found[other] = other, one
    return found


def enclosing(opens: Bools) -> Ints:
    """Find, for each of whole pairs that nest, the innermost one that is open behind it.

    Args:
        opens: Whether each opens or closes, in their order; each that opens is closed. Shape (n,).

    Returns:
        The index of what opened it, itself where it opens; -1 where none is open. Shape (n,).
    """
    depth = np.cumsum(np.where(opens, 1, -1))
    order = np.argsort(depth, kind="stable")
    at = np.where(opens[order], np.arange(opens.size), -1)
    # The first time that a depth is reached something opens: no depth sees what opened on another.
    last = np.maximum.accumulate(at)
    found = np.empty(opens.size, np.int64)
    found[order] = np.where(last >= 0, order[last], -1)
    return found


def _levels(opens: Bools, new: Bools) -> Ints:
    """Give how many are open in each group, the one in question among them; 0 where it closes nothing."""
    size = opens.size
    total = np.cumsum(np.where(opens, 1, -1))
    starts = np.flatnonzero(new)
    number = np.cumsum(new) - 1
    before = np.where(starts > 0, total[starts - 1], 0)
    within = total - before[number]
    # Each group lies below all that stand before it, so that its minimum starts anew.
    drop = number * (2 * size + 1)
    least = np.minimum(np.minimum.accumulate(within - drop) + drop, 0)
    useless = ~opens & (within == least)
    useless[1:] &= new[1:] | (least[1:] < least[:-1])
    return np.where(useless, 0, within - least + ~opens)
