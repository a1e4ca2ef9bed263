"""The reference model of docs/replay.md: one operation at a time, clear before fast.

Nothing here is shared with the package but the schemas' vocabulary: what the arrays of ``tracecheck.replay``
and ``tracecheck.rules`` give must be what these loops give.
"""

from __future__ import annotations

from copy import copy
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
        early: Whether it is best for the driver as early as can be, and is logged after the call.
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
    "failed set": Effect(use=True, early=True),
    "replaced": Effect(owned=1, link=-1, early=True, tells=1),
    "kept": Effect(owned=1, early=True),
    "unlink": Effect(link=-1, tells=1),
    "delete": Effect(link=-1, use=True, tells=1),
    "create": Effect(link=1, use=True, early=True, tells=0),
    "close": Effect(link=-1, use=True, tells=1),
    "cleanup": Effect(),
    "cleanup end": Effect(),
    "failed section": Effect(use=True, early=True),
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

    def ends_free(self, known: bool) -> bool:
        """Tell whether the context is free after it."""
        return self.freed or self.row.kind == "cleanup" or (known and self.owned + self.link == 0)


@dataclass(eq=False)
class Life:
    """One life of one pointer: its rows in the log's order, and what the replay made of them."""

    pointer: int
    generation: int
    known: bool
    rows: list[Row] = field(default_factory=list)
    assumed: bool = False
    uncertain: bool = False
    namings: list[Op] = field(default_factory=list)
    allocated_again: Op | None = None
    birth_owned: int = 0
    birth_link: int = 0
    logged: list[Step] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    ordered: bool = True
    hasty: bool = False
    searched: bool = False
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
        return next((kind for row in self.rows if (kind := row.op.context_type or type_of(row.op))), 0)

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
    clock, patient = Clock(ops, tolerance), Clock(ops, 100_000_000)
    splitter = Splitter(losses)
    splitter.split(ops)
    slots = Slots(splitter, clock)
    slots.walk(ops)
    for life in splitter.lives:
        _replay_life(life, clock, patient)
        life.end = _end(life)
        if life.end == "held":
            life.object_gone = slots.object_gone(life)
    return sorted(splitter.lives, key=lambda life: (life.pointer, life.generation))


class Splitter:
    """Gives every effect that a row names to a life of its pointer."""

    def __init__(self, losses: Sequence[Loss]) -> None:
        self.losses = losses
        self.lives: list[Life] = []
        self.current: dict[int, Life] = {}
        self.life_of: dict[tuple[int, int], Life] = {}

    def split(self, ops: Iterable[Op]) -> None:
        """Walk through the operations."""
        for op in ops:
            for pointer, kind in named(op):
                self._touch(op, pointer, kind)

    def _touch(self, op: Op, pointer: int, kind: str) -> None:
        """Add a row to the life of the pointer that is current, or to a new one."""
        life = self.current.get(pointer)
        if kind == "allocate":
            if life:
                life.allocated_again = op
            life = self._begin(pointer, known=True)
        elif life is None or self._may_be_another(life, op, kind):
            life = self._begin(pointer, known=False)
        life.rows.append(Row(op, kind))
        life.assumed |= is_assumed(op)
        self.life_of[op.order, pointer] = life

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


