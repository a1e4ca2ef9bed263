"""Processes and threads over time: the name of every pid, the process of every tid, who ran on a cpu."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from tracecheck.payload.arrow import from_numpy
from tracecheck.payload.kernel._lives import (
    ALWAYS,
    BEGINS,
    ENDED,
    ENDS,
    LIVES,
    NEVER,
    Lives,
    build_lives,
    find_last,
)
from tracecheck.payload.kernel._rows import Rows, times
from tracecheck.payload.kernel.layouts import DEFUNCT, END, START

if TYPE_CHECKING:
    import numpy.typing as npt

    Ints = npt.NDArray[np.int64]

#: What a header says that has no pid or tid.
NO_ID = 0xFFFFFFFF

_MIX = np.uint64(0x9E3779B97F4A7C15)


def process_rows() -> Rows:
    """Make the table that collects process events."""
    return Rows(
        {
            "time": "<i8",
            "opcode": "u1",
            "UniqueProcessKey": "<u8",
            "ProcessId": "<u4",
            "ParentId": "<u4",
            "SessionId": "<u4",
        },
        ("ImageFileName", "CommandLine", "UserSID"),
    )


def thread_rows() -> Rows:
    """Make the table that collects thread events."""
    return Rows({"time": "<i8", "opcode": "u1", "ProcessId": "<u4", "TThreadId": "<u4"})


def switch_rows() -> Rows:
    """Make the table that collects context switches."""
    return Rows({"time": "<i8", "cpu": "<u2", "NewThreadId": "<u4"})


class Processes:
    """The processes of a capture.

    Args:
        rows: Their events.

    Attributes:
        table: A row is one life of one process: pid, parent_pid, session (uint32), name, command_line, sid
            (dictionary of strings), start and end (timestamp[ns, UTC], null where they were not seen).
            Sorted by pid and start.
    """

    def __init__(self, rows: Rows) -> None:
        identity = rows.column("UniqueProcessKey") ^ rows.column("ImageFileName").astype(np.uint64) * _MIX
        self._lives = _lives(rows, "ProcessId", identity)
        event = self._lives.event
        self.table = pa.table(
            {
                "pid": _u32(rows.column("ProcessId")[event]),
                "parent_pid": _u32(rows.column("ParentId")[event]),
                "session": _u32(rows.column("SessionId")[event]),
                "name": rows.text("ImageFileName", event),
                "command_line": rows.text("CommandLine", event),
                "sid": rows.text("UserSID", event),
                **_span(self._lives),
            }
        )

    def find(self, pid: npt.NDArray[Any], time: Ints) -> Ints:
        """Find the process that had a pid at a time.

        After its end a process keeps the pid until another begins: its last records come later.

        Args:
            pid: Shape (n,).
            time: Nanoseconds since 1970, shape (n,).

        Returns:
            Rows of :attr:`table`, int64; -1 where the trace does not tell.
        """
        return self._lives.find(pid.astype(np.uint64), time)

    def names(self, pid: npt.NDArray[Any], time: Ints) -> pa.DictionaryArray:
        """Give the image name of each pid at a time; null where the trace does not tell."""
        at = self.find(pid, time)
        index = from_numpy(np.maximum(at, 0), pa.int64(), at >= 0)
        return self.table.column("name").combine_chunks().take(index)


class Threads:
    """The threads of a capture.

    Args:
        rows: Their events.
        switches: Context switches; none, where the session did not log them.

    Attributes:
        table: A row is one life of one thread: tid, pid (uint32), start and end. Sorted by tid and start.
    """

    def __init__(self, rows: Rows, switches: Rows) -> None:
        self._pid = rows.column("ProcessId")
        self._lives = _lives(rows, "TThreadId", self._pid)
        order = np.lexsort((switches.column("time"), switches.column("cpu")))
        self._cpu = switches.column("cpu")[order]
        self._switch = switches.column("time")[order]
        self._running = switches.column("NewThreadId")[order]
        event = self._lives.event
        tid, pid = rows.column("TThreadId")[event], self._pid[event]
        self.table = pa.table({"tid": _u32(tid), "pid": _u32(pid), **_span(self._lives)})

    def running(self, cpu: npt.NDArray[Any], time: Ints) -> npt.NDArray[np.uint32]:
        """Tell which thread ran on a cpu at a time, by the context switches; :data:`NO_ID` where unknown."""
        at = find_last(self._cpu, self._switch, cpu, time)
        if not self._running.size:
            return np.full(at.size, NO_ID, np.uint32)
        return np.where(at >= 0, self._running[at], NO_ID).astype(np.uint32)

    def process_of(self, tid: npt.NDArray[Any], time: Ints) -> npt.NDArray[np.uint32]:
        """Tell whose thread a tid was at a time; :data:`NO_ID` where the trace does not tell."""
        at = self._lives.find(tid.astype(np.uint64), time)
        if not self._pid.size:
            return np.full(at.size, NO_ID, np.uint32)
        pid = self._pid[self._lives.event[at]]
        return np.where((at >= 0) & (tid != NO_ID), pid, NO_ID).astype(np.uint32)

    def complete(
        self, pid: npt.NDArray[Any], tid: npt.NDArray[Any], cpu: npt.NDArray[Any], time: Ints
    ) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint32]]:
        """Fill in the pids and tids that headers do not have.

        A tid is that of the thread that ran on the record's cpu; a pid that of the process of its thread.

        Args:
            pid: Shape (n,); :data:`NO_ID` where there is none.
            tid: The same.
            cpu: Shape (n,).
            time: Nanoseconds since 1970, shape (n,).

        Returns:
            pid and tid, uint32, :data:`NO_ID` where they stay unknown.
        """
        tid = np.where(tid == NO_ID, self.running(cpu, time), tid).astype(np.uint32)
        pid = np.where(pid == NO_ID, self.process_of(tid, time), pid).astype(np.uint32)
        return pid, tid


def _lives(rows: Rows, key: str, identity: npt.NDArray[Any]) -> Lives:
    opcode = rows.column("opcode")
    says = np.full(opcode.size, LIVES, np.int8)
    for code, meaning in ((START, BEGINS), (END, ENDS), (DEFUNCT, ENDED)):
        says[opcode == code] = meaning
    return build_lives(rows.column(key).astype(np.uint64), rows.column("time"), says, identity)


def _span(lives: Lives) -> dict[str, pa.Array]:
    return {
        "start": times(lives.start, lives.start != ALWAYS),
        "end": times(lives.end, lives.end != NEVER),
    }


def _u32(values: npt.NDArray[Any]) -> pa.Array:
    return from_numpy(values.astype(np.uint32), pa.uint32())
