"""Object files of clang and MSVC: where their debug sections are.

Source: the PE/COFF specification; the header of /bigobj after ANON_OBJECT_HEADER_BIGOBJ of winnt.h.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: Machines whose drivers exist: x86, x64, ARM, ARM64.
_MACHINES = frozenset({0x014C, 0x8664, 0x01C4, 0xAA64, 0xA641})
_SMALL = struct.Struct("<HHIIIHH")
_BIG = struct.Struct("<HHHHI16sIIIIIII")
_BIG_CLASS = bytes.fromhex("c7a1bad1eebaa94baf20faf66aa4dcb8")
_SECTION = struct.Struct("<8sIIIIIIHHI")


def is_object(start: bytes) -> bool:
    """Tell whether a file begins as an object file does."""
    return _table(start) is not None


def _table(start: bytes) -> tuple[int, int] | None:
    """Say where the table of sections begins and how many there are."""
    if len(start) >= _BIG.size:
        first, second, version, machine, _, name, _, _, _, _, count, _, _ = _BIG.unpack_from(start)
        if (first, second) == (0, 0xFFFF) and version >= 2 and name == _BIG_CLASS and machine in _MACHINES:
            return _BIG.size, count
    if len(start) >= _SMALL.size:
        machine, count, _, _, _, optional, _ = _SMALL.unpack_from(start)
        if machine in _MACHINES and optional == 0:
            return _SMALL.size, count
    return None


def sections(data: bytes, name: bytes, say: Callable[[str], None]) -> Iterator[bytes]:
    """Find the sections of a name.

    Args:
        data: The whole file.
        name: Eight bytes, as ``b".debug$S"``.
        say: Takes what contradicts itself.

    Yields:
        The bytes of each section.
    """
    table = _table(data)
    if table is None:
        return
    first, count = table
    there = (len(data) - first) // _SECTION.size
    if count > there:
        say(f"the header says that there are {count:,} sections; the file has room for {there:,}")
    left = len(data)
    for index in range(min(count, there)):
        title, _, _, size, start, *_ = _SECTION.unpack_from(data, first + index * _SECTION.size)
        if title != name:
            continue
        section = data[start : start + size]
        if len(section) < size:
            say(f"section {index + 1} has {len(section):,} of its {size:,} bytes; the file is cut")
        left -= len(section)
        if left < 0:
            say("its sections overlap; the rest of them is not read")
            return
        yield section
