"""The reference model's rules: what docs/replay.md finds in the lives that the reference model replayed."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from reference_model import GETS, GETS_OF_MANY, RELEASES, TYPES, Life, Op, other_call_of_thread, overlaps

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reference_model import Loss

    from tracecheck.operations.coverage import Coverage

UNLOADS = ("FilterUnload", "FltUnregisterFilter")
RULES = {
    "release attached": "R01",
    "release freed": "R02",
    "reference freed": "R03",
    "use freed": "R04",
    "use unowned": "R05",
}


class Finding(NamedTuple):
    """One line of the verdict; ``operation`` is the row number of the first operation at fault."""

    rule: str
    pointer: int | None
    generation: int | None
    confidence: str
    operation: int | None


def unanswered(life: Life) -> list[Op]:
    """The acquires of a life that no release answers, in replay order."""
    opened: list[Op | None] = [None] * life.birth_owned
    for step in life.steps:
        op = step.row.op
        if step.delta_owned > 0:
            opened.append(op)
        elif step.delta_owned < 0:
            own = [other for other in opened if other and other.tid == op.tid]
            best = [other for other in own if other.function == op.function] or own
            opened.remove(best[-1] if best else opened[0])
    return [op for op in opened if op]


def times_owned(life: Life) -> list[int]:
    """For how long the life was owned without a break and then let go, each time that it was."""
    stretches, since = [], None
    for step in life.steps:
        if step.owned and step.owned == step.delta_owned:
            since = step.row.op.time
        if not step.owned and step.delta_owned and since is not None:
            stretches.append(step.row.op.time - since)
            since = None
    return stretches


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
        self.unloads = [op for op in ops if op.routine in UNLOADS]

    def findings(self) -> list[Finding]:
        """Everything that the rules say."""
        found = [Finding("M04", None, None, "definite", None) for _ in self.losses]
        found += [Finding("M04", None, None, "definite", None)] * self._runs_backwards()
        unjudged = self._faulty_types()
        for life in self.lives:
            found += self._notes(life)
            found += [] if life.context_type in unjudged else self._faults(life)
            found += self._leaks(life)
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
        found = []
        if not life.known:
            found.append(
                Finding("M01", life.pointer, life.generation, "definite", life.steps[0].row.op.order)
            )
        contradiction = next(
            (s for s in life.logged if s.row.kind == "cleanup" and s.owned and not s.freed), None
        )
        if contradiction:
            operation = contradiction.row.op.order
            found.append(Finding("M04", life.pointer, life.generation, "definite", operation))
        if life.end == "reused" and life.owned and life.allocated_again:
            operation = life.allocated_again.order
            found.append(Finding("M04", life.pointer, life.generation, "definite", operation))
        return found

    def _faults(self, life: Life) -> list[Finding]:
        """The faults left in the best order, or the first that only a reference never released hides."""
        steps = life.steps
        if not life.ordered and life.end == "held":
            steps = [step for step in life.logged if step.fault][:1]
        found: dict[str, Finding] = {}
        until = life.rows[0].op.time
        for step in steps:
            # In the best order a step may stand before one that was logged earlier.
            until = max(until, step.row.op.time)
            if step.fault and RULES[step.fault] not in found:
                confidence = self._confidence(life, until, acquires(life.context_type), not life.ordered)
                rule = RULES[step.fault]
                found[rule] = Finding(rule, life.pointer, life.generation, confidence, step.row.op.order)
        return list(found.values())

    def _leaks(self, life: Life) -> list[Finding]:
        """The leak rules of one life."""
        if life.end != "held" or not life.known or not self._releases_are_logged():
            return []
        opened = unanswered(life)
        found = []
        unloaded = self._unloaded(life)
        cut_off = all(self._in_flight(op, life.context_type) for op in opened)
        if unloaded is not None:
            until, hangs = unloaded
            found.append(("L01", until, hangs and all(self._did_nothing_later(op) for op in opened)))
        if life.object_gone is not None and max(row.op.time for row in life.rows) <= life.object_gone:
            until = self.finish if unloaded is None else unloaded[0]
            found.append(("L02", until, unloaded is None and cut_off))
        if not found and not cut_off:
            found.append(("L03", self.finish, True))
        gets = [op for op in opened if op.routine in GETS or op.routine in GETS_OF_MANY]
        if found and gets:
            found.append(("L09", found[0][1], found[0][2]))
        return [
            Finding(
                rule,
                life.pointer,
                life.generation,
                self._confidence(life, until, frozenset(RELEASES), doubtful),
                (gets if rule == "L09" else opened)[0].order,
            )
            for rule, until, doubtful in found
        ]

    def _unloaded(self, life: Life) -> tuple[int, bool] | None:
        """When the life's filter was unloaded, or the end where its unload hangs, and whether it does."""
        last = max(row.op.order for row in life.rows)
        own = [op for op in self.unloads if not op.filter or not life.filter or op.filter == life.filter]
        for op in own:
            if op.phase == 2 and op.order > last:
                return op.time, False
        for op in own:
            if op.routine == "FltUnregisterFilter" and op.phase == 1 and op.order > life.rows[0].op.order:
                returned = [x for x in own if x.routine == op.routine and x.phase == 2 and x.order > op.order]
                if not returned:
                    return self.finish, True
        return None

    def _did_nothing_later(self, acquire: Op) -> bool:
        return not any(other_call_of_thread(acquire, op) for op in self.ops[acquire.order + 1 :])

    def _in_flight(self, acquire: Op, context_type: int) -> bool:
        longest = max(
            (held for life in self.lives if life.context_type == context_type for held in times_owned(life)),
            default=0,
        )
        return self._did_nothing_later(acquire) or self.finish - acquire.time <= longest

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
        if (
            doubtful
            or life.assumed
            or life.uncertain
            or self.coverage.lacks(needed)
            or any(overlaps(loss, first, until) for loss in self.losses)
        ):
            return "possible"
        return "definite" if self.coverage.declared else "probable"


def acquires(context_type: int) -> frozenset[str]:
    """The routines that can take a reference to a context of a type (of any type where it is 0)."""
    names = [name for name, bit in TYPES.items() if bit == context_type or not context_type]
    routines = {"FltAllocateContext", "FltReferenceContext", "FltGetContextsEx"}
    for name in names:
        routines |= {f"FltGet{name}Context"}
        if name != "Section":
            routines |= {f"FltSet{name}Context", f"FltDelete{name}Context", "FltGetContexts"}
    return frozenset(routines)
