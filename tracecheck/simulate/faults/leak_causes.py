"""Scripts of leaks by their cause: each forgets one kind of reference."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracecheck.fltmgr.status import KEEP_IF_EXISTS, REPLACE_IF_EXISTS
from tracecheck.simulate.faults import leaks
from tracecheck.simulate.faults.form import Rule, Way
from tracecheck.simulate.faults.leaks import allocate
from tracecheck.simulate.objects import STREAM, STREAMHANDLE, TRANSACTION
from tracecheck.simulate.sites import CREATE, POST, PRE, SET, WRITE, Site

if TYPE_CHECKING:
    from tracecheck.simulate.faults.injection import Injection
    from tracecheck.simulate.machine import Steps

_FLUSH = 0x09
_ENOUGH_FOR_A_HABIT = 20
_GROWTH = 40
_A_MILLISECOND = 10_000
_GET_OR_SET = "GetOrSetStreamContext"
_PAIR = "PairContexts"

SITES = {
    "bad.early-allocate": Site("FltAllocateContext", _GET_OR_SET, 49, CREATE, POST, kind=STREAM),
    "bad.unpaged-set": Site(
        "FltSetStreamContext", _GET_OR_SET, 61, CREATE, POST, operation=KEEP_IF_EXISTS, asks=True
    ),
    "bad.list-reference": Site("FltReferenceContext", "AddToList", 27, WRITE, PRE),
    "bad.flush-get": Site("FltGetStreamContext", "PreFlush", 341, _FLUSH, PRE),
    "bad.flush-release": Site("FltReleaseContext", "PostFlush", 372, _FLUSH, POST),
    "bad.grow-allocate": Site("FltAllocateContext", "OpenHandle", 115, CREATE, POST, kind=STREAMHANDLE),
    "bad.grow-set": Site(
        "FltSetStreamHandleContext", "OpenHandle", 124, CREATE, POST, operation=REPLACE_IF_EXISTS, asks=True
    ),
    "bad.grow-release-old": Site("FltReleaseContext", "OpenHandle", 131, CREATE, POST),
    "bad.pair-get-stream": Site("FltGetStreamContext", _PAIR, 61, SET, PRE),
    "bad.pair-get-tx": Site("FltGetTransactionContext", _PAIR, 66, SET, PRE),
    "bad.pair-reference-stream": Site("FltReferenceContext", _PAIR, 72, SET, PRE),
    "bad.pair-reference-tx": Site("FltReferenceContext", _PAIR, 73, SET, PRE),
    "bad.pair-release-stream": Site("FltReleaseContext", _PAIR, 79, SET, PRE),
    "bad.pair-release-tx": Site("FltReleaseContext", _PAIR, 80, SET, PRE),
    "bad.unset-use": Site("ContextUse", "ResetStreamContext", 114, CREATE, POST),
    "bad.unset-reference": Site("FltReferenceContext", "ResetStreamContext", 116, CREATE, POST),
    "bad.unset-drop": Site("FltReleaseContext", "ResetStreamContext", 119, CREATE, POST),
}


def set_failed(hand: Injection) -> Steps[None]:
    """Set a context on a paging file, which has none, and returns the error."""
    calls, thread = hand.calls, hand.thread
    file, instance = yield from hand.open_paging(hand.volume)
    context = yield from allocate(hand, "bad.early-allocate")
    hand.leak("bad.early-allocate", context)
    yield from calls.set(thread, "bad.unpaged-set", instance, file, context)
    yield from hand.world.close(thread, file)


def race_lost(hand: Injection) -> Steps[None]:
    """Lose the race to set a context, goes on with the winner's and forgets its own."""
    file, instance = yield from hand.open(hand.volume)
    calls, thread = hand.calls, hand.thread
    context = yield from allocate(hand, "create.allocate-stream")
    hand.leak("create.allocate-stream", context)
    _, old = yield from calls.set(thread, "create.set-stream", instance, file, context)
    assert old is not None
    yield from calls.release(thread, "create.release-stream", old)
    yield from hand.world.close(thread, file)


