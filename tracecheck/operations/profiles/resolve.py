"""Intents and what came of them: lines before calls, joined to the lines that say how the calls ended.

A line that tells an intent is written before the call. Of a call that succeeds many drivers write nothing
more; one that fails has a line of its own, often without the context. All rows of a thread are looked at
together, sorted by time: a failure belongs to the last intent of its routine before it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tracecheck.fltmgr import ROUTINES, Effect
from tracecheck.operations.batch import OPTIONAL, Batch
from tracecheck.operations.profiles.grammar import JOINS, NUMBERS, POINTERS, Message, Tells
from tracecheck.operations.profiles.values import UNSUCCESSFUL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tracecheck.operations.rows import Rows

    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]

#: How many lines about the end of one call are joined to it.
_MOST_LINES = 4
_WITH_STATUS = (
    Effect.ALLOCATE,
    Effect.SET,
    Effect.GET,
    Effect.GET_MANY,
    Effect.DELETE_BY_OBJECT,
    Effect.CREATE_SECTION,
    Effect.CLOSE_SECTION,
)
_OF_THE_LINE = ("time", "tick", "cpu", "buffer_sequence", "buffer_offset")
_VALUES = tuple(key for key in (*POINTERS, *NUMBERS) if key not in ("begin", "sequence"))


def resolve(rows: Rows, messages: Sequence[Message]) -> Batch:
    """Join intents to what came of them, and give allocations their contexts.

    Args:
        rows: What the messages of one profile tell, in any order; ``binding`` is an index into messages.
        messages: The messages.

    Returns:
        An operation for each row that is not only the end of another's call, with ``assumed``. One whose end
        is told has the time of that line, and the intent's time as its begin.
    """
    columns = _Columns(rows)
    binding = columns["binding"]
    tells = np.array([int(message.tells) for message in messages], np.uint8)[binding]
    keep = np.ones(rows.size, np.bool_)
    order = np.zeros(0, np.int64)
    names_later = any(message.pointer_of for message in messages)
    if names_later or (tells != Tells.RESULT).any():
        order = _by_thread(columns)
    if (tells != Tells.RESULT).any():
        _join(columns, messages, tells, keep, order)
        _finish(columns, messages, tells, keep)
    if names_later:
        _name_allocations(columns, messages, keep, order)
    return columns.batch(keep)


class _Columns:
    """The columns of the rows as arrays that may be written; only those that are asked for."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self.size = rows.size
        #: The times at which the lines were written.
        self.written = rows["time"].copy()

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self._rows[name]

    def __contains__(self, name: str) -> bool:
        return name in self._rows

    def known(self, name: str) -> Bools:
        """Tell where a value was logged."""
        return self[f"has_{name}"] if name in OPTIONAL else self[name] != 0

    def fill(self, name: str, to: Ints, of: Ints) -> None:
        """Give rows that lack a value that of other rows, where those have it."""
        if name not in self:
            return
        known = self.known(name)
        lacks = ~known[to] & known[of]
        self[name][to[lacks]] = self[name][of[lacks]]
        if name in OPTIONAL:
            self[f"has_{name}"][to[lacks]] = True

    def put(self, name: str, rows: Ints | Bools, value: int | NDArray[Any]) -> None:
        """Set a value that counts as logged."""
        self[name][rows] = value
        self[f"has_{name}"][rows] = True

    def batch(self, keep: Bools) -> Batch:
        """Give the rows that are operations."""
        kept = np.flatnonzero(keep)
        batch = Batch(len(kept))
        batch["assumed"] = self["assumed"][kept]
        for name in self._rows.names():
            if name not in ("binding", "assumed"):
                batch[name] = self[name][kept]
        return batch


def _by_thread(columns: _Columns) -> Ints:
    """Sort rows by thread, then as they were written."""
    keys = (columns["buffer_offset"], columns["buffer_sequence"], columns["time"], columns["tid"])
    return np.lexsort(keys)


def _routines(columns: _Columns) -> NDArray[np.int64]:
    return columns["routine"].astype(np.int64)


