"""Writes .etl files: what the simulator and the tests make their traces with."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from functools import lru_cache

from tracecheck.etl import encode
from tracecheck.etl.layout import BUFFER_HEADER_SIZE, MODE_APPEND
from tracecheck.etl.logger import Logger

# Where a log file has TRACE_LOGFILE_HEADER, behind the headers of its buffer and record, and its fields.
_LOG_HEADER = BUFFER_HEADER_SIZE + 32
_END_TIME = _LOG_HEADER + 16
_MODE = _LOG_HEADER + 32
_BUFFERS_WRITTEN = _LOG_HEADER + 36
_POINTER_SIZE = _LOG_HEADER + 44
_EVENTS_LOST = _LOG_HEADER + 48
_NO_ACTIVITY = bytes(16)


class LogWriter(Logger):
    """Writes an .etl file record by record; the arguments are those of :class:`Logger`.

    Every record method takes the processor and the raw tick first. A record never spans buffers. All of
    them raise ValueError where the record is too large for a buffer or for a header to say its size.
    """

    def event(
        self,
        cpu: int,
        tick: int,
        *,
        pid: int,
        tid: int,
        provider: uuid.UUID,
        id: int = 0,  # noqa: A002 - the name of the field
        version: int = 0,
        channel: int = 11,
        level: int = 4,
        opcode: int = 0,
        task: int = 0,
        keyword: int = 0,
        flags: int = 0,
        items: Sequence[tuple[int, bytes]] = (),
        payload: bytes = b"",
        activity: bytes = _NO_ACTIVITY,
        pointer_size: int | None = None,
    ) -> None:
        """Write an EVENT record; ``items`` are extended items of (type, data).

        ``flags`` gets the flag of the header's width, and EXTENDED_INFO where there are items.
        """
        descriptor = encode.event_descriptor(id, version, channel, level, opcode, task, keyword)
        size = pointer_size or self._pointer_size
        guid = _in_file(provider)
        record = encode.event(
            tick, pid, tid, guid, descriptor, flags, items, payload, activity, pointer_size=size
        )
        self._put(cpu, tick, record)

    def system(
        self,
        cpu: int,
        tick: int,
        *,
        group: int,
        opcode: int,
        pid: int,
        tid: int,
        payload: bytes = b"",
        pointer_size: int | None = None,
        version: int = 2,
        kernel_time: int = 0,
        user_time: int = 0,
    ) -> None:
        """Write a SYSTEM record of the kernel: ``group`` and ``opcode`` say what it is."""
        size = pointer_size or self._pointer_size
        times = {"kernel_time": kernel_time, "user_time": user_time}
        record = encode.system(
            tick, group, opcode, pid, tid, payload, pointer_size=size, version=version, **times
        )
        self._put(cpu, tick, record)

    def compact(
        self,
        cpu: int,
        tick: int,
        *,
        group: int,
        opcode: int,
        pid: int,
        tid: int,
        payload: bytes = b"",
        pointer_size: int | None = None,
        version: int = 2,
    ) -> None:
        """Write a COMPACT record: a SYSTEM record without kernel and user times."""
        size = pointer_size or self._pointer_size
        record = encode.compact(tick, group, opcode, pid, tid, payload, pointer_size=size, version=version)
        self._put(cpu, tick, record)

    def perfinfo(
        self,
        cpu: int,
        tick: int,
        *,
        group: int,
        opcode: int,
        payload: bytes = b"",
        pointer_size: int | None = None,
        version: int = 2,
    ) -> None:
        """Write a PERFINFO record, which names no thread."""
        size = pointer_size or self._pointer_size
        record = encode.perfinfo(tick, group, opcode, payload, pointer_size=size, version=version)
        self._put(cpu, tick, record)

    def classic(
        self,
        cpu: int,
        tick: int,
        *,
        event_class: uuid.UUID,
        opcode: int,
        pid: int,
        tid: int,
        level: int = 0,
        version: int = 0,
        payload: bytes = b"",
        pointer_size: int | None = None,
    ) -> None:
        """Write a FULL_HEADER record: a classic event of ``event_class``."""
        size, guid = pointer_size or self._pointer_size, _in_file(event_class)
        record = encode.classic(
            tick, guid, opcode, pid, tid, payload, level=level, version=version, pointer_size=size
        )
        self._put(cpu, tick, record)

    def instance(
        self,
        cpu: int,
        tick: int,
        *,
        event_class: uuid.UUID,
        parent_class: uuid.UUID,
        instance_id: int,
        parent_id: int,
        opcode: int,
        pid: int,
        tid: int,
        level: int = 0,
        version: int = 0,
        payload: bytes = b"",
        pointer_size: int | None = None,
    ) -> None:
        """Write an INSTANCE record: a classic event of one instance and its parent."""
        size = pointer_size or self._pointer_size
        ids = (_in_file(event_class), _in_file(parent_class), instance_id, parent_id)
        record = encode.instance(
            tick, ids, opcode, pid, tid, payload, level=level, version=version, pointer_size=size
        )
        self._put(cpu, tick, record)

    def message(
        self,
        cpu: int,
        tick: int,
        *,
        guid: uuid.UUID | None,
        number: int,
        options: int,
        sequence: int = 0,
        component: int = 0,
        pid: int = 0,
        tid: int = 0,
        payload: bytes = b"",
    ) -> None:
        """Write a WPP message with the parts that ``options`` (TRACE_MESSAGE_*) asks for."""
        in_file = None if guid is None else _in_file(guid)
        record = encode.message(tick, in_file, number, options, sequence, component, pid, tid, payload)
        self._put(cpu, tick, record)

    def error(self, cpu: int, payload: bytes = b"") -> None:
        """Write an ERROR record, which has no time."""
        self._put(cpu, self._start_tick, encode.error(payload))


@lru_cache(maxsize=256)
def _in_file(guid: uuid.UUID) -> bytes:
    """Give a GUID's bytes; kept, because uuid takes longer for them than the rest of a record does."""
    return guid.bytes_le


