"""How the driver's writer turns a call into an event: the fields of each call site, settled once.

What is recorded is the canonical event: its name, the routine's, and its fields. A form
(:mod:`tracecheck.simulate.forms`) makes of it what goes into the capture.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracecheck.simulate.conditions import nanoseconds
from tracecheck.simulate.machine import STALL, UNHOOKED
from tracecheck.simulate.sites import Site, constants, has_begin, logged

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tracecheck.simulate.conditions import Session
    from tracecheck.simulate.forms.shape import Form, Shape, Style
    from tracecheck.simulate.machine import Machine, Thread

_HEAD = ("Sequence", "Begin")
_RELAYED = ("Time", "ProcessId", "ThreadId", "Processor")
_START = Site("CaptureStart", "", 0)


class EventLog:
    """Writes events for threads.

    Args:
        machine: Tells the time.
        session: Gets the events.
        form: What is written of them.
        style: What is logged and how.
        skews: For each processor, how many ticks its clock is ahead.

    Attributes:
        count: Events so far: the number of the last one. They are numbered from 1 whether or not the
            number is logged.
        limit: The machine is halted when so many have been written; 0 for never.
        last: The number of the event that was written last.
        pointer_size: 4 or 8.
    """

    def __init__(
        self, machine: Machine, session: Session, form: Form, style: Style, skews: Sequence[int]
    ) -> None:
        self.count = 0
        self.limit = 0
        self.last = 0
        self.pointer_size = style.pointer_size
        self._machine = machine
        self._session = session
        self._form = form
        self._style = style
        self._skews = skews

    def shape(self, site: Site, driver: str, names: Sequence[str] | None = None) -> Shape:
        """Settle what events of ``site`` look like; ``names`` are the changing fields, if not the usual."""
        style = self._style
        fixed = constants(site, driver, style.lean)
        begin = style.begin and has_begin(site.routine)
        head = [name for name, wanted in zip(_HEAD, (style.sequence, begin), strict=True) if wanted]
        head += _RELAYED if style.relay else ()
        shape = self._form.shape(site, driver, (*head, *(logged(site) if names is None else names)), fixed)
        shape.begin = begin
        shape.driver = driver
        return shape

    def start(self, thread: Thread, driver: str, coverage: str | None) -> None:
        """Write CaptureStart; ``coverage`` names the routines that are complete, None for all."""
        self.count += 1
        head = ("Sequence",) if self._style.sequence else ()
        said: dict[str, int | str] = {"Version": 1}
        if coverage is not None:
            said["Coverage"] = coverage
        shape = self._form.shape(_START, driver, head, said)
        payload = shape.pack(self.count) if head else shape.pack()
        self._session.event(thread, self._clock(thread), shape, payload + shape.tail, self.count)

    def write(self, thread: Thread, shape: Shape, begin: int, *values: int) -> int:
        """Write an event now.

        Args:
            thread: Who calls.
            shape: The call site's.
            begin: Tick at which the call started; not used where the site does not log it.
            values: What changes, in the order of :func:`tracecheck.simulate.sites.logged`.

        Returns:
            The event's number, 0 where nothing was written.
        """
        if shape.silent or thread.muted == UNHOOKED:
            return 0
        number = thread.number
        if number:
            thread.number = 0
        else:
            self.count = number = self.count + 1
        self.last = number
        style = self._style
        if style.relay:
            values = (nanoseconds(self._clock(thread)), thread.pid, thread.tid, thread.cpu, *values)
        if shape.begin:
            cpu = thread.left[0] if begin <= thread.left[1] else thread.cpu
            values = (begin + self._skews[cpu], *values)
        payload = shape.pack(number, *values) if style.sequence else shape.pack(*values)
        self._session.event(thread, self._clock(thread), shape, payload + shape.tail, number)
        if number >= self.limit > 0:
            self._machine.halted = True
        return number

    def _clock(self, thread: Thread) -> int:
        """Read the clock of the processor that a thread runs on."""
        return self._machine.now + self._skews[thread.cpu]

    def pause(self, thread: Thread) -> int:
        """Draw the ticks between a call's effect and its event."""
        ticks = self._machine.delay()
        if ticks >= STALL and self._style.races and not thread.number:
            self.count = thread.number = self.count + 1
        return ticks
