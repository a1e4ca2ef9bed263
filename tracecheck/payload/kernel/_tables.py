"""The tables of single events: callbacks of minifilters, pool, debug messages."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from tracecheck.payload.arrow import from_numpy
from tracecheck.payload.kernel._rows import Rows, text_of, times
from tracecheck.payload.kernel.layouts import FLTIO
from tracecheck.payload.kernel.processes import NO_ID

if TYPE_CHECKING:
    from tracecheck.payload.kernel.processes import Threads
    from tracecheck.payload.kernel.stacks import Stacks

_PLACE = {
    "record": "<i8",
    "time": "<i8",
    "tick": "<i8",
    "cpu": "<u2",
    "pid": "<u4",
    "tid": "<u4",
    "opcode": "u1",
}
_POINTERS = {
    "routine": "RoutineAddr",
    "file_object": "FileObject",
    "stream": "FsContext",
    "irp": "IrpPtr",
    "callback_data": "CbdPtr",
}
_POOL_EVENTS = ("Alloc", "AllocSession", "Free", "FreeSession")
_FIRST_POOL_EVENT = 0x20


def fltio_rows() -> Rows:
    """Make the table that collects FltIo events."""
    pointers = dict.fromkeys(_POINTERS.values(), "<u8")
    return Rows(
        {
            **_PLACE,
            **pointers,
            "MajorFunction": "<i4",
            "Status": "<u4",
            "known": "?",
            "InitialTime": "<i8",
        }
    )


def pool_rows() -> Rows:
    """Make the table that collects pool events."""
    return Rows({**_PLACE, "PoolType": "<u4", "NumberOfBytes": "<u8", "Entry": "<u8"}, ("Tag",))


def dbgprint_rows() -> Rows:
    """Make the table that collects debug messages."""
    return Rows({**_PLACE, "Component": "<u4", "Level": "<u4"}, ("Message",))


def fltio_table(rows: Rows, threads: Threads, stacks: Stacks) -> pa.Table:
    """Make the table ``fltio``; see :class:`~tracecheck.payload.kernel.collect.Kernel`."""
    opcode = rows.column("opcode") - min(FLTIO)
    event, phase, step = (tuple(words) for words in zip(*FLTIO.values(), strict=True))
    # The filter manager knows major functions by a byte; those of fast calls are negative numbers.
    major = (rows.column("MajorFunction") & 0xFF).astype(np.uint8)
    began = rows.column("InitialTime")
    return pa.table(
        {
            **_place(rows, threads, stacks),
            "event": text_of(event, opcode),
            "phase": text_of(phase, opcode),
            "step": text_of(step, opcode),
            **{name: from_numpy(rows.column(field), pa.uint64()) for name, field in _POINTERS.items()},
            "major": from_numpy(major, pa.uint8()),
            "status": from_numpy(rows.column("Status"), pa.uint32(), rows.column("known")),
            "began": from_numpy(began, pa.int64(), began != 0),
        }
    )


def pool_table(rows: Rows, threads: Threads, stacks: Stacks) -> pa.Table:
    """Make the table ``pool``; see :class:`~tracecheck.payload.kernel.collect.Kernel`."""
    return pa.table(
        {
            **_place(rows, threads, stacks),
            "event": text_of(_POOL_EVENTS, rows.column("opcode") - _FIRST_POOL_EVENT),
            "pool_type": from_numpy(rows.column("PoolType"), pa.uint32()),
            "tag": rows.text("Tag"),
            "size": from_numpy(rows.column("NumberOfBytes"), pa.uint64()),
            "entry": from_numpy(rows.column("Entry"), pa.uint64()),
        }
    )


def dbgprint_table(rows: Rows, threads: Threads, stacks: Stacks) -> pa.Table:
    """Make the table ``dbgprint``; see :class:`~tracecheck.payload.kernel.collect.Kernel`."""
    return pa.table(
        {
            **_place(rows, threads, stacks),
            "component": from_numpy(rows.column("Component"), pa.uint32()),
            "level": from_numpy(rows.column("Level"), pa.uint32()),
            "message": rows.text("Message"),
        }
    )


def _place(rows: Rows, threads: Threads, stacks: Stacks) -> dict[str, pa.Array]:
    """Give the columns that all events have; what a header does not say of the thread is filled in."""
    pid, tid, record = rows.column("pid"), rows.column("tid"), rows.column("record")
    at = stacks.find(record)
    walked = (at >= 0) & (tid == NO_ID)
    if walked.any():
        pids, tids = (
            stacks.table.column(name).combine_chunks().to_numpy(zero_copy_only=True)
            for name in ("pid", "tid")
        )
        pid, tid = np.where(walked, pids[at], pid), np.where(walked, tids[at], tid)
    pid, tid = threads.complete(pid, tid, rows.column("cpu"), rows.column("time"))
    return {
        "record": from_numpy(record, pa.int64()),
        "time": times(rows.column("time")),
        "tick": from_numpy(rows.column("tick"), pa.int64()),
        "cpu": from_numpy(rows.column("cpu"), pa.uint16()),
        "pid": from_numpy(pid, pa.uint32()),
        "tid": from_numpy(tid, pa.uint32()),
    }
