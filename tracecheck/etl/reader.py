"""Reading an .etl file: chunk by chunk to Arrow columns, in bounded memory."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tracecheck.errors import InputError
from tracecheck.etl.ahead import ahead
from tracecheck.etl.buffers import BUFFER, LARGEST_BUFFER, Buffers, Damage, read_buffers
from tracecheck.etl.clock import Clock
from tracecheck.etl.columns import Columns, gather
from tracecheck.etl.extended import Items, walk_items
from tracecheck.etl.header import LogHeader, parse_header
from tracecheck.etl.layout import BUFFER_COMPRESSED, BUFFER_HEADER_SIZE, Kind
from tracecheck.etl.loss import LossTally
from tracecheck.etl.tables import RECORDS
from tracecheck.etl.walk import Walk, walk

#: How many bytes of unpacked buffers a chunk has, about. Payload places are 32-bit numbers.
CHUNK = 8 << 20
_HEADER_PEEK = 1 << 16


@dataclass(frozen=True, eq=False)
class Chunk:
    """The records of some consecutive buffers.

    Attributes:
        records: Their headers; schema :data:`~tracecheck.etl.tables.RECORDS`, in the order of the file.
        data: The bytes that ``payload`` and ``extended`` of the records point into; uint8.
        clock: The clock that their ticks are of.
        done: How many bytes of the file have been read so far.
    """

    records: pa.RecordBatch
    data: NDArray[np.uint8]
    clock: Clock
    done: int

    def column(self, name: str) -> NDArray[Any]:
        """Give a column as a numpy array, without a copy; ``provider`` as two u64 columns."""
        array = self.records.column(name)
        if name == "provider":
            return np.frombuffer(array.buffers()[1], "<u8").reshape(-1, 2)[array.offset :][: len(array)]
        if name == "time":
            array = array.cast(pa.int64())
        return np.asarray(array.to_numpy(zero_copy_only=True))

    def items(self, rows: NDArray[np.int64]) -> Items:
        """Walk the extended items of some records.

        Args:
            rows: Rows of ``records``; only those that have items count.

        Returns:
            The items; their ``row`` is an index into ``records``.
        """
        extended = self.column("extended")
        rows = rows[extended[rows] != 0]
        items = walk_items(
            self.data, extended[rows].astype(np.int64), self.column("payload")[rows].astype(np.int64)
        )
        return Items(rows[items.row], items.type, items.start, items.size, items.end, items.bad)


class Log:
    """An open .etl file.

    Args:
        path: Where the file is.

    Attributes:
        path: The same.
        size: How many bytes the file has.
        header: The log file's own header.
        buffers: How many buffers have been read.
        compressed_buffers: How many of them were compressed.
        warnings: What could not be read, a line each; complete when all chunks have been read.

    Raises:
        InputError: The file cannot be opened, or is no .etl file.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = str(path)
        self.buffers = self.compressed_buffers = 0
        self._damage: list[Damage] = []
        self._file = open_file(self.path)
        try:
            self.size = self._file.seek(0, 2)
            self.header, first_tick = _read_header(self._file, self.path, self.size)
        except OSError as error:
            self._file.close()
            raise InputError(f"{self.path}: cannot be read: {error.strerror}") from error
        except BaseException:
            self._file.close()
            raise
        self._clock = Clock.of(self.header, first_tick)
        self._tally = LossTally(self.header, self._clock)

    def __enter__(self) -> Log:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    @property
    def warnings(self) -> list[str]:
        """What could not be read, a line each."""
        lines = [f"at {d.position:#x}, {d.size} bytes: {d.reason}" for d in self._damage[:20]]
        more = len(self._damage) - len(lines)
        return lines + ([f"and {more} more places like these"] if more else [])

    def chunks(self, size: int = CHUNK) -> Iterator[Chunk]:
        """Read the file once, from its beginning.

        Args:
            size: About how many bytes of unpacked buffers a chunk has, below 1 GB.

        Yields:
            The records of each chunk of buffers; a chunk has at least one buffer and may have no record.
        """
        self._file.seek(0)
        self._damage.clear()
        self.buffers = self.compressed_buffers = 0
        self._tally = LossTally(self.header, self._clock)
        clock = self._clock
        blocks = read_buffers(self._file, self.size, size, self._damage, self._largest_buffer())
        for buffers, walked, columns in _parsed(ahead(blocks)):
            self.buffers += len(buffers.start)
            self.compressed_buffers += int(np.count_nonzero(buffers.header["flags"] & BUFFER_COMPRESSED))
            self._note_bad(buffers, walked)
            done = min(self.size, int(buffers.position[-1]) + int(buffers.header["size"][-1]))
            for part in _sessions(buffers, walked, columns, clock):
                clock = part.clock
                yield self._chunk(buffers, walked, columns, part, done)

    def _largest_buffer(self) -> int:
        """Tell how large a buffer of this log is at most; what the header says is believed within reason."""
        said = self.header.buffer_size
        return said if BUFFER_HEADER_SIZE <= said <= LARGEST_BUFFER else LARGEST_BUFFER

    def losses(self) -> pa.Table:
        """Tell where events are known to be missing; complete when all chunks have been read.

        Returns:
            A table of schema :data:`~tracecheck.etl.tables.LOSSES`.
        """
        return self._tally.table(self._damage)

    def _chunk(self, buffers: Buffers, walked: Walk, columns: Columns, part: _Session, done: int) -> Chunk:
        """Make the chunk of one session's part of some buffers."""
        rows = slice(part.first_record, part.last_record)
        which = part.buffer
        position = walked.position[rows]
        tick = _fill_ticks(columns["tick"][rows], columns["known_tick"][rows], which, buffers)
        self._tally.add(buffers, part.first_buffer, part.last_buffer, which, tick, columns, rows, part.clock)
        if columns["bad"][rows].any():
            places, counts = np.unique(which[columns["bad"][rows]], return_counts=True)
            for place, count in zip(buffers.position[places].tolist(), counts.tolist(), strict=True):
                reason = f"{count} records whose headers and sizes disagree"
                self._damage.append(Damage(place, 0, reason))
        cpu = buffers.cpu[which]
        arrays: dict[str, NDArray[Any]] = {
            "time": part.clock.nanoseconds(tick),
            "tick": tick,
            "cpu": cpu,
            "kind": walked.kind[rows],
            "position": buffers.position[which],
            "offset": (position - buffers.start[which]).astype(np.uint32),
            "sequence": buffers.header["sequence"][which],
        }
        fields = [
            _arrow(arrays[f.name] if f.name in arrays else columns[f.name][rows], f.type) for f in RECORDS
        ]
        return Chunk(pa.RecordBatch.from_arrays(fields, schema=RECORDS), buffers.data, part.clock, done)

    def _note_bad(self, buffers: Buffers, walked: Walk) -> None:
        """Note the buffers whose chain of records broke off."""
        for i in np.flatnonzero(walked.bad).tolist():
            offset = int(walked.stopped[i] - buffers.start[i])
            left = int(buffers.end[i] - walked.stopped[i])
            self._damage.append(
                Damage(int(buffers.position[i]), left, f"no record at offset {offset:#x} of this buffer")
            )


