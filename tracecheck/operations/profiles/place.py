"""Where and when messages were written: what every one of them has besides its arguments."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tracecheck.etl import Chunk


@dataclass(frozen=True)
class Place:
    """Columns of messages, each of shape (n,).

    Attributes:
        time: Nanoseconds since 1970, int64.
        tick: The session clock's raw time, int64.
        cpu: Processors, uint16.
        pid: Processes, uint32.
        tid: Threads, uint32; all alike where the log does not tell threads.
        record: The numbers of their records in the capture, uint64.
        sequence: What breaks ties of time first, int64.
        offset: What breaks ties then, uint32.
    """

    time: NDArray[np.int64]
    tick: NDArray[np.int64]
    cpu: NDArray[np.uint16]
    pid: NDArray[np.uint32]
    tid: NDArray[np.uint32]
    record: NDArray[np.uint64]
    sequence: NDArray[np.int64]
    offset: NDArray[np.uint32]

    @classmethod
    def of_chunk(cls, chunk: Chunk, rows: NDArray[np.int64], first_record: int) -> Place:
        """Take the headers of some records.

        Args:
            chunk: Records.
            rows: Which of them.
            first_record: The number of the chunk's first record in the capture.
        """
        names = ("time", "tick", "cpu", "pid", "tid", "sequence", "offset")
        columns = {name: chunk.column(name)[rows] for name in names}
        return cls(**columns, record=(rows + first_record).astype(np.uint64))

    @classmethod
    def of_lines(
        cls,
        time: NDArray[np.int64],
        *,
        record: NDArray[np.uint64],
        tick: NDArray[np.int64] | None = None,
        cpu: NDArray[np.uint16] | None = None,
        pid: NDArray[np.uint32] | None = None,
        tid: NDArray[np.uint32] | None = None,
    ) -> Place:
        """Describe lines of a text log; what it does not tell is 0, and their order breaks ties of time."""

        def given(column: NDArray[Any] | None, dtype: str) -> NDArray[Any]:
            return np.zeros(len(time), dtype) if column is None else column.astype(dtype)

        return cls(
            time.astype(np.int64),
            given(tick, "i8"),
            given(cpu, "u2"),
            given(pid, "u4"),
            given(tid, "u4"),
            record.astype(np.uint64),
            record.astype(np.int64),
            np.zeros(len(time), np.uint32),
        )

    def __len__(self) -> int:
        return len(self.time)

    def take(self, rows: NDArray[np.int64]) -> Place:
        """Give some of the messages."""
        return Place(**{each.name: getattr(self, each.name)[rows] for each in fields(self)})
