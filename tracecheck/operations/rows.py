"""All rows of a capture as they come in, column by column.

A column grows in place, and is given up when it has been sorted: a capture's operations are the largest
thing that is held, and are never held twice.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tracecheck.etl import plain_rows
from tracecheck.operations.batch import Batch
from tracecheck.payload.arrow import from_numpy, nulls, strings

_LEAST = 1 << 16


class Rows:
    """Growing columns; rows of batches that did not set a column are zeros in it.

    Attributes:
        size: How many rows there are.
    """

    def __init__(self) -> None:
        self.size = 0
        self._columns: dict[str, NDArray[Any]] = {}
        self._extra: dict[str, list[tuple[int, pa.Array]]] = {}

    def add(self, batch: Batch) -> None:
        """Append a batch."""
        end = self.size + batch.size
        for name in batch.names():
            column = self._columns.get(name)
            if column is None or len(column) < end:
                column = self._columns[name] = _grown(column, end, Batch.dtype(name))
            column[self.size : end] = batch[name]
        for name, values in batch.extra.items():
            self._extra.setdefault(name, []).append((self.size, values))
        self.size = end

    def keep(self, rows: NDArray[np.int64]) -> Rows:
        """Give some of the rows; the provider's own columns are left out."""
        part = Rows()
        part.size = len(rows)
        part._columns = {name: column[rows] for name, column in self._columns.items()}
        return part

    def __contains__(self, name: str) -> bool:
        return name in self._columns

    def __getitem__(self, name: str) -> NDArray[Any]:
        column = self._columns.get(name)
        if column is None or len(column) < self.size:
            column = self._columns[name] = _grown(column, self.size, Batch.dtype(name))
        return column[: self.size]

    def names(self) -> list[str]:
        """Name the columns that were set."""
        return list(self._columns)

    def pop(self, name: str, order: NDArray[np.int64]) -> NDArray[Any]:
        """Give a column in some order, and forget it."""
        if name not in self:
            return np.zeros(self.size, Batch.dtype(name))
        values = self[name].take(order, mode="clip")
        del self._columns[name]
        return values

    def own_names(self) -> list[str]:
        """Name the columns of the provider's own."""
        return sorted(self._extra)

    def own(self, name: str, order: NDArray[np.int64]) -> pa.Array:
        """Give a column of the provider's own in some order, as text where its types differ or are nested."""
        pieces = self._extra[name]
        kinds = {_plain(values).type for _, values in pieces if values.null_count < len(values)}
        kind = kinds.pop() if len(kinds) == 1 else pa.string()
        kind = pa.string() if pa.types.is_nested(kind) else kind
        arrays, at = [], 0
        for start, values in pieces:
            arrays += [nulls(start - at, kind), _as(values, kind)]
            at = start + len(values)
        arrays.append(nulls(self.size - at, kind))
        return pa.concat_arrays(arrays).take(from_numpy(order, pa.int64()))


def _grown(column: NDArray[Any] | None, need: int, dtype: str) -> NDArray[Any]:
    """Make room in a column; what is not used yet is zeros."""
    room = max(need + (need >> 2), _LEAST)
    if column is None:
        return np.zeros(room, dtype)
    # In place: the system moves the pages of a large array, it does not copy them. Nobody else holds it.
    column.resize(room, refcheck=False)
    return column


def _plain(array: pa.Array) -> pa.Array:
    """Decode a dictionary: dictionaries of different batches cannot be put together as they are."""
    return array.dictionary_decode() if pa.types.is_dictionary(array.type) else array


def _as(array: pa.Array, kind: pa.DataType) -> pa.Array:
    """Give an array as a type: its own, or text."""
    array = _plain(array)
    if array.type == kind:
        return array
    if array.null_count == len(array):
        return nulls(len(array), kind)
    values = plain_rows(pa.Table.from_arrays([array], ["value"]))
    texts = strings("" if row["value"] is None else str(row["value"]) for row in values)
    return pc.if_else(array.is_valid(), texts, nulls(len(array), pa.string()))
