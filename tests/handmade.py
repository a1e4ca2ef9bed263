"""Analyses made by hand: tables of the package's schemas from the few cells that a test cares about."""

from dataclasses import replace

import pyarrow as pa

from tracecheck.capture import Analysis, Verdict
from tracecheck.etl.tables import LOSSES
from tracecheck.operations.marks import MARKS
from tracecheck.operations.table import OPERATIONS, STACK
from tracecheck.replay.tables import CONTEXTS, STEPS
from tracecheck.rules.table import FINDINGS

#: 2026-01-02T03:04:05.000000006Z
START = 1_767_323_045_000_000_006
SECOND = 1_000_000_000


def table(schema, rows):
    """Build a table; a cell that a row does not give is null, or zero where null is not allowed."""
    columns = []
    for field in schema:
        cells = [row.get(field.name, None if field.nullable else zero(field.type)) for row in rows]
        columns.append(
            pa.array(cells, pa.string()).cast(field.type) if is_name(field) else pa.array(cells, field.type)
        )
    return pa.table(columns, schema=schema)


def is_name(field):
    """Tell whether a column is a dictionary of strings, which pa.array does not build from None alone."""
    return pa.types.is_dictionary(field.type)


def zero(kind):
    """Give the zero of an Arrow type."""
    if pa.types.is_boolean(kind):
        return False
    if pa.types.is_list(kind):
        return []
    return "" if pa.types.is_string(kind) or pa.types.is_dictionary(kind) else 0


def analysis(operations=(), contexts=(), steps=(), losses=(), findings=(), verdict=None, **rest):
    """Build an analysis from rows as dicts."""
    numbered = [
        {"order": i, "time": START + i * SECOND, "has_context": True, **row}
        for i, row in enumerate(operations)
    ]
    return Analysis(
        paths=rest.get("paths", ("capture.etl",)),
        operations=table(OPERATIONS, numbered),
        contexts=table(CONTEXTS, contexts),
        steps=table(STEPS, steps),
        losses=table(LOSSES, losses),
        findings=table(FINDINGS, findings),
        verdict=verdict or Verdict("clean"),
        records=rest.get("records", len(operations)),
        warnings=rest.get("warnings", ()),
        marks=table(MARKS, rest.get("marks", ())),
    )


def with_stacks(found, stacks):
    """Give an analysis, or operations, with the column of stacks, lists of frames or None."""
    if isinstance(found, Analysis):
        return replace(found, operations=with_stacks(found.operations, stacks))
    texts = [None if frames is None else "\n".join(frames) for frames in stacks]
    return found.append_column(STACK, pa.array(texts, pa.string()).cast(STACK.type))


def double_release(pointer=0xFFFFAE0512340010, **rest):
    """An analysis of one stream context that is released twice after its only reference is gone."""
    call = {"cpu": 1, "pid": 4, "tid": 2188, "context": pointer, "context_type": 8}
    operations = [
        {**call, "routine": "FltAllocateContext", "site": "ctx.c:20", "function": "CtxCreate", "status": 0},
        {**call, "routine": "FltReleaseContext", "site": "ctx.c:70", "function": "CtxCleanup"},
        {
            **call,
            "routine": "FltReleaseContext",
            "site": "ctx.c:88",
            "function": "CtxPostClose",
            "cpu": 3,
            "tid": 96,
        },
    ]
    contexts = [
        {
            "id": 0,
            "pointer": pointer,
            "generation": 1,
            "context_type": 8,
            "birth": "allocated",
            "first": START,
            "last": START + 2 * SECOND,
            "site": "ctx.c:20",
            "end": "freed",
            "freed": START + SECOND,
            "peak": 1,
            "operations": 3,
            "ordered": True,
        }
    ]
    steps = [
        {"operation": 0, "delta_owned": 1, "owned": 1},
        {"operation": 1, "delta_owned": -1, "owned": 0},
        {"operation": 2, "freed": True, "fault": "release freed"},
    ]
    finding = {
        "rule": "R02",
        "severity": "error",
        "confidence": "probable",
        "reasons": ["the capture has no CaptureStart event"],
        "context_id": 0,
        "context": pointer,
        "generation": 1,
        "context_type": 8,
        "time": START + 2 * SECOND,
        "operations": [2, 1, 0],
        "message": "released after it was free",
        "signature": "R02:stream:FltReleaseContext:CtxPostClose",
    }
    return analysis(operations, contexts, steps, findings=[finding], verdict=Verdict("findings"), **rest)
