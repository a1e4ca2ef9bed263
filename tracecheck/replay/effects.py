"""Operations to effects: what each row does to the counts of the contexts it names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tracecheck.etl.columns import NO_ID
from tracecheck.fltmgr import PER_STREAM, ROUTINES, Effect, Routine
from tracecheck.fltmgr.status import FAILURE_BIT, KEEP_IF_EXISTS
from tracecheck.payload.arrow import whole
from tracecheck.replay.per_stream.rows import any_blocks, block_uses

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


class Mark:
    """What an effect is besides its deltas, as flags: plain numbers, because arrays are masked with them."""

    BIRTH: Final = 1
    RELEASE: Final = 2
    REFERENCE: Final = 4
    USE: Final = 8
    CLEANUP: Final = 16
    CLEANUP_END: Final = 32
    UNLINK: Final = 64
    GET: Final = 128
    ASSUMED: Final = 256


class Ops:
    """The operations table's columns as numpy arrays, each made when it is first asked for.

    A nullable column comes with ``has(name)``; its nulls read as 0.
    """

    def __init__(self, table: pa.Table) -> None:
        self.table = table
        self.size = len(table)
        self._arrays: dict[str, NDArray[Any]] = {}

    def __getitem__(self, name: str) -> NDArray[Any]:
        if name not in self._arrays:
            column = whole(self.table.column(name))
            if pa.types.is_timestamp(column.type):
                column = column.cast(pa.int64())
            if pa.types.is_dictionary(column.type):
                column = column.indices
            if column.null_count:
                column = column.fill_null(False if pa.types.is_boolean(column.type) else 0)
            self._arrays[name] = column.to_numpy(zero_copy_only=False)
        return self._arrays[name]

    def once(self, name: str, make: Callable[[], NDArray[Any]]) -> NDArray[Any]:
        """Give what is made of the operations, made when it is first asked for by this name."""
        if name not in self._arrays:
            self._arrays[name] = make()
        return self._arrays[name]

    def has(self, name: str) -> Bools:
        """Tell which values of a nullable column were logged."""

        def valid() -> Bools:
            column = self.table.column(name)
            return column.is_valid().to_numpy() if column.null_count else np.ones(self.size, np.bool_)

        return self.once(f"has {name}", valid)

    def effect(self) -> NDArray[np.uint8]:
        """Give each row's :class:`~tracecheck.fltmgr.Effect`."""
        return self.once("effect", lambda: self._by_routine(lambda known: int(known.effect)))

    def per_stream(self) -> NDArray[np.uint8]:
        """Give each row's :class:`~tracecheck.fltmgr.PerStream`."""
        return self.once(
            "per stream", lambda: self._by_routine(lambda known: int(PER_STREAM.get(known.name, 0)))
        )

    def slot_type(self) -> NDArray[np.uint8]:
        """Give the context type that each row's routine works on, 0 where it works on any."""
        return self.once("type", lambda: self._by_routine(lambda known: known.context_type))

    def routines(self) -> list[str]:
        """Give the strings that the routine column's codes are of."""
        names: list[str] = whole(self.table.column("routine")).dictionary.to_pylist()
        return names

    def thread(self) -> NDArray[Any]:
        """Give each row's thread; a call whose thread is not known is of a thread of its own."""
        if "thread" not in self._arrays:
            thread = self["tid"]
            unknown = thread == NO_ID
            if unknown.any():
                thread = np.where(unknown, self["record"].astype(np.int64) + (NO_ID + 1), thread)
            self._arrays["thread"] = thread
        return self._arrays["thread"]

    def by_thread(self) -> Ints:
        """Give the rows sorted by thread and then by time."""
        if "by thread" not in self._arrays:
            thread = self.thread()
            # Windows numbers threads in fours: most fit 16 bits, which numpy sorts several times as fast.
            small = thread >> 2
            if self.size and small.max() < 1 << 16 and not (thread & 3).any():
                thread = small.astype(np.uint16)
            self._arrays["by thread"] = np.argsort(thread, kind="stable")
        return self._arrays["by thread"]

    def _by_routine(self, value: Callable[[Routine], int]) -> NDArray[np.uint8]:
        """Give each row what is known of its routine, 0 where nothing is."""
        values = [value(ROUTINES[name]) if name in ROUTINES else 0 for name in self.routines()]
        return np.array([*values, 0], np.uint8)[self["routine"]] if self.size else np.zeros(0, np.uint8)

    def succeeded(self) -> Bools:
        """Tell which calls succeeded, by their status or by what they returned."""
        if "succeeded" not in self._arrays:
            effect, logged = self.effect(), self.has("status")
            by_status = (self["status"] & FAILURE_BIT) == 0
            keeps = self.has("operation") & (self["operation"] == KEEP_IF_EXISTS)
            lost_race = (effect == Effect.SET) & keeps & (self["old_context"] != 0)
            self._arrays["succeeded"] = np.where(logged, by_status, ~lost_race)
        return self._arrays["succeeded"]


