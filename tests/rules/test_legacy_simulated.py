"""Rules on legacy per-stream contexts against what the simulator knows to be true."""

import random

import pytest
from truths import accusations, false_alarms, play, sure, sureness, told

from tracecheck.rules import RULES
from tracecheck.simulate import Fault, Mix, Scenario
from tracecheck.simulate.conditions import CONDITIONS, EVIDENCE
from tracecheck.simulate.faults import FAULTS

WAYS = [(code, way) for code, rule in FAULTS.items() if rule.legacy for way in rule.ways]
SEEDS = range(3)
MIXES = (
    Mix(legacy=0.9, uses=1.0),
    Mix(legacy=1.0, failures=0.3, paging=0.1),
    Mix(legacy=0.5, handles=0.0, files=0.0),
)
LOSSY = sorted(EVIDENCE)
WHOLE = sorted(set(CONDITIONS) - set(EVIDENCE))


def run(seed, *conditions, **more):
    """Draw a run with a legacy filter: the same seed gives the same one."""
    draw = random.Random(f"{seed} {conditions}")
    unload = draw.random() < 0.5
    drawn = {
        "operations": 300,
        "duration": draw.choice([0.0, 1.0, 10.0]),
        "processors": draw.choice([1, 2, 8]),
        "threads": draw.choice([2, 6, 24]),
        "pointer_size": draw.choice([4, 8]),
        "begin": draw.random() < 0.6,
        "sequence": draw.random() < 0.7,
        "unload": unload,
        "cut": not unload and draw.random() < 0.5,
        "mix": draw.choice(MIXES),
    }
    return Scenario(seed=seed, conditions=frozenset(conditions), **(drawn | more))


class TestFaults:
    """Every rule of the family, and every way to break it."""

    @pytest.mark.parametrize(("code", "way"), WAYS)
    def test_each_is_found_and_nothing_else(self, code, way, tmp_path):
        """In every run a sound rule's fault is definite, a heuristic's found; no other life is accused.

        It makes no difference whether it is logged when calls began.
        """
        for seed in SEEDS:
            scenario = Scenario(
                seed=seed, operations=300, returns=True, begin=seed % 2 == 0, faults=(Fault(code, way),)
            )
            truth, analysis = play(scenario, tmp_path / "fault.etl")
            assert told(false_alarms(truth, analysis)) == []
            (fault,) = truth.faults
            best = sureness(fault, accusations(analysis))
            assert best == 0 if RULES[code].sound else best <= 2, seed
            rules = {row["rule"] for row in accusations(analysis)}
            assert rules <= {code, *fault.alternatives}

    @pytest.mark.parametrize("condition", LOSSY)
    def test_none_is_false_where_evidence_is_missing(self, condition, tmp_path):
        """With events missing, nothing is definite or probable but on the block at fault."""
        for seed, (code, way) in enumerate(WAYS[len(condition) % 3 :: 3]):
            scenario = run(seed, condition, unload=True, cut=False, returns=True, faults=(Fault(code, way),))
            truth, analysis = play(scenario, tmp_path / "lossy.etl")
            assert told(sure(false_alarms(truth, analysis))) == []

    @pytest.mark.parametrize(("code", "way"), [way for way in WAYS if way[0] in ("F07", "F08", "F09")])
    def test_a_leak_is_not_judged_where_frees_are_not_logged(self, code, way, tmp_path):
        """What was freed cannot be told from what was not: nothing is said of it, but why."""
        scenario = run(
            5, "partial", unload=True, cut=False, returns=True, faults=(Fault(code, way),), operations=400
        )
        _, analysis = play(scenario, tmp_path / "partial.etl")
        rules = {row["rule"] for row in accusations(analysis)}
        assert not rules & {"F07", "F08", "F09", "F10"}
        assert any("ExFreePoolWithTag is not logged completely" in why for why in analysis.verdict.reasons)


class TestNoFalseAlarms:
    """A legacy filter that does nothing wrong."""

    @pytest.mark.parametrize("condition", ["", *WHOLE])
    def test_nothing_is_said_where_nothing_is_missing(self, condition, tmp_path):
        """No error or warning of the family, however the capture was made."""
        for seed in range(2):
            scenario = run(seed, *([condition] if condition else []))
            _, analysis = play(scenario, tmp_path / "sound.etl")
            mine = [row for row in accusations(analysis) if row["rule"].startswith("F")]
            assert told(mine) == []

    @pytest.mark.parametrize("condition", LOSSY)
    def test_nothing_is_sure_where_something_is(self, condition, tmp_path):
        """Lost events, a late start and partial coverage make no fault that is more than possible."""
        for seed in (2, 4):  # both were false alarms with clocks that differ
            other = random.Random(seed).choice(sorted(CONDITIONS))
            _, analysis = play(run(seed, condition, other), tmp_path / "sound.etl")
            assert told(sure(accusations(analysis))) == []
