"""`check --format markdown`: the findings as an issue tracker shows them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tracecheck.reporters.blamed import blamed
from tracecheck.reporters.calls import call_lines
from tracecheck.reporters.common import clean, count, pointer
from tracecheck.reporters.lives import birth_text, end_text
from tracecheck.reporters.lookup import Lookup, Row, lives_by_type, ordered
from tracecheck.reporters.names import context_kind
from tracecheck.rules import RULES

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

    from tracecheck.triage import Triage

#: How many causes, and how many steps of an example, are shown; a tracker cuts long texts.
SHOWN_CAUSES = 30
SHOWN_STEPS = 40

# A word in which Markdown, HTML or GitHub (mentions, issues, links) finds nothing to act on.
_PLAIN = re.compile(r"(?!www\.|.*://|[-+]+$|\d+[.)]$)(?:[^\W_]|[.,;:()'%/+=-]|(?<=[^\W_])_(?=[^\W_]))*")
_FENCE = "`" * 3


def render(judged: Triage) -> Iterator[str]:
    """Write what was found as Markdown (GitHub's): a summary, then a section for each cause.

    Args:
        judged: The findings that count, and those that are suppressed or known.

    Yields:
        Lines with their line ends. No text of the trace is markup in them.
    """
    analysis = judged.analysis
    groups = _groups(ordered(analysis.findings))
    yield f"# tracecheck: {analysis.verdict.word}\n\n"
    seen = count(analysis.contexts.num_rows, "context"), count(analysis.operations.num_rows, "operation")
    yield f"{', '.join(seen)} in {', '.join(map(code, analysis.paths))}.\n\n"
    yield from _losses_and_reasons(judged)
    if groups:
        yield "| rule | what | severity | confidence | type | contexts | signature |\n"
        yield "| --- | --- | --- | --- | --- | ---: | --- |\n"
        yield from (_row(group) for group in groups)
        yield "\n"
    lookup = Lookup(analysis)
    blame = blamed(analysis)
    for group in groups[:SHOWN_CAUSES]:
        yield from _section(group, lookup, blame.get(group[0]["row"]))
    if len(groups) > SHOWN_CAUSES:
        yield f"{SHOWN_CAUSES} of {len(groups):,} causes shown.\n\n"
    yield "## How the contexts of each type ended\n\n"
    yield from _types(analysis.contexts)


def text(raw: str) -> str:
    """Write text so that no markup, link or mention arises from it: other than plain words become code."""
    return " ".join(word if _PLAIN.fullmatch(word) else code(word) for word in clean(raw).split(" "))


def code(raw: str) -> str:
    """Write text of a trace as a code span that it cannot end."""
    # No escape works within one: what would end it, or a cell of a table, is shown as what looks like it.
    return f"`{clean(raw).replace('`', chr(0x2019)).replace('|', chr(0x2223))}`"


def _groups(found: list[Row]) -> list[list[Row]]:
    groups: dict[str, list[Row]] = {}
    for finding in found:
        groups.setdefault(finding["signature"], []).append(finding)
    return list(groups.values())


def _losses_and_reasons(judged: Triage) -> Iterator[str]:
    lines = [f"- {line}\n" for line in _quality(judged)]
    yield from [*lines, "\n"] if lines else []


def _quality(judged: Triage) -> Iterator[str]:
    verdict = judged.analysis.verdict
    for reason in verdict.reasons:
        yield f"because {text(reason)}"
    for weakness in verdict.weaknesses:
        yield f"not for sure: {text(weakness)}"
    for advice in verdict.advice:
        yield f"next time: {text(advice)}"
    if judged.suppressed.num_rows:
        yield f"suppressed: {count(judged.suppressed.num_rows, 'finding')}"
    if judged.known is not None:
        yield f"known from the baseline: {count(judged.known.num_rows, 'finding')}"


def _row(group: list[Row]) -> str:
    first = group[0]
    kind = context_kind(first["context_type"]) if first["context_type"] else ""
    cells = (
        first["rule"],
        text(RULES[first["rule"]].title),
        first["severity"],
        first["confidence"],
        text(kind),
        f"{len(group):,}",
        f"`{first['signature']}`",
    )
    return f"| {' | '.join(cells)} |\n"


def _section(group: list[Row], lookup: Lookup, blame: Row | None) -> Iterator[str]:
    """Write a cause: what it is, why it is as sure as it is, and an example's life."""
    first = group[0]
    yield f"## {first['rule']} {text(RULES[first['rule']].title)}\n\n"
    yield f"{text(first['message'])}.\n\n"
    if blame is not None:
        yield f"{text(blame['text'])}.\n\n"
    for reason in first["reasons"]:
        yield f"- {first['confidence']} because {text(reason)}\n"
    yield f"- signature `{first['signature']}`, {count(len(group), 'context')}\n"
    if first["context_id"] is None:
        yield "\n"
        return
    context = lookup.contexts([first["context_id"]])[first["context_id"]]
    name = f"{pointer(first['context'])}#{first['generation']}"
    yield f"- example: {context_kind(first['context_type'])} `{name}`\n"
    yield f"- born {text(birth_text(context))}\n- ended {text(end_text(context))}\n\n"
    steps = lookup.steps(first["context_id"])
    shown = steps[: SHOWN_STEPS // 2] + steps[-SHOWN_STEPS // 2 :] if len(steps) > SHOWN_STEPS else steps
    yield f"{_FENCE}text\n"
    for line in call_lines(shown, first["context"], lambda line, **_: line):
        yield f"{line.replace('`', chr(0x2019))}\n"
    yield f"{_FENCE}\n\n"
    if len(shown) < len(steps):
        yield f"{len(shown)} of {len(steps):,} operations shown, the first and the last.\n\n"


def _types(contexts: pa.Table) -> Iterator[str]:
    found = lives_by_type(contexts)
    heads = list(next(iter(found.values()), {}))
    yield f"| type | {' | '.join(heads)} |\n| --- |{' ---: |' * len(heads)}\n"
    for kind, ends in found.items():
        yield f"| {context_kind(kind)} | {' | '.join(f'{ends[head]:,}' for head in heads)} |\n"
