"""Readers of arrays whose elements have to be counted or found one after the other in the payload."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np
import pyarrow as pa

from tracecheck.payload._columns import BAD_COUNT, SHORT, TOO_MANY, Column, read_counts
from tracecheck.payload._slices import join_slices
from tracecheck.payload.arrow import list_offsets, make_lists, nulls

if TYPE_CHECKING:
    from tracecheck.payload._slices import Bytes, Ints

# With fewer arrays than this still going on, a step over each in Python is quicker than numpy calls; but for
# so few elements a copy of what is left of the payload, which that needs, is not.
_FEW_ROWS = 256
_FEW_ELEMENTS = 16


@dataclass
class Budget:
    """How many more elements of arrays may be read, other than plain numbers.

    An element can be one byte, and finding it costs a hundred times what reading a byte of a number does.

    Attributes:
        left: Elements.
        enforced: False while arrays that were allowed are read again.
    """

    left: int
    enforced: bool = True

    def take(self, cost: int) -> bool:
        """Say whether an array of this cost may be read, and if so deduct it."""
        if self.enforced and cost > self.left:
            return False
        self.left -= cost if self.enforced else 0
        return True

    def allow(self, count: Ints, weight: int) -> Ints:
        """Do the same for many arrays: the counts, TOO_MANY from the array on that exceeds what is left."""
        if not self.enforced:
            return count
        total = np.cumsum(np.maximum(count, 0)) * weight
        over = (total > self.left) & (count > 0)
        self.left -= int(total[~over].max(initial=0))
        return np.where(over, TOO_MANY, count)


class Array(Column):
    """Elements whose number, or whose sizes, lie in the payload.

    Args:
        label: The field's path.
        element: The reader of one element, which takes at least one byte.
        count: The number of elements; None where a u16 before the first says it; one for each payload where
            a field before this one says it.
        budget: What may be read; None where that is bounded by the bytes alone.
        weight: What an element costs: each array around this one goes through its elements once more.
    """

    def __init__(
        self, label: str, element: Column, count: int | Ints | None, budget: Budget | None, weight: int
    ) -> None:
        self.element = element
        self.count = count
        self.budget = budget or Budget(0, enforced=False)
        self.weight = weight
        least = 2 if count is None else count * element.least if isinstance(count, int) else 0
        # A count that the payload states is a lie; one that the schema states finds the payload cut short.
        self.excess = BAD_COUNT if count is None else SHORT
        super().__init__(label, pa.list_(element.kind), None, least)

    def with_count(self, count: int | Ints) -> Self:
        """Return this reader for payloads of which something says the count."""
        other = copy.copy(self)
        other.count = count
        other.excess = BAD_COUNT
        return other

    def measure(self, data: Bytes, pos: Ints, end: Ints) -> Ints:
        """See :meth:`Column.measure`."""
        count, first = self._counts(data, pos, end)
        count = self.budget.allow(count, self.weight)
        if self.element.size is not None:
            return np.where(count < 0, count, first - pos + count * self.element.size)
        _, _, stop = self._spans(data, first, end, count)
        return np.where(stop < 0, stop, stop - pos)

    def step(self, raw: bytes, pos: int, end: int) -> int:
        """See :meth:`Column.step`."""
        count, at = self.count, pos
        if count is None:
            if end - pos < 2:
                return SHORT
            count, at = int.from_bytes(raw[pos : pos + 2], "little"), pos + 2
        assert isinstance(count, int)
        if count * self.element.least > end - at:
            return self.excess
        if not self.budget.take(count * self.weight):
            return TOO_MANY
        if self.element.size is not None:
            return at + count * self.element.size - pos
        for _ in range(count):
            size = self.element.step(raw, at, end)
            if size < 0:
                return size
            at += size
        return at - pos

    def build(self, data: Bytes, pos: Ints, size: Ints) -> pa.Array:
        """See :meth:`Column.build`."""
        count, first = self._counts(data, pos, pos + size)
        if self.element.size is not None:
            # Elements of one array lie side by side: their bytes are copied by array, not by element.
            joined = join_slices(data, first, count * self.element.size)
            values = self._from_bytes(joined)
        else:
            start, sizes, _ = self._spans(data, first, pos + size, count)
            values = self.element.build(data, start, sizes)
        return make_lists(count, values, self.kind)

    def _from_bytes(self, raw: bytes) -> pa.Array:
        assert self.element.size
        if not raw:
            return nulls(0, self.element.kind)
        return self.element.from_block(np.frombuffer(raw, dtype=np.uint8).reshape(-1, self.element.size), 0)

    def _counts(self, data: Bytes, pos: Ints, end: Ints) -> tuple[Ints, Ints]:
        """Return the number of elements (or why there is none) and where the first lies."""
        if self.count is None:
            count, first = read_counts(data, pos, end), pos + 2
        else:
            count, first = np.broadcast_to(np.asarray(self.count, dtype=np.int64), pos.shape), pos
        too_many = (count > 0) & (count * self.element.least > end - first)
        return np.where(too_many, self.excess, count), first

    def _spans(self, data: Bytes, pos: Ints, end: Ints, count: Ints) -> tuple[Ints, Ints, Ints]:
        """Find the elements one after the other, each of all arrays at once.

        Returns:
            Where each element starts and how many bytes it takes, array after array; and for each array
            where its last element ends, or why that is not known.
        """
        offsets = list_offsets(np.maximum(count, 0))
        start = np.zeros(offsets[-1], dtype=np.int64)
        size = np.zeros(offsets[-1], dtype=np.int64)
        stop = np.where(count < 0, count, pos)
        active, index = np.flatnonzero(count > 0), 0
        while _is_worth_numpy(count[active] - index):
            here = stop[active]
            step = self.element.measure(data, here, end[active])
            start[offsets[active] + index] = here
            size[offsets[active] + index] = step
            stop[active] = np.where(step < 0, step, here + step)
            index += 1
            active = active[(step >= 0) & (count[active] > index)]
        for row in active.tolist():
            base = int(stop[row])
            steps = self._walk(data[base : end[row]].tobytes(), int(count[row]) - index)
            at = int(offsets[row]) + index
            size[at : at + len(steps)] = steps
            start[at : at + len(steps)] = base + list_offsets(np.array(steps))[:-1]
            stop[row] = steps[-1] if steps[-1] < 0 else base + sum(steps)
        return start, size, stop

    def _walk(self, raw: bytes, count: int) -> list[int]:
        """Return the elements' sizes in one array; the last may be the reason why it goes no further."""
        steps: list[int] = []
        at, end = 0, len(raw)
        for _ in range(count):
            step = self.element.step(raw, at, end)
            steps.append(step)
            if step < 0:
                break
            at += step
        return steps


def _is_worth_numpy(left: Ints) -> bool:
    """Say how to go on with arrays of which so many elements are left: all together, or one by one."""
    return left.size > 0 and (left.size >= _FEW_ROWS or int(left.max()) <= _FEW_ELEMENTS)
