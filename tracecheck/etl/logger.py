"""What the kernel's logger does with records: buffers of each processor, losses, the log's own header."""

from __future__ import annotations

from pathlib import Path

from tracecheck.etl.encode import HeaderFields, buffer_header, log_header_record
from tracecheck.etl.layout import (
    BUFFER_COMPRESSED,
    BUFFER_EVENTS_LOST,
    BUFFER_FLUSH_MARKER,
    BUFFER_HEADER_SIZE,
    BUFFER_LOST,
    BUFFER_TYPE_GENERIC,
    BUFFER_TYPE_HEADER,
    CLOCK_CPUCYCLE,
    CLOCK_PERFCOUNTER,
    CLOCK_SYSTEMTIME,
    MODE_CIRCULAR,
    UNIX_EPOCH_AS_FILETIME,
)
from tracecheck.etl.lzxpress import compress

_FILETIMES_A_SECOND = 10_000_000
_START_TIME = UNIX_EPOCH_AS_FILETIME + 1_700_000_000 * _FILETIMES_A_SECOND
_HOUR = 3600 * _FILETIMES_A_SECOND
_MODE_COMPRESSED = 0x04000000
_SMALL_HEADER = 512  # the header buffer of a compressed log is rounded up to this
_FILL = b"\xff"


class _Buffer:
    """The buffer that one processor is filling; ``free`` is 0 while it has none."""

    __slots__ = ("data", "flags", "free", "latest", "records", "sequence")

    def __init__(self) -> None:
        self.data = bytearray()
        self.flags = 0
        self.free = 0
        self.latest = 0
        self.records = 0
        self.sequence = 0