def _join(
    columns: _Columns, messages: Sequence[Message], tells: NDArray[np.uint8], keep: Bools, order: Ints
) -> None:
    """Join the lines that tell how a call ended to the intent of that call."""
    key = columns["tid"].astype(np.int64) << 32 | _routines(columns)
    order = order[np.argsort(key[order], kind="stable")]
    told, key = tells[order], key[order]
    place = np.arange(len(order))
    starts = np.maximum.accumulate(np.where(np.append(True, key[1:] != key[:-1])[: len(key)], place, 0))
    begins = np.isin(told, (Tells.INTENT, Tells.RESULT))
    last = np.maximum.accumulate(np.where(begins, place, -1))
    ends = np.isin(told, (Tells.FAILURE, Tells.SUCCESS))
    ends &= (last >= starts) & (told[np.maximum(last, 0)] == Tells.INTENT)
    line, intent = order[ends], order[last[ends]]
    agree = _agree(columns, messages, line, intent)
    line, intent = line[agree], intent[agree]
    rank = _ranks(intent)
    for number in range(_MOST_LINES):
        now = np.flatnonzero(rank == number)
        if not len(now):
            break
        if number:
            # What the lines before have told of the call, this one must not contradict.
            now = now[_alike(columns, tells, line[now], intent[now])]
            now = now[_agree(columns, messages, line[now], intent[now])]
        _merge(columns, line[now], intent[now])
        keep[line[now]] = False
        if not number:
            _time(columns, line[now], intent[now])
            tells[intent[now]] = tells[line[now]]


def _agree(columns: _Columns, messages: Sequence[Message], line: Ints, intent: Ints) -> Bools:
    """Tell which lines are of the call that an intent announced: soon enough, and on the same object."""
    binding = columns["binding"]
    within = np.array([message.within for message in messages], np.int64)[binding[intent]]
    agree: Bools = columns.written[line] - columns.written[intent] <= within
    for name in JOINS:
        asked = np.array([name in message.by for message in messages], np.bool_)[binding[intent]]
        if name not in columns or not asked.any():
            continue
        a, b = columns[name][line], columns[name][intent]
        agree &= ~asked | (a == 0) | (b == 0) | (a == b)
    return agree


def _ranks(group: Ints) -> Ints:
    """Number the members of each group, which lie together, from 0."""
    place = np.arange(len(group))
    fresh = np.append(True, group[1:] != group[:-1])[: len(group)]
    ranks: Ints = place - np.maximum.accumulate(np.where(fresh, place, 0))
    return ranks


def _alike(columns: _Columns, tells: NDArray[np.uint8], line: Ints, intent: Ints) -> Bools:
    """Tell which lines say of a call what was said of it already: that it failed, and how."""
    known = columns["has_status"]
    differs = known[line] & known[intent] & (columns["status"][line] != columns["status"][intent])
    alike: Bools = (tells[line] == tells[intent]) & ~differs
    return alike


def _merge(columns: _Columns, line: Ints, intent: Ints) -> None:
    """Take what lines tell into the rows of their intents, where those lack it."""
    for name in _VALUES:
        columns.fill(name, intent, line)


def _time(columns: _Columns, line: Ints, intent: Ints) -> None:
    """Let calls begin when they were announced, and stand where their ends were told."""
    begun = ~columns["has_begin"][intent]
    columns["begin"][intent[begun]] = columns.written[intent[begun]]
    columns["has_begin"][intent] = True
    for name in _OF_THE_LINE:
        columns[name][intent] = columns[name][line]


def _finish(columns: _Columns, messages: Sequence[Message], tells: NDArray[np.uint8], keep: Bools) -> None:
    """Give every operation its outcome: told, or assumed where nothing was."""
    effects = np.array([ROUTINES[message.routine].effect for message in messages], np.uint8)
    returns = np.isin(effects, _WITH_STATUS)[columns["binding"]] & keep
    silent = returns & (tells == Tells.INTENT)
    columns["assumed"][silent] = True
    open_ = ~columns["has_status"]
    columns.put("status", returns & open_ & np.isin(tells, (Tells.INTENT, Tells.SUCCESS)), 0)
    columns.put("status", returns & open_ & (tells == Tells.FAILURE), UNSUCCESSFUL)


def _name_allocations(columns: _Columns, messages: Sequence[Message], keep: Bools, order: Ints) -> None:
    """Give allocations whose lines lack the context that of the thread's next call that names it."""
    binding, status = columns["binding"], columns["status"]
    failed = columns["has_status"] & (status >> np.uint32(31) != 0)
    for routine in {message.pointer_of for message in messages} - {""}:
        waits = np.array([message.pointer_of == routine for message in messages], np.bool_)[binding]
        waits &= keep & (columns["context"] == 0) & ~failed
        names = np.array([message.routine == routine for message in messages], np.bool_)[binding]
        names &= keep & (columns["context"] != 0)
        some = order[(waits | names)[order]]
        here, then = some[:-1], some[1:]
        kind, other = columns["context_type"][here], columns["context_type"][then]
        fits = waits[here] & names[then] & (columns["tid"][here] == columns["tid"][then])
        fits &= (kind == 0) | (other == 0) | (kind == other)
        columns.put("context", here[fits], columns["context"][then[fits]])
        columns["context_type"][here[fits]] = np.where(kind == 0, other, kind)[fits]
