"""Injected faults: what is logged, what the truth says of it, and that nothing else is touched."""

from dataclasses import replace
from types import ModuleType

import pytest
from test_simulate_runs import tally
from written import events

from tracecheck.simulate import Fault, Scenario, faults, simulate
from tracecheck.simulate.conditions import START_NANOSECONDS, START_TICK
from tracecheck.simulate.faults import FAULTS, culprits
from tracecheck.simulate.truth import PER_STREAM

WAYS = [(code, variant) for code, rule in FAULTS.items() for variant in rule.ways]
LEAKS = [(code, variant) for code, variant in WAYS if FAULTS[code].leak]
MISUSES = [(code, variant) for code, variant in WAYS if code.startswith("R")]
LOADED = tuple(code for code, rule in FAULTS.items() if rule.loaded)
#: Faults whose releases and acquires do not balance in the log.
UNEVEN = {"R01", "R02", "R06", "R07", "R09", "R11", "R12"}
#: Faults of calls that are given NULL, or what is no context.
LIFELESS = {("G01", "null"), ("G01", "reference"), ("G02", "member"), ("D07", "null"), ("S11", "null")}
LIFELESS |= {("R07", "stranger"), ("R08", "release"), ("R08", "reference"), ("R08", "delete")}
LIFELESS |= {("R09", "null"), ("R11", "null")}


def run(code, variant="", **more):
    """Simulate one fault."""
    return simulate(Scenario(faults=(Fault(code, variant),), unload=code not in LOADED, **more))


def test_each_call_site_of_a_fault_has_a_name_of_its_own():
    """No family of faults overwrites another's call sites where they are put together."""
    families = [module for module in vars(faults).values() if isinstance(module, ModuleType)]
    named = [
        key for family in families if family is not faults.legacy for key in getattr(family, "SITES", ())
    ]
    assert len(named) == len(set(named)) == len(faults.FAULT_SITES)


class TestEveryFault:
    """What holds for all of them."""

    @pytest.mark.parametrize(("code", "variant"), WAYS)
    @pytest.mark.parametrize("seed", [1, 2])
    def test_the_truth_points_at_an_event_of_the_file(self, code, variant, seed):
        """Time, thread, routine, call site and context of the truth are those of the event it names."""
        made = run(code, variant, seed=seed, operations=500, drivers=seed)
        (fault,) = made.truth.faults
        assert (fault.rule, fault.variant, fault.reached) == (code, variant, True)
        (event,) = [e for e in events(made.data) if e.fields["Sequence"] == fault.sequence]
        assert (event.name, event.pid, event.tid) == (fault.routine, fault.process, fault.thread)
        assert (event.fields["Function"], event.fields["Line"]) == (fault.function, fault.line)
        assert START_NANOSECONDS + (event.tick - START_TICK) * 100 == fault.time
        if fault.context == "0x0":
            assert (fault.generation, fault.seen) == (0, 0)
            return
        pointers = {hex(value) for value in event.fields.values() if isinstance(value, int)}
        # A teardown names its stream alone.
        assert fault.context in pointers or code == "F24"
        lives = made.truth.blocks if FAULTS[code].legacy else made.truth.lives
        named = [x for x in lives if (x.context, x.seen) == (fault.context, fault.seen)]
        if (code, variant) in LIFELESS:
            assert (named, fault.generation, fault.seen) == ([], 0, 0)
        else:
            assert named[0].generation == fault.generation
            assert getattr(named[0], "context_type", PER_STREAM) == fault.context_type

    def test_several_faults_come_one_after_the_other(self):
        """Each of several faults is made, as often as it is asked for."""
        faults = (Fault("R01"), Fault("R02", occurrences=2), Fault("L09"), Fault("R03", at=0.7))
        truth = simulate(Scenario(operations=2000, faults=faults)).truth
        assert sorted(fault.rule for fault in truth.faults) == ["L09", "R01", "R02", "R02", "R03"]
        assert len({(fault.context, fault.generation) for fault in truth.faults}) == 5

    def test_a_fault_of_the_capture_brings_its_condition(self):
        """M01 is a late start: the capture's beginning is not there."""
        made = simulate(Scenario(faults=(Fault("M01"),)))
        assert made.truth.evidence == "late"
        assert any(life.seen == 0 for life in made.truth.lives)


