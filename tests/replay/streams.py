"""Streams of operations for the replay's tests: legal, faulty and arbitrary ones, with losses and coverage.

Every generator takes a ``random.Random``, so that a seed repeats a stream and hypothesis can drive it too.
Times of operations are multiples of 10 ns and bounds of losses are not: no verdict hangs on a tie of the two.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pyarrow as pa
from hypothesis import strategies as st
from reference_model import ALREADY_DEFINED, DELETES, GETS, KEEP, NOT_FOUND, SETS, Op, arrange

from tracecheck.etl.tables import LOSSES
from tracecheck.operations.coverage import Coverage
from tracecheck.operations.table import OPERATIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence
    from random import Random

    Steps = Generator[None, None, None]

START = 1_700_000_000_000_000_000
DELETING_OBJECT = 0xC01C000B
ALREADY_LINKED = 0xC01C001C
NOT_SUPPORTED = 0xC00000BB
FILTER = 0xF000
SYSTEM = 4

SET_OF = {bit: routine for routine, bit in SETS.items()}
GET_OF = {bit: routine for routine, bit in GETS.items()}
DELETE_OF = {bit: routine for routine, bit in DELETES.items()}
VOLUME, INSTANCE, STREAM, HANDLE, TRANSACTION, SECTION = 0x1, 0x2, 0x8, 0x10, 0x20, 0x40


@dataclass(frozen=True)
class Style:
    """How a capture logs what the driver does.

    Attributes:
        begin: The share of calls logged with their begin.
        cleanup: "none", "both" phases or "once" with no phase.
        reuse: The share of allocations that return a freed pointer.
        no_status: The share of calls whose status is not logged where it can be told.
        blind: Whether the driver may let an old context go without asking which one it was.
        hidden: Whether the old context that a call returned is left out of the log.
    """

    begin: float = 1.0
    cleanup: str = "both"
    reuse: float = 0.9
    no_status: float = 0.0
    blind: bool = False
    hidden: bool = False


@dataclass(eq=False)
class Context:
    """What the filter manager itself knows of a context."""

    pointer: int
    kind: int
    owned: int = 1
    slot: tuple[int, int, int] | None = None
    private: bool = False


class World:
    """A filter manager with true counts, and threads whose calls take effect between begin and log."""

    def __init__(self, random: Random, style: Style) -> None:
        self.random = random
        self.style = style
        self.now = START
        self.ops: list[Op] = []
        self.unused: list[int] = []
        self.next_pointer = 0xA000
        self.slots: dict[tuple[int, int, int], Context] = {}
        self.unsupported: set[int] = set()
        self.gone: set[int] = set()
        self.handed: list[Context] = []
        self.records = 0

    def run(self, threads: list[Steps]) -> None:
        """Let the threads take turns at random; none sleeps so long that a log is off by 1 ms."""
        ran = dict.fromkeys(threads, self.now)
        while ran:
            oldest = min(ran, key=lambda thread: ran[thread])
            late = self.now - ran[oldest] > 300_000
            thread = oldest if late else self.random.choice(list(ran))
            self.now += 10 * self.random.randint(1, 2000)
            ran[thread] = self.now
            try:
                next(thread)
            except StopIteration:
                del ran[thread]

    def log(self, tid: int, routine: str, **fields: object) -> None:
        """Write an event now."""
        self.now += 10
        self.records += 1
        values = {"record": self.records, "time": self.now, "tid": tid, **fields}
        self.ops.append(Op(routine, **values))  # type: ignore[arg-type]

    def call(
        self, tid: int, routine: str, effect: Callable[[], Steps], fields: dict[str, object]
    ) -> Steps:
        """Make a call that is logged when it has returned; the effect adds what it returned to the fields."""
        begin = self.now
        yield
        yield from effect()
        yield
        if self.random.random() < self.style.begin:
            fields["begin"] = begin
        told = fields.get("status") == 0 or fields.get("old_context")
        if told and self.random.random() < self.style.no_status:
            fields["status"] = None
        self.log(tid, routine, **fields)

    def drop(self, tid: int, context: Context) -> Steps:
        """Free the context if nothing holds it any more."""
        if context.owned or context.slot:
            return
        for phase in {"none": (), "once": (None,), "both": (1, 2)}[self.style.cleanup]:
            self.log(tid, "ContextCleanup", context=context.pointer, context_type=context.kind, phase=phase)
            yield
        if not context.private:
            self.unused.append(context.pointer)

    def allocate(self, tid: int, kind: int, *, private: bool = False) -> Generator[None, None, Context]:
        """FltAllocateContext."""
        made: list[Context] = []
        fields: dict[str, object] = {"context_type": kind, "filter": FILTER, "status": 0}

        def effect() -> Steps:
            if not (self.unused and self.random.random() < self.style.reuse):
                self.next_pointer += 0x10
                self.unused.append(self.next_pointer)
            made.append(Context(self.unused.pop(), kind, private=private))
            fields["context"] = made[0].pointer
            yield from ()

        yield from self.call(tid, "FltAllocateContext", effect, fields)
        return made[0]

    def get(self, tid: int, slot: tuple[int, int, int]) -> Generator[None, None, Context | None]:
        """FltGetXxxContext."""
        found: list[Context | None] = []
        fields = slot_fields(slot)

        def effect() -> Steps:
            context = self.slots.get(slot)
            if context:
                context.owned += 1
            found.append(context)
            fields["context"] = context.pointer if context else 0
            fields["status"] = 0 if context else NOT_FOUND
            yield from ()

        yield from self.call(tid, GET_OF[slot[0]], effect, fields)
        return found[0]

    def set(
        self, tid: int, slot: tuple[int, int, int], new: Context, *, keep: bool, ask: bool
    ) -> Generator[None, None, tuple[int, Context | None]]:
        """FltSetXxxContext; returns the status and the old context."""
        result: list[tuple[int, Context | None]] = []
        fields = slot_fields(slot) | {"context": new.pointer, "operation": int(keep), "old_requested": ask}

        def effect() -> Steps:
            old = self.slots.get(slot)
            status = self._refusal(slot, new) or (ALREADY_DEFINED if old and keep else 0)
            returned = old if ask and status in (0, ALREADY_DEFINED) else None
            if returned:
                returned.owned += 1
            result.append((status, returned))
            self._tell(fields, status, returned, ask=ask)
            if status == 0:
                self.slots[slot], new.slot = new, slot
                if old:
                    old.slot = None
                    yield from self.drop(tid, old)

        yield from self.call(tid, SET_OF[slot[0]], effect, fields)
        return result[0]

    def delete_by_object(
        self, tid: int, slot: tuple[int, int, int], *, ask: bool
    ) -> Generator[None, None, Context | None]:
        """FltDeleteXxxContext; returns the old context."""
        result: list[Context | None] = []
        fields = slot_fields(slot) | {"old_requested": ask}

        def effect() -> Steps:
            old = self.slots.pop(slot, None)
            result.append(old if ask else None)
            self._tell(fields, 0 if old else NOT_FOUND, result[0], ask=ask)
            if old:
                old.slot = None
                old.owned += ask
                yield from self.drop(tid, old)

        yield from self.call(tid, DELETE_OF[slot[0]], effect, fields)
        return result[0]

    def reference(self, tid: int, context: Context) -> Steps:
        """FltReferenceContext."""

        def effect() -> Steps:
            context.owned += 1
            yield from ()

        fields: dict[str, object] = {"context": context.pointer, "context_type": context.kind}
        yield from self.call(tid, "FltReferenceContext", effect, fields)

    def release(self, tid: int, *contexts: Context) -> Steps:
        """FltReleaseContext, or FltReleaseContexts of several."""
        routine = "FltReleaseContext" if len(contexts) == 1 else "FltReleaseContexts"
        self._log_each(tid, routine, contexts)
        yield
        for context in contexts:
            context.owned -= 1
            yield from self.drop(tid, context)
        yield

    def get_many(self, tid: int, slots: Sequence[tuple[int, int, int]]) -> Generator[None, None, list[Context]]:
        """FltGetContexts."""
        begin = self.now
        yield
        found = [self.slots[slot] for slot in slots if slot in self.slots]
        for context in found:
            context.owned += 1
        where = [context.slot for context in found]
        yield
        extra = {"begin": begin} if self.random.random() < self.style.begin else {}
        self._log_each(tid, "FltGetContexts", found, where, **extra)
        return found

    def delete(self, tid: int, context: Context) -> Steps:
        """FltDeleteContext."""
        self.log(tid, "FltDeleteContext", context=context.pointer, context_type=context.kind)
        yield
        self.unlink(context)
        yield from self.drop(tid, context)

    def section(self, tid: int, context: Context, *, works: bool) -> Steps:
        """FltCreateSectionForDataScan, and FltCloseSectionForDataScan where it worked."""
        place = slot_fields((SECTION, 0x5000, 0x100)) | {"context": context.pointer}

        def create() -> Steps:
            context.slot = (SECTION, context.pointer, 0) if works else None
            yield from ()

        def close() -> Steps:
            context.slot = None
            yield from ()

        made = place | {"status": 0 if works else NOT_SUPPORTED}
        yield from self.call(tid, "FltCreateSectionForDataScan", create, made)
        if works:
            yield
            yield from self.call(tid, "FltCloseSectionForDataScan", close, place | {"status": 0})

    def unlink(self, context: Context) -> None:
        """Take the context off its object."""
        if context.slot:
            self.slots.pop(context.slot, None)
        context.slot = None

    def tear_down(self, gone: Callable[[tuple[int, int, int]], bool]) -> Steps:
        """Let go of what is attached to objects that went; nobody logs that but the cleanup."""
        for context in [context for slot, context in self.slots.items() if gone(slot)]:
            self.unlink(context)
            yield from self.drop(SYSTEM, context)

    def _refusal(self, slot: tuple[int, int, int], new: Context) -> int:
        if slot[2] in self.gone:
            return DELETING_OBJECT
        if slot[1] in self.unsupported:
            return NOT_SUPPORTED
        return ALREADY_LINKED if new.slot else 0

    def _tell(self, fields: dict[str, object], status: int, old: Context | None, *, ask: bool) -> None:
        fields["status"] = status
        if ask and not self.style.hidden:
            fields["old_context"] = old.pointer if old else 0

    def _log_each(
        self,
        tid: int,
        routine: str,
        contexts: Sequence[Context],
        where: Sequence[tuple[int, int, int] | None] = (),
        **extra: object,
    ) -> None:
        """Write one event as a row for each of its contexts."""
        self.now += 10
        self.records += 1
        for place, context in enumerate(contexts):
            slot = where[place] if where else None
            values = slot_fields(slot) if slot else {"context_type": context.kind}
            values |= {"context": context.pointer, "record": self.records, **extra}
            self.ops.append(Op(routine, self.now, tid, **values))  # type: ignore[arg-type]


def slot_fields(slot: tuple[int, int, int]) -> dict[str, object]:
    """The columns that tell a slot."""
    kind, where, instance = slot
    if kind == VOLUME:
        return {"context_type": kind, "object": where, "volume": where, "filter": FILTER}
    return {"context_type": kind, "object": where, "instance": instance}


SLOTS = [
    (STREAM, 0x1000, 0x100),
    (STREAM, 0x2000, 0x100),
    (STREAM, 0x1000, 0x200),
    (HANDLE, 0x3000, 0x100),
    (INSTANCE, 0x100, 0x100),
    (TRANSACTION, 0x4000, 0x200),
    (VOLUME, 0x6000, 0),
]


class Driver:
    """A driver that keeps to the rules, as threads of a world."""

    def __init__(self, world: World, slots: Sequence[tuple[int, int, int]]) -> None:
        self.world = world
        self.random = world.random
        self.slots = slots

    def thread(self, tid: int, jobs: int) -> Steps:
        """Do some jobs at random."""
        kinds = [self.use, self.use, self.deliver, self.remove, self.forget, self.scan, self.related, self.exchange]
        for _ in range(jobs):
            yield from self.random.choice(kinds)(tid)
            for _ in range(self.random.randint(0, 6)):
                yield

    def asks(self) -> bool:
        """Whether this call asks for the old context."""
        return not self.world.style.blind or self.random.random() < 0.5

    def use(self, tid: int) -> Steps:
        """Get the slot's context or set a new one, work with it, release it."""
        context = yield from self.get_or_set(tid, self.random.choice(self.slots))
        if context:
            yield from self.finish(tid, context)

    def get_or_set(self, tid: int, slot: tuple[int, int, int]) -> Generator[None, None, Context | None]:
        """Return the slot's context with a reference that the caller owns."""
        context = yield from self.world.get(tid, slot)
        if context:
            return context
        new = yield from self.world.allocate(tid, slot[0])
        status, old = yield from self.world.set(tid, slot, new, keep=True, ask=self.random.random() < 0.7)
        if status == 0:
            return new
        yield from self.world.release(tid, new)
        return old

    def finish(self, tid: int, context: Context) -> Steps:
        """Touch the context, perhaps hand a reference over, and release it."""
        if self.random.random() < 0.3:
            self.world.log(tid, "ContextUse", context=context.pointer, context_type=context.kind)
            yield
        if self.random.random() < 0.3:
            yield from self.world.reference(tid, context)
            self.world.handed.append(context)
        if self.random.random() < 0.1:
            self.world.handed.append(context)
        else:
            yield from self.world.release(tid, context)

    def deliver(self, tid: int) -> Steps:
        """Release what other threads handed over."""
        while self.world.handed:
            context = self.world.handed.pop(0)
            yield
            if self.random.random() < 0.5:
                yield from self.world.reference(tid, context)
                yield from self.world.release(tid, context)
            yield from self.world.release(tid, context)

    def exchange(self, tid: int) -> Steps:
        """Replace whatever is in the slot."""
        slot = self.random.choice(self.slots)
        new = yield from self.world.allocate(tid, slot[0])
        _, old = yield from self.world.set(tid, slot, new, keep=False, ask=self.asks())
        for context in [new, old] if old else [new]:
            yield from self.world.release(tid, context)

    def remove(self, tid: int) -> Steps:
        """Delete a context through a reference to it."""
        context = yield from self.world.get(tid, self.random.choice(self.slots))
        if context:
            yield from self.world.delete(tid, context)
            yield from self.finish(tid, context)

    def forget(self, tid: int) -> Steps:
        """Delete a context by its object."""
        slot = self.random.choice(self.slots)
        old = yield from self.world.delete_by_object(tid, slot, ask=self.asks())
        if old:
            yield from self.finish(tid, old)

    def scan(self, tid: int) -> Steps:
        """Create and close a section."""
        context = yield from self.world.allocate(tid, SECTION)
        yield from self.world.section(tid, context, works=self.random.random() < 0.7)
        yield from self.world.release(tid, context)

    def related(self, tid: int) -> Steps:
        """Get and release several contexts with one call each."""
        found = yield from self.world.get_many(tid, self.slots[:3])
        if found:
            yield
            yield from self.world.release(tid, *found)

    def objects(self) -> Steps:
        """Let objects and an instance go away meanwhile; drivers on other threads go on."""
        for _ in range(self.random.randint(0, 3)):
            for _ in range(self.random.randint(3, 20)):
                yield
            where = self.random.choice(self.slots)[1]
            yield from self.world.tear_down(lambda slot, where=where: slot[1] == where)
        if self.random.random() < 0.3:
            self.world.gone.add(0x200)
            self.world.log(SYSTEM, "InstanceTeardownStart", instance=0x200)
            yield
            self.world.log(SYSTEM, "InstanceTeardownComplete", instance=0x200)
            yield
            yield from self.world.tear_down(lambda slot: slot[2] == 0x200)

    def unload(self, *, hangs: bool = False) -> Steps:
        """Unload the filter when all is done."""
        self.world.log(SYSTEM, "FilterUnload", phase=1)
        yield
        self.world.log(SYSTEM, "FltUnregisterFilter", phase=1, filter=FILTER)
        yield
        yield from self.world.tear_down(lambda _slot: True)
        if not hangs:
            self.world.log(SYSTEM, "FltUnregisterFilter", phase=2, filter=FILTER)
            yield
            self.world.log(SYSTEM, "FilterUnload", phase=2)

    # The faulty jobs work on a context of their own, so that no other thread's reference hides the fault.

    def faulty(self, tid: int, rule: str) -> Steps:
        """Commit one fault with certainty."""
        slot = (self.random.choice([STREAM, HANDLE]), 0x9000, 0x100)
        innocent = yield from self.world.allocate(tid, slot[0])
        yield from self.world.release(tid, innocent)
        context = yield from self.world.allocate(tid, slot[0], private=True)
        context.private = True
        if rule in ("R01", "R05", "L02", "L09"):
            yield from self.world.set(tid, slot, context, keep=True, ask=True)
        if not rule.startswith("L") or rule == "L09":
            yield from self.world.release(tid, context)
        yield from getattr(self, f"_{rule}", self._leave)(tid, context, slot)

    def _leave(self, tid: int, context: Context, slot: tuple[int, int, int]) -> Steps:
        yield from ()

    def _R01(self, tid: int, context: Context, slot: tuple[int, int, int]) -> Steps:  # noqa: N802
        if self.random.random() < 0.5:
            yield from self.world.get(tid, slot)
            yield from self.world.release(tid, context)
        self._log(tid, "FltReleaseContext", context)
        yield

    def _R02(self, tid: int, context: Context, slot: tuple[int, int, int]) -> Steps:  # noqa: N802, ARG002
        self._log(tid, "FltReleaseContext", context)
        yield

    def _R03(self, tid: int, context: Context, slot: tuple[int, int, int]) -> Steps:  # noqa: N802, ARG002
        self._log(tid, "FltReferenceContext", context)
        yield
        self._log(tid, "FltReleaseContext", context)

    def _R04(self, tid: int, context: Context, slot: tuple[int, int, int]) -> Steps:  # noqa: N802
        routine = self.random.choice(["ContextUse", "FltDeleteContext", SET_OF[slot[0]]])
        status = {"status": self.random.choice([0, NOT_SUPPORTED])} if routine.startswith("FltSet") else {}
        self._log(tid, routine, context, **status)
        yield

    def _R05(self, tid: int, context: Context, slot: tuple[int, int, int]) -> Steps:  # noqa: N802, ARG002
        self._log(tid, self.random.choice(["ContextUse", "FltDeleteContext"]), context)
        yield

    def _L02(self, tid: int, context: Context, slot: tuple[int, int, int]) -> Steps:  # noqa: N802
        self.world.unlink(context)
        yield from self.world.get(tid, slot)

    def _L09(self, tid: int, context: Context, slot: tuple[int, int, int]) -> Steps:  # noqa: N802, ARG002
        yield from self.world.get(tid, slot)

    def _log(self, tid: int, routine: str, context: Context, **fields: object) -> None:
        self.world.log(tid, routine, context=context.pointer, context_type=context.kind, **fields)


