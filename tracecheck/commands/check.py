"""`tracecheck check`: the main job, captures in and findings out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from tracecheck.capture import analyse
from tracecheck.commands import options
from tracecheck.commands.emit import emit
from tracecheck.commands.notes import say
from tracecheck.commands.progress import progress
from tracecheck.commands.sources import sources
from tracecheck.commands.triaged import triaged
from tracecheck.reporters import json_report, text
from tracecheck.reporters.common import SEVERITIES
from tracecheck.version import version

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tracecheck.capture import Analysis
    from tracecheck.commands.sources import Sources
    from tracecheck.commands.triaged import Wanted
    from tracecheck.triage import Triage

EXIT_CLEAN, EXIT_FINDINGS, EXIT_INCONCLUSIVE = 0, 1, 3


@click.command("check")
@click.argument("captures", nargs=-1, required=True, type=options.CAPTURE)
@options.formats("text", "table", "json", "sarif", "junit", "markdown", "html")
@options.output
@click.option(
    "--fail-on",
    type=click.Choice(SEVERITIES),
    default="warning",
    show_default=True,
    help="Exit with 1 on a finding of this severity or a worse one.",
)
@click.option("--all", "everything", is_flag=True, help="Show every context, not three of each kind.")
@triaged
@options.redact
@options.profiles
@options.input_form
@sources
@options.quiet
def command(
    captures: tuple[str, ...],
    form: str,
    output: Path | None,
    fail_on: str,
    everything: bool,
    wanted: Wanted,
    redact: bool,
    profiles: tuple[str, ...],
    input_form: str,
    sources: Sources,
    quiet: bool,
) -> int:
    """Find leaks, double releases and uses after release.

    Several CAPTUREs are the files of one session. Exit codes: 0 clean, 1 findings, 2 usage,
    3 nothing found but inconclusive, 4 unreadable input.
    """
    # What is wrong with these files is said before the work, not after it.
    wanted.refuse(output)
    asked = wanted.read()
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
    say(analysis.notes)
    judged = asked.apply(analysis)
    inputs: list[str | Path] = [*captures, *profiles, *sources.paths(), *wanted.paths()]
    wanted.write(analysis, inputs)
    pieces = _pieces(judged, form, output, everything, fail_on, wanted)
    emit(pieces, output, inputs)
    asked.tell(judged)
    return exit_code(judged.analysis, fail_on)


def _pieces(
    judged: Triage, form: str, output: Path | None, everything: bool, fail_on: str, wanted: Wanted
) -> Iterator[str]:
    """Write what was found in the form that is wanted; a form is loaded when it is."""
    analysis = judged.analysis
    if wanted.generate:
        from tracecheck.reporters import suppressions

        return suppressions.render(analysis)
    if form == "json":
        return json_report.render(analysis, judged if wanted.any() else None)
    if form == "sarif":
        from tracecheck.reporters import sarif

        return sarif.render(judged, version())
    if form == "junit":
        from tracecheck.reporters import junit

        return junit.render(judged, fail_on=fail_on)
    if form == "markdown":
        from tracecheck.reporters import markdown

        return markdown.render(judged)
    if form == "html":
        from tracecheck.reporters import html

        return html.render(analysis, version=version())
    if form == "table":
        from tracecheck.reporters import balance

        return balance.render(analysis, everything=everything)
    return text.render(analysis, everything=everything, colour=options.wants_colour(output))


def exit_code(analysis: Analysis, fail_on: str) -> int:
    """Say how the process ends.

    Args:
        analysis: What was found.
        fail_on: The least severity that counts as a finding.

    Returns:
        1 for a finding that counts, whatever else holds; else 3 where the verdict is inconclusive; else 0.
    """
    failing = SEVERITIES[: SEVERITIES.index(fail_on) + 1]
    found = set(analysis.findings.column("severity").unique().to_pylist())
    if not found.isdisjoint(failing):
        return EXIT_FINDINGS
    return EXIT_INCONCLUSIVE if analysis.verdict.word == "inconclusive" else EXIT_CLEAN
