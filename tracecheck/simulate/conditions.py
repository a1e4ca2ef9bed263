"""What can befall a capture between the driver's writer and the file, applied as events are written."""

from __future__ import annotations

import random
import struct
from typing import TYPE_CHECKING

from tracecheck.etl.layout import BUFFER_HEADER_SIZE, UNIX_EPOCH_AS_FILETIME, Kind
from tracecheck.simulate.machine import FREQUENCY, LOST, Thread

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tracecheck.simulate.forms.shape import Output, Shape
    from tracecheck.simulate.kernel import Kernel
    from tracecheck.simulate.machine import Machine
    from tracecheck.simulate.noise import Noise
    from tracecheck.simulate.scenario import Scenario

#: Name of a condition -> what it does to a capture.
CONDITIONS = {
    "lost-events": "single events are dropped at random, and counted",
    "lost-buffers": "two buffers of a processor are dropped whole, and counted",
    "circular": "a circular log that forgot its beginning",
    "late-start": "the capture starts when the driver has long been running",
    "no-begin": "the start of calls is not logged",
    "no-sequence": "events are not numbered",
    "partial": "some call sites do not log FltReleaseContext; Coverage says that it is incomplete",
    "no-cleanup": "cleanup callbacks are not logged; Coverage says so",
    "flush": "processors' buffers are flushed at different times",
    "noise": "other providers' events lie between",
    "relay": "a relay writes the events later, processor by processor",
    "sequence-races": "threads are interrupted between drawing a number and writing the event",
    "skewed-clocks": "the processors' clocks differ by up to two milliseconds",
    "stalls": "threads are interrupted for up to 30 milliseconds in the middle of calls",
    "wide": "text is UTF-16",
    "lean": "only what the counts need is logged, and the call site",
}

#: What a capture under these conditions can no longer prove.
EVIDENCE = {
    "lost-events": "lost",
    "lost-buffers": "lost",
    "circular": "late",
    "late-start": "late",
    "partial": "partial",
    "no-cleanup": "partial",
    "skewed-clocks": "unordered",
}

#: FILETIME and tick at which every simulated capture starts: 2026-03-02 09:30:00 UTC, an hour after boot.
START_TIME = UNIX_EPOCH_AS_FILETIME + 1_772_443_800 * 10_000_000
START_TICK = 3600 * FREQUENCY
START_NANOSECONDS = (START_TIME - UNIX_EPOCH_AS_FILETIME) * 100

#: By how many ticks processors' clocks differ at least and at most: 20 microseconds to 2 milliseconds.
_SKEWS = (200, 20_000)

#: Process and thread of the relay.
RELAY_IDS = (0x1E4C, 0x1E50)

_RELAY_PERIOD = FREQUENCY // 100

_SMALL_TYPES = (Kind.SYSTEM32, Kind.SYSTEM64, Kind.COMPACT32, Kind.COMPACT64)
_SIZED_AT_4 = frozenset((*_SMALL_TYPES, Kind.PERFINFO32, Kind.PERFINFO64))


class Session:
    """The tracing session: everything it is given reaches the file.

    Args:
        machine: Tells the time.
        output: Makes the file.

    Attributes:
        written: How many canonical events reached the file.
        lost: Why events are missing -> their numbers.
        kernel: The kernel's own events, None where they are not logged.
        begun: Whether the session has taken an event yet.
    """

    def __init__(self, machine: Machine, output: Output) -> None:
        self.written = 0
        self.lost: dict[str, list[int]] = {}
        self.kernel: Kernel | None = None
        self.begun = False
        self._machine = machine
        self._output = output

    def event(self, thread: Thread, tick: int, shape: Shape, payload: bytes, number: int) -> None:
        """Take the event ``number``, written by ``thread`` at ``tick``."""
        if thread.muted == LOST:
            self._lose(thread.cpu, number)
            return
        self.written += 1
        kernel = self.kernel
        if kernel is None:
            shape.put(thread, tick, payload, number)
            self._note(thread.cpu, number)
            return
        if not self.begun:
            self.begun = True
            kernel.begin(tick)
        kernel.before(thread, tick, shape)
        shape.put(thread, tick, payload, number)
        self._note(thread.cpu, number)
        kernel.after(thread, tick, shape)

    def admits(self, cpu: int) -> bool:
        """Tell whether a record of the kernel is taken, and count it."""
        if self.begun:
            self._note(cpu, 0)
        return self.begun

    def finish(self) -> None:
        """End the session; from now on ``written`` and ``lost`` are final."""
        if self.kernel is not None:
            self.kernel.end(self._machine.now + 1)

    def _note(self, cpu: int, number: int) -> None:
        """Take down that a record of ``cpu`` was written; ``number`` is 0 where it is no canonical event."""

    def _lose(self, cpu: int, number: int, why: str = "events") -> None:
        self.lost.setdefault(why, []).append(number)
        self._output.lose_events(cpu, 1)