FAULTS = ["R01", "R02", "R03", "R04", "R05", "L01", "L02", "L03", "L09"]


def style(random: Random, **fixed: object) -> Style:
    """A way of logging, at random."""
    values = {
        "begin": random.choice([0.0, 0.5, 1.0]),
        "cleanup": random.choice(["none", "both", "once"]),
        "reuse": random.choice([0.0, 0.9, 1.0]),
        "no_status": random.choice([0.0, 0.5]),
        "blind": random.random() < 0.5,
        **fixed,
    }
    return Style(**values)  # type: ignore[arg-type]


def legal(random: Random, way: Style) -> list[Op]:
    """A whole run of a driver that keeps to the rules, from its load to its unload."""
    return _whole(random, way, None)


def faulty(random: Random, way: Style, rule: str) -> list[Op]:
    """A legal stream with one fault added, which the rule must find; L03 has no unload."""
    return _whole(random, way, rule)


def _whole(random: Random, way: Style, rule: str | None) -> list[Op]:
    world = World(random, way)
    slots = random.sample(SLOTS, random.choice([1, 1, 2, 4]))
    world.unsupported = {0x2000} if random.random() < 0.3 else set()
    driver = Driver(world, slots)
    threads = [driver.thread(10 + tid, random.randint(1, 6)) for tid in range(random.randint(2, 5))]
    threads += [driver.objects()]
    if rule:
        threads += [driver.faulty(random.choice([9, 10]) if rule[0] == "L" else 9, rule)]
    world.run(threads)
    world.run([driver.deliver(8)])
    if rule == "L03":
        # Long after the end of all else, so that no call that still runs can hold the reference.
        world.now += 1_000_000_000
        for tid in range(8, 16):
            world.log(tid, "FltSupportsFileContexts", status=1)
    else:
        world.run([driver.unload(hangs=rule == "L01" and random.random() < 0.5)])
    return arrange(world.ops)


