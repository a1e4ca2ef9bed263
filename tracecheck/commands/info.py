"""`tracecheck info`: what a capture holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from tracecheck.commands import options
from tracecheck.commands.emit import emit
from tracecheck.commands.progress import progress
from tracecheck.commands.survey import survey
from tracecheck.errors import UsageError
from tracecheck.payload.text import TextLog, open_capture
from tracecheck.reporters import info

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@click.command("info")
@click.argument("capture", type=options.CAPTURE)
@options.formats("text", "json")
@options.output
@click.option("--all", "everything", is_flag=True, help="Show all of every list.")
@options.redact
@options.input_form
@options.quiet
def command(
    capture: str, form: str, output: Path | None, everything: bool, redact: bool, input_form: str, quiet: bool
) -> int:
    """Say what a capture holds: providers, counts, losses, clock."""
    with open_capture(capture, input_form, options.tracefmt_prefix()) as log:
        if isinstance(log, TextLog):
            if redact:
                raise UsageError("a text log is not redacted; what it names stands in its lines")
            emit(_of_text(log, form, everything, quiet), output, [capture])
            return 0
    with progress("Reading", quiet) as advance:
        found = survey(capture, progress=advance)
    if redact:
        found = info.redacted(found)
    pieces = info.render_json(found) if form == "json" else info.render_text(found, everything=everything)
    emit(pieces, output, [capture])
    return 0


def _of_text(log: TextLog, form: str, everything: bool, quiet: bool) -> Iterator[str]:
    """Say what a text log holds."""
    from tracecheck.commands import text_log
    from tracecheck.reporters import text_info

    with progress("Reading", quiet) as advance:
        found = text_log.survey(log, progress=advance)
    if form == "json":
        return text_info.render_json(found)
    return text_info.render_text(found, everything=everything)
