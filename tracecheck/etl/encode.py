"""Records and headers of the .etl container as bytes: one function for each kind of header.

Each takes values and gives the bytes, unpadded. Sources: evntrace.h and evntcons.h for the documented
headers, public descriptions of WMI_BUFFER_HEADER and of the kernel's trace headers for the others.
"""

import struct
from collections.abc import Sequence
from typing import NamedTuple

from tracecheck.etl.layout import (
    BUFFER_HEADER_SIZE,
    BUFFER_PROC_INDEX,
    EVENT_32_BIT_HEADER,
    EVENT_64_BIT_HEADER,
    EVENT_EXTENDED_INFO,
    EVENT_TRACE_GROUP,
    MESSAGE_COMPONENTID,
    MESSAGE_GUID,
    MESSAGE_SEQUENCE,
    MESSAGE_SYSTEMINFO,
    MESSAGE_TIMESTAMP,
    Kind,
)

MAX_RECORD_SIZE = 0xFFFF  # every header has a u16 for the size

_MARKER = 0xC0
_MESSAGE_MARKER = 0x9000
_STATE_FLUSHED = 3
_LOGGER_ID = 24
_VERSION_10 = 0x0501000A  # major 10, minor 0, sub-version 1, sub-minor 5: what Windows 10 and 11 write
_TIMER_RESOLUTION = 156_250
_TIME_ZONE_SIZE = 172

_BUFFER = struct.Struct("<IIIiqqQHHIIHH16x")
_LOG_FIXED = struct.Struct("<IIIIqIIIIIIII")
_LOG_TIMES = struct.Struct("<qqqII")
_SYSTEM = struct.Struct("<HBBHBBIIqII")
_COMPACT = struct.Struct("<HBBHBBIIq")
_PERFINFO = struct.Struct("<HBBHBBq")
_CLASSIC = struct.Struct("<HBBBBHIIq16sII")
_INSTANCE = struct.Struct("<HBBBBHIIq16sIIII16s")
_EVENT = struct.Struct("<HBBHHIIq16s16sQ16s")
_DESCRIPTOR = struct.Struct("<HBBBBHQ")
_MESSAGE = struct.Struct("<HHHH")
_ITEM = struct.Struct("<HHHH")
_ERROR = struct.Struct("<HBB4x")

_EVENT_KINDS = {
    4: (int(Kind.EVENT32), EVENT_32_BIT_HEADER),
    8: (int(Kind.EVENT64), EVENT_64_BIT_HEADER),
}
_PAIRS = {
    "system": (Kind.SYSTEM32, Kind.SYSTEM64),
    "compact": (Kind.COMPACT32, Kind.COMPACT64),
    "perfinfo": (Kind.PERFINFO32, Kind.PERFINFO64),
    "classic": (Kind.FULL32, Kind.FULL64),
    "instance": (Kind.INSTANCE32, Kind.INSTANCE64),
}


class HeaderFields(NamedTuple):
    """What TRACE_LOGFILE_HEADER says; times are FILETIMEs, ``frequency`` ticks a second."""

    buffer_size: int
    build: int
    processors: int
    end_time: int
    maximum_file_size: int
    mode: int
    buffers_written: int
    pointer_size: int
    events_lost: int
    cpu_mhz: int
    boot_time: int
    frequency: int
    start_time: int
    clock_type: int
    buffers_lost: int
    logger_name: str
    file_name: str


def log_header(header: HeaderFields) -> bytes:
    """Pack TRACE_LOGFILE_HEADER and its two names: the payload of the first record of a log.

    Args:
        header: The values; ``pointer_size`` (4 or 8) settles the layout.

    Returns:
        The fixed part (`log_header_size`), then two NUL-terminated UTF-16 strings.
    """
    sizes = (header.buffer_size, _VERSION_10, header.build, header.processors, header.end_time)
    limits = (_TIMER_RESOLUTION, header.maximum_file_size, header.mode, header.buffers_written)
    start_buffers = 1
    machine = (start_buffers, header.pointer_size, header.events_lost, header.cpu_mhz)
    head = _LOG_FIXED.pack(*sizes, *limits, *machine)
    # The two name pointers mean nothing in a file, and a zero time zone is UTC.
    before_times = log_header_size(header.pointer_size) - _LOG_TIMES.size
    head += bytes(before_times - len(head))
    times = (header.boot_time, header.frequency, header.start_time)
    tail = _LOG_TIMES.pack(*times, header.clock_type, header.buffers_lost)
    names = f"{header.logger_name}\0{header.file_name}\0".encode("utf-16-le")
    return head + tail + names


