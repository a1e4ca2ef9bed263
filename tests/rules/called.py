"""Captures made by hand for rules about how calls are made: a few rows, replayed and judged."""

from handmade import SECOND, START, table

from tracecheck.etl import plain_rows
from tracecheck.etl.tables import LOSSES
from tracecheck.operations import Coverage
from tracecheck.operations.table import OPERATIONS
from tracecheck.replay import replay
from tracecheck.rules import judge

FILTER, INSTANCE, FILE, CONTEXT = 0xF000, 0x1000, 0x5000, 0xA000
STREAM, SECTION = 0x8, 0x40
COMPLETE = Coverage(declared=True)


def row(routine, **cells):
    """Give a row of one call on a context, a millisecond of its thread."""
    return {"routine": routine, "tid": 8, "filter": FILTER, "context": CONTEXT, "has_context": True, **cells}


def allocation(**cells):
    """Give the row of an allocation that succeeded."""
    return row("FltAllocateContext", **{"context_type": STREAM, "status": 0, "pool": 0x200, **cells})


def release(**cells):
    """Give the row of a release."""
    return row("FltReleaseContext", **cells)


def of_file(routine, **cells):
    """Give the row of a call for the context of a file."""
    place = {"instance": INSTANCE, "file_object": FILE, "stream": FILE, "object": FILE}
    return row(routine, **{**place, **cells})


def found(rows, rules, coverage=COMPLETE, lost=()):
    """Judge rows, a second apart.

    Args:
        rows: Rows of the operations table.
        rules: The first letters of the rules that are wanted.
        coverage: What the capture declares.
        lost: Pairs of the seconds between which something was lost.

    Returns:
        Rule, severity and confidence of each finding, sorted; and the findings as dicts.
    """
    numbered = [
        {"order": i, "time": START + i * SECOND, "record": i, **cells} for i, cells in enumerate(rows)
    ]
    operations = table(OPERATIONS, numbered)
    gaps = [
        {
            "start": START + int(a * SECOND),
            "end": START + int(b * SECOND),
            "unit": "events",
            "detail": "counted",
        }
        for a, b in lost
    ]
    losses = table(LOSSES, gaps)
    findings = plain_rows(judge(operations, replay(operations, losses), losses, coverage).findings)
    mine = [one for one in findings if one["rule"].startswith(rules)]
    return sorted((one["rule"], one["severity"], one["confidence"]) for one in mine), mine
