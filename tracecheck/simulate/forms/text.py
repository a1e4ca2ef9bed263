"""Text logs: what tracefmt makes of the WPP messages, and what DebugView and a kernel debugger show.

A text log has no buffers, so only what befalls single lines can befall it. Times are UTC.
"""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from tracecheck.simulate.conditions import nanoseconds
from tracecheck.simulate.forms.messages import Message
from tracecheck.simulate.forms.shape import Shape
from tracecheck.simulate.forms.wpp import FLAGS, LEVEL
from tracecheck.simulate.machine import FREQUENCY, Thread

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tracecheck.simulate.forms.shape import Style
    from tracecheck.simulate.sites import Site

#: The columns of the csv file: the names under which TDH knows the parts of a WPP message.
CSV_COLUMNS = (
    *("GuidName", "GuidTypeName", "ThreadId", "SystemTime", "KernelTime", "UserTime", "SequenceNum"),
    *("ProcessId", "CpuNumber", "FlagsName", "LevelName", "FunctionName", "FormattedString"),
)

_NANOSECONDS = 1_000_000_000
_MILLISECOND = 1_000_000

#: What other components print between the driver's lines, by what it is.
_OTHERS = (
    "Ntfs: flush of volume %u finished",
    "[Av]: AvPreCreate: file %u skipped (not a data file)",
    "LUAFV: name %u not virtualized",
    "storport: unit %u queue depth 32",
)


class TextLog:
    """A text file that grows line by line; the methods of a log file that make no sense for it do nothing.

    Args:
        line_end: What ends a line.
        head: The first line, "" for none.
    """

    def __init__(self, line_end: str, head: str = "") -> None:
        self._lines = [head] if head else []
        self._line_end = line_end

    def add(self, line: str) -> None:
        """Append a line."""
        self._lines.append(line)

    def lose_events(self, cpu: int, count: int) -> None:
        """Nothing tells that a line is missing."""

    def lose_buffer(self, cpu: int) -> int:  # noqa: ARG002 - a text log has no buffers
        """Lose nothing."""
        return 0

    def flush(self, cpu: int | None = None) -> None:
        """Keep what there is."""

    def to_bytes(self) -> bytes:
        """Give the file's bytes: UTF-8."""
        return "".join(line + self._line_end for line in self._lines).encode()

    def write(self, path: Path | str) -> None:
        """Write the file at ``path``."""
        Path(path).write_bytes(self.to_bytes())


class TextForm:
    """Writes a text log; what a line has around the message is a subclass's.

    Args:
        output: Gets the lines.
        style: What is logged and how.
    """

    line_end = "\r\n"
    head = ""

    def __init__(self, output: TextLog, style: Style) -> None:
        self._output = output
        self._pointer_size = style.pointer_size
        self._sequence = style.sequence

    def shape(self, site: Site, driver: str, varying: Sequence[str], fixed: Mapping[str, int | str]) -> Shape:
        """Settle what events of a call site look like."""
        message = Message(site, driver, varying, fixed, self._pointer_size)
        text = message.printer()
        line = self.liner(driver, message)
        add = self._output.add

        def put(thread: Thread, tick: int, payload: bytes, number: int) -> None:
            add(line(thread, tick, payload.decode(), number))

        return Shape(site, lambda *values: text(*values).encode(), put)

    def beside(self) -> str:
        """Give nothing: the lines are text."""
        return ""

    def other(self, thread: Thread, tick: int, draw: Callable[[], float]) -> None:
        """Write a line of another component."""
        text = _OTHERS[int(draw() * len(_OTHERS))] % int(draw() * 1000)
        self._output.add(self.liner("", None)(thread, tick, text, 0))

    def liner(self, driver: str, message: Message | None) -> Callable[[Thread, int, str, int], str]:
        """Give the function that makes a line of thread, tick, message text and number."""
        raise NotImplementedError


class TracefmtForm(TextForm):
    """Tracefmt's text, with its default prefix: ``[cpu]pid.tid::date-time [provider]text``."""

    def liner(self, driver: str, message: Message | None) -> Callable[[Thread, int, str, int], str]:  # noqa: ARG002
        """Give the function that makes a line."""
        provider = driver or "Storage"

        def line(thread: Thread, tick: int, text: str, number: int) -> str:  # noqa: ARG001
            when = date_time(tick)
            return f"[{thread.cpu}]{thread.pid:04X}.{thread.tid:04X}::{when} [{provider}]{text}"

        return line


class TracefmtCsvForm(TextForm):
    """Tracefmt's comma-separated text, with column headings."""

    head = ",".join(CSV_COLUMNS)

    def liner(self, driver: str, message: Message | None) -> Callable[[Thread, int, str, int], str]:
        """Give the function that makes a line."""
        symbol = f"{message.file.replace('.', '_')}{message.site.line}" if message else "storage_c88"
        function = message.function if message else ""
        numbered = self._sequence

        def line(thread: Thread, tick: int, text: str, number: int) -> str:
            cells = (driver or "Storage", symbol, f"{thread.tid:04X}", date_time(tick), 0, 0)
            where = (number if numbered else 0, f"{thread.pid:04X}", thread.cpu)
            out = io.StringIO()
            csv.writer(out, lineterminator="").writerow((*cells, *where, FLAGS, LEVEL, function, text))
            return out.getvalue()

        return line


class DebugViewForm(TextForm):
    """DebugView's saved log: line number, seconds since the first line, text. It knows no threads."""

    def __init__(self, output: TextLog, style: Style) -> None:
        super().__init__(output, style)
        self._count = 0
        self._start = 0

    def liner(self, driver: str, message: Message | None) -> Callable[[Thread, int, str, int], str]:  # noqa: ARG002
        """Give the function that makes a line."""
        return self._line

    def _line(self, thread: Thread, tick: int, text: str, number: int) -> str:  # noqa: ARG002
        if not self._count:
            self._start = tick
        self._count += 1
        return f"{self._count:08d}\t{(tick - self._start) / FREQUENCY:.8f}\t{text}"


class DebuggerForm(TextForm):
    """A kernel debugger's log: nothing but the text."""

    line_end = "\n"

    def liner(self, driver: str, message: Message | None) -> Callable[[Thread, int, str, int], str]:  # noqa: ARG002
        """Give the function that makes a line."""
        return lambda thread, tick, text, number: text  # noqa: ARG005


def date_time(tick: int) -> str:
    """Print the time of a tick as tracefmt does: MM/DD/YYYY-hh:mm:ss.mmm, the rest cut off."""
    seconds, rest = divmod(nanoseconds(tick), _NANOSECONDS)
    return f"{_whole_seconds(seconds)}.{rest // _MILLISECOND:03d}"


@lru_cache(maxsize=64)
def _whole_seconds(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%m/%d/%Y-%H:%M:%S")
