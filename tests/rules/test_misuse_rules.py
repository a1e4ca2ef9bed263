"""Rules of sets, gets, deletes and cleanups in tables made by hand: faults, and what only looks like one."""

import time

import pytest
from handmade import START
from judged import (
    CONTEXT,
    FILTER,
    MILLISECOND,
    OTHER,
    SECTION_TYPE,
    VOLUME_TYPE,
    allocate,
    call,
    codes,
    findings,
    on_stream,
)

from tracecheck.operations import Coverage

ALREADY_DEFINED, ALREADY_LINKED, DELETING = 0xC01C0002, 0xC01C001C, 0xC01C000B
NOT_SUPPORTED, NOT_FOUND, INVALID_PARAMETER = 0xC00000BB, 0xC0000225, 0xC000000D
CREATE, CLOSE, NETWORK_QUERY_OPEN = 0, 2, 0xF2
PROFILE = Coverage(declared=True, profile="mine")


def of_family(letter, found):
    """Keep what rules of one family say."""
    return [one for one in found if one[0].startswith(letter)]


class TestSets:
    """S rules."""

    @pytest.mark.parametrize(("status", "confidence"), [(INVALID_PARAMETER, "definite"), (0, "possible")])
    def test_a_set_of_another_type_is_refused(self, status, confidence):
        """One that succeeded contradicts the log; types of a profile's messages are another rule's matter."""
        rows = [allocate(), on_stream("FltSetFileContext", status=status, context_type=4)]
        assert ("S02", "error", confidence) in codes(rows)
        assert "S02" not in {code for code, *_ in codes(rows, coverage=PROFILE)}

    def test_a_set_in_pre_create_that_succeeded_is_noted(self):
        """The driver may have opened a file itself; one refused is an error, one without status possible."""
        place = {"major": CREATE, "phase": 1}
        said = {0: ("note", "possible"), NOT_SUPPORTED: ("error", "definite"), None: ("error", "possible")}
        for status, due in said.items():
            found = codes([allocate(), on_stream("FltSetStreamContext", status=status, **place)])
            assert of_family("S", found) == [("S03", *due)]
        assert codes([allocate(kind=2), on_stream("FltSetInstanceContext", context_type=2, **place)]) == []

    def test_a_set_while_draining_that_was_refused_is_noted(self):
        """One that attached something is a warning."""
        for status, due in ((0, "warning"), (DELETING, "note")):
            found = codes([allocate(), on_stream("FltSetStreamContext", status=status, phase=3, major=4)])
            assert ("S05", due, "possible") in found

    @pytest.mark.parametrize(("there", "found"), [(7, False), (8, True)])
    def test_a_site_that_mostly_finds_contexts_is_noted(self, there, found):
        """From eight on, and more than a quarter of its calls."""
        rows = [on_stream("FltSetStreamContext", status=ALREADY_DEFINED, operation=1)] * there
        assert (("S10", "note", "possible") in codes([allocate(), *rows])) == found
        fine = [on_stream("FltSetStreamContext", status=DELETING, operation=1)] * (3 * there)
        assert "S10" not in {code for code, *_ in codes([allocate(), *rows, *fine])}

    def test_what_failed_to_be_set_and_is_used(self):
        """S08 is of the same function and thread; after a set that succeeded all is well."""
        failed, set_ = (on_stream("FltSetStreamContext", status=s) for s in (NOT_SUPPORTED, 0))
        assert codes([allocate(), failed, call("ContextUse")]) == [("S08", "warning", "possible")]
        assert codes([allocate(), failed, call("ContextUse", function="G")]) == []
        assert codes([allocate(), failed, set_, call("ContextUse")]) == []

    def test_a_strange_operation_is_an_error(self):
        """Replace is 0 and keep is 1; there is no other."""
        for operation in (0, 1, 2):
            found = codes([allocate(), on_stream("FltSetStreamContext", operation=operation)])
            assert found == ([("S11", "error", "definite")] if operation > 1 else [])

    def test_a_lost_race_for_the_volume_s_context_is_none(self):
        """Who had looked before it set, and found nothing, lost a race; who is not seen before may have."""
        place = {"volume": 0x77, "object": 0x77, "filter": FILTER}
        lost = call("FltSetVolumeContext", status=ALREADY_DEFINED, **place)
        looked = call("FltGetVolumeContext", 0, status=NOT_FOUND, **place)
        new = allocate(kind=VOLUME_TYPE)
        setup = call("InstanceSetup", None, filter=FILTER)
        assert codes([setup, new, lost]) == [("S12", "warning", "possible")]
        assert codes([setup, looked, new, lost]) == []
        assert codes([new, lost]) == []


