"""`check --format json`: one object with ``findings`` and ``summary``, a finding a line."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from tracecheck.etl.columns import NO_CPU, NO_ID
from tracecheck.fltmgr import CONTEXT_TYPES
from tracecheck.operations.frames import frames_of
from tracecheck.reporters.blamed import blame_object, blamed
from tracecheck.reporters.common import CONFIDENCES, SEVERITIES, dump, iso_time, pointer, rows
from tracecheck.reporters.lookup import Lookup, Row, lives_by_type, ordered
from tracecheck.reporters.losses import loss_object
from tracecheck.reporters.marks import mark_object

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pyarrow as pa

    from tracecheck.capture import Analysis
    from tracecheck.triage import Suppression, Triage


def render(analysis: Analysis, judged: Triage | None = None) -> Iterator[str]:
    """Write an analysis as JSON.

    Args:
        analysis: What `check` found.
        judged: What was suppressed, or known from a baseline; None where neither was asked for.

    Yields:
        Pieces of one JSON object, ASCII only. Pointers are ``"0x…"``, times ISO 8601 with nanoseconds.
    """
    found = ordered(analysis.findings)
    yield f'{{"captures": {dump(list(analysis.paths))},\n "findings": ['
    lookup = Lookup(analysis)
    operations = lookup.operations(number for finding in found for number in finding["operations"])
    blame = blamed(analysis)
    for place, finding in enumerate(found):
        proof = [operations[number] for number in finding["operations"]]
        yield f"{',' if place else ''}\n  {dump(finding_object(finding, proof, blame.get(finding['row'])))}"
    yield "],\n"
    if judged is not None:
        yield f' "suppressed": {dump(_taken(judged.suppressed, judged.by))},\n'
        yield f' "suppressions": {dump(suppressions_object(judged))},\n'
    if judged is not None and judged.known is not None:
        absent = [{"signature": key, "rule": known.rule} for key, known in judged.absent]
        yield f' "baseline": {dump({"known": _taken(judged.known), "absent": absent})},\n'
    yield f' "summary": {dump(summary_object(analysis, found))}}}\n'


def _taken(findings: pa.Table, by: Sequence[Suppression] = ()) -> list[dict[str, Any]]:
    """Give in short the findings that do not count."""
    names = ("rule", "severity", "confidence", "generation", "message", "signature")
    found = [
        {"context": pointer(row["context"]), **{name: row[name] for name in names}} for row in rows(findings)
    ]
    return [{**each, "reason": s.reason} for each, s in zip(found, by, strict=True)] if by else found


def suppressions_object(judged: Triage) -> dict[str, Any]:
    """Say which suppressions took findings, and which did not."""
    return {
        "used": [{"place": s.place, "reason": s.reason, "findings": n} for s, n in judged.used],
        "unused": [{"place": s.place, "reason": s.reason} for s in judged.unused],
        "expired": [{"place": s.place, "reason": s.reason} for s in judged.expired],
    }


def finding_object(finding: Row, proof: list[Row], blame: Row | None = None) -> dict[str, Any]:
    """Give a finding as JSON has it.

    Args:
        finding: A row of the findings table.
        proof: The operations that prove it, the faulty one first.
        blame: Who is to blame for it, a row of the blame table; None where nobody is.

    Returns:
        An object with the names that other programs rely on.
    """
    return {
        "rule": finding["rule"],
        "severity": finding["severity"],
        "confidence": finding["confidence"],
        "reasons": finding["reasons"],
        "context": pointer(finding["context"]),
        "generation": finding["generation"],
        "context_id": finding["context_id"],
        "context_type": type_name(finding["context_type"]),
        "time": iso_time(finding["time"]),
        "message": finding["message"],
        "signature": finding["signature"],
        "blame": blame_object(blame),
        "operations": [operation_object(operation) for operation in proof],
    }


def operation_object(operation: Row) -> dict[str, Any]:
    """Give an operation as JSON has it; what the trace did not log is null."""
    return {
        "order": operation["order"],
        "time": iso_time(operation["time"]),
        "begin": iso_time(operation["begin"]),
        "cpu": None if operation["cpu"] == NO_CPU else operation["cpu"],
        "pid": None if operation["pid"] == NO_ID else operation["pid"],
        "tid": None if operation["tid"] == NO_ID else operation["tid"],
        **({"process": operation["process"]} if "process" in operation else {}),
        "routine": operation["routine"],
        "context": pointer(operation["context"]) if operation["has_context"] else None,
        "old_context": pointer(operation["old_context"]) if operation["has_old_context"] else None,
        "object": pointer(operation["object"] or None),
        "instance": pointer(operation["instance"] or None),
        "status": pointer(operation["status"]),
        "irql": operation["irql"],
        "major": operation["major"],
        "phase": operation["phase"],
        "function": operation["function"],
        "site": operation["site"],
        **({"stack": frames_of(operation["stack"]) or None} if "stack" in operation else {}),
        "record": operation["record"],
    }


def summary_object(analysis: Analysis, found: list[Row]) -> dict[str, Any]:
    """Give what `check` says of the whole capture."""
    severities = Counter(finding["severity"] for finding in found)
    confidences = Counter(finding["confidence"] for finding in found)
    rules = Counter(finding["rule"] for finding in found)
    return {
        "verdict": analysis.verdict.word,
        "reasons": list(analysis.verdict.reasons),
        "advice": list(analysis.verdict.advice),
        "weaknesses": list(analysis.verdict.weaknesses),
        "findings": {
            "total": len(found),
            "severity": {name: severities[name] for name in SEVERITIES},
            "confidence": {name: confidences[name] for name in CONFIDENCES},
            "rules": dict(sorted(rules.items())),
        },
        "contexts": analysis.contexts.num_rows,
        "context_types": {
            type_name(kind) or "unknown": ends for kind, ends in lives_by_type(analysis.contexts).items()
        },
        "operations": analysis.operations.num_rows,
        "records": analysis.records,
        "losses": [loss_object(loss) for loss in rows(analysis.losses)],
        "marks": [mark_object(mark) for mark in rows(analysis.marks)],
        "warnings": list(analysis.warnings),
        "profiles": list(analysis.profiles),
        "notes": list(analysis.notes),
    }


def type_name(context_type: int) -> str | None:
    """Name a context type; one that no header knows is written as a number, none at all is None."""
    return CONTEXT_TYPES.get(context_type, pointer(context_type or None))
