"""The reference model of docs/replay.md: one operation at a time, clear before fast.

Nothing here is shared with the package but the schemas' vocabulary: what the arrays of ``tracecheck.replay``
and ``tracecheck.rules`` give must be what these loops give.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    Loss = tuple[int | None, int | None]
    Slot = tuple[int, int | None, int | None]

TYPES = {
    "Volume": 0x1,
    "Instance": 0x2,
    "File": 0x4,
    "Stream": 0x8,
    "StreamHandle": 0x10,
    "Transaction": 0x20,
    "Section": 0x40,
}
SETS = {f"FltSet{name}Context": bit for name, bit in TYPES.items() if name != "Section"}
GETS = {f"FltGet{name}Context": bit for name, bit in TYPES.items()}
DELETES = {f"FltDelete{name}Context": bit for name, bit in TYPES.items() if name != "Section"}
GETS_OF_MANY = ("FltGetContexts", "FltGetContextsEx")
RELEASES = ("FltReleaseContext", "FltReleaseContexts", "FltReleaseContextsEx")
SECTIONS = {"FltCreateSectionForDataScan": "create", "FltCloseSectionForDataScan": "close"}

NOT_FOUND = 0xC0000225
ALREADY_DEFINED = 0xC01C0002
KEEP = 1


@dataclass(frozen=True)
class Op:
    """A row of the operations table; None where a value was not logged. Times are nanoseconds."""

    routine: str
    time: int
    tid: int = 1
    begin: int | None = None
    context: int | None = None
    old_context: int | None = None
    old_requested: bool | None = None
    object: int | None = None
    instance: int | None = None
    volume: int | None = None
    filter: int | None = None
    context_type: int = 0
    operation: int | None = None
    status: int | None = None
    phase: int | None = None
    function: str | None = None
    sequence: int | None = None
    record: int = 0
    order: int = 0


class Effect(NamedTuple):
    """What a row does to one context, as the table of docs/replay.md has it.

    Attributes:
        owned: What it adds to the owned references.
        link: What it adds to the link.
        use: Whether the driver must own a reference for it.
        early: Whether it raises a count and is logged after the call.
        tells: What the link was before it, None where it does not tell.
    """

    owned: int = 0
    link: int = 0
    use: bool = False
    early: bool = False
    tells: int | None = None


EFFECTS = {
    "allocate": Effect(owned=1, early=True),
    "get": Effect(owned=1, early=True, tells=1),
    "reference": Effect(owned=1, use=True, early=True),
    "release": Effect(owned=-1),
    "set": Effect(link=1, use=True, early=True, tells=0),
    "failed set": Effect(use=True),
    "replaced": Effect(owned=1, link=-1, early=True, tells=1),
    "kept": Effect(owned=1, early=True),
    "unlink": Effect(link=-1, tells=1),
    "delete": Effect(link=-1, use=True, tells=1),
    "create": Effect(link=1, use=True, early=True, tells=0),
    "close": Effect(link=-1, use=True, tells=1),
    "cleanup": Effect(),
    "cleanup end": Effect(),
    "use": Effect(use=True),
}


@dataclass
class Row:
    """One effect of one operation on the life it belongs to."""

    op: Op
    kind: str

    @property
    def effect(self) -> Effect:
        """The row's line in the table of effects."""
        return EFFECTS[self.kind]


class Step(NamedTuple):
    """A row with the counts after it."""

    row: Row
    delta_owned: int
    delta_link: int
    owned: int
    link: int
    freed: bool
    fault: str


@dataclass
class Life:
    """One life of one pointer: its rows in the log's order, and what the replay made of them."""

    pointer: int
    generation: int
    known: bool
    rows: list[Row] = field(default_factory=list)
    assumed: bool = False
    uncertain: bool = False
    attached: Op | None = None
    named: int = -1
    gone_signs: list[Op] = field(default_factory=list)
    allocated_again: Op | None = None
    birth_owned: int = 0
    birth_link: int = 0
    logged: list[Step] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    ordered: bool = True
    end: str = ""
    object_gone: int | None = None

    @property
    def owned(self) -> int:
        """The owned references at the end."""
        return self.steps[-1].owned

    @property
    def link(self) -> int:
        """The link at the end."""
        return self.steps[-1].link

    @property
    def peak(self) -> int:
        """The largest count, the birth included."""
        return max([self.birth_owned + self.birth_link, *(step.owned + step.link for step in self.steps)])

    @property
    def context_type(self) -> int:
        """The first type that a row of the life tells."""
        return next((row.op.context_type for row in self.rows if row.op.context_type), 0)

    @property
    def filter(self) -> int:
        """The first filter that a row of the life tells."""
        return next((row.op.filter for row in self.rows if row.op.filter), 0)


