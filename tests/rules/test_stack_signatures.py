"""Signatures of captures whose operations name no function, but have stacks."""

import pytest
from captured import COMPLETE, MILLISECOND, allocate, release
from handmade import START, table, with_stacks

from tracecheck.etl import plain_rows
from tracecheck.etl.tables import LOSSES
from tracecheck.operations.redact import Redaction
from tracecheck.operations.table import OPERATIONS
from tracecheck.replay import replay
from tracecheck.rules import judge

FRAMES = ["Put (a.c:7)", "CtxClose (a.c:90)", "FLTMGR.SYS+0x20", "Other (b.c:1)"]


def signatures(stack, function=None, redact=False):
    """Judge a double release whose operations have a stack; give what each finding's signature is."""
    rows = [allocate(), release(), release()]
    timed = [
        {
            "order": i,
            "record": i,
            "sequence": i + 1,
            "time": START + i * MILLISECOND,
            **each,
            "function": function,
        }
        for i, each in enumerate(rows)
    ]
    operations = table(OPERATIONS, timed)
    if stack is not None:
        operations = with_stacks(operations, [stack] * len(rows))
    original = str
    if redact:
        redaction = Redaction(operations)
        operations, original = redaction.table(operations), redaction.original
    losses = table(LOSSES, ())
    replayed = replay(operations, losses, tolerance=MILLISECOND)
    found = plain_rows(judge(operations, replayed, losses, COMPLETE, original).findings)
    assert found
    return {row["rule"]: row["signature"] for row in found}


def test_who_called_tells_causes_apart():
    """The same routine from another function of the driver is another cause."""
    assert signatures(FRAMES) != signatures(["Put (a.c:7)", "CtxCleanup (a.c:30)"])
    assert signatures(FRAMES) != signatures(None)


@pytest.mark.parametrize(
    "stack",
    [
        ["Put (a.c:9)", "CtxClose (new.c:95)", "FLTMGR.SYS+0x28"],
        ["Put+0x12", "CtxClose+0x7", "ntoskrnl.exe!IofCallDriver+0x8"],
    ],
)
def test_it_survives_another_build(stack):
    """Lines, files, offsets, and what the driver is called by, are not in it."""
    assert signatures(stack) == signatures(FRAMES)


def test_without_symbols_it_is_the_module():
    """Offsets are not in it, and neither is how many frames a driver has."""
    assert signatures(["S.sys+0x10"]) == signatures(["S.sys+0x20", "S.sys+0x90", "FLTMGR.SYS+0x1"])
    assert signatures(["S.sys+0x10"]) != signatures(["T.sys+0x10"])


def test_a_function_that_was_logged_is_what_counts():
    """Where functions are known, stacks change no signature."""
    assert signatures(FRAMES, "CtxClose") == signatures(None, "CtxClose")


@pytest.mark.parametrize("stack", [FRAMES, ["S.sys+0x10", "FLTMGR.SYS+0x1"]])
def test_redaction_changes_no_signature(stack):
    """The real names are what it is made of, redacted or not."""
    assert signatures(stack, redact=True) == signatures(stack)
