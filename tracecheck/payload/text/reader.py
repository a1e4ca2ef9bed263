"""Reading a text log: block by block to columns, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tracecheck.errors import InputError
from tracecheck.etl.columns import NO_CPU, NO_ID
from tracecheck.etl.reader import open_file
from tracecheck.payload.arrow import binary_of_slices, from_numpy
from tracecheck.payload.text._cells import flags, lengths, numbers, rows, valid
from tracecheck.payload.text.blocks import MOST_TEXT, Block, read_block
from tracecheck.payload.text.forms import LogQuality, unknown_pattern
from tracecheck.payload.text.gaps import NumberGaps
from tracecheck.payload.text.timeline import Timeline

if TYPE_CHECKING:
    from types import TracebackType

    import numpy.typing as npt

    from tracecheck.payload._slices import Bytes, Ints
    from tracecheck.payload.text.forms import Form

_UTF8_FIRST, _UTF8_REST = 0xC0, 0x80
_LONGEST_CHARACTER = 4
# Messages of equal times are put up to so far apart later.
_APART = 1_000_000
_LINE_END, _FEEDS = 2, (ord("\r"), ord("\n"))


@dataclass(frozen=True)
class Lines:
    """Some messages of a log, in the order of the file; columns of equal length.

    Attributes:
        time: Nanoseconds since 1970 as the log has them, or since the log began; steps of a millisecond
            where it has none; int64.
        has_time: Whether the line has a time of its own.
        cpu: :data:`~tracecheck.etl.columns.NO_CPU` where missing; uint16.
        pid, tid: :data:`~tracecheck.etl.columns.NO_ID` where missing; uint32.
        provider, function: Strings, "" where missing.
        text: The message without blanks at its end; strings.
        sequence: The number that the log gives the message, -1 where it gives none; int64.
        number: The number of its first line in the file, from 1; int64.
        offset: Where that line begins in the file; int64.
        done: How many bytes of the file have been read so far.
    """

    time: Ints
    has_time: npt.NDArray[np.bool_]
    cpu: npt.NDArray[np.uint16]
    pid: npt.NDArray[np.uint32]
    tid: npt.NDArray[np.uint32]
    provider: pa.StringArray
    function: pa.StringArray
    text: pa.StringArray
    sequence: Ints
    number: Ints
    offset: Ints
    done: int

    def __len__(self) -> int:
        return len(self.time)


class TextLog:
    """An open text log.

    Args:
        path: Where the file is.
        form: Its form.

    Attributes:
        path, form: The same.
        size: How many bytes the file has.
        lines: How many lines have been read.

    Raises:
        InputError: The file cannot be opened.
    """

    def __init__(self, path: str | Path, form: Form) -> None:
        self.path, self.form = str(path), form
        self._file = open_file(self.path)
        try:
            self.size = self._file.seek(0, 2)
        except OSError as error:
            self._file.close()
            raise InputError(f"{self.path}: cannot be read: {error.strerror}") from error
        self._begin()

    def _begin(self, after: int = 0) -> None:
        self.lines = self._cut = self._stray = 0
        self._unknown = 0
        self._threads = self._goes_on = False
        self._timeline = Timeline(self.form.order, after)
        self._gaps = NumberGaps(restarts=self.form.name == "debugview")

    def __enter__(self) -> TextLog:
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
        """What could not be read, a line each; complete when all chunks have been read."""
        said = []
        if self._cut:
            said.append(
                f"messages longer than {MOST_TEXT:,} bytes, of which the rest was left out: {self._cut:,}"
            )
        if self._unknown:
            said.append(
                f"messages that tracefmt had no definition of, so that they are lost: {self._unknown:,}"
            )
        return said

    @property
    def notes(self) -> list[str]:
        """What a reader of the results should know, a line each; complete when all chunks have been read."""
        said = [self._clock_note()]
        if self._stray:
            said.append(f"lines that are part of no message: {self._stray:,}")
        return said

    def _clock_note(self) -> str:
        if not self._timeline.timed:
            return "the log has no times: only the order of its lines is known"
        if self._timeline.dated:
            return (
                "times are shown as the log has them, as if they were UTC: their zone is that of its writer"
            )
        return "the log has no dates: its times count from its beginning, or are of an unknown day"

    @property
    def quality(self) -> LogQuality:
        """What the log does not carry; complete when all chunks have been read."""
        complete = self.form.name != "debugview" and self._gaps.numbered > 0
        return LogQuality(self._timeline.timed, self._timeline.precision, self._threads, complete)

    def losses(self) -> pa.Table:
        """Tell where messages are known to be missing; complete when all chunks have been read.

        Returns:
            A table of schema :data:`~tracecheck.etl.tables.LOSSES`.
        """
        return self._gaps.table(max(self._timeline.precision, _APART))

    @property
    def dated(self) -> bool:
        """Whether the times have dates; complete when all chunks have been read."""
        return self._timeline.dated

    @property
    def last(self) -> int:
        """The time of the last message so far, nanoseconds."""
        return self._timeline.last

    def chunks(self, after: int = 0) -> Iterator[Lines]:
        """Read the file once, from its beginning.

        Args:
            after: What times without a date count from, nanoseconds.

        Yields:
            Messages; at least one each time.
        """
        self._begin(after)
        at = self.form.start
        try:
            while (block := read_block(self._file, at, self.form)) is not None:
                lines, at = self._parse(block)
                if len(lines):
                    yield lines
        except OSError as error:
            raise InputError(f"{self.path}: cannot be read: {error.strerror}") from error

    def _parse(self, block: Block) -> tuple[Lines, int]:
        """Read the messages of a block; give them and where to go on."""
        texts = _strings(block.data, block.start)
        found = pc.extract_regex(texts, self.form.pattern)
        heads, taken = self._heads(block, texts, found), len(block)
        if not self.form.alone:
            if not block.last and not block.cut and (len(heads) > 1 or (len(heads) and heads[0])):
                # The last message may go on in the next block: it is read with that.
                heads, taken = heads[:-1], int(heads[-1])
            self._note_stray(texts, int(heads[0]) if len(heads) else taken)
            runs_over = taken == len(block) and bool(len(heads))
            self._goes_on = runs_over or (self._goes_on and not len(heads) and taken == len(block))
        ends = np.append(heads[1:], taken)[: len(heads)]
        lines = self._columns(block, found, heads, ends, int(block.offset[taken]))
        self._cut += int(block.cut and len(heads) > 0)
        self.lines += taken
        return lines, lines.done

    def _heads(self, block: Block, texts: pa.StringArray, found: pa.StructArray) -> Ints:
        """Find the lines that begin a message."""
        begins = valid(found)
        if self.form.alone:
            # Blank lines are no messages; most of them are seen without a look at the text.
            begins &= (np.diff(block.start) > _LINE_END) | ~np.isin(block.data[block.start[:-1]], _FEEDS)
        if self.form.name == "tracefmt" and not begins.all():
            others = np.flatnonzero(~begins)
            unknown = others[flags(pc.match_substring_regex(rows(texts, others), unknown_pattern()))]
            begins[unknown] = True
        return np.flatnonzero(begins)

    def _note_stray(self, texts: pa.StringArray, count: int) -> None:
        """Count the lines before the first message of a block; they may be the rest of one that was cut."""
        if self._goes_on or not count:
            return
        skipped = self.form.headings if not self.lines else 0
        filled = lengths(pc.ascii_trim_whitespace(texts[skipped:count])) > 0
        self._stray += int(np.count_nonzero(filled))

    def _columns(self, block: Block, found: pa.StructArray, heads: Ints, ends: Ints, done: int) -> Lines:
        """Make the columns of the messages that begin at some lines and end before others."""
        cells = {field.name: rows(found.field(i), heads) for i, field in enumerate(found.type)}
        bare = ~valid(rows(found, heads))
        self._unknown += int(np.count_nonzero(bare))
        begin = block.start[heads] + lengths(cells["whole"])
        text = self._texts(block.data, begin, block.start[ends] - begin, bool((ends - heads > 1).any()))
        if self.form.alone:
            kept = np.flatnonzero(lengths(text) > 0)
            heads, text = heads[kept], rows(text, kept)
            cells = {name: rows(column, kept) for name, column in cells.items()}
        number = self.lines + heads + 1
        empty = _blank(len(heads))
        time, has_time = self._timeline.add(cells.get("time", empty), number)
        sequence = self._number(cells, "sequence", -1, 1 << 39)
        # Where nothing numbers the messages, tracefmt prints zeros.
        self._gaps.add(sequence, time, sequence > 0)
        tid = self._number(cells, "tid", NO_ID, NO_ID).astype(np.uint32)
        self._threads = self._threads or bool((tid != NO_ID).any())
        return Lines(
            time=time,
            has_time=has_time,
            cpu=self._number(cells, "cpu", NO_CPU, NO_CPU).astype(np.uint16),
            pid=self._number(cells, "pid", NO_ID, NO_ID).astype(np.uint32),
            tid=tid,
            provider=_unquoted(cells.get("provider", empty)),
            function=_unquoted(cells.get("function", empty)),
            text=text,
            sequence=sequence,
            number=number,
            offset=block.offset[heads],
            done=done,
        )

    def _texts(self, data: Bytes, start: Ints, length: Ints, several: bool) -> pa.StringArray:
        """Cut the texts of messages out of a block."""
        long = np.flatnonzero(length > MOST_TEXT)
        if len(long):
            self._cut += len(long)
            length[long] = MOST_TEXT
            for _ in range(_LONGEST_CHARACTER):
                # A character is not cut: what would come next must not be a byte in its middle.
                inside = data[start[long] + length[long]] & _UTF8_FIRST == _UTF8_REST
                length[long[inside]] -= 1
        texts = binary_of_slices(data, start, length)
        text = pa.Array.from_buffers(pa.string(), len(texts), texts.buffers())
        if several:
            text = pc.replace_substring(text, "\r\n", "\n")
        text = pc.ascii_rtrim_whitespace(text)
        return _unquoted(text) if self.form.quoted else text

    def _number(self, cells: dict[str, pa.StringArray], name: str, missing: int, most: int) -> Ints:
        """Read the numbers of a field; what is missing or too large is ``missing``."""
        if name not in cells:
            return np.full(len(cells["whole"]), missing)
        read = numbers(cells[name], decimal=name in self.form.decimal)
        return np.where((lengths(cells[name]) > 0) & (read >= 0) & (read < most), read, missing)


def read_lines(path: str | Path, form: Form) -> Iterator[Lines]:
    """Read the messages of a text log.

    Args:
        path: Where the file is.
        form: Its form.

    Yields:
        Messages; at least one each time.

    Raises:
        InputError: The file cannot be read.
    """
    with TextLog(path, form) as log:
        yield from log.chunks()


def _strings(data: Bytes, start: Ints) -> pa.StringArray:
    """Give lines as strings, without a copy."""
    offsets = pa.py_buffer(start.astype(np.int32))
    return pa.Array.from_buffers(pa.string(), len(start) - 1, [None, offsets, pa.py_buffer(data)])


def _blank(size: int) -> pa.StringArray:
    return pa.Array.from_buffers(
        pa.string(), size, [None, pa.py_buffer(bytes(4 * size + 4)), pa.py_buffer(b"")]
    )


def _unquoted(texts: pa.StringArray) -> pa.StringArray:
    """Take the quotes of csv off."""
    quoted = flags(pc.starts_with(texts, '"'))
    if not quoted.any():
        return texts
    inner = pc.replace_substring_regex(texts, r'(?s)^"(.*?)"?$', r"\1")
    plain = pc.replace_substring(inner, '""', '"')
    return pc.if_else(from_numpy(quoted, pa.bool_()), plain, texts)
