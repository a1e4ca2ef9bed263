"""Judging operations made by hand: rows with the few cells that a test cares about."""

from handmade import START, table

from tracecheck.etl import plain_rows
from tracecheck.etl.tables import LOSSES
from tracecheck.operations import Coverage
from tracecheck.operations.table import OPERATIONS
from tracecheck.replay import replay
from tracecheck.rules import judge

CONTEXT, OTHER, FILTER, INSTANCE, STREAM = 0xFFFF_8000_1000, 0xFFFF_8000_2000, 0xF1, 0x11, 0x5001
MILLISECOND = 1_000_000
STREAM_TYPE, VOLUME_TYPE, SECTION_TYPE = 0x8, 0x1, 0x40


def call(routine, context=CONTEXT, **cells):
    """Make a row of thread 8 in the function F; a context of None was not logged."""
    named = {"context": context or 0, "has_context": context is not None}
    return {"routine": routine, "tid": 8, "pid": 4, "function": "F", "site": f"F:{routine}", **named, **cells}


def allocate(context=CONTEXT, kind=STREAM_TYPE, **cells):
    """Make a row of an allocation that succeeded."""
    said = {"context_type": kind, "filter": FILTER, "size": 0x40, "status": 0}
    return call("FltAllocateContext", context, **{**said, **cells})


def on_stream(routine, context=CONTEXT, **cells):
    """Make a row of a call on a stream."""
    place = {"instance": INSTANCE, "stream": STREAM, "object": STREAM, "context_type": STREAM_TYPE}
    return call(routine, context, **{**place, "status": 0, **cells})


def findings(rows, *, coverage=None, losses=(), apart=MILLISECOND):
    """Judge rows that follow each other at some distance; give the findings, without those of quality."""
    numbered = [
        {"order": i, "record": i, "sequence": i + 1, "time": START + i * apart, **row}
        for i, row in enumerate(rows)
    ]
    operations, lost = table(OPERATIONS, numbered), table(LOSSES, losses)
    coverage = coverage or Coverage(declared=True)
    found = judge(operations, replay(operations, lost), lost, coverage)
    return [row for row in plain_rows(found.findings) if row["rule"][0] not in "ML"]


def codes(rows, **more):
    """Give rule, severity and confidence of what is found."""
    return sorted((f["rule"], f["severity"], f["confidence"]) for f in findings(rows, **more))
