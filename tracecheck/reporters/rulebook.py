"""The book of rules for a reader: the list by family, and pages, as plain text, JSON or Markdown."""

from __future__ import annotations

import json
import textwrap
from typing import TYPE_CHECKING, Any

from tracecheck.reporters.common import SEVERITY_COLOURS
from tracecheck.rules.book import looked_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from tracecheck.rules.book import Family, Page

#: The least and the greatest width of running text, in characters.
NARROWEST, WIDEST = 40, 100

_KINDS = {
    "sound": "certain where the capture logs all that it needs",
    "sound from one event": "one event proves it, whatever else is missing",
    "heuristic": "may be by design: a finding is never more than possible",
}
_NOT_YET = "tracecheck does not look for this yet"
_LOOKED_FOR = "tracecheck looks for this"


def blocks(page: Page) -> Iterator[tuple[str, str]]:
    """Give the parts of a page as (heading, text); code is a part whose heading is Wrong or Right."""
    yield "What it means", page.means
    yield "Why it is a bug", page.bug
    yield "Wrong", page.wrong
    yield "Right", page.right
    yield "How to fix it", page.fix
    yield "What looks like it and is not", page.alike
    if page.unsettled:
        yield "What is not settled", page.unsettled
    yield "When it holds", page.condition
    yield "What must be logged", page.needs


def standing(page: Page) -> str:
    """Say a rule's severity, its kind, and whether it is looked for."""
    kind = f"{page.kind} ({_KINDS[page.kind]})"
    return f"{page.severity}; {kind}; {_LOOKED_FOR if looked_for(page.code) else _NOT_YET}"


def text_width(width: int) -> int:
    """Choose the width of running text for a terminal's width, in characters."""
    return min(max(width, NARROWEST), WIDEST)


def list_text(families: Sequence[Family], width: int, paint: Callable[..., str]) -> Iterator[str]:
    """List all rules by family.

    Args:
        families: The book.
        width: Of the lines, in characters.
        paint: ``click.style``, or what leaves text as it is.

    Yields:
        Text.
    """
    for family in families:
        yield f"{paint(family.title, bold=True)}\n"
        for page in family.pages:
            severity = paint(page.severity.ljust(7), fg=SEVERITY_COLOURS[page.severity])
            mark = "*" if looked_for(page.code) else " "
            title = page.title if page.kind != "heuristic" else f"{page.title} (heuristic)"
            rest = textwrap.wrap(title, max(width, NARROWEST) - 16)
            yield f"  {page.code} {mark} {severity}  {rest[0]}\n"
            yield from (f"{' ' * 17}{line}\n" for line in rest[1:])
        yield "\n"
    pages = [page for family in families for page in family.pages]
    today = sum(looked_for(page.code) for page in pages)
    yield f"{len(pages)} rules; tracecheck looks for the {today} marked * today.\n"
    yield "What one means, why it is a bug and how to fix it: tracecheck explain CODE\n"


def pages_text(pages: Iterable[Page], width: int) -> Iterator[str]:
    """Write pages as plain text.

    Args:
        pages: Those to write.
        width: Of the lines, in characters; examples of code keep their own.

    Yields:
        Text.
    """
    width = text_width(width)
    for number, page in enumerate(pages):
        title = f"{page.code} {page.title}"
        yield "\n" * bool(number) + f"{title}\n{'=' * len(title)}\n"
        yield _filled(standing(page), width, "")
        for heading, text in blocks(page):
            yield f"\n{heading}\n"
            if heading in ("Wrong", "Right"):
                yield textwrap.indent(text, "    ") + "\n"
            else:
                yield _filled(text.replace("`", ""), width, "  ")
        yield "\nWhere it is said\n"
        for source in page.sources:
            yield _filled(source.text, width, "  ")
            if source.url and source.url != source.text:
                yield f"    {source.url}\n"


def _filled(text: str, width: int, indent: str) -> str:
    lines = textwrap.fill(
        text,
        width,
        initial_indent=indent,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return f"{lines}\n"


def pages_markdown(pages: Iterable[Page]) -> Iterator[str]:
    """Write pages as the book has them.

    Args:
        pages: Those to write.

    Yields:
        Markdown.
    """
    for number, page in enumerate(pages):
        yield "\n" * bool(number) + page.markdown


def list_markdown(families: Iterable[Family]) -> Iterator[str]:
    """List all rules by family as Markdown tables.

    Args:
        families: The book.

    Yields:
        Markdown.
    """
    for number, family in enumerate(families):
        yield "\n" * bool(number) + f"## {family.title}\n\n{textwrap.fill(family.about, 110)}\n\n"
        yield "| rule | severity | kind | finds |\n| --- | --- | --- | --- |\n"
        for page in family.pages:
            code = f"**{page.code}**" if looked_for(page.code) else page.code
            yield f"| {code} | {page.severity} | {page.kind} | {page.title} |\n"


def as_json(pages: Iterable[Page]) -> Iterator[str]:
    """Write pages as one JSON object with the list ``rules``.

    Args:
        pages: Those to write.

    Yields:
        JSON.
    """
    yield json.dumps({"rules": [_fields(page) for page in pages]}, indent=2) + "\n"


def _fields(page: Page) -> dict[str, Any]:
    return {
        "rule": page.code,
        "title": page.title,
        "family": page.family,
        "severity": page.severity,
        "kind": page.kind,
        "looked_for": looked_for(page.code),
        "condition": page.condition,
        "needs": page.needs,
        "sources": [{"text": source.text, "url": source.url or None} for source in page.sources],
        "means": page.means,
        "bug": page.bug,
        "wrong": page.wrong,
        "right": page.right,
        "fix": page.fix,
        "alike": page.alike,
        "unsettled": page.unsettled or None,
    }
