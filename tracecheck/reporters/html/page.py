"""Puts the HTML page together: the skeleton, the style, the data, and the program that shows them.

The page allows itself nothing but its own style and program, which its Content-Security-Policy names by their
hashes; no text of a capture is ever part of its markup but the title, which is escaped. It is ASCII, so that
its hashes hold in whatever encoding it is written.
"""

from __future__ import annotations

import base64
import hashlib
import html
from collections.abc import Iterator, Sequence
from importlib.resources import files
from typing import TYPE_CHECKING

from tracecheck.reporters.common import clean
from tracecheck.reporters.html.data import json_block
from tracecheck.reporters.html.facts import capture_facts, times
from tracecheck.reporters.html.findings import Findings
from tracecheck.reporters.html.tables import MOST_STEPS, Tables

if TYPE_CHECKING:
    from tracecheck.capture import Analysis
    from tracecheck.reporters.info import Survey
    from tracecheck.reporters.text_info import TextSurvey

#: The files of the program, in the order in which they are joined.
PROGRAM = (
    "model.js",
    "dom.js",
    "list.js",
    "chart.js",
    "timeline.js",
    "live.js",
    "detail.js",
    "findings.js",
    "contexts.js",
    "capture.js",
    "main.js",
)
_BLOCK = '<script type="application/octet-stream;base64" id="data-{name}">{data}</script>\n'


def render(
    analysis: Analysis,
    *,
    title: str | None = None,
    surveys: Sequence[Survey | TextSurvey] = (),
    most_steps: int = MOST_STEPS,
    version: str = "",
) -> Iterator[str]:
    """Write an analysis as one HTML page.

    Args:
        analysis: What `check` found.
        title: The page's title; made of the names of the files where None.
        surveys: What the files hold.
        most_steps: How many steps of healthy lives the page may hold; lives with findings are always whole.
        version: That of the package, which the page names.

    Yields:
        Pieces of the page, ASCII only.
    """
    heading = clean(title if title is not None else _title(analysis))
    head, foot = _skeleton(heading)
    yield head
    found = Findings(analysis)
    tables = Tables(analysis, found.lives, found.loose, most_steps)
    parts = {
        "contexts": tables.contexts(),
        "effects": tables.effects(),
        "calls": tables.calls(),
        "threads": tables.threads(),
        "loose": tables.loose(),
        "findings": json_block(found.columns()),
    }
    meta = {
        "title": heading,
        "version": version,
        **capture_facts(analysis, surveys),
        **times(analysis, tables),
        "words": tables.words.texts,
        "rules": found.rules(),
        "blocks": tables.blocks,
        "whole": int(tables.shown.sum()),
        "most_steps": most_steps,
    }
    yield _BLOCK.format(name="meta", data=json_block(meta))
    for name, block in parts.items():
        yield _BLOCK.format(name=name, data=block)
    # What is shown first stands before what is unpacked only when it is asked for.
    yield foot
    for number, block in enumerate(tables.steps()):
        yield _BLOCK.format(name=f"steps-{number}", data=block)
    yield "</body>\n</html>\n"


def _title(analysis: Analysis) -> str:
    names = [path.replace("\\", "/").rsplit("/", 1)[-1] for path in analysis.paths]
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _skeleton(title: str) -> tuple[str, str]:
    """Give what stands before the data and what stands behind it."""
    style, program = _lean(_asset("style.css")), _lean("".join(_asset(name) for name in PROGRAM))
    policy = (
        f"default-src 'none'; script-src {_hash(program)}; style-src {_hash(style)}; "
        "base-uri 'none'; form-action 'none'"
    )
    escaped = html.escape(title).encode("ascii", "xmlcharrefreplace").decode("ascii")
    filled = (
        _asset("page.html").replace("@POLICY@", policy).replace("@STYLE@", style).replace("@TITLE@", escaped)
    )
    return filled, f"<script>{program}</script>\n"


def _asset(name: str) -> str:
    return files("tracecheck.reporters.html").joinpath("assets", name).read_text(encoding="ascii")


def _lean(text: str) -> str:
    """Leave out what only readers of the source need: comments on lines of their own, and indents."""
    lines = (line.strip() for line in text.splitlines())
    return "".join(f"{line}\n" for line in lines if line and not line.startswith("//"))


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode('ascii')).digest()).decode('ascii')}'"