def mutated(random: Random, ops: Sequence[Op]) -> list[Op]:
    """The stream with a few rows dropped, doubled, moved, or given to another thread."""
    rows = list(ops)
    for _ in range(random.randint(1, 4)):
        if not rows:
            break
        place = random.randrange(len(rows))
        row = rows.pop(place)
        change = random.randrange(4)
        if change == 1:
            rows += [row, replace(row, time=row.time + 10 * random.randint(1, 5000), begin=None, record=0)]
        elif change == 2:
            rows.append(replace(row, time=row.time + 10 * random.randint(-5000, 5000), begin=None))
        elif change == 3:
            rows.append(replace(row, tid=random.choice(rows).tid if rows else 1))
    return arrange(rows)


ROUTINES = [
    *["FltAllocateContext"] * 4,
    *["FltReleaseContext"] * 8,
    *["FltReferenceContext"] * 3,
    *["FltDeleteContext", "ContextUse", "FltGetContexts", "FltReleaseContexts", "FltReleaseContextsEx"],
    *["FltGetContextsEx", "InstanceTeardownComplete", "FilterUnload", "FltUnregisterFilter"],
    *["ContextCleanup", "ContextCleanup", "FltCreateSectionForDataScan", "FltCloseSectionForDataScan"],
    *["FltSupportsFileContexts", "FltGetSectionContext"],
    *[table[kind] for kind in (STREAM, STREAM, HANDLE, VOLUME) for table in (SET_OF, GET_OF, SET_OF, GET_OF)],
    *[DELETE_OF[kind] for kind in (STREAM, STREAM, HANDLE, VOLUME)],
]
POINTERS = [0xA010, 0xA020, 0xA030, 0xA040]