def append_logs(first: bytes, second: bytes) -> bytes:
    """Make the file of a session that was started in append mode on another session's file.

    Both log headers stay and get MODE_APPEND. The second speaks for its own session; the first one's
    EndTime, BuffersWritten, EventsLost and BuffersLost become the whole file's, since readers go by them.

    Args:
        first: A whole log file.
        second: Another, to follow it.

    Returns:
        The bytes of the joined file.

    Raises:
        ValueError: One of them is too short to be a log.
    """
    head, tail = bytearray(first), bytearray(second)
    for log in (head, tail):
        if len(log) < _LOG_HEADER + encode.log_header_size(8):
            raise ValueError("a log file begins with a buffer that holds its log header")
        _put_u32(log, _MODE, _get_u32(log, _MODE) | MODE_APPEND)
    for mine, other in zip(_counters(head), _counters(tail), strict=True):
        _put_u32(head, mine, _get_u32(head, mine) + _get_u32(tail, other))
    head[_END_TIME : _END_TIME + 8] = tail[_END_TIME : _END_TIME + 8]
    return bytes(head + tail)


def _counters(log: bytearray) -> tuple[int, int, int]:
    """Tell where a log has BuffersWritten, EventsLost and BuffersLost."""
    lost = _LOG_HEADER + encode.log_header_size(_get_u32(log, _POINTER_SIZE)) - 4
    return _BUFFERS_WRITTEN, _EVENTS_LOST, lost


def _get_u32(log: bytearray, at: int) -> int:
    return int.from_bytes(log[at : at + 4], "little")


def _put_u32(log: bytearray, at: int, value: int) -> None:
    log[at : at + 4] = value.to_bytes(4, "little")
