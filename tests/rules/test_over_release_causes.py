"""Releases of what is no context, and the calls behind releases too many, in tables made by hand."""

import pytest
from judged import (
    CONTEXT,
    FILTER,
    OTHER,
    STREAM_TYPE,
    VOLUME_TYPE,
    allocate,
    call,
    codes,
    findings,
    on_stream,
)

from tracecheck.operations import Coverage

NOT_FOUND = 0xC0000225
DECLARED = Coverage(declared=True)
REGISTER = call("FltRegisterFilter", None, filter=FILTER, status=0)
LOSS = {"start": None, "end": None, "count": 1, "unit": "events", "detail": "said so", "sign": "gap"}


class TestNull:
    """R08, and the call that left NULL in the variable."""

    def test_a_context_that_was_not_logged_is_no_null(self):
        """Only an event that says zero counts."""
        assert codes([call("FltReleaseContext", None)]) == []

    @pytest.mark.parametrize("routine", ["FltReleaseContext", "FltReferenceContext", "FltDeleteContext"])
    def test_one_event_proves_it(self, routine):
        """It is definite in a capture that lost events and declares nothing."""
        found = codes([call(routine, 0)], losses=[LOSS], coverage=Coverage(declared=False))
        assert found == [("R08", "error", "definite")]

    def test_a_message_of_the_driver_proves_nothing(self):
        """Read by a profile it is possible: the message may have been printed before a test for NULL."""
        found = codes([call("FltReleaseContext", 0)], coverage=Coverage(declared=True, profile="mine"))
        assert found == [("R08", "error", "possible")]

    def test_a_call_site_gives_one_finding(self):
        """However often it is called; at most a hundred operations are named."""
        (found,) = findings([call("FltReleaseContext", 0)] * 5000)
        assert len(found["operations"]) == 100
        assert "(5,000 times)" in found["message"]

    def test_the_get_that_failed_is_named(self):
        """R09 stands beside R08 where the same function's get failed just before."""
        rows = [on_stream("FltGetStreamContext", 0, status=NOT_FOUND), call("FltReleaseContext", 0)]
        assert codes(rows) == [("R08", "error", "definite"), ("R09", "error", "definite")]
        assert findings(rows)[1]["operations"] == [1, 0]

    def test_another_function_s_get_is_not_to_blame(self):
        """Between functions no variable is shared."""
        rows = [
            on_stream("FltGetStreamContext", 0, status=NOT_FOUND, function="G"),
            call("FltReleaseContext", 0),
        ]
        assert codes(rows) == [("R08", "error", "definite")]

    def test_an_idle_thread_has_no_flow(self):
        """What completions on several processors do under the thread id 0 does not belong together."""
        rows = [
            on_stream("FltGetStreamContext", 0, status=NOT_FOUND, tid=0),
            call("FltReleaseContext", 0, tid=0),
        ]
        assert codes(rows) == [("R08", "error", "definite")]

    def test_without_functions_the_cause_is_possible(self):
        """The thread alone does not make the two calls one flow."""
        rows = [
            on_stream("FltGetStreamContext", 0, status=NOT_FOUND, function=None, site=None),
            call("FltReleaseContext", 0, function=None, site=None),
        ]
        assert codes(rows) == [("R08", "error", "definite"), ("R09", "error", "possible")]


class TestStrangers:
    """R07: a pointer that nothing named."""

    ROWS = (REGISTER, allocate(), call("FltReleaseContext"), call("FltReleaseContext", OTHER))

    def test_it_needs_the_filter_s_start(self):
        """With the registration in the capture it is definite; without, the context may be older."""
        assert codes(self.ROWS) == [("R07", "error", "definite")]
        assert codes(self.ROWS[1:]) == []

    def test_it_needs_every_event(self):
        """A loss, a missing routine, or a context that is older than the capture silences it."""
        lacking = Coverage(declared=True, routines=frozenset({"FltReleaseContext"}))
        older = on_stream("FltGetStreamContext", OTHER + 0x1000)
        assert codes(self.ROWS, losses=[LOSS]) == []
        assert codes(self.ROWS, coverage=lacking) == []
        assert codes([*self.ROWS, older]) == []

    def test_a_filter_that_was_never_seen_to_register_silences_it(self):
        """The pointer may be of a driver that was loaded before."""
        rows = [*self.ROWS[:3], allocate(OTHER + 0x1000, filter=0xF2), self.ROWS[3]]
        assert codes(rows) == []

    def test_of_a_function_that_works_on_nothing_else_it_is_possible(self):
        """Nothing says whose it is."""
        rows = [*self.ROWS[:3], call("FltReleaseContext", OTHER, function="G")]
        assert codes(rows) == [("R07", "error", "possible")]


class TestMemory:
    """R10: frees of a context's memory."""

    @pytest.mark.parametrize(("offset", "found"), [(0, True), (0x3F, True), (0x40, False), (-8, False)])
    def test_an_address_inside_counts(self, offset, found):
        """From the context's address to its size."""
        free = call("ExFreePoolWithTag", CONTEXT + offset)
        rows = [allocate(), free, call("FltReleaseContext"), call("ContextCleanup", phase=1)]
        assert codes(rows) == ([("R10", "error", "definite")] if found else [])

    def test_a_context_that_is_gone_has_no_memory(self):
        """After the last release the address may be anything's; before the allocation too."""
        free = call("ExFreePoolWithTag")
        rows = [free, allocate(), call("FltReleaseContext"), call("ContextCleanup", phase=1), free]
        assert codes(rows) == []


class TestFilters:
    """R13: contexts of another filter."""

    def test_a_get_by_another_filter_is_one(self):
        """The allocation tells whose the context is."""
        got = {"filter": 0xF2, "volume": 0x77, "object": 0x77, "status": 0}
        rows = [allocate(kind=VOLUME_TYPE), call("FltGetVolumeContext", **got), call("FltReleaseContext")]
        assert ("R13", "error", "definite") in codes(rows)
        assert ("R13", "error", "possible") in codes(rows, losses=[LOSS])

    def test_its_own_filter_is_none(self):
        """Nor is a call that names no filter."""
        got = {"filter": FILTER, "volume": 0x77, "object": 0x77, "status": 0}
        found = codes([allocate(kind=VOLUME_TYPE), call("FltGetVolumeContext", **got)])
        assert "R13" not in {code for code, *_ in found}


def handed_over(times, last):
    """Make lives that F allocates, gets in G and releases there; the last one as is said."""
    rows = []
    for i in range(times):
        pointer = CONTEXT + i * 0x100
        got = on_stream("FltGetStreamContext", pointer, stream=i + 1, object=i + 1, function="G")
        back = call("FltReleaseContext", pointer, function="G")
        set_ = on_stream("FltSetStreamContext", pointer, stream=i + 1, object=i + 1, operation=1)
        end = [call("FltReleaseContext", pointer, function=last if i == times - 1 else "F")]
        rows += [allocate(pointer, kind=STREAM_TYPE), set_, got, back, *end]
        rows += [call("ContextCleanup", pointer, phase=1, function="C")]
    return rows


class TestLedgers:
    """R14: functions that give back more than they took."""

    def test_one_life_that_is_otherwise_is_told(self):
        """G always balances, and in the last life gives back what F took."""
        assert codes(handed_over(12, "G")) == [("R14", "warning", "possible")]

    def test_a_hand_over_is_none(self):
        """A function that takes nothing takes references over by design; and what is rare tells nothing."""
        assert codes(handed_over(12, "Worker")) == []
        assert codes(handed_over(4, "G")) == []
