"""Whole captures of simulated machines against what the simulator knows to be true."""

import random
from dataclasses import replace

import pytest
from drawn import OPERATIONS, scenario
from truths import (
    NOTED,
    accusations,
    false_alarms,
    is_sound,
    life_of,
    play,
    rows_due,
    rows_of,
    sure,
    sureness,
    told,
)

from tracecheck.etl import plain_rows
from tracecheck.rules import RULES
from tracecheck.simulate import Fault, Scenario
from tracecheck.simulate.conditions import CONDITIONS, EVIDENCE
from tracecheck.simulate.faults import FAULTS
from tracecheck.simulate.scenario import Mix

WHOLE = sorted(set(CONDITIONS) - set(EVIDENCE))
VARIANTS = [(rule, way) for rule in sorted(FAULTS) if rule != "M04" for way in FAULTS[rule].ways]


class TestLives:
    """The contexts table, life by life."""

    @pytest.mark.parametrize("seed", range(12))
    def test_a_whole_capture_gives_every_life_as_it_was(self, seed, tmp_path):
        """With nothing missing: exactly the allocations that there were, with the true counts at the end.

        Only an object that goes away while its context is still referenced is not logged: such a life
        may be shown with a link that it has no longer.
        """
        conditions = WHOLE[2 * seed % len(WHOLE) :][:2]
        truth, analysis = play(scenario(seed, *conditions), tmp_path / "whole.etl")
        found, due = rows_of(analysis), rows_due(truth)
        assert len(found) == len(due) == analysis.contexts.num_rows
        for life, row in due.items():
            shown = found[life]
            unseen = row.owned > 0 and shown.link == 1
            assert shown == (row._replace(link=1) if unseen else row), life

    @pytest.mark.parametrize("seed", range(10, 13))
    def test_a_late_start_changes_no_life_born_after_it(self, seed, tmp_path):
        """Lives whose allocation is in the file are whole; all others are of unknown birth."""
        truth, analysis = play(scenario(seed, "late-start"), tmp_path / "late.etl")
        found, due = rows_of(analysis), rows_due(truth)
        assert found.keys() == due.keys()
        assert [life for life, row in due.items() if found[life] != row and not row.owned] == []
        unknown = {row["pointer"] for row in plain_rows(analysis.contexts) if row["birth"] == "unknown"}
        older = {int(life.context, 16) for life in truth.lives if not life.seen}
        assert unknown
        assert unknown <= older

    @pytest.mark.parametrize("seed", range(20, 23))
    def test_without_cleanup_events_counts_are_true_and_ends_may_be_unseen(self, seed, tmp_path):
        """The driver's references are as they were; what is shown as freed was freed; the rest is open.

        That an object went away is seen only by its cleanup events, or when the address comes back.
        """
        truth, analysis = play(scenario(seed, "no-cleanup"), tmp_path / "blind.etl")
        found, due = rows_of(analysis), rows_due(truth)
        assert found.keys() == due.keys()
        for life, row in due.items():
            shown = found[life]
            assert (shown.context_type, shown.owned) == (row.context_type, row.owned)
            assert shown.freed <= row.freed
            assert shown.link >= row.link
            assert shown.freed or shown.owned or shown.link

    @pytest.mark.parametrize("seed", range(30, 33))
    def test_unlogged_releases_leave_counts_too_high_and_no_life_free_too_early(self, seed, tmp_path):
        """With partial coverage no count is too low, and a life ends with its cleanup and not before."""
        truth, analysis = play(scenario(seed, "partial"), tmp_path / "partial.etl")
        found, due = rows_of(analysis), rows_due(truth)
        assert found.keys() == due.keys()
        for life, row in due.items():
            assert found[life].owned >= row.owned
            assert found[life].freed == row.freed

    @pytest.mark.parametrize("seed", range(40, 44))
    def test_a_cut_capture_lacks_what_was_under_way(self, seed, tmp_path):
        """Where the machine stops in the middle of calls, no count is too high, and what is freed is seen.

        Calls that take references are logged after they are made, those that drop one before.
        """
        truth, analysis = play(scenario(seed, unload=False, cut=True), tmp_path / "cut.etl")
        found, due = rows_of(analysis), rows_due(truth)
        assert found.keys() == due.keys()
        for life, row in due.items():
            assert found[life].owned <= row.owned
            assert found[life].freed >= row.freed

    @pytest.mark.parametrize("condition", ["lost-events", "lost-buffers", "circular"])
    def test_every_allocation_in_the_file_is_a_life(self, condition, tmp_path):
        """Whatever else is missing, each allocation that was logged begins a life of its own."""
        truth, analysis = play(scenario(50, condition, operations=900), tmp_path / "lost.etl")
        assert sum(bool(life.seen) for life in truth.lives) == len(rows_of(analysis))
        assert truth.lost