class Slots:
    """Walks through the operations a second time, with what is in every slot.

    Attributes:
        inside: The life in each slot, and the row that named it last.
        told: The rows that tell of each slot, with the life that is in it from then on, if any.
    """

    def __init__(self, splitter: Splitter, clock: Clock) -> None:
        self.life_of = splitter.life_of
        self.clock = clock
        self.inside: dict[Slot, tuple[Life, Op]] = {}
        self.told: dict[Slot, list[tuple[Op, Life | None]]] = {}
        births = [op for op in clock.ops if op.routine == "FltAllocateContext" and op.filter]
        self.filters = {op.context: op.filter for op in births}
        self.teardowns = [op for op in clock.ops if op.routine == "InstanceTeardownComplete"]

    def walk(self, ops: Sequence[Op]) -> None:
        """Derive the unlinks that no row names, and mark the lives that may have been changed unseen."""
        for op in ops:
            life = self._named(op)
            if life and self.slot_of(op):
                life.namings.append(op)
        for op in ops:
            slot = self.slot_of(op)
            if slot and (op.routine in SETS or op.routine in DELETES):
                self._unnamed(op, slot)
            self._leave(op)
            if slot:
                self._tell(op, slot)

    def slot_of(self, op: Op) -> Slot | None:
        """The slot that a set, a get or a delete by object is about, None where it was not logged."""
        kind = SETS.get(op.routine) or GETS.get(op.routine) or DELETES.get(op.routine)
        if not kind or not op.object:
            return None
        if kind != TYPES["Volume"]:
            return (kind, op.object, op.instance)
        return (kind, op.object, op.filter or self.filters.get(op.context))

    def _named(self, op: Op) -> Life | None:
        """The life that a row tells to be in its slot."""
        pointer = None
        if op.routine in SETS:
            pointer = op.context if succeeded(op) else op.old_context
        elif op.routine in GETS and succeeded(op):
            pointer = op.context
        return self.life_of[op.order, pointer] if pointer else None

    def _leave(self, op: Op) -> None:
        """Take out the contexts that a row cleans up, takes off their objects, or allocates again."""
        for pointer, kind in named(op):
            life = self.life_of[op.order, pointer]
            gone = kind == "cleanup" or EFFECTS[kind].link < 0
            for slot, (other, _) in list(self.inside.items()):
                if other.pointer == pointer and (gone or other is not life):
                    del self.inside[slot]

    def _tell(self, op: Op, slot: Slot) -> None:
        """Note what a row tells of its slot."""
        life = self._named(op)
        if life:
            self.inside = {other: held for other, held in self.inside.items() if held[0] is not life}
            self.inside[slot] = (life, op)
        elif empties(op):
            self.inside.pop(slot, None)
        else:
            return
        self.told.setdefault(slot, []).append((op, life))

    def _unnamed(self, op: Op, slot: Slot) -> None:
        """Find what a call did to the context in its slot without the log naming it."""
        good, asked = succeeded(op), bool(op.old_requested)
        possible = good if op.routine in DELETES else good or asked
        if op.old_context is not None or not possible or slot not in self.inside:
            return
        life, naming = self.inside[slot]
        if op.routine in SETS and op.context == life.pointer:
            return
        before = naming.tid == op.tid or naming.time <= self.clock.earliest(op)
        following = next((other for other in life.namings if other.order > op.order), None)
        sure = before and (following is None or (following.routine in SETS and succeeded(following)))
        life.uncertain |= asked or not sure
        if good and sure:
            place = sum(row.op.order <= op.order for row in life.rows)
            life.rows.insert(place, Row(op, "unlink"))
            life.assumed |= is_assumed(op)

    def object_gone(self, life: Life) -> int | None:
        """When a row first showed the life's object gone while the life had its link."""
        times = []
        for sign in [*self._torn_down(life), *self._displaced(life)]:
            links = [step.link for step in life.steps if step.row.op.order < sign.order]
            if links and links[-1]:
                times.append(sign.time)
        return min(times, default=None)

    def _torn_down(self, life: Life) -> list[Op]:
        """The teardown of the instance for which the life was last named."""
        own = [row.op for row in life.rows if row.op.context == life.pointer and row.op.object]
        at = next((op for op in reversed(own) if succeeded(op) and is_attaching(op)), None)
        if at is None or type_of(at) == TYPES["Volume"]:
            return []
        later = [op for op in self.teardowns if op.order > at.order and op.instance == at.instance]
        return later[:1] if at.instance else []

    def _displaced(self, life: Life) -> list[Op]:
        """The next row that tells of the slot for which the life was last named, if it shows it gone."""
        if not life.namings:
            return []
        last = life.namings[-1]
        later = [(op, other) for op, other in self.told[self.slot_of(last)] if op.order > last.order]
        return [
            op
            for op, other in later[:1]
            if (other or op.routine in GETS)
            and (op.tid == last.tid or last.time <= self.clock.earliest(op))
            and not takes_out(op, life.pointer)
        ]


