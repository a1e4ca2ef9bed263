"""Rules on legacy per-stream contexts: the small cases that say what each of them means."""

import json
from dataclasses import replace

import pyarrow as pa
import pytest
from handmade import SECOND, START, analysis, table

from tracecheck.etl import plain_rows
from tracecheck.etl.tables import LOSSES
from tracecheck.operations import Coverage
from tracecheck.operations.table import OPERATIONS, OWNERS
from tracecheck.replay import replay
from tracecheck.reporters.timeline import render_json, render_text
from tracecheck.rules import judge

OWNED = pa.schema([*OPERATIONS, *OWNERS])
BLOCK, STREAM, OWNER = 0x9000, 0x70, 0x50
OK, REFUSED = 0, 0xC0000010
WHOLE = Coverage(declared=True)

ALLOCATE = {"routine": "ExAllocatePoolWithTag", "pool_tag": 7, "pool": 1}
FREE = {"routine": "ExFreePoolWithTag", "pool_tag": 7}
INIT = {
    "routine": "FsRtlInitPerStreamContext",
    "owner_id": OWNER,
    "has_owner_id": True,
    "free_callback": 0x60,
    "has_free_callback": True,
}
INSERT = {"routine": "FsRtlInsertPerStreamContext", "stream": STREAM, "status": OK}
ASKED = {"stream": STREAM, "owner_id": OWNER, "has_owner_id": True, "has_instance_id": True}
LOOKUP = {"routine": "FsRtlLookupPerStreamContext", **ASKED}
REMOVE = {"routine": "FsRtlRemovePerStreamContext", **ASKED}
BEGIN = {"routine": "FreePerStreamContext", "phase": 1}
END = {"routine": "FreePerStreamContext", "phase": 2}
USE = {"routine": "ContextUse"}
UNLOAD = {"routine": "FilterUnload", "phase": 2, "context": 0}
TEARS = {
    "routine": "FsRtlTeardownPerStreamContexts",
    "stream": STREAM,
    "context": 0,
    "function": "FsClose",
}
PUT = (ALLOCATE, INIT, INSERT)
TORN = (BEGIN, FREE, END)


def findings(calls, coverage=WHOLE, losses=()):
    """Judge calls that lie a second apart, all of one thread unless they say otherwise."""
    rows = []
    for at, call in enumerate(calls):
        place = {"order": at, "record": at, "time": START + at * SECOND, "tid": 8, "function": "F"}
        rows.append({**place, "context": BLOCK, "has_context": True, **call})
    operations, missing = table(OWNED, rows), table(LOSSES, losses)
    judged = judge(operations, replay(operations, missing), missing, coverage)
    return plain_rows(judged.findings)


def told(calls, **more):
    """Give rule and confidence of all findings of the family."""
    return {(row["rule"], row["confidence"]) for row in findings(calls, **more) if row["rule"][0] == "F"}


