"""Captures of a few rows, judged: what the rules say of operations that a test writes by hand."""

from handmade import START, table

from tracecheck.etl import plain_rows
from tracecheck.etl.tables import LOSSES
from tracecheck.fltmgr import ROUTINES, Effect
from tracecheck.operations.coverage import Coverage
from tracecheck.operations.table import OPERATIONS
from tracecheck.replay import replay
from tracecheck.rules import judge

COMPLETE = Coverage(declared=True)
MILLISECOND = 1_000_000
SECOND = 1_000_000_000
CONTEXT, OTHER, FILTER, INSTANCE, STREAM = 0xA000, 0xB000, 0xF000, 0x1000, 0x2000


def row(routine, context=0, **cells):
    """One call, a success unless told otherwise, on one stream of one instance by one thread."""
    known = ROUTINES[routine]
    has_place = known.context_type or known.effect in (Effect.TEARDOWN_COMPLETE, Effect.GET_MANY)
    place = {"instance": INSTANCE, "stream": STREAM, "object": STREAM} if has_place else {}
    old = {"has_old_context": True} if "old_context" in cells else {}
    base = {"tid": 8, "pid": 4, "cpu": 0, "function": "F", "context": context, "has_context": bool(context)}
    if known.effect == Effect.ALLOCATE:
        base |= {"context_type": 8, "filter": FILTER}
    if known.effect not in (Effect.RELEASE, Effect.RELEASE_MANY, Effect.REFERENCE, Effect.USE, Effect.DELETE):
        base["status"] = 0
    return {"routine": routine, **base, **place, **old, **cells}


def allocate(context=CONTEXT, **cells):
    """FltAllocateContext."""
    return row("FltAllocateContext", context, **cells)


def attach(context=CONTEXT, **cells):
    """FltSetStreamContext."""
    return row("FltSetStreamContext", context, **({"operation": 1} | cells))


def release(context=CONTEXT, **cells):
    """FltReleaseContext."""
    return row("FltReleaseContext", context, **cells)


def get(context=CONTEXT, **cells):
    """FltGetStreamContext."""
    return row("FltGetStreamContext", context, **cells)


def unload(ended=True):
    """FltUnregisterFilter, to its end or not."""
    rows = [row("FltUnregisterFilter", phase=phase, filter=FILTER, tid=96) for phase in (1, 2)]
    return rows if ended else rows[:1]


def findings(rows, losses=(), coverage=COMPLETE, step=MILLISECOND):
    """Judge rows that follow each other by a millisecond, or at the times that they give."""
    timed = [
        {"order": i, "record": i, "sequence": i + 1, "time": START + i * step, **each}
        for i, each in enumerate(rows)
    ]
    operations = table(OPERATIONS, timed)
    missing = table(LOSSES, losses)
    found = judge(operations, replay(operations, missing, tolerance=MILLISECOND), missing, coverage).findings
    return plain_rows(found)


def told(rows, **more):
    """Give the rule and the confidence of all that is said of rows, notes left out."""
    return {(f["rule"], f["confidence"]) for f in findings(rows, **more) if f["severity"] != "note"}
