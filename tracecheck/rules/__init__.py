"""Rules: contexts and steps to findings, each with how sure it is."""

from tracecheck.rules import (
    allocation,
    initialisation,
    irql,
    leaks,
    positions,
    quality,
    registration,
    releases,
    sections,
)
from tracecheck.rules.judge import Judgement, judge, signature
from tracecheck.rules.registry import RULES, Candidate, Rule
from tracecheck.rules.table import FINDINGS

# Importing a family enters its rules into RULES.
FAMILIES = (
    leaks,
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
