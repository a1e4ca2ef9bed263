"""Scripts of what a legacy filter does wrong with its per-stream contexts.

What would stop the machine is logged and not done. A block that a fault names keeps its address to itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracecheck.fltmgr.status import STATUS_SUCCESS
from tracecheck.simulate.faults.form import Rule, Script, Way
from tracecheck.simulate.legacy.routines import TAG
from tracecheck.simulate.sites import CLEANUP, CLOSE, CREATE, DISPATCH, POST, PRE, Site

if TYPE_CHECKING:
    from tracecheck.simulate.faults.injection import Injection
    from tracecheck.simulate.legacy.driver import LegacyDriver
    from tracecheck.simulate.legacy.routines import Block
    from tracecheck.simulate.machine import Steps, Thread
    from tracecheck.simulate.objects import FileObject, Stream

_A_MILLISECOND = 10_000
_LONG = 150 * _A_MILLISECOND
_ATTACH, _FIND, _DROP, _FREE = "AttachPerStream", "FindPerStream", "DropPerStream", "FreePerStream"
_INSERT, _REMOVE = "FsRtlInsertPerStreamContext", "FsRtlRemovePerStreamContext"

SITES = {
    "bad.old-free": Site("ExFreePoolWithTag", _DROP, 129, CLEANUP, PRE),
    "bad.old-insert": Site(_INSERT, _ATTACH, 71, CREATE, PRE),
    "bad.old-init": Site("FsRtlInitPerStreamContext", _ATTACH, 73, CREATE, PRE),
    "bad.old-use": Site("ContextUse", _FIND, 97),
    "bad.old-remove-close": Site(_REMOVE, _DROP, 131, CLOSE, PRE),
    "bad.old-remove-callback": Site(_REMOVE, _FREE, 142),
    "bad.old-file-callback": Site("ContextUse", _FREE, 143),
    "bad.old-look-instance": Site("FsRtlLookupPerStreamContext", _FIND, 99),
    "bad.old-remove-any": Site(_REMOVE, _DROP, 133, CLEANUP, PRE),
    "bad.foreign-allocate": Site("ExAllocatePoolWithTag", "AttachForeign", 20, CREATE, PRE),
    "bad.foreign-init": Site("FsRtlInitPerStreamContext", "AttachForeign", 24, CREATE, PRE),
    "bad.foreign-insert": Site(_INSERT, "AttachForeign", 29, CREATE, PRE),
    "bad.old-allocate-post": Site("ExAllocatePoolWithTag", _ATTACH, 75, CREATE, POST),
    "bad.old-look-dispatch": Site("FsRtlLookupPerStreamContext", _FIND, 101, irql=DISPATCH),
    "bad.old-teardown": Site("FsRtlTeardownPerStreamContexts", _FIND, 103, CLEANUP, PRE),
}


def freed_inserted(hand: Injection) -> Steps[None]:
    """Free what a lookup found."""
    old, file, block = yield from _attached(hand)
    yield from old.calls.lookup(hand.thread, "old.look", file.file)
    yield from _phantom(hand, "bad.old-free", block, block.pointer, TAG)
    # The list is not walked any more: nothing else is seen of it.
    old.calls.drop(block)
    old.calls.bury(block)
    yield from hand.world.close(hand.thread, file)


def not_initialised(hand: Injection) -> Steps[None]:
    """Insert memory as the pool gave it."""
    old, file, block = yield from _fresh(hand, init=False)
    yield from old.calls.insert(hand.thread, "old.insert", file.file, block)
    block.owner = old.calls.owner
    hand.blame_block("old.insert", block)
    yield from _take_back(hand, old, file)


def inserted_twice(hand: Injection) -> Steps[None]:
    """Give the context of one stream to another one too."""
    old, file, block = yield from _attached(hand)
    other = hand.world.make_stream(hand.volume, private=True)
    yield from _phantom(hand, "bad.old-insert", block, other.pointer, block.pointer, STATUS_SUCCESS)
    yield from _take_back(hand, old, file)


def inserted_freed(hand: Injection) -> Steps[None]:
    """Free a context on an error path, and go on to insert it."""
    old, file, block = yield from _fresh(hand)
    yield from old.calls.free(hand.thread, "old.free-unused", block)
    yield from _phantom(hand, "bad.old-insert", block, file.file.pointer, block.pointer, STATUS_SUCCESS)
    yield from hand.world.close(hand.thread, file)


def initialised_freed(hand: Injection) -> Steps[None]:
    """Remove and free a context, and initialise it again."""
    old, file, block = yield from _removed(hand)
    owners = (old.calls.owner, 0, old.calls.callback)
    yield from _phantom(hand, "bad.old-init", block, block.pointer, *owners)
    yield from hand.world.close(hand.thread, file)


def used_freed(hand: Injection) -> Steps[None]:
    """A worker reads a context long after it was removed and freed."""
    _, file, block = yield from _removed(hand)
    yield from _later(hand, "bad.old-use", block, block.pointer)
    yield from hand.world.close(hand.thread, file)


def used_torn(hand: Injection) -> Steps[None]:
    """A worker keeps the pointer beyond the stream."""
    _, _, block = yield from _torn(hand)
    yield from _later(hand, "bad.old-use", block, block.pointer)


def inserted_torn(hand: Injection) -> Steps[None]:
    """A context that went away with its stream is inserted in another one."""
    _, _, block = yield from _torn(hand)
    other = hand.world.make_stream(hand.volume, private=True)
    yield from _later(hand, "bad.old-insert", block, other.pointer, block.pointer, STATUS_SUCCESS)


def freed_twice(hand: Injection) -> Steps[None]:
    """Free on two paths of the driver."""
    _, file, block = yield from _removed(hand)
    yield from _phantom(hand, "bad.old-free", block, block.pointer, TAG)
    yield from hand.world.close(hand.thread, file)


def freed_after_callback(hand: Injection) -> Steps[None]:
    """Free in FreeCallback, and once more when the file is closed."""
    _, _, block = yield from _torn(hand)
    yield from _phantom(hand, "bad.old-free", block, block.pointer, TAG)


def kept_by_callback(hand: Injection) -> Steps[None]:
    """Return from FreeCallback without a free."""
    old, file, block = yield from _attached(hand)
    block.forgotten = True

    def keep(thread: Thread) -> Steps[None]:
        hand.blame_block("old.callback", block, thread)
        yield hand.machine.delay()

    old.in_callback[block] = keep
    yield from hand.world.close(hand.thread, file)
    yield from hand.world.retire(hand.thread, file.file)


def dropped(hand: Injection) -> Steps[None]:
    """Remove a context and forget it."""
    old, file, block = yield from _attached(hand)
    yield from old.lock(file.file)
    yield from old.calls.remove(hand.thread, "old.remove", file.file)
    old.unlock(file.file)
    hand.blame_block("old.remove", block)
    yield from hand.world.close(hand.thread, file)


def failed(hand: Injection) -> Steps[None]:
    """Return the error of an insert, and forget the context."""
    old, file, block = yield from _fresh(hand)
    supports, file.file.supports = file.file.supports, False
    yield from old.calls.insert(hand.thread, "old.insert", file.file, block)
    file.file.supports = supports
    hand.blame_block("old.insert", block)
    yield from hand.world.close(hand.thread, file)


def unused(hand: Injection) -> Steps[None]:
    """Find that there is a context already, and forget the new one."""
    old, file, _ = yield from _attached(hand)
    block = yield from old.calls.allocate(hand.thread, "old.allocate")
    hand.blame_block("old.allocate", block)
    yield from old.calls.init(hand.thread, "old.init", block)
    yield from old.calls.lookup(hand.thread, "old.look-first", file.file)
    yield from hand.world.close(hand.thread, file)


def removed_in_close(hand: Injection) -> Steps[None]:
    """Remove and free in the dispatch routine of close."""
    old, file, block = yield from _attached(hand)
    yield from old.calls.remove(hand.thread, "bad.old-remove-close", file.file)
    hand.blame_block("bad.old-remove-close", block)
    yield from old.calls.free(hand.thread, "old.free", block)
    yield from hand.world.close(hand.thread, file)


def removed_in_callback(hand: Injection) -> Steps[None]:
    """Remove the context in its own FreeCallback."""
    old, file, block = yield from _attached(hand)
    values = (file.file.pointer, old.calls.owner, 0, block.pointer)
    old.in_callback[block] = lambda thread: _phantom(
        hand, "bad.old-remove-callback", block, *values, thread=thread
    )
    yield from hand.world.close(hand.thread, file)
    yield from hand.world.retire(hand.thread, file.file)


def file_in_callback(hand: Injection) -> Steps[None]:
    """Look at the file object in the FreeCallback."""
    old, file, block = yield from _attached(hand)
    key, values = "bad.old-file-callback", (block.pointer, file.pointer)
    old.in_callback[block] = lambda thread: _phantom(hand, key, block, *values, thread=thread)
    yield from hand.world.close(hand.thread, file)
    yield from hand.world.retire(hand.thread, file.file)


def no_owner(hand: Injection) -> Steps[None]:
    """Initialise without an owner."""
    yield from _init_badly(hand, owner=0, callback=None)


def no_callback(hand: Injection) -> Steps[None]:
    """Initialise without a FreeCallback."""
    yield from _init_badly(hand, owner=None, callback=0)


def instance_only(hand: Injection) -> Steps[None]:
    """Look up by the instance alone."""
    old, file, block = yield from _attached(hand)
    calls, begin = old.calls, hand.machine.now
    yield hand.machine.delay()
    key, values = "bad.old-look-instance", (file.file.pointer, 0, calls.callback, block.pointer)
    calls.log.write(hand.thread, calls.shape(key), begin, *values)
    hand.blame_block(key, block)
    yield from hand.world.close(hand.thread, file)


def foreign(hand: Injection) -> Steps[None]:
    """Remove whatever comes first, and free it: it is another filter's."""
    old, file, _ = yield from _attached(hand)
    calls, thread = old.calls, hand.thread
    other = yield from calls.allocate(thread, "bad.foreign-allocate")
    other.keep = True
    yield from calls.init(thread, "bad.foreign-init", other, calls.owner + 0x100)
    yield from calls.insert(thread, "bad.foreign-insert", file.file, other)
    yield from calls.remove(thread, "bad.old-remove-any", file.file, 0)
    hand.blame_block("bad.old-remove-any", other)
    yield from calls.free(thread, "old.free", other)
    yield from hand.world.close(thread, file)


