"""`events`: records as lines of text or of JSON; what no decoder knows yet is shown as bytes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

import numpy as np

from tracecheck.etl.columns import NO_ID
from tracecheck.etl.layout import KIND_NAMES, Ext, Kind
from tracecheck.payload.tracelogging import decode, provider_traits
from tracecheck.reporters.common import clean, dump
from tracecheck.reporters.fields import field_rows, field_text
from tracecheck.reporters.names import kernel_event

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tracecheck.etl import Chunk

_KINDS = {int(kind): kind for kind in Kind}
_KERNEL = frozenset(
    {
        Kind.SYSTEM32,
        Kind.SYSTEM64,
        Kind.COMPACT32,
        Kind.COMPACT64,
        Kind.PERFINFO32,
        Kind.PERFINFO64,
    }
)
_CLASSIC = frozenset({Kind.FULL32, Kind.FULL64, Kind.INSTANCE32, Kind.INSTANCE64})
_NUMBERS = ("cpu", "id", "version", "opcode", "level", "keyword", "group")
#: How many bytes of a payload a line of text shows.
SHOWN_BYTES = 48


@dataclass(slots=True)
class Event:
    """One record as it is shown.

    Attributes:
        time: ISO 8601, UTC, nine digits, without ``Z``.
        pid, tid: None where the record has none.
        provider: A GUID; None for kernel records and messages without one.
        kind: The record's :class:`~tracecheck.etl.layout.Kind`.
        cpu, id, version, opcode, level, keyword, group: As in the records table.
        payload: The user data.
        provider_name: What a self-describing provider calls itself.
        name: The event's name, None where no decoder knows it.
        fields: Decoded fields by name; None where there is no decoder for them.
        problem: Why the payload was not decoded whole.
    """

    time: str
    pid: int | None
    tid: int | None
    provider: str | None
    kind: Kind
    cpu: int
    id: int
    version: int
    opcode: int
    level: int
    keyword: int
    group: int
    payload: bytes
    provider_name: str | None = None
    name: str | None = None
    fields: dict[str, Any] | None = None
    problem: str | None = None


def render_jsonl(chunk: Chunk) -> list[bytes]:
    """Write the records of a chunk as JSON, an object and a line for each.

    Args:
        chunk: The records to be shown and the bytes that they point into.

    Returns:
        The lines in the order of the records, ASCII, with line ends.
    """
    return [f"{dump(_object(event))}\n".encode("ascii") for event in read_events(chunk)]


def render_text(chunk: Chunk) -> list[bytes]:
    """Write the records of a chunk for a reader; see :func:`render_jsonl`."""
    return [f"{_line(event)}\n".encode() for event in read_events(chunk)]


def _object(event: Event) -> dict[str, Any]:
    is_message = event.kind == Kind.WPP_MESSAGE
    shown: dict[str, Any] = {
        "time": f"{event.time}Z",
        "cpu": event.cpu,
        "pid": event.pid,
        "tid": event.tid,
        "kind": KIND_NAMES[event.kind],
        "provider": event.provider,
        "provider_name": event.provider_name,
        **({"message": event.id} if is_message else {"name": event.name}),
        "id": event.id,
        "version": event.version,
        "opcode": event.opcode,
        "level": event.level,
        "keyword": f"{event.keyword:#x}",
        "fields": event.fields or {},
        "text": field_text(event.fields or {}),
    }
    if event.problem is not None:
        shown["problem"] = event.problem
    if event.fields is None or event.problem is not None:
        shown["payload"] = event.payload.hex()
    return shown


def _line(event: Event) -> str:
    who = f"{'-' if event.pid is None else event.pid}:{'-' if event.tid is None else event.tid}"
    text = _hex(event.payload) if event.fields is None else field_text(event.fields)
    problem = f" ({event.problem})" if event.problem is not None else ""
    return f"{event.time} [{event.cpu}] {who} {clean(_label(event))} {clean(text)}{clean(problem)}".rstrip()


def _label(event: Event) -> str:
    """Name an event in a line: by provider and name, or by the numbers that stand for them."""
    provider = event.provider_name or event.provider
    if event.kind == Kind.WPP_MESSAGE:
        return f"{provider or '-'}#{event.id}"
    if event.name is not None:
        return f"{provider}/{event.name}" if provider else event.name
    if event.kind in _CLASSIC:
        return f"{provider or '-'}/opcode{event.opcode}"
    return f"{provider}/{event.id}" if provider else KIND_NAMES[event.kind] or "-"


def _hex(payload: bytes) -> str:
    if len(payload) <= SHOWN_BYTES:
        return payload.hex()
    return f"{payload[:SHOWN_BYTES].hex()}... ({len(payload)} bytes)"


def read_events(chunk: Chunk) -> list[Event]:
    """Read the records of a chunk and decode what can be decoded.

    Args:
        chunk: Records and the bytes that they point into.

    Returns:
        The events in the order of the records.
    """
    events = list(_undecoded(chunk))
    _decode(chunk, events)
    return events


def _undecoded(chunk: Chunk) -> Iterator[Event]:
    numbers = [chunk.column(name).tolist() for name in _NUMBERS]
    times = np.datetime_as_string(chunk.column("time").view("M8[ns]")).tolist()
    encoded = chunk.records.column("provider").dictionary_encode()
    guids = [str(UUID(bytes_le=raw)) if any(raw) else None for raw in encoded.dictionary.to_pylist()]
    providers = [guids[code] for code in encoded.indices.to_pylist()]
    kinds = [_KINDS[kind] for kind in chunk.column("kind").tolist()]
    ids = [
        [None if each == NO_ID else each for each in chunk.column(name).tolist()] for name in ("pid", "tid")
    ]
    columns: list[Iterable[Any]] = [times, *ids, providers, kinds, *numbers, _payloads(chunk)]
    for cells in zip(*columns, strict=True):
        event = Event(*cells)
        if event.kind in _KERNEL:
            event.name = kernel_event(event.group, event.opcode)
        yield event


def _payloads(chunk: Chunk) -> Iterator[bytes]:
    data = chunk.data
    start = chunk.column("payload").astype(np.int64)
    for first, end in zip(start.tolist(), (start + chunk.column("payload_size")).tolist(), strict=True):
        yield data[first:end].tobytes()


def _decode(chunk: Chunk, events: list[Event]) -> None:
    """Put the names and fields of self-describing events into ``events``."""
    items = chunk.items(np.arange(len(events)))
    traits = items.of_type(Ext.PROV_TRAITS)
    names = provider_traits(chunk.data, traits.start, traits.size).name.to_pylist()
    for row, name in zip(traits.row.tolist(), names, strict=True):
        events[row].provider_name = name
    schemas = items.of_type(Ext.EVENT_SCHEMA_TL)
    payload, size = (chunk.column(name)[schemas.row] for name in ("payload", "payload_size"))
    for group in decode(chunk.data, schemas.start, schemas.size, payload, size):
        rows = schemas.row[group.rows].tolist()
        problems = [None] * len(rows) if group.problems is None else group.problems.to_pylist()
        for row, fields, problem in zip(rows, field_rows(group), problems, strict=True):
            events[row].problem = problem
            if group.schema is not None:
                events[row].name, events[row].fields = group.schema.name, fields
