"""Whole runs: repeatable, and true to the counts they claim."""

from collections import Counter, defaultdict
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from written import events

from tracecheck.errors import UsageError
from tracecheck.simulate import Fault, Mix, Scenario, simulate

SOME = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
MEMBERS = [f"{name}Context" for name in ("Volume", "Instance", "File", "Stream", "StreamHandle")]
MEMBERS += ["TransactionContext", "SectionContext"]
BEFORE = ("FltReleaseContext", "FltReleaseContexts", "FltReleaseContextsEx", "FltDeleteContext")

scenarios = st.builds(
    Scenario,
    seed=st.integers(0, 2**31),
    operations=st.integers(100, 500),
    duration=st.sampled_from([0.0, 0.1, 10.0]),
    processors=st.integers(1, 8),
    threads=st.integers(1, 16),
    drivers=st.integers(1, 3),
    unload=st.booleans(),
    detach=st.booleans(),
    reuse=st.booleans(),
    pointer_size=st.sampled_from([4, 8]),
    mix=st.builds(
        Mix,
        handles=st.floats(0, 1),
        files=st.floats(0, 1),
        transactions=st.floats(0, 1),
        failures=st.floats(0, 0.5),
        shortage=st.floats(0, 0.5),
        dispatch=st.floats(0, 1),
        nested=st.floats(0, 1),
        paging=st.floats(0, 0.3),
        reset=st.integers(0, 30),
        drop=st.integers(0, 30),
        scan=st.integers(0, 30),
        work=st.integers(0, 30),
        dirty=st.integers(0, 30),
    ),
)


def ok(event):
    """Tell whether a call succeeded, as far as its status says."""
    return not event.fields.get("Status", 0) >> 31


def changes(event):
    """List (context, change of owned) of one event."""
    name, fields = event.name, event.fields
    context, old = fields.get("Context", 0), fields.get("OldContext", 0)
    if name in ("FltGetContexts", "FltGetContextsEx", "FltReleaseContexts", "FltReleaseContextsEx"):
        sign = -1 if name.startswith("FltRelease") else 1
        return [(fields[member], sign) for member in MEMBERS if fields.get(member)]
    if name == "FltReleaseContext":
        return [(context, -1)]
    taken = [(old, 1)] if old else []
    gained = name == "FltReferenceContext" or (name.startswith(("FltGet", "FltAllocate")) and ok(event))
    return taken + ([(context, 1)] if gained and context else [])


def tally(found):
    """Count what each life's driver owns at the end of a complete log: (context, generation) -> owned."""
    generation, owned = Counter(), Counter()
    for event in found:
        if event.name == "FltAllocateContext" and ok(event):
            generation[event.fields["Context"]] += 1
        for context, change in changes(event):
            owned[hex(context), generation[context]] += change
    return owned


def made_lives(truth):
    """Give the truth's owned counts by life."""
    return {(life.context, life.generation): life.owned for life in truth.lives}


class TestHealthy:
    """Runs in which no driver makes a mistake."""

    @SOME
    @given(scenarios)
    def test_every_life_is_balanced(self, scenario):
        """After an unload all contexts are freed; without one, only what contexts keep is still owned."""
        truth = simulate(scenario).truth
        assert truth.faults == ()
        assert truth.contexts == len(truth.lives) == sum(truth.types.values())
        if scenario.unload:
            assert truth.unload == "returned"
            assert all(life.freed and not life.owned and not life.link for life in truth.lives)
        else:
            assert truth.unload == ""
            assert all(life.owned == life.stored for life in truth.lives)
            assert all(life.freed == (life.owned + life.link == 0) for life in truth.lives)

    @SOME
    @given(scenarios)
    def test_the_log_tells_the_truth(self, scenario):
        """Adding up the logged acquires and releases of each life gives its true count."""
        made = simulate(scenario)
        owned = tally(events(made.data))
        assert {life: owned[life] for life in owned} == made_lives(made.truth)

    @SOME
    @given(scenarios)
    def test_generations_are_numbered_without_gaps(self, scenario):
        """The lives of one address count up from 1; without reuse each address has one."""
        truth = simulate(scenario).truth
        lives = defaultdict(list)
        for life in truth.lives:
            lives[life.context].append(life.generation)
            assert life.seen == life.generation
        assert all(numbers == list(range(1, len(numbers) + 1)) for numbers in lives.values())
        assert scenario.reuse or all(len(numbers) == 1 for numbers in lives.values())

    def test_a_capture_that_is_cut_off_has_lives_in_flight(self):
        """The truth of a capture that stops in the middle is the truth at that moment."""
        scenario = Scenario(operations=3000, duration=0.0, threads=12, unload=False, cut=True)
        made = simulate(scenario)
        assert made.truth.events == 3000
        assert any(life.owned for life in made.truth.lives)
        assert all(life.freed <= (life.owned + life.link == 0) for life in made.truth.lives)

    def test_memory_is_reused_quickly(self):
        """Many lives share few addresses."""
        truth = simulate(Scenario(operations=5000)).truth
        assert len({life.context for life in truth.lives}) < len(truth.lives) / 4


