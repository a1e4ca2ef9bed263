"""What a file system and the filter manager keep: the objects that contexts hang on, and the contexts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracecheck.fltmgr import ContextType

if TYPE_CHECKING:
    from tracecheck.simulate.calls import Calls

# FLT_CONTEXT_TYPE, as plain numbers: flags of an enum are slow to combine.
VOLUME = int(ContextType.VOLUME)
INSTANCE = int(ContextType.INSTANCE)
FILE = int(ContextType.FILE)
STREAM = int(ContextType.STREAM)
STREAMHANDLE = int(ContextType.STREAMHANDLE)
TRANSACTION = int(ContextType.TRANSACTION)
SECTION = int(ContextType.SECTION)

#: The types that hang on a stream rather than on the FILE_OBJECT that names it.
ON_STREAM = FILE | STREAM | SECTION

#: The words that truth files use for the types.
TYPE_NAMES = {
    VOLUME: "volume",
    INSTANCE: "instance",
    FILE: "file",
    STREAM: "stream",
    STREAMHANDLE: "stream handle",
    TRANSACTION: "transaction",
    SECTION: "section",
}

# What a context is doing.
LIVE = 0
CLEANING = 1
FREED = 2

_POOL_BASES = {8: 0xFFFF_A80F_0000_0000, 4: 0x8600_0000}
_POOL_SPREAD = {8: 0x1_0000_0000, 4: 0x0200_0000}


class Lookaside:
    """Hands out addresses of one kind of block; what was freed last is handed out first.

    Args:
        base: Address of the first block.
        limit: Where the range ends.
        stride: Distance between blocks.
        reuse: Whether freed addresses come back at all.
    """

    __slots__ = ("_free", "_limit", "_next", "_reuse", "_stride")

    def __init__(self, base: int, limit: int, stride: int, reuse: bool) -> None:
        self._free: list[int] = []
        self._limit = limit
        self._next = base
        self._stride = stride
        self._reuse = reuse

    def take(self) -> int:
        """Give the address of a block."""
        if self._free:
            return self._free.pop()
        address = self._next
        self._next += self._stride
        assert self._next < self._limit, "a range of addresses is used up"
        return address

    def give(self, address: int) -> None:
        """Take a block back."""
        if self._reuse:
            self._free.append(address)


class AddressSpace:
    """Kernel addresses for every kind of block, a range for each kind.

    Args:
        pointer_size: 4 or 8.
        salt: A number below 256 that moves all ranges, as address space randomisation does.
        reuse: Whether freed addresses come back.
    """

    def __init__(self, pointer_size: int, salt: int, reuse: bool = True) -> None:
        self._spread = _POOL_SPREAD[pointer_size]
        self._next = _POOL_BASES[pointer_size] + salt * 0x1000
        self._reuse = reuse

    def lookaside(self, stride: int) -> Lookaside:
        """Open a range of 4 GB (32 MB with 4-byte pointers) whose blocks lie ``stride`` bytes apart."""
        base = self._next
        self._next += self._spread
        return Lookaside(base + 0x40, self._next, (stride + 15) & ~15, self._reuse)


class Node:
    """An object that contexts can be attached to.

    Attributes:
        pointer: Its address.
        slots: Key of owner and context type -> the context attached there.
        stream: The node of its stream, where it has one; itself otherwise.
        place: The addresses by which a call names it.
        supports: Whether contexts can be set on it at all.
    """

    __slots__ = ("place", "pointer", "slots", "stream", "supports")

    def __init__(self, pointer: int, place: tuple[int, ...] | None = None) -> None:
        self.pointer = pointer
        self.slots: dict[int, Context] = {}
        self.stream: Node = self
        self.place = (pointer,) if place is None else place
        self.supports = True


class Owner(Node):
    """A filter or an instance: whose contexts they are.

    Attributes:
        key: Part of the key of every slot of this owner; the low byte is free for the context type.
        linked: Its contexts that hang on some object, in the order in which they were set.
        tearing: Set once its teardown has begun; nothing can be set on it any more.
        inflight: Callbacks and work items that have not finished.
    """

    __slots__ = ("inflight", "key", "linked", "tearing")

    def __init__(self, pointer: int, serial: int) -> None:
        super().__init__(pointer, ())
        self.key = serial << 8
        self.linked: dict[Context, None] = {}
        self.tearing = False
        self.inflight = 0


class Filter(Owner):
    """A registered filter.

    Attributes:
        alive: Its contexts that are not freed.
        calls: The driver's calls, for its cleanup callback.
    """

    __slots__ = ("alive", "calls")

    def __init__(self, pointer: int, serial: int) -> None:
        super().__init__(pointer, serial)
        self.alive = 0
        self.calls: Calls | None = None


class Volume(Node):
    """A volume; ``quirk`` is "" or what keeps contexts off it."""

    __slots__ = ("quirk",)

    def __init__(self, pointer: int, quirk: str = "") -> None:
        super().__init__(pointer)
        self.quirk = quirk


class Instance(Owner):
    """A filter's instance on a volume."""

    __slots__ = ("volume",)

    def __init__(self, pointer: int, serial: int, volume: Volume) -> None:
        super().__init__(pointer, serial)
        self.volume = volume


