"""Reading the events of manifests by profiles: only those that a profile names are decoded."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

import numpy as np

from tracecheck.etl.layout import Kind
from tracecheck.operations.profiles.bind import event_source
from tracecheck.operations.profiles.extract import Column
from tracecheck.operations.profiles.place import Place
from tracecheck.payload.arrow import unique_names

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from tracecheck.etl import Chunk
    from tracecheck.operations.profiles.bind import Bound, Source
    from tracecheck.operations.profiles.collect import Harvest
    from tracecheck.operations.profiles.grammar import Profile
    from tracecheck.payload.manifest.definition import Event, Provider
    from tracecheck.payload.manifest.eventsource import EventSources
    from tracecheck.payload.manifest.layouts import Layouts
    from tracecheck.payload.manifest.xml import Manifests

    Takers = list[tuple[Harvest, Bound]]
    Key = tuple[int, int]

_GUID_SIZE = 16


class _Known(NamedTuple):
    """A provider of which profiles name events: only those, and who takes each."""

    provider: Provider
    sources: dict[Key, Source]


class ManifestReader:
    """Finds the events of manifests that profiles name, in a capture that is read from its begin to its end.

    Manifests that an EventSource writes into the trace may stand behind its events: these are read when the
    whole trace has been seen, in a second pass, if there is anything to read.

    Args:
        given: The manifests that the user named.
        named: The profiles that the user named: for the providers that these name, Windows' catalogue is
            asked.
        takers: Gives the profiles that know a definition.

    Attributes:
        notes: What could not be used, a line each.
        problems: How many events did not fit their layouts.
        unknown: How many events of which nothing tells the layout.
    """

    def __init__(
        self, given: Manifests | None, named: Sequence[Profile], takers: Callable[[Source], Takers]
    ) -> None:
        self.notes: list[str] = list(given.problems) if given else []
        self.problems = self.unknown = 0
        self._given = list(given.providers) if given else []
        self._catalogued = _providers_of_windows(named)
        self._takers = takers
        self._layouts: Layouts | None = None
        self._known: dict[bytes, _Known | None] = {}
        self._sources: EventSources | None = None
        self._late: dict[bytes, _Known | None] = {}

    def add(self, chunk: Chunk, first_record: int) -> None:
        """Take the events of a chunk."""
        from tracecheck.payload.manifest.eventsource import MANIFEST_ID

        kind = chunk.column("kind")
        is_mine = ((kind == Kind.EVENT64) | (kind == Kind.EVENT32)) & (chunk.column("schema") == 0)
        if not is_mine.any():
            return
        carries = is_mine & (chunk.column("id") == MANIFEST_ID)
        if carries.any():
            self._collect(chunk, np.flatnonzero(carries))
        rows = np.flatnonzero(is_mine)
        if self._given or self._catalogued:
            self._read(chunk, rows, first_record, self._find)
        else:
            self.unknown += len(rows)

    def has_more(self) -> bool:
        """Tell, after the last chunk, whether a second pass has anything to read."""
        if self._sources is None:
            return False
        found = self._sources.providers()
        self.notes += self._sources.problems
        self._sources = None
        for provider in found:
            guid = provider.guid.bytes_le
            if self._known.get(guid) is None:
                self._late[guid] = self._bind(provider)
        return any(self._late.values())

    def add_again(self, chunk: Chunk, first_record: int) -> None:
        """Take the events of a chunk whose layouts the trace itself told."""
        kind = chunk.column("kind")
        is_mine = ((kind == Kind.EVENT64) | (kind == Kind.EVENT32)) & (chunk.column("schema") == 0)
        self._read(chunk, np.flatnonzero(is_mine), first_record, self._late.get)

    def _collect(self, chunk: Chunk, rows: NDArray[np.int64]) -> None:
        """Collect the parts of manifests that are in the trace."""
        from tracecheck.payload.manifest.eventsource import EventSources

        if self._sources is None:
            self._sources = EventSources()
        columns = (chunk.column(name)[rows] for name in ("provider", "pid", "payload", "payload_size"))
        provider, pid, start, size = columns
        ends = (start.astype(np.int64) + size).tolist()
        for guid, process, first, end in zip(provider, pid.tolist(), start.tolist(), ends, strict=True):
            self._sources.add(guid.tobytes(), process, chunk.data[first:end].tobytes())

    def _read(
        self,
        chunk: Chunk,
        rows: NDArray[np.int64],
        first_record: int,
        find: Callable[[bytes], _Known | None],
    ) -> None:
        """Decode the events that profiles name, and give them to these."""
        from tracecheck.payload._slices import distinct_slices
        from tracecheck.payload.manifest.decode import decode

        guids = np.ascontiguousarray(chunk.column("provider")[rows].astype("<u8"))
        start = np.arange(len(rows), dtype=np.int64) * _GUID_SIZE
        code, keys = distinct_slices(guids.reshape(-1).view(np.uint8), start, np.full_like(start, _GUID_SIZE))
        known = [find(key) for key in keys]
        if not any(known):
            return
        has = np.array([each is not None for each in known], np.bool_)[code]
        rows, code = rows[has], code[has]
        columns = [chunk.column(name)[rows] for name in ("id", "version", "payload", "payload_size")]
        width = np.where(chunk.column("kind")[rows] == Kind.EVENT32, 4, 8)
        providers = [None if each is None else each.provider for each in known]
        for found in decode(chunk.data, providers, code, *columns, pointer_size=width):
            if found.problems is not None:
                self.problems += len(found.rows) - found.problems.null_count
            of = known[int(code[found.rows[0]])]
            assert of is not None
            place = Place.of_chunk(chunk, rows[found.rows], first_record)
            arguments = [Column(column) for column in found.table.columns]
            for harvest, bound in self._takers(of.sources[found.event.id, found.event.version]):
                harvest.add(bound, arguments, place, chunk.clock.nanoseconds)

    def _find(self, guid: bytes) -> _Known | None:
        """Find what profiles name of a provider, by what the user gave and by Windows' catalogue."""
        from tracecheck.payload.manifest.layouts import Layouts

        if guid not in self._known:
            if self._layouts is None:
                self._layouts = Layouts(self._given, catalogue=bool(self._catalogued))
            provider = self._layouts.find(UUID(bytes_le=guid))
            self._known[guid] = None if provider is None else self._bind(provider)
            self.notes += [line for line in self._layouts.problems if line not in self.notes]
        return self._known[guid]

    def _bind(self, provider: Provider) -> _Known | None:
        """Keep the events of a provider that a profile names; None where there is none."""
        sources = {key: manifest_source(provider, event) for key, event in provider.events.items()}
        mine = {key: source for key, source in sources.items() if self._takers(source)}
        if not mine:
            return None
        return _Known(replace(provider, events={key: provider.events[key] for key in mine}), mine)


def manifest_source(provider: Provider, event: Event) -> Source:
    """Describe an event of a manifest."""
    fields = list(unique_names(field.name for field in event.fields))
    return event_source(
        provider.guid, provider.name, event.name, event.id, fields, event.message, task=event.task
    )


def _providers_of_windows(profiles: Sequence[Profile]) -> frozenset[str]:
    """Name the providers, in profiles that the user named, that Windows' catalogue may know."""
    named = {
        name.strip("{}").lower()
        for profile in profiles
        for message in profile.messages
        if message.event
        for name in (message.provider, message.event.rpartition("/")[0])
    }
    return frozenset(name for name in named if name.startswith("microsoft-") or _is_guid(name))


def _is_guid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True