def never_set(hand: Injection) -> Steps[None]:
    """Allocate, and returns because something else failed."""
    file, _ = yield from hand.open(hand.volume)
    context = yield from allocate(hand, "reset.allocate")
    hand.leak("reset.allocate", context)
    yield 30
    yield from hand.world.close(hand.thread, file)


def get_failed(hand: Injection) -> Steps[None]:
    """Allocate in advance, learns from FltGetStreamContext that a paging file has none, and returns."""
    calls, thread = hand.calls, hand.thread
    file, instance = yield from hand.open_paging(hand.volume)
    context = yield from allocate(hand, "bad.early-allocate")
    hand.leak("bad.early-allocate", context)
    yield from calls.get(thread, "create.get-paging", instance, file)
    yield from hand.world.close(thread, file)


def listed(hand: Injection) -> Steps[None]:
    """Take a reference for a list that is never emptied."""
    file, instance = yield from hand.open(hand.volume)
    calls, thread = hand.calls, hand.thread
    context = yield from calls.get(thread, "write.get", instance, file)
    assert context is not None
    yield from calls.reference(thread, "bad.list-reference", context)
    hand.leak("bad.list-reference", context)
    yield from calls.release(thread, "write.release", context)
    yield from hand.world.close(thread, file)


def handed_over(hand: Injection) -> Steps[None]:
    """Pass what pre-flush got to post-flush, which forgets it when the instance drains."""
    file, instance = yield from hand.open(hand.volume)
    calls, thread = hand.calls, hand.thread
    for _ in range(_ENOUGH_FOR_A_HABIT):
        context = yield from calls.get(thread, "bad.flush-get", instance, file)
        assert context is not None
        yield 30
        yield from calls.release(thread, "bad.flush-release", context)
    # References of a life that leaks teach nothing: the habit is another file's.
    yield from hand.world.close(thread, file)
    file, instance = yield from hand.open(hand.volume)
    context = yield from calls.get(thread, "bad.flush-get", instance, file)
    assert context is not None
    hand.leak("bad.flush-get", context)
    yield from hand.world.close(thread, file)


def growing(hand: Injection) -> Steps[None]:
    """Leak the context of every handle that it opens, all the time."""
    calls, thread = hand.calls, hand.thread
    gap = int(hand.world.scenario.duration * 10 * _A_MILLISECOND) or _A_MILLISECOND
    for number in range(_GROWTH):
        file, instance = yield from hand.open(hand.volume)
        context = yield from allocate(hand, "bad.grow-allocate")
        if number:
            hand.leak_too(context)
        else:
            hand.leak("bad.grow-allocate", context)
        _, old = yield from calls.set(thread, "bad.grow-set", instance, file, context)
        if old is not None:
            yield from calls.release(thread, "bad.grow-release-old", old)
        yield from hand.world.close(thread, file)
        yield gap // _GROWTH + hand.machine.below(100)


def kept_by_each_other(hand: Injection) -> Steps[None]:
    """Keep a reference to the transaction's context in the stream's, and the other way round."""
    calls, thread = hand.calls, hand.thread
    file, instance = yield from hand.open(hand.volume, needs=TRANSACTION)
    stream = yield from calls.get(thread, "bad.pair-get-stream", instance, file)
    while stream is None:
        # The pool was short of memory when the stream was to get its context.
        yield from hand.world.close(thread, file)
        file, instance = yield from hand.open(hand.volume, needs=TRANSACTION)
        stream = yield from calls.get(thread, "bad.pair-get-stream", instance, file)
    assert file.transaction is not None
    other = yield from calls.get(thread, "bad.pair-get-tx", instance, file.transaction)
    assert other is not None
    yield from calls.reference(thread, "bad.pair-reference-stream", stream)
    hand.leak("bad.pair-reference-stream", stream)
    yield from calls.reference(thread, "bad.pair-reference-tx", other)
    hand.leak_too(other)
    yield from calls.release(thread, "bad.pair-release-tx", other)
    yield from calls.release(thread, "bad.pair-release-stream", stream)
    yield from hand.world.close(thread, file)