def duplicate(hand: Injection) -> Steps[None]:
    """Insert without a look at what is there."""
    old, file, first = yield from _attached(hand)
    calls, thread = old.calls, hand.thread
    block = yield from calls.allocate(thread, "old.allocate")
    yield from calls.init(thread, "old.init", block)
    yield from calls.insert(thread, "bad.old-insert", file.file, block)
    block.keep = True
    hand.blame_block("bad.old-insert", block)
    for one in (block, first):
        yield from calls.remove(thread, "old.remove", file.file)
        yield from calls.free(thread, "old.free", one)
    yield from hand.world.close(thread, file)


def paged_in_completion(hand: Injection) -> Steps[None]:
    """Allocate from paged pool where the create completes."""
    old, file, block = yield from _fresh(hand, key="bad.old-allocate-post")
    yield from old.calls.free(hand.thread, "old.free-unused", block)
    yield from hand.world.close(hand.thread, file)


def at_dispatch(hand: Injection) -> Steps[None]:
    """Look a context up at DISPATCH_LEVEL."""
    old, file, block = yield from _attached(hand)
    yield from old.calls.lookup(hand.thread, "bad.old-look-dispatch", file.file)
    hand.blame_block("bad.old-look-dispatch", block)
    yield from hand.world.close(hand.thread, file)


