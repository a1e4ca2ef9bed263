"""The tables of the HTML page: contexts, the steps of as many lives as there is room for, and their calls."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from tracecheck.etl.columns import NO_CPU, NO_ID
from tracecheck.reporters.html.codes import Ints, Words, distinct, distinct_rows, numbers, rows_of
from tracecheck.reporters.html.data import Column, table_block

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    from tracecheck.capture import Analysis

#: How many steps a page holds at most, besides those of lives with findings, which it always holds whole.
MOST_STEPS = 3_000_000

# Steps are unpacked a block at a time, when the first of its lives is shown: some milliseconds each.
_BLOCK = 1 << 16

_CALL = ("routine", "site", "function", "status", "irql", "major", "phase")
_NAMES = ("routine", "site", "function")
_THREAD = ("pid", "tid", "process")
#: What a column holds where the trace has nothing; statuses are 32 bits, so 33 are needed.
NOTHING = {"status": -1, "irql": 255, "major": 255, "phase": 255}
_CONTEXT, _OLD_CONTEXT, _OTHER = range(3)


@dataclass(frozen=True)
class _Calls:
    """The operations of a page: when each was made, and what it shares with others."""

    time: Ints
    cpu: Ints
    thread: Ints
    call: Ints


class Tables:
    """All tables of one page.

    Args:
        analysis: What the page is of.
        faulty: The lives that have findings.
        loose: Operations that prove findings and are no step of their lives: rows of the operations table.
        most_steps: How many steps of lives there may be, those of faulty ones beyond it aside.

    Attributes:
        words: The texts that the tables name by number.
        base: The earliest time, nanoseconds; all times are since then, in units of :attr:`unit`.
        unit: Nanoseconds of a unit of time.
        span: The latest time, in units since the origin.
    """

    def __init__(self, analysis: Analysis, faulty: Ints, loose: Ints, most_steps: int = MOST_STEPS) -> None:
        self.words = Words()
        self._analysis = analysis
        self._contexts, self._steps = analysis.contexts, analysis.steps
        self._loose = loose
        self.base, self.unit, self.span = self._clock()
        self._owners = numbers(self._steps.column("context")).astype(np.int64)
        self.counts = np.bincount(self._owners, minlength=self._contexts.num_rows).astype(np.int64)
        self.shown = self._choose(faulty, most_steps)

    def _clock(self) -> tuple[int, int, int]:
        """Find the earliest time, the largest unit that all times are multiples of, and the latest time."""
        all_times = [
            numbers(table.column(name).drop_null())
            for table, names in (
                (self._analysis.operations, ["time"]),
                (self._contexts, ["first", "last", "freed", "object_gone"]),
            )
            for name in names
        ]
        known = [times for times in all_times if len(times)]
        base = min((int(times.min()) for times in known), default=0)
        units = [int(np.gcd.reduce(times - base)) for times in known]
        unit = max(int(np.gcd.reduce(units)) if units else 1, 1)
        return base, unit, max((int(times.max()) - base for times in known), default=0) // unit

    def _choose(self, faulty: Ints, most: int) -> NDArray[np.bool_]:
        """Choose the lives whose steps are shown: the faulty ones, then short ones before long ones."""
        shown = np.zeros(len(self.counts), np.bool_)
        shown[faulty] = True
        others = np.flatnonzero(~shown)
        others = others[np.argsort(self.counts[others], kind="stable")]
        room = most - int(self.counts[shown].sum())
        shown[others[np.cumsum(self.counts[others]) <= room]] = True
        return shown

    @cached_property
    def rows(self) -> Ints:
        """The steps that the page holds: rows of the steps table."""
        return np.flatnonzero(self.shown[self._owners]) if len(self._owners) else np.zeros(0, np.int64)

    def contexts(self) -> str:
        """Pack the contexts: all of them, whatever their number."""
        table = self._contexts
        first = self.since(numbers(table.column("first")))
        columns: dict[str, Any] = {
            "pointer": Column(numbers(table.column("pointer")), differences=True),
            "object": Column(numbers(table.column("object")), differences=True),
            "instance": Column(numbers(table.column("instance")), differences=True),
            "filter": Column(numbers(table.column("filter")), differences=True),
            "first": first,
            "length": self.since(numbers(table.column("last"))) - first,
            "steps": np.where(self.shown, self.counts, 0),
            **{name: self.words.column(table.column(name)) for name in ("birth", "end", "site")},
        }
        for name in ("freed", "object_gone"):
            known = table.column(name).is_valid().to_numpy()
            since = self.since(numbers(table.column(name), self.base)) - first
            columns[name] = np.where(known, np.where(since < 0, since - 1, since), -1)
        for name in ("generation", "context_type", "owned", "link", "peak", "operations", "ordered"):
            columns[name] = numbers(table.column(name))
        return table_block(columns)

    def since(self, times: NDArray[Any]) -> Ints:
        """Turn nanoseconds since 1970 into units since the origin."""
        return (times.astype(np.int64) - self.base) // self.unit

    @cached_property
    def _operations(self) -> _Calls:
        """What the page tells of its operations, those of steps first and the loose ones behind them."""
        steps = numbers(self._steps.column("operation")).astype(np.int64)[self.rows]
        at = np.concatenate([steps, self._loose])
        have = [name for name in (*_CALL, *_THREAD) if name in self._analysis.operations.schema.names]
        # Each operation is read once, however many of the steps are its.
        used, back = distinct(at)
        table = rows_of(self._analysis.operations, ["time", "cpu", *have], used)
        self._threads = [self._cells(table, name) for name in _THREAD if name in have]
        self._thread_names = [name for name in _THREAD if name in have]
        calls = [self._cells(table, name) for name in _CALL]
        thread, self._thread_rows = distinct_rows(self._threads)
        call, rows = distinct_rows(calls)
        self._call_columns = {name: cells[rows] for name, cells in zip(_CALL, calls, strict=True)}
        times = self.since(numbers(table.column("time")))
        cpu = numbers(table.column("cpu")).astype(np.int64)
        return _Calls(times[back], np.where(cpu == NO_CPU, -1, cpu)[back], thread[back], call[back])

    def _cells(self, table: pa.Table, name: str) -> NDArray[Any]:
        column = table.column(name)
        if name in _NAMES or name == "process":
            return self.words.column(column)
        cells = numbers(column.cast("int64"), NOTHING.get(name, 0))
        return np.where(cells == NO_ID, -1, cells) if name in ("pid", "tid") else cells

    def calls(self) -> str:
        """Pack what calls share: a row for each combination of routine, site, status and position."""
        assert self._operations is not None
        return table_block(self._call_columns)

    def threads(self) -> str:
        """Pack the threads."""
        assert self._operations is not None
        named = zip(self._thread_names, self._threads, strict=True)
        return table_block({name: cells[self._thread_rows] for name, cells in named})

    @cached_property
    def _effects(self) -> tuple[Ints, dict[str, NDArray[Any]]]:
        """Number what steps do to counts; the combinations are few."""
        steps = rows_of(
            self._steps, ["context", "operation", "delta_owned", "delta_link", "owned", "link"], self.rows
        )
        owners = numbers(steps.column("context"))
        columns: dict[str, NDArray[Any]] = {
            "owned": _differences(numbers(steps.column("owned")), owners),
            "link": _differences(numbers(steps.column("link")), owners),
            "delta_owned": numbers(steps.column("delta_owned")),
            "delta_link": numbers(steps.column("delta_link")),
            "fault": self.words.column(self._steps.column("fault"))[self.rows],
            "part": self._parts(owners, numbers(steps.column("operation"))),
        }
        codes, first = distinct_rows(list(columns.values()))
        return codes, {name: cells[first] for name, cells in columns.items()}

    def _parts(self, owners: NDArray[Any], operations: NDArray[Any]) -> Ints:
        """Tell which part a context played in each call: the context, the old one, or one of several."""
        pointers = numbers(self._contexts.column("pointer"))[owners]
        named = numbers(self._analysis.operations.column("context"))[operations]
        old = numbers(self._analysis.operations.column("old_context"))[operations]
        return np.select([named == pointers, old == pointers], [_CONTEXT, _OLD_CONTEXT], _OTHER)

    def effects(self) -> str:
        """Pack the effects."""
        return table_block(self._effects[1])

    def steps(self) -> Iterator[str]:
        """Pack the steps, lives in the order of the contexts table, some whole lives a block."""
        calls, size = self._operations, len(self.rows)
        owners = self._owners[self.rows]
        first = self.since(numbers(self._contexts.column("first")))
        before = np.concatenate([np.zeros(1, np.int64), calls.time[:size][:-1]])[:size]
        fresh = np.concatenate([np.ones(1, np.bool_), owners[1:] != owners[:-1]])[:size]
        waits = calls.time[:size] - np.where(fresh, first[owners], before)
        for start, end in self.blocks:
            part = slice(start, end)
            yield table_block(
                {
                    "wait": waits[part],
                    "cpu": calls.cpu[part],
                    "thread": calls.thread[part],
                    "call": calls.call[part],
                    "effect": self._effects[0][part],
                }
            )

    @cached_property
    def blocks(self) -> list[tuple[int, int]]:
        """Where each block of steps begins and ends, as places among the steps of the page."""
        if not len(self.rows):
            return []
        owners = self._owners[self.rows]
        starts = np.flatnonzero(np.concatenate([np.ones(1, np.bool_), owners[1:] != owners[:-1]]))
        chosen = starts[np.concatenate([np.ones(1, np.bool_), np.diff(starts // _BLOCK) > 0])]
        return list(zip(chosen.tolist(), [*chosen[1:].tolist(), len(owners)], strict=True))

    def loose(self) -> str:
        """Pack the operations that prove findings and are no step of their lives."""
        calls, size = self._operations, len(self.rows)
        pointers = numbers(self._analysis.operations.column("context"))[self._loose]
        return table_block(
            {
                "time": calls.time[size:],
                "cpu": calls.cpu[size:],
                "thread": calls.thread[size:],
                "call": calls.call[size:],
                "pointer": Column(pointers, differences=True),
            }
        )


def _differences(values: NDArray[Any], owners: NDArray[Any]) -> Ints:
    """Tell by how much each count differs from that of the step before it in its life, or from zero."""
    values = values.astype(np.int64)
    before = np.concatenate([np.zeros(1, np.int64), values[:-1]])[: len(values)]
    before[np.concatenate([np.ones(1, np.bool_), owners[1:] != owners[:-1]])[: len(values)]] = 0
    found: Ints = values - before
    return found
