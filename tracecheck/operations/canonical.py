"""The canonical provider, ``TraceCheck.FilterContexts``: its events as rows of the operations table.

Nothing is read event by event: all events of one schema are decoded together and become a batch of
columns. Rows are in the order of the file here; :mod:`tracecheck.operations.assemble` sorts them.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tracecheck.etl import Chunk
from tracecheck.fltmgr import ROUTINES, TYPE_NAMES, Effect, Routine
from tracecheck.operations.batch import Batch
from tracecheck.operations.members import by_member
from tracecheck.operations.names import Names
from tracecheck.operations.rows import Rows
from tracecheck.payload.tracelogging import Decoded, decode

PROVIDER = UUID("c64d51f2-edf4-50f1-4e59-a52a745ca35b")
_PROVIDER_WORDS = np.frombuffer(PROVIDER.bytes_le, "<u8")

# Column of the table -> field of the event, for what is copied as it is.
_POINTERS = {
    "context": "Context",
    "old_context": "OldContext",
    "file_object": "FileObject",
    "stream": "Stream",
    "instance": "Instance",
    "volume": "Volume",
    "transaction": "Transaction",
    "filter": "Filter",
    "owner_id": "OwnerId",
    "instance_id": "InstanceId",
    "free_callback": "FreeCallback",
}
_NUMBERS = {
    "operation": "Operation",
    "status": "Status",
    "irql": "Irql",
    "pool": "PoolType",
    "pool_tag": "PoolTag",
    "size": "Size",
    "major": "MajorFunction",
    "phase": "Phase",
    "paging_file": "PagingFile",
    "sequence": "Sequence",
    "old_requested": "OldRequested",
}
_MEMBERS = {f"{name}Context": int(kind) for kind, name in TYPE_NAMES.items()}
# What a call site is made of.
_SITE = {"Function", "File", "Line", "Caller"}
_OTHER = _SITE | {
    "ContextType",
    "Begin",
    "Time",
    "ProcessId",
    "ThreadId",
    "Processor",
    "Version",
}
_KNOWN = set(_POINTERS.values()) | set(_NUMBERS.values()) | set(_MEMBERS) | _OTHER


# How many columns of its own a provider gets: each costs room in every row.
_MOST_EXTRA = 64


class CanonicalReader:
    """Collects the canonical provider's operations from the chunks of a capture.

    Attributes:
        rows: What has been collected.
        names: The strings of all rows, each once.
        coverage: The Coverage texts of the CaptureStart events; None for one that has none.
        lag: The longest time by which a relay wrote an event late, nanoseconds.
        problems: How many events did not fit their own schema.
        unknown: Names of events that no routine has.
    """

    def __init__(self) -> None:
        self.rows = Rows()
        self.names = Names()
        self.coverage: list[str | None] = []
        self.lag = 0
        self.problems = 0
        self.unknown: set[str] = set()
        self._kept: set[str] = set()

    def add(self, chunk: Chunk, first_record: int) -> int:
        """Take the provider's events of a chunk.

        Args:
            chunk: Records, in file order.
            first_record: The number of the chunk's first record in the capture.

        Returns:
            How many of the records are the provider's.
        """
        provider = chunk.column("provider")
        mine = np.flatnonzero((provider[:, 0] == _PROVIDER_WORDS[0]) & (provider[:, 1] == _PROVIDER_WORDS[1]))
        count = len(mine)
        if not count:
            return 0
        schema = chunk.column("schema")[mine].astype(np.int64)
        mine, schema = mine[schema != 0], schema[schema != 0]
        start = chunk.column("payload")[mine].astype(np.int64)
        size = chunk.column("payload_size")[mine].astype(np.int64)
        length = chunk.data[schema - 2].astype(np.int64) | chunk.data[schema - 1].astype(np.int64) << 8
        groups = decode(chunk.data, schema, length, start, size)
        for group in groups:
            batch = self._group(chunk, first_record, mine[group.rows], group)
            if batch is not None:
                self.rows.add(batch)
                self.lag = max(self.lag, batch.lag)
        return count

    def _keeps(self, name: str) -> bool:
        """Tell whether a field that the schema does not know is kept: the first ones of a capture are."""
        if len(self._kept) < _MOST_EXTRA:
            self._kept.add(name)
        return name in self._kept

    def _group(
        self, chunk: Chunk, first_record: int, rows: NDArray[np.int64], group: Decoded
    ) -> Batch | None:
        """Make rows of the events of one schema."""
        if group.problems is not None:
            self.problems += len(rows) - group.problems.null_count
        if group.schema is None:
            self.problems += len(rows) if group.problems is None else 0
            return None
        name = group.schema.name
        if name not in ROUTINES:
            self.unknown.add(name)
            return None
        fields = {n: group.table.column(i) for i, n in enumerate(group.table.schema.names)}
        batch = Batch.empty(len(rows), self.names.code(name))
        _fill(batch, chunk, first_record, rows, ROUTINES[name], fields)
        batch["function"], batch["site"] = _sites(group, fields, self.names)
        batch.extra = {n: column for n, column in batch.extra.items() if self._keeps(n)}
        if ROUTINES[name].effect is Effect.CAPTURE_START:
            self.coverage += _texts(fields["Coverage"]) if "Coverage" in fields else [None] * len(rows)
        if ROUTINES[name].effect in (Effect.GET_MANY, Effect.RELEASE_MANY):
            members = [(kind, numbers(fields[f], "u8")[0]) for f, kind in _MEMBERS.items() if f in fields]
            batch = by_member(batch, members)
        return batch


def _texts(column: pa.Array) -> list[str]:
    """Give the texts of a decoded column; what is no text, or could not be read, declares nothing."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if not pa.types.is_string(column.type):
        return []
    return [text for text in column.to_pylist() if text is not None]