def left_behind(hand: Injection) -> Steps[None]:
    """Keep a context on a stream that outlives the driver."""
    old, file, block = yield from _attached(hand)
    block.forgotten = True
    yield from old.calls.lookup(hand.thread, "old.look", file.file)
    hand.blame_block("old.look", block)
    yield from hand.world.close(hand.thread, file)


def torn_by_filter(hand: Injection) -> Steps[None]:
    """Tear a stream down to get rid of the own context."""
    old, file, block = yield from _attached(hand)
    yield from old.torn_down(hand.thread, file.file, "bad.old-teardown")
    hand.blame_block("bad.old-teardown", block)
    yield from hand.world.close(hand.thread, file)


def borrowed(hand: Injection) -> Steps[None]:
    """A thread uses what it looked up while another one has removed it, and is about to free it."""
    old, file, block = yield from _attached(hand)
    calls, waiting = old.calls, [True]
    yield from calls.lookup(hand.thread, "old.look", file.file)

    def remover(worker: Thread) -> Steps[None]:
        yield from calls.remove(worker, "old.remove", file.file)
        waiting[0] = False
        yield _A_MILLISECOND
        yield from calls.free(worker, "old.free", block)

    hand.machine.post(hand.world.worker(), remover)
    while waiting[0]:
        yield 5
    calls.note(hand.thread, "bad.old-use", block.pointer)
    hand.blame_block("bad.old-use", block)
    yield 3 * _A_MILLISECOND
    yield from hand.world.close(hand.thread, file)


def _driver(hand: Injection) -> LegacyDriver:
    assert hand.world.legacy is not None
    return hand.world.legacy


def _opened(hand: Injection) -> Steps[tuple[LegacyDriver, FileObject]]:
    """Open a file of the thread's own; the legacy filter leaves such files alone."""
    stream = hand.world.make_stream(hand.volume, private=True)
    file = yield from hand.world.open(hand.thread, stream, sure=True)
    assert file is not None
    return _driver(hand), file


def _attached(hand: Injection) -> Steps[tuple[LegacyDriver, FileObject, Block]]:
    """Open a file of the thread's own, and give its stream a context."""
    old, file = yield from _opened(hand)
    block = yield from old.attach(hand.thread, file.file)
    assert block is not None
    block.keep = True
    return old, file, block


