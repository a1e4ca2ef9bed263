"""E and T: what outlives its instance or its transaction, and unloads that hang."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterator

import numpy as np

from tracecheck.fltmgr import RELEASES, ContextType, Effect
from tracecheck.rules.accused import accused, blame, call
from tracecheck.rules.evidence import Evidence, Unload
from tracecheck.rules.judge import doubts_of
from tracecheck.rules.leaks import CUT_OFF, LONG_GONE, leaked_at_unload, outlived_its_object
from tracecheck.rules.registry import LEAKS, RULES, Candidate, rule

_MOST = 100
_BY_INSTANCE = "only that its instance was torn down is known, not that its transaction had ended"
_WORDS = ("its transaction had ended, and ", " had taken a reference that nothing released")


@rule("T02", "transaction context outlives its transaction", family=LEAKS)
def outlived_its_transaction(evidence: Evidence) -> Iterator[Candidate]:
    """Find transaction contexts among those that L02 finds owned after their object was gone."""
    gone = evidence.context("object_gone")
    pinned = {candidate.life for candidate in evidence.found(outlived_its_object)}
    for leak in evidence.found(accused):
        of_transaction = evidence.context("context_type")[leak.life] == ContextType.TRANSACTION
        if not of_transaction or leak.life not in pinned:
            continue
        teardown = _teardown_of(evidence, leak.life)
        by_instance = teardown is not None and evidence.ops["time"][teardown] == gone[leak.life]
        doubts = (_BY_INSTANCE,) if by_instance else ()
        found = blame(evidence, leak, leak.open.candidates, _WORDS, doubts=doubts)
        if found is not None:
            yield found


@rule("E03", "context of an instance alive after its teardown", severity="warning", family=LEAKS)
def outlived_its_instance(evidence: Evidence) -> Iterator[Candidate]:
    """Find contexts that are owned after their instance was torn down, where neither L01 nor L02 tells it."""
    pinned = {candidate.life for candidate in evidence.found(outlived_its_object)}
    time, last = evidence.ops["time"], evidence.context("last")
    for life in evidence.held.tolist() if _teardowns(evidence) else ():
        op = None if life in pinned else _teardown_of(evidence, life)
        if op is None or last[life] > time[op]:
            continue
        unload = evidence.unload_of(life)
        if unload is not None and time[op] >= unload.entered:
            continue
        ended = unload is not None and unload.ended is not None
        doubts = () if ended or evidence.end - int(time[op]) >= LONG_GONE else (CUT_OFF,)
        open_ = evidence.unanswered(life).steps
        message = (
            f"its instance was torn down, and nothing released the reference of {call(evidence, open_[0])}"
        )
        until = unload.ended if unload is not None and unload.ended is not None else evidence.never
        cause = (evidence.names("routine", open_[0]), evidence.names("function", open_[0]))
        yield Candidate(life, (*open_[:_MOST], op), message, until, cause, doubts, RELEASES)


@rule("E02", "unload hangs", family=LEAKS)
def unload_hangs(evidence: Evidence) -> Iterator[Candidate]:
    """Find unloads that never ended, and the contexts that they wait for: one finding for each unload."""
    waiting: dict[int, tuple[Unload, list[Candidate]]] = {}
    for leak in evidence.found(leaked_at_unload):
        assert leak.life is not None
        unload = evidence.unload_of(leak.life)
        if unload is not None and unload.ended is None:
            waiting.setdefault(unload.op, (unload, []))[1].append(leak)
    for unload, leaks in waiting.values():
        yield _hang(evidence, unload, leaks)


def _hang(evidence: Evidence, unload: Unload, leaks: list[Candidate]) -> Candidate:
    """Describe an unload that waits; it is as sure as the surest of the leaks that it waits for."""
    doubts: tuple[str, ...] = ()
    if all(any(doubts_of(evidence, RULES["L01"], leak)) for leak in leaks):
        doubts = tuple(doubts_of(evidence, RULES["L01"], leaks[0]))
    whose = Counter(call(evidence, leak.operations[0]) for leak in leaks)
    listed = [f"{number} of {name}" if number > 1 else name for name, number in whose.most_common(3)]
    more = f" and {len(whose) - 3} other calls" if len(whose) > 3 else ""
    owned = sum(int(evidence.context("owned")[leak.life]) for leak in leaks if leak.life is not None)
    waits = f"{_count(len(leaks), 'context')} with {_count(owned, 'owned reference')}"
    message = (
        "FltUnregisterFilter had not returned at the end of the capture: it waits for "
        f"{waits}, of {', '.join(listed)}{more}"
    )
    proof = dict.fromkeys(op for leak in leaks[:_MOST] for op in leak.operations if op != unload.op)
    cause = tuple(sorted({evidence.names("function", leak.operations[0]) for leak in leaks[:_MOST]}))
    return Candidate(
        None, (unload.op, *list(proof)[:_MOST]), message, evidence.never, cause, doubts, RELEASES
    )


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


def teardown_after(evidence: Evidence, instance: int, op: int) -> int | None:
    """Find the InstanceTeardownComplete of an instance that follows an operation."""
    torn = _teardowns(evidence).get(instance, [])
    later = torn[bisect_right(torn, op) :]
    return later[0] if later else None


def _teardown_of(evidence: Evidence, life: int) -> int | None:
    """Find the end of the instance that a life was last named with; volume contexts have none."""
    if evidence.context("context_type")[life] == ContextType.VOLUME:
        return None
    steps = evidence.step("operation")[evidence.first_step[life] : evidence.first_step[life + 1]]
    named = steps[evidence.ops["instance"][steps] != 0]
    return (
        teardown_after(evidence, int(evidence.ops["instance"][named[-1]]), int(named[-1]))
        if len(named)
        else None
    )


def _teardowns(evidence: Evidence) -> dict[int, list[int]]:
    """Give every InstanceTeardownComplete by its instance."""
    return evidence.found(_each_teardown)[0]


def _each_teardown(evidence: Evidence) -> Iterator[dict[int, list[int]]]:
    by_instance: dict[int, list[int]] = defaultdict(list)
    for op in np.flatnonzero(evidence.ops.effect() == Effect.TEARDOWN_COMPLETE).tolist():
        by_instance[int(evidence.ops["instance"][op])].append(op)
    by_instance.pop(0, None)
    yield dict(by_instance)
