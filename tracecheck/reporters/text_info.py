"""`info` of a text log: its form, its messages, their times and processes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tracecheck.reporters.common import clean, columns, count, dump, duration, iso_time, rows
from tracecheck.reporters.info import SHOWN
from tracecheck.reporters.losses import loss_line, loss_object

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import pyarrow as pa

    from tracecheck.payload.text import Form, LogQuality


@dataclass
class TextSurvey:
    """What was counted in one text log.

    Attributes:
        path: The file.
        size: Its length in bytes.
        sha256: Its hash, hexadecimal.
        form: Its form.
        quality: What it does not carry.
        lines: How many lines it has.
        events: How many messages.
        first, last: The earliest and the latest time, nanoseconds; None where it has none.
        providers: Messages by provider.
        processes: Messages by process.
        threads: How many threads it names.
        losses: The losses table (:data:`tracecheck.etl.LOSSES`).
        warnings: What could not be read, a line each.
        notes: What a reader should know, a line each.
    """

    path: str
    size: int
    sha256: str
    form: Form
    quality: LogQuality
    losses: pa.Table
    lines: int = 0
    events: int = 0
    first: int | None = None
    last: int | None = None
    providers: dict[str, int] = field(default_factory=dict)
    processes: dict[int, int] = field(default_factory=dict)
    threads: int = 0
    warnings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def render_json(survey: TextSurvey) -> Iterator[str]:
    """Write a survey as one JSON object, a name a line."""
    items = [f"{dump(name)}: {dump(value)}" for name, value in _object(survey).items()]
    yield "{" + ",\n ".join(items) + "}\n"


def _object(survey: TextSurvey) -> dict[str, Any]:
    return {
        "path": survey.path,
        "sha256": survey.sha256,
        "bytes": survey.size,
        "form": survey.form.name,
        "encoding": survey.form.encoding,
        "lines": survey.lines,
        "events": survey.events,
        "records": {"TEXT": survey.events} if survey.events else {},
        "providers": _by_count(survey.providers),
        "processes": {str(pid): number for pid, number in _by_count(survey.processes).items()},
        "threads": survey.threads,
        "timed": survey.quality.timed,
        "precision": survey.quality.precision,
        "first_record": iso_time(survey.first),
        "last_record": iso_time(survey.last),
        "losses": [loss_object(loss) for loss in rows(survey.losses)],
        "warnings": survey.warnings,
        "notes": survey.notes,
    }


def _by_count(counts: Mapping[Any, int]) -> dict[Any, int]:
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def render_text(survey: TextSurvey, *, everything: bool = False) -> Iterator[str]:
    """Write a survey for a reader.

    Args:
        survey: What was counted.
        everything: Show all of every list, not only what is most frequent.

    Yields:
        Lines with their line ends.
    """
    for line in _lines(survey, None if everything else SHOWN):
        yield f"{line}\n"


def _lines(survey: TextSurvey, limit: int | None) -> Iterator[str]:
    yield clean(survey.path)
    yield from (f"  {line}" for line in columns(list(facts(survey)), (False, False)))
    processes = {f"process {pid}": number for pid, number in survey.processes.items()}
    for title, counts in (("providers", survey.providers), ("processes", processes)):
        if not counts:
            continue
        yield f"{title}: {len(counts):,}"
        shown = list(_by_count(counts).items())[:limit]
        cells = [(f"{number:,}", clean(name)) for name, number in shown]
        yield from (f"  {line}" for line in columns(cells, (True, False)))
        if len(shown) < len(counts):
            yield f"  {len(shown)} of {len(counts):,} shown (--all shows every one)"
    for loss in rows(survey.losses)[:limit]:
        yield loss_line(loss)
    for note in survey.notes:
        yield f"note: {clean(note)}"
    for warning in survey.warnings:
        yield f"warning: {clean(warning)}"


def facts(survey: TextSurvey) -> Iterator[tuple[str, str]]:
    """Tell what a text log is, as pairs of a name and a text."""
    yield "form", f"{survey.form.name} log, {survey.form.encoding}"
    yield "messages", f"{survey.events:,} in {count(survey.lines, 'line')}"
    if survey.first is not None and survey.last is not None:
        length = duration(survey.last - survey.first)
        yield "time", f"{iso_time(survey.first)} to {iso_time(survey.last)} ({length})"
        yield "precision", duration(survey.quality.precision)
    else:
        yield "time", "none: only the order of the lines is known"
    yield "threads", f"{survey.threads:,}" if survey.quality.threads else "not told"
    yield "file", count(survey.size, "byte")
    yield "sha256", survey.sha256
