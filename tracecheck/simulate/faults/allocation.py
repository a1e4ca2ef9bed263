"""Scripts of allocations that are refused, or that ask for the wrong memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracecheck.fltmgr.status import (
    STATUS_FLT_CONTEXT_ALLOCATION_NOT_FOUND,
    STATUS_FLT_DELETING_OBJECT,
    STATUS_FLT_MUST_BE_NONPAGED_POOL,
    STATUS_INVALID_BUFFER_SIZE,
    STATUS_INVALID_PARAMETER,
)
from tracecheck.simulate.faults.form import Rule, Way
from tracecheck.simulate.faults.leaks import allocate
from tracecheck.simulate.faults.misuse import lost, unhooked
from tracecheck.simulate.objects import FILE, STREAM, TRANSACTION, VOLUME
from tracecheck.simulate.registration import NON_PAGED_NX, PAGED, REGISTRATIONS
from tracecheck.simulate.sites import Site

if TYPE_CHECKING:
    from collections.abc import Callable

    from tracecheck.simulate.faults.injection import Injection
    from tracecheck.simulate.machine import Steps

_NON_PAGED = 0x0
_POOL_FLAG_NON_PAGED = 0x40
_PROPER = 8

#: The call sites of faulty code.
SITES = {
    "bad.allocate-tx": Site("FltAllocateContext", "AllocateContexts", 211, kind=TRANSACTION),
    "bad.allocate-stream": Site("FltAllocateContext", "AllocateContexts", 224, kind=STREAM),
    "bad.allocate-file": Site("FltAllocateContext", "AllocateContexts", 237, kind=FILE),
    "bad.allocate-volume": Site("FltAllocateContext", "AllocateContexts", 250, kind=VOLUME),
    "bad.allocate-late": Site("FltAllocateContext", "LazyWorker", 77, kind=STREAM),
    "bad.release-stream": Site("FltReleaseContext", "AllocateContexts", 229),
    "bad.init-late": Site("ContextUse", "InitialiseContext", 33),
}


def _refusing(
    key: str, kind: int, status: int, size: int, pool: int = NON_PAGED_NX
) -> Callable[..., Steps[None]]:
    """Make the script of an allocation that is refused."""

    def script(hand: Injection) -> Steps[None]:
        asked = (kind, size, pool, REGISTRATIONS[STREAM].pool_tag)
        yield from hand.refuse(key, 0, hand.calls.filter.pointer, *asked, status)

    return script


def _from_pool(pool: int) -> Callable[..., Steps[None]]:
    """Make the script of an allocation from the wrong pool, which is served."""

    def script(hand: Injection) -> Steps[None]:
        context = None
        while context is None:
            context = yield from hand.calls.allocate(hand.thread, "bad.allocate-stream", pool)
        hand.blame("bad.allocate-stream", context)
        yield from hand.calls.release(hand.thread, "bad.release-stream", context)

    return script


def initialised_late(hand: Injection) -> Steps[None]:
    """Sets a context and fills it then; other paths do so in the right order."""
    file, instance = yield from hand.open(hand.volume)
    calls, thread = hand.calls, hand.thread
    for late in (*[False] * _PROPER, True):
        context = yield from allocate(hand, "reset.allocate")
        if not late:
            yield from calls.use(thread, "init.use", context)
        _, old = yield from calls.set(thread, "reset.set", instance, file, context)
        if late:
            yield from hand.phantom("bad.init-late", context)
        if old is not None:
            yield from calls.release(thread, "reset.release-old", old)
        yield from calls.release(thread, "reset.release-new", context)
    yield from hand.world.close(thread, file)


_STREAM_SIZE = REGISTRATIONS[STREAM].size

#: Code -> the rule.
FAULTS = {
    "A01": Rule(
        "an allocation of a type that was not registered",
        {
            "transaction": Way(
                _refusing(
                    "bad.allocate-tx", TRANSACTION, STATUS_FLT_CONTEXT_ALLOCATION_NOT_FOUND, 0xA0, PAGED
                )
            )
        },
    ),
    "A02": Rule(
        "an allocation of no bytes",
        {"stream": Way(_refusing("bad.allocate-stream", STREAM, STATUS_INVALID_PARAMETER, 0))},
    ),
    "A03": Rule(
        "an allocation of more bytes than a context can have",
        {"stream": Way(_refusing("bad.allocate-stream", STREAM, STATUS_INVALID_BUFFER_SIZE, 0x10010))},
    ),
    "A04": Rule(
        "an allocation of a size that was not registered",
        {
            "larger": Way(
                _refusing("bad.allocate-file", FILE, STATUS_FLT_CONTEXT_ALLOCATION_NOT_FOUND, 0x98, PAGED)
            ),
            "smaller": Way(
                _refusing("bad.allocate-file", FILE, STATUS_FLT_CONTEXT_ALLOCATION_NOT_FOUND, 0x18, PAGED)
            ),
        },
    ),
    "A05": Rule(
        "a volume context from paged pool",
        {
            "refused": Way(
                _refusing(
                    "bad.allocate-volume",
                    VOLUME,
                    STATUS_FLT_MUST_BE_NONPAGED_POOL,
                    REGISTRATIONS[VOLUME].size,
                    PAGED,
                )
            )
        },
    ),
    "A06": Rule("an allocation from no type of pool", {"flag": Way(_from_pool(_POOL_FLAG_NON_PAGED))}),
    "A07": Rule("an allocation from executable pool", {"stream": Way(_from_pool(_NON_PAGED))}),
    "A08": Rule("a context is set before it is initialised", {"reset": Way(initialised_late)}),
    "A09": Rule(
        "an allocation while the filter is being unloaded",
        {"late": Way(_refusing("bad.allocate-late", STREAM, STATUS_FLT_DELETING_OBJECT, _STREAM_SIZE))},
    ),
    "A12": Rule(
        "memory is handed out again while its context seems to live",
        {"unhooked": Way(unhooked, ("M04",)), "lost": Way(lost, ("M04",))},
    ),
}
