"""L21: a driver that loses the race to attach a context, and goes on with its own."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import numpy as np

from tracecheck.fltmgr import Effect
from tracecheck.fltmgr.status import STATUS_FLT_CONTEXT_ALREADY_DEFINED
from tracecheck.rules.accused import call
from tracecheck.rules.evidence import Evidence
from tracecheck.rules.registry import Candidate, rule

_USES = (Effect.USE, Effect.REFERENCE, Effect.DELETE)
_MOST = 100
# How many calls on a context may lie between the set and what its thread does next with it.
_NEXT = 64


@rule("L21", "lost race taken for success", severity="warning", sound=False)
def used_after_lost_race(evidence: Evidence) -> Iterator[Candidate]:
    """Find new contexts that their thread uses after another one was found attached; once for each site."""
    ops = evidence.ops
    sites: dict[tuple[int, int, int], list[tuple[int, int, int]]] = defaultdict(list)
    lost = ops["status"] == STATUS_FLT_CONTEXT_ALREADY_DEFINED
    if not lost.any():
        return
    rows = evidence.steps_of(lost & (ops.effect() == Effect.SET))
    lives = evidence.step("context")[rows]
    own = ops["context"][evidence.step("operation")[rows]] == evidence.context("pointer")[lives]
    for row in rows[own].tolist():
        use = _used(evidence, row)
        if use is not None:
            life, op = int(evidence.step("context")[row]), int(evidence.step("operation")[row])
            kind = int(evidence.context("context_type")[life])
            sites[int(ops["routine"][op]), int(evidence.function[op]), kind].append((life, op, use))
    for found in sites.values():
        yield _candidate(evidence, found)


def _used(evidence: Evidence, row: int) -> int | None:
    """Find the first use of a context that its thread makes after a set, before it lets go or tries again."""
    thread, op = evidence.ops.thread(), evidence.step("operation")
    end = min(int(evidence.first_step[int(evidence.step("context")[row]) + 1]), row + 1 + _NEXT)
    mine = row + 1 + np.flatnonzero(thread[op[row + 1 : end]] == thread[op[row]])[:1]
    if not len(mine) or evidence.ops.effect()[op[mine[0]]] not in _USES:
        return None
    return int(op[mine[0]])


def _candidate(evidence: Evidence, found: list[tuple[int, int, int]]) -> Candidate:
    life, op, use = found[0]
    often = f" ({len(found)} times)" if len(found) > 1 else ""
    message = (
        f"{call(evidence, op)} found another context attached, and {call(evidence, use)} goes on with "
        f"this one, which is attached to nothing{often}"
    )
    proof = [each for _, *pair in found[: _MOST // 2] for each in pair]
    cause = (evidence.names("routine", op), evidence.names("function", op))
    return Candidate(life, tuple(dict.fromkeys(proof)), message, int(evidence.ops["time"][use]), cause)
