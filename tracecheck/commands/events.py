"""`tracecheck events`: the records of a capture, decoded, in the order of time."""

from __future__ import annotations

from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tracecheck.commands import options
from tracecheck.commands.emit import emit, emit_file
from tracecheck.commands.filters import Wanted, filters, pointer_of
from tracecheck.commands.listing import Listing
from tracecheck.commands.lookahead import look_ahead
from tracecheck.commands.progress import progress
from tracecheck.commands.sources import Sources, sources
from tracecheck.commands.spool import Spool
from tracecheck.commands.text_log import TextRender
from tracecheck.errors import UsageError
from tracecheck.etl.layout import UNIX_EPOCH_AS_FILETIME
from tracecheck.payload.manifest.layouts import Layouts
from tracecheck.payload.manifest.xml import Manifests
from tracecheck.payload.symbols import Symbols
from tracecheck.payload.text import TextLog, open_capture
from tracecheck.reporters.common import clean, rows
from tracecheck.reporters.events.calls import CallStacks
from tracecheck.reporters.events.decoders import Decoders
from tracecheck.reporters.events.jsonl import render_jsonl
from tracecheck.reporters.events.selection import Grep
from tracecheck.reporters.events.table import HEADER, render_csv
from tracecheck.reporters.events.text import PREFIX, TRACE_FORMAT_PREFIX, render_text
from tracecheck.reporters.losses import loss_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tracecheck.etl import Log
    from tracecheck.reporters.events.page import Page

_MOST_WARNINGS = 10
_MOST_LISTED = 3


@click.command("events")
@click.argument("capture", type=options.CAPTURE)
@options.formats("text", "csv", "jsonl", "parquet")
@options.output
@sources
@filters
@click.option("--grep", metavar="TEXT", help="Show what has this text; case does not matter, * is any text.")
@click.option(
    "--follow-context", "follow", type=pointer_of, metavar="0x...", help="Show what holds this pointer: 0x..."
)
@click.option("--limit", type=click.IntRange(min=0), help="Show only as many events, the earliest ones.")
@click.option("--tail", type=click.IntRange(min=0), help="Show only as many events, the latest ones.")
@click.option("--stacks", is_flag=True, help="Show the stack of each event.")
@click.option(
    "--prefix",
    metavar="FORMAT",
    envvar=TRACE_FORMAT_PREFIX,
    help="Begin lines of text so: %1 to %9, as tracefmt.",
)
@click.option("--hires", is_flag=True, help="Show times in text to the nanosecond.")
@options.redact
@options.input_form
@options.quiet
def command(
    capture: str,
    form: str,
    output: Path | None,
    sources: Sources,
    wanted: Wanted,
    grep: str | None,
    follow: int | None,
    limit: int | None,
    tail: int | None,
    stacks: bool,
    prefix: str | None,
    hires: bool,
    redact: bool,
    input_form: str,
    quiet: bool,
) -> int:
    """List the events of a capture in the order of time.

    Payloads are decoded where their definition is known: self-describing (TraceLogging) events, WPP messages
    with --tmf, --pdb or --symbols, manifest events with --manifest, in-trace manifests and those of Windows,
    and kernel events. What has no definition is shown as bytes. All filters must hold.
    """
    if form == "parquet" and output is None:
        raise UsageError("--format parquet needs -o FILE")
    if limit is not None and tail is not None:
        raise UsageError("--limit and --tail exclude each other")
    manifests = sources.manifests() or Manifests()
    render: Callable[[Page], list[bytes]]
    match form:
        case "text":
            render = partial(render_text, prefix=PREFIX if prefix is None else prefix, fine=hires)
        case "csv":
            render = render_csv
        case _:
            render = render_jsonl
    if redact:
        render = _redacted(render, capture, sources, input_form, quiet)
    with open_capture(capture, input_form, prefix or "") as log, Spool(limit, tail) as spool:
        if isinstance(log, TextLog):
            if redact:
                raise UsageError("a text log is sentences, of which nothing can be left out for sure")
            asked = bool(wanted) or follow is not None or stacks
            _list_lines(log, spool, _text_render(form, asked, grep), output, quiet)
            return 0
        selection = wanted.selection(_start(log))
        with progress("Looking ahead", quiet) as advance:
            ahead = look_ahead(log, stacks, advance)
        layouts = Layouts([*manifests.providers, *ahead.providers])
        decoders = Decoders(sources.definitions(), layouts, log.header.pointer_size, ahead.processes)
        symbols = Symbols(sources.symbol_places()) if stacks else None
        calls = CallStacks(ahead.kernel, symbols).of if ahead.kernel and symbols else None
        listing = Listing(decoders, selection, Grep(grep) if grep else None, follow, limit, calls)
        with progress("Reading", quiet) as advance:
            listing.fill(spool, log, render, advance)
        _write(form, spool.lines(), output, [capture, *sources.paths()])
        said = [*manifests.problems, *ahead.problems, *decoders.warnings(), *_symbol_warnings(symbols)]
        _warn(log, said, list(decoders.unknown()))
    return 0


