"""Reads all payloads of one schema, field after field; payloads that end early drop out on the way."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from tracecheck.payload._columns import BAD_COUNT, SHORT, TOO_MANY, UNKNOWN_TYPE, Column
from tracecheck.payload._nested import Given, Struct, sources
from tracecheck.payload._slices import distinct_slices, gather
from tracecheck.payload.arrow import from_numpy, nulls, spread, strings

if TYPE_CHECKING:
    import numpy.typing as npt

    from tracecheck.payload._arrays import Budget
    from tracecheck.payload._columns import Scalar
    from tracecheck.payload._slices import Bytes, Ints

_REASONS = {
    SHORT: "the payload ends within field {}",
    BAD_COUNT: "field {} has a count that the payload cannot hold",
    UNKNOWN_TYPE: "field {} has a type that is not known",
    TOO_MANY: "field {} is one array more than is read at once",
}

# Ends of payloads are told apart where a sample of so many has no more than a quarter of different ones.
_SAMPLE = 256


@dataclass(frozen=True)
class Tail:
    """The last fields of payloads, where few of all end differently: a call site's file, function and line.

    Attributes:
        code: For each payload, which of the columns' rows its last fields are.
        first: The index of the first of these fields.
        columns: The fields, a row for each different end.
        problems: As :meth:`Reader.finish` gives it.
    """

    code: npt.NDArray[np.int32]
    first: int
    columns: list[pa.Array]
    problems: pa.DictionaryArray | None


class Reader:
    """A place in each of many payloads that share one schema.

    Args:
        data: The bytes, contiguous.
        pos: Where each payload starts, shape (n,).
        end: Where each ends.
        budget: The one that the readers of the fields share.

    Attributes:
        tail: The fields that were read once for all payloads that end alike; None where there are none.
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
        self.tail: Tail | None = None

    def payloads(self, fields: tuple[Column, ...]) -> list[pa.Array]:
        """Read all fields, to the end of the payloads; those that end alike are read once."""
        first = next((i for i, field in enumerate(fields) if field.size is None), len(fields))
        out = self.columns(fields[:first])
        if first < len(fields) and self._rows.size == self._count and self._alike():
            self.tail = self._read_tail(first, fields[first:])
            code = from_numpy(self.tail.code, pa.int32())
            return out + [column.take(code) for column in self.tail.columns]
        return out + self.columns(fields[first:])

    def _alike(self) -> bool:
        """Tell by a sample whether few of the payloads end differently from here on."""
        if self._count < 2 * _SAMPLE:
            return False
        some = np.arange(0, self._count, self._count // _SAMPLE)
        _, different = distinct_slices(self._data, self._pos[some], (self._end - self._pos)[some])
        return 4 * len(different) <= some.size

    def _read_tail(self, first: int, fields: tuple[Column, ...]) -> Tail:
        code, different = distinct_slices(self._data, self._pos, self._end - self._pos)
        row = np.empty(len(different), np.int64)
        row[code[::-1]] = np.arange(self._count - 1, -1, -1)
        once = Reader(self._data, self._pos[row], self._end[row], self._budget)
        columns = once.columns(fields)
        return Tail(code, first, columns, once.finish())

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
        if self.tail is not None:
            problems = self.tail.problems
            return problems if problems is None else problems.take(from_numpy(self.tail.code, pa.int32()))
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
