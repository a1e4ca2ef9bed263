"""Rules: contexts and steps to findings, each with how sure it is."""

from tracecheck.rules import (
    cleanups,
    deletes,
    gets,
    leaks,
    ledgers,
    over_releases,
    quality,
    releases,
    sets,
    strangers,
)
from tracecheck.rules.judge import Judgement, judge, signature
from tracecheck.rules.registry import RULES, Candidate, Rule
from tracecheck.rules.table import FINDINGS

# Importing a family enters its rules into RULES.
FAMILIES = (leaks, releases, over_releases, strangers, ledgers, sets, gets, deletes, cleanups, quality)

__all__ = ["FAMILIES", "FINDINGS", "RULES", "Candidate", "Judgement", "Rule", "judge", "signature"]
