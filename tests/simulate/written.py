"""A small reader of uncompressed logs, one record at a time: what the simulator's files are held against."""

import struct
from typing import NamedTuple

from tracecheck.simulate.tracelogging import PROVIDER

EVENT_KINDS = {0x12: 4, 0x13: 8}
SIZED_AT_4 = {1, 2, 3, 4, 0x10, 0x11}
CODES = {4: "B", 6: "H", 7: "i", 8: "I", 9: "q", 10: "Q", 13: "i", 20: "I", 21: "Q"}


class Event(NamedTuple):
    """A canonical event as the file holds it."""

    cpu: int
    tick: int
    pid: int
    tid: int
    name: str
    fields: dict


def buffers(data):
    """Split a log into buffers: processor, sequence, records' bytes."""
    at = 0
    while at < len(data):
        size, used = struct.unpack_from("<I44xI", data, at)
        (sequence,) = struct.unpack_from("<q", data, at + 0x18)
        (cpu,) = struct.unpack_from("<H", data, at + 0x28)
        yield cpu, sequence, data[at + 0x48 : at + used]
        at += size


def records(data):
    """List (cpu, record) of all buffers behind the header's, in the order of each processor's buffers."""
    out = []
    for cpu, _, body in sorted(list(buffers(data))[1:], key=lambda buffer: buffer[1]):
        at = 0
        while at < len(body):
            low, kind = struct.unpack_from("<HB", body, at)
            size = struct.unpack_from("<H", body, at + 4)[0] if kind in SIZED_AT_4 else low
            out.append((cpu, body[at : at + size]))
            at += (size + 7) & ~7
    return out


def events(data):
    """Decode the canonical events of a log, in the order of their ticks."""
    found = [decode(cpu, record) for cpu, record in records(data) if is_ours(record)]
    return sorted(found, key=lambda event: event.tick)


def is_ours(record):
    """Tell whether a record is an event of the canonical provider."""
    return record[2] in EVENT_KINDS and record[3] == 0xC0 and record[24:40] == PROVIDER.bytes_le


def decode(cpu, record):
    """Decode one event."""
    tid, pid, tick = struct.unpack_from("<IIq", record, 8)
    at, schema, linked = 80, None, 1
    while linked:
        size, kind, linked, used = struct.unpack_from("<HHHH", record, at)
        if kind == 11:
            schema = record[at + 8 : at + 8 + used]
        at += size
    name, fields = parse_schema(schema)
    return Event(cpu, tick, pid, tid, name, read_fields(fields, record[at:]))


def parse_schema(raw):
    """Parse a schema without tags and arrays: name and fields of (name, in-type)."""
    assert struct.unpack_from("<H", raw)[0] == len(raw)
    assert raw[2] == 0
    name, at = text(raw, 3)
    fields = []
    while at < len(raw):
        field, at = text(raw, at)
        fields.append((field, raw[at]))
        at += 1
    return name, fields


def text(raw, at):
    """Read a NUL-terminated text and where it ends."""
    end = raw.index(b"\0", at)
    return raw[at:end].decode(), end + 1


def read_fields(fields, payload):
    """Read all fields; they fill the payload."""
    values, at = {}, 0
    for name, kind in fields:
        if kind == 1:
            end = next(i for i in range(at, len(payload), 2) if payload[i : i + 2] == b"\0\0")
            values[name], at = payload[at:end].decode("utf-16-le"), end + 2
        elif kind == 2:
            values[name], at = text(payload, at)
        else:
            (values[name],) = struct.unpack_from("<" + CODES[kind], payload, at)
            at += struct.calcsize(CODES[kind])
    assert at == len(payload)
    return values
