"""L17: sections that nobody closed."""

from __future__ import annotations

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


@rule("L17", "section never closed")
def section_not_closed(evidence: Evidence) -> Iterator[Candidate]:
    """Find sections that nothing had closed when their stream or instance went away, or at the unload."""
    if not (evidence.ops.effect() == Effect.CREATE_SECTION).any():
        return
    rows = np.flatnonzero(evidence.step_effect == Effect.CREATE_SECTION)
    rows = rows[evidence.ops.succeeded()[evidence.step("operation")[rows]]]
    closed = evidence.step("context")[evidence.step_effect == Effect.CLOSE_SECTION]
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
        (evidence.step_effect[rest] == Effect.CLEANUP) & (evidence.step("delta_link")[rest] < 0)
    )
    for op in evidence.step("operation")[rest][cleanup[:1]].tolist():
        signs = [(int(time[op]), "the context was cleaned up", op)]
    teardown = teardown_after(evidence, int(ops["instance"][created]), created)
    if teardown is not None:
        signs.append((int(time[teardown]), "its instance was torn down", teardown))
    for unload in evidence.unloads:
        concerned = unload.concerns(int(evidence.context("filter")[life]))
        if concerned and unload.ended is not None and unload.ended >= time[created]:
            signs.append((unload.ended, "the filter's unload had ended", unload.op))
            break
    return min(signs, default=None)


def _closed_late(evidence: Evidence, created: int, end: int) -> bool:
    """Tell whether a close that was logged after the end was made before it.

    The address may belong to another context by then.
    """
    ops = evidence.ops
    closes = np.flatnonzero(
        (ops.effect() == Effect.CLOSE_SECTION) & (ops["context"] == ops["context"][created])
    )
    closes = closes[closes > created]
    began = np.where(ops.has("begin")[closes], ops["begin"][closes], ops["time"][closes] - _LATE)
    return bool((began <= end).any())