def log_header_size(pointer_size: int) -> int:
    """Tell the size of TRACE_LOGFILE_HEADER without its names: 272 bytes with 4-byte pointers, 280 with 8."""
    before_times = _LOG_FIXED.size + 2 * pointer_size + _TIME_ZONE_SIZE
    return before_times + (-before_times & 7) + _LOG_TIMES.size


def log_header_record(header: HeaderFields, tick: int) -> bytes:
    """Pack the first record of a log: SYSTEM, group 0 type 0, by the System process (pid 4) at ``tick``."""
    return system(tick, EVENT_TRACE_GROUP, 0, 4, 4, log_header(header), pointer_size=header.pointer_size)


def buffer_header(
    size: int, used: int, *, room: int, cpu: int, tick: int, sequence: int, flags: int, buffer_type: int
) -> bytes:
    """Pack WMI_BUFFER_HEADER as a flushed buffer has it in a file.

    Args:
        size: BufferSize: how far it is to the next buffer.
        used: Offset and SavedOffset: bytes in use before compression, this header included.
        room: What CurrentOffset stands beyond ``used``: a logger that closes a buffer reserves past its end.
        cpu: Processor index.
        tick: TimeStamp.
        sequence: SequenceNumber.
        flags: ETW_BUFFER_FLAG_*; the processor-index flag is added.
        buffer_type: ETW_BUFFER_TYPE_*.

    Returns:
        0x48 bytes.
    """
    flags |= BUFFER_PROC_INDEX
    current = used + room
    return _BUFFER.pack(
        size, used, current, 0, tick, sequence, 0, cpu, _LOGGER_ID, _STATE_FLUSHED, used, flags, buffer_type
    )


def event_descriptor(
    number: int, version: int, channel: int, level: int, opcode: int, task: int, keyword: int
) -> bytes:
    """Pack EVENT_DESCRIPTOR: 16 bytes."""
    return _DESCRIPTOR.pack(number, version, channel, level, opcode, task, keyword)


def event(
    tick: int,
    pid: int,
    tid: int,
    provider: bytes,
    descriptor: bytes,
    flags: int,
    items: Sequence[tuple[int, bytes]],
    payload: bytes,
    activity: bytes,
    pointer_size: int,
) -> bytes:
    """Pack an EVENT_HEADER record: header, extended items of (type, data), user data."""
    kind, width = _EVENT_KINDS[pointer_size]
    flags |= width
    if items:
        payload = extended_items(items) + payload
        flags |= EVENT_EXTENDED_INFO
    size = _record_size(_EVENT.size, payload)
    head = _EVENT.pack(size, kind, _MARKER, flags, 0, tid, pid, tick, provider, descriptor, 0, activity)
    return head + payload


def extended_items(items: Sequence[tuple[int, bytes]]) -> bytes:
    """Pack EVENT_HEADER_EXTENDED_DATA_ITEMs of (type, data), each padded to 8 and linked to the next."""
    last = len(items) - 1
    out = bytearray()
    for index, (item_type, data) in enumerate(items):
        size = _ITEM.size + len(data)
        padded = size + (-size & 7)
        if padded > MAX_RECORD_SIZE:
            raise ValueError(f"an extended item of {len(data)} bytes does not fit a record")
        out += _ITEM.pack(padded, item_type, int(index < last), len(data)) + data + bytes(padded - size)
    return bytes(out)


def system(
    tick: int,
    group: int,
    opcode: int,
    pid: int,
    tid: int,
    payload: bytes,
    *,
    pointer_size: int,
    version: int = 2,
    kernel_time: int = 0,
    user_time: int = 0,
) -> bytes:
    """Pack a SYSTEM_TRACE_HEADER record."""
    size = _record_size(_SYSTEM.size, payload)
    kind = _kind("system", pointer_size)
    head = (version, kind, _MARKER, size, opcode, group, tid, pid, tick)
    return _SYSTEM.pack(*head, kernel_time, user_time) + payload