class TestGets:
    """G rules."""

    @pytest.mark.parametrize(
        "place",
        [{"paging_file": True}, {"major": CLOSE, "phase": 2}, {"major": NETWORK_QUERY_OPEN, "phase": 1}],
        ids=str,
    )
    def test_a_refused_get_where_none_are_is_noted(self, place):
        """One that returned something is a warning that its event proves."""
        get = on_stream("FltGetStreamContext", **place)
        refused = on_stream("FltGetStreamContext", 0, **{**place, "status": NOT_SUPPORTED})
        got = codes([get, call("FltReleaseContext")])
        assert of_family("G", got) == [("G05", "warning", "definite")]
        assert of_family("G", codes([refused] * 3)) == [("G05", "note", "definite")]

    def test_other_types_and_places_are_none(self):
        """Instance contexts can be got anywhere; handles may be got in pre-close."""
        assert codes([on_stream("FltGetInstanceContext", paging_file=True, context_type=2)]) == []
        assert codes([on_stream("FltGetStreamContext", major=CLOSE, phase=1)]) == []

    def test_a_race_between_get_and_delete_is_no_hole(self):
        """G04 keeps silent where the calls are within a tenth of a second of each other."""
        rows = [
            allocate(),
            on_stream("FltSetStreamContext"),
            call("FltDeleteContext"),
            on_stream("FltGetStreamContext", tid=9),
        ]
        assert codes(rows) == []
        assert codes(rows, apart=300 * MILLISECOND) == [("G04", "note", "possible")]


class TestDeletes:
    """D rules."""

    def test_a_section_s_context_is_not_deleted(self):
        """Its type is that of its allocation."""
        rows = [allocate(kind=SECTION_TYPE), call("FltDeleteContext"), call("FltReleaseContext")]
        assert ("D03", "error", "definite") in codes(rows)

    def test_a_delete_that_does_nothing_is_noted(self):
        """While the caller owns a reference."""
        assert codes([allocate(), call("FltDeleteContext")]) == [("D02", "note", "possible")]


class TestEnds:
    """E rules and R16."""

    END = call("FltUnregisterFilter", None, filter=FILTER, phase=2)
    REGISTER = call("FltRegisterFilter", None, filter=FILTER, status=0)

    def test_a_call_after_the_unload_is_an_error(self):
        """Definite where the clocks cannot explain it."""
        rows = [allocate(), self.END, call("FltReleaseContext")]
        assert codes(rows, apart=2 * MILLISECOND) == [("E01", "error", "definite")]
        assert codes(rows, apart=1000) == [("E01", "error", "possible")]

    def test_a_driver_that_is_loaded_again_may_work(self):
        """Contexts that were allocated after the unload are of the next load; so are other filters'."""
        again = [allocate(), call("FltReleaseContext")]
        assert codes([*again, self.END, self.REGISTER, *again]) == []
        assert codes([allocate(filter=0xF2), self.END, call("FltReleaseContext")]) == []

    def test_a_call_that_began_before_the_end_is_none(self):
        """It was logged late."""
        get = on_stream("FltGetStreamContext", begin=START + MILLISECOND // 2)
        assert "E01" not in {code for code, *_ in codes([allocate(), self.END, get])}

    def test_cleanups_are_counted_where_they_are_declared(self):
        """Twice for one life is an error, and so is never, if others of the type are cleaned up."""
        cleaned = [call("ContextCleanup", phase=1), call("ContextCleanup", phase=2)]
        twice = [allocate(), call("FltReleaseContext"), *cleaned, *cleaned]
        assert codes(twice) == [("E04", "error", "definite")]
        never = [allocate(OTHER), call("FltReleaseContext", OTHER), *twice[:4]]
        assert codes(never, apart=200 * MILLISECOND) == [("E04", "error", "definite")]
        for coverage in (Coverage(declared=False), PROFILE, Coverage(True, frozenset({"FltReleaseContext"}))):
            assert codes(twice, coverage=coverage) == []
            assert codes(never, coverage=coverage, apart=200 * MILLISECOND) == []

    def test_a_cleanup_that_is_still_to_come_is_not_missing(self):
        """A work item may run it a little later."""
        cleaned = [call("ContextCleanup", phase=1), call("ContextCleanup", phase=2)]
        assert codes([allocate(), call("FltReleaseContext"), *cleaned, allocate(OTHER)]) == []
        tail = [allocate(OTHER), call("FltReleaseContext", OTHER)]
        assert codes([allocate(), call("FltReleaseContext"), *cleaned, *tail]) == []

    def test_only_its_own_callback_brings_a_context_back(self):
        """Another thread's reference is R03 alone; so is one after the callback's end."""
        begin, end = (call("ContextCleanup", phase=phase) for phase in (1, 2))
        start = [allocate(), call("FltReleaseContext"), begin]
        inside = codes([*start, call("FltReferenceContext"), end], apart=200 * MILLISECOND)
        assert ("R16", "error", "definite") in inside
        for rows in (
            [*start, call("FltReferenceContext", tid=9), end],
            [*start, end, call("FltReferenceContext")],
        ):
            found = {code for code, *_ in codes(rows, apart=200 * MILLISECOND)}
            assert "R03" in found
            assert "R16" not in found


def test_a_trace_of_nothing_but_faults_is_judged_soon():
    """Thirty thousand faulty calls on one context, or NULL, give few findings in a few seconds."""
    null = [call("FltReleaseContext", 0), on_stream("FltSetStreamContext", 0, operation=9)]
    linked = on_stream("FltSetFileContext", status=ALREADY_LINKED, context_type=4, major=CREATE, phase=1)
    odd = [*null, linked, call("FltReleaseContext"), call("FltReferenceContext"), call("ExFreePoolWithTag")]
    began = time.process_time()
    found = findings([allocate(CONTEXT), *(odd * 5000)])
    assert time.process_time() - began < 20
    assert {"R08", "S01", "S02", "S03", "S11"} <= {row["rule"] for row in found}
    assert len(found) < 30
    assert all(len(row["operations"]) <= 100 for row in found if row["rule"][0] in "SGDE")
