"""What the filter manager itself says of filters and volumes, to be shown between the operations.

Its events are of any filter of the machine: they say nothing of a driver's contexts, and no verdict rests
on them.
"""

from __future__ import annotations

from uuid import UUID

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tracecheck.etl import Chunk
from tracecheck.etl.layout import Kind
from tracecheck.payload.arrow import from_numpy, strings

_GUID_WORDS = np.frombuffer(UUID("f3c5e28e-63f6-49c7-a204-e48a1bc4b09d").bytes_le, "<u8")
_ROUTINES = {"load": "FilterLoaded", "unload": "FilterUnloaded", "attach failed": "VolumeAttachFailed"}
_IDS = (1, 3, 6)
_EVENT_KINDS = (Kind.EVENT32, Kind.EVENT64)

#: A row is a mark: ``routine`` is FilterLoaded, FilterUnloaded or VolumeAttachFailed; ``name`` the filter, or
#: the volume that could not be attached to; ``status`` an NTSTATUS. Both are null where the payload ended
#: before them. Rows are in the order of time.
MARKS = pa.schema(
    [
        pa.field("time", pa.timestamp("ns", "UTC"), nullable=False),
        pa.field("cpu", pa.uint16(), nullable=False),
        pa.field("pid", pa.uint32(), nullable=False),
        pa.field("tid", pa.uint32(), nullable=False),
        pa.field("routine", pa.string(), nullable=False),
        pa.field("name", pa.string()),
        pa.field("status", pa.uint32()),
        pa.field("record", pa.uint64(), nullable=False),
    ]
)

#: How many marks are kept: filters are loaded and unloaded a few times.
MOST_MARKS = 10_000


class Marks:
    """Collects the marks of a capture, in bounded memory.

    Attributes:
        dropped: How many there were beyond :data:`MOST_MARKS`.
    """

    def __init__(self) -> None:
        self.dropped = 0
        self._parts: list[pa.RecordBatch] = []
        self._size = 0

    def add(self, chunk: Chunk, first_record: int) -> None:
        """Take the filter manager's events of a chunk.

        Args:
            chunk: Records, in file order.
            first_record: The number of the chunk's first record in the capture.
        """
        provider = chunk.column("provider")
        mine = np.flatnonzero((provider[:, 0] == _GUID_WORDS[0]) & (provider[:, 1] == _GUID_WORDS[1]))
        if not len(mine):
            return
        mine = mine[
            np.isin(chunk.column("kind")[mine], _EVENT_KINDS) & np.isin(chunk.column("id")[mine], _IDS)
        ]
        kept = mine[: MOST_MARKS - self._size]
        self.dropped += len(mine) - len(kept)
        if len(kept):
            self._add(chunk, first_record, kept)

    def finish(self) -> pa.Table:
        """Give the marks, after the last chunk; schema :data:`MARKS`."""
        table = pa.Table.from_batches(self._parts, MARKS)
        return table.sort_by([("time", "ascending"), ("record", "ascending")]) if len(table) else table

    def _add(self, chunk: Chunk, first_record: int, rows: NDArray[np.int64]) -> None:
        from tracecheck.payload.manifest.decode import decode
        from tracecheck.payload.manifest.filter_manager import lifecycle, provider

        columns = [chunk.column(name)[rows] for name in ("id", "version", "payload", "payload_size")]
        decoded = decode(chunk.data, [provider()], np.zeros(len(rows), np.int64), *columns)
        found = lifecycle(decoded, chunk.column("time")[rows]).combine_chunks()
        rows = rows[found.column("row").to_numpy()]
        self._size += len(rows)
        headers = [
            from_numpy(chunk.column(name)[rows], MARKS.field(name).type) for name in ("cpu", "pid", "tid")
        ]
        routines = strings(_ROUTINES[what] for what in found.column("what").to_pylist())
        record = from_numpy((rows + first_record).astype(np.uint64), pa.uint64())
        table = pa.Table.from_arrays(
            [found.column("time"), *headers, routines, found.column("name"), found.column("status"), record],
            schema=MARKS,
        )
        self._parts += table.to_batches()
