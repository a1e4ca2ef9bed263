"""`info`: what a capture holds, as text and as JSON with the names that other programs rely on."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from tracecheck.etl.layout import (
    CLOCK_CPUCYCLE,
    CLOCK_PERFCOUNTER,
    CLOCK_SYSTEMTIME,
    MODE_APPEND,
    MODE_CIRCULAR,
)
from tracecheck.reporters.common import clean, columns, count, dump, duration, iso_time, rows
from tracecheck.reporters.losses import loss_line, loss_object

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    import pyarrow as pa

    from tracecheck.etl.header import LogHeader

_CLOCKS = {
    CLOCK_PERFCOUNTER: "performance counter",
    CLOCK_SYSTEMTIME: "system time",
    CLOCK_CPUCYCLE: "CPU cycles",
}
_MODES = {MODE_CIRCULAR: "circular: its beginning may be overwritten", MODE_APPEND: "appended to"}
#: How many lines of each list are shown without ``--all``.
SHOWN = 20

# The providers that are the same on every machine.
_KNOWN_PROVIDERS = ("Microsoft-", "Windows ", "TraceCheck.", "MSNT_")


@dataclass
class Survey:
    """What was counted in one capture.

    Attributes:
        path: The file.
        size: Its length in bytes.
        sha256: Its hash, hexadecimal.
        header: What the log says of itself.
        losses: The losses table (:data:`tracecheck.etl.LOSSES`).
        buffers, compressed_buffers: How many buffers the file holds.
        events: How many records it holds.
        first, last: Times of the earliest and the latest record in nanoseconds since 1970 UTC, or None.
        records: Records by kind.
        kernel: Kernel records by group and opcode.
        providers: Event records by provider.
        provider_names: What TraceLogging providers call themselves, by provider.
        wpp_messages: WPP messages by message GUID and number.
        tracelogging: Self-describing events by provider.
        extended_items: Extended items by what they hold.
        routines: Events of the canonical provider by name, which is a routine's.
        coverage: What its CaptureStart events say is logged completely, each text once.
        warnings: What could not be read, a line each.
    """

    path: str
    size: int
    sha256: str
    header: LogHeader
    losses: pa.Table
    buffers: int = 0
    compressed_buffers: int = 0
    events: int = 0
    first: int | None = None
    last: int | None = None
    records: dict[str, int] = field(default_factory=dict)
    kernel: dict[str, int] = field(default_factory=dict)
    providers: dict[str, int] = field(default_factory=dict)
    provider_names: dict[str, str] = field(default_factory=dict)
    wpp_messages: dict[str, int] = field(default_factory=dict)
    tracelogging: dict[str, int] = field(default_factory=dict)
    extended_items: dict[str, int] = field(default_factory=dict)
    routines: dict[str, int] = field(default_factory=dict)
    coverage: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def redacted(found: Survey, name: str = "capture-1.etl") -> Survey:
    """Give a survey without the names and paths that it tells of the machine and the driver.

    Args:
        found: What was counted.
        name: What the file is called instead.
    """
    names = {
        provider: told if told.startswith(_KNOWN_PROVIDERS) else f"provider-{number}"
        for number, (provider, told) in enumerate(found.provider_names.items(), 1)
    }
    header = replace(found.header, logger_name="session", file_name=name)
    warnings = [line.replace(found.path, name) for line in found.warnings]
    return replace(found, path=name, sha256="", header=header, provider_names=names, warnings=warnings)


def render_json(survey: Survey) -> Iterator[str]:
    """Write a survey as one JSON object, a name a line."""
    items = [f"{dump(name)}: {dump(value)}" for name, value in _object(survey).items()]
    yield "{" + ",\n ".join(items) + "}\n"


def _object(survey: Survey) -> dict[str, Any]:
    header = survey.header
    return {
        "path": survey.path,
        "sha256": survey.sha256,
        "bytes": survey.size,
        "buffers": survey.buffers,
        "compressed_buffers": survey.compressed_buffers,
        "events": survey.events,
        "records": _by_count(survey.records),
        "kernel": _by_count(survey.kernel),
        "providers": _by_count(survey.providers),
        "provider_names": survey.provider_names,
        "wpp_messages": _by_count(survey.wpp_messages),
        "tracelogging": _by_count(survey.tracelogging),
        "extended_items": _by_count(survey.extended_items),
        "routines": _by_count(survey.routines),
        "coverage": survey.coverage,
        "logger_name": header.logger_name,
        "log_file_name": header.file_name,
        "os_build": header.build,
        "processors": header.processors,
        "pointer_size": header.pointer_size,
        "clock_type": header.clock_type,
        "perf_freq": header.perf_freq,
        "start_time": _stamp(header.start_time),
        "end_time": _stamp(header.end_time),
        "boot_time": _stamp(header.boot_time),
        "first_record": iso_time(survey.first),
        "last_record": iso_time(survey.last),
        "log_file_mode": f"{header.log_file_mode:#x}",
        "buffer_size": header.buffer_size,
        "buffers_written": header.buffers_written,
        "events_lost": header.events_lost,
        "buffers_lost": header.buffers_lost,
        "losses": [loss_object(loss) for loss in rows(survey.losses)],
        "warnings": survey.warnings,
    }


def _stamp(time: datetime) -> str:
    """Write a header's time as UTC to the microsecond, all digits and no zone."""
    return time.replace(tzinfo=None).isoformat(timespec="microseconds")


