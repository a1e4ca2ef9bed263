"""Writes payloads after a layout, value by value with struct: it shares nothing with the decoder."""

import struct
import uuid
from xml.sax.saxutils import quoteattr

import numpy as np

from tracecheck.payload.manifest.decode import decode
from tracecheck.payload.manifest.definition import Event, Field, In, Provider

GUID = uuid.UUID("01234567-89ab-cdef-0123-456789abcdef")

FORMS = {
    In.INT8: "<b",
    In.UINT8: "<B",
    In.INT16: "<h",
    In.UINT16: "<H",
    In.INT32: "<i",
    In.UINT32: "<I",
    In.INT64: "<q",
    In.UINT64: "<Q",
    In.DOUBLE: "<d",
    In.HEXINT32: "<I",
    In.HEXINT64: "<Q",
}


def write(fields, values, pointer_size=8):
    """Write the values of some fields."""
    return b"".join(
        write_field(field, value, pointer_size) for field, value in zip(fields, values, strict=True)
    )


def write_field(field, value, pointer_size):
    """Write one field: an array element by element."""
    if field.count is not None:
        single = Field(field.name, field.in_type, length=field.length, fields=field.fields)
        return b"".join(write_field(single, each, pointer_size) for each in value)
    if field.in_type in FORMS:
        return struct.pack(FORMS[field.in_type], value)
    match field.in_type:
        case In.STRUCT:
            return write(field.fields, [value[each.name] for each in field.fields], pointer_size)
        case In.POINTER:
            return struct.pack("<I" if pointer_size == 4 else "<Q", value)
        case In.BOOL32:
            return struct.pack("<I", value)
        case In.GUID:
            return uuid.UUID(value).bytes_le
        case In.UNICODESTRING:
            return value.encode("utf-16-le") + (b"\0\0" if field.length is None else b"")
        case In.ANSISTRING:
            return value.encode() + (b"\0" if field.length is None else b"")
        case In.BINARY:
            return value
        case In.COUNTEDSTRING:
            raw = value.encode("utf-16-le")
            return struct.pack("<H", len(raw)) + raw
    raise AssertionError(field)


def provider(*events):
    """Make a provider of events."""
    return Provider(GUID, "Test", {(event.id, event.version): event for event in events})


def decode_all(event, payloads, pointer_size=8, gap=3):
    """Decode payloads of one event; between them lie bytes of no event."""
    data, starts = bytearray(), []
    for payload in payloads:
        data += b"\xcc" * gap
        starts.append(len(data))
        data += payload
    sizes = [len(payload) for payload in payloads]
    count = len(payloads)
    raw = np.frombuffer(bytes(data), dtype=np.uint8)
    return decode(
        raw,
        [provider(event)],
        np.zeros(count, int),
        np.full(count, event.id),
        np.full(count, event.version),
        starts,
        sizes,
        pointer_size=pointer_size,
    )


def one(fields, payloads, pointer_size=8, **more):
    """Decode payloads of one layout; give the one group that they make."""
    (decoded,) = decode_all(Event(1, 0, fields=tuple(fields), **more), payloads, pointer_size)
    return decoded


def rows(decoded):
    """Give the values of the events, row by row."""
    columns = [column.to_pylist() for column in decoded.table.columns]
    return [list(cells) for cells in zip(*columns, strict=True)]


def problems(decoded):
    """Give what is wrong with each row."""
    return [None] * len(decoded.rows) if decoded.problems is None else decoded.problems.to_pylist()


MANIFEST = """<?xml version="1.0" encoding="utf-8"?>
<instrumentationManifest{namespace}>
 <instrumentation><events>{providers}</events></instrumentation>
 <localization>{resources}</localization>
</instrumentationManifest>"""


def provider_xml(events="", templates="", maps="", guid=GUID, **groups):
    """Write a provider element."""
    inner = "".join(f"<{name}>{text}</{name}>" for name, text in groups.items())
    return (
        f"<provider name='Test' guid={quoteattr('{' + str(guid) + '}')} symbol='T'>{inner}<maps>{maps}</maps>"
        f"<templates>{templates}</templates><events>{events}</events></provider>"
    )


def manifest_xml(*providers, strings=None, cultures=("en-US",), namespace=True):
    """Write a manifest."""
    table = "".join(f"<string id={quoteattr(k)} value={quoteattr(v)}/>" for k, v in (strings or {}).items())
    resources = "".join(
        f"<resources culture='{culture}'><stringTable>{table.replace('@', culture)}</stringTable></resources>"
        for culture in cultures
    )
    mark = ' xmlns="http://schemas.microsoft.com/win/2004/08/events"' if namespace else ""
    return MANIFEST.format(namespace=mark, providers="".join(providers), resources=resources).encode()
