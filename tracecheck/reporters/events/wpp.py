"""WPP messages: arguments and sentence as their TMF or PDB says."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

import numpy as np
import pyarrow as pa

from tracecheck.etl.layout import Kind
from tracecheck.payload.wpp.decode import decode_messages
from tracecheck.payload.wpp.items import layout_of
from tracecheck.payload.wpp.text import render, template_of
from tracecheck.reporters.events.group import Group
from tracecheck.reporters.events.guids import provider_codes
from tracecheck.reporters.fields import Fields, Look
from tracecheck.reporters.names import LEVELS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tracecheck.etl import Chunk
    from tracecheck.payload.wpp.decode import Decoded
    from tracecheck.payload.wpp.definition import Definition, Item
    from tracecheck.payload.wpp.search import Definitions

_HEX = frozenset({"pointer", "ntstatus", "hresult", "ndis_status", "ndis_oid", "flags"})
_LEVEL = "TRACE_LEVEL_"
# Characters of an argument that is no string: longer than any number, code name or time.
_NUMBER = 64


def read(chunk: Chunk, definitions: Definitions, pointer_size: int) -> Iterator[Group]:
    """Decode the messages of a chunk that have a definition.

    Args:
        chunk: The records.
        definitions: Where definitions are looked up.
        pointer_size: The log's.
    """
    messages = messages_of(chunk)
    if not messages:
        return
    found = definitions.of({guid for guid, _ in messages}, messages)
    known = [found[each] for each in messages if each in found]
    if known:
        decoded, _ = decode_messages(chunk, known, pointer_size=pointer_size)
        yield from (_group(chunk, each) for each in decoded)


def messages_of(chunk: Chunk) -> list[tuple[UUID, int]]:
    """List the different messages of a chunk: GUID and number."""
    rows = np.flatnonzero(chunk.column("kind") == Kind.WPP_MESSAGE)
    if not rows.size:
        return []
    codes, guids = provider_codes(chunk)
    keys = np.unique(codes[rows] << 16 | chunk.column("id")[rows]).tolist()
    return [(UUID(bytes_le=guids[key >> 16]), key & 0xFFFF) for key in keys]


def level_of(definition: Definition) -> int | None:
    """Give the number of a message's level; None where it has none, or a name that is the driver's own."""
    name = definition.level.upper()
    return LEVELS.get(name.removeprefix(_LEVEL).lower())


def _group(chunk: Chunk, decoded: Decoded) -> Group:
    definition = decoded.definition
    items = definition.items[: decoded.table.num_columns]
    looks = [Look(_is_hex(item), filetimes=decoded.ticks.get(place)) for place, item in enumerate(items)]
    return Group(
        decoded.rows,
        Fields(decoded.table, looks),
        definition.symbol or None,
        definition.provider or None,
        definition.symbol or None,
        level_of(definition),
        decoded.problems,
        lambda: render(decoded),
        _longest(chunk, decoded),
        is_message=True,
    )


def _is_hex(item: Item) -> bool:
    return layout_of(item).shown in _HEX or item.type.upper().endswith("X")


def _longest(chunk: Chunk, decoded: Decoded) -> int:
    """Tell how long a text can be: a format may show one long string many times."""
    template = template_of(decoded.definition)
    size = int(chunk.column("payload_size")[decoded.rows].max())
    columns = {item.number: place for place, item in enumerate(decoded.definition.items)}
    total = 0
    for part in template.parts:
        if isinstance(part, str):
            total += len(part)
            continue
        place = columns.get(part.number, decoded.table.num_columns)
        is_text = place < decoded.table.num_columns and not pa.types.is_integer(
            decoded.table.column(place).type
        )
        total += max(part.spec.width, 2 * size if is_text else _NUMBER)
    return total