def replay(ops: Sequence[Op], losses: Sequence[Loss], tolerance: int = 1_000_000) -> list[Life]:
    """Split the operations into lives and replay each.

    Args:
        ops: Operations in time order, ``order`` being their place.
        losses: Stretches (start, end) of missing events, None where open.
        tolerance: Nanoseconds between a call and its log where the call's begin was not logged.

    Returns:
        The lives, sorted by pointer and generation.
    """
    lives = Splitter(losses).split(ops)
    for life in lives:
        _replay_life(life, ops, tolerance)
        life.end = _end(life)
        if life.end == "held":
            life.object_gone = _object_gone(life)
    return sorted(lives, key=lambda life: (life.pointer, life.generation))


class Splitter:
    """Walks through the operations, keeping the slots and the current life of each pointer."""

    def __init__(self, losses: Sequence[Loss]) -> None:
        self.losses = losses
        self.lives: list[Life] = []
        self.current: dict[int, Life] = {}
        self.slots: dict[Slot | None, Life] = {}

    def split(self, ops: Iterable[Op]) -> list[Life]:
        """Give every row to its life."""
        for op in ops:
            if op.routine in SETS:
                self._set(op)
            elif op.routine in GETS:
                self._get(op)
            elif op.routine in DELETES:
                self._delete_by_object(op)
            elif op.routine == "InstanceTeardownComplete":
                self._teardown(op)
            elif op.context:
                self._plain(op)
        return self.lives

    def _set(self, op: Op) -> None:
        slot = slot_of(op)
        before = self.slots.get(slot)
        self._may_have_gained(op, before)
        good = succeeded(op)
        if op.context:
            self._touch(op, op.context, "set" if good else "failed set")
        if op.old_context:
            self._touch(op, op.old_context, "replaced" if good else "kept")
        if good and op.context:
            if op.old_context is None and before and before.pointer != op.context:
                self._touch(op, before.pointer, "unlink")
            self._name(slot, op, op.context, before)
            self._attach(op)
        elif not good and op.old_context:
            self._name(slot, op, op.old_context, before)

    def _get(self, op: Op) -> None:
        slot = slot_of(op)
        before = self.slots.get(slot)
        if not succeeded(op):
            if before and op.status == NOT_FOUND:
                before.gone_signs.append(op)
            self.slots.pop(slot, None)
        elif op.context:
            self._touch(op, op.context, "get")
            self._name(slot, op, op.context, before)
            self._attach(op)

    def _delete_by_object(self, op: Op) -> None:
        slot = slot_of(op)
        before = self.slots.get(slot)
        self._may_have_gained(op, before)
        if not succeeded(op):
            return
        if op.old_context:
            self._touch(op, op.old_context, "replaced")
        elif op.old_context is None and before:
            self._touch(op, before.pointer, "unlink")
        self.slots.pop(slot, None)

    def _teardown(self, op: Op) -> None:
        for life in self.lives:
            at = life.attached
            if at and op.instance and at.instance == op.instance and SETS.get(at.routine) != TYPES["Volume"]:
                life.gone_signs.append(op)

    def _plain(self, op: Op) -> None:
        """Handle the routines that name their context and know of no slot."""
        kind = plain_kind(op)
        if kind:
            self._touch(op, op.context, kind)
        if kind == "create":
            self._attach(op)

    def _touch(self, op: Op, pointer: int, kind: str) -> None:
        """Add a row to the life of the pointer that is current, or to a new one."""
        life = self.current.get(pointer)
        if life and (kind in ("allocate", "cleanup") or EFFECTS[kind].link < 0):
            self.slots = {slot: other for slot, other in self.slots.items() if other is not life}
        if kind == "allocate":
            if life:
                life.allocated_again = op
            life = self._begin(pointer, known=True)
        elif life is None or self._may_be_another(life, op, kind):
            life = self._begin(pointer, known=False)
        life.rows.append(Row(op, kind))
        if op.status is None and (op.routine in SETS or op.routine in DELETES or op.routine in SECTIONS):
            life.assumed = True

    def _begin(self, pointer: int, *, known: bool) -> Life:
        last = self.current.get(pointer)
        life = Life(pointer, last.generation + 1 if last else int(known), known)
        self.current[pointer] = life
        self.lives.append(life)
        return life

    def _may_be_another(self, life: Life, op: Op, kind: str) -> bool:
        """Tell whether a row after a cleanup may be of a life whose allocation was lost."""
        last = life.rows[-1]
        if not last.kind.startswith("cleanup") or kind.startswith("cleanup"):
            return False
        return any(overlaps(loss, last.op.time, op.time) for loss in self.losses)

    def _name(self, slot: Slot | None, op: Op, pointer: int, before: Life | None) -> None:
        """Put the pointer's life in the slot and in no other; whoever was there before is gone from it."""
        life = self.current[pointer]
        if before and before is not life and _shows_gone(op, before):
            before.gone_signs.append(op)
        self.slots = {other: named for other, named in self.slots.items() if named is not life}
        if slot:
            self.slots[slot] = life
            life.named = op.order

    def _attach(self, op: Op) -> None:
        if op.object:
            self.current[op.context].attached = op

    def _may_have_gained(self, op: Op, before: Life | None) -> None:
        """Mark the context in the slot where the call may have returned it with nothing logged of it."""
        failed_delete = op.routine in DELETES and not succeeded(op)
        if before and before.pointer != op.context and op.old_requested and op.old_context is None:
            before.uncertain |= not failed_delete