class TestStates:
    """F01 to F06."""

    @pytest.mark.parametrize(
        ("rule", "calls"),
        [
            ("F01", [*PUT, FREE, ALLOCATE, INIT, FREE, *PUT, *TORN]),
            ("F02", [*PUT, *TORN, ALLOCATE, INSERT, *TORN]),
            ("F03", [*PUT, INSERT, *TORN]),
            ("F03", [*PUT, {**INSERT, "stream": 0x71}, *TORN]),
            ("F04", [*PUT, REMOVE, FREE, INIT]),
            ("F04", [*PUT, REMOVE, FREE, LOOKUP]),
            ("F04", [*PUT, REMOVE, FREE, USE]),
            ("F05", [*PUT, *TORN, INSERT]),
            ("F05", [*PUT, TEARS, INSERT, FREE]),
            ("F06", [*PUT, *TORN, FREE]),
        ],
    )
    def test_a_wrong_call_is_definite(self, rule, calls):
        """Each is found where the capture tells the whole life, and is the only thing found."""
        assert told(calls) == {(rule, "definite")}

    @pytest.mark.parametrize(
        "calls",
        [
            [*PUT, *TORN],
            [*PUT, REMOVE, FREE],
            [*PUT, REMOVE, INSERT, LOOKUP, *TORN],
            [*PUT, REMOVE, *TORN],
            [ALLOCATE, INIT, FREE],
            [ALLOCATE, INIT, {**INSERT, "status": REFUSED}, INSERT, *TORN],
            [*PUT, {**INSERT, "status": REFUSED}, *TORN],
            [*PUT, *TORN, *PUT, *TORN],
            [*PUT, {**INSERT, "stream": 0x71, "context": 0}, *TORN],
            [*PUT, *TORN, ALLOCATE, FREE, FREE],
        ],
    )
    def test_what_is_allowed_is_no_fault(self, calls):
        """Removals, new inserts, a callback that the driver calls itself, other pool at the address."""
        assert {rule for rule, _ in told(calls) if rule != "F22"} == set()

    def test_a_block_that_was_there_before_the_capture_is_possible(self):
        """Without its allocation nobody knows what was done before."""
        assert told([LOOKUP, REMOVE, FREE, INSERT, *PUT]) == {("F04", "possible")}

    def test_a_loss_during_the_block_s_life_weakens(self):
        """A lost event may be the removal; one before the allocation cannot."""
        loss = {"cpu": 0, "count": 1, "unit": "events", "sign": "sequence", "detail": "gap"}
        calls = [*PUT, FREE, *PUT, *TORN]

        def at(when):
            return {**loss, "start": START + when * SECOND + 1, "end": START + when * SECOND + 2}

        assert told(calls, losses=[at(1)]) == {("F01", "possible")}
        assert told([USE, *calls], losses=[at(0)]) == {("F01", "definite")}

    def test_undeclared_coverage_is_probable(self):
        """That all is logged is then inferred."""
        assert told([*PUT, FREE, *PUT, *TORN], coverage=Coverage(declared=False)) == {("F01", "probable")}

    def test_a_status_that_was_not_logged_is_assumed(self):
        """An insert without a status may have failed."""
        blind = {**INSERT, "status": None}
        assert told([ALLOCATE, INIT, blind, FREE, *PUT, *TORN]) == {("F01", "possible")}

    def test_frees_without_callbacks_are_not_believed(self):
        """Where no FreeCallback is logged every teardown looks like F01: most of the blocks, so none."""
        assert told([*PUT, FREE, *PUT, FREE]) == set()

    def test_initialisations_that_are_not_logged_are_not_missed(self):
        """FsRtlInitPerStreamContext is a macro; many drivers do not log it."""
        assert told([ALLOCATE, INSERT, *TORN]) == set()

    def test_a_lookup_that_is_logged_late_is_none(self):
        """What another thread found before the removal may be logged behind the free."""
        late = {**LOOKUP, "tid": 12, "begin": START + 2 * SECOND + 1}
        assert told([*PUT, REMOVE, FREE, late, *PUT, *TORN]) == set()
        assert told([*PUT, REMOVE, FREE, {**late, "begin": START + 4 * SECOND + 1}]) == {("F04", "definite")}

    def test_an_insert_that_is_logged_late_belongs_to_the_block_before(self):
        """A thread that was interrupted before it logged its insert has not inserted the next block."""
        late = {**INSERT, "tid": 12, "begin": START + SECOND + 1}
        assert told([ALLOCATE, INIT, LOOKUP, REMOVE, FREE, ALLOCATE, late, INIT, FREE]) == set()


class TestUnfreed:
    """F07 to F10, and F23."""

    @pytest.mark.parametrize(
        ("rule", "calls"),
        [
            ("F07", [*PUT, BEGIN, END]),
            ("F08", [*PUT, REMOVE]),
            ("F09", [ALLOCATE, INIT, {**INSERT, "status": REFUSED}]),
            ("F10", [ALLOCATE, INIT, LOOKUP | {"context": 0}]),
            ("F10", [ALLOCATE, INIT]),
            ("F23", [*PUT, LOOKUP]),
        ],
    )
    def test_what_outlives_its_driver_is_definite(self, rule, calls):
        """After the driver's unload nobody frees what is left."""
        healthy = [{**call, "context": 0x8000} for call in (*PUT, *TORN)]
        assert told([*healthy, *calls, UNLOAD]) - {("F22", "definite")} == {(rule, "definite")}

    def test_another_driver_s_unload_says_less(self):
        """A minifilter's unload is the driver's own only perhaps."""
        assert told([*PUT, {**UNLOAD, "filter": 0x33}]) == {("F23", "possible")}
        assert told([*PUT, {**UNLOAD, "filter": 0x33}, LOOKUP]) == set()
        assert told([*PUT, {**UNLOAD, "filter": OWNER}]) == {("F23", "definite")}

    def test_without_an_unload_a_removed_context_may_be_freed_later(self):
        """It is told only where it is kept far longer than others are."""
        quick = [{**call, "context": 0x8000} for call in (*PUT, REMOVE, FREE)]
        assert told([*quick, *PUT, REMOVE]) == set()
        assert told([*quick, *PUT, REMOVE, *quick * 3]) == {("F08", "possible")}

    def test_a_free_that_is_put_off_is_none(self):
        """A work item may free what the callback left."""
        assert told([*PUT, BEGIN, END, FREE, UNLOAD]) == set()

    def test_a_pointer_that_comes_back_was_freed_unseen(self):
        """No leak is told of a block whose memory the pool hands out again."""
        assert told([*PUT, REMOVE, *PUT, *TORN, UNLOAD]) == set()


