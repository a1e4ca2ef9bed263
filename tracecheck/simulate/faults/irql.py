"""Scripts of calls at an IRQL that is too high."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracecheck.fltmgr.status import REPLACE_IF_EXISTS, STATUS_SUCCESS
from tracecheck.simulate.faults.form import Rule, Way
from tracecheck.simulate.faults.leaks import allocate
from tracecheck.simulate.objects import STREAM, STREAMHANDLE
from tracecheck.simulate.sites import DISPATCH, POST, READ, WRITE, Site

if TYPE_CHECKING:
    from collections.abc import Callable

    from tracecheck.simulate.faults.injection import Injection
    from tracecheck.simulate.machine import Steps, Thread
    from tracecheck.simulate.objects import Context

_DEVICE = 5
_GET = "FltGetStreamContext"
_POST = "PostWrite"

#: The call sites of faulty code.
SITES = {
    "bad.dpc-release": Site("FltReleaseContext", "CompleteRead", 474, READ, POST, DISPATCH),
    "bad.dpc-use": Site("ContextUse", "CompleteRead", 472, READ, POST, DISPATCH),
    "bad.dpc-get": Site(_GET, _POST, 581, WRITE, POST, DISPATCH),
    "bad.dpc-got-release": Site("FltReleaseContext", _POST, 583, WRITE, POST, DISPATCH),
    "bad.dpc-allocate": Site("FltAllocateContext", _POST, 592, WRITE, POST, DISPATCH, STREAM),
    "bad.dpc-set": Site(
        "FltSetStreamContext", _POST, 597, WRITE, POST, DISPATCH, operation=REPLACE_IF_EXISTS, asks=True
    ),
    "bad.dpc-delete": Site("FltDeleteContext", _POST, 604, WRITE, POST, DISPATCH),
    "bad.dpc-section": Site("FltCreateSectionForDataScan", _POST, 611, WRITE, POST, DISPATCH),
    "bad.isr-reference": Site("FltReferenceContext", "InterruptService", 19, irql=_DEVICE),
    "bad.unsafe-get": Site(_GET, _POST, 620, WRITE, POST, None),
    "bad.unsafe-release": Site("FltReleaseContext", _POST, 622, WRITE, POST, None),
    "bad.last-release": Site("FltReleaseContext", _POST, 631, WRITE, POST, DISPATCH),
}


def paged_release(hand: Injection) -> Steps[None]:
    """Releases a context from paged pool in a completion."""
    file, instance = yield from hand.open(hand.volume, needs=STREAMHANDLE)
    context = yield from hand.calls.get(hand.thread, "query.get-handle", instance, file)
    assert context is not None
    yield from _blamed(hand, "bad.dpc-release", context, hand.calls.release)
    yield from hand.world.close(hand.thread, file)


def paged_use(hand: Injection) -> Steps[None]:
    """Touches a context from paged pool in a completion."""
    file, instance = yield from hand.open(hand.volume, needs=STREAMHANDLE)
    context = yield from hand.calls.get(hand.thread, "query.get-handle", instance, file)
    assert context is not None
    yield from hand.phantom("bad.dpc-use", context)
    yield from hand.calls.release(hand.thread, "query.release-handle", context)
    yield from hand.world.close(hand.thread, file)


def get(hand: Injection) -> Steps[None]:
    """Looks a context up in a completion."""
    yield from _looked_up(hand, "bad.dpc-get", "bad.dpc-got-release")


def unsafe_get(hand: Injection) -> Steps[None]:
    """Looks a context up in a completion, and does not log the IRQL."""
    yield from _looked_up(hand, "bad.unsafe-get", "bad.unsafe-release")


def allocation(hand: Injection) -> Steps[None]:
    """Allocates a context in a completion."""
    context = yield from allocate(hand, "bad.dpc-allocate")
    hand.blame("bad.dpc-allocate", context)
    yield from hand.calls.release(hand.thread, "reset.release-new", context)


def attachment(hand: Injection) -> Steps[None]:
    """Sets a context in a completion."""
    file, instance = yield from hand.open(hand.volume)
    calls, thread = hand.calls, hand.thread
    context = yield from allocate(hand, "reset.allocate")
    _, old = yield from calls.set(thread, "bad.dpc-set", instance, file, context)
    hand.blame("bad.dpc-set", context)
    if old is not None:
        yield from calls.release(thread, "reset.release-old", old)
    yield from calls.release(thread, "reset.release-new", context)
    yield from hand.world.close(thread, file)


def deletion(hand: Injection) -> Steps[None]:
    """Deletes a context in a completion."""
    file, instance = yield from hand.open(hand.volume)
    context = yield from hand.calls.get(hand.thread, "drop.get", instance, file)
    assert context is not None
    yield from _blamed(hand, "bad.dpc-delete", context, hand.calls.delete_context)
    yield from hand.calls.release(hand.thread, "drop.release", context)
    yield from hand.world.close(hand.thread, file)


def section(hand: Injection) -> Steps[None]:
    """Creates a section in a completion."""
    file, instance = yield from hand.open(hand.volume)
    calls, thread = hand.calls, hand.thread
    context = yield from allocate(hand, "scan.allocate")
    yield from calls.create_section(thread, "bad.dpc-section", instance, file, context, STATUS_SUCCESS)
    hand.blame("bad.dpc-section", context)
    yield from calls.close_section(thread, "scan.close", context)
    yield from calls.release(thread, "scan.release", context)
    yield from hand.world.close(thread, file)


def device_reference(hand: Injection) -> Steps[None]:
    """References a context in an interrupt service routine."""
    file, instance = yield from hand.open(hand.volume)
    calls, thread = hand.calls, hand.thread
    context = yield from calls.get(thread, "write.get", instance, file)
    assert context is not None
    yield from calls.reference(thread, "bad.isr-reference", context)
    hand.blame("bad.isr-reference", context)
    yield from calls.release(thread, "write.release", context)
    yield from calls.release(thread, "write.post-release", context)
    yield from hand.world.close(thread, file)


def last_release(hand: Injection) -> Steps[None]:
    """Frees a context from nonpaged pool in a completion; its cleanup comes later."""
    context = yield from allocate(hand, "reset.allocate")
    yield from _blamed(hand, "bad.last-release", context, hand.calls.release)


def _blamed(
    hand: Injection, key: str, context: Context, call: Callable[[Thread, str, Context], Steps[None]]
) -> Steps[None]:
    """Make a call that is logged before it is made, and take its event down before it goes on."""
    steps = call(hand.thread, key, context)
    ticks = next(steps)
    hand.blame(key, context)
    yield ticks
    yield from steps


def _looked_up(hand: Injection, key: str, release: str) -> Steps[None]:
    file, instance = yield from hand.open(hand.volume)
    context = yield from hand.calls.get(hand.thread, key, instance, file)
    assert context is not None
    hand.blame(key, context)
    yield from hand.calls.release(hand.thread, release, context)
    yield from hand.world.close(hand.thread, file)


#: Code -> the rule.
FAULTS = {
    "Q01": Rule("a paged context is released at DISPATCH_LEVEL", {"read": Way(paged_release)}),
    "Q02": Rule(
        "a routine for APC_LEVEL and below is called at DISPATCH_LEVEL",
        {
            "get": Way(get),
            "allocate": Way(allocation),
            "set": Way(attachment),
            "delete": Way(deletion),
            "section": Way(section),
        },
    ),
    "Q03": Rule("a reference is taken above DISPATCH_LEVEL", {"interrupt": Way(device_reference)}),
    "Q04": Rule("a context is looked up after a write, at an unknown IRQL", {"write": Way(unsafe_get)}),
    "Q05": Rule("a paged context is touched at DISPATCH_LEVEL", {"read": Way(paged_use)}),
    "Q06": Rule("a context is freed at DISPATCH_LEVEL", {"write": Way(last_release)}),
}
