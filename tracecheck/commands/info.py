"""`tracecheck info`: what a capture holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from tracecheck.commands import options
from tracecheck.commands.emit import emit
from tracecheck.commands.progress import progress
from tracecheck.commands.survey import survey
from tracecheck.reporters import info

if TYPE_CHECKING:
    from pathlib import Path


@click.command("info")
@click.argument("capture", type=options.CAPTURE)
@options.formats("text", "json")
@options.output
@click.option("--all", "everything", is_flag=True, help="Show all of every list.")
@options.quiet
def command(capture: str, form: str, output: Path | None, everything: bool, quiet: bool) -> int:
    """Say what a capture holds: providers, counts, losses, clock."""
    with progress("Reading", quiet) as advance:
        found = survey(capture, progress=advance)
    pieces = info.render_json(found) if form == "json" else info.render_text(found, everything=everything)
    emit(pieces, output, [capture])
    return 0