@dataclass(frozen=True)
class Effects:
    """Effects of operations on contexts, in the order of the operations.

    Attributes:
        op: The operation's row; a row that touches two contexts has two effects, its own context first.
        pointer: The context.
        owned: What the driver's references change by.
        link: What the object's reference changes by.
        mark: :class:`Mark` flags.
    """

    op: NDArray[np.int32]
    pointer: NDArray[np.uint64]
    owned: NDArray[np.int8]
    link: NDArray[np.int8]
    mark: NDArray[np.uint16]


def effects(ops: Ops) -> Effects:
    """Work out what every operation does to the contexts that it names."""
    effect, success = ops.effect(), ops.succeeded()
    owned, link, mark = _tables()
    column = effect * np.uint8(2) + success
    counted = (owned[column] != _NOTHING) & (ops["context"] != 0)
    if any_blocks(ops):
        counted[block_uses(ops)] = False
    primary = np.flatnonzero(counted).astype(np.int32)
    kind = column[primary]
    marks = mark[kind].copy()
    phase_end = (effect[primary] == Effect.CLEANUP) & (ops["phase"][primary] == 2)
    marks[phase_end] = Mark.CLEANUP_END
    assumed = ~ops.has("status")[primary] & np.isin(effect[primary], _WITH_STATUS)
    marks[assumed] |= Mark.ASSUMED
    old = _old(ops, effect, success)
    if not len(old.op):
        return Effects(primary, ops["context"][primary], owned[kind], link[kind], marks)
    op = np.concatenate([primary, old.op])
    order = np.argsort(np.concatenate([primary * np.int64(2), old.op * np.int64(2) + 1]), kind="stable")
    return Effects(
        op[order],
        np.concatenate([ops["context"][primary], old.pointer])[order],
        np.concatenate([owned[kind], old.owned])[order],
        np.concatenate([link[kind], old.link])[order],
        np.concatenate([marks, old.mark])[order],
    )


_NOTHING = 127
_WITH_STATUS = (Effect.SET, Effect.CREATE_SECTION, Effect.CLOSE_SECTION)


def _tables() -> tuple[NDArray[np.int8], NDArray[np.int8], NDArray[np.uint16]]:
    """Tabulate deltas and marks by (effect, success); ``_NOTHING`` where a row touches no context."""
    owned, link = np.full(64, _NOTHING, np.int8), np.zeros(64, np.int8)
    mark = np.zeros(64, np.uint16)

    def row(
        effect: Effect, d_owned: int, d_link: int, marks: int, when: tuple[bool, ...] = (False, True)
    ) -> None:
        for success in when:
            owned[effect * 2 + success], link[effect * 2 + success] = d_owned, d_link
            mark[effect * 2 + success] = marks

    yes, no = (True,), (False,)
    row(Effect.ALLOCATE, 1, 0, Mark.BIRTH, yes)
    row(Effect.SET, 0, 1, Mark.USE, yes)
    row(Effect.SET, 0, 0, Mark.USE, no)
    row(Effect.GET, 1, 0, Mark.GET, yes)
    row(Effect.GET_MANY, 1, 0, Mark.GET, yes)
    row(Effect.REFERENCE, 1, 0, Mark.REFERENCE | Mark.USE)
    row(Effect.RELEASE, -1, 0, Mark.RELEASE)
    row(Effect.RELEASE_MANY, -1, 0, Mark.RELEASE)
    row(Effect.DELETE, 0, -1, Mark.USE | Mark.UNLINK)
    row(Effect.CREATE_SECTION, 0, 1, Mark.USE, yes)
    row(Effect.CREATE_SECTION, 0, 0, Mark.USE, no)
    row(Effect.CLOSE_SECTION, 0, -1, Mark.USE | Mark.UNLINK, yes)
    row(Effect.CLOSE_SECTION, 0, 0, Mark.USE, no)
    row(Effect.CLEANUP, 0, 0, Mark.CLEANUP)
    row(Effect.USE, 0, 0, Mark.USE)
    return owned, link, mark


def _old(ops: Ops, effect: NDArray[np.uint8], success: Bools) -> Effects:
    """Work out what calls that returned an old context did to it."""
    sets, deletes = effect == Effect.SET, effect == Effect.DELETE_BY_OBJECT
    rows = np.flatnonzero((sets | (deletes & success)) & (ops["old_context"] != 0)).astype(np.int32)
    unlinked = success[rows]
    mark = np.where(unlinked, int(Mark.UNLINK), 0).astype(np.uint16)
    mark[~ops.has("status")[rows]] |= Mark.ASSUMED
    return Effects(
        rows,
        ops["old_context"][rows],
        np.ones(len(rows), np.int8),
        np.where(unlinked, -1, 0).astype(np.int8),
        mark,
    )
