"""Kernel events: known by group and opcode, their fields by version."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracecheck.payload.kernel.decode import decode
from tracecheck.reporters.events.group import Group
from tracecheck.reporters.fields import Fields, Look

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tracecheck.etl import Chunk
    from tracecheck.payload.kernel.decode import Decoded

_HEX = Look(is_hex=True)
_PLAIN = Look()
# Types of fields that hold addresses, and fields whose bits tell more than their number.
_POINTERS = frozenset({"p", "ps"})
_BITS = frozenset(
    {"Status", "ExitStatus", "Flags", "ImageChecksum", "TimeDateStamp", "LogFileMode", "PoolType"}
)
_SIZES = frozenset({"ImageSize", "NumberOfBytes"})
_MASK = "GroupMask"


def read(chunk: Chunk) -> Iterator[Group]:
    """Decode the kernel events of a chunk whose layout is known."""
    for found in decode(chunk):
        yield Group(found.rows, Fields(found.table, _looks(found)), found.type.name, problems=found.problems)


def _looks(found: Decoded) -> list[Look]:
    layouts = [*found.type.versions.values(), found.type.longer]
    kinds = dict(field.split(":") for layout in layouts for field in layout.split())
    return [_look(name, kinds[name]) for name in found.table.schema.names]


def _look(name: str, kind: str) -> Look:
    is_hex = (kind in _POINTERS and name not in _SIZES) or name in _BITS or name.startswith(_MASK)
    return _HEX if is_hex else _PLAIN
