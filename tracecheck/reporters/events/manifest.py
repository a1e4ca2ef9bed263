"""Events of manifests: what a provider's layout says of its ids and versions."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

import numpy as np

from tracecheck.etl.layout import Kind
from tracecheck.payload.manifest.decode import decode
from tracecheck.payload.manifest.message import inserted, message_text
from tracecheck.reporters.events.group import Group
from tracecheck.reporters.events.guids import provider_codes
from tracecheck.reporters.fields import Fields, look_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from tracecheck.etl import Chunk
    from tracecheck.payload.manifest.decode import Decoded
    from tracecheck.payload.manifest.definition import Provider
    from tracecheck.payload.manifest.layouts import Layouts

# message_text ends a message at so many characters.
_LONGEST = 1 << 16
# Characters of a value that is no string: longer than any number, name or time.
_NUMBER = 64


def manifest_rows(chunk: Chunk) -> NDArray[np.int64]:
    """Give the rows of the events that a manifest may describe: those without a schema of their own."""
    kind = chunk.column("kind")
    is_event = (kind == Kind.EVENT64) | (kind == Kind.EVENT32)
    return np.flatnonzero(is_event & (chunk.column("schema") == 0))


def read(chunk: Chunk, layouts: Layouts) -> Iterator[Group]:
    """Decode the events of a chunk whose layout is known."""
    rows = manifest_rows(chunk)
    if not rows.size:
        return
    codes, guids = provider_codes(chunk)
    codes = codes[rows]
    providers: list[Provider | None] = [None] * len(guids)
    for code in np.unique(codes).tolist():
        providers[code] = layouts.find(UUID(bytes_le=guids[code]))
    if not any(providers):
        return
    columns = [chunk.column(name)[rows] for name in ("id", "version", "payload", "payload_size", "kind")]
    *columns, kind = columns
    width = np.where(kind == Kind.EVENT32, 4, 8)
    for found in decode(chunk.data, providers, codes, *columns, pointer_size=width):
        yield _group(chunk, rows[found.rows], found)


def _group(chunk: Chunk, rows: NDArray[np.int64], found: Decoded) -> Group:
    event = found.event
    shown = inserted(event)
    fields = Fields(found.table, [look_of(field) for field in event.fields])
    return Group(
        rows,
        fields,
        event.name or None,
        found.provider.name or None,
        problems=found.problems,
        texts=(lambda: [message_text(event, values) for values in fields.values(shown)])
        if event.message
        else None,
        longest=_longest(chunk, found, rows),
        is_message=bool(event.message),
    )


def _longest(chunk: Chunk, found: Decoded, rows: NDArray[np.int64]) -> int:
    message = found.event.message
    size = int(chunk.column("payload_size")[rows].max())
    return min(_LONGEST, len(message) + message.count("%") * (2 * size + _NUMBER))
