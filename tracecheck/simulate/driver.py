"""A simulated minifilter: it registers, attaches to volumes, detaches, and unloads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracecheck.fltmgr.status import STATUS_SUCCESS
from tracecheck.simulate.objects import Context, Filter, Instance, Volume
from tracecheck.simulate.registration import REGISTRATIONS, STATUS_FLT_DO_NOT_ATTACH, VARIABLE_SIZE

if TYPE_CHECKING:
    from collections.abc import Callable

    from tracecheck.simulate.calls import Calls
    from tracecheck.simulate.machine import Machine, Steps, Thread
    from tracecheck.simulate.objects import Stream
    from tracecheck.simulate.scenario import Mix
    from tracecheck.simulate.world import World

#: Names of the drivers, in the order of their altitudes.
NAMES = ("Sim", "Vault", "Tidy")

_POLL = 60
_PATIENCE = 2_000_000  # polls; a run that waits longer is a mistake of the model


class Driver:
    """A minifilter.

    Args:
        world: Where it runs.
        calls: Its calls.
        flt: Its filter.
        mix: What it does and how often.
        patience: Ticks that a context stays on the list of dirty ones.

    Attributes:
        instances: Its instances, by volume.
        dirty: References that wait for a thread to release them, with their instances.
        scanning: Streams that are being scanned.
        forgotten: Contexts that a fault keeps from ever being freed.
    """

    def __init__(self, world: World, calls: Calls, flt: Filter, mix: Mix, patience: int) -> None:
        self.world = world
        self.machine: Machine = world.machine
        self.calls = calls
        self.filter = flt
        self.mix = mix
        self._patience = patience
        self._flushing = False
        self.instances: dict[Volume, Instance] = {}
        self.dirty: list[tuple[Context, Instance]] = []
        self.scanning: set[Stream] = set()
        self.forgotten: list[Context] = []

    def instance_on(self, volume: Volume) -> Instance | None:
        """Give the instance whose callbacks an operation on ``volume`` reaches, None for none."""
        instance = self.instances.get(volume)
        return None if instance is None or instance.tearing else instance

    def load(self, thread: Thread) -> Steps[None]:
        """DriverEntry: registers the filter; FltMgr then offers it every volume."""
        pointer = self.filter.pointer
        for kind, entry in REGISTRATIONS.items():
            if kind in self.world.unregistered:
                continue
            size = entry.size if entry.fixed else VARIABLE_SIZE
            self.calls.note(thread, "entry.register", pointer, kind, size, entry.pool_tag, entry.pool)
            yield 2
        self.calls.note(thread, "entry.registered", pointer, STATUS_SUCCESS)
        for volume in self.world.volumes:
            yield from self.attach(thread, volume)

    def attach(self, thread: Thread, volume: Volume) -> Steps[None]:
        """InstanceSetup: the instance's context and, if it is the first one there, the volume's."""
        calls = self.calls
        instance = self.world.make_instance(volume)
        where = (self.filter.pointer, instance.pointer, volume.pointer)
        if volume.quirk == "remote":
            yield 20
            calls.note(thread, "setup.end", *where, STATUS_FLT_DO_NOT_ATTACH)
            return
        context = yield from calls.allocate(thread, "setup.allocate-instance")
        if context is not None:
            yield from calls.set(thread, "setup.set-instance", instance, instance, context)
            yield from calls.release(thread, "setup.release-instance", context)
        yield from self._attach_volume(thread, volume)
        calls.note(thread, "setup.data-scan", instance.pointer, STATUS_SUCCESS)
        yield 20
        self.instances[volume] = instance
        calls.note(thread, "setup.end", *where, STATUS_SUCCESS)

    def _attach_volume(self, thread: Thread, volume: Volume) -> Steps[None]:
        calls = self.calls
        keys = ("setup.get-volume", "setup.allocate-volume", "setup.set-volume", "setup.release-old-volume")
        context = yield from calls.get_or_set(thread, keys, self.filter, volume)
        if context is not None:
            yield from calls.release(thread, "setup.release-volume", context)

    def detach(self, thread: Thread, instance: Instance) -> Steps[None]:
        """InstanceTeardownStart, the wait for what is in flight, Complete; FltMgr then drops the links."""
        calls, volume = self.calls, instance.volume
        where = (self.filter.pointer, instance.pointer, volume.pointer)
        instance.tearing = True
        calls.note(thread, "teardown.start", *where)
        yield 10
        for context in self._take_dirty(instance):
            yield from calls.release(thread, "teardown.release-dirty", context)
        yield from self._wait(lambda: instance.inflight == 0)
        calls.note(thread, "teardown.complete", *where)
        yield 10
        context_of_instance = yield from calls.get(thread, "teardown.get-instance", instance, instance)
        if context_of_instance is not None:
            yield from calls.release(thread, "teardown.release-instance", context_of_instance)
        if self.instances.get(volume) is instance:
            del self.instances[volume]
        yield 40
        yield from calls.detach(thread, calls.manager.tear_down_owner(instance))
        yield 10
        self.world.free_instance(instance)

    def unload(self, thread: Thread) -> Steps[bool]:
        """FilterUnload and FltUnregisterFilter; give whether the latter returned."""
        calls, pointer = self.calls, self.filter.pointer
        calls.note(thread, "unload.begin", pointer)
        yield 200
        calls.note(thread, "unregister.begin", pointer)
        yield 20
        self.filter.tearing = True
        for instance in list(self.instances.values()):
            yield from self.detach(thread, instance)
        yield from calls.detach(thread, calls.manager.tear_down_owner(self.filter))
        yield from self._wait(lambda: self.filter.alive <= len(self.forgotten))
        if self.filter.alive and not self.world.scenario.returns:
            return False
        yield 100
        calls.note(thread, "unregister.end", pointer)
        yield 20
        calls.note(thread, "unload.end", pointer)
        return True

    def forget(self, context: Context) -> None:
        """Note that ``context`` will never be freed, and what it keeps alive with it."""
        if context.leaked:
            return
        context.leaked = True
        self.forgotten.append(context)
        for held in context.stored:
            self.forget(held)

    def add_dirty(self, context: Context, instance: Instance) -> None:
        """Put a reference on the list that a thread of the driver's own empties a little later."""
        self.dirty.append((context, instance))
        if not self._flushing:
            self._flushing = True
            lazy = self.world.lazy_thread()
            self.machine.run(lazy, self._flush_dirty(lazy), 1 + self._patience)

    def _flush_dirty(self, thread: Thread) -> Steps[None]:
        while self.dirty:
            context, instance = self.dirty.pop(0)
            instance.inflight += 1
            yield from self.calls.release(thread, "lazy.release", context)
            instance.inflight -= 1
        self._flushing = False

    def _take_dirty(self, instance: Instance) -> list[Context]:
        mine = [context for context, where in self.dirty if where is instance]
        self.dirty = [entry for entry in self.dirty if entry[1] is not instance]
        return mine

    def _wait(self, done: Callable[[], bool]) -> Steps[None]:
        for _ in range(_PATIENCE):
            if done():
                return
            yield _POLL
        raise AssertionError("a simulated driver waits for ever")
