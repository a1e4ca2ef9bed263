"""`tracecheck diff`: what is new, fixed, worse and better in a later capture."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from tracecheck.capture import Analysis, analyse
from tracecheck.commands import options
from tracecheck.commands.emit import emit
from tracecheck.commands.notes import say
from tracecheck.commands.progress import progress
from tracecheck.commands.sources import sources
from tracecheck.reporters import diff

if TYPE_CHECKING:
    from pathlib import Path

    from tracecheck.commands.sources import Sources

EXIT_SAME, EXIT_WORSE, EXIT_INCONCLUSIVE = 0, 1, 3


@click.command("diff")
@click.argument("before", type=options.CAPTURE)
@click.argument("after", type=options.CAPTURE)
@options.formats("text", "json")
@options.output
@options.redact
@options.profiles
@options.input_form
@sources
@options.quiet
def command(
    before: str,
    after: str,
    form: str,
    output: Path | None,
    redact: bool,
    profiles: tuple[str, ...],
    input_form: str,
    sources: Sources,
    quiet: bool,
) -> int:
    """Say which causes of errors and warnings are new, worse, better or fixed in AFTER.

    Causes are compared by their signatures, which survive another build of the driver, and by how many
    contexts they have for a million operations on contexts of the type. Exit codes: 0 nothing is new or
    worse, 1 something is, 2 usage, 3 nothing is but AFTER is inconclusive, 4 unreadable input.
    """
    read: list[Analysis] = []
    for path, label in ((before, "Before"), (after, "After")):
        with progress(label, quiet) as advance:
            analysis = analyse(
                [path],
                profiles=profiles,
                sources=sources,
                input_form=input_form,
                prefix=options.tracefmt_prefix(),
                progress=advance,
                redact=redact,
            )
        say(analysis.notes)
        read.append(analysis)
    changes = diff.compare(*read)
    render = diff.render_json if form == "json" else diff.render_text
    emit(render(changes, *read), output, [before, after, *profiles, *sources.paths()])
    if any(change.state in diff.FAILING for change in changes):
        return EXIT_WORSE
    return EXIT_INCONCLUSIVE if read[1].verdict.word == "inconclusive" else EXIT_SAME
