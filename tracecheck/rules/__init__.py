"""Rules: contexts and steps to findings, each with how sure it is."""

from tracecheck.rules import (
    allocation,
    cleanups,
    cycles,
    deletes,
    gets,
    growth,
    hand_over,
    initialisation,
    irql,
    leak_causes,
    leaks,
    ledgers,
    legacy,
    lost_race,
    open_sections,
    over_releases,
    positions,
    quality,
    registration,
    releases,
    sections,
    sets,
    strangers,
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
    over_releases,
    strangers,
    ledgers,
    sets,
    gets,
    deletes,
    cleanups,
    allocation,
    registration,
    initialisation,
    irql,
    positions,
    sections,
    legacy,
    quality,
)

__all__ = ["FAMILIES", "FINDINGS", "RULES", "Candidate", "Judgement", "Rule", "judge", "signature"]
