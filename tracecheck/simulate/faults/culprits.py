"""Scripts of faults whose culprit has to be found: among many paths and threads that do it right.

All of them are made on files that other threads use too, by functions that did right before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracecheck.fltmgr.status import REPLACE_IF_EXISTS
from tracecheck.simulate.faults.form import Way
from tracecheck.simulate.faults.leaks import allocate
from tracecheck.simulate.objects import STREAM, STREAMHANDLE
from tracecheck.simulate.sites import POST, PRE, QUERY, SET, Site

if TYPE_CHECKING:
    from tracecheck.simulate.faults.injection import Injection
    from tracecheck.simulate.machine import Steps, Thread
    from tracecheck.simulate.objects import Context, FileObject, Instance

_CHECK, _REFRESH = "CheckAccess", "RefreshContext"
# How often the function does right before it fails, and how often a file that suits the fault is looked for.
_PASSES = 8
_TRIES = 400

#: The call sites of these functions.
SITES = {
    "check.get": Site("FltGetStreamContext", _CHECK, 610, QUERY, PRE),
    "check.get-handle": Site("FltGetStreamHandleContext", _CHECK, 618, QUERY, PRE),
    "check.release-no-handle": Site("FltReleaseContext", _CHECK, 621, QUERY, PRE),
    "check.get-file": Site("FltGetFileContext", _CHECK, 627, QUERY, PRE),
    "check.release-handle-no-file": Site("FltReleaseContext", _CHECK, 630, QUERY, PRE),
    "check.release-no-file": Site("FltReleaseContext", _CHECK, 631, QUERY, PRE),
    "check.release-file": Site("FltReleaseContext", _CHECK, 640, QUERY, PRE),
    "check.release-handle": Site("FltReleaseContext", _CHECK, 641, QUERY, PRE),
    "check.release": Site("FltReleaseContext", _CHECK, 642, QUERY, PRE),
    "refresh.allocate": Site("FltAllocateContext", _REFRESH, 710, SET, POST, kind=STREAM),
    "refresh.set": Site(
        "FltSetStreamContext", _REFRESH, 719, SET, POST, operation=REPLACE_IF_EXISTS, asks=True
    ),
    "refresh.release-old": Site("FltReleaseContext", _REFRESH, 727, SET, POST),
    "refresh.release": Site("FltReleaseContext", _REFRESH, 733, SET, POST),
    "bad.worker-release": Site("FltReleaseContext", "ScanWorker", 58),
}


def error_path(hand: Injection) -> Steps[None]:
    """One of three ways out of a function forgets the release: the one without a handle context."""
    for _ in range(_PASSES):
        file, instance = yield from _open_shared(hand)
        yield from _check(hand, file, instance, faulty=False)
        yield from hand.world.close(hand.thread, file)
    for _ in range(_TRIES):
        file, instance = yield from _open_shared(hand)
        suits = instance.key | STREAMHANDLE not in file.slots
        yield from _check(hand, file, instance, faulty=suits)
        yield from hand.world.close(hand.thread, file)
        if hand.found is not None:
            return


def _check(hand: Injection, file: FileObject, instance: Instance, *, faulty: bool) -> Steps[None]:
    """Get the contexts of the stream, the handle and the file; each may be missing."""
    calls, thread = hand.calls, hand.thread
    context = yield from calls.get(thread, "check.get", instance, file)
    if context is None:
        return
    if faulty:
        hand.leak("check.get", context)
    handle = yield from calls.get(thread, "check.get-handle", instance, file)
    if handle is None:
        if not faulty:
            yield from calls.release(thread, "check.release-no-handle", context)
        return
    of_file = yield from calls.get(thread, "check.get-file", instance, file)
    if of_file is None:
        yield from calls.release(thread, "check.release-handle-no-file", handle)
        yield from calls.release(thread, "check.release-no-file", context)
        return
    yield from calls.release(thread, "check.release-file", of_file)
    yield from calls.release(thread, "check.release-handle", handle)
    yield from calls.release(thread, "check.release", context)


def forgotten(hand: Injection) -> Steps[None]:
    """A function that replaces contexts forgets the old one that it received."""
    for turn in range(_TRIES):
        file, instance = yield from _open_shared(hand)
        yield from _refresh(hand, file, instance, faulty=turn >= _PASSES)
        yield from hand.world.close(hand.thread, file)
        if hand.found is not None:
            return


def _refresh(hand: Injection, file: FileObject, instance: Instance, *, faulty: bool) -> Steps[None]:
    calls, thread = hand.calls, hand.thread
    context = yield from allocate(hand, "refresh.allocate")
    _, old = yield from calls.set(thread, "refresh.set", instance, file, context)
    if old is not None and faulty:
        hand.leak("refresh.set", old)
    elif old is not None:
        yield from calls.release(thread, "refresh.release-old", old)
    yield from calls.release(thread, "refresh.release", context)


def worker_twice(hand: Injection) -> Steps[None]:
    """A work item releases its reference twice, while other threads work with the same context."""
    for _ in range(_TRIES):
        file, instance = yield from _open_shared(hand)
        context = yield from hand.calls.get(hand.thread, "work.get", instance, file)
        if context is not None:
            # Its address must not come back as another's before the fault is made.
            context.keep = True
            _queue(hand, instance, context)
        yield from hand.world.close(hand.thread, file)
        if context is not None:
            return


def _queue(hand: Injection, instance: Instance, context: Context) -> None:
    instance.inflight += 1

    def item(worker: Thread) -> Steps[None]:
        yield 50 + hand.machine.below(400)
        yield from hand.calls.release(worker, "worker.release", context)
        yield from hand.phantom("bad.worker-release", context, thread=worker)
        instance.inflight -= 1

    hand.machine.post(hand.world.worker(), item)


def _open_shared(hand: Injection) -> Steps[tuple[FileObject, Instance]]:
    file = yield from hand.world.open(hand.thread, hand.world.shared_stream(hand.volume), sure=True)
    assert file is not None
    return file, hand.driver.instances[hand.volume]


#: Code -> variant -> the way; further ways to break rules that have others too.
WAYS = {
    "L01": {"forgotten": Way(forgotten, ("L07",))},
    "L09": {"error-path": Way(error_path)},
    # What the log counts is too low from then on: whoever comes next seems to be at fault as well.
    "R01": {"worker": Way(worker_twice, ("R02", "R03", "R04", "R05"))},
}
