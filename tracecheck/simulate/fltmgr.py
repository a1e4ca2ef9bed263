"""The model filter manager: the true counts, changed in the order in which calls take effect.

A context's count is ``owned`` and one more while it is attached. Every method is one effect and takes
no time. Where a method gives a context back as dead, its count has just reached zero: the caller runs
the cleanup callback and then calls :meth:`FilterManager.free`. The asserts are the promises of the
filter manager; a script that breaks one is no legal driver, so faults never go through here unless the
count is still right with them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracecheck.fltmgr.status import (
    REPLACE_IF_EXISTS,
    STATUS_FLT_CONTEXT_ALLOCATION_NOT_FOUND,
    STATUS_FLT_CONTEXT_ALREADY_DEFINED,
    STATUS_FLT_CONTEXT_ALREADY_LINKED,
    STATUS_FLT_DELETING_OBJECT,
    STATUS_INVALID_PARAMETER,
    STATUS_NOT_FOUND,
    STATUS_NOT_SUPPORTED,
    STATUS_SUCCESS,
)
from tracecheck.simulate.objects import CLEANING, FREED, LIVE, SECTION, Context, Lookaside
from tracecheck.simulate.registration import REGISTRATIONS

if TYPE_CHECKING:
    from tracecheck.simulate.objects import AddressSpace, Filter, Node, Owner

_NODE_HEADER = 0x60  # what the filter manager keeps in front of the driver's part


class FilterManager:
    """Keeps every context of every filter.

    Args:
        space: Where addresses come from; each filter and type has its own lookaside list.

    Attributes:
        contexts: Every life there was, in the order of the allocations.
    """

    def __init__(self, space: AddressSpace) -> None:
        self.contexts: list[Context] = []
        self._space = space
        self._lists: dict[tuple[Filter, int], Lookaside] = {}
        self._generations: dict[int, int] = {}

    def allocate(self, flt: Filter, kind: int, size: int) -> tuple[int, Context | None]:
        """Allocate a context with one reference, the caller's."""
        if flt.tearing:
            return STATUS_FLT_DELETING_OBJECT, None
        if kind not in REGISTRATIONS or size != REGISTRATIONS[kind].size:
            return STATUS_FLT_CONTEXT_ALLOCATION_NOT_FOUND, None
        pointer = self._list(flt, kind).take()
        generation = self._generations.get(pointer, 0) + 1
        self._generations[pointer] = generation
        context = Context(pointer, generation, kind, flt)
        self.contexts.append(context)
        flt.alive += 1
        return STATUS_SUCCESS, context

    def set(
        self, owner: Owner, node: Node, kind: int, operation: int, context: Context, wanted: bool
    ) -> tuple[int, Context | None, Context | None]:
        """Attach ``context`` to ``node``.

        Args:
            owner: The instance, or the filter of a volume context.
            node: The object.
            kind: The type that the routine is for.
            operation: REPLACE_IF_EXISTS or KEEP_IF_EXISTS.
            context: What is to be attached; the caller holds a reference.
            wanted: Whether the caller passes OldContext.

        Returns:
            The status, what OldContext receives, and what died of it.
        """
        assert context.state == LIVE, "a freed context was set"
        assert context.owned > 0, "a context was set by somebody who does not own it"
        if context.kind != kind:
            return STATUS_INVALID_PARAMETER, None, None
        if not node.supports:
            return STATUS_NOT_SUPPORTED, None, None
        if owner.tearing:
            return STATUS_FLT_DELETING_OBJECT, None, None
        if context.node is not None:
            return STATUS_FLT_CONTEXT_ALREADY_LINKED, None, None
        old = node.slots.get(owner.key | kind)
        if old is not None and operation != REPLACE_IF_EXISTS:
            old.owned += wanted
            return STATUS_FLT_CONTEXT_ALREADY_DEFINED, old if wanted else None, None
        dead = self._hand_over(old, wanted)
        self._link(context, node, owner)
        return STATUS_SUCCESS, old if wanted else None, dead

    def get(self, owner: Owner, node: Node, kind: int) -> tuple[int, Context | None]:
        """Find what is attached to ``node`` and give the caller a reference."""
        if not node.supports:
            return STATUS_NOT_SUPPORTED, None
        context = node.slots.get(owner.key | kind)
        if context is None:
            return STATUS_NOT_FOUND, None
        context.owned += 1
        return STATUS_SUCCESS, context

    def reference(self, context: Context) -> None:
        """Give the caller one more reference."""
        assert context.state == LIVE, "a freed context was referenced"
        context.owned += 1

    def release(self, context: Context) -> bool:
        """Drop one of the driver's references; True where the count reached zero."""
        assert context.state == LIVE, "a freed context was released"
        assert context.owned > 0, "a context was released by somebody who does not own it"
        context.owned -= 1
        return self._is_dead(context)

    def delete_context(self, context: Context) -> bool:
        """Drop the object's reference, if the context is attached; True where the count reached zero."""
        assert context.state == LIVE, "a freed context was deleted"
        if context.node is None:
            return False
        self._unlink(context)
        return self._is_dead(context)

    def delete(
        self, owner: Owner, node: Node, kind: int, wanted: bool
    ) -> tuple[int, Context | None, Context | None]:
        """Detach what is attached to ``node``; give status, OldContext and what died of it."""
        if not node.supports:
            return STATUS_NOT_SUPPORTED, None, None
        old = node.slots.get(owner.key | kind)
        if old is None:
            return (STATUS_FLT_DELETING_OBJECT if owner.tearing else STATUS_NOT_FOUND), None, None
        dead = self._hand_over(old, wanted)
        return STATUS_SUCCESS, old if wanted else None, dead

    def close_section(self, context: Context) -> tuple[int, bool]:
        """Drop the reference that a section holds; give the status and whether the count reached zero."""
        assert context.kind == SECTION
        if not context.sectioned:
            return STATUS_INVALID_PARAMETER, False
        if context.node is None:
            return STATUS_NOT_FOUND, False
        self._unlink(context)
        return STATUS_SUCCESS, self._is_dead(context)

    def tear_down(self, node: Node) -> list[Context]:
        """The object goes away: detach all that hangs on it, and give what died of it."""
        return self._detach(list(node.slots.values()))

    def tear_down_owner(self, owner: Owner) -> list[Context]:
        """The instance or filter goes away: detach all its contexts, and give what died of it."""
        return self._detach(list(owner.linked))

    def free(self, context: Context) -> None:
        """Free a context after its cleanup; its address is the next that its type gets."""
        assert context.state == CLEANING
        assert context.owned == 0
        assert context.node is None
        context.state = FREED
        context.filter.alive -= 1
        if not context.keep:
            self.recycle(context)

    def recycle(self, context: Context) -> None:
        """Put the address of a freed context on its lookaside list."""
        self._list(context.filter, context.kind).give(context.pointer)

    def _list(self, flt: Filter, kind: int) -> Lookaside:
        found = self._lists.get((flt, kind))
        if found is None:
            found = self._space.lookaside(_NODE_HEADER + REGISTRATIONS[kind].size)
            self._lists[flt, kind] = found
        return found

    def _detach(self, contexts: list[Context]) -> list[Context]:
        for context in contexts:
            self._unlink(context)
        return [context for context in contexts if self._is_dead(context)]

    def _hand_over(self, old: Context | None, wanted: bool) -> Context | None:
        """Detach ``old`` and pass the object's reference to the caller, or drop it."""
        if old is None:
            return None
        self._unlink(old)
        old.owned += wanted
        return old if self._is_dead(old) else None

    def _link(self, context: Context, node: Node, owner: Owner) -> None:
        key = owner.key | context.kind
        assert key not in node.slots
        node.slots[key] = context
        owner.linked[context] = None
        context.node, context.key, context.owner = node, key, owner

    def _unlink(self, context: Context) -> None:
        node, owner = context.node, context.owner
        assert node is not None
        assert owner is not None
        assert node.slots[context.key] is context
        del node.slots[context.key]
        del owner.linked[context]
        context.node = context.owner = None

    def _is_dead(self, context: Context) -> bool:
        if context.owned or context.node is not None:
            return False
        context.state = CLEANING
        return True