def open_log(path: str | Path) -> Log:
    """Open an .etl file and read its header.

    Args:
        path: Where the file is.

    Raises:
        InputError: The file cannot be opened, or is no .etl file.
    """
    return Log(path)


def _parsed(blocks: Iterator[Buffers]) -> Iterator[tuple[Buffers, Walk, Columns]]:
    """Find the records of buffers and read their headers."""
    for buffers in blocks:
        walked = walk(buffers.data, buffers.start, buffers.end)
        yield buffers, walked, gather(buffers.data, walked.position, walked.kind)


@dataclass(frozen=True, eq=False)
class _Session:
    """The part of some buffers that one session wrote; an append-mode file has several sessions."""

    first_buffer: int
    last_buffer: int
    first_record: int
    last_record: int
    buffer: NDArray[np.int64]
    clock: Clock


def _sessions(buffers: Buffers, walked: Walk, columns: Columns, clock: Clock) -> Iterator[_Session]:
    """Cut some buffers where a log file's header begins another session."""
    bounds = np.searchsorted(walked.position, buffers.start)
    # Only buffers at the end can have no record behind them, so places among these are those among all.
    first = bounds[bounds < len(walked.position)]
    leads = walked.position[first] == buffers.start[: len(first)] + BUFFER_HEADER_SIZE
    headers = np.flatnonzero(leads & (walked.kind[first] <= Kind.SYSTEM64))
    cuts, clocks = [0], [clock]
    for i in headers.tolist():
        row = int(bounds[i])
        if columns["group"][row] or columns["opcode"][row]:
            continue
        at = int(columns["payload"][row])
        header = parse_header(buffers.data[at : at + int(columns["payload_size"][row])].tobytes())
        if header is None:
            continue
        mine = Clock.of(header, int(columns["tick"][row]))
        if i == 0:
            clocks[0] = mine
        else:
            cuts.append(i)
            clocks.append(mine)
    cuts.append(len(buffers.start))
    bounds = np.append(bounds, len(walked.position))
    for begin, end, one in zip(cuts, cuts[1:], clocks, strict=False):
        which = np.repeat(np.arange(begin, end), np.diff(bounds[begin : end + 1]))
        yield _Session(begin, end, int(bounds[begin]), int(bounds[end]), which, one)


