"""The I/O callbacks of the simulated driver, as scripts.

All of them are what a careful driver does: contexts are looked up at passive level and never in
pre-create or post-close, what comes from a Get is released on every path, and what a post-operation
callback at DISPATCH_LEVEL releases lies in nonpaged pool.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracecheck.fltmgr.status import STATUS_SUCCESS
from tracecheck.simulate.objects import SECTION, STREAMHANDLE
from tracecheck.simulate.registration import STATUS_FILE_LOCK_CONFLICT
from tracecheck.simulate.sites import CONTROL, MEMBERS, POST, PRE, QUERY, READ, SET, WRITE

if TYPE_CHECKING:
    from tracecheck.simulate.driver import Driver
    from tracecheck.simulate.kernel import Io
    from tracecheck.simulate.machine import Steps, Thread
    from tracecheck.simulate.objects import Context, FileObject, Instance

_STREAM_SITES = ("create.get-stream", "create.allocate-stream", "create.set-stream", "create.release-unset")
_FILE_SITES = ("create.get-file", "create.allocate-file", "create.set-file", "create.release-unset-file")
_TX_SITES = ("create.get-tx", "create.allocate-tx", "create.set-tx", "create.release-unset-tx")

_DELAYED = 0.3
_HALF = 0.5
_RARE = 0.1


def pre_create(driver: Driver, thread: Thread, instance: Instance) -> Steps[Context | None]:
    """Allocate the context of the handle to be, for post-create to attach."""
    if driver.mix.early and driver.machine.random() < driver.mix.early:
        yield from _look_around(driver, thread, instance)
    if driver.machine.random() >= driver.mix.handles:
        return None
    return (yield from driver.calls.allocate(thread, "precreate.allocate-handle"))


def _look_around(driver: Driver, thread: Thread, instance: Instance) -> Steps[None]:
    """Use what pre-create may: the instance's context, and that of a file which it has opened itself."""
    calls = driver.calls
    context = yield from calls.get(thread, "precreate.get-instance", instance, instance)
    if context is not None:
        yield from calls.release(thread, "precreate.release-instance", context)
    other = driver.world.open_below(instance.volume)
    context = yield from calls.get(thread, "precreate.get-other", instance, other)
    if context is not None:
        yield from calls.release(thread, "precreate.release-other", context)
    driver.world.close_below(other)


def pre_network_query_open(driver: Driver, thread: Thread, instance: Instance) -> Steps[None]:
    """Pre-network-query-open looks at the instance's context: the file's are not supported there."""
    calls = driver.calls
    context = yield from calls.get(thread, "network.get-instance", instance, instance)
    if context is not None:
        yield from calls.release(thread, "network.release-instance", context)


def post_create(
    driver: Driver, thread: Thread, instance: Instance, file: FileObject, handle: Context | None, opened: bool
) -> Steps[None]:
    """Give the stream, the handle and now and then the file and the transaction their contexts."""
    calls, mix, random = driver.calls, driver.mix, driver.machine.random
    if not opened or file.paging:
        if opened:
            yield from calls.get(thread, "create.get-paging", instance, file)
        if handle is not None:
            key = "create.release-paging" if opened else "create.release-failed"
            yield from calls.release(thread, key, handle)
        return
    if random() < _RARE:
        yield from _ask_for_support(driver, thread, instance, file)
    if handle is not None:
        yield from _attach_handle(driver, thread, instance, file, handle)
    inner = "create.get-instance" if random() < mix.nested else None
    stream = yield from calls.get_or_set(thread, _STREAM_SITES, instance, file, inner)
    if random() < mix.files:
        context = yield from calls.get_or_set(thread, _FILE_SITES, instance, file)
        if context is not None:
            yield from calls.release(thread, "create.release-file", context)
    if file.transaction is not None:
        context = yield from calls.get_or_set(thread, _TX_SITES, instance, file.transaction)
        if context is not None:
            yield from calls.release(thread, "create.release-tx", context)
    if stream is not None:
        if random() < mix.uses:
            yield from calls.use(thread, "create.use-stream", stream)
        yield from calls.release(thread, "create.release-stream", stream)


