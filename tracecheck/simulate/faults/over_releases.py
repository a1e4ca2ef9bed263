"""Scripts of what is behind releases too many, and of releases of what is no context of the driver's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracecheck.fltmgr.status import STATUS_FLT_CONTEXT_ALREADY_DEFINED, STATUS_SUCCESS
from tracecheck.simulate.faults.form import Rule, Way
from tracecheck.simulate.faults.leaks import allocate
from tracecheck.simulate.objects import STREAM, STREAMHANDLE
from tracecheck.simulate.sites import CLEANUP, CREATE, MEMBERS, POST, PRE, QUERY, READ, SET, WRITE, Site

if TYPE_CHECKING:
    from tracecheck.simulate.faults.injection import Injection
    from tracecheck.simulate.machine import Steps
    from tracecheck.simulate.objects import FileObject, Instance

_ALL_BUT_SECTION = 0x3F
_RESET = "ResetStreamContext"

SITES = {
    "bad.stranger-release": Site("FltReleaseContext", "PreRead", 449, READ, PRE),
    "bad.null-reference": Site("FltReferenceContext", "PreWrite", 512, WRITE, PRE),
    "bad.null-delete": Site("FltDeleteContext", "DropContexts", 563, SET, POST),
    "bad.query-release": Site("FltReleaseContext", "PreQueryInformation", 645, QUERY, PRE),
    "bad.free": Site("ExFreePoolWithTag", "PreWrite", 534, WRITE, PRE),
    "bad.reset-get": Site("FltGetStreamContext", _RESET, 501, SET, POST),
    "bad.attach-release": Site("FltReleaseContext", "AttachHandleContext", 341, CREATE, POST),
    "bad.finish-release": Site("FltReleaseContext", "PreCleanup", 925, CLEANUP, PRE),
}


def member_twice(hand: Injection) -> Steps[None]:
    """Release a member of FltGetContexts singly, leave it in the structure, and release that."""
    file, instance = yield from hand.open(hand.volume)
    calls, thread = hand.calls, hand.thread
    found = yield from calls.get_contexts(thread, "set.get-all", instance, file, _ALL_BUT_SECTION)
    twice = next(context for context in found if context.kind == STREAM)
    yield from calls.release(thread, "set.release-one", twice)
    pointers = {context.kind: context.pointer for context in found}
    yield from hand.claim("set.release-all", twice, *(pointers.get(kind, 0) for kind in MEMBERS[:-1]))
    for context in found:
        if context is not twice:
            died = calls.manager.release(context)
            assert not died, "what was got is attached"
    yield from hand.world.close(thread, file)


def stranger(hand: Injection) -> Steps[None]:
    """Release an uninitialised variable."""
    file, _ = yield from hand.open(hand.volume)
    yield from hand.phantom("bad.stranger-release", hand.nobody(hand.calls.filter.pointer + 0x18))
    yield from hand.world.close(hand.thread, file)


def null_release(hand: Injection) -> Steps[None]:
    """FltReleaseContext of NULL."""
    yield from _null(hand, "bad.query-release")


def null_reference(hand: Injection) -> Steps[None]:
    """FltReferenceContext of NULL."""
    yield from _null(hand, "bad.null-reference")


def null_delete(hand: Injection) -> Steps[None]:
    """FltDeleteContext of NULL."""
    yield from _null(hand, "bad.null-delete")


def null_of_get(hand: Injection) -> Steps[None]:
    """A get finds nothing, and its variable is released all the same."""
    file, instance = yield from hand.open(hand.volume)
    yield from find_nothing(hand, instance, file)
    yield from hand.phantom("bad.query-release", hand.nobody())
    yield from hand.world.close(hand.thread, file)


def stale_of_get(hand: Injection) -> Steps[None]:
    """A get of a second file finds nothing, and the first file's context is released once more."""
    file, instance = yield from hand.open(hand.volume)
    bare, _ = yield from _open_bare(hand)
    calls, thread = hand.calls, hand.thread
    context = yield from calls.get(thread, "read.get", instance, file)
    assert context is not None
    yield from calls.release(thread, "read.release", context)
    nothing = yield from calls.get(thread, "read.get", instance, bare)
    assert nothing is None
    yield from hand.phantom("bad.read-release", context)
    yield from hand.world.close(thread, bare)
    yield from hand.world.close(thread, file)


def null_of_set(hand: Injection) -> Steps[None]:
    """A set finds no old context, and the variable for it is released all the same."""
    bare, instance = yield from _open_bare(hand)
    yield from _set_first(hand, instance, bare)
    yield from hand.phantom("bad.reset-release", hand.nobody())
    yield from hand.world.close(hand.thread, bare)


