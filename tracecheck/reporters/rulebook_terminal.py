"""Pages of the book of rules for a terminal: colours, and highlighted code."""

from __future__ import annotations

from io import StringIO
from typing import TYPE_CHECKING

from rich.console import Console
from rich.padding import Padding
from rich.syntax import Syntax
from rich.text import Text

from tracecheck.reporters.common import SEVERITY_COLOURS
from tracecheck.reporters.rulebook import blocks, standing, text_width

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rich.console import RenderableType

    from tracecheck.rules.book import Page

_HEADING_STYLES = {"Wrong": "bold red", "Right": "bold green"}


def pages_terminal(pages: Iterable[Page], width: int) -> Iterator[str]:
    """Write pages for a terminal.

    Args:
        pages: Those to write.
        width: Of the terminal, in characters.

    Yields:
        Text with terminal escapes.
    """
    for number, page in enumerate(pages):
        file = StringIO()
        console = Console(
            file=file, force_terminal=True, legacy_windows=False, width=text_width(width), highlight=False
        )
        if number:
            console.print()
        for line in _page(page):
            console.print(line)
        yield file.getvalue()


def _page(page: Page) -> Iterator[RenderableType]:
    yield Text(f"{page.code} {page.title}", style="bold")
    facts = Text(standing(page))
    facts.stylize(SEVERITY_COLOURS[page.severity], 0, len(page.severity))
    yield facts
    for heading, text in blocks(page):
        yield ""
        yield Text(heading, style=_HEADING_STYLES.get(heading, "bold"))
        yield Padding(_code(text) if heading in _HEADING_STYLES else _words(text), (0, 0, 0, 2))
    yield ""
    yield Text("Where it is said", style="bold")
    for source in page.sources:
        yield Padding(Text(source.text), (0, 0, 0, 2))
        if source.url and source.url != source.text:
            yield Padding(Text(source.url, style=f"dim link {source.url}"), (0, 0, 0, 4))


def _code(text: str) -> Syntax:
    return Syntax(text, "c", theme="ansi_dark", background_color="default", word_wrap=True)


def _words(text: str) -> Text:
    """Make text in which the names in backticks stand out."""
    parts = text.split("`")
    return Text.assemble(*((part, "cyan" if place % 2 else "") for place, part in enumerate(parts)))
