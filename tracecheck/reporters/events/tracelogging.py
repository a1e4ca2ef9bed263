"""Self-describing (TraceLogging) events: the schema stands in each event."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tracecheck.etl.layout import Ext, Kind
from tracecheck.payload.tracelogging import decode, provider_traits
from tracecheck.reporters.events.group import Group
from tracecheck.reporters.fields import Fields, look_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tracecheck.etl import Chunk
    from tracecheck.reporters.events.group import Ints


def read(chunk: Chunk) -> Iterator[Group]:
    """Decode the self-describing events of a chunk."""
    rows = np.flatnonzero(chunk.column("schema"))
    if not rows.size:
        return
    items = chunk.items(rows).of_type(Ext.EVENT_SCHEMA_TL)
    narrow = chunk.column("kind")[items.row] == Kind.EVENT32
    for pointer_size, some in ((8, np.flatnonzero(~narrow)), (4, np.flatnonzero(narrow))):
        if not some.size:
            continue
        of = items.row[some]
        payload, size = (chunk.column(name)[of] for name in ("payload", "payload_size"))
        schemas = decode(
            chunk.data, items.start[some], items.size[some], payload, size, pointer_size=pointer_size
        )
        for found in schemas:
            schema = found.schema
            fields = Fields(found.table, [look_of(each) for each in schema.fields]) if schema else None
            name = schema.name if schema else None
            yield Group(of[found.rows], fields, name, problems=found.problems)


def provider_names(chunk: Chunk, rows: Ints) -> tuple[Ints, list[str | None]]:
    """Read what providers call themselves.

    Args:
        chunk: The records.
        rows: Which of them are asked.

    Returns:
        The rows of records that carry a name, and the names.
    """
    traits = chunk.items(rows).of_type(Ext.PROV_TRAITS)
    names = provider_traits(chunk.data, traits.start, traits.size).name
    return traits.row, names.to_pylist()
