"""Where events are known to be missing: the signs that a log leaves of what it had to drop."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tracecheck.etl.buffers import Buffers, Damage
from tracecheck.etl.clock import Clock
from tracecheck.etl.columns import Columns
from tracecheck.etl.header import LogHeader
from tracecheck.etl.layout import (
    BUFFER_EVENTS_LOST,
    BUFFER_LOST,
    BUFFER_TYPE_HEADER,
    MODE_CIRCULAR,
)
from tracecheck.etl.tables import LOSSES

# More rows than this are merged: a log that lost something everywhere is told in one line.
_MOST_ROWS = 1000
_NEVER = np.iinfo(np.int64)
# More processors than any machine has: then what a header says of them bounds nothing.
_MOST_CPUS = 2048
_MOST_COUNTED = (1 << 64) - 1


@dataclass
class _Row:
    cpu: int | None
    start: int | None
    end: int | None
    count: int | None
    unit: str
    sign: str
    detail: str


@dataclass(eq=False)
class LossTally:
    """Collects, buffer by buffer, what tells of losses; a few numbers for each buffer are kept.

    Attributes:
        header: The log file's header.
        clock: The clock of its first session.
    """

    header: LogHeader
    clock: Clock
    _buffers: list[dict[str, NDArray[Any]]] = field(default_factory=list)
    _messages: list[tuple[NDArray[np.uint32], NDArray[np.int64]]] = field(default_factory=list)
    _sessions: int = 0
    _last_clock: Clock | None = None

    def add(
        self,
        buffers: Buffers,
        first: int,
        last: int,
        which: NDArray[np.int64],
        tick: NDArray[np.int64],
        columns: Columns,
        rows: slice,
        clock: Clock,
    ) -> None:
        """Note one session's part of some buffers.

        Args:
            buffers: The buffers.
            first: The first of them that is the session's.
            last: The first after those.
            which: The buffer of each record.
            tick: The tick of each record.
            columns: The header columns of all records of the buffers.
            rows: Which of those are the session's.
            clock: The session's clock.
        """
        if self._last_clock is not None and clock != self._last_clock:
            self._sessions += 1
        self._last_clock = clock
        count = last - first
        low, high = np.full(count, _NEVER.max), np.full(count, _NEVER.min)
        time = clock.nanoseconds(tick)
        # A record's time is not always the next one's lower bound: take the extremes of each buffer.
        if len(which):
            _reduce(np.minimum, low, which - first, time)
            _reduce(np.maximum, high, which - first, time)
        head = buffers.header[first:last]
        self._buffers.append(
            {
                "sequence": head["sequence"],
                "flags": head["flags"],
                "header": head["type"] == BUFFER_TYPE_HEADER,
                "cpu": buffers.cpu[first:last],
                "low": low,
                "high": high,
                "session": np.full(count, self._sessions),
            }
        )
        numbered = np.flatnonzero(columns["message_sequence"][rows])
        if len(numbered):
            self._messages.append((columns["message_sequence"][rows][numbered], time[numbered]))

    def table(self, damage: list[Damage]) -> pa.Table:
        """Make the losses table.

        Args:
            damage: The parts of the file that could not be read.
        """
        columns = self._merged()
        rows = self._flagged(columns)
        rows += self._header_counts(rows)
        gaps = self._sequence_gaps(columns)
        rows += gaps + self._unwritten(len(columns["cpu"]), gaps)
        rows += self._message_gaps()
        rows += self._unreadable(damage)
        merged = _merge(rows)
        return pa.Table.from_pylist([_as_dict(row) for row in merged], schema=LOSSES)

    def _merged(self) -> dict[str, NDArray[Any]]:
        names = ("sequence", "flags", "header", "cpu", "low", "high", "session")
        empty = np.zeros(0, np.int64)
        return {n: np.concatenate([b[n] for b in self._buffers]) if self._buffers else empty for n in names}

    def _flagged(self, b: dict[str, NDArray[Any]]) -> list[_Row]:
        """Read the buffer flags: something is missing since the processor's buffer before."""
        flagged = np.flatnonzero(b["flags"] & (BUFFER_EVENTS_LOST | BUFFER_LOST))
        before = np.full(len(flagged), _NEVER.min)
        for cpu in np.unique(b["cpu"][flagged]).tolist():
            mine = b["cpu"][flagged] == cpu
            high = np.sort(b["high"][b["cpu"] == cpu])
            place = np.searchsorted(high, b["low"][flagged[mine]]) - 1
            before[mine] = np.where(place >= 0, high[np.maximum(place, 0)], _NEVER.min)
        text = "the buffer after it says so"
        columns = (b["cpu"][flagged], before, b["high"][flagged], b["flags"][flagged] & BUFFER_LOST)
        return [
            _Row(cpu, _time(start), _time(end), None, "buffers" if lost else "events", "buffer flag", text)
            for cpu, start, end, lost in zip(*(c.tolist() for c in columns), strict=True)
        ]

    def _unwritten(self, read: int, gaps: list[_Row]) -> list[_Row]:
        """Compare how many buffers the log header counts with how many the file has."""
        missing = self.header.buffers_written - read
        if self.header.log_file_mode & MODE_CIRCULAR:
            # What the log itself wrote over is told by the gap in the numbers.
            missing -= sum(row.count or 0 for row in gaps)
        if missing <= 0:
            return []
        text = "the log file's header counts more buffers than the file has"
        return [_Row(None, None, None, missing, "buffers", "unreadable", text)]

    def _header_counts(self, flagged: list[_Row]) -> list[_Row]:
        """Read the log header's counts; flagged buffers, where there are any, tell where they lie."""
        rows = []
        for unit, count in (("events", self.header.events_lost), ("buffers", self.header.buffers_lost)):
            if not count:
                continue
            mine = [row for row in flagged if row.unit == unit]
            starts, ends = [row.start for row in mine], [row.end for row in mine]
            start = min((s for s in starts if s is not None), default=None) if None not in starts else None
            end = max((e for e in ends if e is not None), default=None) if None not in ends else None
            text = "the log file's header counts them"
            rows.append(_Row(None, start, end, count, unit, f"{unit} lost", text))
        return rows

    def _sequence_gaps(self, b: dict[str, NDArray[Any]]) -> list[_Row]:
        """Find buffer numbers that no buffer of the file has."""
        rows = []
        bounds = np.searchsorted(b["session"], np.arange(self._sessions + 2)).tolist()
        for first, last in pairwise(bounds):
            s = {name: column[first:last] for name, column in b.items()}
            order = np.argsort(s["sequence"], kind="stable")
            s = {name: column[order] for name, column in s.items()}
            # Numbers may lie as far apart as 64 bits reach: only unsigned is their difference right.
            gaps = np.flatnonzero(np.diff(s["sequence"].view(np.uint64)) > 1)
            if len(gaps):
                start, end = _around(s, gaps)
                each = zip(gaps.tolist(), start.tolist(), end.tolist(), strict=True)
                rows += [self._gap(s, i, low, high) for i, low, high in each]
        return rows

    def _gap(self, s: dict[str, NDArray[Any]], i: int, start: int, end: int) -> _Row:
        """Tell of the buffers missing between the i-th and the next by number."""
        missing = int(s["sequence"][i + 1]) - int(s["sequence"][i]) - 1
        if self.header.log_file_mode & MODE_CIRCULAR and s["header"][: i + 1].all():
            # What was overwritten of a processor may be younger than what is left of another.
            cpus, low = s["cpu"][i + 1 :], s["low"][i + 1 :]
            end = max(int(low[cpus == cpu].min()) for cpu in np.unique(cpus).tolist())
            text = "overwritten by later ones: the log is circular"
            return _Row(None, None, _time(end), missing, "buffers", "buffer sequence", text)
        text = f"no buffer has the numbers {int(s['sequence'][i]) + 1} to {int(s['sequence'][i + 1]) - 1}"
        return _Row(None, _time(start), _time(end), missing, "buffers", "buffer sequence", text)

    def _message_gaps(self) -> list[_Row]:
        """Find WPP sequence numbers that no message has."""
        if not self._messages:
            return []
        number = np.concatenate([m[0] for m in self._messages])
        time = np.concatenate([m[1] for m in self._messages])
        order = np.argsort(number, kind="stable")
        number, time = number[order].astype(np.int64), time[order]
        gaps = np.flatnonzero(np.diff(number) > 1)
        return [
            _Row(
                None,
                min(int(time[i]), int(time[i + 1])),
                max(int(time[i]), int(time[i + 1])),
                int(number[i + 1] - number[i]) - 1,
                "events",
                "message sequence",
                f"no message has the numbers {number[i] + 1} to {number[i + 1] - 1}",
            )
            for i in gaps.tolist()
        ]

    def _unreadable(self, damage: list[Damage]) -> list[_Row]:
        return [
            _Row(None, None, None, None, "events", "unreadable", f"at {d.position:#x}: {d.reason}")
            for d in damage
        ]


