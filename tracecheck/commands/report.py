"""`tracecheck report`: a capture as one HTML page."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from tracecheck.capture import analyse
from tracecheck.commands import options, text_log
from tracecheck.commands.emit import emit
from tracecheck.commands.notes import say
from tracecheck.commands.progress import progress
from tracecheck.commands.sources import sources
from tracecheck.commands.survey import survey
from tracecheck.errors import UsageError
from tracecheck.payload.text import TextLog, open_capture
from tracecheck.reporters import html
from tracecheck.reporters.info import Survey, redacted
from tracecheck.version import version

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tracecheck.commands.sources import Sources
    from tracecheck.reporters.text_info import TextSurvey


@click.command("report")
@click.argument("captures", nargs=-1, required=True, type=options.CAPTURE)
@options.output
@click.option("--title", help="The page's title; the names of the captures where not given.")
@click.option(
    "--steps",
    "most_steps",
    type=click.IntRange(min=0),
    default=html.MOST_STEPS,
    show_default=True,
    help="How many steps of healthy contexts the page holds; those with findings are always whole.",
)
@options.redact
@options.profiles
@options.input_form
@sources
@options.quiet
def command(
    captures: tuple[str, ...],
    output: Path | None,
    redact: bool,
    title: str | None,
    most_steps: int,
    profiles: tuple[str, ...],
    input_form: str,
    sources: Sources,
    quiet: bool,
) -> int:
    """Write one HTML page that shows everything that was found.

    The page needs no network and no other file: it opens from disk in any browser, and can be sent by mail.
    Several CAPTUREs are the files of one session.
    """
    # Asked for before the work, which may take a minute.
    if output is None and sys.stdout is not None and sys.stdout.isatty():
        raise UsageError("a page is nothing for a terminal; say where to write it with -o FILE.html")
    with progress("Checking", quiet) as advance:
        analysis = analyse(
            captures,
            profiles=profiles,
            sources=sources,
            input_form=input_form,
            prefix=options.tracefmt_prefix(),
            progress=advance,
            redact=redact,
        )
    with progress("Reading", quiet) as advance:
        surveys = [_survey(path, input_form, advance) for path in captures]
    if redact:
        # What a text log tells of its file is made of the log's own words.
        pairs = zip(surveys, analysis.paths, strict=True)
        surveys = [redacted(found, name) for found, name in pairs if isinstance(found, Survey)]
    say(analysis.notes)
    pieces = html.render(analysis, title=title, surveys=surveys, most_steps=most_steps, version=version())
    emit(pieces, output, [*captures, *profiles, *sources.paths()])
    return 0


def _survey(path: str, input_form: str, advance: Callable[[int, int], None] | None) -> Survey | TextSurvey:
    """Count what a file holds."""
    with open_capture(path, input_form, options.tracefmt_prefix()) as log:
        if isinstance(log, TextLog):
            return text_log.survey(log, progress=advance)
    return survey(path, progress=advance)
