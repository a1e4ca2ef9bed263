"""The simulated machine's life: volumes, files that come and go, threads that open them, workers."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from tracecheck.simulate.callbacks import (
    BEHAVIOURS,
    POSITIONS,
    post_close,
    post_create,
    pre_cleanup,
    pre_close,
    pre_create,
    pre_network_query_open,
)
from tracecheck.simulate.machine import FREQUENCY, Machine, Steps, Thread
from tracecheck.simulate.objects import (
    TRANSACTION,
    AddressSpace,
    FileObject,
    Instance,
    Stream,
    Transaction,
    Volume,
)
from tracecheck.simulate.sites import CLEANUP, CLOSE, CREATE, NETWORK_QUERY_OPEN, POST, PRE

if TYPE_CHECKING:
    from collections.abc import Callable

    from tracecheck.simulate.driver import Driver
    from tracecheck.simulate.events import EventLog
    from tracecheck.simulate.fltmgr import FilterManager
    from tracecheck.simulate.kernel import Io, Kernel
    from tracecheck.simulate.legacy.driver import LegacyDriver
    from tracecheck.simulate.scenario import Scenario

T = TypeVar("T")

_SYSTEM = 4
_WORKERS = 3
_HOT = 3  # files that everybody opens
_CACHED = 24  # files that the file system keeps after their last handle is closed, on each volume
_EVENTS_OF_AN_OPEN = 26
_POLL = 40

_HOT_CHANCE = 0.35
_NEW_CHANCE = 0.35
_RETIRE_CHANCE = 0.5
_ELSEWHERE = 0.6


class World:
    """Everything on the machine but the drivers.

    Args:
        scenario: What is to happen.
        machine: Runs the threads.
        manager: The filter manager.
        log: The events; how many there are tells how far the run is.
        space: Where addresses come from.

    Attributes:
        volumes: What there is to attach to.
        drivers: The loaded drivers, the highest altitude first.
        closing: Set when the threads shall end.
        kernel: Logs the kernel's events, None where they are not logged.
        unregistered: Types that the drivers do not register, for a fault that allocates one all the same.
        legacy: The legacy filter, None where there is none.
    """

    def __init__(
        self, scenario: Scenario, machine: Machine, manager: FilterManager, log: EventLog, space: AddressSpace
    ) -> None:
        self.scenario = scenario
        self.machine = machine
        self.manager = manager
        self.log = log
        self.drivers: list[Driver] = []
        self.closing = False
        self.kernel: Kernel | None = None
        left_out = any(fault.rule == "A01" for fault in scenario.faults)
        self.unregistered = frozenset({TRANSACTION} if left_out else ())
        self.legacy: LegacyDriver | None = None
        self._streams_of = space.lookaside(0x1A0)
        self._files_of = space.lookaside(0x180)
        self._transactions_of = space.lookaside(0x2D0)
        self._instances_of = space.lookaside(0x230)
        self._serial = 0
        volumes = space.lookaside(0x310)
        self.volumes = [Volume(volumes.take(), quirk) for quirk in ("", "", "flat", "remote")]
        self._open_volumes = self.volumes[:3]
        self._cached: dict[Volume, list[Stream]] = {volume: [] for volume in self.volumes}
        self._plain = (0, 0, 0, 0, 0, 1, 1, 1, 1, 2)  # the third volume knows no contexts and sees little
        cpus = scenario.processors
        self._workers = [Thread(_SYSTEM, 0x50 + 12 * i, i % cpus) for i in range(_WORKERS)]
        self._idle = [Thread(0, 0, cpu) for cpu in range(cpus)]
        self._lazy = 0x1000
        self._plan_bursts()

    def start(self, apps: list[Thread], between: Callable[[Thread], Steps[None]]) -> None:
        """Start workers, idle threads and the threads that open files.

        Args:
            apps: The threads that open files.
            between: A script that each of them runs before each open: faults and milestones.
        """
        for thread in (*self._workers, *self._idle):
            self.machine.serve(thread)
        for index, thread in enumerate(apps):
            self.machine.run(thread, self._application(thread, between), 1 + 37 * index)

    def io(self, file: FileObject, major: int) -> Io | None:
        """Begin an I/O operation, for :meth:`callback`; None where nobody looks."""
        return None if self.kernel is None else self.kernel.io(file, major)

    def callback(
        self, thread: Thread, driver: Driver, io: Io | None, phase: int, steps: Steps[T]
    ) -> Steps[T]:
        """Let the filter manager call a driver back: ``steps`` is what the callback does."""
        if self.kernel is None or io is None:
            return steps
        return self.kernel.around(thread, driver.calls.driver, io, phase, steps)

    def system_threads(self) -> list[Thread]:
        """Give the threads that are there from the start."""
        return [*self._workers, *self._idle]

    def worker(self) -> Thread:
        """Pick a system worker thread."""
        return self._workers[self.machine.below(_WORKERS)]

    def idle_thread(self) -> Thread:
        """Pick the processor that an I/O completes on: its idle thread runs the completion."""
        return self._idle[self.machine.below(len(self._idle))]

    def lazy_thread(self) -> Thread:
        """Make a system thread for work that a driver has put off."""
        self._lazy += 4
        return Thread(_SYSTEM, self._lazy, self.machine.below(len(self._idle)))

    def make_instance(self, volume: Volume) -> Instance:
        """Make an instance for a filter on ``volume``."""
        return Instance(self._instances_of.take(), self.serial(), volume)

    def free_instance(self, instance: Instance) -> None:
        """Take the memory of a detached instance back; the next one that attaches may get it."""
        self._instances_of.give(instance.pointer)

    def serial(self) -> int:
        """Give a number that nobody else has."""
        self._serial += 1
        return self._serial

    def make_stream(self, volume: Volume, private: bool = False) -> Stream:
        """Make a file that nobody has open; a private one is not offered to other threads."""
        stream = Stream(self._streams_of.take(), volume)
        stream.private = private
        if not private:
            self._cached[volume].append(stream)
        return stream

    def shared_stream(self, volume: Volume) -> Stream:
        """Give one of the files on ``volume`` that all threads open."""
        cached = self._cached[volume]
        return cached[self.machine.below(min(_HOT, len(cached)))] if cached else self.make_stream(volume)

    def open(
        self,
        thread: Thread,
        stream: Stream,
        *,
        paging: bool = False,
        sure: bool = False,
        transacted: bool = False,
    ) -> Steps[FileObject | None]:
        """IRP_MJ_CREATE through all drivers; None where it failed below them.

        Args:
            thread: Who opens.
            stream: What is opened.
            paging: As a paging file.
            sure: It does not fail.
            transacted: In a transaction, whatever the mix says.
        """
        machine, mix = self.machine, self.scenario.mix
        stream.opens += 1
        file = FileObject(self._files_of.take(), stream, paging)
        wanted = not paging and (machine.random() < mix.transactions or transacted)
        if wanted and TRANSACTION not in self.unregistered:
            file.transaction = Transaction(self._transactions_of.take())
        seen = []
        io = self.io(file, CREATE)
        for driver, instance in self._enter(stream):
            handle = yield from self.callback(thread, driver, io, PRE, pre_create(driver, thread, instance))
            seen.append((driver, instance, handle))
        yield 30 + machine.below(300)
        opened = sure or machine.random() >= mix.failures
        for driver, instance, handle in reversed(seen):
            steps = post_create(driver, thread, instance, file, handle, opened)
            yield from self.callback(thread, driver, io, POST, steps)
            instance.inflight -= 1
        if opened:
            if self.legacy is not None:
                yield from self.legacy.created(thread, stream)
            if self.kernel is not None:
                self.kernel.files[thread] = file
            return file
        yield from self._end_file(thread, file)
        return None

    def open_below(self, volume: Volume) -> FileObject:
        """Open a file for a driver itself: no callback of any driver sees it."""
        stream = self.shared_stream(volume)
        stream.opens += 1
        return FileObject(self._files_of.take(), stream)

    def close_below(self, file: FileObject) -> None:
        """Close what :meth:`open_below` gave; the file system keeps its stream."""
        file.file.opens -= 1
        self._files_of.give(file.pointer)

    def close(self, thread: Thread, file: FileObject) -> Steps[None]:
        """IRP_MJ_CLEANUP and IRP_MJ_CLOSE, and the end of the FILE_OBJECT."""
        while file.pending:
            yield _POLL
        io = self.io(file, CLEANUP)
        for driver, instance in self._enter(file.file):
            yield from self.callback(thread, driver, io, PRE, pre_cleanup(driver, thread, instance, file))
            instance.inflight -= 1
        yield 20 + self.machine.below(100)
        io = self.io(file, CLOSE)
        waiting = []
        for driver, instance in self._enter(file.file):
            steps = pre_close(driver, thread, instance, file)
            late = yield from self.callback(thread, driver, io, PRE, steps)
            if late is None:
                instance.inflight -= 1
            else:
                waiting.append((driver, instance, late))
        yield 20 + self.machine.below(100)
        for driver, instance, late in reversed(waiting):
            yield from self.callback(thread, driver, io, POST, post_close(driver, thread, late))
            instance.inflight -= 1
        if self.legacy is not None:
            yield from self.legacy.cleaned(thread, file.file)
        yield from self._end_file(thread, file)

    def retire(self, thread: Thread, stream: Stream) -> Steps[None]:
        """The file system tears a stream down: FltMgr drops the links of what hangs on it."""
        if self.legacy is not None:
            yield from self.legacy.torn_down(thread, stream)
        yield from self.drivers[0].calls.detach(thread, self.manager.tear_down(stream))
        yield 5
        self._streams_of.give(stream.pointer)

    def use(self, thread: Thread, file: FileObject, behaviour: str) -> Steps[None]:
        """One operation on an open file through all drivers."""
        position = POSITIONS.get(behaviour)
        io = self.io(file, position[0]) if position else None
        if self.legacy is not None:
            yield from self.legacy.used(thread, file.file)
        for driver, instance in self._enter(file.file):
            steps = BEHAVIOURS[behaviour](driver, thread, instance, file)
            yield from self.callback(thread, driver, io, position[1], steps) if position else steps
            instance.inflight -= 1

    def _application(self, thread: Thread, between: Callable[[Thread], Steps[None]]) -> Steps[None]:
        machine, mix = self.machine, self.scenario.mix
        choices = tuple(name for name in BEHAVIOURS for _ in range(getattr(mix, name)))
        left = self._opens_of_a_burst
        while not self.closing:
            yield from between(thread)
            yield from self._one_file(thread, choices)
            left -= 1
            if left <= 0 and self._period:
                left = self._opens_of_a_burst
                yield self._period - machine.now % self._period + machine.below(2000)
            else:
                yield 20 + machine.below(600)

    def _one_file(self, thread: Thread, choices: tuple[str, ...]) -> Steps[None]:
        machine = self.machine
        if machine.random() < self.scenario.mix.paging:
            yield from self._paging_file(thread)
            return
        if self.scenario.mix.network and machine.random() < self.scenario.mix.network:
            yield from self._network_query(thread, self._pick())
        file = yield from self.open(thread, self._pick())
        if file is None:
            return
        for _ in range(1 + machine.below(7)):
            yield 10 + machine.below(120)
            yield from self.use(thread, file, choices[machine.below(len(choices))])
        yield from self.close(thread, file)

    def _network_query(self, thread: Thread, stream: Stream) -> Steps[None]:
        """IRP_MJ_NETWORK_QUERY_OPEN through all drivers: a file is opened, queried and closed at once."""
        stream.opens += 1
        file = FileObject(self._files_of.take(), stream)
        io = self.io(file, NETWORK_QUERY_OPEN)
        for driver, instance in self._enter(stream):
            steps = pre_network_query_open(driver, thread, instance)
            yield from self.callback(thread, driver, io, PRE, steps)
            instance.inflight -= 1
        yield from self._end_file(thread, file)

    def _paging_file(self, thread: Thread) -> Steps[None]:
        stream = self.make_stream(self.volumes[0], private=True)
        stream.supports = False
        file = yield from self.open(thread, stream, paging=True)
        if file is not None:
            yield from self.close(thread, file)

    def _pick(self) -> Stream:
        """Pick a file: one that all want, another one, or a new one."""
        machine = self.machine
        volume = self._open_volumes[self._plain[machine.below(len(self._plain))]]
        cached = self._cached[volume]
        choice = machine.random()
        if len(cached) <= _HOT or choice < _NEW_CHANCE:
            return self.make_stream(volume)
        if choice < _NEW_CHANCE + _HOT_CHANCE:
            return self.shared_stream(volume)
        return cached[machine.below(len(cached))]

    def _enter(self, stream: Stream) -> list[tuple[Driver, Instance]]:
        """Give the instances that see an operation, each held until its callback is over."""
        seen = []
        for driver in self.drivers:
            instance = driver.instance_on(stream.volume)
            if instance is not None:
                instance.inflight += 1
                seen.append((driver, instance))
        return seen

    def _end_file(self, thread: Thread, file: FileObject) -> Steps[None]:
        calls, manager, stream = self.drivers[0].calls, self.manager, file.file
        yield from calls.detach(thread, manager.tear_down(file))
        self._files_of.give(file.pointer)
        if file.transaction is not None:
            yield 50
            yield from calls.detach(thread, manager.tear_down(file.transaction))
            self._transactions_of.give(file.transaction.pointer)
        stream.opens -= 1
        yield from self._after_close(thread, stream)

    def _after_close(self, thread: Thread, stream: Stream) -> Steps[None]:
        """Tear down what the file system no longer caches, here or in a system thread."""
        if stream.private:
            return
        cached = self._cached[stream.volume]
        ending = [stream] if stream.opens == 0 and self.machine.random() < _RETIRE_CHANCE else []
        if len(cached) > _CACHED:
            ending += [other for other in cached[:_HOT] if other.opens == 0 and other is not stream]
        for one in ending:
            if one in cached and one.opens == 0:
                cached.remove(one)
                yield from self._tear_down(thread, one)

    def _tear_down(self, thread: Thread, stream: Stream) -> Steps[None]:
        if self.machine.random() < _ELSEWHERE:
            yield from self.retire(thread, stream)
        else:
            self.machine.post(self.worker(), lambda worker: self.retire(worker, stream))

    def _plan_bursts(self) -> None:
        scenario = self.scenario
        opens = scenario.operations // (_EVENTS_OF_AN_OPEN * scenario.threads * scenario.drivers)
        bursts = min(400, max(4, opens // 3))
        self._opens_of_a_burst = max(1, opens // bursts)
        self._period = int(scenario.duration * FREQUENCY) // bursts
