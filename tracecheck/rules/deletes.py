"""D01, D02, D03, D05: deletes of a context that is not the caller's, not attached, or about to go anyway."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tracecheck.fltmgr import ContextType, Effect
from tracecheck.rules.evidence import Evidence
from tracecheck.rules.gets import CLOSE
from tracecheck.rules.registry import OVER_RELEASES, Candidate, rule
from tracecheck.rules.rows import by_life, by_site, one, told
from tracecheck.rules.sets import of_uses

_ALLOCATE = frozenset({"FltAllocateContext"})
_LEAST = 8


@rule("D01", "FltDeleteContext without an own reference", family=OVER_RELEASES)
def deleted_unowned(evidence: Evidence) -> Iterator[Candidate]:
    """Find FltDeleteContext among the uses that R04 and R05 found."""
    yield from of_uses(evidence, Effect.DELETE, "was given a context to which nobody owned a reference")


@rule("D02", "FltDeleteContext on a context that is not attached", severity="note", sound=False)
def deleted_detached(evidence: Evidence) -> Iterator[Candidate]:
    """Find FltDeleteContext of contexts that are owned and attached to nothing."""
    op, life = evidence.step("operation").astype(np.int64), evidence.step("context").astype(np.int64)
    steps = np.flatnonzero((evidence.step("link") == 0) & (evidence.step("delta_link") == 0))
    steps = steps[evidence.ops.effect()[op[steps]] == Effect.DELETE]
    steps = steps[~evidence.step("freed")[steps] & (evidence.step("owned")[steps] > 0)]
    known = np.zeros(len(evidence.replay.contexts), np.bool_)
    known[evidence.lives_that("birth", "allocated")] = True
    steps = steps[known[life[steps]]]
    order = np.argsort(op[steps], kind="stable")
    rows, lives = op[steps][order], life[steps][order]
    for group in by_site(evidence, rows):
        first = int(lives[np.searchsorted(rows, group[0])])
        yield one(evidence, first, group, "was given a context that was attached to nothing")


@rule("D03", "FltDeleteContext on a section context")
def deleted_section(evidence: Evidence) -> Iterator[Candidate]:
    """Find FltDeleteContext of section contexts, which only FltCloseSectionForDataScan takes off."""
    op, life = evidence.step("operation").astype(np.int64), evidence.step("context").astype(np.int64)
    sections = evidence.context("context_type") == ContextType.SECTION
    if not sections.any():
        return
    steps = np.flatnonzero(sections[life])
    steps = steps[evidence.ops.effect()[op[steps]] == Effect.DELETE]
    for each, part in by_life(op[steps], life[steps]):
        doubts = told(evidence, int(part[0]))
        words = "was given a section context, which only FltCloseSectionForDataScan takes off"
        yield one(evidence, each, part, words, needs=_ALLOCATE, doubts=doubts)


@rule("D05", "delete just before the object goes away", severity="note", sound=False)
def deleted_anyway(evidence: Evidence) -> Iterator[Candidate]:
    """Find call sites that delete most stream handle contexts while their handles are being closed."""
    ops = evidence.ops
    op, life = evidence.step("operation").astype(np.int64), evidence.step("context").astype(np.int64)
    handles = evidence.context("context_type") == ContextType.STREAMHANDLE
    steps = np.flatnonzero(handles[life] & (evidence.step("delta_link") != 0)) if handles.any() else op[:0]
    attached = len(np.unique(life[steps[evidence.step("delta_link")[steps] > 0]]))
    rows = op[steps[evidence.step("delta_link")[steps] < 0]]
    deletes = np.isin(ops.effect()[rows], (Effect.DELETE, Effect.DELETE_BY_OBJECT))
    rows = np.unique(rows[deletes & ops.has("major")[rows] & (ops["major"][rows] == CLOSE)])
    for group in by_site(evidence, rows):
        if len(group) >= _LEAST and 2 * len(group) > attached:
            which = np.flatnonzero(op[steps] == group[0])
            words = "took off contexts of handles that were being closed, as the filter manager does itself"
            yield one(evidence, int(life[steps[which[0]]]), group, words)
