"""Collects a capture's kernel events chunk by chunk, and gives tables of them after the last."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from tracecheck.payload.kernel._stack_rows import StackRows
from tracecheck.payload.kernel._tables import (
    dbgprint_rows,
    dbgprint_table,
    fltio_rows,
    fltio_table,
    pool_rows,
    pool_table,
)
from tracecheck.payload.kernel.decode import Decoded, decode, event_types
from tracecheck.payload.kernel.images import Images, debug_rows, image_rows
from tracecheck.payload.kernel.layouts import EVENTS
from tracecheck.payload.kernel.processes import (
    Processes,
    Threads,
    process_rows,
    switch_rows,
    thread_rows,
)
from tracecheck.payload.kernel.stacks import Stacks

if TYPE_CHECKING:
    from collections.abc import Collection

    import numpy.typing as npt

    from tracecheck.etl.clock import Clock
    from tracecheck.etl.reader import Chunk

    Ints = npt.NDArray[np.int64]

#: What can be asked for, and the event classes that each needs.
TABLES = {
    "processes": ("Process", "Thread", "CSwitch"),
    "images": ("Image", "ImageId"),
    "stacks": ("StackWalk",),
    "fltio": ("FltIo",),
    "pool": ("Pool",),
    "dbgprint": ("DbgPrint",),
}

_HEADER = ("time", "tick", "cpu", "pid", "tid", "opcode")
# Events of the classes above that the tables have no use for.
_UNUSED = frozenset(
    {
        "Process/Terminate",
        "Thread/SetName",
        "ImageId/Info",
        "ImageId/DbgIdNone",
        "ImageId/DbgIdILRSDS",
        "ImageId/FileVersion",
    }
)


def _is_stack(event_number: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    return np.array([False, *(event.family == "StackWalk" for event in EVENTS)])[event_number]


@dataclass(frozen=True)
class Kernel:
    """What the kernel's events of a capture tell.

    A table that was not asked for is empty.

    Attributes:
        processes: Processes over time.
        threads: Threads over time.
        images: Images over time.
        stacks: Stacks joined to their records.
        fltio: A row is a call of a minifilter's callback, or its return: record (int64), time, tick, cpu,
            pid, tid (uint32, :data:`~tracecheck.payload.kernel.processes.NO_ID` where unknown), event
            ("PreOpInit" and so on), phase ("pre" or "post"), step ("call", "return" or "failure"), routine,
            file_object, stream (FsContext), irp, callback_data (uint64), major (uint8), status (uint32, null
            where it is not logged), began (int64: the tick of the call, null where it is not logged).
        pool: A row is an allocation or a free: record, time, tick, cpu, pid, tid, event ("Alloc" and so on),
            pool_type (uint32), tag (dictionary of strings), size, entry (uint64).
        dbgprint: A row is a message: record, time, tick, cpu, pid, tid, component, level (uint32), message.
        warnings: What was left out, a line each.
    """

    processes: Processes
    threads: Threads
    images: Images
    stacks: Stacks
    fltio: pa.Table
    pool: pa.Table
    dbgprint: pa.Table
    warnings: list[str]


class Collector:
    """Collects kernel events in bounded memory.

    Args:
        tables: What is asked for, of :data:`TABLES`; None for all.
        pointer_size: The machine's, as in the log file's header.
    """

    def __init__(self, tables: Collection[str] | None = None, pointer_size: int = 8) -> None:
        self._tables = frozenset(TABLES if tables is None else tables)
        self._families = frozenset(family for table in self._tables for family in TABLES[table])
        self._pointer_size = pointer_size
        self._records = 0
        self._session = 0
        self._starts: list[int] = []
        self._clock: Clock | None = None
        self._stacks = StackRows()
        self._rows = {
            "Process": process_rows(),
            "Thread": thread_rows(),
            "CSwitch": switch_rows(),
            "Image": image_rows(),
            "ImageId": debug_rows(),
            "FltIo": fltio_rows(),
            "Pool": pool_rows(),
            "DbgPrint": dbgprint_rows(),
        }

    def add(
        self,
        chunk: Chunk,
        candidates: npt.NDArray[np.int64] | None = None,
        first_record: int | None = None,
    ) -> None:
        """Collect the events of the next chunk.

        Args:
            chunk: Chunks come in the order in which the log gives them.
            candidates: Rows of its records whose stacks are of interest; None for all records.
            first_record: The number of its first record; None to count on.
        """
        self._records = self._records if first_record is None else first_record
        self._note_session(chunk.clock)
        for decoded in decode(chunk, self._families):
            family = decoded.type.family
            if family == "StackWalk":
                self._stacks.add_events(chunk, decoded, self._session)
            elif decoded.type.name not in _UNUSED:
                self._add(chunk, decoded)
        if "stacks" in self._tables:
            self._stacks.add_items(chunk, self._records, self._session)
            self._stacks.add_candidates(chunk, _candidates(chunk, candidates), self._records, self._session)
        self._records += len(chunk.records)

    def add_candidates(self, record: Ints, tick: Ints, cpu: npt.NDArray[Any], tid: npt.NDArray[Any]) -> None:
        """Name more records whose stacks are of interest, after the last chunk.

        Args:
            record: Their numbers; shape (n,).
            tick: The ticks of their headers; the same.
            cpu: Their processors.
            tid: The threads of their headers.
        """
        session = np.maximum(np.searchsorted(np.array(self._starts, np.int64), record, "right") - 1, 0)
        columns = {"session": session, "tick": tick, "cpu": cpu, "tid": tid, "record": record}
        self._stacks.candidates.add(record.size, columns)

    def finish(self) -> Kernel:
        """Give the tables, after the last chunk."""
        rows = self._rows
        threads = Threads(rows["Thread"], rows["CSwitch"])
        stacks = Stacks(self._stacks, self._pointer_size)
        return Kernel(
            Processes(rows["Process"]),
            threads,
            Images(rows["Image"], rows["ImageId"], self._pointer_size),
            stacks,
            fltio_table(rows["FltIo"], threads, stacks),
            pool_table(rows["Pool"], threads, stacks),
            dbgprint_table(rows["DbgPrint"], threads, stacks),
            self._warnings(stacks),
        )

    def _note_session(self, clock: Clock) -> None:
        """Count the sessions of a file: ticks of one say nothing in another."""
        if self._clock is not None and self._clock != clock:
            self._session += 1
        if self._clock != clock:
            self._starts.append(self._records)
        self._clock = clock

    def _add(self, chunk: Chunk, decoded: Decoded) -> None:
        rows, table = decoded.rows, decoded.table
        columns: dict[str, Any] = {name: table.column(name) for name in table.schema.names}
        columns |= {name: chunk.column(name)[rows] for name in _HEADER}
        columns["record"] = self._records + rows
        if decoded.type.family == "FltIo":
            columns["known"] = np.asarray(table.column("Status").is_valid().cast(pa.uint8()).to_numpy())
        self._rows[decoded.type.family].add(rows.size, columns)

    def _warnings(self, stacks: Stacks) -> list[str]:
        lines = [
            f"{each.dropped} more {family} events than are kept were left out"
            for family, each in self._rows.items()
            if each.dropped
        ]
        lines += [
            f"{family} events hold more different strings than are kept"
            for family, each in self._rows.items()
            if each.full
        ]
        held = self._stacks
        lost = held.parts.dropped + held.definitions.dropped + held.candidates.dropped
        if lost or held.pool.full:
            lines.append("there are more stacks, or records that may have one, than are kept")
        if stacks.unresolved:
            lines.append(f"{stacks.unresolved} stacks are named by keys that the trace does not explain")
        return lines


def _candidates(chunk: Chunk, rows: npt.NDArray[np.int64] | None) -> Ints:
    """Give the records that a stack may belong to: not the stacks themselves."""
    if rows is not None and not rows.size:
        return rows
    mask = np.ones(len(chunk.records), np.bool_)
    kernel, number = event_types(chunk)
    mask[kernel[_is_stack(number)]] = False
    return np.flatnonzero(mask) if rows is None else rows[mask[rows]]
