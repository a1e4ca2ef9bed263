"""Reading the messages of a capture by profiles: WPP, DbgPrint, and events of other providers."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

import numpy as np
import pyarrow as pa

from tracecheck.etl.layout import Ext, Kind
from tracecheck.operations.canonical import PROVIDER
from tracecheck.operations.profiles.bind import tracelogging_source, wpp_source
from tracecheck.operations.profiles.choose import choose
from tracecheck.operations.profiles.collect import Harvest
from tracecheck.operations.profiles.extract import Column
from tracecheck.operations.profiles.lines import LineReader
from tracecheck.operations.profiles.manifests import ManifestReader
from tracecheck.operations.profiles.place import Place
from tracecheck.payload.arrow import from_numpy

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from tracecheck.etl import Chunk
    from tracecheck.operations.names import Names
    from tracecheck.operations.profiles.bind import Bound, Source
    from tracecheck.operations.profiles.choose import Chosen
    from tracecheck.operations.profiles.extract import Clock
    from tracecheck.operations.profiles.grammar import Profile
    from tracecheck.operations.rows import Rows
    from tracecheck.payload.manifest.xml import Manifests
    from tracecheck.payload.tracelogging import Decoded
    from tracecheck.payload.wpp.definition import Definition
    from tracecheck.payload.wpp.search import Definitions

    Takers = list[tuple[Harvest, Bound]]

_EVENTS = (Kind.EVENT32, Kind.EVENT64)
_PROVIDER_WORDS = np.frombuffer(PROVIDER.bytes_le, "<u8")
_KEY_SIZE = 24
# So many different messages without a definition are told apart; a file may be made of nothing else.
_MOST_UNDEFINED = 1 << 16
_MOST_SCHEMAS = 1 << 16


@dataclass(frozen=True)
class _Known:
    """A WPP message that has a definition, and what is said of it."""

    definition: Definition
    source: Source
    takers: Takers


class ProfileReader:
    """Collects from the chunks of a capture what profiles tell.

    Args:
        named: The profiles that the user named.
        offered: Those that are used on their own if their messages occur.
        names: Takes the strings of the rows.
        definitions: Makes the catalogue of WPP message definitions; called when the first message is seen.
        manifests: The manifests that the user named.

    Attributes:
        lines: Takes lines of text.
        problems: How many messages did not fit their definitions.
        unbound: How many WPP messages have a definition that no profile knows.
    """

    def __init__(
        self,
        named: Sequence[Profile],
        offered: Sequence[Profile],
        names: Names,
        definitions: Callable[[], Definitions],
        manifests: Manifests | None = None,
    ) -> None:
        self._named = [Harvest(profile, names) for profile in named]
        self._offered = [Harvest(profile, names) for profile in offered]
        self._harvests = [*self._named, *self._offered]
        self._make = definitions
        self._definitions: Definitions | None = None
        self._wpp: dict[bytes, _Known | None] = {}
        self._takers: dict[Source, Takers] = {}
        self._wanted: dict[bytes, bool] = {}
        self._undefined: Counter[bytes] = Counter()
        self._more_undefined = 0
        self.lines = LineReader(self._harvests)
        self._manifests = ManifestReader(manifests, named, self._takers_of)
        self._has_manifests = manifests is not None
        self._names_events = any(harvest.binder.event_names for harvest in self._harvests)
        self.problems = self.unbound = 0

    def add(self, chunk: Chunk, first_record: int, pointer_size: int = 8) -> None:
        """Take the messages of a chunk.

        Args:
            chunk: Records, in file order.
            first_record: The number of the chunk's first record in the capture.
            pointer_size: The log's, 4 or 8.
        """
        if not self._harvests:
            return
        kinds = np.bincount(chunk.column("kind"), minlength=256)
        events = int(kinds[list(_EVENTS)].sum())
        if kinds[Kind.WPP_MESSAGE]:
            self._add_wpp(chunk, first_record, pointer_size)
        if kinds.sum() > events + kinds[Kind.WPP_MESSAGE]:
            self._add_dbgprint(chunk, first_record)
        if events and self._names_events:
            self._add_tracelogging(chunk, first_record, pointer_size)
        if events and (self._names_events or self._has_manifests):
            self._manifests.add(chunk, first_record)

    def has_more(self) -> bool:
        """Tell, after the last chunk, whether the trace told of events that have passed unread."""
        return self._manifests.has_more()

    def add_again(self, chunk: Chunk, first_record: int) -> None:
        """Take what is left unread of a chunk, where :meth:`has_more` says so."""
        self._manifests.add_again(chunk, first_record)

    def take(
        self, source: Source, columns: Sequence[Column], place: Place, clock: Clock | None = None
    ) -> bool:
        """Take messages of one definition, decoded elsewhere.

        Args:
            source: Their definition.
            columns: Their arguments, in the definition's order.
            place: Where they stand.
            clock: Turns raw times of the session into nanoseconds; None where there are none.

        Returns:
            Whether any profile knows the definition.
        """
        takers = self._takers_of(source)
        for harvest, bound in takers:
            harvest.add(bound, columns, place, clock)
        return bool(takers)

    def _takers_of(self, source: Source) -> Takers:
        """Find the profiles that know a definition."""
        if source not in self._takers:
            each = [(harvest, harvest.binder.bind(source)) for harvest in self._harvests]
            self._takers[source] = [(harvest, bound) for harvest, bound in each if bound is not None]
        return self._takers[source]

    def finish(self, rows: Rows) -> Chosen:
        """Put the operations among those of the capture, after the last chunk.

        Args:
            rows: What the canonical provider told; profiles that nobody named are used only where that is
                nothing.

        Returns:
            What was used, and what to say of it.
        """
        chosen = choose(self._named, () if rows.size else self._offered, rows)
        chosen.notes += self._notes()
        return chosen

    def advice(self) -> list[str]:
        """Say what to do where all these messages told of no operation, a sentence each."""
        lines = []
        if self._undefined:
            lines.append("give the driver's --pdb or --tmf, so that its WPP messages can be read")
        if self._manifests.unknown:
            lines.append("give the --manifest of the driver's events, so that they can be read")
        if self.unbound or self.lines.unmatched:
            lines.append(
                "say what the driver's messages mean by a --profile; 'tracecheck profile draft' makes one"
            )
        return lines

    def _notes(self) -> list[str]:
        notes = [] if self._definitions is None else list(self._definitions.warnings)
        missing = sum(self._undefined.values()) + self._more_undefined
        if missing:
            key = self._undefined.most_common(1)[0][0]
            most = f"{UUID(bytes_le=key[:16])} number {int.from_bytes(key[16:18], 'little')}"
            notes.append(
                f"{missing:,} WPP messages have no definition, as {most}: give the driver's --pdb or --tmf"
            )
        notes += self._manifests.notes
        if self._manifests.problems:
            count = self._manifests.problems
            notes.append(f"{count:,} events of manifests do not fit their layouts; what fits was read")
        if self.problems:
            notes.append(f"{self.problems:,} WPP messages do not fit their definitions; what fits was read")
        return notes

    def _add_wpp(self, chunk: Chunk, first_record: int, pointer_size: int) -> None:
        from tracecheck.payload._slices import distinct_slices
        from tracecheck.payload.wpp.decode import decode

        rows = np.flatnonzero(chunk.column("kind") == Kind.WPP_MESSAGE)
        words = np.zeros((len(rows), _KEY_SIZE // 8), "<u8")
        words[:, :2], words[:, 2] = chunk.column("provider")[rows], chunk.column("id")[rows]
        start = np.arange(len(rows), dtype=np.int64) * _KEY_SIZE
        code, keys = distinct_slices(words.reshape(-1).view(np.uint8), start, np.full_like(start, _KEY_SIZE))
        counts = np.bincount(code, minlength=len(keys))
        self._define(keys, counts.tolist())
        known = [self._wpp.get(key) for key in keys]
        bound = [place for place, each in enumerate(known) if each is not None and each.takers]
        of = np.full(len(keys), -1, np.int64)
        of[bound] = np.arange(len(bound))
        found = [each for each in known if each is not None and each.takers]
        columns = (chunk.column(name)[rows] for name in ("payload", "payload_size", "flags"))
        definitions = [each.definition for each in found]
        by_definition = {id(each.definition): each for each in found}
        for decoded in decode(chunk.data, of[code], definitions, *columns, pointer_size=pointer_size):
            if decoded.problems is not None:
                self.problems += len(decoded.rows) - decoded.problems.null_count
            place = Place.of_chunk(chunk, rows[decoded.rows], first_record)
            arguments = [Column(column) for column in decoded.table.columns]
            for harvest, each in by_definition[id(decoded.definition)].takers:
                harvest.add(each, arguments, place, chunk.clock.nanoseconds)

    def _define(self, keys: list[bytes], counts: list[int]) -> None:
        """Find the definitions of messages not seen before, and bind them; count messages without one."""
        room = max(0, _MOST_UNDEFINED - len(self._undefined))
        unseen = [key for key in keys if key not in self._wpp and key not in self._undefined]
        new = {key: _identity(key) for key in unseen[:room]}
        if new:
            if self._definitions is None:
                self._definitions = self._make()
            found = self._definitions.of({guid for guid, _ in new.values()}, new.values())
            for key, identity in new.items():
                if identity in found:
                    self._wpp[key] = self._known(found[identity])
        for key, count in zip(keys, counts, strict=True):
            known = self._wpp.get(key)
            if known is None:
                room = key in self._undefined or len(self._undefined) < _MOST_UNDEFINED
                if room:
                    self._undefined[key] += count
                else:
                    self._more_undefined += count
            elif not known.takers:
                self.unbound += count

    def _known(self, definition: Definition) -> _Known:
        source = wpp_source(definition)
        each = [(harvest, harvest.binder.bind(source)) for harvest in self._harvests]
        return _Known(definition, source, [(harvest, bound) for harvest, bound in each if bound is not None])

    def _add_dbgprint(self, chunk: Chunk, first_record: int) -> None:
        from tracecheck.payload.kernel.decode import decode

        for decoded in decode(chunk, ("DbgPrint",)):
            place = Place.of_chunk(chunk, decoded.rows, first_record)
            self.lines.add(decoded.table.column("Message"), place)

    def _add_tracelogging(self, chunk: Chunk, first_record: int, pointer_size: int) -> None:
        from tracecheck.payload._slices import distinct_slices
        from tracecheck.payload.tracelogging import decode

        provider, schema = chunk.column("provider"), chunk.column("schema").astype(np.int64)
        mine = (provider[:, 0] == _PROVIDER_WORDS[0]) & (provider[:, 1] == _PROVIDER_WORDS[1])
        rows = np.flatnonzero((schema != 0) & ~mine)
        start = schema[rows]
        length = chunk.data[start - 2].astype(np.int64) | chunk.data[start - 1].astype(np.int64) << 8
        codes, schemas = distinct_slices(chunk.data, start, length)
        wanted = np.array([self._is_wanted(raw) for raw in schemas], np.bool_)[codes]
        rows, start, length = rows[wanted], start[wanted], length[wanted]
        columns = (chunk.column(name)[rows].astype(np.int64) for name in ("payload", "payload_size"))
        for group in decode(chunk.data, start, length, *columns, pointer_size=pointer_size):
            if group.schema is not None:
                self._take_events(chunk, first_record, group, rows[group.rows])

    def _is_wanted(self, raw: bytes) -> bool:
        """Tell by an event's schema whether any profile may know it."""
        from tracecheck.payload._schema import SchemaError, parse_schema

        if raw not in self._wanted:
            if len(self._wanted) >= _MOST_SCHEMAS:
                return False
            try:
                name = parse_schema(raw).name.lower()
            except SchemaError:
                name = ""
            self._wanted[raw] = any(name in harvest.binder.event_names for harvest in self._harvests)
        return self._wanted[raw]

    def _take_events(self, chunk: Chunk, first_record: int, group: Decoded, rows: NDArray[np.int64]) -> None:
        """Take the events of one schema, provider by provider."""
        assert group.schema is not None
        guids = np.ascontiguousarray(chunk.column("provider")[rows])
        for words in np.unique(guids, axis=0):
            of = np.flatnonzero((guids == words).all(axis=1))
            source = tracelogging_source(
                group.schema, UUID(bytes_le=words.tobytes()), _provider_name(chunk, rows[of[:1]])
            )
            index = from_numpy(of, pa.int64())
            columns = [Column(column.take(index)) for column in group.table.columns]
            self.take(source, columns, Place.of_chunk(chunk, rows[of], first_record), chunk.clock.nanoseconds)


def _identity(key: bytes) -> tuple[UUID, int]:
    return UUID(bytes_le=key[:16]), int.from_bytes(key[16:18], "little")


def _provider_name(chunk: Chunk, row: NDArray[np.int64]) -> str:
    """Give the name that an event says its provider has; "" where it says none."""
    from tracecheck.payload.tracelogging import provider_traits

    traits = chunk.items(row).of_type(Ext.PROV_TRAITS)
    names = provider_traits(chunk.data, traits.start[:1], traits.size[:1]).name.to_pylist()
    return names[0] or "" if names else ""
