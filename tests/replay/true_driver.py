"""A filter manager with true counts, and a driver on several threads that calls it.

What the threads do takes effect between a call's begin and its log, or after its log where the log comes
first, as in a real capture; so the logs are true and yet not in the order of the counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from reference_model import ALREADY_DEFINED, DELETES, GETS, NOT_FOUND, SETS, Op

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from random import Random

    Slot = tuple[int, int, int]
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


FAULTS = ["R01", "R02", "R03", "R04", "R05", "L01", "L02", "L03", "L09"]


@dataclass(frozen=True)
class Style:
    """How a capture logs what the driver does.

    Attributes:
        begin: The share of calls logged with their begin.
        cleanup: "none", "both" phases or "once" with no phase.
        reuse: The share of allocations that return a freed pointer.
        no_status: The share of calls whose status is not logged where it can be told.
        mute: The share of calls whose status is not logged, whether it can be told or not.
        blind: Whether the driver may let an old context go without asking which one it was.
        hidden: Whether the old context that a call returned is left out of the log.
        kept: The share of contexts that hold a reference to another one until they are cleaned up.
    """

    begin: float = 1.0
    cleanup: str = "both"
    reuse: float = 0.9
    no_status: float = 0.0
    mute: float = 0.0
    blind: bool = False
    hidden: bool = False
    kept: float = 0.0


@dataclass(eq=False)
class Context:
    """What the filter manager itself knows of a context."""

    pointer: int
    kind: int
    owned: int = 1
    slot: Slot | None = None
    private: bool = False
    keeps: Context | None = None


class World:
    """A filter manager with true counts, and threads whose calls take effect between begin and log."""

    def __init__(self, random: Random, style: Style) -> None:
        self.random = random
        self.style = style
        self.now = START
        self.ops: list[Op] = []
        self.unused: list[int] = []
        self.next_pointer = 0xA000
        self.slots: dict[Slot, Context] = {}
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

    def call(self, tid: int, routine: str, effect: Callable[[], Steps], fields: dict[str, object]) -> Steps:
        """Make a call that is logged when it has returned; the effect adds what it returned to the fields."""
        begin = self.now
        yield
        yield from effect()
        yield
        if self.random.random() < self.style.begin:
            fields["begin"] = begin
        told = fields.get("status") == 0 or fields.get("old_context")
        if self.random.random() < (self.style.no_status if told else self.style.mute):
            fields.pop("status", None)
        self.log(tid, routine, **fields)

    def drop(self, tid: int, context: Context) -> Steps:
        """Free the context if nothing holds it any more."""
        if context.owned or context.slot:
            return
        fields = {"context": context.pointer, "context_type": context.kind}
        if self.style.cleanup != "none":
            self.log(tid, "ContextCleanup", phase=1 if self.style.cleanup == "both" else None, **fields)
            yield
        if context.keeps:
            yield from self.release(tid, context.keeps)
        if self.style.cleanup == "both":
            self.log(tid, "ContextCleanup", phase=2, **fields)
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

    def get(self, tid: int, slot: Slot) -> Generator[None, None, Context | None]:
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
        self, tid: int, slot: Slot, new: Context, *, keep: bool, ask: bool
    ) -> Generator[None, None, tuple[int, Context | None]]:
        """FltSetXxxContext; returns the status and the old context."""
        result: list[tuple[int, Context | None]] = []
        fields = slot_fields(slot) | {"context": new.pointer, "operation": int(keep), "old_requested": ask}
        # FltSetVolumeContext is given no filter.
        fields.pop("filter", None)

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

    def delete_by_object(self, tid: int, slot: Slot, *, ask: bool) -> Generator[None, None, Context | None]:
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

    def get_many(self, tid: int, slots: Sequence[Slot]) -> Generator[None, None, list[Context]]:
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

    def tear_down(self, gone: Callable[[Slot], bool]) -> Steps:
        """Let go of what is attached to objects that went; nobody logs that but the cleanup."""
        for context in [context for slot, context in self.slots.items() if gone(slot)]:
            self.unlink(context)
            yield from self.drop(SYSTEM, context)

    def _refusal(self, slot: Slot, new: Context) -> int:
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
        where: Sequence[Slot | None] = (),
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


def slot_fields(slot: Slot) -> dict[str, object]:
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

    def __init__(self, world: World, slots: Sequence[Slot]) -> None:
        self.world = world
        self.random = world.random
        self.slots = slots

    def thread(self, tid: int, jobs: int) -> Steps:
        """Do some jobs at random."""
        kinds = [
            self.use,
            self.use,
            self.deliver,
            self.remove,
            self.forget,
            self.scan,
            self.related,
            self.exchange,
        ]
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

    def get_or_set(self, tid: int, slot: Slot) -> Generator[None, None, Context | None]:
        """Return the slot's context with a reference that the caller owns."""
        context = yield from self.world.get(tid, slot)
        if context:
            return context
        new = yield from self.make(tid, slot)
        status, old = yield from self.world.set(tid, slot, new, keep=True, ask=self.asks())
        if status == 0:
            return new
        yield from self.world.release(tid, new)
        return old

    def make(self, tid: int, slot: Slot) -> Generator[None, None, Context]:
        """Allocate a context; perhaps let it keep a reference to another until it is cleaned up."""
        new = yield from self.world.allocate(tid, slot[0])
        if self.random.random() < self.world.style.kept:
            new.keeps = yield from self.world.get(tid, self.random.choice(self.slots))
            if new.keeps and self.random.random() < 0.5:
                yield from self.world.reference(tid, new.keeps)
                yield from self.world.release(tid, new.keeps)
        return new

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
        new = yield from self.make(tid, slot)
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
        # The thread goes on, so what it still owns is no call that the end cut off.
        self.world.log(tid, "FltSupportsFileContexts", status=1)

    def _leave(self, *_args: object) -> Steps:
        yield from ()

    def _R01(self, tid: int, context: Context, slot: Slot) -> Steps:  # noqa: N802
        if self.random.random() < 0.5:
            yield from self.world.get(tid, slot)
            yield from self.world.release(tid, context)
        self._log(tid, "FltReleaseContext", context)
        yield

    def _R02(self, tid: int, context: Context, slot: Slot) -> Steps:  # noqa: N802, ARG002
        self._log(tid, "FltReleaseContext", context)
        yield

    def _R03(self, tid: int, context: Context, slot: Slot) -> Steps:  # noqa: N802, ARG002
        self._log(tid, "FltReferenceContext", context)
        yield
        self._log(tid, "FltReleaseContext", context)

    def _R04(self, tid: int, context: Context, slot: Slot) -> Steps:  # noqa: N802
        routine = self.random.choice(["ContextUse", "FltDeleteContext", SET_OF[slot[0]]])
        status = {"status": self.random.choice([0, NOT_SUPPORTED])} if routine.startswith("FltSet") else {}
        self._log(tid, routine, context, **status)
        yield

    def _R05(self, tid: int, context: Context, slot: Slot) -> Steps:  # noqa: N802, ARG002
        self._log(tid, self.random.choice(["ContextUse", "FltDeleteContext"]), context)
        yield

    def _L02(self, tid: int, context: Context, slot: Slot) -> Steps:  # noqa: N802
        self.world.unlink(context)
        yield from self.world.get(tid, slot)

    def _L09(self, tid: int, context: Context, slot: Slot) -> Steps:  # noqa: N802, ARG002
        yield from self.world.get(tid, slot)

    def _log(self, tid: int, routine: str, context: Context, **fields: object) -> None:
        self.world.log(tid, routine, context=context.pointer, context_type=context.kind, **fields)