def named(op: Op) -> list[tuple[int, str]]:
    """The contexts that a row names and what it does to each."""
    good = succeeded(op)
    pairs: list[tuple[int | None, str | None]] = []
    if op.routine in SETS:
        pairs = [
            (op.context, "set" if good else "failed set"),
            (op.old_context, "replaced" if good else "kept"),
        ]
    elif op.routine in GETS:
        pairs = [(op.context, "get" if good else None)]
    elif op.routine in DELETES:
        pairs = [(op.old_context, "replaced" if good else None)]
    else:
        pairs = [(op.context, plain_kind(op))]
    return [(pointer, kind) for pointer, kind in pairs if pointer and kind]


def succeeded(op: Op) -> bool:
    """Tell whether the call succeeded, as far as the log tells."""
    if op.status is not None:
        return op.status < 0x80000000
    if op.routine in SETS:
        return not (op.operation == KEEP and op.old_context)
    if op.routine in DELETES or op.routine in SECTIONS:
        return True
    return bool(op.context)


def is_assumed(op: Op) -> bool:
    """Tell whether that a call succeeded or failed is an assumption."""
    return op.status is None and (op.routine in SETS or op.routine in DELETES or op.routine in SECTIONS)


def is_attaching(op: Op) -> bool:
    """Tell whether a call tells the object of its context."""
    return op.routine in SETS or op.routine in GETS or op.routine == "FltCreateSectionForDataScan"


def empties(op: Op) -> bool:
    """Tell whether a row shows its slot empty from then on."""
    return (op.routine in GETS and op.status == NOT_FOUND) or (op.routine in DELETES and succeeded(op))


def takes_out(op: Op, pointer: int) -> bool:
    """Tell whether a row took a context out of its slot itself, by putting another there."""
    if op.routine not in SETS or not succeeded(op):
        return False
    return op.old_context == pointer if op.old_context is not None else op.operation != KEEP


def type_of(op: Op) -> int:
    """The context type that a routine works on, 0 where it works on any."""
    if op.routine in SECTIONS:
        return TYPES["Section"]
    return SETS.get(op.routine) or GETS.get(op.routine) or DELETES.get(op.routine) or 0


def plain_kind(op: Op) -> str | None:
    """The effect of a routine that has no slot, None where it touches nothing."""
    if op.routine == "FltAllocateContext":
        return "allocate" if succeeded(op) else None
    if op.routine in GETS_OF_MANY:
        return "get" if succeeded(op) else None
    if op.routine in SECTIONS:
        return SECTIONS[op.routine] if succeeded(op) else "failed section"
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


def _replay_life(life: Life, clock: Clock, patient: Clock) -> None:
    """Replay in the log's order, and where that is at fault in the order that is best for the driver."""
    if not life.known:
        life.birth_owned, life.birth_link = _birth(life.rows)
    life.logged = life.steps = run(life)
    if any(step.fault for step in life.logged):
        life.steps = run_best(life, clock)
        soon = any(step.fault for step in life.steps)
        life.searched = soon and is_clean(life, clock)
        life.ordered = soon and not life.searched
        life.hasty = life.ordered and is_clean(life, patient)


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


