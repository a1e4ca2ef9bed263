"""One life, step by step: for the few lives that sums alone do not settle."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from heapq import heappop, heappush

from tracecheck.replay.effects import Mark

# What the steps table's fault column says.
RELEASE_ATTACHED = "release attached"
RELEASE_FREED = "release freed"
REFERENCE_FREED = "reference freed"
USE_FREED = "use freed"
USE_UNOWNED = "use unowned"
FAULTS = ("", RELEASE_ATTACHED, RELEASE_FREED, REFERENCE_FREED, USE_FREED, USE_UNOWNED)


@dataclass(frozen=True, slots=True)
class Effect:
    """One effect on the life: the operation's row, the deltas of the log, its :class:`Mark` flags."""

    op: int
    owned: int
    link: int
    mark: int


@dataclass(frozen=True, slots=True)
class Step:
    """One effect as it was replayed: what really changed, the counts after, what was wrong.

    ``freed`` tells whether the context was free before the step, ``free`` whether it is after it.
    """

    op: int
    delta_owned: int
    delta_link: int
    owned: int
    link: int
    freed: bool
    fault: str
    free: bool


@dataclass(slots=True)
class State:
    """A context's counts while they are replayed.

    Attributes:
        owned, link: The counts.
        known: Whether the life's birth was seen; if not, only its cleanup proves that it is free.
        freed: Whether it is free.
    """

    owned: int = 0
    link: int = 0
    known: bool = True
    freed: bool = False

    def step(self, effect: Effect) -> Step:
        """Apply one effect."""
        freed, fault = self.freed, self._fault(effect)
        before = self.owned, self.link
        if effect.mark & Mark.CLEANUP:
            self.link, self.freed = 0, True
        elif fault not in (RELEASE_ATTACHED, RELEASE_FREED, USE_FREED):
            self.owned = max(self.owned + effect.owned, 0)
            if not self.freed:
                self.link = min(max(self.link + effect.link, 0), 1)
        fell = effect.owned < 0 or effect.link < 0
        if self.known and fell and not self.owned and not self.link:
            self.freed = True
        delta_owned, delta_link = self.owned - before[0], self.link - before[1]
        return Step(effect.op, delta_owned, delta_link, self.owned, self.link, freed, fault, self.freed)

    def _fault(self, effect: Effect) -> str:
        """Tell what the effect does, in the state before it, that no legal driver does."""
        if self.freed:
            if effect.mark & Mark.RELEASE:
                return "" if self.owned else RELEASE_FREED
            if effect.mark & Mark.REFERENCE:
                return REFERENCE_FREED
            return USE_FREED if effect.mark & Mark.USE else ""
        if not self.known or self.owned or not self.link:
            return ""
        if effect.mark & Mark.RELEASE:
            return RELEASE_ATTACHED
        return USE_UNOWNED if effect.mark & Mark.USE else ""

    def fits(self, effect: Effect) -> bool:
        """Tell whether an effect is legal now, and does all that it did in the log."""
        return not self._fault(effect) and not (effect.link > 0 and self.link)


def begin(effects: Sequence[Effect]) -> State:
    """Give the state before the first effect of a life.

    Args:
        effects: In the order of the log.
    """
    if effects[0].mark & Mark.BIRTH:
        return State()
    owned, link = _seed(effects)
    return State(owned, link, known=False)


def run(effects: Sequence[Effect], state: State) -> list[Step]:
    """Replay a life.

    Args:
        effects: What happened to it, in the order to be judged.
        state: The state before; it is changed.
    """
    return [state.step(effect) for effect in effects]


def run_best(effects: Sequence[Effect], at: Sequence[int], until: Sequence[int], state: State) -> list[Step]:
    """Replay a life with each effect as early as is given, later where it would not fit then.

    Args:
        effects: What happened to it, in the order of the log.
        at: The first moment of each.
        until: The last moment of each.
        state: The state before; it is changed.
    """
    steps: list[Step] = []
    waiting = _Waiting(effects, until)
    for i in sorted(range(len(effects)), key=lambda i: (at[i], i)):
        _make_due(effects, waiting, at[i], state, steps)
        if until[i] > at[i] and not state.fits(effects[i]):
            waiting.add(i)
            continue
        steps.append(state.step(effects[i]))
        _make_fitting(effects, waiting, state, steps)
    _make_due(effects, waiting, max(until) + 1, state, steps)
    return steps


class _Waiting:
    """Effects that are put off: which is due, and which fits, is found without looking at each of them.

    Whether an effect fits depends on its deltas and marks alone: of those that are alike only the first is
    asked.
    """

    def __init__(self, effects: Sequence[Effect], until: Sequence[int]) -> None:
        self._effects, self._until = effects, until
        self._alike: dict[tuple[int, int, int], deque[tuple[int, int]]] = {}
        self._due: list[tuple[int, int, int]] = []
        self._gone: set[int] = set()
        self._added = 0

    def add(self, i: int) -> None:
        effect = self._effects[i]
        alike = self._alike.setdefault((effect.owned, effect.link, effect.mark), deque())
        alike.append((self._added, i))
        heappush(self._due, (self._until[i], self._added, i))
        self._added += 1

    def take_due(self, now: int) -> int | None:
        """Take the first of those that can't wait until now."""
        while self._due and self._due[0][0] < now:
            i = heappop(self._due)[2]
            if i not in self._gone:
                self._gone.add(i)
                return i
        return None

    def take_fitting(self, state: State) -> int | None:
        """Take the one that came first of those that fit the state."""
        heads = []
        for alike in self._alike.values():
            while alike and alike[0][1] in self._gone:
                alike.popleft()
            if alike and state.fits(self._effects[alike[0][1]]):
                heads.append(alike[0])
        if not heads:
            return None
        i = min(heads)[1]
        self._gone.add(i)
        return i


def _make_due(
    effects: Sequence[Effect], waiting: _Waiting, now: int, state: State, steps: list[Step]
) -> None:
    """Apply what has waited for as long as it can, and what fits once that is done."""
    while (first := waiting.take_due(now)) is not None:
        steps.append(state.step(effects[first]))
        _make_fitting(effects, waiting, state, steps)


def _make_fitting(effects: Sequence[Effect], waiting: _Waiting, state: State, steps: list[Step]) -> None:
    """Apply what has waited and fits now."""
    while (fitting := waiting.take_fitting(state)) is not None:
        steps.append(state.step(effects[fitting]))


def _seed(effects: Sequence[Effect]) -> tuple[int, int]:
    """Tell the least counts that a life of unknown birth can have begun with."""
    total = least = 0
    for effect in effects:
        if effect.mark & Mark.CLEANUP:
            break
        total += effect.owned
        least = min(least, total)
    for effect in effects:
        if effect.mark & Mark.GET or effect.link:
            return -least, int(effect.link <= 0)
    return -least, 0