class TestLeaks:
    """References that stay out."""

    @pytest.mark.parametrize(("code", "variant"), LEAKS)
    def test_only_the_leaked_life_is_not_freed(self, code, variant):
        """At the end just the faulty life, and what it keeps or leaks with it, has a reference out."""
        truth = run(code, variant, operations=600).truth
        (fault,) = truth.faults
        out = {(life.context, life.generation): life.owned - life.stored for life in truth.lives}
        leaked = {life for life, owned in out.items() if owned}
        mine = (fault.context, fault.generation)
        assert mine in leaked <= {mine, *((one["context"], one["generation"]) for one in fault.consequences)}
        assert len(leaked) == {"L19": 40, "L20": 2}.get(code, 1)
        assert {out[life] for life in leaked} == {1}

    @pytest.mark.parametrize(("code", "variant"), [way for way in LEAKS if way[0] not in LOADED])
    @pytest.mark.parametrize("returns", [False, True])
    def test_an_unload_waits_for_the_reference(self, code, variant, returns):
        """FltUnregisterFilter never returns, unless it is to return anyway."""
        made = run(code, variant, operations=600, returns=returns)
        phases = [e.fields["Phase"] for e in events(made.data) if e.name == "FltUnregisterFilter"]
        assert phases == ([1, 2] if returns else [1])
        assert made.truth.unload == ("returned" if returns else "hung")

    def test_a_hanging_unload_does_not_keep_other_drivers(self):
        """The leak of one driver leaves the other's unload alone."""
        truth = run("L01", drivers=2).truth
        assert truth.unload == "hung"
        assert sum(not life.freed for life in truth.lives) == 1 + sum(
            len(fault.consequences) for fault in truth.faults
        )

    def test_what_a_leaked_context_keeps_is_named(self):
        """A reference that a leaked context holds on another one is a consequence, not another fault."""
        made = next(
            found
            for seed in range(100)
            for found in [run("L01", "reference", seed=seed, operations=400)]
            if found.truth.faults[0].consequences
        )
        (kept,) = made.truth.faults[0].consequences
        life = next(x for x in made.truth.lives if x.context == kept["context"] and not x.freed)
        assert (life.context_type, life.owned, life.stored) == ("instance", 1, 1)

    @pytest.mark.parametrize("variant", FAULTS["L02"].ways)
    def test_the_object_goes_before_the_capture_ends(self, variant):
        """The leaked life of L02 has no link at the end, and its instance or address has another user."""
        made = run("L02", variant)
        (fault,) = made.truth.faults
        life = next(
            x for x in made.truth.lives if (x.context, x.generation) == (fault.context, fault.generation)
        )
        assert (life.owned, life.link) == (1, 0)
        later = [e for e in events(made.data) if e.fields["Sequence"] > fault.sequence]
        if variant == "instance":
            assert "InstanceTeardownComplete" in {event.name for event in later}
        else:
            place = "Stream" if variant == "stream" else "FileObject"
            taken = next(e for e in events(made.data) if e.fields["Sequence"] == fault.sequence - 1)
            again = [e for e in later if e.name.startswith("FltSet") and e.fields.get(place)]
            assert variant == "handle" or taken.fields[place] in {e.fields[place] for e in again}


class TestMisuse:
    """Releases too many, and uses after the release."""

    @pytest.mark.parametrize(("code", "variant"), MISUSES)
    def test_the_counts_of_the_others_stay_true(self, code, variant):
        """Only the faulty life's logged releases and acquires differ from its true counts, if any do."""
        made = run(code, variant, operations=600)
        (fault,) = made.truth.faults
        owned = tally(events(made.data))
        assert all(life.freed for life in made.truth.lives)
        wrong = {life for life, count in owned.items() if count}
        assert wrong <= {(fault.context, fault.generation)}
        assert bool(wrong) == (code in UNEVEN or (code, variant) == ("R08", "release"))

    @pytest.mark.parametrize(("code", "variant"), MISUSES)
    def test_no_other_thread_touches_the_life(self, code, variant):
        """Every event of the faulty life up to the fault is of the fault's own thread, or of its worker.

        Only the faults whose culprit is to be found among others are made on files that others use.
        The fault of R13 is on the volume's context, of which there is but one.
        """
        made = run(code, variant, operations=600)
        (fault,) = made.truth.faults
        generation, threads = 0, set()
        for event in events(made.data):
            if fault.context not in {hex(v) for v in event.fields.values() if isinstance(v, int)}:
                continue
            generation += event.name == "FltAllocateContext"
            if generation == fault.generation and event.fields["Sequence"] <= fault.sequence:
                threads.add(event.tid)
        shared = (
            code in ("R03", "R13") or (code, variant) in LIFELESS or variant in culprits.WAYS.get(code, {})
        )
        assert len(threads) == 1 or shared

    @pytest.mark.parametrize("code", ["R01", "R02", "R03"])
    def test_a_bug_check_ends_the_capture(self, code):
        """With bug checks the fault's event is the last one."""
        made = run(code, bugcheck=True)
        (fault,) = made.truth.faults
        assert events(made.data)[-1].fields["Sequence"] == fault.sequence == made.truth.logged


class TestContradictions:
    """Traces that contradict themselves."""

    @pytest.mark.parametrize("variant", FAULTS["M04"].ways)
    def test_an_address_is_allocated_again_while_its_life_seems_to_last(self, variant):
        """Of the faulty life only the allocation is in the file; lost events are counted, others are not."""
        made = run("M04", variant)
        (fault,) = made.truth.faults
        assert bool(made.truth.lost) == (variant == "lost")
        names = [e.name for e in events(made.data) if hex(e.fields.get("Context", 0)) == fault.context]
        at = [place for place, name in enumerate(names) if name == "FltAllocateContext"]
        assert at[fault.seen] == at[fault.seen - 1] + 1

    def test_the_same_calls_are_made_with_and_without_the_gap(self):
        """Both variants are one run; they differ in what became of the events."""
        scenario = Scenario(faults=(Fault("M04", "lost"),))
        other = replace(scenario, faults=(Fault("M04", "unhooked"),))
        assert simulate(scenario).truth.lives == simulate(other).truth.lives