def _fill_ticks(
    tick: NDArray[np.int64], known: NDArray[np.bool_], which: NDArray[np.int64], buffers: Buffers
) -> NDArray[np.int64]:
    """Give a record without a time that of the record before it in its buffer, else the next one's."""
    if known.all():
        return tick
    rows = np.arange(len(tick))
    before = np.maximum.accumulate(np.where(known, rows, -1))
    after = np.minimum.accumulate(np.where(known, rows, len(tick))[::-1])[::-1]
    has_before = (before >= 0) & (which[np.maximum(before, 0)] == which)
    has_after = (after < len(tick)) & (which[np.minimum(after, len(tick) - 1)] == which)
    filled = np.where(has_after, tick[np.minimum(after, len(tick) - 1)], buffers.header["tick"][which])
    return np.where(known, tick, np.where(has_before, tick[np.maximum(before, 0)], filled))


def _arrow(values: NDArray[Any], kind: pa.DataType) -> pa.Array:
    """Wrap a numpy array as Arrow without a copy (pa.array would import pandas)."""
    values = np.ascontiguousarray(values)
    return pa.Array.from_buffers(kind, len(values), [None, pa.py_buffer(values)])


def open_file(path: str) -> BinaryIO:
    """Open a capture of any form, unbuffered.

    Args:
        path: Where the file is.

    Raises:
        InputError: It is no regular file, or cannot be opened.
    """
    try:
        mode = Path(path).stat().st_mode
        if stat.S_ISDIR(mode):
            raise InputError(f"{path}: is a directory; give an .etl file")
        # A pipe would be waited for, and a device has no end: a capture is read more than once.
        if not stat.S_ISREG(mode):
            raise InputError(f"{path}: is no regular file; copy it to one first")
        return Path(path).open("rb", buffering=0)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except ValueError as error:
        raise InputError(f"{path}: cannot be opened: {error}") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be opened: {error.strerror}") from error


def _read_header(file: BinaryIO, path: str, size: int) -> tuple[LogHeader, int]:
    """Read the first record of the first buffer."""
    if not size:
        raise InputError(f"{path}: the file is empty")
    file.seek(0)
    head = file.read(_HEADER_PEEK)
    problem = _not_a_log(head)
    if problem:
        raise InputError(f"{path}: not an .etl file: {problem}")
    record = np.frombuffer(head[BUFFER_HEADER_SIZE : len(head) & ~7], np.uint8)
    columns = gather(record, np.zeros(1, np.int64), np.array([record[2]], np.uint8))
    begin = int(columns["payload"][0])
    header = parse_header(record[begin : begin + int(columns["payload_size"][0])].tobytes())
    if header is None:
        raise InputError(
            f"{path}: at 0x48: the log file header (TRACE_LOGFILE_HEADER) is damaged; no record can be timed"
        )
    return header, int(columns["tick"][0])


def is_log(head: bytes) -> bool:
    """Tell whether a file that begins so is an .etl file."""
    return not _not_a_log(head)


def _not_a_log(head: bytes) -> str:
    """Tell why the beginning of a file is not that of an .etl file; "" if it is."""
    if len(head) < BUFFER_HEADER_SIZE + 32:
        return f"{len(head)} bytes are too few for a log file header"
    first = np.frombuffer(head[:BUFFER_HEADER_SIZE], BUFFER)[0]
    marker = head[BUFFER_HEADER_SIZE + 2 : BUFFER_HEADER_SIZE + 4]
    if first["size"] < BUFFER_HEADER_SIZE or marker not in (b"\x01\xc0", b"\x02\xc0"):
        return "it does not begin with a log file header (TRACE_LOGFILE_HEADER)"
    if head[BUFFER_HEADER_SIZE + 6 : BUFFER_HEADER_SIZE + 8] != b"\0\0":
        return "its first record is not a log file header"
    return ""