class TestNoFalseAlarms:
    """Drivers that do nothing wrong."""

    @pytest.mark.parametrize("condition", ["", *CONDITIONS])
    def test_a_sound_driver_is_never_accused_for_sure(self, condition, tmp_path):
        """Under every condition nothing is definite or probable; nothing is said where all is there."""
        conditions = [condition] if condition else []
        for seed in (60, 61, 62):
            truth, analysis = play(scenario(seed, *conditions, unload=seed % 2 == 0), tmp_path / "sound.etl")
            said = accusations(analysis)
            whole = truth.evidence == "complete" and truth.unload == "returned"
            assert told(said if whole else sure(said)) == []
            if whole:
                assert analysis.verdict.word == "clean"

    @pytest.mark.parametrize("seed", range(70, 80))
    def test_nor_where_conditions_meet_and_the_capture_is_cut(self, seed, tmp_path):
        """Nothing is sure either where several things befall a capture that has no end."""
        conditions = random.Random(seed).sample(sorted(CONDITIONS), 3)
        run = scenario(seed, *conditions, unload=False, cut=True)
        truth, analysis = play(run, tmp_path / "hostile.etl")
        assert truth.faults == ()
        assert told(sure(accusations(analysis))) == []


#: Runs of sound drivers that were once accused for sure: why, and the run.
ALARMS = {
    "a get logged long after it was made looks like one of a freed context": Scenario(
        seed=259914830,
        operations=OPERATIONS,
        duration=0.0,
        processors=1,
        threads=32,
        drivers=2,
        begin=False,
        reuse=False,
        detach=False,
        conditions=frozenset({"stalls"}),
    ),
    "a thread that never came back from its call had not leaked what it held": Scenario(
        seed=752420744,
        operations=800,
        duration=60.0,
        processors=2,
        threads=32,
        drivers=3,
        unload=False,
        cut=True,
        nested=False,
        buffer_size=65536,
        faults=(Fault("R04", "use"), Fault("R03", "work")),
        conditions=frozenset({"flush", "no-sequence"}),
    ),
    "what a relay lost it may have lost of calls that were made long before": Scenario(
        seed=54822347,
        operations=1500,
        duration=0.0,
        processors=8,
        threads=4,
        sequence=False,
        buffer_size=4096,
        mix=Mix(
            failures=0, shortage=0, dispatch=0, uses=0.1, nested=0.9, paging=0.9, read=0, dirty=3, reset=30
        ),
        conditions=frozenset({"lost-events", "lean", "relay", "flush", "noise"}),
    ),
    "what lives on when an instance is torn down may hold its context": Scenario(
        seed=4243637,
        operations=300,
        processors=8,
        threads=16,
        drivers=2,
        unload=False,
        cut=True,
        begin=False,
        sequence=False,
        nested=True,
        conditions=frozenset({"no-cleanup"}),
    ),
}


@pytest.mark.parametrize("why", ALARMS)
def test_a_former_false_alarm_is_none(why, tmp_path):
    """What once was told as definite or probable of sound lives is at most possible."""
    truth, analysis = play(ALARMS[why], tmp_path / "alarm.etl")
    assert told(sure(false_alarms(truth, analysis))) == []


