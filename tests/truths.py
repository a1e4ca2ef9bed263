"""Holding an analysis against the simulator's truth: whose fault a finding is, and what a life must be."""

import json
from typing import NamedTuple

from tracecheck.capture import analyse
from tracecheck.etl import plain_rows
from tracecheck.rules import RULES
from tracecheck.simulate import simulate
from tracecheck.simulate.objects import TYPE_NAMES
from tracecheck.simulate.truth import PER_STREAM, BlockLife, FaultTruth, Life, Truth

TYPES = {name: kind for kind, name in TYPE_NAMES.items()}
UNSURE = 3
#: Rules whose faults are noted and no more: they may be meant, or prove a hole in the capture and no bug.
NOTED = frozenset({"D02", "D05", "E05", "G03", "G04", "S06", "S07", "S10"})
SURENESS = {"definite": 0, "probable": 1, "possible": 2}


class Row(NamedTuple):
    """What of a life both the contexts table and the truth tell."""

    context_type: int
    owned: int
    link: int
    freed: bool


def play(scenario, path):
    """Simulate, write, read and judge a capture: its truth and its analysis."""
    made = simulate(scenario)
    made.write(path)
    return made.truth, analyse([str(path)])


def load(path):
    """Read a truth that was written as JSON."""
    written = json.loads(path.read_text("utf-8"))
    written["lives"] = tuple(Life(**life) for life in written["lives"])
    written["blocks"] = tuple(BlockLife(**block) for block in written.get("blocks", ()))
    written["faults"] = tuple(
        FaultTruth(**{**fault, "alternatives": tuple(fault["alternatives"])}) for fault in written["faults"]
    )
    return Truth(**{name: value for name, value in written.items() if name != "version"})


def accusations(analysis):
    """List the findings that are errors or warnings."""
    return [row for row in plain_rows(analysis.findings) if row["severity"] != "note"]


def life_of(finding):
    """Name the life that a finding is about: its address and which allocation of it in the file it was.

    NULL, a pointer that was never allocated, and a block of a legacy context have the number 0.
    """
    return f"{finding['context'] or 0:#x}", finding["generation"] or 0


def life_at_fault(fault):
    """Name the life of a fault as findings name it."""
    return fault.context, 0 if fault.context_type == PER_STREAM else fault.seen


def guilty(truth):
    """Name the lives that something may be said against: those of the faults, and what they kept alive."""
    seen = {(life.context, life.generation): life.seen for life in truth.lives}
    mine = {life_at_fault(fault) for fault in truth.faults}
    kept = [(one["context"], one["generation"]) for fault in truth.faults for one in fault.consequences]
    # An unload that hangs is told of once, of no context.
    hung = {("0x0", 0)} if truth.unload == "hung" and truth.faults else set()
    return mine | hung | {(context, seen[context, generation]) for context, generation in kept}


def is_about(finding, fault):
    """Tell whether a finding is of a fault: of its life, or by a rule of it of no life at all."""
    if finding["context"] is None and finding["rule"] in {fault.rule, *fault.alternatives}:
        return True
    return life_of(finding) == life_at_fault(fault)


def false_alarms(truth, analysis):
    """List the errors and warnings against lives with which nothing is wrong, and of captures as a whole.

    That an unload hangs which did hang is none: a fault made it.
    """
    lives = guilty(truth)
    return [
        row
        for row in accusations(analysis)
        if life_of(row) not in lives
        and not any(is_about(row, fault) for fault in truth.faults)
        and not (row["rule"] == "E02" and truth.unload == "hung" and truth.faults)
    ]


def sure(findings):
    """Keep the findings that are definite or probable."""
    return [row for row in findings if row["confidence"] != "possible"]


def told(findings):
    """Say in few words what findings are, for the message of a failed test."""
    return [(row["rule"], row["confidence"], *life_of(row), row["message"]) for row in findings]


def sureness(fault, findings):
    """Give the best confidence with which a fault was found: 0 definite to 2 possible, UNSURE not at all.

    A finding counts on the fault's own life, with its rule or one that holds as well.
    """
    rules = {fault.rule, *fault.alternatives}
    mine = [row for row in findings if row["rule"] in rules and is_about(row, fault)]
    return min((SURENESS[row["confidence"]] for row in mine), default=UNSURE)


def is_sound(fault):
    """Tell whether a finding of the fault's rule is always a bug, where all it needs was logged."""
    return RULES[fault.rule].sound and fault.rule not in NOTED


def rows_of(analysis):
    """Give the lives of known birth by address and generation."""
    return {
        (f"{row['pointer']:#x}", row["generation"]): Row(
            row["context_type"], row["owned"], row["link"], row["end"] == "freed"
        )
        for row in plain_rows(analysis.contexts)
        if row["birth"] == "allocated"
    }


def rows_due(truth):
    """Give the lives whose allocation is in the file, as the simulator knows them."""
    return {
        (life.context, life.seen): Row(TYPES[life.context_type], life.owned, life.link, life.freed)
        for life in truth.lives
        if life.seen
    }
