"""Scripts of calls where files have no contexts; the filter manager refuses them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracecheck.fltmgr.status import KEEP_IF_EXISTS, STATUS_NOT_SUPPORTED
from tracecheck.simulate.faults.form import Rule, Way
from tracecheck.simulate.faults.leaks import allocate
from tracecheck.simulate.sites import CLOSE, CREATE, NETWORK_QUERY_OPEN, POST, PRE, Site

if TYPE_CHECKING:
    from collections.abc import Callable

    from tracecheck.simulate.faults.injection import Injection
    from tracecheck.simulate.machine import Steps

_GET, _SET = "FltGetStreamContext", "FltSetStreamContext"
_QUERY = "PreNetworkQueryOpen"

#: The call sites of faulty code.
SITES = {
    "bad.precreate-set": Site(_SET, "PreCreate", 101, CREATE, PRE, operation=KEEP_IF_EXISTS, asks=False),
    "bad.precreate-get": Site(_GET, "PreCreate", 95, CREATE, PRE),
    "bad.precreate-delete": Site("FltDeleteStreamContext", "PreCreate", 109, CREATE, PRE, asks=False),
    "bad.postclose-set": Site(_SET, "PostClose", 991, CLOSE, POST, operation=KEEP_IF_EXISTS, asks=False),
    "bad.postclose-get": Site(_GET, "PostClose", 997, CLOSE, POST),
    "bad.network-set": Site(
        _SET, _QUERY, 1021, NETWORK_QUERY_OPEN, PRE, operation=KEEP_IF_EXISTS, asks=False
    ),
    "bad.network-get": Site(_GET, _QUERY, 1018, NETWORK_QUERY_OPEN, PRE),
    "bad.paging-set": Site(
        _SET, "PostCreate", 229, CREATE, POST, operation=KEEP_IF_EXISTS, asks=False, paging=True
    ),
    "bad.paging-get": Site(_GET, "PostCreate", 233, CREATE, POST, paging=True),
}


def _setting(key: str) -> Callable[..., Steps[None]]:
    """Make the script of a set that is refused; the driver releases the context as it should."""

    def script(hand: Injection) -> Steps[None]:
        instance = hand.driver.instances[hand.volume]
        file = hand.world.open_below(hand.volume)
        context = yield from allocate(hand, "reset.allocate")
        yield from hand.phantom(key, context, instance.pointer, *file.place, STATUS_NOT_SUPPORTED)
        yield from hand.calls.release(hand.thread, "reset.release-new", context)
        hand.world.close_below(file)

    return script


def _asking(key: str, *, returns: bool) -> Callable[..., Steps[None]]:
    """Make the script of a get, which ``returns`` a context, or of a delete by object that is refused."""

    def script(hand: Injection) -> Steps[None]:
        instance = hand.driver.instances[hand.volume]
        file = hand.world.open_below(hand.volume)
        place = (instance.pointer, *file.place, STATUS_NOT_SUPPORTED)
        yield from hand.refuse(key, *((0,) if returns else ()), *place)
        hand.world.close_below(file)

    return script


#: Code -> the rule.
FAULTS = {
    "P01": Rule(
        "a file's context is used in pre-create",
        {
            "set": Way(_setting("bad.precreate-set"), ("S03",)),
            "get": Way(_asking("bad.precreate-get", returns=True), ("G05",), noted=True),
            "delete": Way(_asking("bad.precreate-delete", returns=False), noted=True),
        },
    ),
    "P02": Rule(
        "a file's context is used in post-close",
        {
            "set": Way(_setting("bad.postclose-set"), noted=True),
            "get": Way(_asking("bad.postclose-get", returns=True), ("G05",), noted=True),
        },
    ),
    "P03": Rule(
        "a file's context is used in network query open",
        {
            "set": Way(_setting("bad.network-set"), noted=True),
            "get": Way(_asking("bad.network-get", returns=True), ("G05",), noted=True),
        },
    ),
    "P04": Rule(
        "a context is used on a paging file",
        {
            "set": Way(_setting("bad.paging-set"), noted=True),
            "get": Way(_asking("bad.paging-get", returns=True), ("G05",), noted=True),
        },
    ),
}
