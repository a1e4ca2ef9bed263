"""Judging a replay: every rule's faults, and how sure each is."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from tracecheck.fltmgr import RELEASES, TYPE_NAMES, ContextType, Effect
from tracecheck.operations import Coverage
from tracecheck.replay import Replay
from tracecheck.rules.contradictions import contradicted, contradictions
from tracecheck.rules.evidence import Evidence
from tracecheck.rules.legacy.blocks import not_judged
from tracecheck.rules.neighbours import mixed_up
from tracecheck.rules.registry import LEAKS, OVER_RELEASES, RULES, Candidate, Rule
from tracecheck.rules.table import FINDINGS

_RANK = {"error": 0, "warning": 1, "note": 2}
_CONFIDENCE = {"definite": 0, "probable": 1, "possible": 2}


@dataclass(frozen=True)
class Judgement:
    """What the rules found.

    Attributes:
        findings: Schema :data:`~tracecheck.rules.table.FINDINGS`, the worst and surest first.
        withheld: Verdicts that could not be given, a sentence each.
        advice: What to capture next time, a sentence each.
    """

    findings: pa.Table
    withheld: tuple[str, ...]
    advice: tuple[str, ...]


def judge(
    operations: pa.Table,
    replay: Replay,
    losses: pa.Table,
    coverage: Coverage,
    original: Callable[[str], str] = str,
) -> Judgement:
    """Apply all rules.

    Args:
        operations: Schema :data:`~tracecheck.operations.OPERATIONS`.
        replay: The replay of them.
        losses: Schema :data:`~tracecheck.etl.LOSSES`.
        coverage: What the capture says it logs completely.
        original: Gives the name that a redacted one stands for: signatures do not change with redaction.
    """
    evidence = Evidence(operations, replay, losses, coverage, original)
    withheld = _withheld(evidence)
    rows = []
    for _, rule in sorted(RULES.items()):
        kept_back = withheld.get(rule.family)
        if kept_back is not None and kept_back.all_types:
            continue
        for candidate in evidence.found(rule.find):
            if kept_back is not None and _type(evidence, candidate) in kept_back.types:
                continue
            rows.append(_finding(evidence, rule, candidate, original))
    rows.sort(key=lambda r: (_RANK[r["severity"]], _CONFIDENCE[r["confidence"]], r["time"] or 0, r["rule"]))
    legacy = list(not_judged(evidence))
    reasons = (*(w.reason for w in withheld.values()), *(reason for reason, _ in legacy))
    advice = (*(w.advice for w in withheld.values()), *(text for _, text in legacy))
    if told := len(evidence.found(contradictions)):
        reasons += (
            f"{'1 call is' if told == 1 else f'{told:,} calls are'} told of as they cannot have been",
        )
    if evidence.out_of_order:
        reasons += ("the processors' clocks differ, and the events have no numbers to put them in order by",)
        advice += ("number the events (Sequence), or let the session use the performance counter",)
    return Judgement(pa.Table.from_pylist(rows, schema=FINDINGS), reasons, advice)


@dataclass(frozen=True)
class _Withheld:
    """A family of rules that cannot be judged: for some types, or for all."""

    reason: str
    advice: str
    types: frozenset[int] = frozenset()
    all_types: bool = False


def _withheld(evidence: Evidence) -> dict[str, _Withheld]:
    """Tell which families of rules the capture does not log enough for."""
    found = {}
    effect = evidence.ops.effect()
    lacking = evidence.coverage.lacks(RELEASES) if evidence.coverage.declared else frozenset()
    silent = (
        not np.isin(effect, (Effect.RELEASE, Effect.RELEASE_MANY)).any() and not evidence.coverage.declared
    )
    if lacking or (silent and len(evidence.held)):
        names = " and ".join(sorted(lacking or {"FltReleaseContext"}))
        reason = f"leaks were not judged: {names} {'is' if len(lacking) < 2 else 'are'} not logged completely"
        if evidence.coverage.note and lacking & (evidence.coverage.partial | evidence.coverage.silent):
            reason = f"{reason} ({evidence.coverage.note})"
        found[LEAKS] = _Withheld(reason, f"log every call of {names}", all_types=True)
    types, names = _unjudged_types(evidence)
    if types:
        which = ", ".join(sorted(TYPE_NAMES.get(ContextType(t), hex(t)).lower() for t in types))
        reason = f"over-releases of {which} contexts were not judged: {names} is not logged completely"
        found[OVER_RELEASES] = _Withheld(reason, f"log every call of {names}", types)
    return found


def _unjudged_types(evidence: Evidence) -> tuple[frozenset[int], str]:
    """Find the types of which most lives look over-released in a capture that does not log all acquires."""
    codes = ("R01", "R02", "R03", "R04", "R05")
    faulty: Counter[int] = Counter()
    lives: set[int] = set()
    known = set(evidence.lives_that("birth", "allocated").tolist())
    lacking: set[str] = set()
    for code in codes:
        for candidate in evidence.found(RULES[code].find):
            lacks = evidence.coverage.lacks(candidate.needs)
            if lacks and candidate.life is not None and candidate.life in known - lives:
                lives.add(candidate.life)
                lacking |= lacks
                faulty[_type(evidence, candidate)] += 1
    every = (
        Counter(evidence.context("context_type")[evidence.lives_that("birth", "allocated")].tolist())
        if lives
        else {}
    )
    types = frozenset(kind for kind, count in faulty.items() if 2 * count > every.get(kind, 0))
    return types, " and ".join(sorted(lacking))


def _type(evidence: Evidence, candidate: Candidate) -> int:
    if candidate.life is None:
        return candidate.context_type
    return int(evidence.context("context_type")[candidate.life])


def _finding(
    evidence: Evidence, rule: Rule, candidate: Candidate, original: Callable[[str], str]
) -> dict[str, Any]:
    """Make the row of a fault."""
    doubts = tuple(doubts_of(evidence, rule, candidate))
    confidence = "possible" if doubts else "definite"
    if not doubts and candidate.needs:
        doubts = tuple(_weaknesses(evidence, candidate))
        confidence = "probable" if doubts else "definite"
    life = candidate.life
    return {
        "rule": rule.code,
        "severity": candidate.severity or rule.severity,
        "confidence": confidence,
        "reasons": list(doubts),
        "context_id": life,
        "context": candidate.context if life is None else int(evidence.context("pointer")[life]),
        "generation": None if life is None else int(evidence.context("generation")[life]),
        "context_type": _type(evidence, candidate),
        "time": int(evidence.ops["time"][candidate.operations[0]]) if candidate.operations else None,
        "operations": list(candidate.operations),
        "message": candidate.message,
        "signature": signature(rule.code, _type(evidence, candidate), tuple(map(original, candidate.cause))),
    }


def signature(code: str, context_type: int, cause: tuple[str, ...]) -> str:
    """Hash what makes two findings one fault: the rule, the type and the functions, no address or line."""
    text = "\0".join((code, str(context_type), *cause))
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:16]


def _weaknesses(evidence: Evidence, candidate: Candidate) -> Iterator[str]:
    """Say why a fault that nothing speaks against is no more than probable."""
    yield from evidence.coverage.inferred()
    if candidate.life in evidence.replay.silent:
        yield "of a call only the intent was logged: that it succeeded is assumed, as no line says it failed"


def doubts_of(evidence: Evidence, rule: Rule, candidate: Candidate) -> Iterator[str]:
    """Say why a fault is no more than possible."""
    yield from candidate.doubts
    if not rule.sound:
        yield "the rule is a heuristic"
    if (candidate.severity or rule.severity) != "note" and candidate.life in evidence.found(contradicted)[0]:
        yield "the trace contradicts itself about this context"
    life = candidate.life
    since = candidate.since if life is None else int(evidence.context("first")[life])
    if since is None or not candidate.needs:
        return
    lacking = evidence.coverage.lacks(candidate.needs)
    if lacking:
        yield f"the capture does not log {', '.join(sorted(lacking))} completely"
    gap = evidence.gap_during(since, candidate.judged)
    if gap:
        yield f"{gap}, during this context's life"
    if candidate.life in evidence.replay.assumed:
        yield "the status of a call was not logged: that it succeeded is assumed"
    if candidate.life in evidence.replay.uncertain:
        yield "a call may have returned this context as an old one without the log telling"
    if evidence.out_of_order and life is not None and evidence.is_shared(life):
        yield "the processors' clocks differ: the order of calls on different processors is not known"
    if life is not None and life in evidence.found(mixed_up)[0]:
        yield "one context at this address lacks a release and one has one too many: events have no numbers"
    replay = evidence.replay
    if candidate.needs >= RELEASES and candidate.life in replay.logged_free | replay.hasty:
        yield "when each call was made is not known well enough: in another order no reference was left"
    if candidate.needs >= RELEASES and evidence.misses_releases:
        yield "contexts were freed while references to them were owned: not every release was logged"
