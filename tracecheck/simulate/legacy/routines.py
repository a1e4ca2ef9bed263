"""The routines for per-stream contexts as a driver's thread goes through them: start, effect, event.

What hands something out is logged after the effect, a free just before it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracecheck.fltmgr.status import STATUS_INVALID_DEVICE_REQUEST, STATUS_SUCCESS
from tracecheck.simulate.legacy.sites import (
    CLOSE_STREAM,
    DRIVER,
    FILE_SYSTEM,
    LEGACY_LOGGED,
    LEGACY_SITES,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tracecheck.simulate.events import EventLog
    from tracecheck.simulate.forms.shape import Shape
    from tracecheck.simulate.machine import Machine, Steps, Thread
    from tracecheck.simulate.objects import AddressSpace, Stream
    from tracecheck.simulate.sites import Site

SIZE = 0x90
PAGED = 0x1
TAG = int.from_bytes(b"OldP", "little")


class Block:
    """A block of pool that holds a per-stream context.

    Attributes:
        pointer: Its address.
        generation: The how-manieth allocation of that address it is, from 1.
        owner: The owner that it was initialised with.
        state: "allocated", "initialised", "inserted", "removed", "torn down" or "freed".
        stream: The stream whose list it is on.
        number: The number of the event that tells its allocation.
        keep: Keeps the address from being handed out again.
        forgotten: Whether a fault means it to be never freed.
    """

    __slots__ = ("forgotten", "generation", "keep", "number", "owner", "pointer", "state", "stream")

    def __init__(self, pointer: int, generation: int) -> None:
        self.pointer = pointer
        self.generation = generation
        self.owner = 0
        self.state = "allocated"
        self.stream: Stream | None = None
        self.number = 0
        self.keep = False
        self.forgotten = False


class PerStreamCalls:
    """The calls on per-stream contexts, by the key of the call site.

    Args:
        machine: Runs the threads.
        log: Gets the events.
        space: Where addresses come from.
        sites: More call sites than the usual ones: those of faulty code.
        silent: Tells the call sites that log nothing.

    Attributes:
        blocks: Every block there was, in the order of the allocations.
        owner: The driver's owner id.
        callback: Its FreeCallback.
    """

    def __init__(
        self,
        machine: Machine,
        log: EventLog,
        space: AddressSpace,
        *,
        sites: Mapping[str, Site],
        silent: Callable[[Site], bool],
    ) -> None:
        self.machine = machine
        self.log = log
        self.blocks: list[Block] = []
        self._pool = space.lookaside(SIZE)
        objects = space.lookaside(0x150)
        self.owner, self.callback = objects.take(), objects.take()
        self._generations: dict[int, int] = {}
        self._lists: dict[Stream, list[Block]] = {}
        self._shapes = {key: self._shape(key, site) for key, site in (LEGACY_SITES | dict(sites)).items()}
        for shape in self._shapes.values():
            shape.silent = silent(shape.site)

    def shape(self, key: str) -> Shape:
        """Give what the events of a call site have in common."""
        return self._shapes[key]

    def list_of(self, stream: Stream) -> list[Block]:
        """Give the contexts of a stream, the newest first."""
        return self._lists.setdefault(stream, [])

    def streams(self) -> list[Stream]:
        """Give the streams that have contexts."""
        return [stream for stream, blocks in self._lists.items() if blocks]

    def note(self, thread: Thread, key: str, *values: int) -> int:
        """Log a call that changes nothing; give the event's number."""
        return self.log.write(thread, self._shapes[key], self.machine.now, *values)

    def allocate(self, thread: Thread, key: str) -> Steps[Block]:
        """ExAllocatePoolWithTag."""
        begin = self.machine.now
        yield self.machine.delay()
        pointer = self._pool.take()
        generation = self._generations[pointer] = self._generations.get(pointer, 0) + 1
        block = Block(pointer, generation)
        self.blocks.append(block)
        yield self.log.pause(thread)
        asked = (pointer, SIZE, PAGED, TAG)
        block.number = self.log.write(thread, self._shapes[key], begin, *asked)
        return block

    def free(self, thread: Thread, key: str, block: Block) -> Steps[None]:
        """ExFreePoolWithTag."""
        self.log.write(thread, self._shapes[key], 0, block.pointer, TAG)
        yield self.machine.delay()
        self.bury(block)

    def bury(self, block: Block) -> None:
        """Take the memory of a block back."""
        block.state = "freed"
        if not block.keep:
            self._pool.give(block.pointer)

    def init(self, thread: Thread, key: str, block: Block, owner: int | None = None) -> Steps[None]:
        """FsRtlInitPerStreamContext, which only fills fields."""
        block.owner = self.owner if owner is None else owner
        block.state = "initialised"
        self.log.write(thread, self._shapes[key], 0, block.pointer, block.owner, 0, self.callback)
        yield self.machine.delay()

    def insert(self, thread: Thread, key: str, stream: Stream, block: Block) -> Steps[int]:
        """FsRtlInsertPerStreamContext: gives the status."""
        begin = self.machine.now
        yield self.machine.delay()
        status = STATUS_SUCCESS if stream.supports else STATUS_INVALID_DEVICE_REQUEST
        if status == STATUS_SUCCESS:
            self.list_of(stream).insert(0, block)
            block.state, block.stream = "inserted", stream
        yield self.log.pause(thread)
        self.log.write(thread, self._shapes[key], begin, stream.pointer, block.pointer, status)
        return status

    def lookup(
        self, thread: Thread, key: str, stream: Stream, owner: int | None = None
    ) -> Steps[Block | None]:
        """FsRtlLookupPerStreamContext."""
        return (yield from self._find(thread, key, stream, owner, take=False))

    def remove(
        self, thread: Thread, key: str, stream: Stream, owner: int | None = None
    ) -> Steps[Block | None]:
        """FsRtlRemovePerStreamContext."""
        return (yield from self._find(thread, key, stream, owner, take=True))

    def drop(self, block: Block) -> None:
        """Take a block off its list."""
        assert block.stream is not None
        self.list_of(block.stream).remove(block)
        block.state, block.stream = "removed", None

    def _find(
        self, thread: Thread, key: str, stream: Stream, owner: int | None, *, take: bool
    ) -> Steps[Block | None]:
        begin, owner = self.machine.now, self.owner if owner is None else owner
        yield self.machine.delay()
        found = next((b for b in self.list_of(stream) if owner in (0, b.owner)), None)
        if found is not None and take:
            self.drop(found)
        yield self.log.pause(thread)
        pointer = found.pointer if found else 0
        self.log.write(thread, self._shapes[key], begin, stream.pointer, owner, 0, pointer)
        return found

    def _shape(self, key: str, site: Site) -> Shape:
        names = LEGACY_LOGGED.get(key, LEGACY_LOGGED[site.routine]).split()
        driver = FILE_SYSTEM if site.function == CLOSE_STREAM else DRIVER
        return self.log.shape(site, driver, names)
