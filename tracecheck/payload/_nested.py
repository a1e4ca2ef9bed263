"""Readers of structs, of arrays that the schema alone lays out, and of what another field counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from tracecheck.payload._columns import Column, Scalar
from tracecheck.payload.arrow import from_numpy, make_lists, nulls, unique_names

if TYPE_CHECKING:
    import numpy.typing as npt

    from tracecheck.payload._arrays import Array
    from tracecheck.payload._columns import Sized
    from tracecheck.payload._slices import Bytes, Ints


class Given(Column):
    """A field whose count or length a field before it says.

    Only what reads the fields around it knows that number: it asks :meth:`bound` for the reader to use.

    Args:
        column: The reader, whatever the count.
        source: Which of the fields of the same struct or event says the count.
    """

    def __init__(self, column: Sized | Array, source: int) -> None:
        self.column = column
        self.source = source
        super().__init__(column.label, column.kind, None)

    def bound(self, count: int | Ints) -> Column:
        """Return the reader for payloads of these counts."""
        return self.column.with_count(count)


def sources(fields: tuple[Column, ...]) -> dict[int, Scalar]:
    """Return the fields that say how many of others there are, by their place."""
    found = {field.source: fields[field.source] for field in fields if isinstance(field, Given)}
    return {place: field for place, field in found.items() if isinstance(field, Scalar)}


class Struct(Column):
    """Fields one after the other under a name."""

    def __init__(self, label: str, names: tuple[str, ...], fields: tuple[Column, ...]) -> None:
        self.names = unique_names(names)
        self.fields = fields
        self.sources = sources(fields)
        sizes = [field.size for field in fields]
        size = None if None in sizes else sum(size for size in sizes if size is not None)
        kinds = [pa.field(name, field.kind) for name, field in zip(self.names, fields, strict=True)]
        least = sum(field.least for field in fields)
        super().__init__(label, pa.struct(kinds) if fields else pa.null(), size, least)

    def measure(self, data: Bytes, pos: Ints, end: Ints) -> Ints:
        """See :meth:`Column.measure`."""
        if self.size is not None:
            return super().measure(data, pos, end)
        size = np.zeros(pos.size, dtype=np.int64)
        alive = np.arange(pos.size)
        start: dict[int, Ints] = {}
        for place, field in enumerate(self.fields):
            if place in self.sources:
                start[place] = pos + np.maximum(size, 0)
            reader = self._bound(field, data, start, alive)
            step = reader.measure(data, pos[alive] + size[alive], end[alive])
            size[alive] = np.where(step < 0, step, size[alive] + step)
            alive = alive[step >= 0]
        return size

    def step(self, raw: bytes, pos: int, end: int) -> int:
        """See :meth:`Column.step`."""
        at = pos
        counts: dict[int, int] = {}
        for place, field in enumerate(self.fields):
            reader = field.bound(counts[field.source]) if isinstance(field, Given) else field
            size = reader.step(raw, at, end)
            if size < 0:
                return size
            if place in self.sources:
                counts[place] = self.sources[place].number(raw, at)
            at += size
        return at - pos

    def build(self, data: Bytes, pos: Ints, size: Ints) -> pa.Array:
        """See :meth:`Column.build`."""
        arrays = []
        end = pos + size
        start: dict[int, Ints] = {}
        every = np.arange(pos.size)
        for place, field in enumerate(self.fields):
            if place in self.sources:
                start[place] = pos
            reader = self._bound(field, data, start, every)
            step = reader.measure(data, pos, end)
            arrays.append(reader.build(data, pos, step))
            pos = pos + step
        return self.assemble(arrays, pos.size)

    def _bound(self, field: Column, data: Bytes, start: dict[int, Ints], rows: Ints) -> Column:
        """Return the reader of a field in some rows; ``start`` is where the fields that count lie."""
        if not isinstance(field, Given):
            return field
        return field.bound(self.sources[field.source].numbers(data, start[field.source][rows]))

    def from_block(self, block: Bytes, offset: int) -> pa.Array:
        """See :meth:`Column.from_block`."""
        arrays = []
        for field in self.fields:
            assert field.size is not None
            arrays.append(field.from_block(block, offset))
            offset += field.size
        return self.assemble(arrays, block.shape[0])

    def assemble(
        self, arrays: list[pa.Array], rows: int, null: npt.NDArray[np.bool_] | None = None
    ) -> pa.Array:
        """Join the fields' arrays, of ``rows`` values each; null where ``null`` is true."""
        if not arrays:
            return nulls(rows, self.kind)
        mask = None if null is None else from_numpy(null, pa.bool_())
        return pa.StructArray.from_arrays(arrays, fields=list(self.kind), mask=mask)


class FixedArray(Column):
    """As many numbers as the schema says."""

    def __init__(self, label: str, element: Scalar, count: int) -> None:
        assert element.size is not None
        self.element = element
        self.count = count
        super().__init__(label, pa.list_(element.kind), element.size * count)

    def from_block(self, block: Bytes, offset: int) -> pa.Array:
        """See :meth:`Column.from_block`."""
        assert self.size is not None
        elements = np.ascontiguousarray(block[:, offset : offset + self.size])
        values = self.element.from_block(elements.reshape(-1, self.element.size or 1), 0)
        return make_lists(np.full(block.shape[0], self.count, dtype=np.int64), values, self.kind)
