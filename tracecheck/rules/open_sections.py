"""L17: sections that nobody closed."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator

import numpy as np

from tracecheck.fltmgr import Effect
from tracecheck.rules.accused import call
from tracecheck.rules.evidence import Evidence
from tracecheck.rules.registry import Candidate, rule
from tracecheck.rules.teardown import teardown_after

_CLOSE = frozenset({"FltCloseSectionForDataScan"})
# A close is logged after it is made: where its begin was not logged, by no more than this, nanoseconds.
_LATE = 100_000_000
# How many closes of an address after a creation are looked at: the first that there are.
_SOME = 8


@rule("L17", "section never closed")
def section_not_closed(evidence: Evidence) -> Iterator[Candidate]:
    """Find sections that nothing had closed when their stream or instance went away, or at the unload."""
    effect = evidence.ops.effect()
    creates = (effect == Effect.CREATE_SECTION) & evidence.ops.succeeded()
    if not creates.any():
        return
    rows = evidence.steps_of(creates)
    closed = evidence.step("context")[evidence.steps_of(effect == Effect.CLOSE_SECTION)]
    rows = rows[~np.isin(evidence.step("context")[rows], closed)]
    for life, row in dict(zip(evidence.step("context")[rows].tolist(), rows.tolist(), strict=True)).items():
        created = int(evidence.step("operation")[row])
        end = _end(evidence, life, row)
        if end is None or _closed_late(evidence, created, end[0]):
            continue
        when, what, op = end
        message = f"{call(evidence, created)} created a section, and nothing had closed it when {what}"
        cause = (evidence.names("routine", created), evidence.names("function", created))
        yield Candidate(life, (created, op), message, when, cause, (), _CLOSE)


def _end(evidence: Evidence, life: int, row: int) -> tuple[int, str, int] | None:
    """Find the first sign that a section's stream, instance or filter is gone: when, what, the operation."""
    ops, time = evidence.ops, evidence.ops["time"]
    created = int(evidence.step("operation")[row])
    signs: list[tuple[int, str, int]] = []
    rest = slice(row + 1, int(evidence.first_step[life + 1]))
    cleanup = np.flatnonzero(
        (ops.effect()[evidence.step("operation")[rest]] == Effect.CLEANUP)
        & (evidence.step("delta_link")[rest] < 0)
    )
    for op in evidence.step("operation")[rest][cleanup[:1]].tolist():
        signs = [(int(time[op]), "the context was cleaned up", op)]
    teardown = teardown_after(evidence, int(ops["instance"][created]), created)
    if teardown is not None:
        signs.append((int(time[teardown]), "its instance was torn down", teardown))
    unload = _unload_after(evidence, int(evidence.context("filter")[life]), int(time[created]))
    if unload is not None:
        ended, op = unload
        signs.append((ended, "the filter's unload had ended", op))
    return min(signs, default=None)


def _unload_after(evidence: Evidence, filter_: int, time: int) -> tuple[int, int] | None:
    """Find the first end of an unload of a filter at or after a time, and its operation."""
    ends = evidence.found(_ends_of_unloads)[0]
    known = [ends.get(each, []) for each in ((0, filter_) if filter_ else (None,))]
    later = [each[at] for each in known if (at := bisect_left(each, (time, 0))) < len(each)]
    return min(later, default=None)


def _ends_of_unloads(evidence: Evidence) -> Iterator[dict[int | None, list[tuple[int, int]]]]:
    """Give the ends of unloads in order, by their filter (0 where unknown); all of them under None."""
    ends: dict[int | None, list[tuple[int, int]]] = defaultdict(list)
    for unload in evidence.unloads:
        if unload.ended is not None:
            for key in (unload.filter, None):
                ends[key].append((unload.ended, unload.op))
    yield {key: sorted(each) for key, each in ends.items()}


def _closed_late(evidence: Evidence, created: int, end: int) -> bool:
    """Tell whether a close that was logged after the end was made before it.

    The address may belong to another context by then.
    """
    closes = evidence.found(_closes)[0].get(int(evidence.ops["context"][created]), [])
    following = bisect_left(closes, (created, 0))
    return any(began <= end for _, began in closes[following : following + _SOME])


def _closes(evidence: Evidence) -> Iterator[dict[int, list[tuple[int, int]]]]:
    """Give the closes of each address, with the earliest moment at which each began."""
    ops = evidence.ops
    rows = np.flatnonzero(ops.effect() == Effect.CLOSE_SECTION)
    began = np.where(ops.has("begin")[rows], ops["begin"][rows], ops["time"][rows] - _LATE)
    closes: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for op, when, context in zip(rows.tolist(), began.tolist(), ops["context"][rows].tolist(), strict=True):
        closes[context].append((op, when))
    yield closes
