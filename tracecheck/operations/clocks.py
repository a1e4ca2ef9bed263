"""The clocks of the processors against each other: whether the order of the log can be trusted, and a cure.

Every processor writes its own buffers, with the time that its own clock shows. Where the writer numbers its
events, the numbers tell in which order they were written, whatever the clocks show; they bound by how much
the clock of each processor is ahead of each other's, as exchanged messages do. Without numbers, only a
thread that moved between two processors shows that their clocks differ.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tracecheck.payload.arrow import from_numpy, whole

Ints = NDArray[np.int64]

#: Of the pairs of events of two processors, how many may be out of order because a thread was interrupted
#: between drawing its number and writing its event.
_INTERRUPTED = 0.1
_NEVER = np.int64(2**61)


@dataclass(frozen=True)
class Clocks:
    """What is known of the processors' clocks.

    Attributes:
        operations: The operations table, in the order of the true times as far as these are known.
        spread: By how much the clocks differed at most, nanoseconds; 0 where nothing says that they did.
        error: By how much they may still differ, nanoseconds.
        unknown: Whether they differ, and it is not known by how much.
    """

    operations: pa.Table
    spread: int = 0
    error: int = 0
    unknown: bool = False


def align(operations: pa.Table) -> Clocks:
    """Find by how much the processors' clocks differ, and put the operations on one clock.

    Args:
        operations: The operations table, in the order of its times.

    Returns:
        The same rows; times and order are other ones only where the clocks differ.
    """
    cpu = operations.column("cpu").to_numpy()
    if not len(cpu) or (cpu == cpu[0]).all():
        return Clocks(operations)
    time = operations.column("time").cast(pa.int64()).to_numpy()
    numbered = _numbered(operations)
    if numbered is None:
        return Clocks(operations, unknown=_runs_back(operations, time))
    if not _out_of_order(time[numbered]):
        return Clocks(operations)
    every, code = np.unique(cpu, return_inverse=True)
    ahead = _bounds(time[numbered], code[numbered], len(every))
    if ahead is None:
        return Clocks(operations, unknown=True)
    offsets, error = _offsets(ahead)
    if not offsets.any():
        return Clocks(operations)
    return Clocks(_retimed(operations, time, numbered, offsets[code]), int(np.ptp(offsets)), error)


def _numbered(operations: pa.Table) -> Ints | None:
    """Give the rows in the order of their numbers; None where not every event has one of its own."""
    sequence = operations.column("sequence")
    if sequence.null_count:
        return None
    number = sequence.to_numpy()
    record = operations.column("record").to_numpy()
    order = np.argsort(number, kind="stable")
    twice = (number[order][1:] == number[order][:-1]) & (record[order][1:] != record[order][:-1])
    return None if twice.any() else order


def _out_of_order(time: Ints) -> bool:
    return bool((time[1:] < time[:-1]).any())


def _bounds(time: Ints, cpu: Ints, count: int) -> Ints | None:
    """Bound by how much each processor's clock is ahead of each other's.

    Args:
        time: The times of the events, in the order of their numbers.
        cpu: The processors, counted from 0.
        count: How many there are.

    Returns:
        At [a, b] the most by which the clock of b can be ahead of that of a, nanoseconds; None where what the
        events tell cannot all be true.
    """
    most = np.full((count, count), _NEVER, np.int64)
    pair = cpu[:-1] * count + cpu[1:]
    other = np.flatnonzero(cpu[1:] != cpu[:-1])
    gap = (time[1:] - time[:-1])[other]
    order = np.lexsort((gap, pair[other]))
    gap, pair = gap[order], pair[other][order]
    starts = np.flatnonzero(np.append(True, pair[1:] != pair[:-1])[: len(pair)])
    lists = dict(zip(pair[starts].tolist(), np.split(gap, starts[1:]), strict=True))
    for key, gaps in lists.items():
        a, b = divmod(key, count)
        back = lists.get(b * count + a)
        most[a, b] = _least(gaps, back) if back is not None else gaps[0]
    np.fill_diagonal(most, 0)
    for via in range(count):
        most = np.minimum(most, most[:, via, None] + most[None, via, :])
    return None if (np.diagonal(most) < 0).any() else np.minimum(most, _NEVER)


def _least(gaps: Ints, back: Ints) -> int:
    """Give the least gap between events of two processors that is not the work of an interrupted thread.

    Args:
        gaps: Gaps from the one's event to the other's next, ascending.
        back: Gaps from the other's to the one's, ascending.
    """
    spare = min(max(2, int(len(gaps) * _INTERRUPTED)), len(gaps) - 1)
    usual = int(back[int(len(back) * _INTERRUPTED)])
    # Clocks can't make both ways seem shorter than nothing.
    sound = int(np.searchsorted(gaps, -usual))
    return int(gaps[min(sound, spare)])


def _offsets(most: Ints) -> tuple[Ints, int]:
    """Choose how far each clock is ahead of the first: between what is most and what is least.

    Returns:
        The offsets, nanoseconds, all 0 where these fit too; and by how much any two may still be wrong.
    """
    if (most >= 0).all():
        return np.zeros(len(most), np.int64), 0
    high, low = most[0], -most[:, 0]
    # A processor that nothing is known of is taken to be right.
    known = (high < _NEVER // 2) & (low > -_NEVER // 2)
    offsets = np.where(known, (high + low) // 2, 0)
    return offsets, int((high - low)[known].max())


def _retimed(operations: pa.Table, time: Ints, numbered: Ints, offset: Ints) -> pa.Table:
    """Put rows on one clock and in the order of their numbers."""
    true = (time - offset)[numbered]
    # A number is drawn before its event is written: one that is later than those behind it was held up.
    true = np.minimum.accumulate(true[::-1])[::-1]
    begin = whole(operations.column("begin"))
    began = begin.cast(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False) - offset
    there = begin.is_valid().to_numpy(zero_copy_only=False)[numbered]
    columns: dict[str, Any] = {
        "order": from_numpy(np.arange(len(time), dtype=np.uint32), pa.uint32()),
        "time": from_numpy(true, operations.schema.field("time").type),
        "begin": from_numpy(began[numbered], begin.type, there),
    }
    table = operations.take(from_numpy(numbered, pa.int64()))
    for name, column in columns.items():
        place = table.schema.get_field_index(name)
        table = table.set_column(place, operations.schema.field(name), column)
    return table


def _runs_back(operations: pa.Table, time: Ints) -> bool:
    """Tell whether a call ended before it began: its thread went to a processor whose clock is behind."""
    begin = operations.column("begin")
    if begin.null_count == len(begin):
        return False
    began = begin.cast(pa.int64()).fill_null(np.iinfo(np.int64).min).to_numpy()
    return bool((began > time).any())
