"""Rules about how calls are made, on simulated drivers: found where they are broken, silent where not."""

import random

import pytest
from truths import accusations, false_alarms, play, sure, sureness, told

from tracecheck.etl import plain_rows
from tracecheck.rules import RULES
from tracecheck.simulate import Fault, Scenario
from tracecheck.simulate.conditions import CONDITIONS
from tracecheck.simulate.faults import FAULTS
from tracecheck.simulate.scenario import Mix

MINE = [code for code in FAULTS if code[0] in "AQPX" and code not in ("X04", "A12")]
#: Rules whose finding rests on more than the row at fault.
OF_A_HISTORY = ["Q01", "X03", "X05", "X07"]
BUSY = Mix(network=0.3, early=0.5, late=0.4, inits=1.0, reset=20, paging=0.1, transactions=0.3, uses=0.5)


def run(code, seed, **more):
    """Draw a run with a fault: its ways in turn."""
    ways = list(FAULTS[code].ways)
    fault = Fault(code, ways[seed % len(ways)])
    return Scenario(seed=seed, operations=300, drivers=1 + seed % 2, faults=(fault,), **more)


@pytest.mark.parametrize("code", MINE)
def test_a_fault_is_found_in_every_run(code, tmp_path):
    """In every run: as an error, a warning or a note as it is due, definite where the rule is sound."""
    for seed in range(300, 303):
        truth, analysis = play(run(code, seed, unload=seed % 3 > 0), tmp_path / "fault.etl")
        (fault,) = truth.faults
        found = [row for row in plain_rows(analysis.findings) if row["rule"] == code]
        assert sureness(fault, found) == (0 if RULES[code].sound else 2), seed
        assert told(false_alarms(truth, analysis)) == []


@pytest.mark.parametrize("code", OF_A_HISTORY)
def test_a_history_with_a_gap_proves_nothing(code, tmp_path):
    """Where events of the life are known to be lost, no finding that rests on them is definite."""
    for seed in range(320, 323):
        made = run(code, seed, conditions=frozenset({"late-start"}), buffer_size=4096)
        truth, analysis = play(made, tmp_path / "late.etl")
        (fault,) = truth.faults
        found = [row for row in plain_rows(analysis.findings) if row["rule"] == code]
        assert fault.seen or sureness(fault, found) > 0


@pytest.mark.parametrize("condition", ["", *CONDITIONS])
def test_drivers_that_use_what_is_allowed_are_not_accused(condition, tmp_path):
    """Pre-create, post-close, network query open and paging files, each as a careful driver uses them."""
    for seed in (340, 341):
        conditions = frozenset({condition} if condition else ())
        scenario = Scenario(seed=seed, operations=500, mix=BUSY, conditions=conditions, unload=seed % 2 == 0)
        _, analysis = play(scenario, tmp_path / "sound.etl")
        mine = [row for row in accusations(analysis) if row["rule"] in MINE]
        assert told(mine) == []
        assert told(sure(accusations(analysis))) == []


@pytest.mark.parametrize("seed", range(350, 353))
def test_nor_where_conditions_meet(seed, tmp_path):
    """Several conditions at once change nothing in that."""
    conditions = frozenset(random.Random(seed).sample(sorted(CONDITIONS), 3))
    scenario = Scenario(seed=seed, operations=500, mix=BUSY, conditions=conditions, unload=False, cut=True)
    _, analysis = play(scenario, tmp_path / "hostile.etl")
    assert told([row for row in accusations(analysis) if row["rule"] in MINE]) == []
