"""Who leaked: the acquire that nothing answers, and where its life left what is usual."""

from __future__ import annotations

from collections.abc import Iterator

from tracecheck.blame.habits import Habit, Habits, Threads
from tracecheck.blame.verdict import LEAK, UNNAMED, Blamed, Doubt
from tracecheck.blame.words import Words, kind_of_context
from tracecheck.rules.evidence import Evidence
from tracecheck.rules.pairing import BY_PATTERN

# How far a thread is followed after the acquire.
_STEPS_AFTER = 24


class Leaks:
    """Blames leaked lives.

    Args:
        evidence: The tables.
        habits: What is usual in the capture.
        words: Names of calls.
    """

    def __init__(self, evidence: Evidence, habits: Habits, words: Words) -> None:
        self._evidence = evidence
        self._habits = habits
        self._words = words
        self._threads = Threads(evidence)

    def blame(self, life: int) -> Blamed:
        """Blame a life that is held at its end."""
        evidence, words = self._evidence, self._words
        op = evidence.unanswered(life).steps[0]
        kind = int(evidence.context("context_type")[life])
        habit = self._habits.of_acquires(op, kind)
        deviation, story = self._deviation(op)
        pattern = self._pattern(kind, habit)
        owned = len(evidence.unanswered(life).steps)
        which = "the reference" if owned == 1 else f"the first of {owned:,} references"
        text = f"{words.call(op)} took {which} that nothing released; {pattern}; {story}"
        doubts = tuple(self._doubts(life, op))
        return Blamed(LEAK, op, pattern, habit.count, text, doubts, deviation=deviation)

    def _pattern(self, kind: int, habit: Habit) -> str:
        if not habit.count:
            return f"no reference to a {kind_of_context(kind)} that was taken there was ever released"
        noun = (
            f"reference to a {kind_of_context(kind)}"
            if habit.count == 1
            else (f"references to {kind_of_context(kind)}s")
        )
        verb = "was" if habit.count == 1 else "were"
        where = self._words.answered_at(habit.others)
        return f"the other {habit.count:,} {noun} taken there {verb} released: {where}".replace(
            ": at ", " at "
        )

    def _deviation(self, op: int) -> tuple[int | None, str]:
        """Find what the thread did instead: the first call that failed, and where it went on."""
        words = self._words
        function = self._evidence.function[op]
        failed = None
        for other in self._threads.after(op, _STEPS_AFTER):
            if self._evidence.function[other] != function:
                left = f"left {words.names(op)[1] or 'it'} for {words.call(other)}"
                if failed is None:
                    return other, f"here its thread {left}"
                return (
                    failed,
                    f"here {words.call(failed)} gave {words.outcome(failed)}, and the thread {left}",
                )
            if failed is None and words.outcome(other):
                failed = other
        if failed is not None:
            return failed, f"here {words.call(failed)} gave {words.outcome(failed)}"
        return None, "here its thread logged nothing more that tells why"

    def _doubts(self, life: int, blamed: int) -> Iterator[Doubt]:
        """Say why it may have been an acquire of another site; those of one site are alike."""
        evidence = self._evidence
        first, pairing = evidence.pairing(life)
        site = evidence.effects.site
        if not any(self._words.names(blamed)[1:]):
            yield UNNAMED
        mine = {int(site[first + i]) for i in pairing.open.steps}
        if len(mine) > 1:
            yield Doubt("probable", "references that were taken at different places were never released")
        others = {int(site[first + i]): i for i in reversed(pairing.open.candidates)}
        strange = [others[other] for other in sorted(others) if other not in mine]
        if strange:
            names = " and ".join(self._words.call(self._op(first, step)) for step in strange[:2])
            yield Doubt(
                self._surety(life), f"it may be what {names} took: which release answers which is a choice"
            )

    def _surety(self, life: int) -> str:
        """Tell whether what is usual decides between several sites."""
        first, pairing = self._evidence.pairing(life)
        site, partners = self._evidence.effects.site, self._evidence.partners
        strays, open_ = set(pairing.strays), pairing.open.steps
        for acquire, release, how in pairing.pairs:
            if release not in strays or open_[0] > release:
                continue
            usual = partners.get(int(site[first + release]), frozenset())
            rivals = {int(site[first + i]) for i in open_ if i < release}
            if how != BY_PATTERN or rivals & usual - {int(site[first + acquire])}:
                return "possible"
        return "probable"

    def _op(self, first: int, step: int) -> int:
        rows = self._evidence.effect_rows
        return int(self._evidence.step("operation")[rows[first + step]])