class TestFaults:
    """Every rule, and every way to break it."""

    @pytest.mark.parametrize(("rule", "variant"), VARIANTS)
    def test_a_fault_is_found_and_nothing_else(self, rule, variant, tmp_path):
        """With nothing missing each fault is found on its life, and no other life is accused.

        R rules need nothing more to be definite. Leaks need an end: the return of FltUnregisterFilter, or
        for L02 the InstanceTeardownComplete that its variant "instance" has. Without one a release may
        still come: the other variants of L02 are found, and no more is asked. L03 is a heuristic:
        possible, and but a note where FltReferenceContext took the reference, which drivers do for lists.
        What the filter manager refused without harm is noted, and so is what a rule of notes is about.
        """
        loaded = FAULTS[rule].loaded
        for seed in (80, 81):
            run = Scenario(seed=seed, operations=OPERATIONS, unload=not loaded, returns=True)
            truth, analysis = play(replace(run, faults=(Fault(rule, variant),)), tmp_path / "fault.etl")
            (fault,) = truth.faults
            assert told(false_alarms(truth, analysis)) == []
            noted = FAULTS[rule].ways[variant].noted or RULES[rule].severity == "note" or rule in NOTED
            noted = noted or (rule, variant) == ("L03", "reference") or rule == "A12"
            best = sureness(fault, plain_rows(analysis.findings) if noted else accusations(analysis))
            assert best == 0 if is_sound(fault) and (not loaded or variant == "instance") else best <= 2

    @pytest.mark.parametrize("variant", FAULTS["L09"].ways)
    def test_an_unload_that_hangs_shows_its_leak(self, variant, tmp_path):
        """Where FltUnregisterFilter waits for ever the leak is found, and no other life is accused.

        It is definite unless references that were taken like it are held for as long as others live: then
        the unload may only have been slow.
        """
        run = Scenario(seed=82, operations=OPERATIONS, faults=(Fault("L09", variant),))
        truth, analysis = play(run, tmp_path / "unload.etl")
        assert truth.unload == "hung"
        assert told(false_alarms(truth, analysis)) == []
        best = sureness(truth.faults[0], accusations(analysis))
        assert best == 0 if variant in {"stream", "handle"} else best <= 2

    @pytest.mark.parametrize(("rule", "variant"), [one for one in VARIANTS if one[0][0] == "R"])
    def test_order_alone_makes_no_fault_and_hides_none(self, rule, variant, tmp_path):
        """With long interruptions and no begin of calls each fault is found, and no other life accused."""
        run = Scenario(seed=83, operations=OPERATIONS, begin=False, threads=12)
        run = replace(run, faults=(Fault(rule, variant),), conditions=frozenset({"stalls"}))
        truth, analysis = play(run, tmp_path / "slow.etl")
        assert told(false_alarms(truth, analysis)) == []
        assert sureness(truth.faults[0], accusations(analysis)) <= 2


SAME = Scenario(
    seed=90,
    operations=700,
    returns=True,
    faults=(Fault("L09"), Fault("R01"), Fault("R03"), Fault("R04"), Fault("L01", "orphan")),
)


def found_in(run, path):
    """Give what is found of a run: rule, place of the life among all lives, confidence."""
    truth, analysis = play(run, path)
    place = {(life.context, life.seen): number for number, life in enumerate(truth.lives)}
    return {(row["rule"], place[life_of(row)], row["confidence"]) for row in accusations(analysis)}


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """What is found of the run as it is."""
    return found_in(SAME, tmp_path_factory.mktemp("plain") / "plain.etl")


class TestSameRun:
    """What a driver did is found the same however it was written down."""

    def test_the_faults_are_found(self, plain):
        """What the forms are compared by are five definite faults."""
        sure_ = {rule for rule, _, confidence in plain if confidence == "definite"}
        assert {"L01", "L09", "R01", "R03", "R04"} <= sure_

    @pytest.mark.parametrize(
        "change",
        [
            {"sequence": False},
            {"compressed": True},
            {"pointer_size": 4},
            {"buffer_size": 4096},
            *({"conditions": frozenset({name})} for name in ("wide", "noise", "flush", "relay", "lean")),
        ],
        ids=str,
    )
    def test_the_findings_do_not_depend_on_the_form(self, plain, change, tmp_path):
        """Numbers, compression, pointers, buffers and texts change no finding."""
        assert found_in(replace(SAME, **change), tmp_path / "form.etl") == plain

    def test_without_begin_a_finding_may_be_less_sure(self, plain, tmp_path):
        """Where it is not logged when calls began, the same is found, if with less confidence."""
        found = found_in(replace(SAME, begin=False), tmp_path / "form.etl")
        assert {finding[:2] for finding in found} == {finding[:2] for finding in plain}
