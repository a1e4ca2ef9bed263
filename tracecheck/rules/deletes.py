"""D01, D02, D03, D05: deletes of a context that is not the caller's, not attached, or about to go anyway."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tracecheck.fltmgr import ContextType, Effect
from tracecheck.rules.evidence import Evidence
from tracecheck.rules.gets import CLOSE
from tracecheck.rules.registry import OVER_RELEASES, Candidate, rule
from tracecheck.rules.rows import born, by_life, by_site, one, placed, steps_having, told
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
    steps = steps_having(evidence, Effect.DELETE)
    steps = steps[(evidence.step("link")[steps] == 0) & (evidence.step("delta_link")[steps] == 0)]
    steps = steps[~evidence.step("freed")[steps] & (evidence.step("owned")[steps] > 0)]
    rows, lives = placed(evidence, steps[born(evidence)[evidence.step("context")[steps]]])
    order = np.argsort(rows, kind="stable")
    rows, lives = rows[order], lives[order]
    for group in by_site(evidence, rows):
        first = int(lives[np.searchsorted(rows, group[0])])
        yield one(evidence, first, group, "was given a context that was attached to nothing")


@rule("D03", "FltDeleteContext on a section context")
def deleted_section(evidence: Evidence) -> Iterator[Candidate]:
    """Find FltDeleteContext of section contexts, which only FltCloseSectionForDataScan takes off."""
    op, life = placed(evidence, steps_having(evidence, Effect.DELETE))
    sections = evidence.context("context_type")[life] == ContextType.SECTION
    for each, part in by_life(op[sections], life[sections]):
        doubts = told(evidence, int(part[0]))
        words = "was given a section context, which only FltCloseSectionForDataScan takes off"
        yield one(evidence, each, part, words, needs=_ALLOCATE, doubts=doubts)


@rule("D05", "delete just before the object goes away", severity="note", sound=False)
def deleted_anyway(evidence: Evidence) -> Iterator[Candidate]:
    """Find call sites that delete most stream handle contexts while their handles are being closed."""
    ops, types = evidence.ops, evidence.context("context_type")
    steps = steps_having(evidence, Effect.DELETE, Effect.DELETE_BY_OBJECT)
    rows, lives = placed(evidence, steps[evidence.step("delta_link")[steps] < 0])
    closing = ops.has("major")[rows] & (ops["major"][rows] == CLOSE)
    closing &= types[lives] == ContextType.STREAMHANDLE
    order = np.argsort(rows[closing], kind="stable")
    rows, lives = rows[closing][order], lives[closing][order]
    if not len(rows):
        return
    sets = steps_having(evidence, Effect.SET)
    of_sets = evidence.step("context")[sets[evidence.step("delta_link")[sets] > 0]]
    attached = np.unique(of_sets[types[of_sets] == ContextType.STREAMHANDLE])
    filters = evidence.context("filter")
    for group in by_site(evidence, rows):
        first = int(lives[np.searchsorted(rows, group[0])])
        of_filter = np.count_nonzero(filters[attached] == filters[first])
        if len(group) >= _LEAST and 2 * len(group) > of_filter:
            words = "took off contexts of handles that were being closed, as the filter manager does itself"
            yield one(evidence, first, group, words)
