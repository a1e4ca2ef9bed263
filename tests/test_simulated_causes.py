"""The causes of leaks, and what outlives what, in whole captures of simulated machines."""

import random

import pytest
from test_simulated_truth import scenario
from truths import accusations, false_alarms, life_of, play, told

from tracecheck.etl import plain_rows
from tracecheck.rules import RULES
from tracecheck.simulate import Fault, Scenario
from tracecheck.simulate.conditions import CONDITIONS
from tracecheck.simulate.faults import FAULTS

ON_LIVES = [
    "L04",
    "L05",
    "L06",
    "L07",
    "L08",
    "L10",
    "L11",
    "L12",
    "L13",
    "L14",
    "L15",
    "L16",
    "L17",
    "L20",
    "L21",
]
ON_LIVES += ["X04", "T02", "E03"]
OF_CAPTURES = ["L19", "E02"]
#: Those that a driver which does nothing wrong never brings up where all is logged, not even as possible.
QUIET = {*ON_LIVES, *OF_CAPTURES}
SEEDS = range(300, 303)
WAYS = [(code, variant) for code in [*ON_LIVES, *OF_CAPTURES] for variant in FAULTS[code].ways]
#: Most runs show that the transaction is over; in some its address does not come back, and it is possible.
MOSTLY = {"T02"}


def run(seed, code, variant, **more):
    """A run with one fault; an unload that hangs only for the rule about that."""
    drawn = {"operations": 300, "threads": (2, 6, 12)[seed % 3], "drivers": 1 + seed % 2}
    unload = not FAULTS[code].loaded
    drawn |= {"seed": seed, "unload": unload, "returns": code != "E02", "faults": (Fault(code, variant),)}
    return Scenario(**(drawn | more))


@pytest.mark.parametrize(("code", "variant"), WAYS)
def test_each_is_found_by_its_own_rule(code, variant, tmp_path):
    """In every run, definite if the rule is sound, and nothing else is said of any other life.

    What is said of the faulty life are rules that the truth names.
    """
    sureness = set()
    for seed in SEEDS:
        truth, analysis = play(run(seed, code, variant), tmp_path / "cause.etl")
        (fault,) = truth.faults
        assert told(false_alarms(truth, analysis)) == []
        mine = [row for row in accusations(analysis) if life_of(row) == (fault.context, fault.seen)]
        assert {row["rule"] for row in mine} <= {code, *fault.alternatives}
        every = plain_rows(analysis.findings) if code in OF_CAPTURES else mine
        (found,) = [row for row in every if row["rule"] == code]
        sureness.add(found["confidence"])
    due = {"definite"} if RULES[code].sound else {"possible"}
    assert sureness - {"possible"} == due if code in MOSTLY else sureness == due


@pytest.mark.parametrize(("code", "variant"), WAYS)
def test_none_is_sure_where_evidence_was_lost(code, variant, tmp_path):
    """With events lost all over the run a finding is possible at most, on whatever life; L17 too."""
    for seed in (320, 321):
        conditions = frozenset({"lost-buffers" if seed % 2 else "lost-events"})
        truth, analysis = play(run(seed, code, variant, conditions=conditions), tmp_path / "lost.etl")
        alarms = [row for row in false_alarms(truth, analysis) if row["rule"] in QUIET]
        assert told([row for row in alarms if row["confidence"] != "possible"]) == []


@pytest.mark.parametrize("condition", ["", *CONDITIONS])
def test_a_sound_driver_has_no_cause_of_a_leak(condition, tmp_path):
    """Under no condition is one of these rules sure; where all is logged to the end none speaks at all."""
    for seed in (330, 331, 332):
        conditions = [condition] if condition else []
        truth, analysis = play(scenario(seed, *conditions, unload=seed % 2 == 0), tmp_path / "sound.etl")
        said = [
            row for row in plain_rows(analysis.findings) if row["rule"] in QUIET and row["severity"] != "note"
        ]
        whole = truth.evidence == "complete"
        assert told_of(said if whole else [row for row in said if row["confidence"] != "possible"]) == []


@pytest.mark.parametrize("seed", range(340, 344))
def test_nor_where_the_capture_is_cut(seed, tmp_path):
    """In a capture that stops in the middle, an unload in it too, nothing is sure; no heuristic speaks."""
    conditions = random.Random(seed).sample(sorted(CONDITIONS), 2)
    run_ = scenario(seed, *conditions, unload=False, cut=True)
    _, analysis = play(run_, tmp_path / "cut.etl")
    said = [row for row in plain_rows(analysis.findings) if row["rule"] in QUIET]
    assert told_of([row for row in said if row["confidence"] != "possible"]) == []
    assert {row["rule"] for row in said} & {"L17", "L19", "L20", "L21", "E02"} == set()


def told_of(rows):
    """Say in few words what findings are, those of no context too."""
    return [(row["rule"], row["confidence"], row["message"]) for row in rows]