class TestLog:
    """The order and the form of what is logged."""

    @SOME
    @given(scenarios)
    def test_calls_and_events_are_in_the_order_of_a_real_log(self, scenario):
        """Numbers run from 1; a thread's next call begins after its last event; Begin is never late."""
        found = events(simulate(scenario).data)
        numbered = sorted(found, key=lambda event: event.fields["Sequence"])
        assert [event.fields["Sequence"] for event in numbered] == list(range(1, len(found) + 1))
        assert [event.tick for event in numbered] == [event.tick for event in found]
        last = {}
        for event in numbered:
            begin = event.fields.get("Begin", event.tick)
            assert begin <= event.tick
            if cleans(event):
                continue
            # The idle threads of all processors share the id 0.
            assert begin >= last.get(event.tid, 0) or event.tid == 0
            last[event.tid] = event.tick

    @SOME
    @given(scenarios)
    def test_only_what_is_logged_after_the_call_has_a_begin(self, scenario):
        """Releases and FltDeleteContext are logged before the call, callbacks have no result to wait for."""
        for event in events(simulate(scenario).data):
            named = event.name.startswith("Flt") and event.name not in (
                *BEFORE,
                "FltRegisterFilter",
                "FltUnregisterFilter",
            )
            assert ("Begin" in event.fields) == named

    def test_calls_of_threads_overlap(self):
        """Between a call's start and its event other threads log: the log's order is not the effects'."""
        found = events(simulate(Scenario(operations=4000, duration=0.0, threads=12)).data)
        overlaps = sum(
            other.tid != event.tid
            for at, event in enumerate(found)
            for other in found[max(0, at - 3) : at]
            if "Begin" in event.fields and other.tick > event.fields["Begin"]
        )
        assert overlaps > 100

    def test_the_first_event_is_capture_start(self):
        """It says the schema's version, and no coverage where all is logged."""
        first = events(simulate(Scenario()).data)[0]
        assert (first.name, first.fields) == ("CaptureStart", {"Sequence": 1, "Version": 1})

    def test_pointers_have_the_drivers_size(self):
        """A 64-bit driver's pointers are kernel addresses; those of a 32-bit one fit 32 bits."""
        for size, low in ((8, 0xFFFF_8000_0000_0000), (4, 0x8000_0000)):
            for event in events(simulate(Scenario(pointer_size=size)).data):
                pointers = [event.fields[name] for name in ("Context", "Filter") if event.fields.get(name)]
                assert all(low <= pointer < 2 ** (8 * size) for pointer in pointers)

    def test_every_routine_of_the_contexts_is_called(self):
        """Some busy runs see all routines, and the statuses that matter."""
        mix = Mix(shortage=0.02, scan=20)
        runs = (Scenario(seed=s, operations=4000, duration=0.0, threads=24, mix=mix) for s in range(4))
        found = [event for run in runs for event in events(simulate(run).data)]
        names = {event.name for event in found}
        wanted = {
            f"Flt{verb}{kind}Context" for verb in ("Set", "Get") for kind in ("Volume", "Stream", "File")
        }
        wanted |= {"FltGetContexts", "FltGetContextsEx", "FltReleaseContexts", "FltReleaseContextsEx"}
        wanted |= {"FltDeleteContext", "FltDeleteStreamContext", "FltCreateSectionForDataScan", "ContextUse"}
        wanted |= {"FltGetSectionContext", "FltSetTransactionContext", "FltDeleteStreamHandleContext"}
        assert wanted <= names
        statuses = {event.fields.get("Status") for event in found}
        assert {0, 0xC0000225, 0xC00000BB, 0xC000009A, 0xC01C0002, 0xC01C000B} <= statuses


def cleans(event):
    """Tell whether an event may lie within another call of its thread: what a cleanup callback logs."""
    return event.name == "ContextCleanup" or event.fields.get("Function", "").endswith("ContextCleanup")


class TestRepeatable:
    """What a seed settles."""

    @SOME
    @given(scenarios)
    def test_the_same_scenario_gives_the_same_bytes(self, scenario):
        """File and truth are the same every time."""
        first, second = simulate(scenario), simulate(scenario)
        assert first.data == second.data
        assert first.truth.to_json() == second.truth.to_json()

    def test_another_seed_gives_another_run(self):
        """The seed matters."""
        assert simulate(Scenario(seed=1)).data != simulate(Scenario(seed=2)).data

    @pytest.mark.parametrize("condition", ["lost-events", "lost-buffers", "late-start", "noise", "flush"])
    def test_what_befalls_a_capture_does_not_change_the_run(self, condition):
        """The same calls are made with and without a condition."""
        scenario = Scenario(seed=5)
        hurt = replace(scenario, conditions=frozenset({condition}))
        assert made_lives(simulate(hurt).truth) == made_lives(simulate(scenario).truth)


class TestScenario:
    """What does not fit is refused."""

    @pytest.mark.parametrize(
        "wrong",
        [
            {"faults": (Fault("Z99"),)},
            {"faults": (Fault("L01", "nonsense"),)},
            {"faults": (Fault("L02"),)},
            {"faults": (Fault("L03"),)},
            {"conditions": frozenset({"nonsense"})},
            {"operations": 1},
            {"pointer_size": 5},
            {"processors": 0},
            {"threads": 0},
            {"drivers": 4},
            {"buffer_size": 100},
            {"duration": -1.0},
            {"cut": True},
            {"mix": Mix(shortage=1.0)},
            {"mix": Mix(handles=1.5)},
            {"mix": Mix(read=-1)},
            {"mix": Mix(handles=0.0), "faults": (Fault("L09", "handle"),)},
            {"compressed": True, "conditions": frozenset({"circular"})},
        ],
    )
    def test_parts_that_do_not_fit_are_a_usage_error(self, wrong):
        """The error says what is wrong, before anything runs."""
        with pytest.raises(UsageError):
            simulate(Scenario(**wrong))
