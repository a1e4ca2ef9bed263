"""Scripts of releases too many, of uses after the release, and of what only looks like a fault."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracecheck.fltmgr.status import KEEP_IF_EXISTS, STATUS_INVALID_PARAMETER
from tracecheck.simulate.faults.form import Rule, Way
from tracecheck.simulate.faults.leaks import allocate
from tracecheck.simulate.machine import LOST, UNHOOKED
from tracecheck.simulate.objects import FREED
from tracecheck.simulate.registration import STATUS_FILE_LOCK_CONFLICT
from tracecheck.simulate.sites import POST, PRE, READ, SET, WRITE, Site

if TYPE_CHECKING:
    from tracecheck.simulate.faults.injection import Injection
    from tracecheck.simulate.machine import Steps, Thread
    from tracecheck.simulate.objects import Context, FileObject, Instance

_A_MILLISECOND = 10_000
_POLL = 200
_DROP = "DropContexts"

#: The call sites of faulty code. A fault that only leaves a call out has none.
SITES = {
    "bad.read-release": Site("FltReleaseContext", "PreRead", 441, READ, PRE),
    "bad.reset-release": Site("FltReleaseContext", "ResetStreamContext", 538, SET, POST),
    "bad.drop-release": Site("FltReleaseContext", _DROP, 573, SET, POST),
    "bad.drop-delete": Site("FltDeleteContext", _DROP, 576, SET, POST),
    "bad.drop-use": Site("ContextUse", _DROP, 577, SET, POST),
    "bad.early-release": Site("FltReleaseContext", _DROP, 605, SET, POST),
    "bad.late-delete": Site("FltDeleteContext", _DROP, 606, SET, POST),
    "bad.worker-reference": Site("FltReferenceContext", "ScanWorker", 41),
    "bad.unset-release": Site("FltReleaseContext", "ResetStreamContext", 508, SET, POST),
    "bad.freed-set": Site(
        "FltSetStreamContext", "ResetStreamContext", 512, SET, POST, operation=KEEP_IF_EXISTS, asks=True
    ),
    "bad.early-write-release": Site("FltReleaseContext", "PreWrite", 536, WRITE, PRE),
    "bad.late-reference": Site("FltReferenceContext", "PreWrite", 538, WRITE, PRE),
    "bad.late-use": Site("ContextUse", "PreWrite", 539, WRITE, PRE),
    "bad.late-release": Site("FltReleaseContext", "PreWrite", 544, WRITE, PRE),
}


def release_twice(hand: Injection) -> Steps[None]:
    """Get, release, release: the object's own reference goes, while the context is attached."""
    file, instance = yield from hand.open(hand.volume)
    context = yield from _get(hand, "read.get", instance, file)
    yield from hand.calls.release(hand.thread, "read.release", context)
    yield from hand.phantom("bad.read-release", context)
    yield from hand.world.close(hand.thread, file)


def release_for_set(hand: Injection) -> Steps[None]:
    """Release once for FltAllocateContext and once more for FltSetStreamContext."""
    file, instance = yield from hand.open(hand.volume)
    calls, thread = hand.calls, hand.thread
    context = yield from allocate(hand, "reset.allocate")
    _, old = yield from calls.set(thread, "reset.set", instance, file, context)
    if old is not None:
        yield from calls.release(thread, "reset.release-old", old)
    yield from calls.release(thread, "reset.release-new", context)
    yield from hand.phantom("bad.reset-release", context)
    yield from hand.world.close(thread, file)


def release_orphan(hand: Injection) -> Steps[None]:
    """The error path releases what was never set, and falls through to the ordinary release."""
    file, instance = yield from hand.open(hand.volume)
    calls, thread = hand.calls, hand.thread
    context = yield from allocate(hand, "scan.allocate")
    context.keep = True
    site, status = "scan.create", STATUS_FILE_LOCK_CONFLICT
    yield from calls.create_section(thread, site, instance, file, context, status)
    yield from calls.release(thread, "scan.release-failed", context)
    yield from hand.phantom("scan.release", context)
    hand.recycle(context)
    yield from hand.world.close(thread, file)


def release_deleted(hand: Injection) -> Steps[None]:
    """Deletes a context, releases it, and releases it once more for the deletion."""
    yield from _after_free(hand, "bad.drop-release")


def delete_deleted(hand: Injection) -> Steps[None]:
    """Deletes a context, releases it, and deletes it again."""
    yield from _after_free(hand, "bad.drop-delete")


def use_deleted(hand: Injection) -> Steps[None]:
    """Deletes a context, releases it, and reads it."""
    yield from _after_free(hand, "bad.drop-use")


def reference_freed(hand: Injection) -> Steps[None]:
    """A work item keeps a pointer without a reference, and takes one when the context is gone."""
    file, instance = yield from hand.open(hand.volume)
    context = yield from _get(hand, "work.get", instance, file)
    context.keep = True

    def item(worker: Thread) -> Steps[None]:
        while context.state != FREED:
            yield _POLL
        yield _A_MILLISECOND
        yield from hand.phantom("bad.worker-reference", context, thread=worker)
        # The thread goes on as if it had got one, and gives it back.
        yield from hand.pretend("worker.release", context, worker)
        hand.recycle(context)

    hand.machine.post(hand.world.worker(), item)
    yield from hand.calls.release(hand.thread, "work.release", context)
    yield from hand.world.close(hand.thread, file)
    yield from hand.world.retire(hand.thread, file.file)


