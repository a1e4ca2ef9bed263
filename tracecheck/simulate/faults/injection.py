"""How a fault gets into a run: the faulty driver's hands, and what they write down about it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tracecheck.errors import UsageError
from tracecheck.simulate.conditions import nanoseconds
from tracecheck.simulate.legacy.sites import DRIVER
from tracecheck.simulate.objects import ON_STREAM, STREAM, TRANSACTION, TYPE_NAMES, Context
from tracecheck.simulate.sites import kind_of
from tracecheck.simulate.truth import PER_STREAM, FaultTruth

if TYPE_CHECKING:
    from tracecheck.simulate.driver import Driver
    from tracecheck.simulate.legacy.routines import Block
    from tracecheck.simulate.machine import Steps, Thread
    from tracecheck.simulate.objects import FileObject, Instance, Volume
    from tracecheck.simulate.world import World

_TRIES = 50


class Injection:
    """One fault being injected.

    Args:
        world: Where.
        driver: Whose fault it is.
        thread: The thread that makes it.
        rule: The rule it breaks.
        variant: Which way to go wrong it is.
        alternatives: Other rules that hold for it.

    Attributes:
        found: The truth about it, once it has been made.
    """

    def __init__(
        self,
        world: World,
        driver: Driver,
        thread: Thread,
        rule: str,
        variant: str,
        alternatives: tuple[str, ...],
    ) -> None:
        self.world = world
        self.driver = driver
        self.calls = driver.calls
        self.machine = world.machine
        self.thread = thread
        self.found: FaultTruth | None = None
        self._rule = rule
        self._variant = variant
        self._alternatives = alternatives

    @property
    def volume(self) -> Volume:
        """The volume that keeps its instance as long as the driver is loaded."""
        return self.world.volumes[0]

    def open(self, volume: Volume, needs: int = STREAM) -> Steps[tuple[FileObject, Instance]]:
        """Open a new file that no other thread will open, and whose context of type ``needs`` is set."""
        for _ in range(_TRIES):
            stream = self.world.make_stream(volume, private=True)
            file = yield from self.world.open(self.thread, stream, sure=True, transacted=needs == TRANSACTION)
            assert file is not None
            instance = self.driver.instances[volume]
            node = file.transaction if needs == TRANSACTION else stream if needs & ON_STREAM else file
            assert node is not None
            if instance.key | needs in node.slots:
                return file, instance
            yield from self.world.close(self.thread, file)
            yield from self.world.retire(self.thread, stream)
        raise UsageError("the mix makes no contexts of the type that the fault needs")

    def open_paging(self, volume: Volume) -> Steps[tuple[FileObject, Instance]]:
        """Open a new paging file: contexts can't be set on it."""
        stream = self.world.make_stream(volume, private=True)
        stream.supports = False
        file = yield from self.world.open(self.thread, stream, paging=True, sure=True)
        assert file is not None
        return file, self.driver.instances[volume]

    def blame(self, key: str, context: Context | None, thread: Thread | None = None) -> None:
        """Take down that the event just written is the fault; ``context`` is None where it names none."""
        site = self.calls.shape(key).site
        who = thread or self.thread
        self.found = FaultTruth(
            rule=self._rule,
            variant=self._variant,
            alternatives=self._alternatives,
            context=hex(context.pointer if context else 0),
            generation=context.generation if context else 0,
            seen=0,
            context_type=_type_name(context.kind if context else site.kind or kind_of(site.routine)),
            routine=site.routine,
            function=self.calls.driver + site.function,
            line=site.line,
            process=who.pid,
            thread=who.tid,
            time=nanoseconds(self.machine.now),
            sequence=self.world.log.last,
            reached=True,
            consequences=tuple(
                {"context": hex(held.pointer), "generation": held.generation}
                for held in (context.stored if context else ())
            ),
        )

    def blame_block(self, key: str, block: Block, thread: Thread | None = None) -> None:
        """Take down that the event just written is the fault, on the block of a legacy context."""
        assert self.world.legacy is not None
        site = self.world.legacy.calls.shape(key).site
        who = thread or self.thread
        self.found = FaultTruth(
            rule=self._rule,
            variant=self._variant,
            alternatives=self._alternatives,
            context=hex(block.pointer),
            generation=block.generation,
            seen=0,
            context_type=PER_STREAM,
            routine=site.routine,
            function=DRIVER + site.function,
            line=site.line,
            process=who.pid,
            thread=who.tid,
            time=nanoseconds(self.machine.now),
            sequence=self.world.log.last,
            reached=True,
        )

    def leak(self, key: str, context: Context) -> None:
        """Take down that the reference which the event just written took is never dropped."""
        self.driver.forget(context)
        self.blame(key, context)

    def leak_too(self, context: Context) -> None:
        """Take down that a context is never freed either, of the fault that was taken down already."""
        self.driver.forget(context)
        assert self.found is not None
        more: tuple[dict[str, str | int], ...] = tuple(
            {"context": hex(one.pointer), "generation": one.generation} for one in (context, *context.stored)
        )
        self.found = replace(self.found, consequences=self.found.consequences + more)

    def phantom(self, key: str, context: Context, *more: int, thread: Thread | None = None) -> Steps[None]:
        """Log a call that would break the machine, do not make it, and take it down as the fault.

        Args:
            key: The call site.
            context: The context.
            more: What the site logs after the context.
            thread: Who calls, if not the thread that the fault began in.
        """
        yield from self.claim(key, context, context.pointer, *more, thread=thread)

    def claim(self, key: str, context: Context, *values: int, thread: Thread | None = None) -> Steps[None]:
        """Do as :meth:`phantom` does, for a call site that logs ``values`` and not the context first."""
        begin = self.machine.now
        yield self.machine.delay()
        self.calls.log.write(thread or self.thread, self.calls.shape(key), begin, *values)
        self.blame(key, context, thread)
        if self.world.scenario.bugcheck:
            self.machine.halted = True
        yield 50 + self.machine.delay()

    def refuse(self, key: str, *values: int, thread: Thread | None = None) -> Steps[None]:
        """Log a call that the filter manager refuses and that gets no context, and take it down as the fault.

        Args:
            key: The call site.
            values: What the site logs.
            thread: Who calls, if not the thread that the fault began in.
        """
        begin = self.machine.now
        yield self.machine.delay()
        self.calls.log.write(thread or self.thread, self.calls.shape(key), begin, *values)
        self.blame(key, None, thread)
        yield 50 + self.machine.delay()

    def tell(self, key: str, *values: int) -> Steps[None]:
        """Log a call that is not made, and is no fault either."""
        begin = self.machine.now
        yield self.machine.delay()
        self.calls.log.write(self.thread, self.calls.shape(key), begin, *values)
        yield 50 + self.machine.delay()

    def make(self, key: str, context: Context, steps: Steps[None]) -> Steps[None]:
        """Make a call that is logged before it is made, and take it down as the fault."""
        ticks = next(steps)
        self.blame(key, context)
        yield ticks
        yield from steps

    def nobody(self, pointer: int = 0) -> Context:
        """Give what is no context: NULL, or a pointer that was never allocated."""
        return Context(pointer, 0, STREAM, self.calls.filter)

    def pretend(self, key: str, context: Context, thread: Thread) -> Steps[None]:
        """Log a release that only gives back what :meth:`phantom` seemed to take."""
        self.calls.log.write(thread, self.calls.shape(key), 0, context.pointer)
        yield 50 + self.machine.delay()

    def recycle(self, context: Context) -> None:
        """Let the address of a freed context be handed out again, which the fault had put off."""
        context.keep = False
        self.calls.manager.recycle(context)


def _type_name(kind: int) -> str:
    """Name a context type; what is no type, or several at once, by its number."""
    return TYPE_NAMES.get(kind, hex(kind))
