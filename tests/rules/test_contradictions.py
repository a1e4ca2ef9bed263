"""Traces that tell what cannot have been: a note, nothing sure of that context, and the rest is judged."""

import sys
from pathlib import Path

import pyarrow as pa
import pytest

from tracecheck.etl import plain_rows
from tracecheck.operations.coverage import Coverage
from tracecheck.operations.table import ASSUMED
from tracecheck.replay import replay
from tracecheck.rules import contradictions as told
from tracecheck.rules import judge

sys.path.append(str(Path(__file__).resolve().parents[1] / "replay"))
from reference_model import ALREADY_DEFINED, KEEP, NOT_FOUND, Op, arrange
from streams import to_losses, to_table

ODD, OLD, BAD = 0xA010, 0xA020, 0xA030
PLACE = {"object": 0x1000, "instance": 0x100}
BORN = {"context_type": 8, "filter": 7, "status": 0}
CASES = {
    told.KEPT_AND_REPLACED: [
        Op("FltSetStreamContext", 50, context=ODD, old_context=OLD, operation=KEEP, status=0, **PLACE)
    ],
    told.KEPT_NOTHING: [
        Op(
            "FltSetStreamContext",
            50,
            context=ODD,
            old_context=0,
            old_requested=True,
            status=ALREADY_DEFINED,
            **PLACE,
        )
    ],
    told.FOUND_NOTHING: [Op("FltGetStreamContext", 50, context=ODD, status=NOT_FOUND, **PLACE)],
    told.LINKED_TWICE: [
        Op(
            "FltSetStreamContext",
            50 + at,
            context=ODD,
            old_context=0,
            status=0,
            object=0x1000 + at,
            instance=0x100,
        )
        for at in (0, 1)
    ],
}


def judged(ops):
    """Judge rows: the findings."""
    table, losses = to_table(arrange(ops)), to_losses([])
    return judge(table, replay(table, losses), losses, Coverage(declared=True))


@pytest.mark.parametrize("what", CASES)
def test_it_is_told_and_the_rest_is_judged(what):
    """M04 names it, nothing of its context is sure, and another context's double release is definite."""
    rest = [Op("FltAllocateContext", 10, context=BAD, **BORN)]
    rest += [Op("FltReleaseContext", at, context=BAD) for at in (20, 30)]
    own = [Op("FltAllocateContext", 40, context=ODD, **BORN), *CASES[what]]
    result = judged([*rest, *own])
    rows = plain_rows(result.findings)
    notes = [row for row in rows if row["rule"] == "M04" and row["message"].startswith(what)]
    assert notes
    assert [row["confidence"] for row in rows if row["context"] == BAD and row["rule"] == "R02"] == [
        "definite"
    ]
    sure = [row for row in rows if row["severity"] != "note" and row["context"] != BAD]
    assert [row for row in sure if row["confidence"] != "possible"] == []
    assert any("cannot have been" in reason for reason in result.withheld)


def test_an_assumed_outcome_and_a_wrong_type_are_told():
    """M02 counts the intents of a routine, M05 the messages that name another type than the allocation."""
    ops = [
        Op("FltAllocateContext", 10, context=ODD, **BORN),
        Op("FltReferenceContext", 20, context=ODD, context_type=16),
        Op("FltReleaseContext", 30, context=ODD),
        Op("FltReleaseContext", 40, context=ODD),
    ]
    table, losses = to_table(arrange(ops)), to_losses([])
    table = table.append_column(ASSUMED, pa.array([False, True, False, False]))
    rows = plain_rows(judge(table, replay(table, losses), losses, Coverage(declared=True)).findings)
    assert {(row["rule"], row["severity"]) for row in rows} == {("M02", "note"), ("M05", "note")}


def test_many_contradictions_are_few_notes():
    """A trace in which every row is impossible gives a bounded number of notes."""
    ops = [
        Op("FltGetStreamContext", at, context=0x10000 + 16 * at, status=NOT_FOUND, **PLACE)
        for at in range(1, 400)
    ]
    assert len(judged(ops).findings) < 110