def stale_of_set(hand: Injection) -> Steps[None]:
    """The same, and the variable still has another file's context in it."""
    file, instance = yield from hand.open(hand.volume)
    bare, _ = yield from _open_bare(hand)
    calls, thread = hand.calls, hand.thread
    context = yield from calls.get(thread, "bad.reset-get", instance, file)
    assert context is not None
    yield from calls.release(thread, "reset.release-old", context)
    yield from _set_first(hand, instance, bare)
    yield from hand.phantom("bad.reset-release", context)
    yield from hand.world.close(thread, bare)
    yield from hand.world.close(thread, file)


def unasked(hand: Injection) -> Steps[None]:
    """A set that does not ask for the old context finds one, which is released all the same."""
    file, instance = yield from hand.open(hand.volume, needs=STREAMHANDLE)
    calls, thread = hand.calls, hand.thread
    context = yield from allocate(hand, "precreate.allocate-handle")
    status, _ = yield from calls.set(thread, "create.keep-handle", instance, file, context)
    assert status == STATUS_FLT_CONTEXT_ALREADY_DEFINED
    yield from calls.release(thread, "create.release-handle", context)
    yield from hand.phantom("bad.attach-release", file.slots[instance.key | STREAMHANDLE])
    yield from hand.world.close(thread, file)


def freed_by_hand(hand: Injection) -> Steps[None]:
    """Free the context's memory as if it were the driver's own."""
    file, instance = yield from hand.open(hand.volume)
    context = yield from hand.calls.get(hand.thread, "write.get", instance, file)
    assert context is not None
    yield from hand.phantom("bad.free", context)
    yield from hand.calls.release(hand.thread, "write.release", context)
    yield from hand.world.close(hand.thread, file)


def crossed(hand: Injection) -> Steps[None]:
    """Ask for the volume's context by another filter's handle, and get this one's."""
    context = hand.volume.slots[hand.calls.filter.key | 1]
    other = hand.calls.filter.pointer + 0x10000
    yield from hand.phantom("control.get-volume", context, other, hand.volume.pointer, STATUS_SUCCESS)
    yield from hand.pretend("control.release-volume", context, hand.thread)


def for_another(hand: Injection) -> Steps[None]:
    """Pre-cleanup releases twice; the reference of pre-write, which forgot its own, makes up for it."""
    file, instance = yield from hand.open(hand.volume)
    calls, thread = hand.calls, hand.thread
    forgotten = yield from calls.get(thread, "write.get", instance, file)
    context = yield from calls.get(thread, "finish.get", instance, file)
    assert context is not None
    assert forgotten is context
    yield from calls.release(thread, "finish.release", context)
    steps = calls.release(thread, "bad.finish-release", context)
    yield from hand.make("bad.finish-release", context, steps)
    yield from hand.world.close(thread, file)


def find_nothing(hand: Injection, instance: Instance, file: FileObject) -> Steps[None]:
    """Ask for a file's context where there is none."""
    yield from hand.calls.delete(hand.thread, "drop.delete-file", instance, file)
    nothing = yield from hand.calls.get(hand.thread, "query.get-file", instance, file)
    assert nothing is None


def _null(hand: Injection, key: str) -> Steps[None]:
    yield from hand.phantom(key, hand.nobody())


def _open_bare(hand: Injection) -> Steps[tuple[FileObject, Instance]]:
    """Open a file and take the context off its stream."""
    bare, instance = yield from hand.open(hand.volume)
    yield from hand.calls.delete(hand.thread, "drop.delete-stream-blind", instance, bare)
    return bare, instance


def _set_first(hand: Injection, instance: Instance, bare: FileObject) -> Steps[None]:
    calls, thread = hand.calls, hand.thread
    new = yield from allocate(hand, "reset.allocate")
    _, old = yield from calls.set(thread, "reset.set", instance, bare, new)
    assert old is None
    yield from calls.release(thread, "reset.release-new", new)


FAULTS = {
    "R06": Rule(
        "a member is released singly and with its structure", {"member": Way(member_twice, ("R01",))}
    ),
    "R07": Rule("a release of what is no context", {"stranger": Way(stranger)}),
    "R08": Rule(
        "NULL is released, referenced or deleted",
        {
            "release": Way(null_release),
            "reference": Way(null_reference),
            "delete": Way(null_delete),
        },
    ),
    "R09": Rule(
        "a release of what a failed get should have returned",
        {"null": Way(null_of_get, ("R08",)), "stale": Way(stale_of_get, ("R01",))},
    ),
    "R10": Rule("the memory of a context is freed as the driver's own", {"block": Way(freed_by_hand)}),
    "R11": Rule(
        "a release of an old context that there was not",
        {"null": Way(null_of_set, ("R08",)), "stale": Way(stale_of_set, ("R01",))},
    ),
    "R12": Rule("a release of an existing context that was not asked for", {"kept": Way(unasked, ("R01",))}),
    "R13": Rule("a context of another filter is got", {"volume": Way(crossed)}),
    "R14": Rule("a function releases what another one took and forgot", {"cleanup": Way(for_another)}),
}
