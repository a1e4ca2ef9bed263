"""Scripts of deletes that are not the caller's to make, not needed, or taken for something else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracecheck.fltmgr.status import STATUS_FLT_DELETING_OBJECT, STATUS_SUCCESS
from tracecheck.simulate.faults.form import Rule, Way
from tracecheck.simulate.faults.leaks import allocate
from tracecheck.simulate.faults.misuse import delete_deleted, delete_released
from tracecheck.simulate.objects import STREAMHANDLE
from tracecheck.simulate.sites import CLOSE, PRE, Site

if TYPE_CHECKING:
    from tracecheck.simulate.faults.injection import Injection
    from tracecheck.simulate.machine import Steps
    from tracecheck.simulate.objects import Context, FileObject, Instance

_LEAST_CLOSES, _MOST_CLOSES = 30, 200
_OPERATIONS_OF_A_CLOSE = 15

SITES = {
    "bad.section-delete": Site("FltDeleteContext", "ScanFile", 187),
    "bad.close-delete": Site("FltDeleteContext", "PreClose", 957, CLOSE, PRE),
}


def delete_twice(hand: Injection) -> Steps[None]:
    """Deletes a context twice."""
    file, instance = yield from hand.open(hand.volume)
    calls, thread = hand.calls, hand.thread
    context = yield from _get(hand, instance, file)
    yield from calls.delete_context(thread, "drop.delete", context)
    steps = calls.delete_context(thread, "bad.drop-delete", context)
    yield from hand.make("bad.drop-delete", context, steps)
    yield from calls.release(thread, "drop.release", context)
    yield from hand.world.close(thread, file)


def delete_section(hand: Injection) -> Steps[None]:
    """Deletes a section's context while the section is there."""
    file, instance = yield from hand.open(hand.volume)
    calls, thread = hand.calls, hand.thread
    context = yield from allocate(hand, "scan.allocate")
    yield from calls.create_section(thread, "scan.create", instance, file, context, STATUS_SUCCESS)
    yield from hand.phantom("bad.section-delete", context)
    yield from calls.close_section(thread, "scan.close", context)
    yield from calls.release(thread, "scan.release", context)
    yield from hand.world.close(thread, file)


def delete_released_too(hand: Injection) -> Steps[None]:
    """Deletes a stream's context by the stream, and releases what the delete has dropped."""
    file, instance = yield from hand.open(hand.volume)
    calls, thread = hand.calls, hand.thread
    context = yield from _get(hand, instance, file)
    context.keep = True
    yield from calls.release(thread, "drop.release", context)
    yield from calls.delete(thread, "drop.delete-stream-blind", instance, file)
    yield from hand.phantom("bad.drop-release", context)
    hand.recycle(context)
    yield from hand.world.close(thread, file)


def delete_at_close(hand: Injection) -> Steps[None]:
    """Deletes the context of each handle that is closed."""
    calls, thread = hand.calls, hand.thread
    wanted = hand.world.scenario.operations // _OPERATIONS_OF_A_CLOSE
    for _ in range(min(max(wanted, _LEAST_CLOSES), _MOST_CLOSES)):
        file, instance = yield from hand.open(hand.volume, needs=STREAMHANDLE)
        context = yield from calls.get(thread, "close.get-handle", instance, file)
        assert context is not None
        steps = calls.delete_context(thread, "bad.close-delete", context)
        if hand.found is None:
            yield from hand.make("bad.close-delete", context, steps)
        else:
            yield from steps
        yield from calls.release(thread, "close.release-handle", context)
        yield from hand.world.close(thread, file)


def release_undeleted(hand: Injection) -> Steps[None]:
    """A delete by object fails, and the variable for the old context is released: it has another in it."""
    yield from _stale(hand, "bad.drop-release")


def use_undeleted(hand: Injection) -> Steps[None]:
    """The same, and the variable is read through."""
    yield from _stale(hand, "bad.drop-use")


def release_null(hand: Injection) -> Steps[None]:
    """The same, and there is NULL in the variable."""
    file, instance = yield from hand.open(hand.volume)
    yield from _fail(hand, instance, file)
    yield from hand.phantom("bad.drop-release", hand.nobody())
    yield from hand.world.close(hand.thread, file)


def _stale(hand: Injection, key: str) -> Steps[None]:
    file, instance = yield from hand.open(hand.volume)
    context = yield from _get(hand, instance, file)
    yield from hand.calls.release(hand.thread, "drop.release", context)
    yield from _fail(hand, instance, file)
    yield from hand.phantom(key, context)
    yield from hand.world.close(hand.thread, file)


def _fail(hand: Injection, instance: Instance, file: FileObject) -> Steps[None]:
    """Log a delete by object that comes while the instance is going away."""
    place = (instance.pointer, *file.place)
    yield from hand.tell("drop.delete-stream", 0, *place, STATUS_FLT_DELETING_OBJECT)


def _get(hand: Injection, instance: Instance, file: FileObject) -> Steps[Context]:
    context = yield from hand.calls.get(hand.thread, "drop.get", instance, file)
    assert context is not None
    return context


FAULTS = {
    "D01": Rule(
        "FltDeleteContext without a reference",
        {"attached": Way(delete_released, ("R05",)), "freed": Way(delete_deleted, ("R04", "R05"))},
    ),
    "D02": Rule("FltDeleteContext of what is not attached", {"twice": Way(delete_twice)}),
    "D03": Rule("FltDeleteContext of a section's context", {"section": Way(delete_section)}),
    "D04": Rule("a delete by object is taken for a release", {"stream": Way(delete_released_too, ("R02",))}),
    "D05": Rule("contexts are deleted just before their handles go", {"close": Way(delete_at_close)}),
    "D07": Rule(
        "an old context is used after a delete that failed",
        {
            "release": Way(release_undeleted, ("R01",)),
            "use": Way(use_undeleted, ("R05",)),
            "null": Way(release_null, ("R08",)),
        },
    ),
}
