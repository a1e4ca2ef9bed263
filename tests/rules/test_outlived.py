"""Sections, transactions, instances and unloads, by hand-made captures."""

import pytest
from captured import (
    CONTEXT,
    FILTER,
    OTHER,
    SECOND,
    allocate,
    attach,
    findings,
    get,
    release,
    row,
    told,
    unload,
)
from handmade import START

from tracecheck.fltmgr.status import STATUS_INVALID_PARAMETER, STATUS_NOT_FOUND
from tracecheck.operations.coverage import Coverage

BORN = [allocate(), attach(), release()]
CREATE, CLOSE = "FltCreateSectionForDataScan", "FltCloseSectionForDataScan"
SCANNED = [allocate(context_type=0x40), row(CREATE, CONTEXT, function="Scan"), release()]
GONE = row("InstanceTeardownComplete", filter=FILTER)
CLEANED = [row("ContextCleanup", CONTEXT, phase=phase) for phase in (1, 2)]
LATER = [row("FltSupportsStreamContexts", time=START + 60 * SECOND)]


class TestSections:
    """L17."""

    @pytest.mark.parametrize("end", [CLEANED, [GONE], unload()], ids=["cleanup", "instance", "unload"])
    def test_a_section_that_is_open_at_the_end_of_what_it_hangs_on_is_found(self, end):
        """Any of the three ends shows it for sure."""
        assert told([*SCANNED, *end]) == {("L17", "definite")}

    @pytest.mark.parametrize("end", [CLEANED, [GONE], unload()], ids=["cleanup", "instance", "unload"])
    def test_a_close_is_in_order(self, end):
        """The same with the close before the release."""
        assert told([*SCANNED[:2], row(CLOSE, CONTEXT), release(), *end]) == set()

    def test_a_close_whose_event_came_after_the_cleanup_counts(self):
        """The close drops the last reference: the cleanup runs in it, and is logged before it."""
        rows = [*SCANNED, *CLEANED, row(CLOSE, CONTEXT)]
        rows[-1]["begin"] = START + 3
        assert "L17" not in dict(told(rows))

    def test_so_it_does_when_the_address_has_a_new_owner(self):
        """The late event of the close may stand behind the next allocation of the address."""
        rows = [*SCANNED, *CLEANED, allocate(tid=12), row(CLOSE, CONTEXT), release(tid=12)]
        assert "L17" not in dict(told(rows))

    def test_a_scan_that_runs_at_the_end_of_the_capture_is_none(self):
        """Without an end of anything the close may come."""
        assert told(SCANNED) == set()

    def test_a_creation_that_failed_needs_no_close(self):
        """No section, no close."""
        failed = [
            allocate(context_type=0x40),
            row(CREATE, CONTEXT, status=STATUS_INVALID_PARAMETER),
            release(),
        ]
        assert told([*failed, GONE, *unload()]) == set()

    def test_where_closes_are_not_logged_it_is_possible(self):
        """A close that is not logged at all may have been made."""
        silent = Coverage(declared=True, silent=frozenset({CLOSE}))
        assert told([*SCANNED, *unload()], coverage=silent) == {("L17", "possible")}


TX = {"transaction": 0x7000, "object": 0x7000, "stream": 0}


def of_transaction(routine, context=CONTEXT, **cells):
    """A call on the context of a transaction."""
    return row(routine, context, **(TX | cells))


class TestTransactions:
    """T02."""

    BORN = (
        allocate(context_type=0x20),
        of_transaction("FltSetTransactionContext", operation=1),
        release(),
        of_transaction("FltGetTransactionContext", function="G"),
    )

    def test_an_address_that_has_no_context_any_more_shows_the_end(self):
        """The next transaction there has none: the first one is over, its context still owned."""
        again = of_transaction("FltGetTransactionContext", 0, status=STATUS_NOT_FOUND)
        found = dict(told([*self.BORN, again, *unload()]))
        assert (found["L02"], found["T02"], found["L09"]) == ("definite",) * 3

    def test_the_end_of_the_instance_is_not_that_of_the_transaction(self):
        """It takes the context off too; that the transaction had ended is then a guess."""
        found = dict(told([*self.BORN, GONE, *unload()]))
        assert (found["L02"], found["T02"]) == ("definite", "possible")

    def test_an_unload_alone_says_nothing_of_the_transaction(self):
        """The leak is L01 alone."""
        assert "T02" not in dict(told([*self.BORN, *unload()]))

    def test_other_types_are_l02_alone(self):
        """A stream's context is none of T02."""
        assert "T02" not in dict(told([*BORN, get(), get(0, status=STATUS_NOT_FOUND), *unload()]))


