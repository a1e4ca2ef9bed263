"""What rules look at: the tables as arrays, and facts about the whole capture."""

from __future__ import annotations

from bisect import insort
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tracecheck.etl import plain_rows
from tracecheck.fltmgr import Effect
from tracecheck.operations import Coverage
from tracecheck.operations.frames import frames_of, normal_stack
from tracecheck.operations.table import STACK, has_stacks
from tracecheck.payload.arrow import whole
from tracecheck.replay import Replay, stretches
from tracecheck.replay.effects import Ops
from tracecheck.replay.order import Reach, intervals
from tracecheck.replay.played import PATIENCE
from tracecheck.rules import patterns
from tracecheck.rules.pairing import Open, Pairing, Partners, holds, pair

Ints = NDArray[np.int64]
T = TypeVar("T")


@dataclass(frozen=True)
class Unload:
    """One unload of a filter: when FltUnregisterFilter or the unload callback began and ended.

    Attributes:
        filter: The filter, 0 where it was not logged.
        entered: When it began, nanoseconds.
        ended: When it ended; None where it never did.
        op: The operation that tells.
        unregistered: Whether FltUnregisterFilter was entered.
    """

    filter: int
    entered: int
    ended: int | None
    op: int
    unregistered: bool

    def concerns(self, filter_: int) -> bool:
        """Tell whether a context of a filter is concerned; an unknown filter may be any."""
        return not self.filter or not filter_ or self.filter == filter_


class _Places:
    """Where each filter's unloads stand in a list, so that no row has to look at all of them."""

    def __init__(self, found: list[Unload]) -> None:
        self._found = found
        self._every: dict[int | None, list[int]] = defaultdict(list)
        self._open: dict[int | None, list[int]] = defaultdict(list)

    def add(self, filter_: int, place: int) -> None:
        """Note an unload of a filter, or that one of an unknown filter is this one's."""
        for stacks in (self._every, self._open):
            insort(stacks[filter_], place)
            if place == len(self._found):
                stacks[None].append(place)

    def last(self, filter_: int, ended_too: bool) -> int | None:
        """Find the last unload that may be the filter's; None if there is none."""
        stacks = self._every if ended_too else self._open
        keys = (0, filter_) if filter_ else (None,)
        for key in keys:
            stack = stacks[key]
            while stack and not self._is(stack[-1], key, ended_too):
                stack.pop()
        return max((stacks[key][-1] for key in keys if stacks[key]), default=None)

    def _is(self, place: int, key: int | None, ended_too: bool) -> bool:
        unload = self._found[place]
        return (key is None or unload.filter == key) and (ended_too or unload.ended is None)