class Stream(Node):
    """A file's stream in the file system: what FsContext identifies.

    Attributes:
        volume: Where it lies.
        opens: FILE_OBJECTs on it.
        private: Set where one thread alone may open it, and the file system keeps it until it is told.
    """

    __slots__ = ("opens", "private", "volume")

    def __init__(self, pointer: int, volume: Volume) -> None:
        super().__init__(pointer)
        self.volume = volume
        self.supports = not volume.quirk
        self.opens = 0
        self.private = False


class Transaction(Node):
    """A KTRANSACTION."""

    __slots__ = ()


class FileObject(Node):
    """A FILE_OBJECT.

    Attributes:
        file: Its stream, as what it is.
        paging: Whether it is a paging file's.
        pending: I/O on it that has not completed.
        transaction: The transaction it was opened in.
    """

    __slots__ = ("file", "paging", "pending", "transaction")

    def __init__(self, pointer: int, stream: Stream, paging: bool = False) -> None:
        super().__init__(pointer, (pointer, stream.pointer))
        self.stream = stream
        self.file = stream
        self.supports = stream.supports
        self.paging = paging
        self.pending = 0
        self.transaction: Transaction | None = None


class Context:
    """One life of one context, with its true counts.

    Attributes:
        pointer: Its address.
        generation: The how-manieth allocation of that address this is, from 1.
        kind: FLT_CONTEXT_TYPE.
        filter: Whose it is.
        owned: References that the driver must release.
        node: The object it is attached to, None for none; being attached counts as one reference.
        key: Its slot's key there.
        owner: The instance or filter that the slot belongs to.
        state: LIVE, CLEANING or FREED.
        number: The number of the event that tells its allocation, 0 where there is none.
        stored: Contexts it holds references on, to be released in its cleanup callback.
        sectioned: Whether a section was created with it.
        keep: Keeps the address from being handed out again.
        leaked: Whether a fault means it to be never freed.
    """

    __slots__ = (
        "filter",
        "generation",
        "keep",
        "key",
        "kind",
        "leaked",
        "node",
        "number",
        "owned",
        "owner",
        "pointer",
        "sectioned",
        "state",
        "stored",
    )

    def __init__(self, pointer: int, generation: int, kind: int, flt: Filter) -> None:
        self.pointer = pointer
        self.generation = generation
        self.kind = kind
        self.filter = flt
        self.owned = 1
        self.node: Node | None = None
        self.key = 0
        self.owner: Owner | None = None
        self.state = LIVE
        self.number = 0
        self.stored: tuple[Context, ...] = ()
        self.sectioned = False
        self.keep = False
        self.leaked = False
