"""How the driver's writer turns a call into an event: the fields of each call site, packed once."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tracecheck.simulate import tracelogging
from tracecheck.simulate.conditions import nanoseconds
from tracecheck.simulate.machine import STALL, UNHOOKED
from tracecheck.simulate.sites import Site, constants, field, has_begin, logged

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tracecheck.simulate.conditions import Session
    from tracecheck.simulate.machine import Machine, Thread

_HEAD = ("Sequence", "Begin")
_RELAYED = ("Time", "ProcessId", "ThreadId", "Processor")


class Style(NamedTuple):
    """What the writer logs and how.

    Attributes:
        pointer_size: 4 or 8.
        begin: Log when a call started.
        sequence: Number the events.
        lean: Leave out fields that only tell where a call ran.
        wide: Write text as UTF-16.
        relay: Another program writes the events later: each says when and where the call was.
        races: A thread may be interrupted between drawing its number and writing the event.
    """

    pointer_size: int = 8
    begin: bool = True
    sequence: bool = True
    lean: bool = False
    wide: bool = False
    relay: bool = False
    races: bool = False


class Shape:
    """What all events of one call site have in common.

    Attributes:
        site: The call site.
        items: The extended items.
        pack: Packs what changes from event to event.
        tail: The rest of the payload.
        begin: Whether the call's start is logged.
        silent: Whether this site logs nothing at all.
    """

    __slots__ = ("begin", "items", "pack", "silent", "site", "tail")

    def __init__(
        self, site: Site, items: Sequence[tuple[int, bytes]], pack: Callable[..., bytes], tail: bytes
    ) -> None:
        self.site = site
        self.items = items
        self.pack = pack
        self.tail = tail
        self.begin = False
        self.silent = False


class EventLog:
    """Writes events for threads.

    Args:
        machine: Tells the time.
        session: Gets the events.
        style: What is logged and how.

    Attributes:
        count: Events so far: the number of the last one. They are numbered from 1 whether or not the
            number is logged.
        limit: The machine is halted when so many have been written; 0 for never.
        last: The number of the event that was written last.
        pointer_size: 4 or 8.
    """

    def __init__(self, machine: Machine, session: Session, style: Style) -> None:
        self.count = 0
        self.limit = 0
        self.last = 0
        self.pointer_size = style.pointer_size
        self._machine = machine
        self._session = session
        self._style = style

    def shape(self, site: Site, driver: str, names: Sequence[str] | None = None) -> Shape:
        """Settle what events of ``site`` look like; ``names`` are the changing fields, if not the usual."""
        style = self._style
        fixed = constants(site, driver, style.lean)
        begin = style.begin and has_begin(site.routine)
        head = [name for name, wanted in zip(_HEAD, (style.sequence, begin), strict=True) if wanted]
        head += _RELAYED if style.relay else ()
        varying = [self._field(name) for name in (*head, *(logged(site) if names is None else names))]
        rest = [self._field(name) for name in fixed]
        shape = Shape(
            site,
            tracelogging.items(site.routine, (*varying, *rest)),
            tracelogging.packer(tuple(varying)),
            tracelogging.encode(rest, list(fixed.values())),
        )
        shape.begin = begin
        return shape

    def start(self, thread: Thread, coverage: str | None) -> None:
        """Write CaptureStart; ``coverage`` names the routines that are complete, None for all."""
        self.count += 1
        said: dict[str, int | str] = {"Sequence": self.count} if self._style.sequence else {}
        said["Version"] = 1
        if coverage is not None:
            said["Coverage"] = coverage
        fields = tuple(self._field(name) for name in said)
        shape = Shape(Site("CaptureStart", "", 0), tracelogging.items("CaptureStart", fields), bytes, b"")
        payload = tracelogging.encode(fields, list(said.values()))
        self._session.event(thread, self._machine.now, shape, payload, self.count)

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
            values = (nanoseconds(self._machine.now), thread.pid, thread.tid, thread.cpu, *values)
        if shape.begin:
            values = (begin, *values)
        payload = shape.pack(number, *values) if style.sequence else shape.pack(*values)
        self._session.event(thread, self._machine.now, shape, payload + shape.tail, number)
        if number >= self.limit > 0:
            self._machine.halted = True
        return number

    def pause(self, thread: Thread) -> int:
        """Draw the ticks between a call's effect and its event."""
        ticks = self._machine.delay()
        if ticks >= STALL and self._style.races and not thread.number:
            self.count = thread.number = self.count + 1
        return ticks

    def _field(self, name: str) -> tracelogging.Field:
        return field(name, self._style.pointer_size, self._style.wide)