class TestInstances:
    """E03."""

    KEPT = (*BORN, get(function="G"), row("FltDeleteContext", CONTEXT, function="G"))

    def test_what_is_owned_after_the_teardown_is_found(self):
        """Its object is not known to be gone, as it was deleted before; its instance is."""
        assert ("E03", "definite") in told([*self.KEPT, GONE, *LATER])

    def test_right_after_the_teardown_it_is_possible(self):
        """The work that owns it may be about to end."""
        rows = [*self.KEPT, GONE, row("FltSupportsStreamContexts")]
        assert ("E03", "possible") in told(rows)

    def test_l02_is_not_told_twice(self):
        """Where the object went with the instance, L02 says so."""
        found = dict(told([*BORN, get(), GONE, *LATER]))
        assert "L02" in found
        assert "E03" not in found

    def test_the_teardowns_of_an_unload_are_l01(self):
        """An unload tears down every instance."""
        rows = [*self.KEPT, *unload(ended=False), GONE, *unload()[1:]]
        found = dict(told(rows))
        assert found["L01"] == "definite"
        assert "E03" not in found

    def test_another_instance_is_another_matter(self):
        """So it is with the next instance at the same address."""
        assert "E03" not in dict(told([*self.KEPT, row("InstanceTeardownComplete", instance=0x9), *LATER]))
        assert "E03" not in dict(told([GONE, *self.KEPT, *LATER]))

    def test_what_is_attached_and_not_owned_is_in_order(self):
        """The filter manager takes it off later, and that need not be logged."""
        assert told([*BORN, GONE, *LATER]) == set()


class TestUnloads:
    """E02."""

    def hung(self, *lives):
        """A hanging unload, and what waits for it."""
        return [*(one for life in lives for one in life), *unload(ended=False), *LATER]

    def leaked(self, context, **cells):
        """A life whose get is forgotten."""
        return [allocate(context), attach(context), release(context), get(context, **cells)]

    def test_a_hanging_unload_is_one_finding(self):
        """It names every call whose references it waits for, and no context of its own."""
        rows = self.hung(self.leaked(CONTEXT), self.leaked(OTHER, object=0x99, stream=0x99))
        (found,) = [f for f in findings(rows) if f["rule"] == "E02"]
        assert (found["confidence"], found["context_id"], found["context"]) == ("definite", None, None)
        assert "2 contexts with 2 owned references, of 2 of FltGetStreamContext" in found["message"]
        assert rows[found["operations"][0]]["routine"] == "FltUnregisterFilter"
        assert len(found["operations"]) == 3

    def test_one_that_returns_does_not_hang(self):
        """L01 tells of the leak."""
        assert "E02" not in dict(told([*self.leaked(CONTEXT), *unload()]))

    def test_one_that_waits_for_nothing_known_is_none(self):
        """A capture may end in the middle of an unload."""
        assert told(self.hung(BORN)) == set()

    def test_it_is_no_surer_than_its_leaks(self):
        """Where the only call that holds a context may still run, the unload may be slow."""
        rows = [*self.leaked(CONTEXT, tid=40), *unload(ended=False)]
        found = dict(told(rows))
        assert (found["L01"], found["E02"]) == ("possible", "possible")

    def test_a_loss_weakens_it(self):
        """Lost events may have held the release."""
        loss = {"start": START, "end": START + 1000, "unit": "events", "count": 1}
        assert dict(told(self.hung(self.leaked(CONTEXT)), losses=[loss]))["E02"] == "possible"

    def test_a_hundred_operations_are_enough(self):
        """However many contexts it waits for, its finding stays short."""
        lives = [self.leaked(0x10_0000 + 16 * i, object=0x50_0000 + i) for i in range(300)]
        (found,) = [f for f in findings(self.hung(*lives)) if f["rule"] == "E02"]
        assert len(found["operations"]) == 101
        assert "300 contexts" in found["message"]
