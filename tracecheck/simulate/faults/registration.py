"""Scripts of registrations that FltRegisterFilter refuses, or that are of no use.

The driver registers a second filter beside its own, by the same lines of its source.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracecheck.fltmgr.status import STATUS_FLT_INVALID_CONTEXT_REGISTRATION, STATUS_SUCCESS
from tracecheck.simulate.faults.form import Rule, Way
from tracecheck.simulate.objects import INSTANCE, STREAM
from tracecheck.simulate.registration import NON_PAGED_NX, REGISTRATIONS, VARIABLE_SIZE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tracecheck.simulate.faults.injection import Injection
    from tracecheck.simulate.machine import Steps

_SECOND_FILTER = 0x2B0  # how far behind the driver's own filter that of its second registration lies
_TAG = REGISTRATIONS[STREAM].pool_tag


def _registering(
    entries: Sequence[tuple[int, int, int]], status: int, unload: bool
) -> Callable[..., Steps[None]]:
    """Make the script of a registration.

    Args:
        entries: Type, size and tag of each.
        status: What FltRegisterFilter returns.
        unload: The filter is unregistered again.
    """

    def script(hand: Injection) -> Steps[None]:
        calls, thread = hand.calls, hand.thread
        pointer = calls.filter.pointer + _SECOND_FILTER * 16
        for kind, size, tag in entries:
            calls.note(thread, "entry.register", pointer, kind, size, tag, NON_PAGED_NX)
            hand.blame("entry.register", None)
            yield 2
        calls.note(thread, "entry.registered", pointer, status)
        if unload:
            yield 50
            calls.note(thread, "unregister.begin", pointer)
            yield 50
            calls.note(thread, "unregister.end", pointer)

    return script


#: Code -> the rule.
FAULTS = {
    "A10": Rule(
        "a registration that breaks the rules of its entries",
        {
            "sizes": Way(
                _registering(
                    [(STREAM, 0x20 * i, _TAG) for i in range(1, 5)],
                    STATUS_FLT_INVALID_CONTEXT_REGISTRATION,
                    False,
                )
            ),
            "variable": Way(
                _registering(
                    [(STREAM, VARIABLE_SIZE, _TAG), (STREAM, VARIABLE_SIZE, _TAG + 1)],
                    STATUS_FLT_INVALID_CONTEXT_REGISTRATION,
                    False,
                )
            ),
        },
    ),
    "A11": Rule(
        "a type is registered and never used",
        {
            "all": Way(
                _registering([(INSTANCE, 0x40, _TAG), (STREAM, VARIABLE_SIZE, _TAG)], STATUS_SUCCESS, True)
            )
        },
    ),
}