def _ask_for_support(driver: Driver, thread: Thread, instance: Instance, file: FileObject) -> Steps[None]:
    yield driver.machine.delay()
    answer = int(file.supports)
    if driver.machine.random() < _HALF:
        driver.calls.note(thread, "create.supports", *file.place, answer)
    else:
        driver.calls.note(thread, "create.supports-file", *file.place, instance.pointer, answer)


def _attach_handle(
    driver: Driver, thread: Thread, instance: Instance, file: FileObject, handle: Context
) -> Steps[None]:
    key = "create.set-handle" if driver.machine.random() < _HALF else "create.keep-handle"
    _, old = yield from driver.calls.set(thread, key, instance, file, handle)
    if old is not None:
        yield from driver.calls.release(thread, "create.release-old-handle", old)
    yield from driver.calls.release(thread, "create.release-handle", handle)


def read(driver: Driver, thread: Thread, instance: Instance, file: FileObject) -> Steps[None]:
    """Pre-read looks the context up; half of the reads pass it to post-read."""
    io = driver.world.io(file, READ)
    steps = _pre_read(driver, thread, instance, file)
    context = yield from driver.world.callback(thread, driver, io, PRE, steps)
    if context is not None:
        yield from _complete(driver, thread, "read", instance, file, context, io)


def _pre_read(driver: Driver, thread: Thread, instance: Instance, file: FileObject) -> Steps[Context | None]:
    """Give the context that post-read gets."""
    calls, random = driver.calls, driver.machine.random
    context = yield from calls.get(thread, "read.get", instance, file)
    if context is None:
        return None
    if random() < driver.mix.uses:
        yield from calls.use(thread, "read.use", context)
    if random() < _HALF:
        yield from calls.release(thread, "read.release", context)
        return None
    return context


def write(driver: Driver, thread: Thread, instance: Instance, file: FileObject) -> Steps[None]:
    """Pre-write looks the context up and passes it to post-write."""
    io = driver.world.io(file, WRITE)
    steps = driver.calls.get(thread, "write.get", instance, file)
    context = yield from driver.world.callback(thread, driver, io, PRE, steps)
    if context is not None:
        yield from _complete(driver, thread, "write", instance, file, context, io)


def _complete(
    driver: Driver,
    thread: Thread,
    which: str,
    instance: Instance,
    file: FileObject,
    context: Context,
    io: Io | None,
) -> Steps[None]:
    """Hand a reference to the post-operation callback: in this thread, or wherever the I/O completes."""
    machine = driver.machine
    if machine.random() >= driver.mix.dispatch:
        yield 20 + machine.below(200)
        steps = _post(driver, thread, which, instance, context)
        yield from driver.world.callback(thread, driver, io, POST, steps)
        return
    instance.inflight += 1
    file.pending += 1

    def completion(idle: Thread) -> Steps[None]:
        steps = _post_at_dispatch(driver, idle, which, instance, context)
        yield from driver.world.callback(idle, driver, io, POST, steps)
        instance.inflight -= 1
        file.pending -= 1

    machine.post(driver.world.idle_thread(), completion)
    yield machine.delay()


def _post(driver: Driver, thread: Thread, which: str, instance: Instance, context: Context) -> Steps[None]:
    calls = driver.calls
    if instance.tearing:
        yield from calls.release(thread, f"{which}.post-release-drain", context)
        return
    if which == "write" and driver.machine.random() < driver.mix.uses:
        yield from calls.use(thread, "write.post-use", context)
    yield from calls.release(thread, f"{which}.post-release", context)


def _post_at_dispatch(
    driver: Driver, idle: Thread, which: str, instance: Instance, context: Context
) -> Steps[None]:
    calls = driver.calls
    if which == "write" and not instance.tearing and driver.machine.random() < _DELAYED:
        yield from calls.reference(idle, "write.post-reference-dpc", context)
        _queue(driver, instance, context)
    yield from calls.release(idle, f"{which}.post-release-dpc", context)