def _shows_gone(op: Op, before: Life) -> bool:
    """Tell whether naming another context shows the slot's object gone, and not just a replacement."""
    replaced_it = op.old_context == before.pointer or (op.old_context is None and op.operation != KEEP)
    return not (op.routine in SETS and succeeded(op) and replaced_it)


def succeeded(op: Op) -> bool:
    """Tell whether the call succeeded, as far as the log tells."""
    if op.status is not None:
        return op.status < 0x80000000
    if op.routine in SETS:
        return not (op.operation == KEEP and op.old_context)
    if op.routine in DELETES or op.routine in SECTIONS:
        return True
    return bool(op.context)


def slot_of(op: Op) -> Slot | None:
    """The slot that a set, a get or a delete by object is about."""
    kind = SETS.get(op.routine) or GETS.get(op.routine) or DELETES[op.routine]
    if kind == TYPES["Volume"]:
        return (kind, op.volume, op.filter) if op.volume else None
    return (kind, op.object, op.instance) if op.object else None


def plain_kind(op: Op) -> str | None:
    """The effect of a routine that has no slot, None where it touches nothing."""
    if op.routine == "FltAllocateContext":
        return "allocate" if succeeded(op) else None
    if op.routine in GETS_OF_MANY:
        return "get" if succeeded(op) else None
    if op.routine in SECTIONS:
        return SECTIONS[op.routine] if succeeded(op) else "use"
    if op.routine in RELEASES:
        return "release"
    if op.routine == "ContextCleanup":
        return "cleanup end" if op.phase == 2 else "cleanup"
    return {"FltReferenceContext": "reference", "FltDeleteContext": "delete", "ContextUse": "use"}.get(
        op.routine
    )


def overlaps(loss: Loss, start: int, end: int) -> bool:
    """Tell whether a loss overlaps the stretch from start to end."""
    return (loss[0] is None or loss[0] <= end) and (loss[1] is None or loss[1] >= start)


def _replay_life(life: Life, ops: Sequence[Op], tolerance: int) -> None:
    """Replay in the log's order, and where that is at fault in the order that is best for the driver."""
    if not life.known:
        life.birth_owned, life.birth_link = _birth(life.rows)
    life.logged = life.steps = run(life, life.rows)
    if any(step.fault for step in life.logged):
        life.steps = run(life, favourable(life.rows, ops, tolerance))
        life.ordered = any(step.fault for step in life.steps)


def _birth(rows: Sequence[Row]) -> tuple[int, int]:
    """The counts with which a life began that was not seen to begin."""
    owned = least = 0
    for row in rows:
        if row.kind == "cleanup":
            break
        owned += row.effect.owned
        least = min(least, owned)
    link = next((row.effect.tells for row in rows if row.effect.tells is not None), 0)
    return -least, link


