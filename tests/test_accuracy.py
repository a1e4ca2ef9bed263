"""A small run of the accuracy table: the bars that every rule has to pass."""

import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"
sys.path.append(str(BENCHMARKS))
import accuracy  # noqa: E402
from accuracy_runs import COMPLETE, EVERY, SURE, injectable  # noqa: E402
from truths import NOTED  # noqa: E402

from tracecheck.rules import RULES  # noqa: E402
from tracecheck.simulate.faults import FAULTS  # noqa: E402

#: Found as definite by one of their ways only: see TestFaults in test_simulated_truth.
UNENDING = {code for code in FAULTS if FAULTS[code].loaded}


@pytest.fixture(scope="module")
def tallies():
    """Three runs of each rule with everything logged, and some without a fault under each condition."""
    return accuracy.measure(injectable(), 3, 0, 20, 1)


@pytest.mark.parametrize("condition", EVERY)
def test_no_faultless_run_is_accused_for_sure(tallies, condition):
    """No error is definite or probable where nothing is wrong, whatever befell the capture."""
    tally = tallies["", condition]
    assert [tally.alarms[kind] for kind in SURE] == [0, 0], tally.examples


@pytest.mark.parametrize("rule", injectable())
def test_each_fault_is_found(tallies, rule):
    """With everything logged a sound rule's fault is definite, and nothing else is said."""
    tally = tallies[rule, COMPLETE]
    assert not tally.alarms, tally.examples
    assert not tally.overstated, tally.examples
    if RULES[rule].sound and rule not in UNENDING | NOTED:
        assert tally.found["definite"] == tally.runs, tally.examples


def test_the_page_has_a_line_for_each_rule_and_condition(tallies):
    """The page names every rule and every condition."""
    text = accuracy.page(injectable(), tallies, "command")
    assert all(f"| {name} |" in text for name in (*injectable(), *EVERY))
