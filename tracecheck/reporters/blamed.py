"""Who is to blame for a finding, as reports tell it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tracecheck.reporters.common import rows
from tracecheck.rules.registry import RULES

if TYPE_CHECKING:
    from tracecheck.capture import Analysis
    from tracecheck.reporters.lookup import Row


def blamed(analysis: Analysis) -> dict[int, Row]:
    """Give the blame of each finding that has one, by its row in the findings table.

    Args:
        analysis: What was found. Blame is worked out only where there is a finding that can have one.
    """
    codes = analysis.findings.column("rule").unique().to_pylist()
    if not any(code in RULES and RULES[code].family for code in codes):
        return {}
    return {row["finding"]: row for row in rows(analysis.blame)}


def blame_object(blame: Row | None) -> dict[str, Any] | None:
    """Give a blame as JSON has it; None where nobody is to blame."""
    if blame is None:
        return None
    names = ("kind", "operation", "routine", "function", "site", "confidence", "reasons", "alike", "text")
    return {name: blame[name] for name in names}
