"""Scripts of sets that are refused, and of sets that do not do what the driver takes them to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracecheck.fltmgr.status import (
    KEEP_IF_EXISTS,
    REPLACE_IF_EXISTS,
    STATUS_FLT_CONTEXT_ALREADY_DEFINED,
    STATUS_FLT_CONTEXT_ALREADY_LINKED,
    STATUS_FLT_DELETING_OBJECT,
    STATUS_INVALID_PARAMETER,
    STATUS_NOT_SUPPORTED,
)
from tracecheck.simulate.faults.form import Rule, Way
from tracecheck.simulate.faults.leaks import allocate
from tracecheck.simulate.faults.misuse import set_freed
from tracecheck.simulate.sites import CREATE, DRAINING, POST, PRE, SET, WRITE, Site

if TYPE_CHECKING:
    from tracecheck.simulate.faults.injection import Injection
    from tracecheck.simulate.machine import Steps
    from tracecheck.simulate.objects import Context, FileObject, Instance

_RESET = "ResetStreamContext"
_CHURNS = 12
_STRANGE = 7

SITES = {
    "bad.second-set": Site(
        "FltSetStreamContext", "PreWrite", 517, WRITE, PRE, operation=KEEP_IF_EXISTS, asks=False
    ),
    "bad.handle-set": Site(
        "FltSetStreamHandleContext", "PreWrite", 519, WRITE, PRE, operation=KEEP_IF_EXISTS, asks=False
    ),
    "bad.precreate-set-handle": Site(
        "FltSetStreamHandleContext", "PreCreate", 97, CREATE, PRE, operation=KEEP_IF_EXISTS, asks=False
    ),
    "bad.drain-set": Site(
        "FltSetStreamContext", "PostWrite", 555, WRITE, DRAINING, operation=REPLACE_IF_EXISTS, asks=True
    ),
    "bad.reset-set": Site(
        "FltSetStreamContext", _RESET, 520, SET, POST, operation=REPLACE_IF_EXISTS, asks=False
    ),
    "bad.reset-use": Site("ContextUse", _RESET, 530, SET, POST),
    "bad.churn-set": Site("FltSetStreamContext", _RESET, 522, SET, POST, operation=KEEP_IF_EXISTS, asks=True),
    "bad.strange-set": Site("FltSetStreamContext", _RESET, 518, SET, POST, operation=_STRANGE, asks=False),
    "bad.volume-set": Site("FltSetVolumeContext", "InstanceSetup", 119, operation=KEEP_IF_EXISTS, asks=True),
}


def set_linked(hand: Injection) -> Steps[None]:
    """Sets a context that hangs on one stream on another."""
    file, instance = yield from hand.open(hand.volume)
    other, _ = yield from hand.open(hand.volume)
    context = yield from _get(hand, instance, file)
    status, _ = yield from hand.calls.set(hand.thread, "bad.second-set", instance, other, context)
    hand.blame("bad.second-set", context)
    assert status == STATUS_FLT_CONTEXT_ALREADY_LINKED
    yield 50
    yield from hand.calls.release(hand.thread, "write.release", context)
    yield from hand.world.close(hand.thread, other)
    yield from hand.world.close(hand.thread, file)


def set_as_another(hand: Injection) -> Steps[None]:
    """Sets a stream context as a stream handle context."""
    file, instance = yield from hand.open(hand.volume)
    context = yield from _get(hand, instance, file)
    status, _ = yield from hand.calls.set(hand.thread, "bad.handle-set", instance, file, context)
    hand.blame("bad.handle-set", context)
    assert status == STATUS_INVALID_PARAMETER
    yield 50
    yield from hand.calls.release(hand.thread, "write.release", context)
    yield from hand.world.close(hand.thread, file)


def set_before_open(hand: Injection) -> Steps[None]:
    """Sets a handle's context before the create has reached the file system."""
    file, instance = yield from hand.open(hand.volume)
    context = yield from allocate(hand, "precreate.allocate-handle")
    yield from _refused(hand, "bad.precreate-set-handle", instance, file, context, STATUS_NOT_SUPPORTED)
    yield from hand.calls.release(hand.thread, "create.release-failed", context)
    yield from hand.world.close(hand.thread, file)


def set_draining(hand: Injection) -> Steps[None]:
    """Attaches a context in a callback that was called to clean up only."""
    file, instance = yield from hand.open(hand.volume)
    context = yield from allocate(hand, "reset.allocate")
    _, old = yield from hand.calls.set(hand.thread, "bad.drain-set", instance, file, context)
    hand.blame("bad.drain-set", context)
    yield 50
    assert old is not None
    yield from hand.calls.release(hand.thread, "write.post-release-drain", old)
    yield from hand.calls.release(hand.thread, "write.post-release-drain", context)
    yield from hand.world.close(hand.thread, file)


def set_going(hand: Injection) -> Steps[None]:
    """Sets a context while the instance is being torn down."""
    file, instance = yield from hand.open(hand.volume)
    context = yield from allocate(hand, "reset.allocate")
    yield from _refused(hand, "reset.set-blind", instance, file, context, STATUS_FLT_DELETING_OBJECT)
    yield from hand.calls.release(hand.thread, "reset.release-new", context)
    yield from hand.world.close(hand.thread, file)


