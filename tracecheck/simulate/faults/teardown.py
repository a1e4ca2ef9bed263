"""Scripts of what outlives its section, its transaction, its instance or the driver's unload."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracecheck.fltmgr.status import STATUS_SUCCESS
from tracecheck.simulate.faults import leaks
from tracecheck.simulate.faults.form import Rule, Way
from tracecheck.simulate.faults.leaks import allocate
from tracecheck.simulate.objects import TRANSACTION
from tracecheck.simulate.sites import PRE, SET, Site

if TYPE_CHECKING:
    from tracecheck.simulate.faults.injection import Injection
    from tracecheck.simulate.machine import Steps

_A_MILLISECOND = 10_000
_TRIES = 60  # another thread's transaction may have the address for a while

SITES = {
    "bad.tx-get": Site("FltGetTransactionContext", "PreSetInformation", 751, SET, PRE),
}


def never_closed(hand: Injection) -> Steps[None]:
    """Release a section's context and never closes the section; its stream goes away."""
    file, instance = yield from hand.open(hand.volume)
    calls, thread = hand.calls, hand.thread
    context = yield from allocate(hand, "scan.allocate")
    yield from calls.create_section(thread, "scan.create", instance, file, context, STATUS_SUCCESS)
    hand.blame("scan.create", context)
    yield 500
    yield from calls.release(thread, "scan.release", context)
    yield from hand.world.close(thread, file)
    yield _A_MILLISECOND
    yield from hand.world.retire(thread, file.file)


def after_transaction(hand: Injection) -> Steps[None]:
    """Get the transaction's context and keeps it; another transaction comes to the same address."""
    file, instance = yield from hand.open(hand.volume, needs=TRANSACTION)
    assert file.transaction is not None
    context = yield from hand.calls.get(hand.thread, "bad.tx-get", instance, file.transaction)
    assert context is not None
    hand.leak("bad.tx-get", context)
    yield from hand.world.close(hand.thread, file)
    yield _A_MILLISECOND
    for _ in range(_TRIES):
        again, _ = yield from hand.open(hand.volume, needs=TRANSACTION)
        yield from hand.world.close(hand.thread, again)
        if again.transaction is not None and again.transaction.pointer == file.transaction.pointer:
            return


def after_instance(hand: Injection) -> Steps[None]:
    """Delete a context and keeps its own reference; then the instance is torn down."""
    volume = hand.world.volumes[1]
    file, instance = yield from hand.open(volume)
    calls, thread = hand.calls, hand.thread
    context = yield from calls.get(thread, "drop.get", instance, file)
    assert context is not None
    hand.leak("drop.get", context)
    yield from calls.delete_context(thread, "drop.delete", context)
    yield from hand.world.close(thread, file)
    yield _A_MILLISECOND
    yield from hand.driver.detach(thread, instance)
    yield 10 * _A_MILLISECOND
    yield from hand.driver.attach(thread, volume)


FAULTS = {
    "L17": Rule("a section is never closed", {"released": Way(never_closed)}),
    "X04": Rule(
        "a section is closed, and its context forgotten",
        {"closed": Way(leaks.section)},
        leak=True,
    ),
    "T02": Rule(
        "a transaction's context outlives its transaction",
        {"got": Way(after_transaction, ("L09",))},
        leak=True,
    ),
    "E02": Rule(
        "FltUnregisterFilter waits for a reference for ever",
        {
            "got": Way(leaks.got_handle, ("L09",)),
            "reference": Way(leaks.reference, ("L10", "L09")),
        },
        leak=True,
        unloaded=True,
    ),
    "E03": Rule(
        "a context outlives its instance",
        {"deleted": Way(after_instance, ("L09", "L11"))},
        leak=True,
        loaded=True,
    ),
}