class HostileSession(Session):
    """A session under conditions.

    Args:
        machine: Tells the time.
        output: Makes the file.
        scenario: Tells the conditions. What is lost depends on its seed, but not the driver's run.
        make_noise: Makes what writes the events of others, of a source of floats in [0, 1).
    """

    def __init__(
        self,
        machine: Machine,
        output: Output,
        scenario: Scenario,
        make_noise: Callable[[Callable[[], float]], Noise],
    ) -> None:
        super().__init__(machine, output)
        # Not the machine's own source: the same seed gives the same run under every condition.
        draw = random.Random(scenario.seed + 0x5EED).random  # noqa: S311
        wanted = scenario.conditions
        expected = scenario.operations
        self._first = int(expected * 0.35) if "late-start" in wanted else 0
        self._doomed = _draw(draw, expected, max(3, expected // 150) * ("lost-events" in wanted))
        self._breaks = _draw(draw, expected, 2 * ("lost-buffers" in wanted))
        self._flushes = _draw(draw, expected, max(4, expected // 200) * ("flush" in wanted))
        self._noise = make_noise(draw) if "noise" in wanted else None
        self._circular = "circular" in wanted
        self._numbers: list[list[int]] = [[] for _ in range(scenario.processors)]
        self._relay = Thread(*RELAY_IDS, 0) if "relay" in wanted else None
        self._relayed: list[list[tuple[Shape, bytes, int]]] = [[] for _ in range(scenario.processors)]
        self._drained = START_TICK

    def event(self, thread: Thread, tick: int, shape: Shape, payload: bytes, number: int) -> None:
        """Take the event ``number``, which need not reach the file."""
        if number < self._first:
            self.lost.setdefault("late", []).append(number)
            return
        if thread.muted == LOST:
            self._lose(thread.cpu, number)
            return
        if self._noise is not None:
            for _ in range(self._noise.write(thread, tick)):
                self._note(thread.cpu, 0)
        if self._relay is None:
            self._keep(thread, tick, shape, payload, number)
            return
        self._relayed[thread.cpu].append((shape, payload, number))
        if tick - self._drained > _RELAY_PERIOD:
            self._drain(tick)

    def finish(self) -> None:
        """End the session; work out what a circular log has forgotten."""
        self._drain(self._machine.now + 1)
        super().finish()
        if not self._circular:
            return
        kept = _count_records(self._output.to_bytes(), len(self._numbers))
        for numbers, count in zip(self._numbers, kept, strict=True):
            gone = [number for number in numbers[: len(numbers) - count] if number]
            self.lost.setdefault("overwritten", []).extend(gone)
            self.written -= len(gone)

    def _note(self, cpu: int, number: int) -> None:
        self._numbers[cpu].append(number)

    def _drain(self, tick: int) -> None:
        if self._relay is None:
            return
        for waiting in self._relayed:
            for shape, payload, number in waiting:
                self._keep(self._relay, tick, shape, payload, number)
            waiting.clear()
        self._drained = tick

    def _keep(self, thread: Thread, tick: int, shape: Shape, payload: bytes, number: int) -> None:
        cpu = thread.cpu
        if number in self._doomed:
            self._lose(cpu, number)
            return
        super().event(thread, tick, shape, payload, number)
        if number in self._breaks:
            self._lose_buffer(cpu)
        if number in self._flushes:
            self._output.flush(cpu)

    def _lose_buffer(self, cpu: int) -> None:
        numbers = self._numbers[cpu]
        start = len(numbers) - self._output.lose_buffer(cpu)
        gone = [number for number in numbers[start:] if number]
        del numbers[start:]
        self.lost.setdefault("buffers", []).extend(gone)
        self.written -= len(gone)


def draw_skews(scenario: Scenario) -> tuple[int, ...]:
    """Draw how many ticks each processor's clock is ahead; what is drawn does not change the run."""
    if "skewed-clocks" not in scenario.conditions:
        return (0,) * scenario.processors
    draw = random.Random(scenario.seed + 0x5CED).random  # noqa: S311
    low, high = _SKEWS
    most = low * (high / low) ** draw()
    # One is behind all others by as much as it can be, whatever the others are drawn as.
    return tuple(int(most * (draw() if cpu > 1 else cpu)) for cpu in range(scenario.processors))


def nanoseconds(tick: int) -> int:
    """Give the time of a tick in nanoseconds since 1970."""
    return START_NANOSECONDS + (tick - START_TICK) * 100


def ranges(numbers: Sequence[int]) -> list[list[int]]:
    """Write a set of numbers as runs of [first, last]."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return runs


def _draw(draw: Callable[[], float], expected: int, count: int) -> frozenset[int]:
    """Draw event numbers from all but the first and last part of a run of ``expected`` events."""
    low, span = expected // 6, max(1, expected * 2 // 3)
    return frozenset(low + int(draw() * span) for _ in range(count))


def _count_records(data: bytes, processors: int) -> list[int]:
    """Count the records that each processor's buffers hold in an uncompressed log, its header aside."""
    counts = [0] * processors
    start = struct.unpack_from("<I", data)[0]
    while start < len(data):
        size, used = struct.unpack_from("<I44xI", data, start)
        cpu = struct.unpack_from("<H", data, start + 0x28)[0]
        at, end = start + BUFFER_HEADER_SIZE, start + used
        while at < end:
            low, kind, sized = struct.unpack_from("<HBxH", data, at)
            at += ((sized if kind in _SIZED_AT_4 else low) + 7) & ~7
            counts[cpu] += 1
        start += size
    return counts