def replaced_in_use(hand: Injection) -> Steps[None]:
    """Replaces a context that is in use, and goes on with the old one."""
    file, instance = yield from hand.open(hand.volume)
    calls, thread = hand.calls, hand.thread
    old = yield from calls.get(thread, "bad.reset-get", instance, file)
    assert old is not None
    context = yield from allocate(hand, "reset.allocate")
    yield from calls.set(thread, "bad.reset-set", instance, file, context)
    yield from hand.make("bad.reset-use", old, calls.use(thread, "bad.reset-use", old))
    yield from calls.release(thread, "reset.release-old", old)
    yield from calls.release(thread, "reset.release-new", context)
    yield from hand.world.close(thread, file)


def ignored(hand: Injection) -> Steps[None]:
    """Goes on with a context that could not be set."""
    file, instance = yield from hand.open(hand.volume)
    context = yield from allocate(hand, "reset.allocate")
    yield from _refused(hand, "reset.set-blind", instance, file, context, STATUS_NOT_SUPPORTED)
    yield from hand.calls.use(hand.thread, "bad.reset-use", context)
    yield from hand.calls.release(hand.thread, "reset.release-new", context)
    yield from hand.world.close(hand.thread, file)


def set_unowned(hand: Injection) -> Steps[None]:
    """Release a context, and sets it on another stream through the old pointer."""
    file, instance = yield from hand.open(hand.volume)
    other, _ = yield from hand.open(hand.volume)
    context = yield from _get(hand, instance, file)
    yield from hand.calls.release(hand.thread, "write.release", context)
    yield from _refused(hand, "bad.second-set", instance, other, context, STATUS_FLT_CONTEXT_ALREADY_LINKED)
    yield from hand.world.close(hand.thread, other)
    yield from hand.world.close(hand.thread, file)


def churn(hand: Injection) -> Steps[None]:
    """Allocates a context each time, and finds each time that there is one."""
    file, instance = yield from hand.open(hand.volume)
    calls, thread = hand.calls, hand.thread
    for _ in range(_CHURNS):
        context = yield from allocate(hand, "reset.allocate")
        _, old = yield from calls.set(thread, "bad.churn-set", instance, file, context)
        assert old is not None
        if hand.found is None:
            hand.blame("bad.churn-set", context)
        yield 50
        yield from calls.release(thread, "reset.release-old", old)
        yield from calls.release(thread, "reset.release-new", context)
    yield from hand.world.close(thread, file)


def set_null(hand: Injection) -> Steps[None]:
    """Sets NULL."""
    file, instance = yield from hand.open(hand.volume)
    yield from _refused(hand, "reset.set-blind", instance, file, hand.nobody(), STATUS_INVALID_PARAMETER)
    yield from hand.world.close(hand.thread, file)


def set_strangely(hand: Injection) -> Steps[None]:
    """Sets a context by an operation that there is not."""
    file, instance = yield from hand.open(hand.volume)
    context = yield from allocate(hand, "reset.allocate")
    yield from _refused(hand, "bad.strange-set", instance, file, context, STATUS_INVALID_PARAMETER)
    yield from hand.calls.release(hand.thread, "reset.release-new", context)
    yield from hand.world.close(hand.thread, file)


def set_by_each(hand: Injection) -> Steps[None]:
    """Allocates the volume's context for each instance, and does not look whether it has one."""
    file, _ = yield from hand.open(hand.volume)  # the thread has done something before
    calls, thread = hand.calls, hand.thread
    context = yield from allocate(hand, "setup.allocate-volume")
    status, old = yield from calls.set(thread, "bad.volume-set", calls.filter, hand.volume, context)
    hand.blame("bad.volume-set", context)
    assert status == STATUS_FLT_CONTEXT_ALREADY_DEFINED
    assert old is not None
    yield 50
    yield from calls.release(thread, "setup.release-old-volume", old)
    yield from calls.release(thread, "setup.release-volume", context)
    yield from hand.world.close(thread, file)


def _get(hand: Injection, instance: Instance, file: FileObject) -> Steps[Context]:
    context = yield from hand.calls.get(hand.thread, "write.get", instance, file)
    assert context is not None
    return context


def _refused(
    hand: Injection, key: str, instance: Instance, file: FileObject, context: Context, status: int
) -> Steps[None]:
    """Log a set that fails; the site does not ask for the old context."""
    yield from hand.phantom(key, context, instance.pointer, *file.place, status)


FAULTS = {
    "S01": Rule("a context that is attached is set again", {"stream": Way(set_linked)}),
    "S02": Rule("a context is set as another type", {"handle": Way(set_as_another)}),
    "S03": Rule("a context is set in pre-create", {"handle": Way(set_before_open, ("P01",))}),
    "S05": Rule("a context is set while draining", {"write": Way(set_draining)}),
    "S06": Rule("a context is set while its instance goes away", {"stream": Way(set_going)}),
    "S07": Rule("a context that is in use is replaced", {"stream": Way(replaced_in_use)}),
    "S08": Rule("the status of a set is ignored", {"stream": Way(ignored)}),
    "S09": Rule(
        "a context that nobody owns is set",
        {"freed": Way(set_freed, ("R04", "R05")), "attached": Way(set_unowned, ("R05", "S01"))},
    ),
    "S10": Rule("contexts are allocated and set without looking", {"stream": Way(churn)}),
    "S11": Rule(
        "NULL is set, or by an operation that there is not",
        {"null": Way(set_null), "operation": Way(set_strangely)},
    ),
    "S12": Rule("each instance sets the volume's context", {"setup": Way(set_by_each)}),
}