class State:
    """The counts of a life while it is replayed."""

    def __init__(self, life: Life) -> None:
        self.known = life.known
        self.owned = life.birth_owned
        self.link = life.birth_link
        self.freed = False

    def step(self, row: Row) -> Step:
        """Apply a row."""
        fault, freed, before = self.fault(row), self.freed, (self.owned, self.link)
        if row.kind == "cleanup":
            self.link = 0
        elif fault not in ("release freed", "release attached", "use freed"):
            self.owned += row.effect.owned
            self.link = min(max(self.link + (0 if freed else row.effect.link), 0), 1)
        # The least count that an unseen birth allows is no proof of a free; only the cleanup is.
        self.freed |= row.kind == "cleanup" or (self.known and self.owned + self.link == 0)
        return Step(row, self.owned - before[0], self.link - before[1], self.owned, self.link, freed, fault)

    def fault(self, row: Row) -> str:
        """What a row does, in this state, that no legal driver does."""
        if not (self.known or self.freed):
            return ""
        if row.kind == "release" and self.owned == 0:
            return "release freed" if self.freed else "release attached"
        if not row.effect.use:
            return ""
        if self.freed:
            return "reference freed" if row.kind == "reference" else "use freed"
        return "use unowned" if (self.owned, self.link) == (0, 1) else ""

    def fits(self, row: Row) -> bool:
        """Tell whether a row is no fault now, and links nothing that is linked."""
        return not self.fault(row) and not (row.effect.link > 0 and self.link)


def run(life: Life) -> list[Step]:
    """Apply the rows in the order of the log."""
    state = State(life)
    return [state.step(row) for row in life.rows]


def run_best(life: Life, clock: Clock) -> list[Step]:
    """Apply each row at the moment that is best for the driver, later where it does not fit then."""
    state, steps, waiting = State(life), [], []
    coming = sorted(moments(life.rows, clock), key=lambda moment: moment.at)
    while coming or waiting:
        chosen = next((moment for moment in waiting if state.fits(moment.row)), None)
        due = min(waiting, key=lambda moment: moment.until, default=None)
        if chosen is None and due and (not coming or due.until < coming[0].at):
            chosen = due
        if chosen:
            waiting.remove(chosen)
        else:
            chosen = coming.pop(0)
            if chosen.until > chosen.at and not state.fits(chosen.row):
                waiting.append(chosen)
                continue
        steps.append(state.step(chosen.row))
    return steps


def is_clean(life: Life, clock: Clock) -> bool:
    """Tell whether any order has no fault: the best one, or one of all."""
    if not any(step.fault for step in run_best(life, clock)):
        return True
    bounds = list(zip(life.rows, stretches(life.rows, clock), strict=True))
    first = 1 if life.rows[0].kind == "allocate" else 0
    state = State(life)
    for row, _ in bounds[:first]:
        state.step(row)
    seen: set[tuple[frozenset[int], tuple[int, int, bool]]] = set()
    return _can_end(bounds, frozenset(range(first)), state, seen)


def _can_end(
    bounds: list[tuple[Row, tuple[int, int]]],
    done: frozenset[int],
    state: State,
    seen: set[tuple[frozenset[int], tuple[int, int, bool]]],
) -> bool:
    """Tell whether the rows that are not done can follow without a fault."""
    left = [place for place in range(len(bounds)) if place not in done]
    key = (done, (state.owned, state.link, state.freed))
    if not left or key in seen:
        return not left
    seen.add(key)
    now = max((bounds[place][1][0] for place in done), default=0)
    last = min(bounds[place][1][1] for place in left)
    threads: set[int] = set()
    for place in left:
        row, (start, _) = bounds[place]
        if row.op.tid in threads:
            continue
        threads.add(row.op.tid)
        if max(now, start) <= last and not state.fault(row):
            after = copy(state)
            after.step(row)
            if _can_end(bounds, done | {place}, after, seen):
                return True
    return False


