"""TraceLogging events as bytes: the schema item, the provider's traits and the payload.

Sources: evntcons.h (extended items 11 and 12), TraceLoggingProvider.h (in-types), and the EventSource
rule for a provider's GUID.
"""

import hashlib
import struct
import uuid
from collections.abc import Callable, Sequence
from functools import cache
from typing import NamedTuple

from tracecheck.etl.layout import Ext

PROVIDER_NAME = "TraceCheck.FilterContexts"

_NAMESPACE = uuid.UUID("482c2db2-c390-47c8-87f8-1a15bfc130fb")

#: Kind of field -> (TraceLogging in-type, struct code); text has no code, its length varies.
KINDS: dict[str, tuple[int, str]] = {
    "wide": (1, ""),
    "string": (2, ""),
    "uint8": (4, "B"),
    "uint16": (6, "H"),
    "int32": (7, "i"),
    "uint32": (8, "I"),
    "int64": (9, "q"),
    "uint64": (10, "Q"),
    "bool32": (13, "i"),
    "hexint32": (20, "I"),
    "hexint64": (21, "Q"),
}

_TEXT_ENCODINGS = {"string": "utf-8", "wide": "utf-16-le"}


class Field(NamedTuple):
    """A field of an event: its name and its kind, a key of :data:`KINDS`."""

    name: str
    kind: str


def provider_guid(name: str) -> uuid.UUID:
    """Hash a provider's name to its GUID, as EventSource and TraceLogging do.

    Args:
        name: The provider's name; letter case does not matter.

    Returns:
        The GUID: SHA-1 over the namespace and the upper-cased UTF-16BE name, version nibble 5.
    """
    digest = bytearray(hashlib.sha1(_NAMESPACE.bytes + name.upper().encode("utf-16-be")).digest()[:16])  # noqa: S324
    digest[7] = digest[7] & 0x0F | 0x50
    return uuid.UUID(bytes_le=bytes(digest))


@cache
def schema(name: str, fields: tuple[Field, ...]) -> bytes:
    """Build the data of extended item 11: the event's name and its fields.

    Args:
        name: The event's name.
        fields: Its fields in the order of the payload.

    Returns:
        u16 size, one tag byte, the name, then name and in-type of each field.
    """
    body = b"\0" + name.encode() + b"\0"
    for field in fields:
        body += field.name.encode() + b"\0" + bytes([KINDS[field.kind][0]])
    return struct.pack("<H", len(body) + 2) + body


@cache
def items(name: str, fields: tuple[Field, ...]) -> tuple[tuple[int, bytes], ...]:
    """Build an event's extended items in the kernel's order: provider traits, then the schema."""
    return ((Ext.PROV_TRAITS, traits(PROVIDER_NAME)), (Ext.EVENT_SCHEMA_TL, schema(name, fields)))


def traits(provider: str) -> bytes:
    """Build the data of extended item 12: u16 size and the provider's name."""
    name = provider.encode() + b"\0"
    return struct.pack("<H", len(name) + 2) + name


@cache
def packer(fields: tuple[Field, ...]) -> Callable[..., bytes]:
    """Give the function that packs fields of fixed size, one argument each, without padding."""
    return struct.Struct("<" + "".join(KINDS[field.kind][1] for field in fields)).pack


def encode(fields: Sequence[Field], values: Sequence[int | str]) -> bytes:
    """Pack any fields one by one: for parts of a payload that are packed once and kept."""
    return b"".join(_encode_one(field.kind, value) for field, value in zip(fields, values, strict=True))


def _encode_one(kind: str, value: int | str) -> bytes:
    if isinstance(value, str):
        return f"{value}\0".encode(_TEXT_ENCODINGS[kind])
    return struct.pack("<" + KINDS[kind][1], value)


#: The provider of every canonical capture.
PROVIDER = provider_guid(PROVIDER_NAME)