def numbers(column: pa.Array, dtype: str) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Give a decoded column as numbers, and which of them were there.

    A column of another type than a number (a provider that breaks the schema) has none.
    """
    there = np.ones(len(column), np.bool_)
    if column.null_count:
        there = column.is_valid().to_numpy(zero_copy_only=False)
        if pa.types.is_null(column.type):
            return np.zeros(len(column), dtype), there
        column = (
            column.fill_null(False if pa.types.is_boolean(column.type) else 0)
            if _numeric(column.type)
            else column
        )
    if not _numeric(column.type):
        return np.zeros(len(column), dtype), np.zeros(len(column), np.bool_)
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.int64())
    return column.to_numpy(zero_copy_only=False).astype(dtype), there


def _numeric(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_boolean(kind))


def _fill(
    batch: Batch,
    chunk: Chunk,
    first_record: int,
    rows: NDArray[np.int64],
    routine: Routine,
    fields: dict[str, pa.Array],
) -> None:
    """Fill the rows of some events of one schema, all but their call sites."""
    for column in ("tick", "cpu", "pid", "tid", "sequence", "offset"):
        batch[f"buffer_{column}" if column in ("sequence", "offset") else column] = chunk.column(column)[rows]
    batch["time"] = chunk.column("time")[rows]
    batch["record"] = (rows + first_record).astype(np.uint64)
    for column, field in (_POINTERS | _NUMBERS).items():
        if field in fields:
            batch[column], batch[f"has_{column}"] = numbers(fields[field], batch.dtype(column))
    kind = (
        numbers(fields["ContextType"], "u2")[0] if "ContextType" in fields else np.zeros(len(rows), np.uint16)
    )
    batch["context_type"] = np.where(kind == 0, np.uint16(routine.context_type), kind)
    if routine.attached_to:
        batch["object"] = _object(batch, routine.attached_to)
    batch.lag = _relay(batch, fields)
    if "Begin" in fields:
        begin, batch["has_begin"] = numbers(fields["Begin"], "i8")
        batch["begin"] = chunk.clock.nanoseconds(begin)
    batch.extra = {n: column for n, column in fields.items() if n not in _KNOWN and n != "Coverage"}


def _sites(
    group: Decoded, fields: dict[str, pa.Array], names: Names
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Make the function and call site of each event; once for each different one where they come last."""
    tail = group.tail
    if tail is None or any(name in _SITE for name in group.table.schema.names[: tail.first]):
        return names.sites(fields, len(group.rows))
    of_tail = dict(zip(group.table.schema.names[tail.first :], tail.columns, strict=True))
    functions, sites = names.sites(of_tail, len(tail.columns[0]))
    return functions[tail.code], sites[tail.code]


def _object(batch: Batch, attached_to: str) -> NDArray[np.uint64]:
    """Tell what the context of each call is attached to; a file object stands in for an unknown stream."""
    if attached_to != "stream":
        return batch[attached_to]
    return np.where(batch["stream"] == 0, batch["file_object"], batch["stream"])


def _relay(batch: Batch, fields: dict[str, pa.Array]) -> int:
    """Let the time and ids that a relay wrote stand for the record's own.

    Returns:
        The longest time between a call and the record that tells of it, nanoseconds.
    """
    written = batch["time"]
    for column, field in (("pid", "ProcessId"), ("tid", "ThreadId"), ("cpu", "Processor"), ("time", "Time")):
        if field in fields:
            value, there = numbers(fields[field], batch.dtype(column))
            batch[column] = np.where(there, value, batch[column])
    return int((written - batch["time"]).max(initial=0))