class Logger:
    """Puts records into a log file as the kernel's logger does.

    Each processor fills its own buffer; a full buffer goes to the file, so buffers of several processors
    interleave, and their SequenceNumbers, given when a buffer is opened, need not be in the file's order.
    The log header is the first record of the first buffer; losses are counted in it and flagged on
    buffers. The file is held in memory until :meth:`write` or :meth:`to_bytes`, after which records may
    still be added.

    Args:
        buffer_size: Bytes of a buffer, its 0x48-byte header included.
        processors: How many processors there are; every record method takes one as ``cpu``.
        pointer_size: 4 or 8: the log's, and the default for its records.
        clock_type: CLOCK_PERFCOUNTER, CLOCK_SYSTEMTIME (ticks are FILETIMEs) or CLOCK_CPUCYCLE.
        frequency: Ticks a second of the performance counter.
        start_time: FILETIME of the start.
        start_tick: The tick at ``start_time``; with CLOCK_SYSTEMTIME that is ``start_time`` itself.
        boot_time: FILETIME of the boot; None for an hour before the start.
        mode: LogFileMode; circular and compressed logs add their bits.
        build: Windows build number.
        cpu_mhz: MHz of the processors, which is the rate of CLOCK_CPUCYCLE.
        logger_name: Session name in the log header.
        file_name: File name in the log header.
        compressed: Store a buffer as plain LZ-Xpress where that is shorter.
        max_buffers: Circular log: only the newest ``max_buffers`` data buffers survive, at the places in
            the file where a log that wraps around leaves them. None for no limit.

    Raises:
        ValueError: A size makes no sense or is too small for the log header, or circular and compressed
            are asked for at once.
    """

    def __init__(
        self,
        *,
        buffer_size: int = 65536,
        processors: int = 2,
        pointer_size: int = 8,
        clock_type: int = CLOCK_PERFCOUNTER,
        frequency: int = 10_000_000,
        start_time: int = _START_TIME,
        start_tick: int = 0,
        boot_time: int | None = None,
        mode: int = 0,
        build: int = 22631,
        cpu_mhz: int = 3000,
        logger_name: str = "tracecheck",
        file_name: str = "trace.etl",
        compressed: bool = False,
        max_buffers: int | None = None,
    ) -> None:
        _check(pointer_size, max_buffers, compressed)
        circular = max_buffers is not None
        self._pointer_size = pointer_size
        self._compressed = compressed
        self._max_buffers = max_buffers
        self._start_tick = start_time if clock_type == CLOCK_SYSTEMTIME else start_tick
        self._latest = self._start_tick
        self._sequence = self._written = self._events_lost = self._buffers_lost = 0
        self._buffer_size = buffer_size
        self._room = buffer_size - BUFFER_HEADER_SIZE & ~7
        self._open = [_Buffer() for _ in range(processors)]
        self._stored: list[bytes] = []
        self._header = HeaderFields(
            buffer_size=buffer_size,
            build=build,
            processors=processors,
            end_time=start_time,
            maximum_file_size=-(-buffer_size * (max_buffers or 0) >> 20),
            mode=mode | (MODE_CIRCULAR if circular else 0) | (_MODE_COMPRESSED if compressed else 0),
            buffers_written=1,
            pointer_size=pointer_size,
            events_lost=0,
            cpu_mhz=cpu_mhz,
            boot_time=start_time - _HOUR if boot_time is None else boot_time,
            frequency=frequency,
            start_time=start_time,
            clock_type=clock_type,
            buffers_lost=0,
            logger_name=logger_name,
            file_name=file_name,
        )
        self._header_buffer()

    def raw(self, cpu: int, record: bytes, tick: int | None = None) -> None:
        """Write any bytes where a record would stand, padded to 8; none are no record."""
        if record:
            self._put(cpu, self._start_tick if tick is None else tick, record)

    def lose_events(self, cpu: int, count: int) -> None:
        """Count events as lost, and flag the buffer of ``cpu``: the next one where none is open."""
        self._events_lost += count
        self._open[cpu].flags |= BUFFER_EVENTS_LOST

    def lose_buffer(self, cpu: int) -> int:
        """Drop the buffer of ``cpu`` whole: its SequenceNumber is used up, and the next one is flagged.

        Returns:
            How many records went with it.
        """
        buffer = self._open[cpu]
        records = buffer.records
        if not records:
            self._begin(buffer)
        self._reset(buffer)
        self._buffers_lost += 1
        buffer.flags = BUFFER_LOST
        return records

    def flush(self, cpu: int | None = None) -> None:
        """End the buffer of ``cpu``, or of every processor; the last one gets the flush marker."""
        indices = range(len(self._open)) if cpu is None else (cpu,)
        ending = [index for index in indices if self._open[index].records]
        latest = max([self._latest, *(self._open[index].latest for index in ending)])
        for index in ending:
            self._end(index, latest, BUFFER_FLUSH_MARKER if index == ending[-1] else 0)

    def to_bytes(self) -> bytes:
        """Flush, and give the file's bytes."""
        self.flush()
        return b"".join([self._header_buffer(), *self._stored])

    def write(self, path: Path | str) -> None:
        """Flush, and write the file at ``path``."""
        self.flush()
        with Path(path).open("wb") as file:
            file.write(self._header_buffer())
            file.writelines(self._stored)

    def _put(self, cpu: int, tick: int, record: bytes) -> None:
        buffer = self._open[cpu]
        size = len(record) + 7 & ~7
        if size > buffer.free:
            if size > self._room:
                raise ValueError(f"a record of {len(record)} bytes does not fit a buffer's {self._room}")
            if buffer.records:
                self._end(cpu, max(tick, buffer.latest))
            self._begin(buffer)
        if tick > buffer.latest:
            buffer.latest = tick
        buffer.data += record
        buffer.free -= size
        buffer.records += 1
        if size != len(record):
            buffer.data += bytes(size - len(record))

    def _begin(self, buffer: _Buffer) -> None:
        self._sequence += 1
        buffer.sequence = self._sequence
        buffer.data = bytearray(BUFFER_HEADER_SIZE)
        buffer.free = self._room
        buffer.latest = self._start_tick

    def _reset(self, buffer: _Buffer) -> None:
        self._latest = max(self._latest, buffer.latest)
        buffer.flags = buffer.free = buffer.records = 0
        buffer.data = bytearray()

    def _end(self, cpu: int, tick: int, flags: int = 0) -> None:
        buffer = self._open[cpu]
        used, size = len(buffer.data), self._buffer_size
        body = bytes(memoryview(buffer.data)[BUFFER_HEADER_SIZE:])
        flags |= buffer.flags
        if self._compressed:
            packed = compress(body)
            if len(packed) < len(body):
                body, flags = packed, flags | BUFFER_COMPRESSED
            size = BUFFER_HEADER_SIZE + len(body)
        head = buffer_header(
            size,
            used,
            room=self._buffer_size,
            cpu=cpu,
            tick=tick,
            sequence=buffer.sequence,
            flags=flags,
            buffer_type=BUFFER_TYPE_GENERIC,
        )
        self._store(head + body + _FILL * (size - len(head) - len(body)))
        self._reset(buffer)

    def _store(self, data: bytes) -> None:
        if self._max_buffers is None or self._written < self._max_buffers:
            self._stored.append(data)
        else:
            self._stored[self._written % self._max_buffers] = data
        self._written += 1

    def _header_buffer(self) -> bytes:
        # Readers count the buffers by it, so those that a circular log overwrote are not in it.
        header = self._header._replace(
            end_time=self._filetime(self._latest),
            buffers_written=len(self._stored) + 1,
            events_lost=self._events_lost,
            buffers_lost=self._buffers_lost,
        )
        record = log_header_record(header, self._start_tick)
        record += bytes(-len(record) & 7)
        used, size = BUFFER_HEADER_SIZE + len(record), self._buffer_size
        if used > size:
            raise ValueError(f"buffers of {size} bytes are too small for the log header, which needs {used}")
        if self._compressed:
            size = min(size, -(-used // _SMALL_HEADER) * _SMALL_HEADER)
        head = buffer_header(
            size,
            used,
            room=0,
            cpu=0,
            tick=self._start_tick,
            sequence=0,
            flags=BUFFER_FLUSH_MARKER,
            buffer_type=BUFFER_TYPE_HEADER,
        )
        return head + record + _FILL * (size - used)

    def _filetime(self, tick: int) -> int:
        header = self._header
        if header.clock_type == CLOCK_SYSTEMTIME:
            return tick
        rate = header.cpu_mhz * 1_000_000 if header.clock_type == CLOCK_CPUCYCLE else header.frequency
        return header.start_time + (tick - self._start_tick) * _FILETIMES_A_SECOND // rate


def _check(pointer_size: int, max_buffers: int | None, compressed: bool) -> None:
    if pointer_size not in (4, 8):
        raise ValueError(f"pointers have 4 or 8 bytes, not {pointer_size}")
    if max_buffers is not None and max_buffers < 1:
        raise ValueError("a circular log keeps at least one buffer")
    if max_buffers is not None and compressed:
        raise ValueError("a compressed log cannot be circular: its buffers differ in size")
