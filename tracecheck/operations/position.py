"""Where in the I/O a call was made, by the kernel's events of minifilter callbacks (FltIo).

A callback's call and return are events of its thread; what lies between them was done in it. Calls that
nothing returns from, and callbacks that contradict each other, tell nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tracecheck.fltmgr import ROUTINES, Effect
from tracecheck.operations.brackets import enclosing, partners
from tracecheck.payload.arrow import from_numpy, whole
from tracecheck.payload.kernel import NO_ID, find_last

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Words = NDArray[np.uint64]

PRE, POST, DRAINING = 1, 2, 3

# Every processor has an idle thread, and all of them have the id 0.
_IDLE = np.uint64(1 << 32)
# These are no I/O callbacks; their phase has another meaning.
_OTHERS = (Effect.CLEANUP, Effect.UNLOAD, Effect.UNREGISTER, Effect.TEARDOWN_COMPLETE, Effect.CAPTURE_START)
_BOUNDS = np.iinfo(np.int64)


def fill_positions(operations: pa.Table, fltio: pa.Table, losses: pa.Table | None = None) -> pa.Table:
    """Fill in major function and phase of the operations that were logged without.

    An operation lies in the innermost callback of its thread that holds its time; if that callback had not
    begun when the operation did, it lies in none. What the driver logged stays; where it logged one of the
    two, the other is filled in if the callback agrees with it. Draining cannot be told from other
    post-operation callbacks.

    Args:
        operations: Schema :data:`~tracecheck.operations.table.OPERATIONS`, in time order.
        fltio: :attr:`tracecheck.payload.kernel.Kernel.fltio`; its records are numbered as the operations'.
        losses: The log's losses. A return that names the time of its call proves the pair; any other pair
            is not believed across a loss on whatever processor: it may hide a return and the next call.

    Returns:
        The operations, in the same order.
    """
    rows = np.flatnonzero(_lacking(operations)) if len(fltio) else np.zeros(0, np.int64)
    if not len(rows):
        return operations
    callbacks = _believed(fltio, losses)
    place = [_ints(operations, name)[rows] for name in ("time", "tick", "record")]
    inside = callbacks.find(_thread(operations, rows), *place)
    late = _valid(operations, "begin")[rows] & (_ints(operations, "begin")[rows] < callbacks.start[inside])
    found = (inside >= 0) & ~late
    inside = inside[found]
    return _filled(operations, rows[found], callbacks.major[inside], callbacks.phase[inside])


@dataclass(frozen=True)
class _Callbacks:
    """The callbacks that are believed.

    Attributes:
        thread, time, tick, record: Of each call and return, sorted by thread, time and record.
        inside: The innermost callback that runs after each of them, -1 where none does.
        major, phase, start: Of each callback; the last one stands for none.
    """

    thread: Words
    time: Ints
    tick: Ints
    record: Ints
    inside: Ints
    major: NDArray[np.uint8]
    phase: NDArray[np.uint8]
    start: Ints

    def find(self, thread: Words, time: Ints, tick: Ints, record: Ints) -> Ints:
        """Find the innermost callback that holds each event, -1 where none does.

        Events of one tick are in the order of the log. Where a relay wrote the event that order says
        nothing: at the very time of a call or a return it is in no callback.
        """
        found = np.full(len(thread), -1, np.int64)
        if not len(self.thread):
            return found
        at = find_last(self.thread, self.time, thread, time)
        rows = np.flatnonzero((at >= 0) & (self.time[at] == time))
        new = (self.thread[1:] != self.thread[:-1]) | (self.time[1:] != self.time[:-1])
        first = np.maximum.accumulate(np.where(np.append(True, new), np.arange(len(self.time)), 0))
        tied = first[at[rows]]
        exact = find_last(first, self.record, tied, record[rows])
        same = self.tick[tied] == tick[rows]
        at[rows] = np.where(same, np.where(exact >= 0, exact, tied - 1), -1)
        hit = np.flatnonzero(at >= 0)
        hit = hit[self.thread[at[hit]] == thread[hit]]
        found[hit] = self.inside[at[hit]]
        return found


def _believed(fltio: pa.Table, losses: pa.Table | None) -> _Callbacks:
    """Pair calls with their returns, and keep the pairs that can be believed."""
    step = _words(fltio, "step")
    some = np.flatnonzero(((step == "call") | (step == "return")) & (_ints(fltio, "tid") != NO_ID))
    thread = _thread(fltio, some)
    time, record = (_ints(fltio, name)[some] for name in ("time", "record"))
    order = np.lexsort((record, time, thread))
    some, thread, time = some[order], thread[order], time[order]
    opens = step[some] == "call"
    whose = [thread, *(whole(fltio.column(name)).to_numpy()[some] for name in ("routine", "callback_data"))]
    pair = partners(opens, _numbered(whose))
    kept = np.flatnonzero(pair >= 0)
    # Of callbacks of one thread that cross, one at least was paired wrongly: neither is believed.
    around = np.append(kept, -1)[partners(opens[kept], thread[kept])]
    kept = kept[around == pair[kept]]
    calls = kept[opens[kept]]
    if losses is not None and len(losses):
        calls = calls[~_doubtful(fltio, some, time, calls, pair[calls], losses)]
    return _callbacks(fltio, some, calls, pair[calls], thread, time)


def _callbacks(
    fltio: pa.Table, some: Ints, calls: Ints, returns: Ints, thread: Words, time: Ints
) -> _Callbacks:
    """Put calls and returns that nest in order, and tell what runs after each."""
    bounds = np.concatenate([calls, returns])
    order = np.argsort(bounds, kind="stable")
    bounds = bounds[order]
    opened = enclosing(order < len(calls))
    inside = np.where(opened >= 0, np.append(order, -1)[opened], -1)
    major = _ints(fltio, "major")[some[calls]]
    phase = np.where(_words(fltio, "phase")[some[calls]] == "pre", PRE, POST)
    return _Callbacks(
        thread[bounds],
        time[bounds],
        _ints(fltio, "tick")[some[bounds]],
        _ints(fltio, "record")[some[bounds]],
        inside,
        np.append(major, 0).astype(np.uint8),
        np.append(phase, 0).astype(np.uint8),
        np.append(time[calls], 0),
    )


def _doubtful(fltio: pa.Table, some: Ints, time: Ints, calls: Ints, returns: Ints, losses: pa.Table) -> Bools:
    """Tell which pairs lie across a loss and are not proven: the return does not name its call's time."""
    start = np.sort(_ints(losses, "start", _BOUNDS.min))
    by_start = np.argsort(_ints(losses, "start", _BOUNDS.min), kind="stable")
    reach = np.maximum.accumulate(_ints(losses, "end", _BOUNDS.max)[by_start])
    last = np.searchsorted(start, time[returns], "right") - 1
    across = (last >= 0) & (reach[last] >= time[calls])
    tick = _ints(fltio, "tick")[some[calls]]
    proven = _valid(fltio, "began")[some[returns]] & (_ints(fltio, "began")[some[returns]] == tick)
    doubtful: Bools = across & ~proven
    return doubtful


