"""`tracecheck export`: a capture for the programs that draw profiles and traces."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from tracecheck.capture import analyse
from tracecheck.commands import options
from tracecheck.commands.emit import emit
from tracecheck.commands.notes import say
from tracecheck.commands.progress import progress
from tracecheck.commands.sources import sources
from tracecheck.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from tracecheck.commands.sources import Sources


@click.command("export")
@click.argument("captures", nargs=-1, required=True, type=options.CAPTURE)
@options.formats("speedscope", "collapsed", "chrome")
@options.output
@click.option(
    "--weigh",
    type=click.Choice(["taken", "released", "held"]),
    help="Weigh call sites by the references that they took (the default), released, or that are still held.",
)
@options.redact
@options.profiles
@options.input_form
@sources
@options.quiet
def command(
    captures: tuple[str, ...],
    form: str,
    output: Path | None,
    redact: bool,
    weigh: str | None,
    profiles: tuple[str, ...],
    input_form: str,
    sources: Sources,
    quiet: bool,
) -> int:
    """Write a capture for speedscope, flame graphs or Perfetto.

    speedscope and collapsed show where references are taken, released and kept: context type, function, call
    site, routine. chrome shows every life and every call over time, how many contexts of each type are alive,
    and where events are missing.
    """
    if weigh is not None and form == "chrome":
        raise UsageError("--weigh belongs to the formats speedscope and collapsed")
    with progress("Reading", quiet) as advance:
        analysis = analyse(
            captures,
            profiles=profiles,
            sources=sources,
            input_form=input_form,
            prefix=options.tracefmt_prefix(),
            progress=advance,
            redact=redact,
        )
    say(analysis.notes)
    if form == "chrome":
        from tracecheck.reporters.export import chrome

        pieces = chrome.render(analysis)
    elif form == "collapsed":
        from tracecheck.reporters.export import collapsed

        pieces = collapsed.render(analysis, weigh or "taken")
    else:
        from tracecheck.reporters.export import speedscope

        pieces = speedscope.render(analysis, weigh or "taken")
    emit(pieces, output, [*captures, *profiles, *sources.paths()])
    return 0
