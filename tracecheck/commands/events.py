"""`tracecheck events`: every record of a capture in the order of time."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import click
import numpy as np
import pyarrow as pa

from tracecheck.commands import options
from tracecheck.commands.emit import emit
from tracecheck.commands.progress import progress
from tracecheck.commands.spool import Spool
from tracecheck.payload.arrow import from_numpy
from tracecheck.payload.text import TextLog, open_capture
from tracecheck.reporters import events
from tracecheck.reporters.common import clean, rows
from tracecheck.reporters.losses import loss_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from tracecheck.etl import Chunk, Log

#: How many records are rendered at once: enough for array work, few enough for their text to be small.
_PART = 1 << 13
_MOST_WARNINGS = 10


@click.command("events")
@click.argument("capture", type=options.CAPTURE)
@options.formats("text", "jsonl")
@options.output
@click.option("--limit", type=click.IntRange(min=0), help="Show only as many events, the earliest ones.")
@options.input_form
@options.quiet
def command(
    capture: str, form: str, output: Path | None, limit: int | None, input_form: str, quiet: bool
) -> int:
    """List the events of a capture in the order of time.

    Fields of self-describing (TraceLogging) events are decoded; other payloads are shown as bytes. Of a text
    log, the messages are listed.
    """
    render = events.render_jsonl if form == "jsonl" else events.render_text
    with open_capture(capture, input_form, options.tracefmt_prefix()) as log, Spool(limit) as spool:
        with progress("Reading", quiet) as advance:
            if isinstance(log, TextLog):
                _fill_lines(spool, log, form, advance)
            else:
                fill(spool, log, render, advance)
        emit(spool.lines(), output, [capture])
        _warn(log)
    return 0


def _fill_lines(spool: Spool, log: TextLog, form: str, advance: Callable[[int, int], None] | None) -> None:
    """Render the messages of a text log into a spool."""
    from tracecheck.commands import text_log
    from tracecheck.reporters import lines

    text_log.fill(spool, log, lines.render_jsonl if form == "jsonl" else lines.render_text, advance)


def fill(
    spool: Spool,
    log: Log,
    render: Callable[[Chunk], list[bytes]],
    advance: Callable[[int, int], None] | None = None,
) -> None:
    """Render the records of a log into a spool.

    Args:
        spool: Takes the lines.
        log: The open log.
        render: Makes the lines of a chunk's records.
        advance: Called with (bytes done, bytes in all).
    """
    for chunk in log.chunks():
        for part in _parts(chunk, spool.wanted(chunk)):
            spool.add(part, render(part))
        if advance is not None:
            advance(chunk.done, log.size)


def _parts(chunk: Chunk, wanted: NDArray[np.int64]) -> Iterator[Chunk]:
    """Give the wanted records of a chunk as chunks that are quick to render."""
    for first in range(0, len(wanted), _PART):
        some = np.ascontiguousarray(wanted[first : first + _PART])
        yield replace(chunk, records=chunk.records.take(from_numpy(some, pa.int64())))


def _warn(log: Log | TextLog) -> None:
    """Say on stderr what the list lacks."""
    lines = [f"note: {text}" for text in log.notes] if isinstance(log, TextLog) else []
    lines += [loss_line(loss) for loss in rows(log.losses())]
    lines += [f"warning: {clean(text)}" for text in log.warnings]
    for line in lines[:_MOST_WARNINGS]:
        click.echo(f"tracecheck: {line}", err=True)
    if len(lines) > _MOST_WARNINGS:
        click.echo(f"tracecheck: {len(lines) - _MOST_WARNINGS:,} more; see 'tracecheck info --all'", err=True)
