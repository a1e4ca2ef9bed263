"""What tests compare the writer with: two readers that others wrote, and a plain walk over buffers."""

import io
import struct
import warnings
from typing import NamedTuple

from dissect.etl import ETL

MESSAGE = 0x90


class Seen(NamedTuple):
    """A record as a reader sees it; None is what its kind of header does not have.

    ``kind`` is the header's type, ``provider`` 16 bytes as in the file, ``number`` the event's id, the
    message's number or the kernel record's group.
    """

    kind: int
    tick: int | None
    pid: int | None
    tid: int | None
    provider: bytes | None
    number: int | None
    opcode: int | None
    payload: bytes


def dissect_headers(data):
    """Reads all record headers with dissect.etl, the log's own first."""
    return [record.header for record in ETL(io.BytesIO(data))]


def by_dissect(data):
    """Reads all records but the first, the log's own, with dissect.etl."""
    return [_from_dissect(header) for header in dissect_headers(data)[1:]]


def _from_dissect(header):
    raw = header.header
    pid, tid = getattr(header, "process_id", None), getattr(header, "thread_id", None)
    payload = bytes(header.payload)
    if header.marker >> 28 == 9:
        provider = header.provider_id and header.provider_id.bytes_le
        return Seen(MESSAGE, header.time_delta, pid, tid, provider, raw.Id, None, payload)
    number = getattr(raw, "Id", getattr(raw, "Group", None))
    opcode = raw.OpCode if hasattr(raw, "OpCode") else raw.Version & 0xFF
    provider = getattr(raw, "ProviderId", None)
    return Seen(header.marker >> 16 & 0xFF, header.time_delta, pid, tid, provider, number, opcode, payload)


def by_etl_parser(data):
    """Reads all records behind the header buffer with etl-parser; each with its extended items."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from etl.etl import IEtlFileObserver, build_from_stream

    seen = []

    class Observer(IEtlFileObserver):
        def on_event_record(self, event):
            source = event.source
            head, what = source.event_header, source.event_header.event_descriptor
            row = Seen(
                _kind(head),
                *_place(head, "timestamp"),
                _guid(head.provider_id),
                what.Id,
                what.Opcode,
                source.user_data,
            )
            seen.append((row, [(item.ext_type, item.data_item) for item in source.extended_data or ()]))

        def on_trace_record(self, event):
            head = event.source.event_header
            what = (None, head["class"].type, event.source.user_data)
            seen.append((Seen(_kind(head), *_place(head, "timestamp"), _guid(head.guid), *what), []))

        def on_perfinfo_trace(self, event):
            source = event.source
            what = (int(source.header.group), source.header.type, source.mof_data)
            seen.append((Seen(_kind(source), source.timestamp, None, None, None, *what), []))

        def on_system_trace(self, event):
            head = event.source.system_header
            what = (int(head.header.group), head.header.type, event.source.mof_data)
            seen.append((Seen(_kind(head), *_place(head, "system_time"), None, *what), []))

        def on_win_trace(self, event):
            raise AssertionError(f"etl-parser takes a record for what nobody wrote: {event}")

    file = build_from_stream(data)
    if file.chunks:
        file.parse(Observer())
    return seen


def _place(head, time):
    return head[time], head.process_id, head.thread_id


def _kind(head):
    return int(head.marker.type.enum)


def _guid(value):
    inner = value.inner
    return struct.pack("<IHH8B", inner.data1, inner.data2, inner.data3, *inner.data4)


class Stored(NamedTuple):
    """A buffer as it stands in a file; ``body`` is what follows its header."""

    size: int
    saved: int
    current: int
    references: int
    tick: int
    sequence: int
    cpu: int
    state: int
    used: int
    flags: int
    type: int
    body: bytes


def buffers(data):
    """Walks the buffers of a file."""
    found, at = [], 0
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "little")
        fields = struct.unpack_from("<IIIiqq8xH2xIIHH", data, at)
        found.append(Stored(*fields, data[at + 0x48 : at + size]))
        at += size
    assert at == len(data)
    return found


def split(buffer):
    """Cuts the used part of a plain buffer into records."""
    body = buffer.body[: buffer.used - 0x48]
    at, found = 0, []
    while at < len(body):
        kind = body[at + 2]
        is_sized_late = body[at + 3] >> 4 != 9 and kind in {1, 2, 3, 4, 0x10, 0x11}
        size = struct.unpack_from("<H", body, at + 4 if is_sized_late else at)[0]
        found.append(body[at : at + size])
        at += size + (-size & 7)
    return found
