"""Scripts of gets whose status is ignored, that cannot be, or that are made where there is nothing to get."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracecheck.fltmgr.status import STATUS_SUCCESS
from tracecheck.simulate.faults.form import Rule, Way
from tracecheck.simulate.faults.over_releases import find_nothing
from tracecheck.simulate.sites import CLOSE, CREATE, NETWORK_QUERY_OPEN, POST, PRE, QUERY, READ, SET, Site

if TYPE_CHECKING:
    from tracecheck.simulate.faults.injection import Injection
    from tracecheck.simulate.machine import Steps
    from tracecheck.simulate.objects import Context, FileObject, Instance

# Longer than any call is taken to last: a quarter of a second.
_A_WHILE = 2_500_000
_ALL_BUT_SECTION = 0x3F

SITES = {
    "bad.query-use": Site("ContextUse", "PreQueryInformation", 634, QUERY, PRE),
    "bad.query-reference": Site("FltReferenceContext", "PreQueryInformation", 636, QUERY, PRE),
    "bad.read-use": Site("ContextUse", "PreRead", 444, READ, PRE),
    "bad.set-use": Site("ContextUse", "PreSetInformation", 715, SET, PRE),
    "bad.close-get": Site("FltGetStreamContext", "PostClose", 981, CLOSE, POST),
    "bad.close-release": Site("FltReleaseContext", "PostClose", 988, CLOSE, POST),
    "bad.query-open-get": Site("FltGetStreamContext", "PreNetworkQueryOpen", 1003, NETWORK_QUERY_OPEN, PRE),
    "bad.network-release": Site("FltReleaseContext", "PreNetworkQueryOpen", 1011, NETWORK_QUERY_OPEN, PRE),
    "bad.paging-file-get": Site("FltGetStreamContext", "PostCreate", 228, CREATE, POST, paging=True),
    "bad.paging-release": Site("FltReleaseContext", "PostCreate", 231, CREATE, POST),
}


def used_null(hand: Injection) -> Steps[None]:
    """A get finds nothing, and what its variable points to is read all the same."""
    yield from _null(hand, "bad.query-use")


def referenced_null(hand: Injection) -> Steps[None]:
    """A get finds nothing, and its variable is referenced all the same."""
    yield from _null(hand, "bad.query-reference")


def used_stale(hand: Injection) -> Steps[None]:
    """A get of a second file finds nothing, and the first file's context is read."""
    file, instance = yield from hand.open(hand.volume)
    bare, _ = yield from hand.open(hand.volume)
    calls, thread = hand.calls, hand.thread
    yield from calls.delete(thread, "drop.delete-stream-blind", instance, bare)
    context = yield from calls.get(thread, "read.get", instance, file)
    assert context is not None
    yield from calls.release(thread, "read.release", context)
    nothing = yield from calls.get(thread, "read.get", instance, bare)
    assert nothing is None
    yield from hand.phantom("bad.read-use", context)
    yield from hand.world.close(thread, bare)
    yield from hand.world.close(thread, file)


def used_no_member(hand: Injection) -> Steps[None]:
    """FltGetContexts leaves a member NULL, and what it points to is read."""
    file, instance = yield from hand.open(hand.volume)
    calls, thread = hand.calls, hand.thread
    found = yield from calls.get_contexts(thread, "set.get-all", instance, file, _ALL_BUT_SECTION)
    yield from hand.phantom("bad.set-use", hand.nobody())
    yield from calls.release_contexts(thread, "set.release-all", found)
    yield from hand.world.close(thread, file)


def got_another(hand: Injection) -> Steps[None]:
    """No fault: the log names another file's context than the get can have returned."""
    file, instance = yield from hand.open(hand.volume)
    other, _ = yield from hand.open(hand.volume)
    context = yield from _get(hand, instance, other)
    yield _A_WHILE
    yield from hand.phantom("read.get", context, instance.pointer, *file.place, STATUS_SUCCESS)
    yield from hand.pretend("read.release", context, hand.thread)
    yield from hand.calls.release(hand.thread, "write.release", context)
    yield from hand.world.close(hand.thread, other)
    yield from hand.world.close(hand.thread, file)


def got_deleted(hand: Injection) -> Steps[None]:
    """No fault: the log has a get of a context that was taken off its stream before."""
    file, instance = yield from hand.open(hand.volume)
    context = yield from _get(hand, instance, file)
    yield from hand.calls.delete_context(hand.thread, "drop.delete", context)
    yield _A_WHILE
    yield from hand.phantom("read.get", context, instance.pointer, *file.place, STATUS_SUCCESS)
    yield from hand.pretend("read.release", context, hand.thread)
    yield from hand.calls.release(hand.thread, "write.release", context)
    yield from hand.world.close(hand.thread, file)


def got_closed(hand: Injection) -> Steps[None]:
    """Post-close gets the context of the file that is gone."""
    yield from _got_where_none_are(hand, "close")


def got_in_query_open(hand: Injection) -> Steps[None]:
    """Pre-network-query-open gets a context by a file object that is none."""
    yield from _got_where_none_are(hand, "network")


def got_of_paging_file(hand: Injection) -> Steps[None]:
    """Post-create gets a context of a paging file."""
    yield from _got_where_none_are(hand, "paging")


def _got_where_none_are(hand: Injection, where: str) -> Steps[None]:
    file, instance = yield from hand.open(hand.volume)
    context = file.stream.slots[instance.key | 8]
    place = (instance.pointer, *file.place, STATUS_SUCCESS)
    yield from hand.phantom(f"bad.{where}-get", context, *place)
    yield from hand.pretend(f"bad.{where}-release", context, hand.thread)
    yield from hand.world.close(hand.thread, file)


def _null(hand: Injection, key: str) -> Steps[None]:
    file, instance = yield from hand.open(hand.volume)
    yield from find_nothing(hand, instance, file)
    yield from hand.phantom(key, hand.nobody())
    yield from hand.world.close(hand.thread, file)


def _get(hand: Injection, instance: Instance, file: FileObject) -> Steps[Context]:
    context = yield from hand.calls.get(hand.thread, "write.get", instance, file)
    assert context is not None
    return context


FAULTS = {
    "G01": Rule(
        "a use of what a failed get should have returned",
        {
            "null": Way(used_null),
            "reference": Way(referenced_null, ("R08",)),
            "stale": Way(used_stale, ("R05",)),
        },
    ),
    "G02": Rule("a use of a member that FltGetContexts left NULL", {"member": Way(used_no_member)}),
    "G03": Rule("a get returns another object's context", {"other": Way(got_another, ("M04",))}),
    "G04": Rule("a get returns a context that was deleted", {"deleted": Way(got_deleted, ("M04",))}),
    "G05": Rule(
        "a get where contexts are not supported",
        {
            "close": Way(got_closed, ("P02",)),
            "network": Way(got_in_query_open, ("P03",)),
            "paging": Way(got_of_paging_file, ("P04",)),
        },
    ),
}
