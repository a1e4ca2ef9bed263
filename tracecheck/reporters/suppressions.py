"""`check --generate-suppressions`: an entry of a suppression file for each cause that was found."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracecheck.fltmgr import CONTEXT_TYPES
from tracecheck.reporters.common import clean, count
from tracecheck.reporters.lookup import Lookup, Row, ordered

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tracecheck.capture import Analysis


def render(analysis: Analysis) -> Iterator[str]:
    """Write suppressions for a user to keep the ones that are meant, with a reason for each.

    Notes get none: they fail no run.

    Args:
        analysis: What `check` found.

    Yields:
        Lines with their line ends, in the form that :mod:`tracecheck.triage.suppressions` reads.
    """
    findings = [finding for finding in ordered(analysis.findings) if finding["severity"] != "note"]
    lookup = Lookup(analysis)
    operations = lookup.operations(finding["operations"][0] for finding in findings if finding["operations"])
    groups: dict[tuple[int, str], list[Row]] = {}
    for finding in findings:
        function = operations[finding["operations"][0]]["function"] if finding["operations"] else None
        site = function if function and function.strip() == function else ""
        # Without a site to name, each signature is a cause of its own.
        groups.setdefault((finding["context_type"], site or finding["signature"]), []).append(finding)
    yield "# Keep what is meant to be so, and say why; delete the rest.\n"
    for (kind, where), group in groups.items():
        yield "\n"
        by_rule = {finding["rule"]: finding for finding in reversed(group)}
        for rule, first in sorted(by_rule.items()):
            number = sum(finding["rule"] == rule for finding in group)
            yield f"# {count(number, 'finding')} {rule}, {first['confidence']}: {clean(first['message'])}\n"
        yield "{\n   reason: <say here why this may stay>\n"
        yield f"   rule: {', '.join(sorted(by_rule))}\n"
        if kind in CONTEXT_TYPES:
            yield f"   type: {CONTEXT_TYPES[kind]}\n"
        if where == group[0]["signature"]:
            yield f"   signature: {where}\n"
        else:
            yield f"   site: {_pattern(where)}\n"
        yield "}\n"


def _pattern(name: str) -> str:
    """Write a name as a pattern: what a line cannot hold, or would mean more, stands for any character."""
    return "".join(char if char.isprintable() and char != "*" else "?" for char in name)
