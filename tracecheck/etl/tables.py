"""The Arrow schemas of what the container gives: records and losses."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

#: A row is one ETW record, in the order in which the file holds it.
#:
#: ``tick`` is the raw time of the session clock; ``time`` the same in UTC. ``kind`` is a
#: :class:`~tracecheck.etl.layout.Kind`. ``provider`` is the provider's GUID (events), the event class's
#: GUID (classic events) or the message GUID (WPP), in the byte order of the file, zeros for kernel
#: records, which are known by ``group`` and ``opcode``. ``id`` is the event id or WPP message number.
#: ``flags`` is the record's own flag word (EVENT_HEADER.Flags, WPP option flags). ``position`` is the
#: offset in the file of the buffer that holds the record and ``offset`` the record's offset in the
#: unpacked buffer. ``sequence`` is the buffer's SequenceNumber: ties of ``tick`` are broken by
#: ``(sequence, offset)``. ``payload`` is the offset in the chunk's ``data`` of the first byte of user
#: data, ``payload_size`` its length; extended items lie between ``extended`` and ``payload``. ``schema`` is
#: where the data of the item EVENT_SCHEMA_TL begin, 0 where the event has none; their length stands in the
#: two bytes before.
RECORDS = pa.schema(
    [
        pa.field("time", pa.timestamp("ns", "UTC"), nullable=False),
        pa.field("tick", pa.int64(), nullable=False),
        pa.field("cpu", pa.uint16(), nullable=False),
        pa.field("pid", pa.uint32(), nullable=False),
        pa.field("tid", pa.uint32(), nullable=False),
        pa.field("kind", pa.uint8(), nullable=False),
        pa.field("group", pa.uint8(), nullable=False),
        pa.field("opcode", pa.uint8(), nullable=False),
        pa.field("version", pa.uint8(), nullable=False),
        pa.field("channel", pa.uint8(), nullable=False),
        pa.field("level", pa.uint8(), nullable=False),
        pa.field("id", pa.uint16(), nullable=False),
        pa.field("task", pa.uint16(), nullable=False),
        pa.field("flags", pa.uint16(), nullable=False),
        pa.field("keyword", pa.uint64(), nullable=False),
        pa.field("provider", pa.binary(16), nullable=False),
        pa.field("position", pa.uint64(), nullable=False),
        pa.field("offset", pa.uint32(), nullable=False),
        pa.field("sequence", pa.int64(), nullable=False),
        pa.field("extended", pa.uint32(), nullable=False),
        pa.field("schema", pa.uint32(), nullable=False),
        pa.field("payload", pa.uint32(), nullable=False),
        pa.field("payload_size", pa.uint32(), nullable=False),
    ]
)

#: A row is a stretch of time in which events are known to be missing.
#:
#: ``cpu`` is null where the loss may lie on any processor. ``start`` and ``end`` are null where the
#: stretch is open on that side. ``count`` is how many ``unit`` ("events" or "buffers") are missing,
#: null where that is not known. ``sign`` says how it is known: "events lost" and "buffers lost" (the
#: log file's header), "buffer flag", "buffer sequence", "message sequence", "event sequence" (the
#: canonical provider's counter), "unreadable".
LOSSES = pa.schema(
    [
        pa.field("cpu", pa.uint16()),
        pa.field("start", pa.timestamp("ns", "UTC")),
        pa.field("end", pa.timestamp("ns", "UTC")),
        pa.field("count", pa.uint64()),
        pa.field("unit", pa.string(), nullable=False),
        pa.field("sign", pa.string(), nullable=False),
        pa.field("detail", pa.string(), nullable=False),
    ]
)


def plain_rows(table: pa.Table) -> list[dict[str, Any]]:
    """Give a table's rows as dicts of plain values, times as nanoseconds since 1970.

    Arrow's own way to Python makes a pandas object of a time that has nanoseconds, and fails without pandas.

    Args:
        table: Any table.
    """
    fields = [
        pa.field(f.name, pa.int64() if pa.types.is_timestamp(f.type) else f.type, f.nullable)
        for f in table.schema
    ]
    rows: list[dict[str, Any]] = table.cast(pa.schema(fields)).to_pylist()
    return rows
