"""Whether any order of a life's calls has no fault: for what no single best order settles.

Where a thread gives a reference back and takes another one, it is not best to do the first as late and the
second as early as can be: both may have been at any moment in between. Such lives are few, and are searched.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from tracecheck.replay.effects import Mark
from tracecheck.replay.machine import Effect, State, Step
from tracecheck.replay.order import Moment, Window

#: How many states a search looks at: so many, and so many for each effect.
_STATES, _STATES_OF_EFFECT = 4000, 8


def relaxed(effects: Sequence[Effect], found: Sequence[Window]) -> tuple[list[Effect], list[Moment]]:
    """Place the effects as no order can do better: each where it is best, whatever its thread does besides.

    Args:
        effects: In the order of the log.
        found: When each can have been.

    Returns:
        The effects and their moments; a deletion is two: it needs a reference early and unlinks late.
    """
    parts: list[Effect] = []
    moments: list[Moment] = []
    for effect, window in zip(effects, found, strict=True):
        late = Moment(window.last, window.last)
        if effect.mark & Mark.RELEASE:
            parts.append(effect)
            moments.append(late)
            continue
        if effect.link < 0 and effect.mark & Mark.USE and window.last > window.first:
            parts.append(replace(effect, link=0, mark=effect.mark & ~Mark.UNLINK))
            moments.append(Moment(window.first, window.last))
            effect = replace(effect, mark=effect.mark & ~Mark.USE)
            parts.append(effect)
            moments.append(late)
            continue
        parts.append(effect)
        moments.append(Moment(window.first, window.last))
    return parts, moments


@dataclass(frozen=True)
class _Place:
    """How far a search has come: how many effects of each thread are done, when it is, what was done last."""

    done: tuple[int, ...]
    now: int
    state: tuple[int, int, bool]
    before: _Place | None
    step: Step | None


def search(effects: Sequence[Effect], found: Sequence[Window], start: State) -> list[Step] | None:
    """Look for an order without a fault.

    Args:
        effects: In the order of the log.
        found: When each can have been.
        start: The state before the first effect.

    Returns:
        The steps of such an order; none where there is none; None where it would take too long to know.
    """
    threads = _threads(found)
    budget = _STATES + _STATES_OF_EFFECT * len(effects)
    first = _Place((0,) * len(threads), found[0].first, (start.owned, start.link, start.freed), None, None)
    if effects[0].mark & Mark.BIRTH:
        first = _born(first, effects[0], threads, start.known)
    stack, seen = [first], {(first.done, first.state)}
    while stack:
        place = stack.pop()
        if sum(place.done) == len(effects):
            return _steps(place)
        for following in _following(place, effects, found, threads, start.known):
            key = following.done, following.state
            if key not in seen:
                seen.add(key)
                stack.append(following)
        if len(seen) > budget:
            return None
    return []


def _threads(found: Sequence[Window]) -> list[list[int]]:
    """List each thread's effects in the order of the log."""
    lists: dict[int, list[int]] = {}
    for i, window in enumerate(found):
        lists.setdefault(window.thread, []).append(i)
    return list(lists.values())


def _born(place: _Place, birth: Effect, threads: list[list[int]], known: bool) -> _Place:
    """Begin with the allocation: nothing can be before it."""
    state = State(known=known)
    step = state.step(birth)
    done = tuple(int(rows[0] == 0) for rows in threads)
    return _Place(done, place.now, (state.owned, state.link, state.freed), place, step)


def _following(
    place: _Place, effects: Sequence[Effect], found: Sequence[Window], threads: list[list[int]], known: bool
) -> Iterator[_Place]:
    """Give the places that come next and have no fault, the most promising last."""
    pairs = enumerate(zip(threads, place.done, strict=True))
    left = [(t, rows[done]) for t, (rows, done) in pairs if done < len(rows)]
    due = min(found[i].last for _, i in left)
    open_ = [(t, i) for t, i in left if max(place.now, found[i].first) <= due]
    # What gives a reference back waits; of the others what can be first is.
    for t, i in sorted(open_, key=lambda one: (effects[one[1]].owned >= 0, -found[one[1]].first)):
        state = State(place.state[0], place.state[1], known, place.state[2])
        step = state.step(effects[i])
        if not step.fault:
            done = (*place.done[:t], place.done[t] + 1, *place.done[t + 1 :])
            now = max(place.now, found[i].first)
            yield _Place(done, now, (state.owned, state.link, state.freed), place, step)


def _steps(place: _Place) -> list[Step]:
    steps: list[Step] = []
    at: _Place | None = place
    while at is not None and at.step is not None:
        steps.append(at.step)
        at = at.before
    return steps[::-1]
