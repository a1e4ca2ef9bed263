"""Rows of the operations table as numpy columns, while they are being collected."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tracecheck.etl import plain_rows
from tracecheck.payload.arrow import from_numpy, nulls, strings

#: Columns that a batch holds, and their types. ``has_`` columns tell which values were logged;
#: ``buffer_sequence`` and ``buffer_offset`` break ties of time and are dropped after the sort.
DTYPES: dict[str, str] = {
    "time": "i8",
    "tick": "i8",
    "begin": "i8",
    "cpu": "u2",
    "pid": "u4",
    "tid": "u4",
    "routine": "i4",
    "context": "u8",
    "old_context": "u8",
    "object": "u8",
    "file_object": "u8",
    "stream": "u8",
    "instance": "u8",
    "volume": "u8",
    "transaction": "u8",
    "filter": "u8",
    "context_type": "u2",
    "operation": "u4",
    "status": "u4",
    "irql": "u1",
    "pool": "u4",
    "pool_tag": "u4",
    "size": "u4",
    "major": "u1",
    "phase": "u1",
    "paging_file": "?",
    "old_requested": "?",
    "function": "i4",
    "site": "i4",
    "sequence": "u8",
    "record": "u8",
    "buffer_sequence": "i8",
    "buffer_offset": "u4",
}
#: The columns for which 0 is not the same as "not logged".
OPTIONAL = (
    "begin",
    "context",
    "old_context",
    "operation",
    "status",
    "irql",
    "pool",
    "pool_tag",
    "size",
    "major",
    "phase",
    "paging_file",
    "old_requested",
    "sequence",
)


class Batch:
    """Columns of equal length by name; a column that was never set is zeros, and its values not logged."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._columns: dict[str, NDArray[Any]] = {}
        self.extra: dict[str, pa.Array] = {}

    @classmethod
    def empty(cls, size: int, routine: int) -> Batch:
        """Make rows of one routine, given its code."""
        batch = cls(size)
        batch["routine"] = np.full(size, routine, np.int32)
        for column in ("function", "site"):
            batch[column] = np.full(size, -1, np.int32)
        return batch

    @staticmethod
    def dtype(column: str) -> str:
        """Tell the type of a column."""
        return DTYPES.get(column, "?")

    def __getitem__(self, column: str) -> NDArray[Any]:
        values = self._columns.get(column)
        return np.zeros(self.size, self.dtype(column)) if values is None else values

    def __setitem__(self, column: str, values: NDArray[Any]) -> None:
        self._columns[column] = values

    def __contains__(self, column: str) -> bool:
        return column in self._columns

    def take(self, rows: NDArray[np.int64]) -> Batch:
        """Give some of the rows."""
        part = Batch(len(rows))
        part._columns = {name: values[rows] for name, values in self._columns.items()}
        indices = from_numpy(rows, pa.int64())
        part.extra = {name: column.take(indices) for name, column in self.extra.items()}
        return part

    @staticmethod
    def concat(parts: list[Batch]) -> Batch:
        """Put batches after another."""
        whole = Batch(sum(part.size for part in parts))
        for name in dict.fromkeys(name for part in parts for name in part._columns):
            whole[name] = joined(parts, name)
        for name in dict.fromkeys(name for part in parts for name in part.extra):
            whole.extra[name] = joined_extra(parts, name)
        return whole

    def drop(self, column: str) -> None:
        """Forget a column, to give its memory back."""
        self._columns.pop(column, None)


def joined(parts: list[Batch], name: str, to: NDArray[np.int64] | None = None) -> NDArray[Any]:
    """Put a column of batches together; rows of batches that do not have it are zeros.

    Args:
        parts: The batches.
        name: The column.
        to: Where each row goes; after another if None.
    """
    column = np.zeros(sum(part.size for part in parts), Batch.dtype(name))
    at = 0
    for part in parts:
        if name in part:
            rows = slice(at, at + part.size)
            column[rows if to is None else to[rows]] = part[name]
        at += part.size
    return column


def joined_extra(parts: list[Batch], name: str) -> pa.Array:
    """Put a column of the provider's own together; where its types differ or are nested, as text."""
    columns = [part.extra.get(name) for part in parts]
    kinds = {
        _plain(column).type for column in columns if column is not None and column.null_count < len(column)
    }
    kind = kinds.pop() if len(kinds) == 1 else pa.string()
    if pa.types.is_nested(kind):
        kind = pa.string()
    arrays = []
    for part, column in zip(parts, columns, strict=True):
        if column is None or column.null_count == len(column):
            arrays.append(nulls(part.size, kind))
        else:
            arrays.append(_plain(column) if _plain(column).type == kind else _as_text(column))
    return pa.concat_arrays(arrays)


def _plain(array: pa.Array) -> pa.Array:
    """Decode a dictionary: dictionaries of different batches cannot be put together as they are."""
    return array.dictionary_decode() if pa.types.is_dictionary(array.type) else array


def _as_text(array: pa.Array) -> pa.Array:
    values = plain_rows(pa.Table.from_arrays([_plain(array)], ["value"]))
    texts = strings("" if row["value"] is None else str(row["value"]) for row in values)
    return pc.if_else(array.is_valid(), texts, nulls(len(array), pa.string()))
