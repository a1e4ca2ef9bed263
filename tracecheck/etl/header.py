"""TRACE_LOGFILE_HEADER: what the log file says of itself."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from tracecheck.etl.layout import UNIX_EPOCH_AS_FILETIME

_FIXED = struct.Struct("<IIIIqIIIIIIII")
_TIMES = struct.Struct("<qqqII")
_TIME_ZONE_SIZE = 172


@dataclass(frozen=True)
class LogHeader:
    """The log file's own header, with the names of TRACE_LOGFILE_HEADER in Python's spelling.

    Attributes:
        buffer_size: Size of an unpacked buffer in bytes.
        build: Build number of the system that wrote the file.
        processors: How many processors it had.
        pointer_size: 4 or 8 bytes.
        clock_type: 1 performance counter, 2 system time, 3 CPU cycles.
        perf_freq: Ticks of the performance counter in a second.
        cpu_mhz: Million CPU cycles in a second.
        start_filetime, end_filetime, boot_filetime: 100 ns units since 1601, UTC.
        log_file_mode: EVENT_TRACE_FILE_MODE_* bits.
        buffers_written: How many buffers the logger wrote.
        events_lost, buffers_lost: What the logger had to drop.
        logger_name, file_name: What the session and its file were called.
    """

    buffer_size: int
    build: int
    processors: int
    pointer_size: int
    clock_type: int
    perf_freq: int
    cpu_mhz: int
    start_filetime: int
    end_filetime: int
    boot_filetime: int
    log_file_mode: int
    buffers_written: int
    events_lost: int
    buffers_lost: int
    logger_name: str
    file_name: str

    @property
    def start_time(self) -> datetime:
        """When the session started."""
        return _datetime(self.start_filetime)

    @property
    def end_time(self) -> datetime:
        """When the session ended; 1601 where it never ended cleanly."""
        return _datetime(self.end_filetime)

    @property
    def boot_time(self) -> datetime:
        """When the system booted."""
        return _datetime(self.boot_filetime)


def parse_header(payload: bytes) -> LogHeader | None:
    """Parse the payload of a file's first record.

    Args:
        payload: The record's user data; whatever its length.

    Returns:
        The header, or None where the bytes are too few or contradict themselves.
    """
    if len(payload) < _FIXED.size:
        return None
    size, _, build, processors, end, _, _, mode, written, _, pointer, lost, mhz = _FIXED.unpack_from(payload)
    if pointer not in (4, 8):
        return None
    at = _FIXED.size + 2 * pointer + _TIME_ZONE_SIZE
    at += -at % 8
    if len(payload) < at + _TIMES.size:
        return None
    boot, frequency, start, clock, buffers_lost = _TIMES.unpack_from(payload, at)
    names = payload[at + _TIMES.size :].decode("utf-16-le", "replace").split("\0")
    return LogHeader(
        buffer_size=size,
        build=build,
        processors=processors,
        pointer_size=pointer,
        clock_type=clock,
        perf_freq=frequency,
        cpu_mhz=mhz,
        start_filetime=start,
        end_filetime=end,
        boot_filetime=boot,
        log_file_mode=mode,
        buffers_written=written,
        events_lost=lost,
        buffers_lost=buffers_lost,
        logger_name=names[0],
        file_name=names[1] if len(names) > 1 else "",
    )


def _datetime(filetime: int) -> datetime:
    """Turn a FILETIME into a time; what lies outside the calendar becomes its nearest end."""
    microseconds = (filetime - UNIX_EPOCH_AS_FILETIME) // 10
    try:
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC) if filetime > 0 else datetime.min.replace(tzinfo=UTC)
