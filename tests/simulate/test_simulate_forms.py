"""One run in every form: each event has its counterpart, with equal values."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from told import READERS, canonical, dbgprint, definitions, kd, tracefmt, wpp
from written import events

from tracecheck.errors import UsageError
from tracecheck.simulate import Fault, Scenario, simulate
from tracecheck.simulate.conditions import START_NANOSECONDS, START_TICK
from tracecheck.simulate.forms import FORMS

#: What a form cannot carry.
MISSING = {
    "wpp": set(),
    "manifest": set(),
    "dbgprint": {"Sequence", "Begin", "File", "Line"},
    "tracefmt": {"Sequence", "Begin", "File", "Line"},
    "tracefmt-csv": {"Begin"},
    "debugview": {"Sequence", "Begin", "File", "Line", "cpu", "pid", "tid"},
    "kd": {"Sequence", "Begin", "File", "Line", "cpu", "pid", "tid", "tick"},
}
RUN = Scenario(operations=400, faults=(Fault("R01"),), drivers=2)
TEXTS = [name for name, kind in FORMS.items() if not kind.is_etl]
MILD = ["no-begin", "no-sequence", "partial", "no-cleanup", "stalls", "sequence-races", "wide", "lean"]


def read(form, made, pointer_size=8):
    """Read a capture of a form."""
    return READERS[form](made, pointer_size) if form in ("wpp", "manifest") else READERS[form](made)


def plain(told, form, lean=False):
    """Write an event so that equal ones are equal: what the form misses is left out, and a PagingFile of 0.

    A lean writer names no files, but a WPP message belongs to one all the same.
    """
    missing = MISSING[form] | ({"File"} if lean else set())
    fields = {n: v for n, v in told.fields.items() if n not in missing and (n, v) != ("PagingFile", 0)}
    ids = [None if name in missing else getattr(told, name) for name in ("cpu", "pid", "tid")]
    return (told.routine, *ids, sorted(fields.items()))


def tell_time(form, tick, first):
    """Say how a form writes a tick."""
    if form in ("wpp", "manifest", "dbgprint"):
        return tick
    if form == "kd":
        return None
    if form == "debugview":
        return round((tick - first) / 1e7, 8)
    when = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(
        microseconds=(START_NANOSECONDS + (tick - START_TICK) * 100) // 1000
    )
    return when.strftime("%m/%d/%Y-%H:%M:%S.%f")[:-3]


class TestEveryForm:
    """What holds for all forms."""

    @settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(
        st.integers(0, 2**31),
        st.sets(st.sampled_from([*MILD, "late-start", "lost-events"]), max_size=3),
        st.sampled_from([4, 8]),
        st.sampled_from(list(READERS)),
        st.sampled_from(["R01", "R04", "R05", "L01", "L09", "M04"]),
    )
    def test_every_event_has_its_counterpart_with_equal_values(
        self, seed, conditions, pointer_size, form, rule
    ):
        """What the canonical provider tells, every form tells, but for what it cannot; text in its order."""
        scenario = Scenario(
            seed=seed,
            operations=300,
            conditions=frozenset(conditions),
            pointer_size=pointer_size,
            unload=bool(seed % 2),
            faults=(Fault(rule),),
        )
        plainly = simulate(scenario)
        expected, made = canonical(plainly), simulate(scenario, form)
        lean = "lean" in conditions
        rows = [(plain(each, form, lean), tell_time(form, each.tick, expected[0].tick)) for each in expected]
        found = [(plain(each, form, lean), each.tick) for each in read(form, made, pointer_size)]
        assert sorted(found, key=repr) == sorted(rows, key=repr)
        if form in TEXTS and not conditions & {"no-sequence", "sequence-races"}:
            order = sorted(range(len(rows)), key=lambda at: expected[at].fields["Sequence"])
            assert found == [rows[at] for at in order]
        assert made.truth == plainly.truth

    @pytest.mark.parametrize("form", READERS)
    def test_no_sequence_is_told_where_none_is_wanted(self, form):
        """A writer that does not number its events does not do so in any form."""
        made = simulate(Scenario(operations=200, conditions=frozenset({"no-sequence"})), form)
        assert {each.fields.get("Sequence", 0) for each in read(form, made)} == {0}

    def test_the_same_arguments_give_the_same_bytes(self):
        """Every form is a function of the scenario."""
        for form in FORMS:
            assert simulate(RUN, form).data == simulate(RUN, form).data

    @pytest.mark.parametrize("form", TEXTS)
    @pytest.mark.parametrize("condition", ["lost-buffers", "circular", "flush", "relay"])
    def test_what_needs_buffers_is_no_text_log(self, form, condition):
        """A condition of buffers is refused for a text log, and so are compression and kernel events."""
        with pytest.raises(UsageError, match=condition):
            simulate(Scenario(conditions=frozenset({condition})), form)
        with pytest.raises(UsageError, match="--compressed, --kernel-events"):
            simulate(Scenario(compressed=True), form, kernel_events=True)

    def test_an_unknown_form_is_refused(self):
        """The message names the forms that there are."""
        with pytest.raises(UsageError, match="tracefmt-csv"):
            simulate(RUN, "evtx")


class TestConditions:
    """What befalls captures that are .etl files befalls them in every form."""

    @settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(
        st.integers(0, 2**31),
        st.sets(st.sampled_from(["lost-events", "lost-buffers", "circular", "late-start", "noise", "flush"])),
        st.sampled_from(["wpp", "manifest"]),
        st.booleans(),
    )
    def test_what_is_not_in_the_file_is_in_the_truth(self, seed, conditions, form, kernel):
        """The numbers in the file and those that are missing are together all numbers, once."""
        scenario = Scenario(
            seed=seed, operations=900, conditions=frozenset(conditions), buffer_size=4096, processors=2
        )
        made = simulate(scenario, form, kernel_events=kernel)
        there = [each.fields["Sequence"] for each in read(form, made)]
        runs = [run for found in made.truth.lost.values() for run in found]
        missing = {number for first, last in runs for number in range(first, last + 1)}
        assert len(there) == len(set(there)) == made.truth.events
        assert set(there) | missing == set(range(1, made.truth.logged + 1))
        assert not set(there) & missing

    @pytest.mark.parametrize("form", ["wpp", "manifest", "dbgprint"])
    def test_a_circular_log_forgets_its_beginning(self, form):
        """The log wraps around although events of this form are smaller."""
        scenario = Scenario(operations=2000, conditions=frozenset({"circular"}), buffer_size=4096)
        made = simulate(scenario, form)
        assert made.truth.lost["overwritten"]
        assert len(read(form, made)) == made.truth.events

    @pytest.mark.parametrize("form", ["wpp", "manifest", "dbgprint"])
    def test_a_relay_tells_when_and_where_the_call_was(self, form):
        """Time, ids and processor of the call stand in the event."""
        scenario = Scenario(operations=300, conditions=frozenset({"relay"}))
        expected, found = canonical(simulate(scenario)), read(form, simulate(scenario, form))
        rows = [sorted(repr(plain(each, form)) for each in each_form) for each_form in (expected, found)]
        assert rows[0] == rows[1]
        assert all("ThreadId" in each.fields for each in found if each.routine != "CaptureStart")

    @pytest.mark.parametrize("form", TEXTS)
    def test_noise_in_a_text_log_is_lines_of_others(self, form):
        """The driver's own lines are those of the quiet run, DebugView's numbers aside."""
        quiet, noisy = (
            simulate(Scenario(operations=300, conditions=frozenset(names)), form).data.decode()
            for names in ((), ("noise",))
        )
        texts = [[line.split("\t")[-1] for line in data.splitlines()] for data in (quiet, noisy)]
        assert len(texts[1]) > len(texts[0]) > 300
        assert [line for line in texts[1] if line in set(texts[0])] == texts[0]


class TestTexts:
    """The messages as text."""

    def test_text_forms_print_what_tracefmt_prints_of_the_wpp_form(self):
        """The lines of all text forms are the messages of the WPP form of the same run."""
        scenario = Scenario(operations=500, drivers=2, conditions=frozenset({"no-begin"}))
        made = simulate(scenario, "wpp")
        printed = sorted(each.text for each in wpp(made))
        for reader, form in ((tracefmt, "tracefmt"), (kd, "kd"), (dbgprint, "dbgprint")):
            texts = (each.text for each in reader(simulate(scenario, form)))
            assert sorted(without_status_names(text) for text in texts) == printed

    def test_a_status_is_printed_with_its_name(self):
        """As tracefmt does it: value and name."""
        texts = [each.text for each in kd(simulate(RUN, "kd"))]
        assert any("-> 0xc0000225(STATUS_NOT_FOUND) Context=0000000000000000" in text for text in texts)

    def test_a_line_of_the_source_is_one_message(self):
        """A symbol and a text are one definition; only FltRegisterFilter's two events share a line."""
        known = list(definitions(simulate(RUN, "wpp").beside).values())
        places = [(each.function, each.symbol) for each in known]
        twice = {place[1] for place in places if places.count(place) > 1}
        assert twice == {"driver_c118"}
        assert len({(each.function, each.symbol, each.format) for each in known}) == len(known)

    def test_every_routine_of_the_run_is_defined(self):
        """The TMF file holds all messages of the drivers, whether or not they were written."""
        made = simulate(RUN, "wpp")
        routines = {
            each.format.partition("(")[0].split(" ")[-1] for each in definitions(made.beside).values()
        }
        assert {event.name for event in events(simulate(RUN).data)} - {"CaptureStart"} <= routines


def without_status_names(text):
    """Take the name away that stands behind a status."""
    head, arrow, tail = text.partition(" -> 0x")
    if not arrow:
        return text
    status, space, rest = tail.partition(" ")
    keep = "FltSupports" in head
    return f"{head}{arrow}{status if keep else status.partition('(')[0]}{space}{rest}"