def _fresh(
    hand: Injection, *, init: bool = True, key: str = "old.allocate"
) -> Steps[tuple[LegacyDriver, FileObject, Block]]:
    """Open a file, and allocate a context for its stream."""
    old, file = yield from _opened(hand)
    block = yield from old.calls.allocate(hand.thread, key)
    block.keep = True
    if key.startswith("bad."):
        hand.blame_block(key, block)
    if init:
        yield from old.calls.init(hand.thread, "old.init", block)
    return old, file, block


def _removed(hand: Injection) -> Steps[tuple[LegacyDriver, FileObject, Block]]:
    """Open a file, remove its stream's context and free it."""
    old, file, block = yield from _attached(hand)
    yield from _take_back(hand, old, file, close=False)
    return old, file, block


def _torn(hand: Injection) -> Steps[tuple[LegacyDriver, Stream, Block]]:
    """Let a stream with a context go away."""
    old, file, block = yield from _attached(hand)
    yield from hand.world.close(hand.thread, file)
    if block.state == "inserted":
        yield from hand.world.retire(hand.thread, file.file)
    return old, file.file, block


def _take_back(hand: Injection, old: LegacyDriver, file: FileObject, close: bool = True) -> Steps[None]:
    found = yield from old.calls.remove(hand.thread, "old.remove", file.file)
    assert found is not None
    yield from old.calls.free(hand.thread, "old.free", found)
    if close:
        yield from hand.world.close(hand.thread, file)


def _phantom(
    hand: Injection, key: str, block: Block, *values: int, thread: Thread | None = None
) -> Steps[None]:
    """Log a call that is not made, and take it down as the fault."""
    calls, begin = _driver(hand).calls, hand.machine.now
    yield hand.machine.delay()
    calls.log.write(thread or hand.thread, calls.shape(key), begin, *values)
    hand.blame_block(key, block, thread)
    yield 50 + hand.machine.delay()


def _later(hand: Injection, key: str, block: Block, *values: int) -> Steps[None]:
    """Log a call of a worker, so late that no slow thread explains it."""

    def item(worker: Thread) -> Steps[None]:
        yield _LONG
        yield from _phantom(hand, key, block, *values, thread=worker)

    hand.machine.post(hand.world.worker(), item)
    yield 1


def _init_badly(hand: Injection, *, owner: int | None, callback: int | None) -> Steps[None]:
    old, file, block = yield from _fresh(hand, init=False)
    calls, key = old.calls, "bad.old-init"
    given = (calls.owner if owner is None else owner, 0, calls.callback if callback is None else callback)
    calls.note(hand.thread, key, block.pointer, *given)
    hand.blame_block(key, block)
    yield hand.machine.delay()
    yield from calls.free(hand.thread, "old.free-unused", block)
    yield from hand.world.close(hand.thread, file)


def _rule(text: str, *, unloaded: bool = False, also: tuple[str, ...] = (), **ways: Script) -> Rule:
    made = {name: Way(script, also) for name, script in ways.items()}
    return Rule(text, made, unloaded=unloaded, legacy=True)


FAULTS = {
    "F01": _rule("a free of a context that its stream still has", also=("F07",), lookup=freed_inserted),
    "F02": _rule("an insert of memory that was not initialised", raw=not_initialised),
    "F03": _rule("an insert of a context that is inserted", other=inserted_twice),
    "F04": _rule("a use of a freed context", insert=inserted_freed, init=initialised_freed, use=used_freed),
    "F05": _rule("a use of a context that went with its stream", use=used_torn, insert=inserted_torn),
    "F06": _rule("a second free", paths=freed_twice, callback=freed_after_callback),
    "F07": _rule("a FreeCallback that does not free", kept=kept_by_callback),
    "F08": _rule("a removal whose result is dropped", dropped=dropped),
    "F09": _rule("a context whose insert failed is not freed", failed=failed, also=("F22",)),
    "F10": _rule("a context that is not needed is not freed", unloaded=True, unused=unused),
    "F11": _rule("a removal in close", close=removed_in_close),
    "F12": _rule("a removal in FreeCallback", callback=removed_in_callback),
    "F14": _rule("a FreeCallback that uses the file object", callback=file_in_callback),
    "F15": _rule("an initialisation without owner or FreeCallback", owner=no_owner, callback=no_callback),
    "F16": _rule("a lookup by the instance alone", lookup=instance_only),
    "F17": _rule("a removal that takes another filter's context", wildcard=foreign),
    "F18": _rule("a second context for a stream", blind=duplicate),
    "F20": _rule("paged pool in a create's completion", completion=paged_in_completion),
    "F21": _rule("a lookup at DISPATCH_LEVEL", dispatch=at_dispatch),
    "F22": _rule("a stream without support for contexts", failed=failed, also=("F09",)),
    "F23": _rule("a context outlives its driver", unloaded=True, inserted=left_behind),
    "F24": _rule("a filter that tears a stream down", teardown=torn_by_filter),
    "F28": _rule("a use of what another thread removed", race=borrowed),
}