def _by_count(counts: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def render_text(survey: Survey, *, everything: bool = False) -> Iterator[str]:
    """Write a survey for a reader.

    Args:
        survey: What was counted.
        everything: Show all of every list, not only what is most frequent.

    Yields:
        Lines with their line ends.
    """
    for line in _lines(survey, None if everything else SHOWN):
        yield f"{line}\n"


def _lines(survey: Survey, limit: int | None) -> Iterator[str]:
    yield clean(survey.path)
    yield from (f"  {line}" for line in columns(list(facts(survey)), (False, False)))
    names = {guid: f"{guid}  {clean(name)}" for guid, name in survey.provider_names.items()}
    for title, counts in (
        ("records", survey.records),
        ("providers", survey.providers),
        ("kernel events", survey.kernel),
        ("WPP messages", survey.wpp_messages),
        ("extended items", survey.extended_items),
        ("filter-context operations", survey.routines),
    ):
        yield from _list(title, {names.get(name, name): number for name, number in counts.items()}, limit)
    for text in survey.coverage:
        yield f"logged completely: {clean(text)}"
    for loss in rows(survey.losses)[:limit]:
        yield loss_line(loss)
    for warning in survey.warnings:
        yield f"warning: {clean(warning)}"


def facts(survey: Survey) -> Iterator[tuple[str, str]]:
    """Tell what a capture says of itself, as pairs of a name and a text."""
    header = survey.header
    yield (
        "session",
        f"{clean(header.logger_name) or '(no name)'}, written to {clean(header.file_name) or '(no name)'}",
    )
    yield (
        "system",
        f"build {header.build}, {count(header.processors, 'processor')}, {8 * header.pointer_size}-bit, "
        f"booted {_stamp(header.boot_time)}",
    )
    clock = _CLOCKS.get(header.clock_type, f"unknown clock {header.clock_type}")
    yield "clock", f"{clock}, {header.perf_freq:,} ticks a second"
    yield "time", f"{_stamp(header.start_time)} to {_stamp(header.end_time)} UTC by its own account"
    if survey.first is not None and survey.last is not None:
        length = duration(survey.last - survey.first)
        yield "records", f"{iso_time(survey.first)} to {iso_time(survey.last)} ({length})"
    modes = [text for bit, text in _MODES.items() if header.log_file_mode & bit]
    yield "mode", ", ".join([f"{header.log_file_mode:#x}", *modes])
    yield (
        "file",
        f"{count(survey.size, 'byte')}, {count(survey.buffers, 'buffer')}, "
        f"{survey.compressed_buffers:,} of them compressed",
    )
    yield (
        "lost",
        f"{count(header.events_lost, 'event')}, {count(header.buffers_lost, 'buffer')} by its own account",
    )
    yield "sha256", survey.sha256


def _list(title: str, counts: Mapping[str, int], limit: int | None) -> Iterator[str]:
    if not counts:
        return
    yield f"{title}: {sum(counts.values()):,}"
    shown = list(_by_count(counts).items())[:limit]
    lines = [(f"{number:,}", clean(name)) for name, number in shown]
    yield from (f"  {line}" for line in columns(lines, (True, False)))
    if len(shown) < len(counts):
        yield f"  {len(shown)} of {len(counts):,} shown (--all shows every one)"
