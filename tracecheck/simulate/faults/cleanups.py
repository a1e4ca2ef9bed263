"""Scripts of what goes wrong at the end of contexts, and of what comes after the end of a filter."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracecheck.fltmgr.status import STATUS_SUCCESS
from tracecheck.simulate.faults.form import Rule, Way
from tracecheck.simulate.faults.leaks import allocate
from tracecheck.simulate.machine import UNHOOKED
from tracecheck.simulate.objects import SECTION, STREAM, Filter
from tracecheck.simulate.registration import REGISTRATIONS
from tracecheck.simulate.sites import Site

if TYPE_CHECKING:
    from tracecheck.simulate.faults.injection import Injection
    from tracecheck.simulate.machine import Steps
    from tracecheck.simulate.objects import Context

_A_MILLISECOND = 10_000

SITES = {
    "bad.cleanup-reference": Site("FltReferenceContext", "ContextCleanup", 411),
    "bad.cleanup-release": Site("FltReleaseContext", "ContextCleanup", 413),
    "bad.stray-release": Site("FltReleaseContext", "LazyWorker", 101),
}


def brought_back(hand: Injection) -> Steps[None]:
    """The cleanup callback takes a reference to the context that it cleans up."""
    context = yield from allocate(hand, "scan.allocate")
    steps = hand.calls.release(hand.thread, "scan.release-failed", context)
    yield next(steps)
    ticks = next(steps)  # the callback has begun
    yield from hand.phantom("bad.cleanup-reference", context)
    yield from hand.pretend("bad.cleanup-release", context, hand.thread)
    yield ticks
    yield from steps


def stray(hand: Injection) -> Steps[None]:
    """A filter is registered and unregistered again, and a worker of it goes on with a context."""
    calls, thread, log = hand.calls, hand.thread, hand.calls.log
    flt = Filter(calls.filter.pointer + 0x10000, hand.world.serial())
    flt.calls = calls
    calls.note(thread, "entry.registered", flt.pointer, STATUS_SUCCESS)
    yield 50
    want = REGISTRATIONS[STREAM]
    _, context = calls.manager.allocate(flt, STREAM, want.size)
    assert context is not None
    asked = (STREAM, want.size, want.pool, want.pool_tag, STATUS_SUCCESS)
    shape = calls.shape("reset.allocate")
    context.number = log.write(thread, shape, hand.machine.now, context.pointer, flt.pointer, *asked)
    yield 50
    calls.note(thread, "unregister.begin", flt.pointer)
    yield 50
    calls.note(thread, "unregister.end", flt.pointer)
    yield 2 * _A_MILLISECOND
    steps = calls.release(thread, "bad.stray-release", context)
    yield from hand.make("bad.stray-release", context, steps)


def cleaned_up_twice(hand: Injection) -> Steps[None]:
    """The cleanup callback runs again for a context that it has run for."""
    context = yield from allocate(hand, "scan.allocate")
    context.keep = True
    yield from hand.calls.release(hand.thread, "scan.release-failed", context)
    yield from hand.phantom("cleanup.begin", context, SECTION)
    hand.recycle(context)


def never_cleaned_up(hand: Injection) -> Steps[None]:
    """A context is freed, and its cleanup callback does not run."""
    context = yield from allocate(hand, "reset.allocate")
    yield from _quietly(hand, "reset.release-new", context, blamed=True)


def cleaned_up_owned(hand: Injection) -> Steps[None]:
    """No fault: a release is not logged, so that the cleanup seems to come too early."""
    file, instance = yield from hand.open(hand.volume)
    context = yield from hand.calls.get(hand.thread, "work.get", instance, file)
    assert context is not None
    hand.blame("work.get", context)
    hand.thread.muted = UNHOOKED
    yield from hand.calls.release(hand.thread, "work.release", context)
    hand.thread.muted = 0
    yield from hand.world.close(hand.thread, file)
    yield from hand.world.retire(hand.thread, file.file)


def cleaned_up_as_another(hand: Injection) -> Steps[None]:
    """The cleanup callback is told another type than the one that was allocated."""
    context = yield from allocate(hand, "scan.allocate")
    context.keep = True
    yield from _quietly(hand, "scan.release-failed", context, blamed=False)
    yield from hand.phantom("cleanup.begin", context, STREAM)
    yield from hand.tell("cleanup.end", context.pointer, STREAM)
    hand.recycle(context)


def _quietly(hand: Injection, key: str, context: Context, *, blamed: bool) -> Steps[None]:
    """Release a context for the last time, and log nothing of its cleanup."""
    steps = hand.calls.release(hand.thread, key, context)
    ticks = next(steps)
    if blamed:
        hand.blame(key, context)
    hand.thread.muted = UNHOOKED
    yield ticks
    yield from steps
    hand.thread.muted = 0


FAULTS = {
    "R16": Rule(
        "a cleanup callback references its own context",
        {"reference": Way(brought_back, ("R03",))},
    ),
    "E01": Rule("a context is released after its filter was unregistered", {"worker": Way(stray)}),
    "E04": Rule(
        "a context is cleaned up twice, or never",
        {"twice": Way(cleaned_up_twice), "never": Way(never_cleaned_up)},
    ),
    "E05": Rule("a context is cleaned up while it is owned", {"unlogged": Way(cleaned_up_owned, ("M04",))}),
    "E06": Rule("a context is cleaned up as another type", {"stream": Way(cleaned_up_as_another)}),
}