def _redacted(
    render: Callable[[Page], list[bytes]], capture: str, sources: Sources, input_form: str, quiet: bool
) -> Callable[[Page], list[bytes]]:
    """Make what renders pages render them redacted, with the pseudonyms that `check` gives."""
    from tracecheck.capture import analyse
    from tracecheck.reporters.events.redacted import RedactedPage

    with progress("Reading operations", quiet) as advance:
        analysis = analyse([capture], sources=sources, input_form=input_form, progress=advance, redact=True)
    redaction = analysis.redaction
    assert redaction is not None
    return lambda page: render(RedactedPage(page, redaction))


def _text_render(form: str, is_filtered: bool, grep: str | None) -> TextRender:
    """Give what lists the messages of a text log; a log holds less than a trace to choose by."""
    from tracecheck.reporters import lines

    if is_filtered or form not in ("text", "jsonl"):
        raise UsageError(
            "a text log is listed as text or jsonl, and chosen from by --grep, --limit and --tail only"
        )
    return TextRender(
        lines.render_jsonl if form == "jsonl" else lines.render_text, Grep(grep) if grep else None
    )


def _list_lines(log: TextLog, spool: Spool, render: TextRender, output: Path | None, quiet: bool) -> None:
    """List the messages of a text log."""
    with progress("Reading", quiet) as advance:
        render.fill(spool, log, advance)
    emit(spool.lines(), output, [log.path])
    _echo([f"note: {clean(text)}" for text in log.notes], "")
    _warn(log, [], [])


def _start(log: Log) -> int:
    """Tell when a capture starts; nanoseconds since 1970."""
    return (log.header.start_filetime - UNIX_EPOCH_AS_FILETIME) * 100


def _write(form: str, lines: Iterator[str], output: Path | None, inputs: list[str | Path]) -> None:
    if form == "parquet":
        from tracecheck.reporters.events.parquet import write_parquet

        assert output is not None
        emit_file(lambda file: write_parquet(lines, file), output, inputs)
        return
    emit(chain([HEADER], lines) if form == "csv" else lines, output, inputs)


def _symbol_warnings(symbols: Symbols | None) -> list[str]:
    """Say which PDBs were not used, and which are missing."""
    if symbols is None:
        return []
    missing = sorted(set(symbols.missing))
    listed = ", ".join(missing[:_MOST_LISTED]) + (", ..." if len(missing) > _MOST_LISTED else "")
    return [*symbols.warnings, *([f"no PDB found of {listed}: give --symbols"] if missing else [])]


def _warn(log: Log | TextLog, said: list[str], unknown: list[str]) -> None:
    """Say on stderr what the list lacks, and what to supply."""
    losses = [loss_line(loss) for loss in rows(log.losses())]
    losses += [f"warning: {clean(text)}" for text in log.warnings]
    _echo(losses, "; see 'tracecheck info --all'")
    _echo([f"warning: {clean(text)}" for text in said], "")
    _echo(unknown, "")


def _echo(lines: list[str], rest: str) -> None:
    for line in lines[:_MOST_WARNINGS]:
        click.echo(f"tracecheck: {line}", err=True)
    if len(lines) > _MOST_WARNINGS:
        click.echo(f"tracecheck: {len(lines) - _MOST_WARNINGS:,} more{rest}", err=True)
