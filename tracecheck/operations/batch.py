"""Rows of the operations table as numpy columns, while they are being collected."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tracecheck.payload.arrow import from_numpy

#: Columns that a batch holds, and their types. ``has_`` columns tell which values were logged;
#: ``buffer_sequence`` and ``buffer_offset`` break ties of time and are dropped after the sort.
#: ``binding`` and ``assumed`` are of rows that a profile made: the message that each is of, and whether it is
#: taken to have succeeded because nothing said otherwise.
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
    "owner_id": "u8",
    "instance_id": "u8",
    "free_callback": "u8",
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
    "binding": "i4",
    "assumed": "?",
}
#: The columns for which 0 is not the same as "not logged".
OPTIONAL = (
    "begin",
    "context",
    "old_context",
    "owner_id",
    "instance_id",
    "free_callback",
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
    """Columns of equal length by name; a column that was never set is zeros, and its values not logged.

    Attributes:
        size: How many rows there are.
        extra: The provider's own columns.
        lag: The longest time by which a relay wrote one of the events late, nanoseconds.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._columns: dict[str, NDArray[Any]] = {}
        self.extra: dict[str, pa.Array] = {}
        self.lag = 0

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
        part.lag = self.lag
        part._columns = {name: values[rows] for name, values in self._columns.items()}
        indices = from_numpy(rows, pa.int64())
        part.extra = {name: column.take(indices) for name, column in self.extra.items()}
        return part

    def names(self) -> list[str]:
        """Name the columns that were set."""
        return list(self._columns)

    @staticmethod
    def concat(parts: list[Batch]) -> Batch:
        """Put batches of the same events after another; they have the same columns."""
        whole = Batch(sum(part.size for part in parts))
        whole.lag = max(part.lag for part in parts)
        for name in parts[0].names():
            whole[name] = np.concatenate([part[name] for part in parts])
        for name in parts[0].extra:
            whole.extra[name] = pa.concat_arrays([part.extra[name] for part in parts])
        return whole
