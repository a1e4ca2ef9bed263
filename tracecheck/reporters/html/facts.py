"""What the HTML page tells of the capture: its files, what is missing, what it declares, how it was read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from tracecheck.fltmgr import CONTEXT_TYPES
from tracecheck.fltmgr.status import FAILURE_BIT, STATUS_NAMES
from tracecheck.reporters import info, text_info
from tracecheck.reporters.common import count, rows
from tracecheck.reporters.html.tables import Tables
from tracecheck.reporters.info import Survey
from tracecheck.reporters.lookup import Row
from tracecheck.reporters.losses import loss_line
from tracecheck.reporters.text_info import TextSurvey

if TYPE_CHECKING:
    from tracecheck.capture import Analysis

#: How many losses, marks and providers are shown one by one; the worst captures have thousands.
MOST_LINES = 2_000


def capture_facts(analysis: Analysis, surveys: Sequence[Survey | TextSurvey]) -> dict[str, Any]:
    """Give what is known of the capture.

    Args:
        analysis: What the page is of.
        surveys: What its files hold; may be fewer than the files, or none.
    """
    verdict, coverage = analysis.verdict, analysis.coverage
    return {
        "paths": list(analysis.paths),
        "verdict": verdict.word,
        "reasons": list(verdict.reasons),
        "advice": list(verdict.advice),
        "weaknesses": list(verdict.weaknesses),
        "totals": {
            "contexts": analysis.contexts.num_rows,
            "operations": analysis.operations.num_rows,
            "steps": analysis.steps.num_rows,
            "records": analysis.records,
            "losses": analysis.losses.num_rows,
        },
        "coverage": {
            "declared": coverage.declared,
            "routines": None if coverage.routines is None else sorted(coverage.routines),
            "partial": sorted(coverage.partial),
            "silent": sorted(coverage.silent),
            "note": coverage.note,
            "inferred": list(coverage.inferred()),
        },
        "routines": _routines(analysis.operations),
        "profiles": list(analysis.profiles),
        "warnings": list(analysis.warnings[:MOST_LINES]),
        "notes": list(analysis.notes[:MOST_LINES]),
        "types": {str(int(kind)): name for kind, name in CONTEXT_TYPES.items()},
        "statuses": {str(value): name for value, name in STATUS_NAMES.items()},
        "failure": FAILURE_BIT,
        "files": [_file(survey) for survey in surveys],
    }


def times(analysis: Analysis, tables: Tables) -> dict[str, Any]:
    """Give the origin of times, the losses and the marks."""
    return {
        # Nanoseconds since 1970 are more than a number of JavaScript's can hold.
        "base": str(tables.base),
        "unit": tables.unit,
        "span": tables.span,
        "losses": [_loss(loss, tables) for loss in rows(analysis.losses.slice(0, MOST_LINES))],
        "marks": [_mark(mark, tables) for mark in rows(analysis.marks.slice(0, MOST_LINES))],
    }


def _loss(loss: Row, tables: Tables) -> dict[str, Any]:
    unit = loss["unit"]
    number = (
        f"unknown number of {unit}" if loss["count"] is None else count(loss["count"], unit.removesuffix("s"))
    )
    return {
        "start": None if loss["start"] is None else (loss["start"] - tables.base) / tables.unit,
        "end": None if loss["end"] is None else (loss["end"] - tables.base) / tables.unit,
        "cpu": loss["cpu"],
        "lost": number,
        "sign": loss["sign"],
        "detail": loss["detail"],
        "line": loss_line(loss),
    }


def _mark(mark: Row, tables: Tables) -> dict[str, Any]:
    return {
        "time": (mark["time"] - tables.base) / tables.unit,
        "routine": mark["routine"],
        "name": mark["name"],
        "status": mark["status"],
    }


def _routines(operations: pa.Table) -> list[list[Any]]:
    """Count the operations of each routine, the most frequent first."""
    found = pc.value_counts(operations.column("routine").cast(pa.string())).to_pylist()
    pairs = sorted(((row["counts"], row["values"]) for row in found), key=lambda pair: (-pair[0], pair[1]))
    return [[name, number] for number, name in pairs[:MOST_LINES]]


def _file(survey: Survey | TextSurvey) -> dict[str, Any]:
    if isinstance(survey, TextSurvey):
        names: dict[str, str] = {}
        facts = list(text_info.facts(survey))
    else:
        names, facts = survey.provider_names, list(info.facts(survey))
    providers = sorted(survey.providers.items(), key=lambda item: (-item[1], item[0]))
    return {
        "path": survey.path,
        "facts": facts,
        "providers": [[names.get(guid, ""), guid, number] for guid, number in providers[:MOST_LINES]],
    }
