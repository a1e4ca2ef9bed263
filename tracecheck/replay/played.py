"""The lives that sums do not settle, replayed step by step: in the log's order, then in the driver's best."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tracecheck.replay.effects import Mark, Ops
from tracecheck.replay.lives import Counts, Lives
from tracecheck.replay.machine import Effect, Step, begin, run, run_best
from tracecheck.replay.order import Intervals, Reach, best_moments, intervals, windows
from tracecheck.replay.search import relaxed, search

#: How far it can be: as long as an interrupted thread may have to wait for a processor, nanoseconds.
PATIENCE = 100_000_000


@dataclass(frozen=True)
class Played:
    """A life that was replayed step by step.

    ``hidden`` is the fault of the log's order that another order explains, ``contradicted`` the operation
    that cleaned the life up while it was referenced, or -1; ``hasty`` and ``logged_free`` are as in
    :class:`Replay`.
    """

    steps: list[Step]
    ordered: bool
    hidden: tuple[int, str] | None
    contradicted: int
    hasty: bool
    logged_free: bool = False


def play(ops: Ops, lives: Lives, counts: Counts, reach: Reach, spread: int = 0) -> dict[int, Played]:
    """Replay the lives that sums do not settle.

    Args:
        ops: The operations.
        lives: The effects, sorted into lives.
        counts: What sums make of them.
        reach: How far from its log line a call may be.
        spread: By how much the clocks of two processors were apart before they were put on one, nanoseconds.

    Returns:
        Each of these lives, by its number.
    """
    played: dict[int, Played] = {}
    faulty: dict[int, tuple[list[Effect], tuple[int, str], int]] = {}
    last = lives.last
    for life in np.flatnonzero(counts.unsettled).tolist():
        rows = slice(int(lives.first[life]), int(last[life]) + 1)
        columns = (lives.op[rows], lives.owned[rows], lives.link[rows], lives.mark[rows])
        sequence = [Effect(*values) for values in zip(*(c.tolist() for c in columns), strict=True)]
        steps = run(sequence, begin(sequence))
        pairs = zip(sequence, steps, strict=True)
        contradicted = next((e.op for e, s in pairs if e.mark & Mark.CLEANUP and s.owned and not s.freed), -1)
        fault = next(((s.op, s.fault) for s in steps if s.fault), None)
        played[life] = Played(steps, True, None, contradicted, False)
        if fault is not None:
            faulty[life] = sequence, fault, contradicted
    if not faulty:
        return played
    asked = np.array([effect.op for sequence, _, _ in faulty.values() for effect in sequence], np.int64)
    patient = Reach(max(reach.tolerance, PATIENCE), max(reach.apart, spread))
    soon, late = intervals(ops, asked, reach, patient)
    for life, (sequence, fault, contradicted) in faulty.items():
        best, explained = _best(sequence, ops, soon)
        hasty = explained is None or (not explained and _best(sequence, ops, late)[1] is not False)
        hidden = fault if explained else None
        free = played[life].steps[-1].free
        played[life] = Played(best, not explained, hidden, contradicted, hasty, free)
    return played


def _best(sequence: list[Effect], ops: Ops, when: Intervals) -> tuple[list[Step], bool | None]:
    """Replay a life in the order that is best for the driver.

    Returns:
        The steps, and whether any order explains the fault: None where that would take too long to know.
    """
    found = windows(sequence, ops, when)
    moments = best_moments(sequence, found)
    best = run_best(sequence, [m.at for m in moments], [m.until for m in moments], begin(sequence))
    if not any(s.fault for s in best):
        return best, True
    parts, moments = relaxed(sequence, found)
    steps = run_best(parts, [m.at for m in moments], [m.until for m in moments], begin(sequence))
    if any(s.fault for s in steps):
        return best, False
    sought = search(sequence, found, begin(sequence))
    return (sought or best), None if sought is None else bool(sought)
