"""Scripts of leaks: a reference is taken, and no path of the driver drops it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracecheck.fltmgr.status import STATUS_SUCCESS
from tracecheck.simulate.faults.form import Rule, Way
from tracecheck.simulate.objects import STREAM, STREAMHANDLE
from tracecheck.simulate.registration import STATUS_FILE_LOCK_CONFLICT

if TYPE_CHECKING:
    from tracecheck.simulate.faults.injection import Injection
    from tracecheck.simulate.machine import Steps
    from tracecheck.simulate.objects import Context, FileObject, Instance, Node, Owner, Volume

_A_MILLISECOND = 10_000
_ALL_BUT_SECTION = 0x3F


def allocation(hand: Injection) -> Steps[None]:
    """Allocate, sets, and forgets that the allocation's own reference is still there."""
    file, instance = yield from hand.open(hand.volume)
    calls, thread = hand.calls, hand.thread
    context = yield from allocate(hand, "reset.allocate")
    hand.leak("reset.allocate", context)
    _, old = yield from calls.set(thread, "reset.set", instance, file, context)
    if old is not None:
        yield from calls.release(thread, "reset.release-old", old)
    yield from hand.world.close(thread, file)


def reference(hand: Injection) -> Steps[None]:
    """Take a reference for a list that is never emptied."""
    file, instance = yield from hand.open(hand.volume)
    yield from _leak_reference(hand, file, instance)
    yield from hand.world.close(hand.thread, file)


def kept(hand: Injection) -> Steps[None]:
    """Loses the race to set a context, and never releases the winner's that it received."""
    file, instance = yield from hand.open(hand.volume)
    calls, thread = hand.calls, hand.thread
    context = yield from allocate(hand, "create.allocate-stream")
    _, old = yield from calls.set(thread, "create.set-stream", instance, file, context)
    assert old is not None
    hand.leak("create.set-stream", old)
    yield from calls.release(thread, "create.release-unset", context)
    yield from hand.world.close(thread, file)


def replaced(hand: Injection) -> Steps[None]:
    """Replaces a context, and never releases the old one that it received."""
    file, instance = yield from hand.open(hand.volume)
    calls, thread = hand.calls, hand.thread
    context = yield from allocate(hand, "reset.allocate")
    _, old = yield from calls.set(thread, "reset.set", instance, file, context)
    assert old is not None
    hand.leak("reset.set", old)
    yield from calls.release(thread, "reset.release-new", context)
    yield from hand.world.close(thread, file)


def orphan(hand: Injection) -> Steps[None]:
    """Allocate, fails at something else, and returns."""
    file, instance = yield from hand.open(hand.volume)
    context = yield from allocate(hand, "scan.allocate")
    hand.leak("scan.allocate", context)
    site, status = "scan.create", STATUS_FILE_LOCK_CONFLICT
    yield from hand.calls.create_section(hand.thread, site, instance, file, context, status)
    yield from hand.world.close(hand.thread, file)


def member(hand: Injection) -> Steps[None]:
    """Gets all contexts at once and releases all of them but the stream's."""
    file, instance = yield from hand.open(hand.volume)
    calls, thread = hand.calls, hand.thread
    found = yield from calls.get_contexts(thread, "set.get-all", instance, file, _ALL_BUT_SECTION)
    hand.leak("set.get-all", next(context for context in found if context.kind == STREAM))
    for context in found:
        if context.kind != STREAM:
            yield from calls.release(thread, "set.release-one", context)
    yield from hand.world.close(thread, file)


def detached(hand: Injection) -> Steps[None]:
    """FltDeleteStreamContext hands the object's reference over, and nobody releases it."""
    file, instance = yield from hand.open(hand.volume)
    old = yield from hand.calls.delete(hand.thread, "drop.delete-stream", instance, file)
    assert old is not None
    hand.leak("drop.delete-stream", old)
    yield from hand.world.close(hand.thread, file)


def deleted(hand: Injection) -> Steps[None]:
    """Gets a context, deletes it with FltDeleteContext, and takes that for a release."""
    file, instance = yield from hand.open(hand.volume)
    calls, thread = hand.calls, hand.thread
    context = yield from calls.get(thread, "drop.get", instance, file)
    assert context is not None
    hand.leak("drop.get", context)
    yield from calls.delete_context(thread, "drop.delete", context)
    yield from hand.world.close(thread, file)


def section(hand: Injection) -> Steps[None]:
    """Closes a section, and takes that for the release of the allocation's reference."""
    file, instance = yield from hand.open(hand.volume)
    calls, thread = hand.calls, hand.thread
    context = yield from allocate(hand, "scan.allocate")
    hand.leak("scan.allocate", context)
    yield from calls.create_section(thread, "scan.create", instance, file, context, STATUS_SUCCESS)
    yield 500
    yield from calls.close_section(thread, "scan.close", context)
    yield from hand.world.close(thread, file)


def got_stream(hand: Injection) -> Steps[None]:
    """Returns early from pre-read with what FltGetStreamContext gave."""
    file, instance = yield from hand.open(hand.volume)
    yield from _leak_get(hand, "read.get", instance, file)
    yield from hand.world.close(hand.thread, file)


