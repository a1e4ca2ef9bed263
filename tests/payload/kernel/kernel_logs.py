"""Kernel logs made by hand: payloads as the kernel lays them out, and chunks of what the reader reads."""

import struct
import uuid

from tracecheck.etl.reader import open_log
from tracecheck.etl.writer import LogWriter

PROCESS, FILE, THREAD, DBGPRINT, POOL, IMAGE, STACKWALK = 3, 4, 5, 0xA, 0xE, 0x14, 0x18
IMAGE_ID = uuid.UUID("b3e675d7-2554-4f18-830b-2762732560de")
START, END, DC_START, DC_END, LOAD = 1, 2, 3, 4, 10
NOBODY = 0xFFFFFFFF


def wide(text):
    """A UTF-16 string and its NUL."""
    return text.encode("utf-16-le") + b"\0\0"


def process(pid, name, *, parent=4, key=0, command="", bits=64):
    """The payload of a process event, version 4."""
    p = "Q" if bits == 64 else "I"
    sid = struct.pack(f"<{p}{p}", 1, 0) + bytes([1, 1, 0, 0, 0, 0, 0, 5]) + struct.pack("<I", 18)
    head = struct.pack(f"<{p}IIIi{p}I", key, pid, parent, 1, 259, 0x1AD000, 0)
    return head + sid + name.encode() + b"\0" + wide(command) + wide("") + wide("")


def thread(pid, tid, *, bits=64):
    """The payload of a thread event, version 3, without a name."""
    p = "Q" if bits == 64 else "I"
    return struct.pack(f"<II7{p}IbBBB", pid, tid, *range(7), 0, 8, 5, 2, 0)


def image(pid, base, size, name, *, bits=64):
    """The payload of an image event, version 3."""
    p = "Q" if bits == 64 else "I"
    head = struct.pack(f"<{p}{p}IIIBBH{p}4I", base, size, pid, 7, 8, 12, 2, 0, base, 0, 0, 0, 0)
    return head + wide(name)


def rsds(pid, base, guid, age, pdb):
    """The payload of the event DbgID_RSDS."""
    return struct.pack("<QI", base, pid) + guid.bytes_le + struct.pack("<I", age) + pdb.encode() + b"\0"


def flt(routine, stream, major, *, callback_data=0xFFFF800000000100):
    """The payload of a callback of a minifilter."""
    return struct.pack("<5Qi", routine, 0xFFFF800000000200, stream, 0, callback_data, major)


def walk(tick, pid, tid, *addresses):
    """The payload of a stack walk."""
    return struct.pack(f"<QII{len(addresses)}Q", tick, pid, tid, *addresses)


def key_definition(key, *addresses):
    """The payload that says what a stack key stands for."""
    return struct.pack(f"<{len(addresses) + 1}Q", key, *addresses)


def chunks(log, tmp_path, size=1 << 24):
    """Write a log, and read it chunk by chunk."""
    path = tmp_path / "kernel.etl"
    log.write(str(path))
    with open_log(path) as opened:
        return list(opened.chunks(size))


def new_log(**options):
    """A writer of a log."""
    return LogWriter(**options)