class TestCalls:
    """The rules on single calls."""

    @pytest.mark.parametrize(
        ("rule", "call"),
        [
            ("F11", {**REMOVE, "context": 0, "major": 2, "phase": 1}),
            ("F11", {**REMOVE, "context": 0, "major": 0x1B}),
            ("F15", {**INIT, "owner_id": 0}),
            ("F15", {**INIT, "free_callback": 0}),
            ("F16", {**LOOKUP, "owner_id": 0, "instance_id": 5, "context": 0}),
            ("F21", {**LOOKUP, "irql": 2, "context": 0}),
            ("F21", {"routine": "FsRtlTeardownPerStreamContexts", "stream": 1, "irql": 2, "context": 0}),
        ],
    )
    def test_one_event_is_enough(self, rule, call):
        """Sound from one event: definite even where nothing else was logged and events were lost."""
        loss = {"cpu": 0, "count": 1, "unit": "events", "sign": "sequence", "detail": "gap"}
        call = {**call, "function": f"G{rule}"}
        assert (rule, "definite") in told([call], coverage=Coverage(declared=False), losses=[loss])

    @pytest.mark.parametrize(
        "call",
        [
            {**REMOVE, "major": 0x12, "phase": 1, "context": 0},
            {**REMOVE, "major": 2, "phase": 2, "context": 0},
            {**INIT, "has_owner_id": False, "owner_id": 0},
            {**LOOKUP, "owner_id": 0, "context": 0},
            {**LOOKUP, "irql": 1, "context": 0},
            {**INIT, "irql": 2},
        ],
    )
    def test_what_is_allowed_is_not_told(self, call):
        """Cleanup, completion routines, what was not logged, wildcards that find nothing, APC_LEVEL."""
        assert told([call]) == set()

    @pytest.mark.parametrize("found", [BLOCK, 0])
    def test_a_removal_in_the_callback_is_told_of_its_block(self, found):
        """Whatever it returns; the block is that of the callback, and its states are not blamed."""
        inside = {**REMOVE, "context": found}
        rows = findings([*PUT, BEGIN, inside, FREE, END])
        assert [(row["rule"], row["confidence"], row["context"]) for row in rows] == [
            ("F12", "definite", BLOCK)
        ]
        assert told([*PUT, BEGIN, {**inside, "tid": 9, "context": 0}, FREE, END]) == set()

    def test_one_finding_a_call_site(self):
        """A thousand calls at one place are one finding with a hundred operations at most."""
        rows = findings([{**LOOKUP, "irql": 2, "context": 0}] * 1000)
        (row,) = [row for row in rows if row["rule"] == "F21"]
        assert "(1000 times)" in row["message"]
        assert len(row["operations"]) == 100

    def test_an_insert_that_failed_and_was_handled_is_a_note(self):
        """Trying and handling the error is as good as asking first."""
        rows = findings([ALLOCATE, INIT, {**INSERT, "status": REFUSED}, FREE])
        assert [(row["rule"], row["severity"]) for row in rows] == [("F22", "note")]

    def test_a_filter_s_teardown_is_told_by_what_its_function_does(self):
        """A file system's own function works on no contexts."""
        assert told([*PUT, {**TEARS, "function": "F"}, *TORN]) == {("F24", "definite")}
        assert told([*PUT, TEARS, *TORN]) == set()

    def test_a_second_context_is_told_where_the_first_is_surely_there(self):
        """Not where its removal may have been before."""
        other = [{**call, "context": 0x8000} for call in PUT]
        ends = [{**call, "context": 0x8000} for call in TORN]
        assert told([*PUT, *other, *ends, *TORN]) == {("F18", "possible")}
        assert told([*PUT, *TORN, *other, *ends]) == set()
        late = {**REMOVE, "tid": 9, "begin": START + 2 * SECOND + 1}
        assert told([*PUT, *other, late, FREE, *ends]) == set()

    def test_a_borrowed_pointer_is_told_where_another_thread_takes_it_away(self):
        """Not where the user holds it to its end himself, nor where he looks it up again."""
        taken = [{**REMOVE, "tid": 9}, USE, {**FREE, "tid": 9}]
        assert told([*PUT, LOOKUP, *taken]) == {("F28", "possible")}
        assert told([*PUT, LOOKUP, {**REMOVE, "tid": 9}, USE, FREE]) == set()
        assert told([*PUT, LOOKUP, USE, {**REMOVE, "tid": 9}, {**FREE, "tid": 9}]) == set()


def test_uses_of_a_block_are_no_context_of_the_filter_manager():
    """ContextUse of a legacy context gives no life whose birth is unknown."""
    assert [row["rule"] for row in findings([*PUT, USE, *TORN])] == []


def test_the_timeline_of_a_block_shows_its_states():
    """Text and JSON list the calls of a block, the state after each, and the fault."""
    rows = [
        {"order": at, "record": at, "time": START + at * SECOND, "tid": 8, "context": BLOCK, **call}
        for at, call in enumerate([*PUT, FREE])
    ]
    legacy = replay(table(OWNED, rows), table(LOSSES, [])).per_stream
    whole = replace(analysis(rows), blocks=legacy.blocks, block_steps=legacy.steps)
    text = "".join(render_text(whole, [], [0])).splitlines()
    assert text[0] == "legacy per-stream context 0x9000 #1"
    assert [line.split()[4] for line in text[-4:-1]] == ["allocated", "initialised", "inserted"]
    assert text[-1].endswith("<- freed while inserted")
    (block,) = json.loads("".join(render_json(whole, [], [0])))["blocks"]
    assert (block["context"], block["state"], block["owner"]) == ("0x9000", "freed", "0x50")
    assert block["steps"][-1]["fault"] == "freed while inserted"
