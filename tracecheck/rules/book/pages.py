"""Reads the pages of the book: one Markdown file for each family, one section for each rule.

A section has a fixed form: a title with the code, a list of facts, and the parts in :data:`PARTS` under
headings of their own. Whatever does not keep to it is an error, which the tests find.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from tracecheck.rules.book.sources import Source, source
from tracecheck.rules.registry import RULES

#: The families in the order in which they are listed; each is the name of a file.
FAMILIES = (
    "leaks",
    "releases",
    "sets",
    "gets-and-deletes",
    "allocation",
    "irql-and-position",
    "sections-transactions-teardown",
    "legacy",
    "quality",
)

SEVERITIES = ("error", "warning", "note")
KINDS = ("sound", "sound from one event", "heuristic")

#: The facts of a page, in their order.
FACTS = ("Severity", "Kind", "Condition", "Needs", "Source")

#: The parts of a page, in their order: heading -> attribute of :class:`Page`. The last one may be missing.
PARTS = {
    "What it means": "means",
    "Why it is a bug": "bug",
    "Wrong": "wrong",
    "Right": "right",
    "How to fix it": "fix",
    "What looks like it and is not": "alike",
    "What is not settled": "unsettled",
}
CODE_PARTS = ("Wrong", "Right")

_TITLE = re.compile(r"([A-Z]\d\d) (\S.*)")
_FACT = re.compile(r"- (\w+): (.+)", re.DOTALL)
_FENCE = re.compile(r"```c\n(.*)\n```", re.DOTALL)


class BookError(ValueError):
    """A file of the book does not keep to the form."""


@dataclass(frozen=True)
class Page:
    """What the book says of a rule.

    Attributes:
        code: The rule's code.
        title: What it finds, in a few words.
        family: The name of its family.
        severity: "error", "warning" or "note".
        kind: "sound": always a bug where all it needs is logged; "sound from one event": a bug whatever else
            is missing; "heuristic": may be by design.
        condition: When exactly it holds.
        needs: What must be logged for it; routines and fields of the canonical provider stand in backticks.
        sources: Where the rule is said.
        means: What a finding of it means.
        bug: Why it is a bug, and what happens.
        wrong: Driver code with the fault.
        right: The same code without it.
        fix: How to fix it.
        alike: What looks like it and is not.
        unsettled: What the documentation leaves open, and how it is treated; "" where nothing.
        markdown: The section as it stands in the file.
    """

    code: str
    title: str
    family: str
    severity: str
    kind: str
    condition: str
    needs: str
    sources: tuple[Source, ...]
    means: str
    bug: str
    wrong: str
    right: str
    fix: str
    alike: str
    unsettled: str
    markdown: str


@dataclass(frozen=True)
class Family:
    """Rules that belong together.

    Attributes:
        name: The name of its file.
        title: What it is about.
        about: What is true of all its rules.
        pages: Its rules, in the order of their codes as the book has them.
    """

    name: str
    title: str
    about: str
    pages: tuple[Page, ...]


@cache
def families() -> tuple[Family, ...]:
    """Read the whole book.

    Raises:
        BookError: A file does not keep to the form.
    """
    folder = files("tracecheck.rules.book")
    return tuple(parse(name, folder.joinpath(f"{name}.md").read_text(encoding="utf-8")) for name in FAMILIES)


def page(code: str) -> Page:
    """Find the page of a rule.

    Args:
        code: Its code; case does not matter.

    Raises:
        KeyError: The book has no such rule.
    """
    return _by_code()[code.upper()]


@cache
def _by_code() -> dict[str, Page]:
    return {one.code: one for family in families() for one in family.pages}


def looked_for(code: str) -> bool:
    """Tell whether tracecheck looks for a rule today."""
    return code in RULES


def parse(name: str, text: str) -> Family:
    """Read a file of the book.

    Args:
        name: The family's name.
        text: What is in the file.

    Raises:
        BookError: It does not keep to the form; the message names the page.
    """
    head, *sections = re.split(r"^(?=## )", text, flags=re.MULTILINE)
    title, _, about = head.partition("\n")
    if not title.startswith("# ") or not sections:
        raise BookError(f"{name}: a family begins with a title and has rules")
    return Family(name, title[2:], _joined(about), tuple(_page(name, section) for section in sections))


def _page(family: str, section: str) -> Page:
    head, *bodies = re.split(r"^### ", section, flags=re.MULTILINE)
    title, _, list_ = head.partition("\n")
    match = _TITLE.fullmatch(title.removeprefix("## "))
    if match is None:
        raise BookError(f"{family}: {title!r} has no code and title")
    code = match[1]
    facts = _facts(code, list_)
    parts = _parts(code, bodies)
    if facts["Severity"] not in SEVERITIES or facts["Kind"] not in KINDS:
        raise BookError(f"{code}: unknown severity or kind")
    try:
        sources = tuple(source(one) for one in facts["Source"].split("; "))
    except ValueError as error:
        raise BookError(f"{code}: {error}") from error
    return Page(
        code=code,
        title=match[2],
        family=family,
        severity=facts["Severity"],
        kind=facts["Kind"],
        condition=facts["Condition"],
        needs=facts["Needs"],
        sources=sources,
        markdown=section.rstrip() + "\n",
        **{attribute: parts.get(heading, "") for heading, attribute in PARTS.items()},
    )


def _facts(code: str, text: str) -> dict[str, str]:
    """Read the list below the title."""
    items = [_FACT.fullmatch(item.strip()) for item in re.split(r"^(?=- )", text, flags=re.MULTILINE)[1:]]
    found = {match[1]: _joined(match[2]) for match in items if match}
    if tuple(found) != FACTS or None in items:
        raise BookError(f"{code}: its facts are not {', '.join(FACTS)}")
    return found


def _parts(code: str, bodies: list[str]) -> dict[str, str]:
    """Read what stands under the headings."""
    found = {}
    for body in bodies:
        heading, _, text = body.partition("\n")
        if heading in CODE_PARTS:
            fence = _FENCE.fullmatch(text.strip())
            if fence is None:
                raise BookError(f"{code}: {heading} is not one example of C")
            found[heading] = fence[1]
        else:
            found[heading] = _joined(text)
    if tuple(found) not in (tuple(PARTS), tuple(PARTS)[:-1]) or not all(found.values()):
        raise BookError(f"{code}: its parts are not {', '.join(PARTS)}")
    return found


def _joined(text: str) -> str:
    """Make one line of a paragraph."""
    return " ".join(text.split())
