"""Reads all payloads of one schema, field after field; payloads that end early drop out on the way."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from tracecheck.payload._columns import BAD_COUNT, SHORT, TOO_MANY, UNKNOWN_TYPE, Column
from tracecheck.payload._nested import Given, Struct, sources
from tracecheck.payload._slices import gather
from tracecheck.payload.arrow import from_numpy, nulls, spread, strings

if TYPE_CHECKING:
    from tracecheck.payload._arrays import Budget
    from tracecheck.payload._columns import Scalar
    from tracecheck.payload._slices import Bytes, Ints

_REASONS = {
    SHORT: "the payload ends within field {}",
    BAD_COUNT: "field {} has a count that the payload cannot hold",
    UNKNOWN_TYPE: "field {} has a type that is not known",
    TOO_MANY: "field {} is one array more than is read at once",
}


class Reader:
    """A place in each of many payloads that share one schema.

    Args:
        data: The bytes, contiguous.
        pos: Where each payload starts, shape (n,).
        end: Where each ends.
        budget: The one that the readers of the fields share.
    """

    def __init__(self, data: Bytes, pos: Ints, end: Ints, budget: Budget) -> None:
        self._budget = budget
        self._data = data
        self._count = pos.size
        # Of the payloads that are still whole: their rows, how far they are read, where they end.
        self._rows: Ints = np.arange(pos.size)
        self._pos = pos
        self._end = end
        self._problem = np.full(pos.size, -1, dtype=np.int32)
        self._messages: dict[str, int] = {}

    def columns(self, fields: tuple[Column, ...]) -> list[pa.Array]:
        """Read the next fields: an array for each, null where the payload had ended."""
        out: list[pa.Array] = []
        counting = sources(fields)
        numbers: dict[int, Ints] = {}
        places = range(len(fields))
        for fixed, run in groupby(places, lambda at: fields[at].size is not None and at not in counting):
            members = list(run)
            if fixed:
                out += self._run([fields[at] for at in members])
                continue
            for at in members:
                if at in counting:
                    numbers[at] = self._numbers(counting[at])
                out.append(self._one(fields[at], numbers))
        return out

    def finish(self) -> pa.DictionaryArray | None:
        """Return for each row null or what is wrong with it; None where nothing is with any."""
        extra = self._end - self._pos
        over = extra > 0
        sizes, kind = np.unique(extra[over], return_inverse=True)
        self._problem[self._rows[over]] = len(self._messages) + kind
        self._messages |= {f"{size} bytes are left over": 0 for size in sizes.tolist()}
        if not self._messages:
            return None
        codes = from_numpy(np.maximum(self._problem, 0), pa.int32(), self._problem >= 0)
        return pa.DictionaryArray.from_arrays(codes, strings(self._messages))

    def _run(self, fields: list[Column]) -> list[pa.Array]:
        """Read neighbouring fields of fixed size with one gather, if no payload ends among them."""
        total = sum(field.size or 0 for field in fields)
        if not self._rows.size or bool((self._end - self._pos < total).any()):
            return [self._one(field) for field in fields]
        block = gather(self._data, self._pos, total)
        self._pos = self._pos + total
        out, offset = [], 0
        for field in fields:
            out.append(spread(field.from_block(block, offset), self._rows, self._count))
            offset += field.size or 0
        return out

    def _numbers(self, field: Scalar) -> Ints:
        """Read the next field as a count of others: one number a payload, of those that hold it."""
        out = np.zeros(self._count, dtype=np.int64)
        out[self._rows] = field.numbers(self._data, self._pos)
        return out

    def _one(self, field: Column, numbers: dict[int, Ints] | None = None) -> pa.Array:
        if not self._rows.size:
            return nulls(self._count, field.kind)
        if isinstance(field, Struct):
            return self._struct(field)
        size = self._bound(field, numbers).measure(self._data, self._pos, self._end)
        whole = size >= 0
        if not whole.all():
            self._drop(field, size)
            size = size[whole]
        self._budget.enforced = False
        array = self._bound(field, numbers).build(self._data, self._pos, size)
        self._budget.enforced = True
        self._pos = self._pos + size
        return spread(array, self._rows, self._count)

    def _bound(self, field: Column, numbers: dict[int, Ints] | None) -> Column:
        """Return the reader of a field in the payloads that are still whole."""
        if not isinstance(field, Given):
            return field
        assert numbers is not None
        return field.bound(numbers[field.source][self._rows])

    def _struct(self, field: Struct) -> pa.Array:
        """Read a struct of which a payload may hold a part."""
        null = np.ones(self._count, dtype=np.bool_)
        null[self._rows] = False
        return field.assemble(self.columns(field.fields), self._count, null if null.any() else None)

    def _drop(self, field: Column, size: Ints) -> None:
        for reason, message in _REASONS.items():
            if (size == reason).any():
                self._note(self._rows[size == reason], message.format(field.label))
        keep = size >= 0
        self._rows, self._pos, self._end = self._rows[keep], self._pos[keep], self._end[keep]

    def _note(self, rows: Ints, message: str) -> None:
        self._problem[rows] = self._messages.setdefault(message, len(self._messages))
