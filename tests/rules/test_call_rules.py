"""Rules about how calls are made, on captures of a few rows each."""

import pytest
from called import (
    COMPLETE,
    CONTEXT,
    FILTER,
    INSTANCE,
    SECTION,
    STREAM,
    allocation,
    found,
    of_file,
    release,
    row,
)

from tracecheck.fltmgr.limits import IRP_MJ_NETWORK_QUERY_OPEN, IRQL_LIMITS
from tracecheck.operations import Coverage

NOT_SUPPORTED, NOT_FOUND, DEFINED, INVALID = 0xC00000BB, 0xC0000225, 0xC01C0002, 0xC000000D
UNREGISTERED, BAD_REGISTRATION = 0xC01C0016, 0xC01C0017


def registered(*entries, status=0):
    """Give the rows of a registration."""
    of = {"routine": "FltRegisterFilter", "tid": 8, "filter": FILTER}
    return [
        *({**of, "context_type": k, "size": s, "pool_tag": t} for k, s, t in entries),
        {**of, "status": status},
    ]


def refused(status, **cells):
    """Give the row of an allocation that failed."""
    return allocation(**{"context": 0, "status": status, "size": 0x40, **cells})


class TestIrql:
    """Q rules."""

    @pytest.mark.parametrize(
        ("pool", "irql", "rules"), [(1, 2, ["Q01"]), (1, 1, []), (0x200, 2, []), (1, 99, [])]
    )
    def test_a_release_is_wrong_of_paged_pool_and_above_apc(self, pool, irql, rules):
        """Both are needed, and an IRQL that no processor has is none."""
        told, _ = found([allocation(pool=pool), release(irql=irql)], ("Q01", "Q02"))
        assert told == [(code, "error", "definite") for code in rules]

    def test_a_release_of_an_unknown_pool_is_not_judged(self):
        """Where the allocation is not in the capture nothing is said."""
        assert found([release(irql=2)], "Q")[0] == []

    def test_a_loss_between_allocation_and_release_leaves_a_doubt(self):
        """Another context may have had the address."""
        told, _ = found([allocation(pool=1), release(irql=2)], "Q01", lost=[(0.2, 0.4)])
        assert told == [("Q01", "error", "possible")]

    @pytest.mark.parametrize("routine", sorted(IRQL_LIMITS))
    def test_each_routine_has_its_limit(self, routine):
        """At its limit nothing is said, above it Q02 or Q03, for a release neither."""
        at = found([row(routine, irql=IRQL_LIMITS[routine])], ("Q02", "Q03"))[0]
        above = found([row(routine, irql=IRQL_LIMITS[routine] + 1)], ("Q02", "Q03"))[0]
        assert at == []
        code = "Q03" if routine == "FltReferenceContext" else "Q02"
        assert above == ([] if "Release" in routine else [(code, "error", "definite")])

    def test_a_place_is_told_once(self):
        """Any number of calls at one place is one finding that counts them and lists a hundred."""
        rows = [of_file("FltGetStreamContext", irql=2, site="a.c:1", status=NOT_FOUND, context=0)] * 300
        told, (one,) = found(rows, "Q02")
        assert told == [("Q02", "error", "definite")]
        assert "300 times" in one["message"]
        assert len(one["operations"]) == 100

    @pytest.mark.parametrize(("tid", "severity"), [(0, "warning"), (8, "note")])
    def test_an_unknown_irql_is_a_warning_where_an_idle_thread_ran(self, tid, severity):
        """In another thread the operation may have been synchronised."""
        call = of_file("FltGetStreamContext", tid=tid, major=4, phase=2, status=0)
        assert found([call], "Q")[0] == [("Q04", severity, "possible")]
        assert found([{**call, "irql": 0}], "Q")[0] == []