def run(life: Life, rows: Sequence[Row]) -> list[Step]:
    """Apply the rows one after another."""
    owned, link, freed = life.birth_owned, life.birth_link, False
    steps = []
    for row in rows:
        fault = _fault(row, owned, link, freed) if life.known or freed else ""
        new_owned, new_link = _apply(row, owned, link, freed, fault)
        steps.append(Step(row, new_owned - owned, new_link - link, new_owned, new_link, freed, fault))
        owned, link = new_owned, new_link
        # The least count that an unseen birth allows is no proof of a free; only the cleanup is.
        freed = freed or row.kind == "cleanup" or (life.known and owned + link == 0)
    return steps


def _fault(row: Row, owned: int, link: int, freed: bool) -> str:
    if row.kind == "release" and owned == 0:
        return "release freed" if freed else "release attached"
    if not row.effect.use:
        return ""
    if freed:
        return "reference freed" if row.kind == "reference" else "use freed"
    return "use unowned" if (owned, link) == (0, 1) else ""


def _apply(row: Row, owned: int, link: int, freed: bool, fault: str) -> tuple[int, int]:
    if row.kind == "cleanup":
        return owned, 0
    if fault in ("release freed", "release attached", "use freed"):
        return owned, link
    raised = 0 if freed else row.effect.link
    return owned + row.effect.owned, min(max(link + raised, 0), 1)


def favourable(rows: Sequence[Row], ops: Sequence[Op], tolerance: int) -> list[Row]:
    """The rows in the order that is best for the driver; the log's order breaks ties."""
    when = moments(rows, ops, tolerance)
    return [rows[place] for place in sorted(range(len(rows)), key=lambda place: (when[place], place))]


def moments(rows: Sequence[Row], ops: Sequence[Op], tolerance: int) -> list[int]:
    """When each row took effect in the order that is best for the driver."""
    when = [_earliest(row.op, ops, tolerance) if row.effect.early else row.op.time for row in rows]
    for place, row in enumerate(rows):
        if row.kind == "release":
            when[place] = min([_latest(row.op, ops, tolerance), *_not_beyond(rows, place, when)])
            when[place] = max(when[place], row.op.time)
    # Nothing can happen to a context before it is allocated.
    return [max(moment, when[0]) for moment in when] if rows[0].kind == "allocate" else when


def _earliest(op: Op, ops: Sequence[Op], tolerance: int) -> int:
    before = [other.time for other in ops[: op.order] if other_call_of_thread(op, other)]
    return min(op.time, max([op.time - tolerance if op.begin is None else op.begin, *before]))


def _latest(op: Op, ops: Sequence[Op], tolerance: int) -> int:
    after = next((other for other in ops[op.order + 1 :] if other_call_of_thread(op, other)), None)
    if after is None:
        return op.time + tolerance
    return min(op.time + tolerance, after.time if after.begin is None else after.begin)


def _not_beyond(rows: Sequence[Row], place: int, when: Sequence[int]) -> list[int]:
    """The moments that a release cannot pass: its thread's later acquires, and the cleanup of the life."""
    later = range(place + 1, len(rows))
    own = [when[other] for other in later if other_call_of_thread(rows[place].op, rows[other].op)]
    cleanup = next((other for other, row in enumerate(rows) if row.kind == "cleanup"), -1)
    return [*own, rows[cleanup].op.time] if cleanup > place else own


def other_call_of_thread(op: Op, other: Op) -> bool:
    """Tell whether another row is of the same thread, but not of the same call."""
    return op.tid == other.tid and op.record != other.record


def _end(life: Life) -> str:
    last = life.steps[-1]
    cleaned = any(row.kind == "cleanup" for row in life.rows)
    if last.owned + last.link == 0 or cleaned or (life.known and last.freed):
        return "freed"
    if life.allocated_again:
        return "reused"
    return "held" if last.owned else "attached"


def _object_gone(life: Life) -> int | None:
    """When a row first showed the object gone while the life had its link, and none named it again."""
    for sign in life.gone_signs:
        before = [step.link for step in life.steps if step.row.op.order < sign.order]
        since = max(life.named, life.attached.order if life.attached else -1)
        if sign.order > since and before and before[-1]:
            return sign.time
    return None


def arrange(ops: Iterable[Op]) -> list[Op]:
    """Sort operations by time and number them; a record of 0 becomes a record of its own."""
    placed = sorted(ops, key=lambda op: op.time)
    return [
        replace(op, order=order, record=op.record or 1_000_000 + order) for order, op in enumerate(placed)
    ]
