"""Decodes the records of a chunk by all payload families, and counts what no definition was found for."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import UUID

import numpy as np
import pyarrow as pa

from tracecheck.etl.layout import Kind
from tracecheck.payload.arrow import from_numpy
from tracecheck.reporters.common import count
from tracecheck.reporters.events import kernel, manifest, tracelogging, wpp
from tracecheck.reporters.events.guids import provider_codes
from tracecheck.reporters.events.page import Page

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from tracecheck.etl import Chunk
    from tracecheck.payload.kernel import Processes
    from tracecheck.payload.manifest.layouts import Layouts
    from tracecheck.payload.wpp.search import Definitions
    from tracecheck.reporters.events.group import Group

    Ints = NDArray[np.int64]
    Messages = dict[tuple[UUID, int], int]

#: The texts of a page have at most about so many characters: formats may show one string many times.
MOST_TEXT = 1 << 26
_MOST_LISTED = 3


class Decoders:
    """All that is known of payloads.

    Args:
        definitions: Those of WPP messages.
        layouts: Those of manifest events.
        pointer_size: The log's.
        processes: The processes over time; None where the capture tells of none.
    """

    def __init__(
        self,
        definitions: Definitions,
        layouts: Layouts,
        pointer_size: int = 8,
        processes: Processes | None = None,
    ) -> None:
        self._definitions = definitions
        self._layouts = layouts
        self._pointer_size = pointer_size
        self._processes = processes
        self._names: dict[bytes, str] = {}
        self._messages: Counter[bytes] = Counter()
        self._events: Counter[bytes] = Counter()

    def pages(self, chunk: Chunk, stacks: Callable[[Chunk], list[list[str]]] | None = None) -> Iterator[Page]:
        """Decode records, in as many pages as their texts need.

        Args:
            chunk: The records that are shown.
            stacks: Gives the stacks of records; None where they are not wanted.
        """
        groups = self._groups(chunk)
        size = len(chunk.records)
        if size > 1 and sum(each.rows.size * each.longest for each in groups) > MOST_TEXT:
            for half in (slice(0, size // 2), slice(size // 2, size)):
                yield from self.pages(chunk_of(chunk, np.arange(size)[half]), stacks)
            return
        self.learn_names(chunk)
        processes = None
        if self._processes is not None:
            pid, time = chunk.column("pid"), chunk.column("time")
            processes = self._processes.names(pid, time).to_pylist()
        found = None if stacks is None else stacks(chunk)
        yield Page(chunk, groups, self._names, processes, found)

    def learn_names(self, chunk: Chunk) -> None:
        """Read what the providers of self-describing events call themselves."""
        rows = np.flatnonzero(chunk.column("schema"))
        if not rows.size:
            return
        codes, guids = provider_codes(chunk)
        new = np.array([guid not in self._names for guid in guids], np.bool_)
        rows = rows[new[codes[rows]]]
        if not rows.size:
            return
        for row, name in zip(*tracelogging.provider_names(chunk, rows), strict=True):
            if name is not None:
                self._names.setdefault(guids[codes[row]], name)

    def name_of(self, guid: bytes, kind: int) -> str | None:
        """Give the name of a provider, as far as it is known or can be looked up.

        Args:
            guid: Its GUID in the order of the file.
            kind: The kind of its records: WPP messages have their names from definitions.
        """
        if guid in self._names:
            return self._names[guid]
        key = UUID(bytes_le=guid)
        if kind == Kind.WPP_MESSAGE:
            found = self._definitions.of([key])
            return next((each.provider for (of, _), each in found.items() if of == key), None)
        if kind in (Kind.EVENT32, Kind.EVENT64):
            provider = self._layouts.find(key)
            return provider.name if provider else None
        return None

    def message_levels(self, chunk: Chunk) -> Messages:
        """Give the levels of a chunk's WPP messages, as far as their definitions tell."""
        messages = wpp.messages_of(chunk)
        if not messages:
            return {}
        found = self._definitions.of({guid for guid, _ in messages}, messages)
        levels = {key: wpp.level_of(found[key]) for key in messages if key in found}
        return {key: level for key, level in levels.items() if level is not None}

    def count_unknown(self, page: Page) -> None:
        """Count the messages and events of a page that are shown as bytes."""
        chunk, known = page.chunk, page.known
        is_message = chunk.column("kind") == Kind.WPP_MESSAGE
        is_event = np.zeros(len(page), np.bool_)
        is_event[manifest.manifest_rows(chunk)] = True
        for counter, which in ((self._messages, is_message), (self._events, is_event)):
            rows = np.flatnonzero(which & ~known)
            if rows.size:
                codes, guids = provider_codes(chunk)
                for code, total in enumerate(np.bincount(codes[rows]).tolist()):
                    if total:
                        counter[guids[code]] += total

    def unknown(self) -> Iterator[str]:
        """Say what was shown as bytes and what to supply, a line for each family."""
        if self._messages:
            what = (
                f"{count(self._messages.total(), 'message')} of {count(len(self._messages), 'message GUID')}"
            )
            verb = "has" if self._messages.total() == 1 else "have"
            yield f"{what} {verb} no definition: give --tmf or --pdb{_listed(self._messages)}"
        if self._events:
            what = f"{count(self._events.total(), 'event')} of {count(len(self._events), 'provider')}"
            verb = "has" if self._events.total() == 1 else "have"
            yield f"{what} {verb} no layout: give --manifest{_listed(self._events)}"

    def warnings(self) -> list[str]:
        """Say what was skipped, unreadable or contradictory in the sources of definitions."""
        return [*self._definitions.warnings, *self._layouts.problems]

    def _groups(self, chunk: Chunk) -> list[Group]:
        told = [
            *wpp.read(chunk, self._definitions, self._pointer_size),
            *manifest.read(chunk, self._layouts),
        ]
        provider = chunk.column("provider")
        for each in told:
            # Events of the provider that have no definition are called after it too.
            if each.provider_name is not None:
                self._names.setdefault(provider[each.rows[0]].tobytes(), each.provider_name)
        return [*tracelogging.read(chunk), *kernel.read(chunk), *told]


def chunk_of(chunk: Chunk, rows: Ints) -> Chunk:
    """Make a chunk of some records of another."""
    rows = np.ascontiguousarray(rows, np.int64)
    return replace(chunk, records=chunk.records.take(from_numpy(rows, pa.int64())))


def _listed(counter: Counter[bytes]) -> str:
    """List the GUIDs that occur most."""
    most = [f"{UUID(bytes_le=guid)} ({total:,})" for guid, total in counter.most_common(_MOST_LISTED)]
    more = ", ..." if len(counter) > _MOST_LISTED else ""
    return f" ({', '.join(most)}{more})"
