"""The filter manager's routines as a driver's thread goes through them: start, effect, event.

Each is a script. Between a call's start, its effect and its event other threads run, so the log's order
between threads is not the order of the effects. Routines that hand out references are logged after the
effect; FltReleaseContext, FltReleaseContexts(Ex) and FltDeleteContext just before it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracecheck.fltmgr.status import (
    KEEP_IF_EXISTS,
    STATUS_FLT_CONTEXT_ALREADY_DEFINED,
    STATUS_INSUFFICIENT_RESOURCES,
    STATUS_SUCCESS,
)
from tracecheck.simulate.objects import CLEANING, ON_STREAM, TRANSACTION, VOLUME, Context
from tracecheck.simulate.registration import REGISTRATIONS
from tracecheck.simulate.sites import DISPATCH, MEMBERS, SITES, Site, kind_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from tracecheck.simulate.events import EventLog
    from tracecheck.simulate.fltmgr import FilterManager
    from tracecheck.simulate.forms.shape import Shape
    from tracecheck.simulate.machine import Machine, Steps, Thread
    from tracecheck.simulate.objects import FileObject, Filter, Instance, Node, Owner

_SECTION_HANDLES = 0xFFFF_FFFF_8000_1000


class Calls:
    """One driver's calls, by the key of the call site (:data:`tracecheck.simulate.sites.SITES`).

    Args:
        machine: Runs the threads.
        manager: Has the true counts.
        log: Gets the events.
        flt: The driver's filter.
        driver: The driver's name.
        sites: More call sites than the usual ones: those of faulty code.
        shortage: How often an allocation fails.
        silent: Tells the call sites that log nothing.

    Attributes:
        undertaker: The worker thread that cleans up what was released for the last time at DISPATCH_LEVEL.
    """

    def __init__(
        self,
        machine: Machine,
        manager: FilterManager,
        log: EventLog,
        flt: Filter,
        driver: str,
        *,
        sites: dict[str, Site],
        shortage: float = 0.0,
        silent: Callable[[Site], bool] = lambda _: False,
    ) -> None:
        self.machine = machine
        self.manager = manager
        self.log = log
        self.filter = flt
        self.driver = driver
        self.undertaker: Thread | None = None
        self._shortage = shortage
        self._shapes = {key: log.shape(site, driver) for key, site in (SITES | sites).items()}
        self._shapes["entry.registered"] = log.shape(SITES["entry.register"], driver, ("Filter", "Status"))
        for shape in self._shapes.values():
            shape.silent = silent(shape.site)
        self._kinds = {key: kind_of(shape.site.routine) for key, shape in self._shapes.items()}
        flt.calls = self

    def shape(self, key: str) -> Shape:
        """Give what the events of a call site have in common."""
        return self._shapes[key]

    def note(self, thread: Thread, key: str, *values: int) -> None:
        """Log a callback, or a call that changes no count."""
        self.log.write(thread, self._shapes[key], self.machine.now, *values)

    def allocate(self, thread: Thread, key: str, pool: int | None = None) -> Steps[Context | None]:
        """FltAllocateContext: a new context, None where it failed; ``pool`` is one other than the usual."""
        machine, shape = self.machine, self._shapes[key]
        kind = shape.site.kind
        want = REGISTRATIONS[kind]
        size, pool = want.size, want.pool if pool is None else pool
        begin = machine.now
        yield machine.delay()
        status, context = STATUS_INSUFFICIENT_RESOURCES, None
        if not self._is_short(shape):
            status, context = self.manager.allocate(self.filter, kind, size)
        yield self.log.pause(thread)
        pointer = context.pointer if context else 0
        asked = (kind, size, pool, want.pool_tag)
        number = self.log.write(thread, shape, begin, pointer, self.filter.pointer, *asked, status)
        if context is not None:
            context.number = number
        return context

    def set(
        self, thread: Thread, key: str, owner: Owner, node: Node, context: Context
    ) -> Steps[tuple[int, Context | None]]:
        """FltSetXxxContext: gives the status and OldContext, None where it is not asked for or NULL."""
        shape, kind = self._shapes[key], self._kinds[key]
        operation = shape.site.operation or 0
        begin = self.machine.now
        yield self.machine.delay()
        at = self._node(node, kind)
        status, old, dead = self.manager.set(owner, at, kind, operation, context, bool(shape.site.asks))
        if dead is not None:
            yield from self._bury(thread, shape, dead)
        yield self.log.pause(thread)
        place = node.place if kind == VOLUME else (owner.pointer, *node.place)
        received = ((old.pointer if old else 0),) if shape.site.asks else ()
        self.log.write(thread, shape, begin, context.pointer, *received, *place, status)
        return status, old

    def get(self, thread: Thread, key: str, owner: Owner, node: Node) -> Steps[Context | None]:
        """FltGetXxxContext: the context with one more reference, None where there is none."""
        begin = self.machine.now
        yield self.machine.delay()
        kind = self._kinds[key]
        status, context = self.manager.get(owner, self._node(node, kind), kind)
        yield self.log.pause(thread)
        pointer = context.pointer if context else 0
        self.log.write(thread, self._shapes[key], begin, pointer, owner.pointer, *node.place, status)
        return context

    def get_or_set(
        self, thread: Thread, keys: Sequence[str], owner: Owner, node: Node, inner: str | None = None
    ) -> Steps[Context | None]:
        """What drivers do in post-create: get a context, or allocate one and keep what is there already.

        Args:
            thread: Who calls.
            keys: The sites of get, allocate, set and of the release of a context that was not set.
            owner: The instance, or the filter of a volume context.
            node: The object.
            inner: The site of a FltGetInstanceContext whose reference a new context keeps.

        Returns:
            A context that the caller must release, None where there is none to be had.
        """
        get, allocate, attach, drop = keys
        context = yield from self.get(thread, get, owner, node)
        if context is not None or not self._node(node, self._kinds[get]).supports:
            return context
        context = yield from self.allocate(thread, allocate)
        if context is None:
            return None
        if inner is not None:
            held = yield from self.get(thread, inner, owner, owner)
            context.stored = (held,) if held else ()
        status, old = yield from self.set(thread, attach, owner, node, context)
        if status == STATUS_SUCCESS:
            return context
        yield from self.release(thread, drop, context)
        return old if status == STATUS_FLT_CONTEXT_ALREADY_DEFINED else None

    def reference(self, thread: Thread, key: str, context: Context) -> Steps[None]:
        """FltReferenceContext."""
        begin = self.machine.now
        yield self.machine.delay()
        self.manager.reference(context)
        yield self.log.pause(thread)
        self.log.write(thread, self._shapes[key], begin, context.pointer)

    def release(self, thread: Thread, key: str, context: Context) -> Steps[None]:
        """FltReleaseContext; the cleanup callback runs in here, or in a worker thread at DISPATCH_LEVEL."""
        shape = self._shapes[key]
        self.log.write(thread, shape, 0, context.pointer)
        yield self.machine.delay()
        if self.manager.release(context):
            yield from self._bury(thread, shape, context)

    def delete_context(self, thread: Thread, key: str, context: Context) -> Steps[None]:
        """FltDeleteContext."""
        shape = self._shapes[key]
        self.log.write(thread, shape, 0, context.pointer)
        yield self.machine.delay()
        if self.manager.delete_context(context):
            yield from self._bury(thread, shape, context)

    def delete(self, thread: Thread, key: str, owner: Owner, node: Node) -> Steps[Context | None]:
        """FltDeleteXxxContext: gives OldContext, None where it is not asked for or NULL."""
        shape, kind = self._shapes[key], self._kinds[key]
        begin = self.machine.now
        yield self.machine.delay()
        asks = bool(shape.site.asks)
        status, old, dead = self.manager.delete(owner, self._node(node, kind), kind, asks)
        if dead is not None:
            yield from self._bury(thread, shape, dead)
        yield self.log.pause(thread)
        received = ((old.pointer if old else 0),) if asks else ()
        self.log.write(thread, shape, begin, *received, owner.pointer, *node.place, status)
        return old

    def get_contexts(
        self, thread: Thread, key: str, instance: Instance, file: FileObject, desired: int
    ) -> Steps[list[Context]]:
        """FltGetContexts(Ex): gives the members that were found."""
        shape = self._shapes[key]
        extended = shape.site.routine.endswith("Ex")
        begin = self.machine.now
        yield self.machine.delay()
        found = {}
        for kind, owner, node in self._related(instance, file):
            if desired & kind:
                _, found[kind] = self.manager.get(owner, node, kind)
        yield self.log.pause(thread)
        place = (instance.pointer, *file.place, desired)
        members = self._members(shape, [context for context in found.values() if context])
        self.log.write(thread, shape, begin, *place, *((STATUS_SUCCESS,) if extended else ()), *members)
        return [context for context in found.values() if context]

    def release_contexts(self, thread: Thread, key: str, contexts: Sequence[Context]) -> Steps[None]:
        """FltReleaseContexts(Ex)."""
        shape = self._shapes[key]
        self.log.write(thread, shape, 0, *self._members(shape, contexts))
        yield self.machine.delay()
        for context in contexts:
            if self.manager.release(context):
                yield from self._bury(thread, shape, context)

    def create_section(
        self, thread: Thread, key: str, instance: Instance, file: FileObject, context: Context, status: int
    ) -> Steps[int]:
        """FltCreateSectionForDataScan; a ``status`` that is no success says how it fails."""
        begin = self.machine.now
        yield self.machine.delay()
        if status == STATUS_SUCCESS:
            stream = file.stream
            status, _, _ = self.manager.set(
                instance, stream, context.kind, KEEP_IF_EXISTS, context, wanted=False
            )
            context.sectioned = status == STATUS_SUCCESS
        yield self.log.pause(thread)
        made = status == STATUS_SUCCESS
        handle = _SECTION_HANDLES & (2 ** (8 * self.log.pointer_size) - 1) if made else 0
        section = context.pointer ^ 0x4000 if made else 0
        where = (context.pointer, instance.pointer, *file.place)
        self.log.write(thread, self._shapes[key], begin, *where, handle, section, status)
        return status

    def close_section(self, thread: Thread, key: str, context: Context) -> Steps[None]:
        """FltCloseSectionForDataScan."""
        shape = self._shapes[key]
        begin, pointer = self.machine.now, context.pointer
        yield self.machine.delay()
        status, dead = self.manager.close_section(context)
        if dead:
            yield from self._bury(thread, shape, context)
        yield self.log.pause(thread)
        self.log.write(thread, shape, begin, pointer, status)

    def use(self, thread: Thread, key: str, context: Context) -> Steps[None]:
        """ContextUse: the driver touches the memory."""
        self.log.write(thread, self._shapes[key], 0, context.pointer)
        yield self.machine.delay()

    def detach(self, thread: Thread, dead: Iterable[Context]) -> Steps[None]:
        """An object went away: runs the cleanup of what died of it, whoever's it is."""
        for context in dead:
            calls = context.filter.calls
            assert calls is not None
            yield from calls.clean_up(thread, context)

    def clean_up(self, thread: Thread, context: Context) -> Steps[None]:
        """The driver's cleanup callback, then the end of the context."""
        assert context.state == CLEANING
        self.log.write(thread, self._shapes["cleanup.begin"], 0, context.pointer, context.kind)
        yield self.machine.delay()
        for held in context.stored:
            yield from self.release(thread, "cleanup.release-stored", held)
        self.log.write(thread, self._shapes["cleanup.end"], 0, context.pointer, context.kind)
        yield self.machine.delay()
        self.manager.free(context)

    def _bury(self, thread: Thread, shape: Shape, context: Context) -> Steps[None]:
        """The count reached zero: cleans up here, or in a worker thread where the IRQL forbids it."""
        if shape.site.irql == DISPATCH and self.undertaker is not None:
            self.machine.post(self.undertaker, lambda worker: self.clean_up(worker, context))
        else:
            yield from self.clean_up(thread, context)

    def _is_short(self, shape: Shape) -> bool:
        """Whether there is no memory for an allocation; instances are set up when there is enough."""
        return shape.site.function != "InstanceSetup" and self.machine.random() < self._shortage

    def _related(self, instance: Instance, file: FileObject) -> list[tuple[int, Owner, Node]]:
        """Name owner and object for each type that FltGetContexts looks for."""
        nodes: dict[int, tuple[Owner, Node]] = {kind: (instance, self._node(file, kind)) for kind in MEMBERS}
        nodes[VOLUME] = (self.filter, instance.volume)
        nodes[MEMBERS[1]] = (instance, instance)
        if file.transaction is None:
            del nodes[TRANSACTION]
        else:
            nodes[TRANSACTION] = (instance, file.transaction)
        return [(kind, owner, node) for kind, (owner, node) in nodes.items()]

    def _members(self, shape: Shape, contexts: Iterable[Context]) -> tuple[int, ...]:
        """Lay contexts out as FLT_RELATED_CONTEXTS(_EX) does."""
        found = {context.kind: context.pointer for context in contexts}
        kinds = MEMBERS if shape.site.routine.endswith("Ex") else MEMBERS[:-1]
        return tuple(found.get(kind, 0) for kind in kinds)

    @staticmethod
    def _node(node: Node, kind: int) -> Node:
        return node.stream if kind & ON_STREAM else node
