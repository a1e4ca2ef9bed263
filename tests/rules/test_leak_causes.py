"""Which reference of a leak was forgotten, by hand-made captures: each cause, and what only looks like it."""

import pytest
from captured import (
    CONTEXT,
    MILLISECOND,
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

from tracecheck.fltmgr.status import (
    STATUS_FLT_CONTEXT_ALREADY_DEFINED,
    STATUS_NOT_FOUND,
    STATUS_NOT_SUPPORTED,
)
from tracecheck.operations.coverage import Coverage

LOST_RACE = STATUS_FLT_CONTEXT_ALREADY_DEFINED
SECTION = {"context_type": 0x40}
BORN = [allocate(), attach(), release()]
OTHER_BORN = [allocate(OTHER), attach(OTHER), release(OTHER)]
CREATE, CLOSE = "FltCreateSectionForDataScan", "FltCloseSectionForDataScan"

#: Code -> what a driver does that forgets this very reference, before its unload.
FORGOTTEN = {
    "L04": [allocate(), attach()],
    "L05": [allocate(), attach(status=STATUS_NOT_SUPPORTED)],
    "L06": [*BORN, allocate(OTHER), attach(OTHER, status=LOST_RACE, old_context=CONTEXT), release(OTHER)],
    "L07": [*BORN, allocate(OTHER), attach(OTHER, operation=0, old_context=CONTEXT), release(OTHER)],
    "L08": [*BORN, row("FltDeleteStreamContext", old_context=CONTEXT)],
    "L09": [*BORN, get()],
    "L10": [*BORN, get(), row("FltReferenceContext", CONTEXT, function="G"), release()],
    "L11": [*BORN, get(), row("FltDeleteContext", CONTEXT)],
    "L12": [*BORN, row("FltGetContexts", CONTEXT)],
    "L13": [allocate()],
    "L15": [allocate(), get(0, status=STATUS_NOT_SUPPORTED)],
    "L16": [allocate(**SECTION), row(CREATE, CONTEXT, status=STATUS_NOT_SUPPORTED)],
    "X04": [allocate(**SECTION), row(CREATE, CONTEXT), row(CLOSE, CONTEXT)],
}
#: What is said beside the cause itself, L01 always.
BESIDE = {"L11": {"L09"}, "L12": {"L09"}}


@pytest.mark.parametrize("code", FORGOTTEN)
class TestCauses:
    """Each kind of reference, forgotten by a driver whose unload returns."""

    def test_a_cause_is_definite_and_the_only_one(self, code):
        """The leak is named with its cause, and with no other."""
        due = {"L01", code} | BESIDE.get(code, set())
        assert told([*FORGOTTEN[code], *unload()]) == {(rule, "definite") for rule in due}

    def test_a_release_ends_the_matter(self, code):
        """The same with the release that is owed is in order."""
        assert told([*FORGOTTEN[code], release(), *unload()]) == set()

    def test_a_loss_during_the_life_weakens_it(self, code):
        """Where events of the time are lost, the cause is no more than possible."""
        loss = {"start": START + MILLISECOND // 2, "end": START + MILLISECOND, "unit": "events", "count": 3}
        found = told([*FORGOTTEN[code], *unload()], losses=[loss])
        assert {confidence for _, confidence in found} <= {"possible"}
        assert code in {rule for rule, _ in found}

    def test_undeclared_coverage_weakens_it(self, code):
        """Where completeness is inferred, the cause is probable."""
        # A capture in which nothing is released at all is not judged.
        life = [allocate(0xC000), release(0xC000)]
        found = told([*life, *FORGOTTEN[code], *unload()], coverage=Coverage(declared=False))
        assert (code, "probable") in found

    def test_unlogged_releases_withhold_it(self, code):
        """Where releases are declared incomplete nothing is said."""
        partial = Coverage(declared=True, partial=frozenset({"FltReleaseContext"}))
        assert told([*FORGOTTEN[code], *unload()], coverage=partial) == set()

    def test_the_first_operation_is_the_acquire(self, code):
        """The operation that a cause begins with gave the reference, and its message names its routine."""
        rows = [*FORGOTTEN[code], *unload()]
        (found,) = [f for f in findings(rows) if f["rule"] == code]
        acquire = rows[found["operations"][0]]
        assert CONTEXT in (acquire["context"], acquire.get("old_context"))
        assert acquire["routine"] in found["message"]


class TestDoubts:
    """Which acquire is unanswered is not always sure."""

    def test_two_kinds_that_one_release_may_answer_are_both_possible(self):
        """A get and a reference in one function, and one release: either may have been forgotten."""
        rows = [*BORN, get(), row("FltReferenceContext", CONTEXT), release(), *unload()]
        found = dict(told(rows))
        assert found["L01"] == "definite"
        assert {found[rule] for rule in ("L09", "L10") if rule in found} == {"possible"}

    def test_two_gets_are_both_gets(self):
        """Which of two gets a release of another thread answers does not matter."""
        rows = [*BORN, get(), get(function="G"), release(tid=12, function="H"), *unload()]
        assert ("L09", "definite") in told(rows)

    def test_sets_that_are_not_logged_prove_nothing(self):
        """That nobody set a context is only sure where every set is logged."""
        silent = Coverage(declared=True, silent=frozenset({"FltSetStreamContext"}))
        assert told([allocate(), *unload()], coverage=silent) == {("L01", "definite"), ("L13", "possible")}

    def test_without_an_unload_a_cause_is_possible(self):
        """What L03 names has its cause, with the doubt that a release may come later."""
        rows = [*BORN, get(), *(row("FltSupportsStreamContexts", time=START + 9 * SECOND) for _ in range(2))]
        assert told(rows) == {("L03", "possible"), ("L09", "possible")}


class TestDeletions:
    """L11 is of the thread that deleted."""

    def test_another_threads_leak_is_no_fault_of_the_deletion(self):
        """Who deletes and releases is right, though somebody else leaked a get."""
        rows = [*BORN, get(tid=12), get(), row("FltDeleteContext", CONTEXT), release(), *unload()]
        assert told(rows) == {("L01", "definite"), ("L09", "definite")}

    def test_a_deletion_of_what_is_not_attached_is_none(self):
        """FltDeleteContext of a context that was never set does nothing."""
        rows = [allocate(), row("FltDeleteContext", CONTEXT), *unload()]
        assert "L11" not in dict(told(rows))


class TestFailedGets:
    """L15 needs a get that told that there are no contexts."""

    @pytest.mark.parametrize(
        "between",
        [
            get(0, status=STATUS_NOT_FOUND),
            get(0, status=STATUS_NOT_SUPPORTED, tid=12),
            row("FltGetFileContext", status=STATUS_NOT_SUPPORTED),
        ],
        ids=["nothing there", "another thread", "another type"],
    )
    def test_other_gets_are_not_it(self, between):
        """Where nothing was found, or by somebody else, or of another type, it is L13."""
        assert told([allocate(), between, *unload()]) == {("L01", "definite"), ("L13", "definite")}

    def test_in_another_function_it_is_possible(self):
        """A get in another function of the same thread may belong to something else."""
        rows = [allocate(), get(0, status=STATUS_NOT_SUPPORTED, function="G"), *unload()]
        assert told(rows) == {("L01", "definite"), ("L15", "possible")}


class TestHandedOver:
    """L14 learns from what was not forgotten."""

    def passed(self, number, after, function="Post"):
        """Pre-flush gets, post-flush releases, on a context that is freed."""
        pre, post = {"major": 9, "phase": 1, "function": "Pre"}, {"major": 9, "phase": after}
        healthy = [get(OTHER, **pre), release(OTHER, function=function, **post)] * number
        return [*OTHER_BORN, *healthy, row("FltDeleteContext", OTHER), *BORN, get(**pre), *unload()]

    @pytest.mark.parametrize("after", [2, 3])
    def test_a_habit_shows_what_was_meant(self, after):
        """Where all others are released after the operation, the one that was not was dropped there."""
        assert ("L14", "definite") in told(self.passed(16, after))

    def test_a_few_show_no_habit(self):
        """Fifteen are not enough."""
        assert "L14" not in dict(told(self.passed(15, 2)))

    def test_a_release_before_the_operation_is_none(self):
        """Where the pre-operation callback releases itself, it handed nothing over."""
        assert "L14" not in dict(told(self.passed(16, 1, "Pre")))


def test_a_thousand_leaks_of_one_life_are_one_finding():
    """However often a reference is forgotten, a life has one finding of a rule, with 100 operations or so."""
    found = findings([*BORN, *[get() for _ in range(1000)], *unload()])
    causes = [f for f in found if f["rule"] == "L09"]
    assert len(causes) == 1
    assert len(causes[0]["operations"]) <= 101