def arbitrary(random: Random, *, size: int = 24, pointers: int = 4, ties: bool = False) -> list[Op]:
    """Rows that no driver would ever give, over a handful of pointers, threads and slots."""
    pick = random.choice
    now = START
    last: dict[int, int] = {}
    ops = []
    for _ in range(random.randint(1, size)):
        now += 10 * pick([0 if ties else 1, 1, 7, 500, 20_000, 60_000, 150_000])
        tid = pick([1, 1, 2, 3])
        routine = pick(ROUTINES)
        kind = SETS.get(routine) or GETS.get(routine) or DELETES.get(routine) or pick([0, 1, STREAM, STREAM])
        begin = max(last.get(tid, 0) + 10, now - 10 * pick([0, 3, 600, 30_000, 250_000]))
        values = slot_fields((kind, pick([0x1000, 0x1000, 0x2000]), pick([0x100, 0x100, 0x200])))
        if routine in ("FltAllocateContext", "FltReleaseContext", "FltReferenceContext", "ContextUse"):
            values = {"context_type": kind, "filter": pick([None, FILTER, FILTER])}
        values |= arguments(random, routine, POINTERS[:pointers])
        values["begin"] = pick([None, min(begin, now)])
        values["function"] = pick([None, "Create", "Close"])
        ops.append(Op(routine, now, tid, **values))  # type: ignore[arg-type]
        last[tid] = now
    return arrange(ops)