def stretches(rows: Sequence[Row], clock: Clock) -> list[tuple[int, int]]:
    """From when to when each row can have been, in half nanoseconds, whatever its thread did besides."""
    found = []
    cleanup = next((place for place, row in enumerate(rows) if row.kind == "cleanup"), -1)
    for place, row in enumerate(rows):
        start = end = 2 * row.op.time
        if row.effect.early or row.kind == "close":
            start = min(2 * clock.earliest(row.op) + 1, end)
            if 0 <= cleanup < place and row.effect.owned > 0:
                start = max(start, min(2 * rows[cleanup].op.time + 1, end))
        elif row.kind in ("release", "delete"):
            bounds = [2 * rows[cleanup].op.time] if cleanup > place else []
            end = max(start, min([2 * clock.latest(row.op), *bounds]) - 1)
        found.append((start, end))
    born = found[0][0] if rows[0].kind == "allocate" else 0
    return [(max(start, born), max(end, born)) for start, end in found]


class Moment(NamedTuple):
    """From when to when a row can take effect, in half nanoseconds: there is room for "just before"."""

    row: Row
    at: int
    until: int


def moments(rows: Sequence[Row], clock: Clock) -> list[Moment]:
    """The moments of a life's rows, in the order of the log."""
    found: list[Moment] = []
    cleanup = next((place for place, row in enumerate(rows) if row.kind == "cleanup"), -1)
    for place in reversed(range(len(rows))):
        row, now = rows[place], 2 * rows[place].op.time
        at, until = now, now
        if row.effect.early:
            at = min(2 * clock.earliest(row.op) + 1, now)
            if 0 <= cleanup < place and row.effect.owned > 0:
                at = max(at, min(2 * rows[cleanup].op.time + 1, now))
        if row.kind == "release":
            bounds = [later.at for later in found if other_call_of_thread(row.op, later.row.op)]
            bounds += [2 * rows[cleanup].op.time] if cleanup > place else []
            at = until = max(now, min([2 * clock.latest(row.op), *bounds]) - 1)
        found.insert(0, Moment(row, at, until))
    if rows[0].kind != "allocate":
        return found
    # Nothing can happen to a context before it is allocated.
    born = found[0].at
    return [Moment(row, max(at, born), max(until, born)) for row, at, until in found]


class Clock:
    """When each call can have been made, as far as its own log and its thread's tell."""

    def __init__(self, ops: Sequence[Op], tolerance: int) -> None:
        self.ops = ops
        self.tolerance = tolerance
        self.inside = inside_cleanups(ops)

    def earliest(self, op: Op) -> int:
        """The earliest moment of a call that is logged after it is made."""
        if op.begin is not None:
            return min(op.begin, op.time)
        before = [other for other in self.ops[: op.order] if other_call_of_thread(op, other)]
        if op.order not in self.inside:
            before = [other for other in before if other.order not in self.inside]
        return max([op.time - self.tolerance, *(other.time for other in before[-1:])])

    def latest(self, op: Op) -> int:
        """The latest moment of a call that is logged before it is made."""
        after = next((other for other in self.ops[op.order + 1 :] if other_call_of_thread(op, other)), None)
        if after is None:
            return op.time + self.tolerance
        began = after.time if after.begin is None else min(after.begin, after.time)
        return min(op.time + self.tolerance, max(op.time, began))


def inside_cleanups(ops: Sequence[Op]) -> set[int]:
    """The rows that cleanup callbacks log, from their phase 1 to their phase 2, and the callbacks' own."""
    inside = {op.order for op in ops if op.routine == "ContextCleanup"}
    for tid in {op.tid for op in ops}:
        depth, within = 0, set()
        for op in ops:
            if op.tid == tid:
                if op.routine == "ContextCleanup":
                    depth += {1: 1, 2: -1}.get(op.phase, 0)
                if depth > 0:
                    within.add(op.order)
        # Where begins and ends do not pair up, it is not known what lies between.
        inside |= within if depth == 0 else set()
    return inside


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


def arrange(ops: Iterable[Op]) -> list[Op]:
    """Sort operations by time and number them; a record of 0 becomes a record of its own."""
    placed = sorted(ops, key=lambda op: op.time)
    return [
        replace(op, order=order, record=op.record or 1_000_000 + order) for order, op in enumerate(placed)
    ]