def query(driver: Driver, thread: Thread, instance: Instance, file: FileObject) -> Steps[None]:
    """Pre-query-information looks at the handle's context, or the file's."""
    calls, random = driver.calls, driver.machine.random
    which = "handle" if random() < 1 - _DELAYED else "file"
    context = yield from calls.get(thread, f"query.get-{which}", instance, file)
    if context is None:
        return
    if which == "handle" and random() < driver.mix.uses:
        yield from calls.use(thread, "query.use-handle", context)
    yield from calls.release(thread, f"query.release-{which}", context)


def related(driver: Driver, thread: Thread, instance: Instance, file: FileObject) -> Steps[None]:
    """Pre-set-information gets all contexts at once and releases them at once, or one by one."""
    calls, random = driver.calls, driver.machine.random
    extended = "-ex" if random() < _HALF else ""
    desired = sum(kind for kind in MEMBERS if random() < 1 - _DELAYED)
    desired &= ~SECTION if not extended else ~0
    found = yield from calls.get_contexts(thread, f"set.get-all{extended}", instance, file, desired)
    yield 10 + driver.machine.below(100)
    if random() < _DELAYED:
        for context in found:
            yield from calls.release(thread, "set.release-one", context)
    else:
        yield from calls.release_contexts(thread, f"set.release-all{extended}", found)


def control(driver: Driver, thread: Thread, instance: Instance, file: FileObject) -> Steps[None]:
    """Pre-file-system-control looks at the instance's context and the volume's."""
    calls = driver.calls
    context = yield from calls.get(thread, "control.get-instance", instance, instance)
    volume = yield from calls.get(thread, "control.get-volume", calls.filter, file.file.volume)
    if volume is not None:
        yield from calls.release(thread, "control.release-volume", volume)
    if context is not None:
        yield from calls.release(thread, "control.release-instance", context)


def scan(driver: Driver, thread: Thread, instance: Instance, file: FileObject) -> Steps[None]:
    """Scans a file through a section, one scan at a time."""
    if not file.supports or file.file in driver.scanning:
        return
    driver.scanning.add(file.file)
    yield from _scan(driver, thread, instance, file)
    driver.scanning.remove(file.file)


def _scan(driver: Driver, thread: Thread, instance: Instance, file: FileObject) -> Steps[None]:
    calls, random = driver.calls, driver.machine.random
    context = yield from calls.allocate(thread, "scan.allocate")
    if context is None:
        return
    status = STATUS_FILE_LOCK_CONFLICT if random() < _RARE else STATUS_SUCCESS
    status = yield from calls.create_section(thread, "scan.create", instance, file, context, status)
    if status != STATUS_SUCCESS:
        yield from calls.release(thread, "scan.release-failed", context)
        return
    yield 100 + driver.machine.below(800)
    if random() < _DELAYED:
        found = yield from calls.get(thread, "scan.get", instance, file)
        if found is not None:
            yield from calls.release(thread, "scan.release-got", found)
    yield from calls.close_section(thread, "scan.close", context)
    yield from calls.release(thread, "scan.release", context)


def work(driver: Driver, thread: Thread, instance: Instance, file: FileObject) -> Steps[None]:
    """Pre-write gives a work item a reference: one of its own, or the one it has just got."""
    calls = driver.calls
    context = yield from calls.get(thread, "work.get", instance, file)
    if context is None:
        return
    if driver.machine.random() < _HALF:
        _queue(driver, instance, context)
        return
    yield from calls.reference(thread, "work.reference", context)
    _queue(driver, instance, context)
    yield from calls.release(thread, "work.release", context)


def _queue(driver: Driver, instance: Instance, context: Context) -> None:
    """Queue a work item that owns a reference; it holds up the instance's teardown, as in real drivers."""
    instance.inflight += 1

    def item(worker: Thread) -> Steps[None]:
        yield 50 + driver.machine.below(400)
        if driver.machine.random() < driver.mix.uses:
            yield from driver.calls.use(worker, "worker.use", context)
        yield from driver.calls.release(worker, "worker.release", context)
        instance.inflight -= 1

    driver.machine.post(driver.world.worker(), item)


