"""What `events` and `info` do with a text log."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from tracecheck.etl.columns import NO_ID
from tracecheck.payload.arrow import from_numpy
from tracecheck.payload.text import Lines
from tracecheck.reporters.text_info import TextSurvey

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from tracecheck.commands.spool import Spool
    from tracecheck.payload.text import TextLog
    from tracecheck.reporters.events.selection import Grep

    Advance = Callable[[int, int], None] | None

_PART = 1 << 13
# A file that names more of them is no log of a machine; they are counted up to here.
_MOST_NAMES = 1 << 16


@dataclass(frozen=True)
class _Keyed:
    """Messages with the columns that put them in order."""

    lines: Lines

    def column(self, name: str) -> NDArray[Any]:
        """Give what orders messages; of one time, those of earlier lines come first."""
        if name == "time":
            return self.lines.time
        return self.lines.number if name == "sequence" else np.zeros(len(self.lines), np.uint32)


@dataclass(frozen=True)
class TextRender:
    """How the messages of a text log are listed.

    Attributes:
        render: Makes the lines of some messages.
        grep: A text that a message must have; None for all messages.
    """

    render: Callable[[Lines], list[bytes]]
    grep: Grep | None = None

    def fill(self, spool: Spool, log: TextLog, advance: Advance = None) -> None:
        """Render the wanted messages of a log into a spool.

        Args:
            spool: Takes the lines.
            log: The open log.
            advance: Called with (bytes done, bytes in all).
        """
        for lines in log.chunks():
            wanted = spool.wanted(_Keyed(lines), self._rows(lines))
            for first in range(0, len(wanted), _PART):
                part = _taken(lines, np.ascontiguousarray(wanted[first : first + _PART]))
                spool.add(_Keyed(part), self.render(part))
            if advance is not None:
                advance(lines.done, log.size)

    def _rows(self, lines: Lines) -> NDArray[np.int64] | None:
        if self.grep is None:
            return None
        return np.array([i for i, text in enumerate(lines.text.to_pylist()) if text in self.grep], np.int64)


def _taken(lines: Lines, places: NDArray[np.int64]) -> Lines:
    """Give some of the messages."""
    index = from_numpy(places, pa.int64())
    columns = {field.name: getattr(lines, field.name) for field in fields(Lines)}
    return Lines(
        **{
            name: column.take(index) if isinstance(column, pa.Array) else column[places]
            for name, column in columns.items()
            if name != "done"
        },
        done=lines.done,
    )


def survey(log: TextLog, *, progress: Advance = None) -> TextSurvey:
    """Count what a text log holds, chunk by chunk.

    Args:
        log: The open log.
        progress: Called with (bytes done, bytes in all).

    Raises:
        InputError: The file can't be read.
    """
    providers: Counter[str] = Counter()
    processes: Counter[int] = Counter()
    threads: set[int] = set()
    events = 0
    times: list[int] = []
    for lines in log.chunks():
        events += len(lines)
        timed = lines.time[lines.has_time]
        if len(timed):
            times = [min([*times[:1], int(timed.min())]), max([*times[1:], int(timed.max())])]
        _count(providers, lines.provider.value_counts().to_pylist())
        pids, totals = np.unique(lines.pid[lines.pid != NO_ID], return_counts=True)
        for pid, total in zip(pids.tolist(), totals.tolist(), strict=True):
            if pid in processes or len(processes) < _MOST_NAMES:
                processes[pid] += total
        if len(threads) < _MOST_NAMES:
            threads.update(np.unique(lines.tid[lines.tid != NO_ID]).tolist())
        if progress is not None:
            progress(lines.done, log.size)
    with Path(log.path).open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return TextSurvey(
        path=log.path,
        size=log.size,
        sha256=sha256,
        form=log.form,
        quality=log.quality,
        losses=log.losses(),
        lines=log.lines,
        events=events,
        first=times[0] if times else None,
        last=times[1] if times else None,
        providers=dict(providers),
        processes=dict(processes),
        threads=len(threads),
        warnings=log.warnings,
        notes=log.notes,
    )


def _count(counter: Counter[str], counts: list[dict[str, Any]]) -> None:
    for each in counts:
        name = each["values"]
        if name and (name in counter or len(counter) < _MOST_NAMES):
            counter[name] += each["counts"]