def set_freed(hand: Injection) -> Steps[None]:
    """Release a new context because it could not be filled, and sets it all the same."""
    file, instance = yield from hand.open(hand.volume)
    calls, thread = hand.calls, hand.thread
    context = yield from allocate(hand, "reset.allocate")
    context.keep = True
    yield from calls.release(thread, "bad.unset-release", context)
    place = (instance.pointer, *file.place)
    yield from hand.phantom("bad.freed-set", context, 0, *place, STATUS_INVALID_PARAMETER)
    hand.recycle(context)
    yield from hand.world.close(thread, file)


def delete_released(hand: Injection) -> Steps[None]:
    """Release first and deletes then: only the object still held the context."""
    file, instance = yield from hand.open(hand.volume)
    context = yield from _get(hand, "drop.get", instance, file)
    context.keep = True
    yield from hand.calls.release(hand.thread, "bad.early-release", context)
    # The deletion is real and frees the context, so its event is taken down before it goes on.
    deletion = hand.calls.delete_context(hand.thread, "bad.late-delete", context)
    ticks = next(deletion)
    hand.blame("bad.late-delete", context)
    yield ticks
    yield from deletion
    yield 100
    hand.recycle(context)
    yield from hand.world.close(hand.thread, file)


def reference_released(hand: Injection) -> Steps[None]:
    """Release, and then takes a new reference through the old pointer."""
    file, instance = yield from hand.open(hand.volume)
    calls, thread = hand.calls, hand.thread
    context = yield from _get(hand, "write.get", instance, file)
    yield from calls.release(thread, "bad.early-write-release", context)
    yield from calls.reference(thread, "bad.late-reference", context)
    hand.blame("bad.late-reference", context)
    yield 50
    yield from calls.release(thread, "bad.late-release", context)
    yield from hand.world.close(thread, file)


def use_released(hand: Injection) -> Steps[None]:
    """Release, and then reads through the old pointer."""
    file, instance = yield from hand.open(hand.volume)
    context = yield from _get(hand, "write.get", instance, file)
    yield from hand.calls.release(hand.thread, "bad.early-write-release", context)
    yield from hand.phantom("bad.late-use", context)
    yield from hand.world.close(hand.thread, file)


def unhooked(hand: Injection) -> Steps[None]:
    """No fault: the end of a life goes unlogged and uncounted, and its address comes back as another."""
    yield from _disappear(hand, UNHOOKED)


def lost(hand: Injection) -> Steps[None]:
    """No fault: the session loses the events that end a life, and its address comes back as another."""
    yield from _disappear(hand, LOST)


def _disappear(hand: Injection, how: int) -> Steps[None]:
    calls, thread = hand.calls, hand.thread
    context = yield from allocate(hand, "scan.allocate")
    hand.blame("scan.allocate", context)
    thread.muted = how
    yield from calls.release(thread, "scan.release-failed", context)
    thread.muted = 0
    again = yield from allocate(hand, "scan.allocate")
    yield from calls.release(thread, "scan.release-failed", again)


def _after_free(hand: Injection, key: str) -> Steps[None]:
    file, instance = yield from hand.open(hand.volume)
    calls, thread = hand.calls, hand.thread
    context = yield from _get(hand, "drop.get", instance, file)
    context.keep = True
    yield from calls.delete_context(thread, "drop.delete", context)
    yield from calls.release(thread, "drop.release", context)
    yield from hand.phantom(key, context)
    hand.recycle(context)
    yield from hand.world.close(thread, file)


def _get(hand: Injection, key: str, instance: Instance, file: FileObject) -> Steps[Context]:
    context = yield from hand.calls.get(hand.thread, key, instance, file)
    assert context is not None
    return context


#: Code -> the rule. M01 has no script: it comes with the condition late-start.
FAULTS = {
    "R01": Rule(
        "a release too many while the object still holds the context",
        {
            "get": Way(release_twice),
            "set": Way(release_for_set),
        },
    ),
    "R02": Rule(
        "a release of a freed context",
        {
            "orphan": Way(release_orphan),
            "deleted": Way(release_deleted),
        },
    ),
    "R03": Rule("a reference on a freed context", {"work": Way(reference_freed, ("R02", "R05"))}),
    "R04": Rule(
        "a freed context is set, deleted or used",
        {
            "set": Way(set_freed, ("R05", "S09")),
            "delete": Way(delete_deleted, ("R05", "D01")),
            "use": Way(use_deleted, ("R05",)),
        },
    ),
    "R05": Rule(
        "a context is used after the own last release",
        {
            "delete": Way(delete_released, ("D01",)),
            "reference": Way(reference_released),
            "use": Way(use_released),
        },
    ),
    "M01": Rule("contexts are older than the capture"),
    "M04": Rule(
        "the trace contradicts itself",
        {
            "unhooked": Way(unhooked, ("A12",)),
            "lost": Way(lost, ("A12",)),
        },
    ),
}
