"""A legacy filter: a context for some streams, looked up in I/O, removed now and then, freed with its stream.

It locks what the lists do not: who attaches or removes holds a stream alone, and who looks up keeps the
remover away for as long as the pointer is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracecheck.fltmgr.status import STATUS_SUCCESS

if TYPE_CHECKING:
    from collections.abc import Callable

    from tracecheck.simulate.legacy.routines import Block, PerStreamCalls
    from tracecheck.simulate.machine import Steps, Thread
    from tracecheck.simulate.objects import Stream
    from tracecheck.simulate.scenario import Mix

_POLL = 40
_DROPS = 0.15
_PATIENCE = 2_000_000


class LegacyDriver:
    """A legacy filter driver.

    Args:
        calls: Its calls.
        mix: What it does and how often.

    Attributes:
        in_callback: What a fault does in the FreeCallback of a block besides the free.
    """

    def __init__(self, calls: PerStreamCalls, mix: Mix) -> None:
        self.calls = calls
        self.in_callback: dict[Block, Callable[[Thread], Steps[None]]] = {}
        self._mix = mix
        self._random = calls.machine.random
        self._alone: set[Stream] = set()
        self._users: dict[Stream, int] = {}
        self._inflight = 0
        self._stopped = False

    def created(self, thread: Thread, stream: Stream) -> Steps[None]:
        """The file system has completed a create: the stream gets its context, if it has none."""
        if self._stopped or stream.private or self._random() >= self._mix.legacy:
            return
        self._inflight += 1
        yield from self.attach(thread, stream)
        self._inflight -= 1

    def attach(self, thread: Thread, stream: Stream) -> Steps[Block | None]:
        """Give a stream a context, or find the one it has; None where it cannot have one."""
        calls = self.calls
        block = yield from calls.allocate(thread, "old.allocate")
        yield from calls.init(thread, "old.init", block)
        yield from self.lock(stream)
        found = yield from calls.lookup(thread, "old.look-first", stream)
        if found is not None:
            self.unlock(stream)
            yield from calls.free(thread, "old.free-unused", block)
            return found
        status = yield from calls.insert(thread, "old.insert", stream, block)
        self.unlock(stream)
        if status != STATUS_SUCCESS:
            yield from calls.free(thread, "old.free-unused", block)
            return None
        return block

    def used(self, thread: Thread, stream: Stream) -> Steps[None]:
        """An operation on an open file looks the context up."""
        if self._stopped or self._random() >= self._mix.legacy:
            return
        self._inflight += 1
        while stream in self._alone:
            yield _POLL
        self._users[stream] = self._users.get(stream, 0) + 1
        found = yield from self.calls.lookup(thread, "old.look", stream)
        if found is not None and self._random() < self._mix.uses:
            self.calls.note(thread, "old.use", found.pointer)
            yield self.calls.machine.delay()
        self._users[stream] -= 1
        self._inflight -= 1

    def cleaned(self, thread: Thread, stream: Stream) -> Steps[None]:
        """A handle is closed: now and then the context goes with it."""
        if self._stopped or stream.private or self._random() >= self._mix.legacy * _DROPS:
            return
        self._inflight += 1
        yield from self.lock(stream)
        found = yield from self.calls.remove(thread, "old.remove", stream)
        self.unlock(stream)
        if found is not None:
            yield from self.calls.free(thread, "old.free", found)
        self._inflight -= 1

    def torn_down(self, thread: Thread, stream: Stream, key: str = "old.teardown") -> Steps[None]:
        """FsRtlTeardownPerStreamContexts, as the file system calls it when a stream goes away."""
        calls, begin = self.calls, self.calls.machine.now
        if not calls.list_of(stream):
            return
        yield calls.machine.delay()
        while calls.list_of(stream):
            block = calls.list_of(stream)[0]
            calls.drop(block)
            block.state = "torn down"
            yield calls.machine.delay()
            yield from self._free_callback(thread, block)
        calls.log.write(thread, calls.shape(key), begin, stream.pointer)

    def unload(self, thread: Thread) -> Steps[None]:
        """DriverUnload: all contexts that are left are removed and freed."""
        calls = self.calls
        calls.note(thread, "old.unload")
        self._stopped = True
        for _ in range(_PATIENCE):
            if not self._inflight:
                break
            yield _POLL
        for stream in calls.streams():
            while any(not block.forgotten for block in calls.list_of(stream)):
                found = yield from calls.remove(thread, "old.unload-remove", stream)
                if found is not None:
                    yield from calls.free(thread, "old.unload-free", found)
        yield 100
        calls.note(thread, "old.unloaded")

    def lock(self, stream: Stream) -> Steps[None]:
        """Wait until nobody else works on a stream's contexts."""
        while stream in self._alone:
            yield _POLL
        self._alone.add(stream)
        while self._users.get(stream):
            yield _POLL

    def unlock(self, stream: Stream) -> None:
        """Let others work on them again."""
        self._alone.discard(stream)

    def _free_callback(self, thread: Thread, block: Block) -> Steps[None]:
        calls = self.calls
        calls.note(thread, "old.callback", block.pointer)
        other = self.in_callback.pop(block, None)
        if other is not None:
            yield from other(thread)
        yield calls.machine.delay()
        if not block.forgotten:
            yield from calls.free(thread, "old.callback-free", block)
        calls.note(thread, "old.callback-end", block.pointer)
