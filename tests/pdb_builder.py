"""Builds PDBs and object files after the published format, independently of what reads them."""

import random
import struct
from uuid import UUID

GUID = UUID("11223344-5566-7788-99aa-bbccddeeff00")
AGE = 3
MACHINE = 0x8664
NO_STREAM = 0xFFFF


def record(kind, data):
    """One CodeView record, padded to four bytes."""
    data += b"\0" * (-(len(data) + 4) % 4)
    return struct.pack("<HH", len(data) + 2, kind) + data


def annotation(*strings, count=None, coding="utf-8"):
    """An S_ANNOTATION."""
    text = b"".join(one.encode(coding) + b"\0" for one in strings)
    return record(0x1019, struct.pack("<IHH", 0x1234, 1, len(strings) if count is None else count) + text)


def procedure(name):
    """An S_GPROC32: what stands between the annotations of a real module."""
    return record(
        0x1110, struct.pack("<IIIIIIIIHB", 0, 0, 0, 16, 0, 15, 0x1001, 0, 1, 0) + name.encode() + b"\0"
    )


def message(
    guid, number, *, provider="Driver", source="create.c", line=12, text="%0a %10!d!", kind="ItemLong"
):
    """The annotation of a message with one argument."""
    symbol = source.replace(".", "_")
    return annotation(
        "TMF:",
        f"{guid} {provider} // SRC={source} MJ= MN=",
        f'#typev {symbol}{line} {number} "{text}" //   LEVEL=INFO FLAGS=IO FUNC=Create',
        "{",
        f"x, {kind} -- 10",
        "}",
    )


def enum_types(name, members, first=0x1000):
    """Type records of an enum: a forward reference, a list of fields in two parts, the enum."""

    def fields(some, more=b""):
        data = b""
        for one, value in some:
            number = struct.pack("<H", value) if 0 <= value < 0x8000 else struct.pack("<Hi", 0x8003, value)
            entry = struct.pack("<HH", 0x1502, 3) + number + one.encode() + b"\0"
            data += entry + bytes(0xF0 + left for left in range(-len(entry) % 4, 0, -1))
        return record(0x1203, data + more)

    half = len(members) // 2
    forward = record(0x1507, struct.pack("<HHII", 0, 0x80, 0, 0) + name.encode() + b"\0")
    tail = fields(members[half:])
    head = fields(members[:half], struct.pack("<HHI", 0x1404, 0, first + 1))
    whole = record(0x1507, struct.pack("<HHII", len(members), 0, 0x74, first + 2) + name.encode() + b"\0")
    return forward + tail + head + whole


def msf(streams, block_size=512, seed=0):
    """An MSF 7.0 container whose blocks lie in no order."""
    wanted = [-(-len(data) // block_size) for data in streams]
    numbers = list(range(3, 3 + sum(wanted)))
    random.Random(seed).shuffle(numbers)
    blocks, lists = {}, []
    for data, count in zip(streams, wanted, strict=True):
        mine, numbers = numbers[:count], numbers[count:]
        lists.append(mine)
        for place, number in enumerate(mine):
            blocks[number] = data[place * block_size : (place + 1) * block_size]
    directory = struct.pack(f"<I{len(streams)}I", len(streams), *map(len, streams))
    directory += b"".join(struct.pack(f"<{len(one)}I", *one) for one in lists)
    at = 3 + sum(wanted)
    parts = -(-len(directory) // block_size)
    for place in range(parts):
        blocks[at + place] = directory[place * block_size : (place + 1) * block_size]
    blocks[at + parts] = struct.pack(f"<{parts}I", *range(at, at + parts))
    total = at + parts + 1
    magic = b"Microsoft C/C++ MSF 7.00\r\n\x1aDS\0\0\0"
    blocks[0] = magic + struct.pack("<IIIIII", block_size, 1, total, len(directory), 0, at + parts)
    return b"".join(blocks.get(number, b"").ljust(block_size, b"\0") for number in range(total))


def pdb(modules, types=b"", *, lines=b"", block_size=512):
    """A PDB.

    Args:
        modules: The symbol records of each module; None for one without a stream.
        types: Type records.
        lines: What stands behind the symbols in each module's stream.
        block_size: Of the container.
    """
    info = struct.pack("<III", 20000404, 1, 1) + GUID.bytes_le + struct.pack("<IIII", 0, 0, 0, 0)
    count = types.count(b"")
    tpi = struct.pack("<IIIIIHH", 20040203, 56, 0x1000, 0x1000 + count, len(types), NO_STREAM, NO_STREAM)
    streams = [b"", info, tpi.ljust(56, b"\0") + types, b""]
    listed = b""
    for place, symbols in enumerate(modules):
        stream, size = NO_STREAM, 0
        if symbols is not None:
            stream, size = len(streams), len(symbols) + 4
            streams.append(struct.pack("<I", 4) + symbols + lines)
        entry = bytes(32) + struct.pack("<HHIIIHHIII", 0, stream, size, 0, len(lines), 0, 0, 0, 0, 0)
        entry += f"module{place}.obj\0driver.lib\0".encode()
        listed += entry + b"\0" * (-len(entry) % 4)
    sizes = struct.pack("<iiiiiIiiHHI", len(listed), 0, 0, 0, 0, 0, 0, 0, 0, MACHINE, 0)
    nothing = (NO_STREAM, 0x8E00, NO_STREAM, 0, NO_STREAM, 0)
    streams[3] = struct.pack("<iIIHHHHHH", -1, 19990903, AGE, *nothing) + sizes + listed
    return msf(streams, block_size)


def debug_s(*parts):
    """A ``.debug$S`` section of (kind, data)."""
    packed = (struct.pack("<II", kind, len(data)) + data + b"\0" * (-len(data) % 4) for kind, data in parts)
    return struct.pack("<I", 4) + b"".join(packed)


def coff(sections, *, big=False):
    """An object file of (name, data)."""
    count = len(sections)
    if big:
        head = struct.pack("<HHHHI", 0, 0xFFFF, 2, MACHINE, 0)
        head += UUID("D1BAA1C7-BAEE-4ba9-AF20-FAF66AA4DCB8").bytes_le
        head += struct.pack("<IIIIIII", 0, 0, 0, 0, count, 0, 0)
    else:
        head = struct.pack("<HHIIIHH", MACHINE, count, 0, 0, 0, 0, 0)
    at = len(head) + 40 * count
    table, bodies = b"", b""
    for name, data in sections:
        table += struct.pack("<8sIIIIIIHHI", name, 0, 0, len(data), at + len(bodies), 0, 0, 0, 0, 0x42100040)
        bodies += data
    return head + table + bodies
