"""Microsoft-Windows-FilterManager: layouts, names and messages, and the life of filters in a trace.

Public facts: the field names and types that Windows registers for this provider, and the texts that its
event log shows. The catalogue's layouts of it take the lengths of names for bytes; they count characters.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

import pyarrow as pa

from tracecheck.payload._schema import In, Out
from tracecheck.payload.arrow import from_numpy, strings
from tracecheck.payload.manifest.definition import Event, Field, Provider

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from tracecheck.payload.manifest.decode import Decoded

#: The provider's GUID.
GUID = UUID("f3c5e28e-63f6-49c7-a204-e48a1bc4b09d")

_STATUS = (Field("FinalStatus", In.HEXINT32, Out.NTSTATUS),)
_FILTER = (
    Field("DeviceVersionMajor", In.UINT32),
    Field("DeviceVersionMinor", In.UINT32),
    Field("DeviceNameLength", In.UINT16),
    Field("DeviceName", In.UNICODESTRING, length="DeviceNameLength"),
    Field("DeviceTime", In.FILETIME),
)
_EXTRA = (
    Field("ExtraStringLength", In.UINT16),
    Field("ExtraString", In.UNICODESTRING, length="ExtraStringLength"),
)
_EXTRA_INFO = (
    Field("ExtraInfoLength", In.UINT16),
    Field("ExtraInfoString", In.UNICODESTRING, length="ExtraInfoLength"),
)
_ID = (Field("FilterID", In.GUID),)
_OBJECT_ID = (Field("FltObjectID", In.GUID),)

# Version 1 has what version 0 has, and more.
_LAYOUTS = {
    "filter": (_STATUS + _FILTER, _STATUS + _FILTER + _EXTRA_INFO + _ID),
    "text": (_STATUS + _EXTRA, _STATUS + _EXTRA + _OBJECT_ID),
    "filter and text": (_STATUS + _FILTER + _EXTRA, None),
}

# Id, name, level (winmeta.xml), layout, highest version, message. Messages that are not public stay empty.
_EVENTS = (
    (
        1,
        "FilterUnloaded",
        4,
        "filter",
        1,
        "File System Filter '%5' (Version %2.%3, %6) unloaded successfully.",
    ),
    (
        2,
        "NameCachingDisabled",
        4,
        "text",
        0,
        "Name caching for File System Filters has been disabled on volume '%3'.",
    ),
    (
        3,
        "VolumeAttachFailed",
        2,
        "text",
        0,
        "Filter Manager failed to attach to volume '%3'. The final status was %1.",
    ),
    (4, "FilterVolumeWarning", 3, "filter and text", 0, ""),
    (5, "FilterWarning", 3, "filter", 1, ""),
    (6, "FilterLoaded", 4, "filter", 1, "File System Filter '%5' (Version %2.%3, %6) loaded and registered."),
    (7, "FilterWarning", 3, "filter", 1, ""),
    (8, "Information", 4, "text", 1, ""),
    (9, "Error", 2, "text", 0, ""),
    (10, "Information", 4, "text", 0, ""),
)

#: What an event says of a filter's life, by its id.
WHAT = {1: "unload", 3: "attach failed", 6: "load"}

#: A row is an event in a filter's life. ``name`` is the filter, or the volume where an attach failed.
LIFECYCLE = pa.schema(
    [
        pa.field("row", pa.int64(), nullable=False),
        pa.field("time", pa.timestamp("ns", "UTC"), nullable=False),
        pa.field("what", pa.string(), nullable=False),
        pa.field("name", pa.string()),
        pa.field("status", pa.uint32()),
    ]
)


def provider() -> Provider:
    """Give the provider's layouts."""
    events = {}
    for id_, name, level, kind, newest, message in _EVENTS:
        for version, fields in enumerate(_LAYOUTS[kind][: newest + 1]):
            assert fields is not None
            events[id_, version] = Event(id_, version, name, level=level, message=message, fields=fields)
    return Provider(GUID, "Microsoft-Windows-FilterManager", events, "tracecheck")


def lifecycle(decoded: Sequence[Decoded], time: npt.NDArray[Any]) -> pa.Table:
    """Give the loads and unloads of filters, and the volumes that could not be attached to.

    Args:
        decoded: What :func:`tracecheck.payload.manifest.decode.decode` gave; events of other providers are
            passed over.
        time: The time of every event that was given to it, nanoseconds since 1970 UTC, int64.

    Returns:
        A table of :data:`LIFECYCLE` in the order of the events; ``row`` is the index of the event in the
        arguments of ``decode``. A name or status is null where its payload ended before it.
    """
    parts = [_part(each, time) for each in decoded if each.provider.guid == GUID and each.event.id in WHAT]
    table = pa.Table.from_batches(parts, LIFECYCLE)
    return table.sort_by("row")


def _part(decoded: Decoded, time: npt.NDArray[Any]) -> pa.RecordBatch:
    is_attach = decoded.event.id == 3
    name = decoded.table.column("ExtraString" if is_attach else "DeviceName")
    what = strings([WHAT[decoded.event.id]] * len(decoded.rows))
    arrays = [
        from_numpy(decoded.rows, pa.int64()),
        from_numpy(time[decoded.rows], LIFECYCLE.field("time").type),
        what,
        name.cast(pa.string()),
        decoded.table.column("FinalStatus"),
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=LIFECYCLE)
