"""L14: references that a pre-operation callback hands to the post-operation callback, which drops them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracecheck.rules.accused import accused, answered, blame
from tracecheck.rules.evidence import Evidence
from tracecheck.rules.registry import LEAKS, Candidate, rule

_PRE = 1
_POST = (2, 3)
# How many references that were taken alike must have been released before a habit shows.
_HABIT = 16
# What part of them the post-operation callback must have released.
_MOSTLY = 0.9
_NOT_ALWAYS = "not every reference that was taken like this one was released by the post-operation callback"
_WORDS = (
    "a pre-operation callback called ",
    ", of which the post-operation callback releases the references: this one was dropped on the way",
)


@rule("L14", "context passed to the post-operation callback and dropped", family=LEAKS)
def dropped_on_the_way(evidence: Evidence) -> Iterator[Candidate]:
    """Find references of pre-operation callbacks that others like them leave to the post-operation one."""
    ops = evidence.ops
    in_callback, phase = ops.has("major"), ops["phase"]
    for leak in evidence.found(accused):
        before = [op for op in leak.open.steps if in_callback[op] and phase[op] == _PRE]
        habits = {op: _habit(evidence, leak.life, op) for op in before}
        mine = {op for op, part in habits.items() if part >= _MOSTLY}
        doubts = () if all(habits[op] == 1 for op in mine) else (_NOT_ALWAYS,)
        found = blame(evidence, leak, mine, _WORDS, doubts=doubts)
        if found is not None:
            yield found


def _habit(evidence: Evidence, life: int, op: int) -> float:
    """Tell what part of the references that are taken like this one a post-operation callback releases."""
    ops, kind = evidence.ops, int(evidence.context("context_type")[life])
    site = (int(ops["routine"][op]), int(evidence.function[op]), int(ops["major"][op]), kind)
    known = evidence.found(_habits)[0].get(site)
    return known[1] / known[0] if known and known[0] >= _HABIT else 0.0


def _habits(evidence: Evidence) -> Iterator[dict[tuple[int, ...], tuple[int, int]]]:
    """Count, for each site in pre-operation callbacks, the references answered and those answered after it.

    Yields:
        One dict: (routine, function, IRP_MJ, type) -> how many were released at all, and how many in the
        post-operation callback of the same operation.
    """
    ops, known = evidence.ops, evidence.found(answered)[0]
    kept = _in_callback(evidence, known.taken, (_PRE,))
    before, after = known.taken[kept], known.given[kept]
    passed = _in_callback(evidence, after, _POST) & (ops["major"][after] == ops["major"][before])
    parts = (ops["routine"][before], evidence.function[before], ops["major"][before], known.kind[kept])
    sites = np.stack([part.astype(np.int64) for part in parts], axis=1)
    each, number = np.unique(sites, axis=0, return_inverse=True)
    number = number.ravel()
    every, late = np.bincount(number), np.bincount(number, passed)
    counts = zip(every.tolist(), late.astype(np.int64).tolist(), strict=True)
    yield dict(zip(map(tuple, each.tolist()), counts, strict=True))


def _in_callback(evidence: Evidence, rows: NDArray[Any], phases: tuple[int, ...]) -> NDArray[np.bool_]:
    """Tell which calls were made in an I/O callback before, or after, its operation."""
    ops = evidence.ops
    in_callback: NDArray[np.bool_] = ops.has("major")[rows] & np.isin(ops["phase"][rows], phases)
    return in_callback