class TestPositions:
    """P rules."""

    @pytest.mark.parametrize(
        ("routine", "status", "expected"),
        [
            ("FltSetStreamContext", NOT_SUPPORTED, ("error", "definite")),
            ("FltGetStreamContext", NOT_SUPPORTED, ("note", "definite")),
            ("FltGetStreamContext", NOT_FOUND, ("note", "possible")),
            ("FltSetStreamContext", 0, ("note", "possible")),
        ],
    )
    def test_pre_create_is_judged_by_what_the_call_returned(self, routine, status, expected):
        """A call that got as far as the contexts was made for a file that is open."""
        rows = [allocation(), of_file(routine, major=0, phase=1, status=status)]
        assert found(rows, "P")[0] == [("P01", *expected)]

    @pytest.mark.parametrize(
        ("code", "where"), [("P02", {"major": 2, "phase": 2}), ("P03", {"major": IRP_MJ_NETWORK_QUERY_OPEN})]
    )
    def test_a_refused_call_is_noted_and_another_one_is_doubted(self, code, where):
        """A driver may ask; a call that succeeded may have been made for another file."""
        call = of_file("FltGetStreamContext", **where)
        assert found([{**call, "status": NOT_SUPPORTED}], "P")[0] == [(code, "note", "definite")]
        assert found([{**call, "status": 0}], "P")[0] == [(code, "warning", "possible")]

    def test_a_paging_file_is_known_as_such(self):
        """What was not refused there is a warning beyond doubt; other files are none."""
        call = of_file("FltGetStreamContext", paging_file=True, status=0)
        assert found([call], "P")[0] == [("P04", "warning", "definite")]
        assert found([{**call, "paging_file": False}], "P")[0] == []

    @pytest.mark.parametrize("routine", ["FltGetInstanceContext", "FltGetVolumeContext", "FltReleaseContext"])
    def test_other_contexts_are_supported_everywhere(self, routine):
        """Contexts that hang on no file, and releases, are in order at all these places."""
        for where in (
            {"major": 0, "phase": 1},
            {"major": 2, "phase": 2},
            {"major": IRP_MJ_NETWORK_QUERY_OPEN},
        ):
            assert found([row(routine, status=0, **where)], "P")[0] == []


class TestAllocation:
    """A rules."""

    def test_the_registration_tells_type_and_size_apart(self):
        """The status is the same for both."""
        rows = [*registered((STREAM, 0x50, 7)), refused(UNREGISTERED), refused(UNREGISTERED, context_type=4)]
        assert found(rows, "A")[0] == [("A01", "error", "definite"), ("A04", "error", "definite")]

    def test_without_it_what_was_allocated_tells(self):
        """A type of which a context was allocated is registered."""
        assert found([refused(UNREGISTERED)], "A")[0] == [("A01", "error", "definite")]
        assert found([allocation(), refused(UNREGISTERED)], "A")[0] == [("A04", "error", "definite")]

    def test_a_registration_that_contradicts_the_status_leaves_a_doubt(self):
        """Type and size were registered, and the filter manager says that they were not."""
        rows = [*registered((STREAM, 0x40, 7)), refused(UNREGISTERED)]
        assert found(rows, "A")[0] == [("A01", "error", "possible")]

    def test_a_shortage_is_no_fault(self):
        """An allocation may fail."""
        assert found([*registered((STREAM, 0x40, 7)), refused(0xC000009A)], "A")[0] == []

    def test_a_lost_entry_accuses_nobody(self):
        """With a loss before the registration's return it is not known what was registered."""
        rows = [*registered((STREAM, 0x40, 7)), refused(0xC000009A, context_type=4)]
        assert found(rows, "A")[0] == [("A01", "error", "definite")]
        assert found(rows, "A", lost=[(0.2, 0.4)])[0] == []

    @pytest.mark.parametrize(
        ("cells", "code"),
        [({"size": 0}, "A02"), ({"size": 70000}, "A03"), ({"context_type": 1, "pool": 1}, "A05")],
    )
    def test_arguments_that_can_not_be(self, cells, code):
        """Size 0, more than MAXUSHORT, paged pool for a volume: from one event, in any capture."""
        told, _ = found([refused(INVALID, **cells)], "A", Coverage(declared=False), lost=[(-1, 9)])
        assert told == [(code, "error", "definite")]

    @pytest.mark.parametrize(
        ("pool", "told"), [(0x40, [("A06", "warning", "definite")]), (0, [("A07", "note", "possible")])]
    )
    def test_pools(self, pool, told):
        """What is no pool is a warning, executable pool a note."""
        assert found([allocation(pool=pool), release()], "A")[0] == told

    @pytest.mark.parametrize(
        ("entries", "status", "told"),
        [
            ([(8, 16 * i, 7) for i in range(1, 5)], BAD_REGISTRATION, [("A10", "error", "definite")]),
            ([(8, 16 * i, 7) for i in range(1, 5)], 0, [("A10", "error", "possible")]),
            ([(8, 16, 7)] * 5, 0, []),
            ([(8, 16, 0)], 0, [("A10", "note", "possible")]),
            ([(8, 0xFFFFFFFF, 7), (8, 16, 7), (8, 32, 7), (8, 48, 7)], 0, []),
        ],
    )
    def test_registrations(self, entries, status, told):
        """More sizes than allowed; entries that are alike count once; a missing tag is hardly noted."""
        assert found(registered(*entries, status=status), "A10")[0] == told


