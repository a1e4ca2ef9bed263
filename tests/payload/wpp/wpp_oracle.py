"""WPP arguments one value at a time, and a small TMF reader: what the column decoder is held against."""

from __future__ import annotations

import ipaddress
import re
import struct
import uuid

import numpy as np

from tracecheck.payload.wpp.decode import decode
from tracecheck.payload.wpp.definition import Definition, Item

GUID = uuid.UUID("01234567-89ab-cdef-0123-456789abcdef")
POINTER32, POINTER64 = 0x40, 0x80

NUMBERS = {
    "ItemChar": "b",
    "ItemUChar": "B",
    "ItemWChar": "H",
    "ItemShort": "h",
    "ItemUShort": "H",
    "ItemLong": "i",
    "ItemULong": "I",
    "ItemLongLong": "q",
    "ItemULongLong": "Q",
    "ItemLongLongX": "Q",
    "ItemLongLongXX": "Q",
    "ItemLongLongO": "Q",
    "ItemFloat": "f",
    "ItemDouble": "d",
    "ItemNTSTATUS": "I",
    "ItemHRESULT": "I",
    "ItemWINERROR": "I",
    "ItemNDIS_STATUS": "I",
    "ItemNDIS_OID": "I",
    "ItemTimestamp": "q",
    "ItemTimeDelta": "q",
    "ItemWaitTime": "q",
    "ItemListLong": "I",
    "ItemListShort": "H",
    "ItemListByte": "B",
    "ItemSetLong": "I",
    "ItemSetShort": "H",
    "ItemSetByte": "B",
    "ItemEnum": "I",
    "ItemFlagsEnum": "I",
}
ENDED = {"ItemString": 1, "ItemRString": 1, "ItemMLString": 1, "ItemWString": 2, "ItemRWString": 2}
COUNTED = {"ItemPString": "cp1252", "ItemPWString": "utf-16-le", "ItemHexDump": None}
GUIDS = ("ItemGuid", "ItemCLSID", "ItemIID", "ItemLIBID")
FIXED = {"ItemIPAddr": 4, "ItemIPV6Addr": 16, "ItemMACAddr": 6, "ItemPort": 2, "ItemChar4": 4}
TYPES = ("ItemPtr", "ItemSid", *NUMBERS, *ENDED, *COUNTED, *GUIDS, *FIXED)


class CutError(Exception):
    """The payload does not hold the argument."""


def text_of(raw, unit):
    """Decode a string as the package promises to: UTF-16, or UTF-8 and else Windows-1252."""
    if unit == 2:
        return raw.decode("utf-16-le", "replace")
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("cp1252", "replace")


def read(kind, raw, at, pointer_size):
    """Read one argument; return its value and where the next begins."""

    def take(size):
        if at + size > len(raw):
            raise CutError
        return raw[at : at + size]

    if kind in NUMBERS or kind == "ItemPtr":
        code = "IQ"[pointer_size == 8] if kind == "ItemPtr" else NUMBERS[kind]
        size = struct.calcsize(f"<{code}")
        return struct.unpack(f"<{code}", take(size))[0], at + size
    if kind in ENDED:
        unit = ENDED[kind]
        for end in range(at, len(raw) - unit + 1, unit):
            if not any(raw[end : end + unit]):
                return text_of(raw[at:end], unit), end + unit
        raise CutError
    if kind in COUNTED:
        size = 2 + int.from_bytes(take(2), "little")
        value = take(size)[2:]
        encoding = COUNTED[kind]
        return value if encoding is None else text_of(value, 1 + (encoding != "cp1252")), at + size
    if kind in GUIDS:
        return str(uuid.UUID(bytes_le=take(16))), at + 16
    if kind == "ItemSid":
        count = take(8)[1]
        if count > 15:
            raise CutError
        whole = take(8 + 4 * count)
        authority = int.from_bytes(whole[2:8], "big")
        parts = [whole[0], authority if authority < 1 << 32 else f"0x{authority:012x}"]
        parts += struct.unpack_from(f"<{count}I", whole, 8)
        return "-".join(map(str, ["S", *parts])), at + len(whole)
    if kind in FIXED:
        value = take(FIXED[kind])
        return fixed(kind, value), at + len(value)
    raise CutError


def fixed(kind, raw):
    """Show an address, a port or a tag."""
    if kind == "ItemPort":
        return int.from_bytes(raw, "big")
    if kind == "ItemMACAddr":
        return "-".join(f"{each:02X}" for each in raw)
    if kind == "ItemChar4":
        return "".join(chr(each) if 32 <= each <= 126 else "." for each in raw)
    return str(ipaddress.ip_address(raw))


def read_all(definition, raw, pointer_size):
    """Read one message: its values, None from where it cannot be read, and how many bytes are left."""
    values, at = [], 0
    for place, item in enumerate(definition.items):
        try:
            value, at = read(item.type, raw, at, pointer_size)
        except CutError:
            return values + [None] * (len(definition.items) - place), None
        values.append(value)
    return values, len(raw) - at


def define(*kinds, text="", values=(), number=10, **rest):
    """Define a message by its item types."""
    items = tuple(Item(10 + place, f"arg{place}", kind, values) for place, kind in enumerate(kinds))
    return Definition(GUID, number, "driver", "file_c1", "file.c", 1, text, items, **rest)


def decode_payloads(definition, payloads, flags=POINTER64, **options):
    """Decode payloads of one definition; they lie one behind the other."""
    data = np.frombuffer(b"".join(payloads), dtype=np.uint8)
    size = np.array([len(each) for each in payloads], dtype=np.int64)
    start = np.cumsum(size) - size
    codes = np.zeros(len(payloads), dtype=np.int32)
    return decode(data, codes, [definition], start, size, np.broadcast_to(flags, len(payloads)), **options)


def values_of(decoded):
    """Give the rows of a decoded batch as lists, times as FILETIMEs."""
    columns = [
        decoded.ticks.get(place, column).to_pylist() for place, column in enumerate(decoded.table.columns)
    ]
    return [list(row) for row in zip(*columns, strict=True)] if columns else [[] for _ in decoded.rows]


def read_tmf(text):
    """Read a TMF of the plain kind that the real traces come with."""
    found, guid, items = [], None, None
    for line in text.splitlines():
        if match := re.match(r"([0-9a-f]{8}-[0-9a-f-]{27}) (\S+)", line):
            guid = uuid.UUID(match[1])
        elif match := re.match(r'#typev (\S+) (\d+) "(.*)" //', line):
            head, items = match, []
        elif match := re.match(r"(.*), (Item\w+)(?:\((.*)\))? -- (\d+)$", line):
            values = tuple(match[3].split(",")) if match[3] else ()
            items.append(Item(int(match[4]), match[1], match[2], values))
        elif line == "}":
            where = (guid, int(head[2]), "driver", head[1], "file.cpp", None, head[3])
            found.append(Definition(*where, tuple(items)))
    return found