def got_handle(hand: Injection) -> Steps[None]:
    """The same with FltGetStreamHandleContext; the handle is gone soon."""
    file, instance = yield from hand.open(hand.volume, needs=STREAMHANDLE)
    yield from _leak_get(hand, "query.get-handle", instance, file)
    yield from hand.world.close(hand.thread, file)


def got_instance(hand: Injection) -> Steps[None]:
    """The same with FltGetInstanceContext."""
    instance = hand.driver.instances[hand.volume]
    yield from _leak_get(hand, "control.get-instance", instance, instance)


def got_volume(hand: Injection) -> Steps[None]:
    """The same with FltGetVolumeContext."""
    yield from _leak_get(hand, "control.get-volume", hand.calls.filter, hand.volume)


def shared(hand: Injection) -> Steps[None]:
    """The same on a file that every thread opens."""
    for _ in range(1000):
        stream = hand.world.shared_stream(hand.volume)
        file = yield from hand.world.open(hand.thread, stream, sure=True)
        assert file is not None
        instance = hand.driver.instances[hand.volume]
        context = yield from hand.calls.get(hand.thread, "read.get", instance, file)
        if context is not None:
            hand.leak("read.get", context)
        yield from hand.world.close(hand.thread, file)
        if context is not None:
            return


def after_instance(hand: Injection) -> Steps[None]:
    """A reference is out when the instance is torn down; the driver stays loaded."""
    volume = hand.world.volumes[1]
    file, instance = yield from hand.open(volume)
    yield from _leak_get(hand, "write.get", instance, file)
    yield from hand.world.close(hand.thread, file)
    yield _A_MILLISECOND
    yield from hand.driver.detach(hand.thread, instance)
    yield 10 * _A_MILLISECOND
    yield from hand.driver.attach(hand.thread, volume)


def after_stream(hand: Injection) -> Steps[None]:
    """A reference is out when the stream goes away; its address comes back as another stream's."""
    file, instance = yield from hand.open(hand.volume)
    yield from _leak_reference(hand, file, instance)
    yield from _next_file_there(hand, file, hand.volume)


def after_handle(hand: Injection) -> Steps[None]:
    """A reference on a stream handle's context is out when the FILE_OBJECT goes away."""
    file, instance = yield from hand.open(hand.volume, needs=STREAMHANDLE)
    yield from _leak_get(hand, "query.get-handle", instance, file)
    yield from hand.world.close(hand.thread, file)
    yield _A_MILLISECOND
    again, _ = yield from hand.open(hand.volume, needs=STREAMHANDLE)
    yield from hand.world.close(hand.thread, again)


def _next_file_there(hand: Injection, file: FileObject, volume: Volume) -> Steps[None]:
    """End a file, and opens another one at its address."""
    yield from hand.world.close(hand.thread, file)
    yield _A_MILLISECOND
    yield from hand.world.retire(hand.thread, file.file)
    again, _ = yield from hand.open(volume)
    yield from hand.world.close(hand.thread, again)


def _leak_get(hand: Injection, key: str, owner: Owner, node: Node) -> Steps[None]:
    context = yield from hand.calls.get(hand.thread, key, owner, node)
    assert context is not None
    hand.leak(key, context)
    yield 20


def _leak_reference(hand: Injection, file: FileObject, instance: Instance) -> Steps[None]:
    calls, thread = hand.calls, hand.thread
    context = yield from calls.get(thread, "write.get", instance, file)
    assert context is not None
    yield from calls.reference(thread, "write.reference", context)
    hand.leak("write.reference", context)
    yield from calls.release(thread, "write.release", context)


def allocate(hand: Injection, key: str) -> Steps[Context]:
    """Allocate, again and again while the pool is short of memory."""
    while True:
        context = yield from hand.calls.allocate(hand.thread, key)
        if context is not None:
            return context
        yield _A_MILLISECOND


#: Code -> the rule.
FAULTS = {
    "L01": Rule(
        "a reference is out when the filter is unloaded",
        {
            "allocation": Way(allocation, ("L04",)),
            "reference": Way(reference, ("L10", "L09")),
            "kept": Way(kept, ("L06",)),
            "replaced": Way(replaced, ("L07",)),
            "orphan": Way(orphan, ("L13", "L16")),
            "member": Way(member, ("L12", "L09")),
            "detached": Way(detached, ("L08",)),
            "deleted": Way(deleted, ("L11", "L09")),
            "section": Way(section, ("X04", "L04")),
        },
        leak=True,
    ),
    "L02": Rule(
        "a reference is out when its object goes away",
        {
            "instance": Way(after_instance, ("L09", "L14", "E03")),
            "stream": Way(after_stream, ("L10", "L09")),
            "handle": Way(after_handle, ("L09",)),
        },
        leak=True,
        loaded=True,
    ),
    "L03": Rule(
        "a reference is still out at the end of the capture",
        {
            "allocation": Way(allocation, ("L04",)),
            "get": Way(got_stream, ("L09", "L14")),
            "reference": Way(reference, ("L10", "L09")),
            "kept": Way(kept, ("L06",)),
        },
        leak=True,
        loaded=True,
    ),
    "L09": Rule(
        "a path returns without releasing what FltGetXxxContext gave",
        {
            "stream": Way(got_stream, ("L14",)),
            "handle": Way(got_handle),
            "instance": Way(got_instance),
            "volume": Way(got_volume),
            "shared": Way(shared, ("L10", "L14")),
        },
        leak=True,
    ),
}