def dirty(driver: Driver, thread: Thread, instance: Instance, file: FileObject) -> Steps[None]:
    """Pre-write puts a reference on a list that another thread empties from time to time."""
    calls = driver.calls
    context = yield from calls.get(thread, "write.get", instance, file)
    if context is None:
        return
    yield from calls.reference(thread, "write.reference", context)
    if instance.tearing:
        yield from calls.release(thread, "teardown.release-dirty", context)
    else:
        driver.add_dirty(context, instance)
    yield from calls.release(thread, "write.release", context)


def reset(driver: Driver, thread: Thread, instance: Instance, file: FileObject) -> Steps[None]:
    """Replaces the stream's context; half of the time without asking for the old one."""
    calls = driver.calls
    context = yield from calls.allocate(thread, "reset.allocate")
    if context is None:
        return
    if driver.mix.inits and driver.machine.random() < driver.mix.inits:
        yield from calls.use(thread, "init.use", context)
    key = "reset.set" if driver.machine.random() < _HALF else "reset.set-blind"
    _, old = yield from calls.set(thread, key, instance, file, context)
    if old is not None:
        yield from calls.release(thread, "reset.release-old", old)
    yield from calls.release(thread, "reset.release-new", context)


def drop(driver: Driver, thread: Thread, instance: Instance, file: FileObject) -> Steps[None]:
    """Deletes a context, in one of the ways there are."""
    calls, choice = driver.calls, driver.machine.below(5)
    if choice == 0:
        context = yield from calls.get(thread, "drop.get", instance, file)
        if context is not None:
            yield from calls.delete_context(thread, "drop.delete", context)
            yield from calls.release(thread, "drop.release", context)
        return
    keys = ("drop.delete-stream", "drop.delete-stream-blind", "drop.delete-file", "drop.delete-handle")
    old = yield from calls.delete(thread, keys[choice - 1], instance, file)
    if old is not None:
        key = "drop.release-handle" if old.kind == STREAMHANDLE else "drop.release-old"
        yield from calls.release(thread, key, old)


def pre_cleanup(driver: Driver, thread: Thread, instance: Instance, file: FileObject) -> Steps[None]:
    """Note in the stream's context that a handle is gone."""
    calls = driver.calls
    context = yield from calls.get(thread, "finish.get", instance, file)
    if context is None:
        return
    if driver.machine.random() < driver.mix.uses:
        yield from calls.use(thread, "finish.use", context)
    yield from calls.release(thread, "finish.release", context)


def pre_close(driver: Driver, thread: Thread, instance: Instance, file: FileObject) -> Steps[Context | None]:
    """Deletes the handle's context now and then; mostly the file object's end does.

    Returns:
        The stream's context where post-close is to release it.
    """
    late = None
    if driver.mix.late and driver.machine.random() < driver.mix.late:
        late = yield from driver.calls.get(thread, "close.get-late", instance, file)
    yield from _delete_handle(driver, thread, instance, file)
    return late


def post_close(driver: Driver, thread: Thread, context: Context) -> Steps[None]:
    """Releases what pre-close got."""
    yield from driver.calls.release(thread, "close.post-release", context)


def _delete_handle(driver: Driver, thread: Thread, instance: Instance, file: FileObject) -> Steps[None]:
    if driver.machine.random() >= _DELAYED:
        return
    calls = driver.calls
    context = yield from calls.get(thread, "close.get-handle", instance, file)
    if context is not None:
        yield from calls.delete_context(thread, "close.delete-handle", context)
        yield from calls.release(thread, "close.release-handle", context)


#: Behaviour -> IRP_MJ_* and phase of the callback it is; reads and writes call theirs themselves.
POSITIONS = {
    "query": (QUERY, PRE),
    "related": (SET, PRE),
    "control": (CONTROL, PRE),
    "work": (WRITE, PRE),
    "dirty": (WRITE, PRE),
    "reset": (SET, POST),
    "drop": (SET, POST),
}

#: Weight in the mix -> what happens to an open file.
BEHAVIOURS = {
    "read": read,
    "write": write,
    "query": query,
    "related": related,
    "control": control,
    "scan": scan,
    "work": work,
    "dirty": dirty,
    "reset": reset,
    "drop": drop,
}
