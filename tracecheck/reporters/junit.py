"""`check --format junit`: JUnit XML, which every CI server shows.

A test case stands for a rule, so that a job's history shows which rules a build broke; each signature of a
rule that was broken is a failure (an error or a warning) of a case of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.sax.saxutils import escape, quoteattr

from tracecheck.reporters.blamed import blamed
from tracecheck.reporters.calls import call_site
from tracecheck.reporters.common import SEVERITIES, clean, iso_time, pointer, rows
from tracecheck.reporters.lookup import Lookup, Row, ordered
from tracecheck.reporters.names import context_kind
from tracecheck.rules import RULES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tracecheck.triage import Triage

#: How many findings of one signature a failure lists.
SHOWN = 20

_CLASS = 'classname="tracecheck"'


def render(judged: Triage, *, fail_on: str = "warning") -> Iterator[str]:
    """Write what was found as JUnit XML.

    Args:
        judged: The findings that count, and those that are suppressed or known.
        fail_on: The least severity that is a failure; what is less severe passes, and says so.

    Yields:
        Pieces of one document.
    """
    analysis = judged.analysis
    failing = SEVERITIES[: SEVERITIES.index(fail_on) + 1]
    groups = _groups(ordered(analysis.findings))
    inconclusive = analysis.verdict.word == "inconclusive"
    failures = sum(group[0]["severity"] in failing for group in groups)
    skipped = len(_groups(rows(judged.suppressed))) + len(_groups(_known(judged))) + inconclusive
    broken = {group[0]["rule"] for group in groups}
    unbroken = [code for code in sorted(RULES) if code not in broken]
    tests = len(groups) + len(unbroken) + skipped
    head = f'tests="{tests}" failures="{failures}" errors="0" skipped="{skipped}"'
    yield f'<?xml version="1.0" encoding="UTF-8"?>\n<testsuites name="tracecheck" {head}>\n'
    yield f'<testsuite name={_attribute(" ".join(analysis.paths))} {head} time="0">\n'
    lookup, blame = Lookup(analysis), blamed(analysis)
    for group in groups:
        yield _case(group, lookup, blame, group[0]["severity"] in failing)
    for group in _groups(rows(judged.suppressed)):
        yield _skipped(group, "suppressed")
    for group in _groups(_known(judged)):
        yield _skipped(group, "known from the baseline")
    if inconclusive:
        why = "; ".join(analysis.verdict.reasons)
        yield _skip('"verdict"', f"inconclusive: {why}")
    for code in unbroken:
        yield f'<testcase {_CLASS} name={_attribute(f"{code} {RULES[code].title}")} time="0"/>\n'
    notes = [*analysis.warnings, *analysis.verdict.reasons, *analysis.verdict.advice]
    if notes:
        yield f"<system-err>{_text(chr(10).join(notes))}</system-err>\n"
    yield "</testsuite>\n</testsuites>\n"


def _known(judged: Triage) -> list[Row]:
    return [] if judged.known is None else rows(judged.known)


def _groups(found: list[Row]) -> list[list[Row]]:
    """Put the findings of one signature together."""
    groups: dict[str, list[Row]] = {}
    for finding in found:
        groups.setdefault(finding["signature"], []).append(finding)
    return list(groups.values())


def _name(group: list[Row]) -> str:
    first = group[0]
    kind = f" {context_kind(first['context_type'])}" if first["context_type"] else ""
    return _attribute(f"{first['rule']} {RULES[first['rule']].title}:{kind} [{first['signature']}]")


def _case(group: list[Row], lookup: Lookup, blame: dict[int, Row], fails: bool) -> str:
    first = group[0]
    shown = group[:SHOWN]
    operations = lookup.operations(finding["operations"][0] for finding in shown if finding["operations"])
    lines = [_line(finding, operations, blame.get(finding["row"])) for finding in shown]
    if len(shown) < len(group):
        lines.append(f"{len(shown)} of {len(group)} like this shown")
    body = _text("\n".join(lines))
    head = f'<testcase {_CLASS} name={_name(group)} time="0">'
    if not fails:
        return f"{head}<system-out>{body}</system-out></testcase>\n"
    kind = _attribute(f"{first['severity']}, {first['confidence']}")
    message = _attribute(clean(first["message"]))
    return f"{head}<failure type={kind} message={message}>{body}</failure></testcase>\n"


def _line(finding: Row, operations: dict[int, Row], blame: Row | None) -> str:
    where = "" if finding["context"] is None else f"{pointer(finding['context'])}"
    if finding["generation"] is not None:
        where += f"#{finding['generation']}"
    site = call_site(operations[finding["operations"][0]]) if finding["operations"] else ""
    when = iso_time(finding["time"]) or ""
    parts = (finding["confidence"], where, when, site, finding["message"], *finding["reasons"])
    parts += (blame["text"],) if blame is not None else ()
    return "  ".join(part for part in parts if part)


def _skipped(group: list[Row], why: str) -> str:
    return _skip(_name(group), f"{why}: {group[0]['message']}")


def _skip(name: str, message: str) -> str:
    return f'<testcase {_CLASS} name={name} time="0"><skipped message={_attribute(message)}/></testcase>\n'


def _text(text: str) -> str:
    """Write text; what XML has no character for, or a terminal would act on, is shown as an escape."""
    return escape("\n".join(clean(line) for line in text.split("\n")))


def _attribute(text: str) -> str:
    return quoteattr(clean(text))