class TestSections:
    """X rules."""

    def test_a_close_is_judged_by_its_status(self):
        """Never created and closed before are what the filter manager says of them."""
        made = allocation(context_type=SECTION)
        close = row("FltCloseSectionForDataScan")
        assert found([made, {**close, "status": INVALID}], "X")[0] == [("X01", "error", "definite")]
        assert found([made, {**close, "status": NOT_FOUND}], "X")[0] == [("X02", "error", "definite")]

    def test_a_close_that_was_not_refused_is_doubted(self):
        """By the replay nothing was open, but the filter manager closed something: a note on the log."""
        create = of_file("FltCreateSectionForDataScan", status=0)
        close = row("FltCloseSectionForDataScan", status=0)
        made = allocation(context_type=SECTION)
        assert found([made, close], ("X01", "X02"))[0] == [("X01", "note", "possible")]
        assert found([made, create, close, close], ("X01", "X02"))[0] == [("X02", "note", "possible")]

    def test_a_second_section_is_a_warning_where_its_context_is_kept(self):
        """A lost race whose context was released is but noted."""
        rows = [allocation(context_type=SECTION), of_file("FltCreateSectionForDataScan", status=DEFINED)]
        assert found(rows, "X06")[0] == [("X06", "warning", "definite")]
        assert found([*rows, release()], "X06")[0] == [("X06", "note", "definite")]

    def test_registering_for_scans_counts_since_the_instance_s_setup(self):
        """What an earlier instance at the address registered does not help; what came before is not known."""
        here = {"instance": INSTANCE, "context": 0, "status": 0}
        scan, setup = row("FltRegisterForDataScan", **here), row("InstanceSetup", **here)
        gone = row("InstanceTeardownComplete", instance=INSTANCE, context=0)
        create = [allocation(context_type=SECTION), of_file("FltCreateSectionForDataScan", status=0)]
        start = registered((SECTION, 64, 7))
        wrong = [("X05", "error", "definite")]
        assert found([*start, scan, setup, *create], "X05")[0] == []
        assert found([*start, scan, setup, gone, setup, *create], "X05")[0] == wrong
        assert (
            found([*start, scan, setup, gone, setup, *create], "X05", lost=[(0.2, 0.4)])[0][0][2]
            == "possible"
        )
        assert found([*start, setup, *create], "X05", Coverage(declared=False))[0] == []
        assert found([*start, *create], "X05")[0] == []

    def test_a_section_context_is_given_to_no_set(self):
        """Whatever else is there, from its allocation's type."""
        rows = [allocation(context_type=SECTION), of_file("FltSetStreamContext", status=INVALID), release()]
        told, (one,) = found(rows, "X07")
        assert told == [("X07", "error", "definite")]
        assert one["context"] == CONTEXT
        assert COMPLETE.declared
