"""What a manifest says of a provider: its events, their fields and the names of values.

Sources: Microsoft's event manifest schema (EventManifest.xsd) and tdh.h. The numbers of the manifest's
in-types are those of TraceLogging's, so that :class:`~tracecheck.payload.tracelogging.In` names them;
out-types are kept as TraceLogging numbers them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

from tracecheck.payload._schema import In, Out

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

__all__ = ["Event", "Field", "In", "Out", "Provider", "ValueMap"]

# 64 bits have few names, and each value is held against all of them.
_MOST_FLAGS = 256


@dataclass(frozen=True, slots=True)
class ValueMap:
    """Names of a field's values.

    Attributes:
        name: What the manifest calls the map.
        bits: True for a bitMap, whose values are flags; False for a valueMap.
        names: The name of each value.
    """

    name: str
    bits: bool
    names: Mapping[int, str] = field(default_factory=dict)

    def text(self, value: int) -> str:
        """Name a value: flags are joined by a bar; what has no name is shown as a number."""
        if not self.bits:
            return self.names.get(value, str(value))
        names = dict(islice(self.names.items(), _MOST_FLAGS))
        found = [name for bit, name in names.items() if bit and value & bit == bit]
        rest = value
        for bit in names:
            rest &= ~bit if value & bit == bit else ~0
        if not found and not rest:
            return self.names.get(0, "0")
        return "|".join(found + ([f"{rest:#x}"] if rest else []))


@dataclass(frozen=True, slots=True)
class Field:
    """One field of an event or of a struct.

    Attributes:
        name: As the manifest writes it.
        in_type: An :class:`In`; ``In.STRUCT`` for a struct.
        out_type: An :class:`Out`, 0 for none.
        map: The names of its values.
        count: How many elements: a number, or the name of a field before this one; None for one value.
        length: Characters of a Unicode string, else bytes: a number, or the name of a field before this
            one; None where the type alone says it.
        fields: A struct's fields.
    """

    name: str
    in_type: int
    out_type: int = 0
    map: ValueMap | None = None
    count: int | str | None = None
    length: int | str | None = None
    fields: tuple[Field, ...] = ()


@dataclass(frozen=True, slots=True)
class Event:
    """One event, known in a trace by its provider, id and version.

    Attributes:
        id: 0 to 65535.
        version: 0 to 255.
        name: What it is called: its symbol, or the names of its task and opcode; may be empty.
        task: The task's name, or its number as text; empty where there is none.
        opcode: The opcode's name; empty where there is none.
        level: 0 to 255.
        keywords: The mask.
        message: The message with its ``%1`` .. ``%n``; empty where there is none.
        fields: In the order in which they lie in the payload.
        inferred: The layout has gaps that the payloads fill: it does not say which 64-bit fields are
            pointers, nor whether lengths are those of bytes or of characters (the catalogue's).
    """

    id: int
    version: int
    name: str = ""
    task: str = ""
    opcode: str = ""
    level: int = 0
    keywords: int = 0
    message: str = ""
    fields: tuple[Field, ...] = ()
    inferred: bool = False

    @property
    def size(self) -> int:
        """How many fields there are, those in structs included."""
        return _count(self.fields)


@dataclass(frozen=True, slots=True)
class Provider:
    """A provider and its events.

    Attributes:
        guid: The GUID that its events carry.
        name: Its name; may be empty.
        events: By id and version.
        source: Where the layouts are from: the file's name, "trace", "tracecheck" or "catalogue".
    """

    guid: UUID
    name: str
    events: Mapping[tuple[int, int], Event]
    source: str = ""


def _count(fields: tuple[Field, ...]) -> int:
    return sum(1 + _count(each.fields) for each in fields)