def compact(
    tick: int,
    group: int,
    opcode: int,
    pid: int,
    tid: int,
    payload: bytes,
    *,
    pointer_size: int,
    version: int = 2,
) -> bytes:
    """Pack a compact SYSTEM_TRACE_HEADER record: no kernel and user times."""
    size = _record_size(_COMPACT.size, payload)
    kind = _kind("compact", pointer_size)
    return _COMPACT.pack(version, kind, _MARKER, size, opcode, group, tid, pid, tick) + payload


def perfinfo(
    tick: int, group: int, opcode: int, payload: bytes, *, pointer_size: int, version: int = 2
) -> bytes:
    """Pack a PERFINFO_TRACE_HEADER record, which names no thread."""
    size = _record_size(_PERFINFO.size, payload)
    kind = _kind("perfinfo", pointer_size)
    return _PERFINFO.pack(version, kind, _MARKER, size, opcode, group, tick) + payload


def classic(
    tick: int,
    event_class: bytes,
    opcode: int,
    pid: int,
    tid: int,
    payload: bytes,
    *,
    level: int,
    version: int,
    pointer_size: int,
) -> bytes:
    """Pack an EVENT_TRACE_HEADER record, a classic event."""
    size = _record_size(_CLASSIC.size, payload)
    kind = _kind("classic", pointer_size)
    head = (size, kind, _MARKER, opcode, level, version, tid, pid, tick, event_class)
    return _CLASSIC.pack(*head, 0, 0) + payload


def instance(
    tick: int,
    ids: tuple[bytes, bytes, int, int],
    opcode: int,
    pid: int,
    tid: int,
    payload: bytes,
    *,
    level: int,
    version: int,
    pointer_size: int,
) -> bytes:
    """Pack an EVENT_INSTANCE_GUID_HEADER record, a classic event of one instance and its parent.

    The header has 72 bytes in 32 and in 64 bits. ``ids`` are the class's and the parent class's GUID, the
    instance's and the parent's number.
    """
    event_class, parent_class, instance_id, parent_id = ids
    size = _record_size(_INSTANCE.size, payload)
    kind = _kind("instance", pointer_size)
    head = (size, kind, _MARKER, opcode, level, version, tid, pid, tick, event_class)
    return _INSTANCE.pack(*head, 0, 0, instance_id, parent_id, parent_class) + payload


def message(
    tick: int,
    guid: bytes | None,
    number: int,
    options: int,
    sequence: int,
    component: int,
    pid: int,
    tid: int,
    payload: bytes,
) -> bytes:
    """Pack a WPP TRACE_MESSAGE; ``options`` (TRACE_MESSAGE_*) says which optional parts it has.

    Raises:
        ValueError: ``options`` ask for a GUID and there is none, or the record is too large.
    """
    parts = b""
    if options & MESSAGE_SEQUENCE:
        parts += struct.pack("<I", sequence)
    if options & MESSAGE_GUID:
        if guid is None:
            raise ValueError("a message with the GUID option needs a GUID")
        parts += guid
    elif options & MESSAGE_COMPONENTID:
        parts += struct.pack("<I", component)
    if options & MESSAGE_TIMESTAMP:
        parts += struct.pack("<q", tick)
    if options & MESSAGE_SYSTEMINFO:
        parts += struct.pack("<II", tid, pid)
    size = _record_size(_MESSAGE.size + len(parts), payload)
    return _MESSAGE.pack(size, _MESSAGE_MARKER, number, options) + parts + payload


def error(payload: bytes) -> bytes:
    """Pack an ERROR record: marker, 4 bytes of flags that are zero, and the payload."""
    return _ERROR.pack(_record_size(_ERROR.size, payload), Kind.ERROR, _MARKER) + payload


def _kind(name: str, pointer_size: int) -> int:
    return _PAIRS[name][pointer_size == 8]


def _record_size(header: int, payload: bytes) -> int:
    size = header + len(payload)
    if size > MAX_RECORD_SIZE:
        raise ValueError(f"a record of {size} bytes is larger than a header can say ({MAX_RECORD_SIZE})")
    return size


assert _BUFFER.size == BUFFER_HEADER_SIZE
