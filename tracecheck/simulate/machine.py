"""A virtual machine: processors, threads and a clock that lets one thread's steps fall between another's.

A thread runs scripts: generators that yield how many ticks pass before their next step. Whatever a
script does between two yields happens at one tick, so scripts settle what is atomic. All ticks are of
one clock, as QueryPerformanceCounter promises for the processors of a machine.
"""

import random
from collections import deque
from collections.abc import Callable, Generator
from heapq import heappop, heappush, heapreplace
from itertools import cycle
from typing import TypeVar

T = TypeVar("T")

#: A script: yields ticks to pass (0: sleeps until there is work for the thread), and gives a result.
Steps = Generator[int, None, T]

#: A step of so many ticks means that something else had the processor; the thread may come back elsewhere.
STALL = 64

#: How a thread's events can disappear: never written, or written and lost by the session.
UNHOOKED = 1
LOST = 2

#: Ticks a second.
FREQUENCY = 10_000_000

_STEP = 12  # an ordinary step takes up to so many ticks: a microsecond
_STALL_SPREAD = {False: 3000, True: 300_000}
_STALL_CHANCE = 0.004
_MOVE_CHANCE = 0.3
_DELAYS = 16381  # a prime, so that no pattern of calls keeps meeting the same delays


class Thread:
    """A thread: who it is, where it runs, and the scripts that wait for it.

    Attributes:
        pid: Process id.
        tid: Thread id.
        cpu: The processor it runs on now.
        left: The processor it ran on before, and until which tick.
        items: Work queued to it.
        parked: Its script while it sleeps for want of work.
        muted: 0, or how its events disappear just now: UNHOOKED or LOST.
        number: A sequence number that it drew for its next event, 0 for none.
    """

    __slots__ = ("cpu", "items", "left", "muted", "number", "parked", "pid", "tid")

    def __init__(self, pid: int, tid: int, cpu: int) -> None:
        self.pid = pid
        self.tid = tid
        self.cpu = cpu
        self.left = (cpu, 0)
        self.items: deque[Callable[[Thread], Steps[None]]] = deque()
        self.parked: Steps[None] | None = None
        self.muted = 0
        self.number = 0


class Machine:
    """Runs the scripts of all threads in the order of their ticks.

    Args:
        processors: How many processors there are.
        seed: Settles every delay and every choice; the same seed gives the same run.
        start: The first tick.
        long_stalls: A thread that is interrupted may wait for tens of milliseconds.

    Attributes:
        now: The current tick.
        halted: Set it, and the machine stops after the current step.
        random: Gives a float in [0, 1); the only source of chance.
        delay: Gives the ticks of an ordinary step, at least 1, now and then a stall.
    """

    def __init__(self, processors: int, seed: int, start: int, *, long_stalls: bool = False) -> None:
        self.processors = processors
        self.now = start
        self.halted = False
        # Of all that the module offers, only random() is promised to stay the same between versions.
        self.random: Callable[[], float] = random.Random(seed).random  # noqa: S311
        self._stall = _STALL_SPREAD[long_stalls]
        self.delay: Callable[[], int] = cycle([self._draw_delay() for _ in range(_DELAYS)]).__next__
        self._heap: list[tuple[int, int, Thread, Steps[None]]] = []
        self._order = 0

    def below(self, limit: int) -> int:
        """Draw a number from 0 to ``limit`` - 1."""
        return int(self.random() * limit)

    def run(self, thread: Thread, steps: Steps[None], after: int = 1) -> None:
        """Let ``thread`` begin a script ``after`` ticks from now."""
        self._order += 1
        heappush(self._heap, (self.now + after, self._order, thread, steps))

    def serve(self, thread: Thread) -> None:
        """Make ``thread`` a worker: it runs what is posted to it, one item after the other."""
        self.run(thread, self._work(thread))

    def post(self, thread: Thread, item: Callable[[Thread], Steps[None]]) -> None:
        """Queue work to a worker thread and wake it."""
        thread.items.append(item)
        if thread.parked is not None:
            steps, thread.parked = thread.parked, None
            self.run(thread, steps, 1 + self.delay())

    def play(self) -> None:
        """Run until every script has ended or sleeps, or the machine is halted."""
        heap = self._heap
        while heap and not self.halted:
            now, _, thread, steps = heap[0]
            self.now = now
            ticks = next(steps, -1)
            if ticks <= 0:
                heappop(heap)
                thread.parked = steps if ticks == 0 else None
                continue
            if ticks >= STALL and self.random() < _MOVE_CHANCE:
                thread.left = (thread.cpu, now)
                thread.cpu = self.below(self.processors)
            self._order += 1
            heapreplace(heap, (now + ticks, self._order, thread, steps))

    def _work(self, thread: Thread) -> Steps[None]:
        while True:
            while thread.items:
                yield from thread.items.popleft()(thread)
            yield 0

    def _draw_delay(self) -> int:
        if self.random() < _STALL_CHANCE:
            return STALL + self.below(self._stall)
        return 1 + int(_STEP * self.random() * self.random())