def went_on(hand: Injection) -> Steps[None]:
    """Take a lost race for success, and writes to the context that is attached to nothing."""
    file, instance = yield from hand.open(hand.volume)
    calls, thread = hand.calls, hand.thread
    context = yield from allocate(hand, "create.allocate-stream")
    _, old = yield from calls.set(thread, "create.set-stream", instance, file, context)
    assert old is not None
    hand.blame("create.set-stream", context)
    yield from calls.use(thread, "bad.unset-use", context)
    yield from calls.release(thread, "bad.unset-drop", context)
    yield from calls.release(thread, "create.release-stream", old)
    yield from hand.world.close(thread, file)


def went_on_referencing(hand: Injection) -> Steps[None]:
    """The same, and takes one more reference to it for somebody else."""
    file, instance = yield from hand.open(hand.volume)
    calls, thread = hand.calls, hand.thread
    context = yield from allocate(hand, "create.allocate-stream")
    _, old = yield from calls.set(thread, "create.set-stream", instance, file, context)
    assert old is not None
    hand.blame("create.set-stream", context)
    yield from calls.reference(thread, "bad.unset-reference", context)
    yield from calls.release(thread, "bad.unset-drop", context)
    yield from calls.release(thread, "bad.unset-drop", context)
    yield from calls.release(thread, "create.release-stream", old)
    yield from hand.world.close(thread, file)


FAULTS = {
    "L04": Rule(
        "a context is set, and its allocation's reference forgotten",
        {"set": Way(leaks.allocation)},
        leak=True,
    ),
    "L05": Rule(
        "a set fails, and the new context is forgotten",
        {"unsupported": Way(set_failed), "race": Way(race_lost)},
        leak=True,
    ),
    "L06": Rule(
        "the old context of a lost race is forgotten",
        {"kept": Way(leaks.kept)},
        leak=True,
    ),
    "L07": Rule(
        "a replaced context is forgotten",
        {"replaced": Way(leaks.replaced)},
        leak=True,
    ),
    "L08": Rule(
        "what FltDeleteXxxContext hands over is forgotten",
        {"detached": Way(leaks.detached)},
        leak=True,
    ),
    "L10": Rule(
        "a reference is taken for a list that is never emptied",
        {"list": Way(listed)},
        leak=True,
    ),
    "L11": Rule(
        "FltDeleteContext is taken for a release",
        {"got": Way(leaks.deleted, ("L09",))},
        leak=True,
    ),
    "L12": Rule(
        "a member of FltGetContexts is forgotten",
        {"member": Way(leaks.member, ("L09",))},
        leak=True,
    ),
    "L13": Rule(
        "a context is allocated and forgotten",
        {"new": Way(never_set)},
        leak=True,
    ),
    "L14": Rule(
        "what a pre-operation callback passes on is dropped by the post-operation callback",
        {"flush": Way(handed_over, ("L09",))},
        leak=True,
    ),
    "L15": Rule(
        "a new context is forgotten because a get failed",
        {"paging": Way(get_failed, ("L13",))},
        leak=True,
    ),
    "L16": Rule(
        "a section is not created, and its context forgotten",
        {"create": Way(leaks.orphan)},
        leak=True,
    ),
    "L19": Rule(
        "the contexts of one call site are never freed",
        {"handle": Way(growing, ("L04",))},
        leak=True,
    ),
    "L20": Rule(
        "two contexts keep references to each other",
        {"transaction": Way(kept_by_each_other, ("L10", "T02"))},
        leak=True,
    ),
    "L21": Rule(
        "a lost race is taken for success",
        {"use": Way(went_on, ("R14",)), "reference": Way(went_on_referencing, ("R14",))},
    ),
}
