"""Who released too often: the release that took what was another's, and who suffered from it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tracecheck.blame.bulk import all_partners
from tracecheck.blame.habits import Habits
from tracecheck.blame.overreleased import Window, extra_releases
from tracecheck.blame.verdict import OVER_RELEASE, UNNAMED, USE, Blamed, Doubt
from tracecheck.blame.words import Words, kind_of_context
from tracecheck.fltmgr import Effect
from tracecheck.rules.evidence import Evidence
from tracecheck.rules.pairing import BY_PATTERN


class Releases:
    """Blames lives that were released too often, or used without being owned.

    Args:
        evidence: The tables.
        habits: What is usual in the capture.
        words: Names of calls.
    """

    def __init__(self, evidence: Evidence, habits: Habits, words: Words) -> None:
        self._evidence = evidence
        self._habits = habits
        self._words = words

    def blame(self, life: int) -> Blamed:
        """Blame a life that has a step at fault."""
        window = extra_releases(self._evidence, life)
        return self._release(life, window) if window.pairing.extra else self._use(life, window)

    def hidden(self, op: int) -> Blamed:
        """Blame the operation itself of a fault that only the log's own order has."""
        text = f"{self._words.call(op)} is at fault in the order of the log"
        return Blamed(USE, op, "", 0, text, (Doubt("possible", "another order explains it"),))

    def _release(self, life: int, window: Window) -> Blamed:
        words, extra = self._words, window.pairing.extra[0]
        op, fault = self._op(window.rows[extra]), self._op(window.fault)
        kind = int(self._evidence.context("context_type")[life])
        owner = self._owner(window, extra)
        victim = fault if fault != op else self._next_fault(life, window.rows[extra])
        habit = self._habits.of_releases(op, kind)
        pattern = f"no other release there takes what it does not own ({habit.count:,} answer an acquire)"
        if not habit.count:
            pattern = "no release there answers an acquire in this capture"
        if owner is None:
            whose = "none but the object's own was left" if self._attached(window, extra) else "none was left"
        else:
            thread = int(self._evidence.ops["tid"][owner])
            whose = f"it was that of {words.call(owner)} in thread {thread}"
        what = f"a reference to a {kind_of_context(kind)}"
        text = f"{words.call(op)} released {what} that was not its own: {whose}"
        text += self._released_before(window, extra)
        if victim is not None:
            text += f"; {words.call(victim)} suffered from it"
        doubts = tuple(self._doubts(window, extra, op))
        return Blamed(OVER_RELEASE, op, pattern, habit.count, text, doubts, owner=owner, victim=victim)

    def _use(self, life: int, window: Window) -> Blamed:
        """Blame a use: all releases are answered for, so it is the use that is out of place."""
        words, op = self._words, self._op(window.fault)
        before = [i for i, row in enumerate(window.rows) if row < window.fault and window.taken[i].delta < 0]
        given = self._op(window.rows[before[-1]]) if before else None
        kind = kind_of_context(int(self._evidence.context("context_type")[life]))
        text = f"{words.call(op)} used a {kind} to which its driver owned no reference"
        if given is not None:
            text += f"; the last one was released by {words.call(given)}"
        doubts = () if any(words.names(op)[1:]) else (UNNAMED,)
        return Blamed(USE, op, "", 0, text, doubts, deviation=given)

    def _owner(self, window: Window, extra: int) -> int | None:
        """Find the acquire whose reference was taken: one open then, best that of the fault's thread."""
        released = {acquire: release for acquire, release, _ in window.pairing.pairs}
        open_ = [
            i
            for i, one in enumerate(window.taken[:extra])
            if one.delta > 0 and released.get(i, len(window.taken)) > extra
        ]
        if not open_:
            return None
        fault = self._op(window.fault)
        thread = int(self._evidence.ops["tid"][fault])
        own = [i for i in open_ if self._op(window.rows[released.get(i, i)]) == fault]
        own = own or [i for i in open_ if window.taken[i].thread == thread]
        return self._op(window.rows[(own or open_)[0]])

    def _released_before(self, window: Window, extra: int) -> str:
        """Say what the same thread and function released just before."""
        mine = window.taken[extra]
        so_far = [*window.earlier, *zip(window.rows[:extra], window.taken[:extra], strict=True)]
        same = [row for row, one in so_far if (one.thread, one.function) == (mine.thread, mine.function)]
        dropped = [row for row in same if self._evidence.step("delta_owned")[row] < 0]
        if not dropped or not self._words.names(self._op(window.rows[extra]))[1]:
            return ""
        return f"; {self._words.call(self._op(dropped[-1]))} had released before it in the same function"

    def _attached(self, window: Window, extra: int) -> bool:
        """Tell whether the object still held the context when it was released too often."""
        return bool(self._evidence.step("link")[window.rows[extra]])

    def _next_fault(self, life: int, row: int) -> int | None:
        rows = self._evidence.steps_at_fault
        at = int(np.searchsorted(rows, row, "right"))
        if at < len(rows) and int(self._evidence.step("context")[rows[at]]) == life:
            return self._op(int(rows[at]))
        return None

    def _doubts(self, window: Window, extra: int, op: int) -> Iterator[Doubt]:
        """Say why it may have been a release of another site that answers nothing of its function."""
        if not any(self._words.names(op)[1:]):
            yield UNNAMED
        if self._evidence.ops.effect()[op] not in (Effect.RELEASE, Effect.RELEASE_MANY):
            yield Doubt("possible", "it is no release")
        if not window.explained:
            yield Doubt("possible", "no healthy life shows who answers whom here")
        elif not window.certain:
            yield Doubt("possible", "another release may as well be the one that was too many")
        site = window.taken[extra].site
        others = {window.taken[i].site: i for i in reversed(window.pairing.strays)}
        strange = [others[other] for other in sorted(others) if other != site]
        if strange:
            names = " and ".join(self._words.call(self._op(window.rows[i])) for i in strange[:2])
            surety = "probable" if window.explained and self._is_decided(window, extra) else "possible"
            yield Doubt(surety, f"it may have been {names}: which release answers which acquire is a choice")

    def _is_decided(self, window: Window, extra: int) -> bool:
        """Tell whether what is usual decides which of the releases was one too many."""
        usual = all_partners(self._evidence).get(window.taken[extra].site, frozenset())
        strays = set(window.pairing.strays)
        rivals = [
            (window.taken[acquire].site, how)
            for acquire, release, how in window.pairing.pairs
            if release in strays
            and acquire < extra
            and window.taken[release].site != window.taken[extra].site
        ]
        return all(how == BY_PATTERN and site not in usual for site, how in rivals)

    def _op(self, row: int) -> int:
        return int(self._evidence.step("operation")[row])