class Evidence:
    """The tables of a capture, and what is worked out from them once.

    Args:
        operations: Schema :data:`~tracecheck.operations.OPERATIONS`.
        replay: The replay of them.
        losses: Schema :data:`~tracecheck.etl.LOSSES`.
        coverage: What the capture says it logs completely.
        original: Gives the name that a redacted one stands for.
    """

    def __init__(
        self,
        operations: pa.Table,
        replay: Replay,
        losses: pa.Table,
        coverage: Coverage,
        original: Callable[[str], str] = str,
    ) -> None:
        self.ops = Ops(operations)
        self.replay = replay
        self.losses = losses
        self.coverage = coverage
        self._arrays: dict[str, NDArray[Any]] = {}
        self._found: dict[object, list[Any]] = {}
        self._names: dict[str, list[str]] = {}
        self._kept: dict[object, Any] = {}
        self._original = original
        self._callers: dict[str | None, str] = {}

    def found(self, find: Callable[[Evidence], Iterable[T]]) -> list[T]:
        """Give what a rule, or anything else that looks at the whole evidence, finds; it is asked once."""
        if find not in self._found:
            self._found[find] = list(find(self))
        return self._found[find]

    def once(self, key: object, make: Callable[[], T]) -> T:
        """Give what is worked out once and then kept."""
        if key not in self._kept:
            self._kept[key] = make()
        kept: T = self._kept[key]
        return kept

    def context(self, name: str) -> NDArray[Any]:
        """Give a column of the contexts table; codes for names, nanoseconds (0 for null) for times."""
        return self._column("contexts", self.replay.contexts, name)

    def step(self, name: str) -> NDArray[Any]:
        """Give a column of the steps table."""
        return self._column("steps", self.replay.steps, name)

    def _column(self, table: str, of: pa.Table, name: str) -> NDArray[Any]:
        key = f"{table}.{name}"
        if key not in self._arrays:
            column = whole(of.column(name))
            if pa.types.is_dictionary(column.type):
                column = column.indices
            if pa.types.is_timestamp(column.type):
                column = column.cast(pa.int64())
            if column.null_count:
                column = column.fill_null(0)
            self._arrays[key] = column.to_numpy(zero_copy_only=False)
        return self._arrays[key]

    def lives_that(self, column: str, name: str) -> Ints:
        """Find the lives whose birth or end has a name."""
        names = whole(self.replay.contexts.column(column)).dictionary.to_pylist()
        return (
            np.flatnonzero(self.context(column) == names.index(name))
            if name in names
            else np.zeros(0, np.int64)
        )

    def steps_with(self, fault: str) -> Ints:
        """Find the steps that have a fault."""
        names = whole(self.replay.steps.column("fault")).dictionary.to_pylist()
        return (
            np.flatnonzero(self.step("fault") == names.index(fault))
            if fault in names
            else np.zeros(0, np.int64)
        )

    @cached_property
    def first_step(self) -> Ints:
        """Where each life's steps begin; one more element tells where the last one's end."""
        return np.searchsorted(self.step("context"), np.arange(len(self.replay.contexts) + 1))

    def steps_of(self, operations: NDArray[np.bool_]) -> Ints:
        """Find the steps of the operations that a mask picks."""
        return np.flatnonzero(operations[self.step("operation")])

    @cached_property
    def place_in_thread(self) -> Ints:
        """Where each operation stands in ``ops.by_thread()``."""
        rows = self.ops.by_thread()
        place = np.empty(len(rows), np.int64)
        place[rows] = np.arange(len(rows))
        return place

    @cached_property
    def held(self) -> Ints:
        """Lives of known birth that end with references nobody released."""
        known = np.isin(np.arange(len(self.replay.contexts)), self.lives_that("birth", "allocated"))
        held = self.lives_that("end", "held")
        return held[known[held]]

    @cached_property
    def end(self) -> int:
        """When the last operation was made, nanoseconds."""
        return int(self.ops["time"].max()) if self.ops.size else 0

    #: Until when nothing may be missing for a verdict that rests on the capture's end: a loss behind the last
    #: operation may hold the very release that seems to be missing.
    never = int(np.iinfo(np.int64).max)

    @cached_property
    def gaps(self) -> list[tuple[int, int, str]]:
        """The stretches in which events are missing, nanoseconds, and what is missing there in words."""
        rows = plain_rows(self.losses)
        return [(*stretches(self.losses.slice(i, 1))[0], describe_loss(row)) for i, row in enumerate(rows)]

    def gap_during(self, start: int, end: int) -> str:
        """Tell what is missing of a stretch of time, "" where nothing is known to be."""
        return next((text for low, high, text in self.gaps if start <= high and end >= low), "")

    @cached_property
    def misses_releases(self) -> bool:
        """Whether a life ended while it was owned, in a time of which no event is known to be missing."""
        faulty = set(self.step("context")[self.step("fault") != 0].tolist())
        known = set(self.lives_that("birth", "allocated").tolist())
        return any(
            life in known - faulty
            and not self.gap_during(int(self.context("first")[life]), int(self.ops["time"][op]))
            for life, (op, _) in self.replay.contradictions.items()
        )

    @cached_property
    def latest(self) -> Ints:
        """When each operation on a life with a fault, in any order, was made at the latest, nanoseconds."""
        life = self.step("context")
        faulty = np.zeros(len(self.replay.contexts), np.bool_)
        faulty[life[self.step("fault") != 0]] = True
        faulty[list(self.replay.hidden)] = True
        rows = np.unique(self.step("operation")[faulty[life]]).astype(np.int64)
        first = np.isin(self.ops.effect(), (Effect.RELEASE, Effect.RELEASE_MANY, Effect.DELETE))
        return np.where(first, intervals(self.ops, rows, Reach(PATIENCE))[0].late, self.ops["time"])

    @cached_property
    def out_of_order(self) -> bool:
        """Whether the log's order between processors cannot be the order in which calls were made.

        The filter manager gives no context that is free: a get that began after the free was logged by a
        processor whose clock is behind. Nor does it free one that is owned; where events have numbers these
        tell their order, and where they have none a life that ends so was logged in another. Neither counts
        in a time of which events are known to be missing.
        """
        return self.coverage.clocks_unknown or any(
            self.is_shared(life) and not self.gap_during(int(self.context("first")[life]), time)
            for life, time in (*self._got_freed(), *self._freed_owned())
        )

    def _freed_owned(self) -> Iterator[tuple[int, int]]:
        """Find the lives without numbers that ended owned, and when they did, nanoseconds."""
        for life, (op, _) in self.replay.contradictions.items():
            if not self.ops.has("sequence")[op]:
                yield life, int(self.ops["time"][op])

    def _got_freed(self) -> Iterator[tuple[int, int]]:
        """Find the lives of which a get began after they were free, and when it was logged, nanoseconds."""
        op, at = self.step("operation"), np.flatnonzero(self.step("freed"))
        at = at[np.isin(self.ops.effect()[op[at]], (Effect.GET, Effect.GET_MANY))]
        # No call began later than it says, or than it was logged.
        rows = op[at]
        begin = np.where(self.ops.has("begin")[rows], self.ops["begin"][rows], self.ops["time"][rows])
        at = at[begin > self.ops["time"][op[at - 1]]]
        if not len(at):
            return
        early = intervals(self.ops, op[at].astype(np.int64), Reach(PATIENCE))[0].early[op[at]]
        at = at[early > self.ops["time"][op[at - 1]]]
        yield from zip(self.step("context")[at].tolist(), self.ops["time"][op[at]].tolist(), strict=True)

    @cached_property
    def _processors(self) -> dict[int, tuple[int, int]]:
        """For each context's address, the lowest and the highest number of a processor that logged it."""
        pointer, cpu = self.context("pointer")[self.step("context")], self.ops["cpu"][self.step("operation")]
        starts = np.flatnonzero(np.append(True, pointer[1:] != pointer[:-1])[: len(pointer)])
        lowest, highest = np.minimum.reduceat(cpu, starts), np.maximum.reduceat(cpu, starts)
        bounds = zip(lowest.tolist(), highest.tolist(), strict=True)
        return dict(zip(pointer[starts].tolist(), bounds, strict=True))

    def is_shared(self, life: int) -> bool:
        """Tell whether several processors logged calls on the address of a life."""
        lowest, highest = self._processors[int(self.context("pointer")[life])]
        return lowest != highest

    @cached_property
    def unloads(self) -> list[Unload]:
        """Every unload that the capture shows, in order.

        The unload callback calls FltUnregisterFilter: rows of both that belong together are one unload.
        """
        effect, phase, time = self.ops.effect(), self.ops["phase"], self.ops["time"]
        found: list[Unload] = []
        places = _Places(found)
        rows = np.flatnonzero((effect == Effect.UNLOAD) | (effect == Effect.UNREGISTER))
        if self.replay.per_stream is not None and self.ops["filter"][rows].any():
            # Of a legacy driver, which has no filter.
            rows = rows[(self.ops["filter"][rows] != 0) | (effect[rows] == Effect.UNREGISTER)]
        for op in rows.tolist():
            filter_, when = int(self.ops["filter"][op]), int(time[op])
            ends = bool(self.ops.has("phase")[op]) and phase[op] == 2
            unregisters = bool(effect[op] == Effect.UNREGISTER)
            mine = places.last(filter_, ends)
            if mine is None:
                places.add(filter_, len(found))
                found.append(Unload(filter_, when, when if ends else None, op, unregisters))
                continue
            before = found[mine]
            if not before.filter and filter_:
                places.add(filter_, mine)
            found[mine] = Unload(
                before.filter or filter_,
                before.entered,
                when if ends else None,
                op if ends else before.op,
                before.unregistered or unregisters,
            )
        return found

    def unload_of(self, life: int) -> Unload | None:
        """Find the unload that a held life outlived, if there is one."""
        filter_, first = int(self.context("filter")[life]), int(self.context("first")[life])
        last = int(self.context("last")[life])
        of, entered, ended, hangs = self._unload_columns
        concerned = (of == 0) | (of == filter_) | (filter_ == 0)
        outlived = np.flatnonzero(concerned & np.where(hangs, first <= entered, ended >= last))
        return self.unloads[int(outlived[0])] if len(outlived) else None

    @cached_property
    def _unload_columns(self) -> tuple[NDArray[np.uint64], Ints, Ints, NDArray[np.bool_]]:
        """The unloads as columns: filter, begin, end (the least number where none), whether it hangs."""
        every = self.unloads
        return (
            np.array([u.filter for u in every], np.uint64),
            np.array([u.entered for u in every], np.int64),
            np.array([np.iinfo(np.int64).min if u.ended is None else u.ended for u in every], np.int64),
            np.array([u.ended is None and u.unregistered for u in every], np.bool_),
        )

    @cached_property
    def function(self) -> Ints:
        """The code of each operation's function, counted from 1; 0 where it was not logged."""
        codes: Ints = np.where(self.ops.has("function"), self.ops["function"].astype(np.int64) + 1, 0)
        return codes

    def is_draining(self, unload: Unload) -> bool:
        """Tell whether an unload that has not ended still had contexts to drop when the capture ended.

        Until it has dropped them, what one of them keeps may yet be released by its cleanup. Where no
        cleanup is logged, nothing shows how far it came.
        """
        filters = self.context("filter")[self.lives_that("end", "attached")]
        if self.ops.effect()[-1] == Effect.CLEANUP and self.ops["phase"][-1] != 2:
            return True
        return any(unload.concerns(int(filter_)) for filter_ in np.unique(filters))

    @cached_property
    def place(self) -> Ints:
        """Number the operations' call sites: routine, function and site."""
        site: Ints = np.where(self.ops.has("site"), self.ops["site"].astype(np.int64) + 1, 0)
        routine, functions, sites = self.ops["routine"].astype(np.int64), self.function, site
        key = (routine * (int(functions.max(initial=0)) + 1) + functions) * (int(sites.max(initial=0)) + 1)
        place: Ints = np.unique(key + sites, return_inverse=True)[1].astype(np.int64)
        return place

    @cached_property
    def effects(self) -> patterns.Effects:
        """The steps that change owned references; :attr:`effect_rows` tells which they are."""
        rows = self.effect_rows
        op, life = self.step("operation")[rows], self.step("context")[rows].astype(np.int64)
        return patterns.Effects(
            life,
            self.step("delta_owned")[rows].astype(np.int64),
            self.step("owned")[rows].astype(np.int64),
            self.ops["tid"][op].astype(np.int64),
            self.function[op],
            # A call site may be of several types.
            (self.place[op] << 16) + self.context("context_type")[life],
            self.ops.effect()[op] == Effect.REFERENCE,
        )

    @cached_property
    def effect_rows(self) -> Ints:
        """The rows of the steps table that change owned references."""
        return np.flatnonzero(self.step("delta_owned"))

    @cached_property
    def stretches(self) -> tuple[Ints, Ints]:
        """Where the stretches of :attr:`effects` start and end."""
        return patterns.stretches(self.effects)

    @cached_property
    def partners(self) -> Partners:
        """Which release sites answer which acquire sites, as lives of known birth without a fault show."""
        starts, ends = self.stretches
        sound = np.zeros(len(self.replay.contexts), np.bool_)
        sound[self.lives_that("birth", "allocated")] = True
        sound[self.step("context")[self.steps_at_fault]] = False
        usable = patterns.closed(self.effects, starts, ends) & sound[self.effects.life[starts]]
        return patterns.learn(self.effects, starts[usable], ends[usable])

    @cached_property
    def lives_at_fault(self) -> Ints:
        """The lives that have a step at fault."""
        return np.unique(self.step("context")[self.steps_at_fault]).astype(np.int64)

    @cached_property
    def steps_at_fault(self) -> Ints:
        """The rows of the steps table that have any fault."""
        names = whole(self.replay.steps.column("fault")).dictionary.to_pylist()
        return np.flatnonzero(self.step("fault") != (names.index("") if "" in names else -1))

    def pairing(self, life: int) -> tuple[int, Pairing]:
        """Pair what was done since nothing was owned for the last time: all before that has been answered.

        Returns:
            The row of :attr:`effects` from which the pairing counts, and the pairing.
        """
        return self.once(("pairing", life), lambda: self._pairing(life))

    def _pairing(self, life: int) -> tuple[int, Pairing]:
        first, end = np.searchsorted(self.effects.life, [life, life + 1]).tolist()
        zeros = np.flatnonzero(self.effects.owned[first:end] == 0)
        first += int(zeros[-1]) + 1 if len(zeros) else 0
        return first, pair([self.effects.at(row) for row in range(first, end)], self.partners)

    def unanswered(self, life: int) -> Open:
        """Find the operations that took the references which a life still holds at its end."""
        return self.once(("open", life), lambda: self._unanswered(life))

    def _unanswered(self, life: int) -> Open:
        first, pairing = self.pairing(life)
        op, rows, open_ = self.step("operation"), self.effect_rows, pairing.open
        steps, candidates = (
            [int(op[rows[first + i]]) for i in some] for some in (open_.steps, open_.candidates)
        )
        return Open(steps, candidates)

    @cached_property
    def _last_of_thread(self) -> dict[int, int]:
        thread = self.ops["tid"]
        distinct, last = np.unique(thread[::-1], return_index=True)
        return dict(zip(distinct.tolist(), (len(thread) - 1 - last).tolist(), strict=True))

    def _site(self, op: Ints, kind: NDArray[Any]) -> Ints:
        """Number where references are taken: routine, function and context type."""
        routine = self.ops["routine"][op].astype(np.int64)
        site: Ints = (routine << 40) + (self.function[op] << 16) + kind
        return site

    @cached_property
    def _longest_hold(self) -> dict[int, int]:
        """For each site, the longest for which a reference taken there was held and then released."""
        life, op = self.step("context").astype(np.int64), self.step("operation")
        time, delta = self.ops["time"][op], self.step("delta_owned").astype(np.int64)
        rows, held = holds(life, self.ops["tid"][op], self.function[op], delta, time)
        site = self._site(op[rows], self.context("context_type")[life[rows]])
        order = np.argsort(site, kind="stable")
        starts = np.flatnonzero(np.append(True, site[order][1:] != site[order][:-1])[: len(order)])
        longest = np.maximum.reduceat(held[order], starts) if len(order) else held
        return dict(zip(site[order][starts].tolist(), longest.tolist(), strict=True))

    def usual_hold(self, life: int, op: int) -> int | None:
        """Tell for how long references that are taken like this one are held at most, nanoseconds.

        Returns:
            None where no reference that was taken by the same routine in the same function for the same
            type of context was ever released.
        """
        site = self._site(np.array([op]), self.context("context_type")[[life]])
        return self._longest_hold.get(int(site[0]))

    def in_flight(self, life: int) -> bool:
        """Tell whether all that holds a life may be calls that the end of the capture cut off."""
        return all(self.may_be_in_flight(life, op) for op in self.unanswered(life).steps)

    def may_be_in_flight(self, life: int, op: int) -> bool:
        """Tell whether a reference may be of a call that the end of the capture cut off.

        It may where it is no older than ten times the longest time for which any reference taken like it
        was held; where none was ever released, where its thread did nothing after it.

        Args:
            life: Row of the contexts table.
            op: The operation that took the reference.
        """
        usual = self.usual_hold(life, op)
        if usual is None:
            last = self._last_of_thread[int(self.ops["tid"][op])]
            # A call on several contexts has several rows.
            return bool(self.ops["record"][last] == self.ops["record"][op])
        return self.end - int(self.ops["time"][op]) <= 10 * (usual + self.coverage.precision)

    def names(self, column: str, op: int) -> str:
        """Give a name of an operation, "" where it was not logged.

        Where no function was logged but a stack, the driver's frames of it stand for the function, in words
        that survive another build; they are the real ones of a redacted capture too, for its signatures.
        """
        if not self.ops.has(column)[op]:
            if column == "function" and self._has_stacks:
                return self._caller(self.ops.table.column(STACK.name)[op].as_py())
            return ""
        if column not in self._names:
            self._names[column] = whole(self.ops.table.column(column)).dictionary.to_pylist()
        return self._names[column][int(self.ops[column][op])]

    @cached_property
    def _has_stacks(self) -> bool:
        return has_stacks(self.ops.table)

    def _caller(self, stack: str | None) -> str:
        if stack not in self._callers:
            self._callers[stack] = normal_stack(map(self._original, frames_of(stack)))
        return self._callers[stack]


def describe_loss(loss: dict[str, Any]) -> str:
    """Say in words what a row of the losses table tells."""
    count, unit = loss["count"], loss["unit"]
    what = unit if count is None else f"{count} {unit.removesuffix('s') if count == 1 else unit}"
    where = f" on CPU {loss['cpu']}" if loss["cpu"] is not None else ""
    return f"{what} lost{where} ({loss['detail']})"
