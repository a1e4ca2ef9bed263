"""Scripts of section contexts that are created, set, closed or released as they must not be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracecheck.fltmgr.status import (
    KEEP_IF_EXISTS,
    STATUS_FLT_CONTEXT_ALREADY_DEFINED,
    STATUS_NOT_SUPPORTED,
    STATUS_SUCCESS,
)
from tracecheck.simulate.faults.form import Rule, Way
from tracecheck.simulate.faults.leaks import allocate
from tracecheck.simulate.registration import STATUS_FILE_LOCK_CONFLICT
from tracecheck.simulate.sites import Site

if TYPE_CHECKING:
    from tracecheck.simulate.faults.injection import Injection
    from tracecheck.simulate.machine import Steps
    from tracecheck.simulate.objects import Context, FileObject, Instance

_SCAN = "ScanFile"

#: The call sites of faulty code.
SITES = {
    "bad.scan-close": Site("FltCloseSectionForDataScan", _SCAN, 158),
    "bad.scan-close-again": Site("FltCloseSectionForDataScan", _SCAN, 193),
    "bad.scan-release": Site("FltReleaseContext", _SCAN, 199),
    "bad.scan-create": Site("FltCreateSectionForDataScan", _SCAN, 143),
    "bad.scan-set": Site("FltSetStreamContext", _SCAN, 146, operation=KEEP_IF_EXISTS, asks=False),
}


def never_created(hand: Injection) -> Steps[None]:
    """Closes what could not be created, and releases it then."""
    file, instance = yield from hand.open(hand.volume)
    calls, thread = hand.calls, hand.thread
    context = yield from allocate(hand, "scan.allocate")
    status = STATUS_FILE_LOCK_CONFLICT
    yield from calls.create_section(thread, "scan.create", instance, file, context, status)
    yield from calls.close_section(thread, "bad.scan-close", context)
    hand.blame("bad.scan-close", context)
    yield from calls.release(thread, "scan.release-failed", context)
    yield from hand.world.close(thread, file)


def closed_twice(hand: Injection) -> Steps[None]:
    """Closes a section at the end of the scan, and again in the common exit."""
    file, _, context = yield from _scanned(hand)
    calls, thread = hand.calls, hand.thread
    yield from calls.close_section(thread, "scan.close", context)
    yield from calls.close_section(thread, "bad.scan-close-again", context)
    hand.blame("bad.scan-close-again", context)
    yield from calls.release(thread, "scan.release", context)
    yield from hand.world.close(thread, file)


def released_open(hand: Injection) -> Steps[None]:
    """Releases for the section instead of closing it; the stream's end detaches the context."""
    file, _, context = yield from _scanned(hand)
    yield from hand.calls.release(hand.thread, "scan.release", context)
    yield from hand.phantom("bad.scan-release", context)
    yield from hand.world.close(hand.thread, file)
    yield from hand.world.retire(hand.thread, file.file)


def unregistered(hand: Injection) -> Steps[None]:
    """Creates a section for an instance whose setup left out FltRegisterForDataScan."""
    file, _ = yield from hand.open(hand.volume)
    calls, thread, world = hand.calls, hand.thread, hand.world
    instance = world.make_instance(hand.volume)
    where = (calls.filter.pointer, instance.pointer, hand.volume.pointer)
    calls.note(thread, "setup.end", *where, STATUS_SUCCESS)
    yield 50
    context = yield from allocate(hand, "scan.allocate")
    status = STATUS_NOT_SUPPORTED
    yield from calls.create_section(thread, "bad.scan-create", instance, file, context, status)
    hand.blame("bad.scan-create", context)
    yield from calls.release(thread, "scan.release-failed", context)
    calls.note(thread, "teardown.start", *where)
    yield 20
    calls.note(thread, "teardown.complete", *where)
    world.free_instance(instance)
    yield from world.close(thread, file)


def second(hand: Injection) -> Steps[None]:
    """Scans a stream that is being scanned, and gives the context back."""
    file, instance, first = yield from _scanned(hand)
    calls, thread = hand.calls, hand.thread
    context = yield from allocate(hand, "scan.allocate")
    status = yield from calls.create_section(
        thread, "bad.scan-create", instance, file, context, STATUS_SUCCESS
    )
    assert status == STATUS_FLT_CONTEXT_ALREADY_DEFINED
    hand.blame("bad.scan-create", context)
    yield from calls.release(thread, "scan.release-failed", context)
    yield from calls.close_section(thread, "scan.close", first)
    yield from calls.release(thread, "scan.release", first)
    yield from hand.world.close(thread, file)


def attached(hand: Injection) -> Steps[None]:
    """Tries to attach a section context as if it were a stream's."""
    file, instance = yield from hand.open(hand.volume)
    calls, thread = hand.calls, hand.thread
    context = yield from allocate(hand, "scan.allocate")
    yield from calls.set(thread, "bad.scan-set", instance, file, context)
    hand.blame("bad.scan-set", context)
    yield from calls.release(thread, "scan.release-failed", context)
    yield from hand.world.close(thread, file)


def _scanned(hand: Injection) -> Steps[tuple[FileObject, Instance, Context]]:
    """Open a file and creates a section on it."""
    file, instance = yield from hand.open(hand.volume)
    context = yield from allocate(hand, "scan.allocate")
    status = STATUS_SUCCESS
    yield from hand.calls.create_section(hand.thread, "scan.create", instance, file, context, status)
    yield 300
    return file, instance, context


#: Code -> the rule.
FAULTS = {
    "X01": Rule("a section is closed that was never created", {"failed": Way(never_created)}),
    "X02": Rule("a section is closed twice", {"exit": Way(closed_twice)}),
    "X03": Rule(
        "a section context is released instead of closed", {"release": Way(released_open, ("R01", "L17"))}
    ),
    "X05": Rule("a section is created without registering for data scans", {"setup": Way(unregistered)}),
    "X06": Rule("a second section is created on a stream", {"handled": Way(second, noted=True)}),
    "X07": Rule("a section context is set", {"stream": Way(attached, ("S02",))}),
}
