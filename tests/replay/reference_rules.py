"""The reference model's rules: what docs/replay.md finds in the lives that the reference model replayed."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from reference_model import (
    GETS,
    GETS_OF_MANY,
    RELEASES,
    TYPES,
    Clock,
    Life,
    Op,
    other_call_of_thread,
    overlaps,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reference_model import Loss

    from tracecheck.operations.coverage import Coverage

LONG_GONE = 1_000_000_000
UNLOADS = ("FilterUnload", "FltUnregisterFilter")
RULES = {
    "release attached": "R01",
    "release freed": "R02",
    "reference freed": "R03",
    "use freed": "R04",
    "use unowned": "R05",
}
#: The rules that the model knows; the package has more.
MODELLED = {*RULES.values(), "L01", "L02", "L03", "L09", "M01", "M03", "M04"}


class Finding(NamedTuple):
    """One line of the verdict; ``operation`` is the row number of the first operation at fault."""

    rule: str
    pointer: int | None
    generation: int | None
    confidence: str
    operation: int | None
    severity: str = "error"


class Open(NamedTuple):
    """The acquires of a life that no release answers, and those that another choice could leave open."""

    acquires: list[Op]
    candidates: list[Op]


Site = tuple[str, "str | None", int]
Partners = set[tuple[Site, Site]]


class Unload(NamedTuple):
    """One unload of a filter; ``ended`` is None where it never did."""

    filter: int | None
    entered: int
    ended: int | None
    unregisters: bool


def unanswered(life: Life, partners: Partners) -> Open:
    """Pair the acquires and releases since nothing was owned for the last time, and give what is left."""
    steps = stretches(life)[-1]
    pairs, candidates = pair(steps, life.context_type, partners)
    opened = [op for op, delta in steps if delta > 0 and op not in [acquire for acquire, _ in pairs]]
    return Open(opened, candidates + opened)


def stretches(life: Life) -> list[list[tuple[Op, int]]]:
    """The rows that changed the owned references, cut where nothing is owned; the last may be open."""
    found: list[list[tuple[Op, int]]] = [[]]
    for step in life.steps:
        if step.delta_owned:
            found[-1].append((step.row.op, step.delta_owned))
            if step.owned == 0:
                found.append([])
    return found if found[-1] or len(found) == 1 else found[:-1]


def learn(lives: Sequence[Life]) -> Partners:
    """Which sites of releases answer which sites of acquires, short stretches first."""
    seen: Counter[tuple[Site, Site]] = Counter()
    partners: Partners = set()
    for size in (2, 4, 6, 8):
        for life in lives:
            if not life.known or any(step.fault for step in life.steps):
                continue
            for stretch in stretches(life):
                if len(stretch) == size and not sum(delta for _, delta in stretch):
                    kind = life.context_type
                    pairs, _ = pair(stretch, kind, partners)
                    seen.update((site(acquire, kind), site(release, kind)) for acquire, release in pairs)
        partners = set(seen)
    return partners


def pair(
    steps: Sequence[tuple[Op, int]], kind: int, partners: Partners
) -> tuple[list[tuple[Op, Op]], list[Op]]:
    """Pair acquires with releases: give the pairs, and the acquires about which there was a choice."""
    opened: list[Op] = []
    candidates: list[Op] = []
    strays: list[tuple[Op, list[Op]]] = []
    pairs: list[tuple[Op, Op]] = []

    def usual(acquire: Op, release: Op) -> bool:
        return (site(acquire, kind), site(release, kind)) in partners

    def answer(acquire: Op, release: Op) -> None:
        opened.remove(acquire)
        pairs.append((acquire, release))

    before: list[Op] = []
    for op, delta in steps:
        if delta > 0:
            opened.append(op)
            before.append(op)
            continue
        own = [other for other in opened if flow(other) == flow(op)]
        fits = [other for other in own if usual(other, op)]
        plain = ([other for other in own if not is_reference(other)] or own)[-1:]
        if not own or (not fits and any(usual(other, op) for other in opened)):
            strays.append((op, list(before)))
            continue
        chosen = ([other for other in fits if not is_reference(other)] or fits or plain)[-1]
        if any(is_reference(other) for other in own) or [chosen] != plain:
            candidates += own
        answer(chosen, op)
    left = []
    for learned in (True, False):
        for op, earlier in strays if learned else left:
            still = [other for other in opened if other in earlier]
            fits = [other for other in still if usual(other, op)] if learned else still
            own = [other for other in fits if other.tid == op.tid]
            if not fits:
                left += [(op, earlier)] if learned else []
                continue
            candidates += still if len(still) > 1 else []
            answer(own[-1] if own else fits[0], op)
    return pairs, candidates


def site(op: Op, kind: int) -> Site:
    """Where a call was made, for a type of context."""
    return op.routine, op.function, kind


def holds(life: Life) -> list[tuple[Op, int]]:
    """Pair acquires and releases as brackets are; give the acquires, and how long each was held."""
    pairs: list[tuple[Op, Op]] = []
    left: list[tuple[Op, int]] = taken(life)
    for key in (flow, lambda _op: None):
        closed: list[Op] = []
        stacks: dict[object, list[Op]] = {}
        for op, delta in left:
            stack = stacks.setdefault(key(op), [])
            if delta > 0:
                stack.append(op)
            elif stack:
                closed += [stack[-1], op]
                pairs.append((stack.pop(), op))
        left = [(op, delta) for op, delta in left if op not in closed]
    return [(acquire, max(0, release.time - acquire.time)) for acquire, release in pairs]


def taken(life: Life) -> list[tuple[Op, int]]:
    """The rows that changed the owned references, in replay order."""
    return [(step.row.op, step.delta_owned) for step in life.steps if step.delta_owned]


def flow(op: Op) -> tuple[int, str | None]:
    """Who made a call."""
    return op.tid, op.function


def is_reference(op: Op) -> bool:
    """Tell whether a call took its reference to keep it beyond the call."""
    return op.routine == "FltReferenceContext"


def is_get(op: Op) -> bool:
    """Tell whether a call got its reference from an object."""
    return op.routine in GETS or op.routine in GETS_OF_MANY


def judge(
    ops: Sequence[Op], lives: Sequence[Life], losses: Sequence[Loss], coverage: Coverage
) -> list[Finding]:
    """Judge the lives of a capture.

    Args:
        ops: Operations in time order.
        lives: What :func:`replay` made of them.
        losses: Stretches (start, end) of missing events, None where open.
        coverage: What the capture logs completely.

    Returns:
        The findings, in no particular order.
    """
    return Judge(ops, lives, losses, coverage).findings()


class Judge:
    """The rules, over all lives of a capture."""

    def __init__(
        self, ops: Sequence[Op], lives: Sequence[Life], losses: Sequence[Loss], coverage: Coverage
    ) -> None:
        self.ops = ops
        self.lives = lives
        self.losses = losses
        self.coverage = coverage
        self.finish = ops[-1].time if ops else 0
        self.clock = Clock(ops, 100_000_000)
        self.unloads = unloads(ops)
        self.misses = self._misses_releases()
        self.partners = learn(lives)
        self.usual: dict[tuple[str, str | None, int], int] = {}
        for life in lives:
            for op, held in holds(life):
                site = (op.routine, op.function, life.context_type)
                self.usual[site] = max(held, self.usual.get(site, 0))

    def findings(self) -> list[Finding]:
        """Everything that the rules say."""
        found = [Finding("M04", None, None, "definite", None, "note") for _ in self.losses]
        found += [Finding("M04", None, None, "definite", None, "note")] * self._runs_backwards()
        unjudged = self._faulty_types()
        for life in self.lives:
            found += self._notes(life)
            found += [] if life.context_type in unjudged else self._faults(life)
            found += self._leaks(life)
        if self.coverage.lacks(frozenset(RELEASES)):
            # Where releases are known to be missing, that lives end owned is said once.
            contradictions = [each for each in found if each.rule == "M04" and each.pointer is not None]
            found = [each for each in found if each not in contradictions]
            found += [Finding("M04", None, None, "definite", None, "note")] * bool(contradictions)
        return found

    def _runs_backwards(self) -> bool:
        """Tell whether a thread's numbers disagree with its times; two writers' numbers tell nothing."""
        numbered = [op for op in self.ops if op.sequence is not None]
        if len({op.sequence for op in numbered}) != len({op.record for op in numbered}):
            return False
        last: dict[int, int] = {}
        for op in numbered:
            if op.sequence < last.get(op.tid, 0):
                return True
            last[op.tid] = op.sequence
        return False

    def _notes(self, life: Life) -> list[Finding]:
        told: list[tuple[str, Op]] = []
        if not life.known:
            told.append(("M01", life.steps[0].row.op))
        cleanups = [step for step in life.logged if step.row.kind == "cleanup" and step.owned]
        told += [("M04", step.row.op) for step in cleanups if not step.freed][:1]
        if life.end == "reused" and life.owned and life.allocated_again:
            told.append(("M04", life.allocated_again))
        return [
            Finding(rule, life.pointer, life.generation, "definite", op.order, "note") for rule, op in told
        ]

    def _faults(self, life: Life) -> list[Finding]:
        """The faults left in the best order, or the first that only a reference never released hides."""
        steps = life.steps
        if not life.ordered and life.end == "held":
            steps = [step for step in life.logged if step.fault][:1]
        found: dict[str, Finding] = {}
        until = life.rows[0].op.time
        for step in steps:
            # In the best order a step may stand before one that was logged earlier.
            # Calls that give something back are logged before they are made.
            made = self.clock.latest(step.row.op) if step.row.kind in ("release", "delete") else 0
            until = max(until, step.row.op.time, made)
            if step.fault and RULES[step.fault] not in found:
                doubtful = life.hasty or not life.ordered
                confidence = self._confidence(life, until, acquires(life.context_type), doubtful)
                rule = RULES[step.fault]
                found[rule] = Finding(rule, life.pointer, life.generation, confidence, step.row.op.order)
        return list(found.values())

    def _leaks(self, life: Life) -> list[Finding]:
        """The leak rules of one life."""
        if life.end != "held" or not life.known or not self._releases_are_logged():
            return []
        opened, candidates = unanswered(life, self.partners)
        gets = [op for op in opened if is_get(op)]
        cut_off = all(self._in_flight(op, life) for op in opened)
        unload = self._unload(life)
        until = unload.ended if unload and unload.ended is not None else self.finish
        found: list[tuple[str, bool, str]] = []
        if unload:
            waits = unload.ended is None and (cut_off or self._is_draining(unload))
            found.append(("L01", waits, "error"))
        if life.object_gone is not None and max(row.op.time for row in life.rows) <= life.object_gone:
            ended = unload is not None and unload.ended is not None
            just_gone = self.finish - life.object_gone < LONG_GONE
            found.append(("L02", just_gone and not ended, "error"))
        if not found and not cut_off:
            stored = all(self._may_be_stored(op, life) for op in opened)
            found.append(("L03", True, "note" if stored else "warning"))
        if gets and found and found[0][2] != "note":
            found.append(("L09", found[0][1] or not all(is_get(op) for op in candidates), "error"))
        return [
            Finding(
                rule,
                life.pointer,
                life.generation,
                self._confidence(life, until, frozenset(RELEASES), doubtful),
                (gets if rule == "L09" else opened)[0].order,
                severity,
            )
            for rule, doubtful, severity in found
        ]

    def _unload(self, life: Life) -> Unload | None:
        """The first unload that the life outlived, or that waits for it."""
        last = max(row.op.time for row in life.rows)
        for unload in self.unloads:
            if same_filter(unload.filter, life.filter):
                hangs = unload.ended is None and unload.unregisters and life.rows[0].op.time <= unload.entered
                if hangs or (unload.ended is not None and last <= unload.ended):
                    return unload
        return None

    def _is_draining(self, unload: Unload) -> bool:
        """Tell whether an unload was still dropping contexts when the capture ended."""
        last = self.ops[-1]
        if last.routine == "ContextCleanup" and last.phase != 2:
            return True
        left = [life for life in self.lives if life.end == "attached"]
        return any(same_filter(unload.filter, life.filter) for life in left)

    def _misses_releases(self) -> bool:
        """Tell whether a sound life ended owned in a time of which nothing is known to be missing."""
        for life in self.lives:
            if not life.known or any(step.fault for step in life.steps):
                continue
            shows = [
                step.row.op
                for step in life.logged
                if step.row.kind == "cleanup" and step.owned and not step.freed
            ]
            if life.end == "reused" and life.owned and life.allocated_again:
                shows.append(life.allocated_again)
            first = life.rows[0].op.time
            # A cleanup tells before a later allocation does, as in the package.
            if shows and not any(overlaps(loss, first, shows[0].time) for loss in self.losses):
                return True
        return False

    def _did_nothing_later(self, acquire: Op) -> bool:
        return not any(other_call_of_thread(acquire, op) for op in self.ops[acquire.order + 1 :])

    def _in_flight(self, acquire: Op, life: Life) -> bool:
        usual = self.usual.get((acquire.routine, acquire.function, life.context_type))
        if usual is None:
            return self._did_nothing_later(acquire)
        return self.finish - acquire.time <= 10 * usual

    def _may_be_stored(self, acquire: Op, life: Life) -> bool:
        lasting = life.context_type & (TYPES["Instance"] | TYPES["Volume"])
        known = (acquire.routine, acquire.function, life.context_type) in self.usual
        return is_reference(acquire) or bool(lasting and not known)

    def _releases_are_logged(self) -> bool:
        if self.coverage.declared:
            return not self.coverage.lacks(frozenset(RELEASES))
        return any(op.routine in RELEASES for op in self.ops)

    def _faulty_types(self) -> set[int]:
        """The types of which so many lives are at fault that an acquire must be missing."""
        known = [life for life in self.lives if life.known]
        judged = Counter(life.context_type for life in known)
        at_fault = Counter(life.context_type for life in known if self._faults(life))
        return {
            kind
            for kind in at_fault
            if 2 * at_fault[kind] > judged[kind] and self.coverage.lacks(acquires(kind))
        }

    def _confidence(self, life: Life, until: int, needed: frozenset[str], doubtful: bool) -> str:
        first = life.rows[0].op.time
        if needed == frozenset(RELEASES):
            free = life.steps is not life.logged and life.logged[-1].ends_free(life.known)
            doubtful = doubtful or self.misses or life.hasty or free
        if (
            doubtful
            or life.assumed
            or life.uncertain
            or self.coverage.lacks(needed)
            or any(overlaps(loss, first, until) for loss in self.losses)
        ):
            return "possible"
        return "definite" if self.coverage.declared else "probable"


def unloads(ops: Sequence[Op]) -> list[Unload]:
    """The unloads of filters: one lasts from its first row to its last end before another begins."""
    found: list[Unload] = []
    for op in ops:
        if op.routine not in UNLOADS:
            continue
        ends = op.phase == 2
        own = [
            place
            for place, other in enumerate(found)
            if same_filter(other.filter, op.filter) and (ends or other.ended is None)
        ]
        before = found.pop(own[-1]) if own else Unload(op.filter, op.time, None, unregisters=False)
        after = Unload(
            before.filter or op.filter,
            before.entered,
            op.time if ends else None,
            before.unregisters or op.routine == "FltUnregisterFilter",
        )
        found.insert(own[-1] if own else len(found), after)
    return found


def same_filter(one: int | None, other: int | None) -> bool:
    """Tell whether two filters may be the same; one that was not logged may be any."""
    return not one or not other or one == other


def acquires(context_type: int) -> frozenset[str]:
    """The routines that can take a reference to a context of a type (of any type where it is 0)."""
    names = [name for name, bit in TYPES.items() if bit == context_type or not context_type]
    routines = {"FltAllocateContext", "FltReferenceContext", "FltGetContextsEx"}
    for name in names:
        routines |= {f"FltGet{name}Context"}
        if name != "Section":
            routines |= {f"FltSet{name}Context", f"FltDelete{name}Context", "FltGetContexts"}
    return frozenset(routines)