def arguments(random: Random, routine: str, pointers: Sequence[int]) -> dict[str, object]:
    """What one call was given and returned, as far as it was logged."""
    pick = random.choice
    values: dict[str, object] = {}
    if routine not in DELETES and "Teardown" not in routine and "Unload" not in routine:
        values["context"] = pick(pointers)
    if routine.startswith(("FltSet", "FltGet", "FltDelete", "FltAllocate", "FltC")):
        values["status"] = pick([0, 0, 0, None, NOT_FOUND, ALREADY_DEFINED, NOT_SUPPORTED, 0x40000000])
    if routine in SETS or routine in DELETES:
        values["old_context"] = pick([None, None, 0, pick(pointers)])
        values["old_requested"] = pick([None, True, False, False])
        if values["old_context"] == values.get("context"):
            values["old_context"] = None
    if routine in SETS:
        values["operation"] = pick([None, 0, KEEP])
    if routine in ("ContextCleanup", "FilterUnload", "FltUnregisterFilter"):
        values["phase"] = pick([None, 1, 2])
    if routine == "FltGetContexts":
        values["status"] = None
    return values


def losses(random: Random, ops: Sequence[Op]) -> list[tuple[int | None, int | None]]:
    """A few stretches of missing events, some of them open; none of their bounds is a time of the stream."""
    if not ops or random.random() < 0.5:
        return []
    span = (ops[0].time // 10 - 2, ops[-1].time // 10 + 2)
    found: list[tuple[int | None, int | None]] = []
    for _ in range(random.randint(1, 2)):
        start, end = sorted(10 * random.randint(*span) + 5 for _ in range(2))
        found.append((random.choice([None, start, start, start]), random.choice([None, end, end, end])))
    return found


def coverage(random: Random) -> Coverage:
    """What a capture may say of its completeness."""
    routines = sorted({routine for routine in ROUTINES if routine.startswith("Flt")})
    some = frozenset(random.sample(routines, random.randint(0, len(routines))))
    releases = {"FltReleaseContext", "FltReleaseContexts", "FltReleaseContextsEx"}
    return random.choice(
        [Coverage(False), Coverage(True), Coverage(True), Coverage(True, some), Coverage(True, some | releases)]
    )


@st.composite
def captures(draw: st.DrawFn) -> tuple[list[Op], list[tuple[int | None, int | None]], Coverage]:
    """An arbitrary stream with losses and coverage, as small as hypothesis can make it."""
    random = draw(st.randoms(use_true_random=False))
    ops = arbitrary(random, size=draw(st.integers(1, 16)), pointers=draw(st.integers(1, 4)))
    return ops, losses(random, ops), coverage(random)


def to_table(ops: Sequence[Op]) -> pa.Table:
    """The stream as an operations table."""
    columns = [pa.array(list(_column(field, ops)), field.type) for field in OPERATIONS]
    return pa.Table.from_arrays(columns, schema=OPERATIONS)


def to_losses(stretches: Sequence[tuple[int | None, int | None]]) -> pa.Table:
    """The stretches as a losses table."""
    rows = [
        {"start": start, "end": end, "count": 1, "unit": "events", "sign": "event sequence", "detail": ""}
        for start, end in stretches
    ]
    return pa.Table.from_pylist(rows, schema=LOSSES)


def _column(field: pa.Field, ops: Sequence[Op]) -> Iterator[object]:
    """One column of the operations table: what was logged, else null or what stands for nothing."""
    defaults = {"tick": lambda op: op.time, "pid": lambda _op: 4}
    for op in ops:
        if field.name in ("has_context", "has_old_context"):
            yield getattr(op, field.name.removeprefix("has_")) is not None
        elif field.name in defaults:
            yield defaults[field.name](op)
        else:
            value = getattr(op, field.name, None)
            yield 0 if value is None and not field.nullable else value
