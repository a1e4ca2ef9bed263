"""Each rule of releases, sets, gets, deletes and cleanups finds the fault that is injected for it."""

import random

import pytest
from truths import NOTED, UNSURE, accusations, false_alarms, is_sound, life_of, play, sureness, told

from tracecheck.etl import plain_rows
from tracecheck.simulate import Fault, Scenario
from tracecheck.simulate.faults import FAULTS, cleanups, deletes, gets, over_releases, sets

CODES = sorted({**over_releases.FAULTS, **sets.FAULTS, **gets.FAULTS, **deletes.FAULTS, **cleanups.FAULTS})
#: Rules that one event proves: what else was lost takes nothing from them.
OF_ONE_EVENT = {"R08", "R16", "S01", "S03", "S11", "G05"}


def drawn(seed, code, *conditions):
    """Draw a run with a fault of a rule; its ways take turns."""
    draw = random.Random(seed)
    ways = list(FAULTS[code].ways)
    return Scenario(
        seed=seed,
        operations=300,
        threads=draw.choice([2, 6]),
        drivers=draw.choice([1, 2]),
        pointer_size=draw.choice([4, 8]),
        sequence=draw.random() < 0.7,
        returns=True,
        faults=(Fault(code, ways[seed % len(ways)]),),
        conditions=frozenset(conditions),
    )


@pytest.mark.parametrize("code", CODES)
def test_a_fault_is_found_by_its_own_rule(code, tmp_path):
    """In every run: definite where the rule is sound, and no rule accuses its life unforeseen."""
    for seed in range(300, 303):
        truth, analysis = play(drawn(seed, code), tmp_path / "fault.etl")
        (fault,) = truth.faults
        found = [row for row in plain_rows(analysis.findings) if row["context"] is not None]
        mine = [row for row in found if life_of(row) == (fault.context, fault.seen)]
        best = sureness(fault, [row for row in mine if row["rule"] == code])
        if code == "R14":
            # Learnt from the rest of the capture, which may be too short to learn from.
            assert best in (2, UNSURE)
        else:
            assert best == (0 if is_sound(fault) else 0 if code == "G05" else 2), (seed, fault.variant)
        foreseen = {fault.rule, *fault.alternatives}
        assert {row["rule"] for row in mine if row["severity"] != "note"} <= foreseen
        assert told(false_alarms(truth, analysis)) == []
        assert code not in NOTED or told(accusations(analysis)) == []


def test_a_place_that_releases_for_another_is_found_in_longer_runs(tmp_path):
    """R14 finds its fault in each of some runs that are long enough."""
    for seed in range(320, 323):
        run = Scenario(seed=seed, operations=700, faults=(Fault("R14"),))
        truth, analysis = play(run, tmp_path / "fault.etl")
        best = sureness(truth.faults[0], accusations(analysis))
        assert best == 2
        assert told(false_alarms(truth, analysis)) == []


@pytest.mark.parametrize("code", [code for code in CODES if code not in OF_ONE_EVENT | NOTED])
def test_what_is_sure_has_nothing_missing_in_its_time(code, tmp_path):
    """Where events are lost, a definite or probable finding rests on events between which none is missing."""
    for seed in range(330, 333):
        condition = ("lost-events", "lost-buffers")[seed % 2]
        truth, analysis = play(drawn(seed, code, condition), tmp_path / "lost.etl")
        numbers = analysis.operations.column("sequence").to_pylist()
        gaps = [gap for runs in truth.lost.values() for gap in runs]
        for row in accusations(analysis):
            if row["confidence"] == "possible" or row["rule"] in OF_ONE_EVENT or None in numbers:
                continue
            used = [numbers[op] for op in row["operations"]]
            assert [gap for gap in gaps if gap[0] <= max(used) and gap[1] >= min(used)] == []
