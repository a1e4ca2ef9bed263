"""The TraceLogging schema: what extended item 11 says of an event's name and fields.

Sources: TraceLoggingProvider.h (the TlgIn_t and TlgOut_t enumerations and the metadata layout) and
Microsoft's open TraceLogging writers. The layout is: u16 size of all; tag bytes; event name, NUL;
then for each field: name, NUL; in-type byte; out-type byte if bit 7 of it is set; tag bytes if bit 7
of that is set; u16 count if the in-type has the fixed-count flag; type info for a custom serializer.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Literal

IN_TYPE_MASK = 0x1F
IN_FIXED_COUNT = 0x20
IN_VARIABLE_COUNT = 0x40
IN_CUSTOM = 0x60
CHAIN = 0x80
TAG_BITS = 28

# ETW itself takes no more than 128 fields and no deeper structs; a hostile schema may say anything.
_MAX_FIELDS = 1024
_MAX_DEPTH = 8


class In(IntEnum):
    """TlgIn_t: how a field lies in the payload."""

    NULL = 0
    UNICODESTRING = 1
    ANSISTRING = 2
    INT8 = 3
    UINT8 = 4
    INT16 = 5
    UINT16 = 6
    INT32 = 7
    UINT32 = 8
    INT64 = 9
    UINT64 = 10
    FLOAT = 11
    DOUBLE = 12
    BOOL32 = 13
    BINARY = 14
    GUID = 15
    POINTER = 16
    FILETIME = 17
    SYSTEMTIME = 18
    SID = 19
    HEXINT32 = 20
    HEXINT64 = 21
    COUNTEDSTRING = 22
    COUNTEDANSISTRING = 23
    STRUCT = 24
    COUNTEDBINARY = 25


class Out(IntEnum):
    """TlgOut_t: how a field should be shown."""

    NULL = 0
    NOPRINT = 1
    STRING = 2
    BOOLEAN = 3
    HEX = 4
    PID = 5
    TID = 6
    PORT = 7
    IPV4 = 8
    IPV6 = 9
    SOCKETADDRESS = 10
    XML = 11
    JSON = 12
    WIN32ERROR = 13
    NTSTATUS = 14
    HRESULT = 15
    FILETIME = 16
    SIGNED = 17
    UNSIGNED = 18
    DATETIME_CULTURE_INSENSITIVE = 33
    UTF8 = 35
    PKCS7_WITH_TYPE_INFO = 36
    CODE_POINTER = 37
    DATETIME_UTC = 38


@dataclass(frozen=True)
class Field:
    """One field of an event or of a struct.

    Attributes:
        name: As written, UTF-8.
        in_type: An :class:`In`, or a number that is none; the low five bits of the in-type byte.
        out_type: An :class:`Out`, or a number that is none; 0 for a struct.
        tags: 28 bits whose meaning is the writer's.
        count: None for one value; the element count of a fixed array; "variable" where the count lies
            in the payload; "custom" for the bytes of a custom serializer.
        fields: A struct's fields.
        type_info: What the writer says of its custom serializer.
    """

    name: str
    in_type: int
    out_type: int = 0
    tags: int = 0
    count: int | Literal["variable", "custom"] | None = None
    fields: tuple[Field, ...] = ()
    type_info: bytes = b""


@dataclass(frozen=True)
class EventSchema:
    """An event's name and fields, as the event itself carries them."""

    name: str
    tags: int
    fields: tuple[Field, ...]

    @property
    def size(self) -> int:
        """How many fields there are, those in structs included."""
        return _count(self.fields)


class SchemaError(ValueError):
    """A schema cannot be parsed; the message says why."""


def parse_schema(raw: bytes) -> EventSchema:
    """Parse the data of extended item 11.

    Args:
        raw: The item's data; what follows the size that it states is ignored.

    Raises:
        SchemaError: The bytes do not make a schema, or make an absurd one.
    """
    size = int.from_bytes(raw[:2], "little")
    if not 2 < size <= len(raw):
        raise SchemaError(f"its size says {size} bytes where there are {len(raw)}")
    cursor = _Cursor(raw, 2, size)
    tags = cursor.tags()
    name = cursor.text()
    fields = []
    while cursor.at < size:
        fields.append(cursor.field(0))
    return EventSchema(name, tags, tuple(fields))


@dataclass
class _Cursor:
    raw: bytes
    at: int
    end: int
    left: int = _MAX_FIELDS

    def take(self, size: int) -> bytes:
        if self.at + size > self.end:
            raise SchemaError("it ends within a field")
        self.at += size
        return self.raw[self.at - size : self.at]

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "little")

    def text(self) -> str:
        end = self.raw.find(b"\0", self.at, self.end)
        if end < 0:
            raise SchemaError("a name has no end")
        return self.take(end + 1 - self.at)[:-1].decode("utf-8", "replace")

    def tags(self) -> int:
        """Read chained tag bytes: seven bits each, the highest first, as many as are not zero."""
        tags, shift = 0, TAG_BITS
        more = True
        while more:
            byte = self.number(1)
            shift -= 7
            tags |= (byte & 0x7F) << shift if shift >= 0 else 0
            more = byte & CHAIN != 0
        return tags

    def field(self, depth: int) -> Field:
        self.left -= 1
        if self.left < 0 or depth > _MAX_DEPTH:
            raise SchemaError("it has too many fields or structs within structs")
        name = self.text()
        flags = self.number(1)
        out_type = self.number(1) if flags & CHAIN else 0
        tags = self.tags() if out_type & CHAIN else 0
        out_type &= ~CHAIN
        count, type_info = self.count(flags)
        in_type = flags & IN_TYPE_MASK
        if in_type != In.STRUCT or count == "custom":
            return Field(name, in_type, out_type, tags, count, (), type_info)
        fields = tuple(self.field(depth + 1) for _ in range(out_type))
        return Field(name, in_type, 0, tags, count, fields)

    def count(self, flags: int) -> tuple[int | Literal["variable", "custom"] | None, bytes]:
        kind = flags & IN_CUSTOM
        if kind == IN_CUSTOM:
            return "custom", self.take(self.number(2))
        if kind == IN_VARIABLE_COUNT:
            return "variable", b""
        return (self.number(2) if kind == IN_FIXED_COUNT else None), b""


def _count(fields: tuple[Field, ...]) -> int:
    return sum(1 + _count(field.fields) for field in fields)
