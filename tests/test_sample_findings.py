"""The sample traces are judged as their truth says: the faults found, the sound lives left alone."""

from pathlib import Path

import pytest
from truths import UNSURE, accusations, false_alarms, is_sound, load, sure, sureness, told

from tracecheck.capture import analyse
from tracecheck.cli import main
from tracecheck.etl import plain_rows

DIRECTORY = Path(__file__).resolve().parents[1] / "sample_traces"
NAMES = sorted(path.stem for path in DIRECTORY.glob("*.etl"))
WHOLE = [name for name in NAMES if load(DIRECTORY / f"{name}.json").evidence == "complete"]


@pytest.fixture(scope="module")
def judged():
    """Every sample's truth and analysis, by its name."""
    return {
        name: (load(DIRECTORY / f"{name}.json"), analyse([str(DIRECTORY / f"{name}.etl")])) for name in NAMES
    }


def numbers_of(analysis, finding):
    """Give the first and last sequence number that a finding rests on, from its life's birth on."""
    steps = analysis.steps.to_pydict()
    mine = [
        op
        for life, op in zip(steps["context"], steps["operation"], strict=True)
        if life == finding["context_id"]
    ]
    mine += finding["operations"]
    sequence = analysis.operations.column("sequence").to_pylist()
    # A finding of an unload rests on what it names.
    return sequence[min(mine or finding["operations"])], max(sequence[op] for op in finding["operations"])


@pytest.mark.parametrize("name", WHOLE)
def test_a_fault_is_definite_where_its_rule_is_sound_and_nothing_is_missing(judged, name):
    """With complete evidence a finding is definite; of a heuristic it is possible and no more."""
    truth, analysis = judged[name]
    found = [sureness(fault, accusations(analysis)) for fault in truth.faults]
    assert found == [0 if is_sound(fault) else 2 for fault in truth.faults]


@pytest.mark.parametrize("name", NAMES)
class TestSamples:
    """Each of the directory's captures against the truth beside it."""

    def test_every_fault_is_found_on_its_life(self, judged, name):
        """Each fault has a finding of its rule, or of one that holds as well, on its very life."""
        truth, analysis = judged[name]
        found = plain_rows(analysis.findings)
        assert all(fault.reached for fault in truth.faults)
        assert [fault for fault in truth.faults if sureness(fault, found) == UNSURE] == []

    def test_nothing_is_said_against_sound_lives(self, judged, name):
        """With complete evidence no other life is accused; where something is missing, none surely."""
        truth, analysis = judged[name]
        alarms = false_alarms(truth, analysis)
        assert told(alarms if truth.evidence == "complete" else sure(alarms)) == []

    def test_what_is_sure_has_nothing_missing_in_its_time(self, judged, name):
        """A definite or probable finding rests on events between which none is missing."""
        truth, analysis = judged[name]
        assert told(sure(false_alarms(truth, analysis))) == []
        for finding in sure(accusations(analysis)):
            first, last = numbers_of(analysis, finding)
            gaps = [gap for runs in truth.lost.values() for gap in runs]
            assert [gap for gap in gaps if gap[0] <= last and gap[1] >= first] == []

    def test_of_the_capture_is_said_what_is_so(self, judged, name):
        """M rules speak only where events are missing; a late start gives M01, a loss gives M04."""
        truth, analysis = judged[name]
        rules = set(analysis.findings.column("rule").to_pylist())
        assert {rule for rule in rules if rule[0] == "M"} <= set(truth.capture_rules)
        due = {"late": {"M01"}, "lost": {"M04"}}
        assert due.get(truth.evidence, set()) <= rules

    def test_the_exit_code_tells_the_verdict(self, name, tmp_path):
        """1 for a fault, else 3 where something is missing, else 0: in both formats."""
        truth = load(DIRECTORY / f"{name}.json")
        faults = [fault for fault in truth.faults if fault.rule[0] != "M"]
        due = 1 if faults else 0 if truth.evidence == "complete" else 3
        for form in ("text", "json"):
            file = str(DIRECTORY / f"{name}.etl")
            assert main(["check", file, "--format", form, "--output", str(tmp_path / form)]) == due
