"""`tracecheck explain`: what a rule means, why it is a bug, how to fix what it finds."""

from __future__ import annotations

import shutil
from difflib import SequenceMatcher
from typing import TYPE_CHECKING

import click

from tracecheck.commands import options
from tracecheck.commands.emit import emit
from tracecheck.errors import UsageError
from tracecheck.reporters import rulebook
from tracecheck.reporters.common import clean, painter
from tracecheck.rules.book import families, page

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from tracecheck.rules.book import Page

_SUGGESTIONS = 4
_LIKENESS = 0.6
#: Letters that are typed for digits.
_DIGITS = str.maketrans("OIL", "011")


@click.command("explain")
@click.argument("codes", nargs=-1, metavar="[CODE]...")
@options.formats("text", "json", "markdown")
@options.output
def command(codes: tuple[str, ...], form: str, output: Path | None) -> int:
    """Say what a rule means, why it is a bug and how to fix what it finds.

    CODE is a rule's code as `check` prints it, such as L09; case does not matter. Without a code all rules
    are listed by family.
    """
    pages = [_find(code) for code in dict.fromkeys(code.upper() for code in codes)]
    emit(_render(pages, form, options.wants_colour(output)), output, [])
    return 0


def _find(code: str) -> Page:
    try:
        return page(code)
    except KeyError:
        raise UsageError(f"{clean(code)}: there is no such rule{_near(code)}") from None


def _near(code: str) -> str:
    """Name the rules whose codes are close to what was asked for, and where to see all."""
    known = [one.code for family in families() for one in family.pages]
    likely = code[:1] + code[1:].translate(_DIGITS)
    likeness = {one: SequenceMatcher(None, likely, one).ratio() for one in known}
    near = sorted((one for one in known if likeness[one] > _LIKENESS), key=lambda one: -likeness[one])
    return f"; close to it: {', '.join(near[:_SUGGESTIONS])}" if near else "; `tracecheck explain` lists all"


def _render(pages: list[Page], form: str, colour: bool) -> Iterable[str]:
    width = shutil.get_terminal_size().columns
    match form:
        case "json":
            return rulebook.as_json(pages or [one for family in families() for one in family.pages])
        case "markdown":
            return rulebook.pages_markdown(pages) if pages else rulebook.list_markdown(families())
        case _ if not pages:
            return rulebook.list_text(families(), width, painter(colour))
        case _ if colour:
            from tracecheck.reporters.rulebook_terminal import pages_terminal

            return pages_terminal(pages, width)
    return rulebook.pages_text(pages, width)