def _lacking(operations: pa.Table) -> Bools:
    """Tell which operations are of an I/O callback, as far as is known, and lack a part of their place."""
    routine = whole(operations.column("routine"))
    of = [
        ROUTINES[name].effect if name in ROUTINES else Effect.NONE for name in routine.dictionary.to_pylist()
    ]
    other = np.array([effect in _OTHERS for effect in of], np.bool_)[routine.indices.to_numpy()]
    whole_ = _valid(operations, "major") & _valid(operations, "phase")
    lacking: Bools = ~whole_ & ~other & (_ints(operations, "tid") != NO_ID)
    return lacking


def _filled(operations: pa.Table, rows: Ints, major: NDArray[np.uint8], phase: NDArray[np.uint8]) -> pa.Table:
    """Put positions into the rows that agree with them."""
    has = {name: _valid(operations, name) for name in ("major", "phase")}
    have = {name: _ints(operations, name).astype(np.uint8) for name in ("major", "phase")}
    logged = have["phase"][rows]
    agrees = ~has["major"][rows] | (have["major"][rows] == major)
    agrees &= ~has["phase"][rows] | (np.where(logged == DRAINING, POST, logged) == phase)
    for name, values in (("major", major), ("phase", phase)):
        empty = agrees & ~has[name][rows]
        have[name][rows[empty]] = values[empty]
        has[name][rows[empty]] = True
        column = from_numpy(have[name], pa.uint8(), None if has[name].all() else has[name])
        operations = operations.set_column(operations.schema.get_field_index(name), name, column)
    return operations


def _thread(table: pa.Table, rows: Ints) -> Words:
    """Number the threads of some rows: an idle thread by its processor."""
    tid, cpu = (_ints(table, name)[rows].astype(np.uint64) for name in ("tid", "cpu"))
    return np.where(tid == 0, _IDLE | cpu, tid)


def _numbered(columns: list[NDArray[Any]]) -> Ints:
    """Number the different rows of several columns."""

    def both(one: Ints, other: Ints) -> Ints:
        return np.unique(one * (other.max(initial=0) + 1) + other, return_inverse=True)[1]

    return reduce(both, (np.unique(column, return_inverse=True)[1].astype(np.int64) for column in columns))


def _ints(table: pa.Table, name: str, absent: int = 0) -> Ints:
    """Give a column of numbers or times that fit 64 bits with a sign."""
    column = whole(table.column(name))
    if column.type != pa.int64():
        column = column.cast(pa.int64())
    if column.null_count:
        column = column.fill_null(absent)
    values: Ints = column.to_numpy(zero_copy_only=False)
    return values


def _valid(table: pa.Table, name: str) -> Bools:
    column = whole(table.column(name))
    if not column.null_count:
        return np.ones(len(column), np.bool_)
    valid: Bools = column.is_valid().to_numpy(zero_copy_only=False)
    return valid


def _words(table: pa.Table, name: str) -> NDArray[Any]:
    """Give a column of a few words as an array of them."""
    column = whole(table.column(name))
    words = np.array([*column.dictionary.to_pylist(), ""])
    values: NDArray[Any] = words[column.indices.to_numpy()]
    return values