def _around(
    s: dict[str, NDArray[Any]], gaps: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Bound what gaps in one session's numbers hide, by each processor's buffers around them."""
    start, end = np.full(len(gaps), _NEVER.max), np.full(len(gaps), _NEVER.min)
    cpus = np.unique(s["cpu"][~s["header"]]).tolist()
    if len(cpus) > _MOST_CPUS:
        return end, start
    for cpu in cpus:
        mine = s["cpu"] == cpu
        high = np.maximum.accumulate(np.where(mine, s["high"], _NEVER.min))
        low = np.minimum.accumulate(np.where(mine, s["low"], _NEVER.max)[::-1])[::-1]
        start, end = np.minimum(start, high[gaps]), np.maximum(end, low[gaps + 1])
    return start, end


def _reduce(
    function: np.ufunc, into: NDArray[np.int64], which: NDArray[np.int64], values: NDArray[np.int64]
) -> None:
    """Reduce values group by group, the groups being runs."""
    starts = np.flatnonzero(np.append(True, which[1:] != which[:-1]))
    into[which[starts]] = function.reduceat(values, starts)


def _time(nanoseconds: int) -> int | None:
    return None if nanoseconds in (_NEVER.min, _NEVER.max) else nanoseconds


def _merge(rows: list[_Row]) -> list[_Row]:
    """Tell of each sign in few rows: beyond a limit, all rows of a sign and processor become one."""
    if len(rows) <= _MOST_ROWS:
        return rows
    groups: dict[tuple[str, str, int | None], list[_Row]] = {}
    for row in rows:
        groups.setdefault((row.sign, row.unit, row.cpu), []).append(row)
    merged = []
    for (sign, unit, cpu), some in groups.items():
        starts, ends, counts = [r.start for r in some], [r.end for r in some], [r.count for r in some]
        start = None if None in starts else min(s for s in starts if s is not None)
        end = None if None in ends else max(e for e in ends if e is not None)
        count = None if None in counts else min(sum(c for c in counts if c is not None), _MOST_COUNTED)
        merged.append(_Row(cpu, start, end, count, unit, sign, f"{len(some)} places"))
    return merged


def _as_dict(row: _Row) -> dict[str, Any]:
    return {name: getattr(row, name) for name in LOSSES.names}
