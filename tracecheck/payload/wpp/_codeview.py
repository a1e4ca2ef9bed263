"""CodeView records: the annotations among the symbols, the enums among the types, the sections of an .obj.

Sources: microsoft/microsoft-pdb (cvinfo.h), LLVM's documentation of the PDB and CodeView formats, the PE/COFF
specification.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

S_ANNOTATION = 0x1019
LF_FIELDLIST = 0x1203
LF_INDEX = 0x1404
LF_ENUMERATE = 0x1502
LF_ENUM = 0x1507
DEBUG_S_SYMBOLS = 0xF1
SIGNATURE = 4

_RECORD = struct.Struct("<HH")
_PAIR = struct.Struct("<II")
_ANNOTATION = struct.Struct("<IHH")
_ENUM = struct.Struct("<HHII")
_FORWARD_REFERENCE = 0x80
#: Leaves of numbers that do not fit the 15 bits of the leaf itself.
_LEAVES = {0x8000: "<b", 0x8001: "<h", 0x8002: "<H", 0x8003: "<i", 0x8004: "<I", 0x8009: "<q", 0x800A: "<Q"}
_FIRST_TYPE = 0x1000
_MOST_MEMBERS = 1 << 16
_WORD = 0xFFFFFFFF


def records(data: bytes, say: Callable[[str], None]) -> Iterator[tuple[int, int, int]]:
    """Walk records.

    Args:
        data: Records one behind the other, each with its size.
        say: Takes why the walk ends early.

    Yields:
        Kind, and where the record's data begin and end.
    """
    at, end = 0, len(data)
    while at + _RECORD.size <= end:
        size, kind = _RECORD.unpack_from(data, at)
        behind = at + 2 + size
        if size < 2 or behind > end:
            say(f"a record at byte {at:,} of {end:,} says that it has {size} bytes; what follows is not read")
            return
        yield kind, at + _RECORD.size, behind
        at = behind


def find_annotations(symbols: bytes, say: Callable[[str], None]) -> Iterator[list[str]]:
    """Find the annotations among symbol records.

    Args:
        symbols: The records, without the signature before them.
        say: Takes what can't be read.

    Yields:
        The strings of each.
    """
    # Most modules have none, and finding that out by their text is a hundred times faster.
    if b"TMF:\0" not in symbols and b"TMC:\0" not in symbols:
        return
    for kind, start, end in records(symbols, say):
        if kind != S_ANNOTATION or end - start < _ANNOTATION.size:
            continue
        _, _, count = _ANNOTATION.unpack_from(symbols, start)
        strings = symbols[start + _ANNOTATION.size : end].split(b"\0")[:-1]
        if len(strings) < count:
            say(f"an annotation says that it has {count} strings and has {len(strings)}")
        yield [_text(string) for string in strings[:count]]


def _text(raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def find_enums(
    types: bytes, wanted: Collection[str], first: int = _FIRST_TYPE
) -> dict[str, tuple[tuple[str, int], ...]]:
    """Find enums by name among type records.

    Args:
        types: The records.
        wanted: The names.
        first: The index of the first record.

    Returns:
        Name -> members with their values as unsigned 32 bits; only those that are found.
    """
    places: list[tuple[int, int, int]] = list(records(types, lambda _: None))
    found: dict[str, tuple[tuple[str, int], ...]] = {}
    for kind, start, end in places:
        if kind != LF_ENUM or end - start <= _ENUM.size:
            continue
        _, properties, _, fields = _ENUM.unpack_from(types, start)
        name = _text(types[start + _ENUM.size : end].split(b"\0", 1)[0])
        if name in wanted and name not in found and not properties & _FORWARD_REFERENCE:
            found[name] = tuple(_members(types, places, fields, first))
    return found


def _members(
    types: bytes, places: list[tuple[int, int, int]], fields: int, first: int
) -> list[tuple[str, int]]:
    """Read the members of a field list, which may go on in further lists."""
    members: list[tuple[str, int]] = []
    seen: set[int] = set()
    index = fields - first
    while 0 <= index < len(places) and index not in seen and places[index][0] == LF_FIELDLIST:
        seen.add(index)
        _, at, end = places[index]
        index = -1
        while at + 4 <= end and len(members) < _MOST_MEMBERS:
            (leaf,) = struct.unpack_from("<H", types, at)
            if leaf == LF_INDEX and at + 8 <= end:
                index = int(struct.unpack_from("<I", types, at + 4)[0]) - first
                break
            value, after = _number(types, at + 4, end)
            close = types.find(b"\0", after, end)
            if leaf != LF_ENUMERATE or value is None or close < 0:
                break
            members.append((_text(types[after:close]), value & _WORD))
            at = close + 1
            # Padding bytes say 0xF0 plus how many there are.
            while at < end and types[at] > 0xF0:
                at += 1
    return members


def _number(types: bytes, at: int, end: int) -> tuple[int | None, int]:
    """Read a number and say where it ends."""
    if at + 2 > end:
        return None, end
    (leaf,) = struct.unpack_from("<H", types, at)
    if leaf < 0x8000:
        return leaf, at + 2
    form = _LEAVES.get(leaf)
    if form is None or at + 2 + struct.calcsize(form) > end:
        return None, end
    return int(struct.unpack_from(form, types, at + 2)[0]), at + 2 + struct.calcsize(form)


def symbol_parts(section: bytes, say: Callable[[str], None]) -> Iterator[bytes]:
    """Cut the symbol records out of a ``.debug$S`` section.

    Args:
        section: The section's bytes: a signature, then parts of a kind, a size and data.
        say: Takes what can't be read.

    Yields:
        The records of each part that holds symbols.
    """
    at = 4
    while at + _PAIR.size <= len(section):
        kind, size = _PAIR.unpack_from(section, at)
        at += _PAIR.size
        if at + size > len(section):
            say(f"a part of .debug$S says that it has {size:,} bytes where {len(section) - at:,} are left")
        if kind == DEBUG_S_SYMBOLS:
            yield section[at : at + size]
        at += (size + 3) & ~3
