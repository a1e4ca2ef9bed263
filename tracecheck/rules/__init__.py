"""Rules: contexts and steps to findings, each with how sure it is."""

from tracecheck.rules import (
    allocation,
    cycles,
    growth,
    hand_over,
    initialisation,
    irql,
    leak_causes,
    leaks,
    lost_race,
    open_sections,
    positions,
    quality,
    registration,
    releases,
    sections,
    teardown,
)
from tracecheck.rules.judge import Judgement, judge, signature
from tracecheck.rules.registry import RULES, Candidate, Rule
from tracecheck.rules.table import FINDINGS

# Importing a family enters its rules into RULES.
FAMILIES = (
    leaks,
    leak_causes,
    hand_over,
    growth,
    cycles,
    lost_race,
    open_sections,
    teardown,
    releases,
    quality,
    allocation,
    registration,
    initialisation,
    irql,
    positions,
    sections,
)

__all__ = ["FAMILIES", "FINDINGS", "RULES", "Candidate", "Judgement", "Rule", "judge", "signature"]
