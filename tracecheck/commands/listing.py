"""Puts the events that are wanted into a spool: filtered by array work first, rendered only if they stay."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from tracecheck.payload.arrow import from_numpy
from tracecheck.reporters.events import follow
from tracecheck.reporters.events.calls import RECORD
from tracecheck.reporters.events.decoders import chunk_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from tracecheck.commands.spool import Spool
    from tracecheck.etl import Chunk, Log
    from tracecheck.reporters.events.decoders import Decoders
    from tracecheck.reporters.events.page import Page
    from tracecheck.reporters.events.selection import Grep, Selection

    Ints = NDArray[np.int64]

#: How many records are rendered at once: enough for array work, few enough for their text to be small.
_PART = 1 << 14


@dataclass(frozen=True)
class Listing:
    """Which events are listed, and what is known of them.

    Attributes:
        decoders: Decode the payloads.
        selection: What a record must be.
        grep: A text that it must have.
        pointer: A pointer that its payload must hold.
        limit: How many are listed at most, the earliest ones.
        calls: Gives the stacks of records; None where they are not wanted.
    """

    decoders: Decoders
    selection: Selection
    grep: Grep | None = None
    pointer: int | None = None
    limit: int | None = None
    calls: Callable[[Chunk], list[list[str]]] | None = None

    def fill(
        self,
        spool: Spool,
        log: Log,
        render: Callable[[Page], list[bytes]],
        advance: Callable[[int, int], None] | None = None,
    ) -> None:
        """Render the wanted records of a log into a spool.

        Args:
            spool: Takes the lines.
            log: The open log.
            render: Makes the lines of a page's records.
            advance: Called with (bytes done, bytes in all).
        """
        done = 0
        for chunk in log.chunks():
            self._add(spool, self._numbered(chunk, done), render)
            done += len(chunk.records)
            if advance is not None:
                advance(chunk.done, log.size)

    def _add(self, spool: Spool, chunk: Chunk, render: Callable[[Page], list[bytes]]) -> None:
        rows = self.selection.rows(chunk, self.decoders)
        if self.pointer is not None and rows.size:
            rows = follow.rows_with(chunk, rows, self.pointer)
        is_final = self.grep is None and self.pointer is None
        wanted = spool.wanted(chunk, rows, is_final=is_final)
        added = 0
        for first in range(0, wanted.size, _PART):
            if self.limit is not None and added >= self.limit:
                break
            for page in self._pages(chunk_of(chunk, wanted[first : first + _PART])):
                spool.add(page.chunk, render(page))
                added += len(page)

    def _pages(self, part: Chunk) -> Iterator[Page]:
        """Decode records, and leave out those whose decoded payloads say that they are not wanted."""
        for page in self.decoders.pages(part, self.calls):
            rows = np.arange(len(page)) if self.pointer is None else follow.holds(page, self.pointer)
            if self.grep is not None:
                bodies = page.bodies
                rows = np.array([row for row in rows.tolist() if bodies[row] in self.grep], np.int64)
            kept = [page]
            if rows.size < len(page):
                kept = list(self.decoders.pages(chunk_of(page.chunk, rows), self.calls)) if rows.size else []
            for each in kept:
                self.decoders.count_unknown(each)
                yield each

    def _numbered(self, chunk: Chunk, first: int) -> Chunk:
        """Write into records, where their stacks are wanted, where they stand in the order of reading."""
        if self.calls is None:
            return chunk
        numbers = from_numpy(np.arange(first, first + len(chunk.records)), pa.int64())
        columns = [*chunk.records.columns, numbers]
        schema = chunk.records.schema.append(pa.field(RECORD, pa.int64()))
        return replace(chunk, records=pa.RecordBatch.from_arrays(columns, schema=schema))
