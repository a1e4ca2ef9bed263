"""What a capture holds besides the canonical provider's events: messages that a profile may explain.

The engine of profiles is loaded when the first such message is seen, or a profile is named.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from tracecheck.etl.layout import Kind
from tracecheck.operations.surroundings import SymbolSources

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tracecheck.etl import Chunk
    from tracecheck.operations.canonical import CanonicalReader
    from tracecheck.operations.coverage import Coverage
    from tracecheck.operations.names import Names
    from tracecheck.operations.profiles import Profile, ProfileReader
    from tracecheck.operations.rows import Rows
    from tracecheck.operations.text_quality import Apart
    from tracecheck.payload.manifest.xml import Manifests
    from tracecheck.payload.text import Lines
    from tracecheck.payload.wpp.search import Definitions

#: The word that turns the profiles off that nobody named.
NONE = "none"

_KERNEL = (Kind.SYSTEM32, Kind.SYSTEM64, Kind.COMPACT32, Kind.COMPACT64, Kind.PERFINFO32, Kind.PERFINFO64)
_CLASSIC = (Kind.FULL32, Kind.FULL64)
_EVENTS = (Kind.EVENT32, Kind.EVENT64)
_DBGPRINT_GROUP = 0x0A


class Sources(SymbolSources, Protocol):
    """Where the definitions of WPP messages and of events come from."""

    def definitions(self) -> Definitions:
        """Make the catalogue."""
        ...

    def manifests(self) -> Manifests | None:
        """Read the manifests that the user named; None where there is none."""
        ...


class Others:
    """Reads by profiles what the canonical provider did not write.

    Args:
        profiles: Names or files of profiles; "none" turns the profiles off that nobody named.
        sources: Gives the definitions of WPP messages and of events; None for what the environment names.

    Attributes:
        profiles: The names of the profiles that were used.
        lag: The longest time by which a relay wrote a message late, nanoseconds.
        notes: What to tell the user, a line each.
        advice: What to do where the capture has messages and no operations, a sentence each.

    Raises:
        InputError: A profile cannot be read.
        UsageError: There is no such profile.
    """

    def __init__(self, profiles: Sequence[str | Path] = (), sources: Sources | None = None) -> None:
        # A profile that the user names is the whole answer: two that know a line would count it twice.
        self._automatic = not profiles
        self._named = _load([each for each in profiles if each != NONE])
        self._sources = sources
        self._manifests = None if sources is None else sources.manifests()
        self._reader: ProfileReader | None = None
        self._apart: Apart | None = None
        self.profiles: list[str] = []
        self.lag = 0
        self.notes: list[str] = []
        self.advice: list[str] = []

    def add(self, chunk: Chunk, first_record: int, pointer_size: int, canonical: CanonicalReader) -> None:
        """Take the messages of a chunk, if it has any.

        Args:
            chunk: Records, in file order.
            first_record: The number of the chunk's first record in the capture.
            pointer_size: The log's, 4 or 8.
            canonical: What the canonical provider has told so far: where it tells anything, only named
                profiles are used.
        """
        if self._reader is None:
            offers = self._automatic and not canonical.rows.size and self._has_messages(chunk)
            if not self._named and not offers:
                return
            self._reader = self._make(canonical.names)
        self._reader.add(chunk, first_record, pointer_size)

    def add_lines(self, lines: Lines, first_record: int, names: Names, *, cut: bool) -> None:
        """Take the messages of a text log.

        Args:
            lines: The messages, in the order of the file.
            first_record: What to add to their line numbers to make them the capture's.
            names: Takes the strings of the rows.
            cut: Whether the log puts each line of a message on its own.
        """
        if self._reader is None:
            if not self._named and not self._automatic:
                return
            self._reader = self._make(names)
        from tracecheck.operations.profiles import Place
        from tracecheck.operations.text_quality import Apart

        if self._apart is None:
            self._apart = Apart()
        record = (lines.number + first_record).astype(np.uint64)
        place = Place.of_lines(
            self._apart.add(lines.time),
            record=record,
            tick=lines.time,
            cpu=lines.cpu,
            pid=lines.pid,
            tid=lines.tid,
        )
        self._reader.lines.add(lines.text, place, cut=cut)

    def has_more(self) -> bool:
        """Tell, after the last chunk, whether all chunks have to be given to :meth:`add_again`."""
        return self._reader is not None and self._reader.has_more()

    def add_again(self, chunk: Chunk, first_record: int) -> None:
        """Take what a later part of the capture told the layout of."""
        if self._reader is not None:
            self._reader.add_again(chunk, first_record)

    def finish(self, rows: Rows) -> Coverage | None:
        """Put the operations among those of the capture, after the last chunk.

        Args:
            rows: What the canonical provider told.

        Returns:
            What the profiles declare; None where they told of no operation.
        """
        if self._reader is None:
            return None
        chosen = self._reader.finish(rows)
        self.profiles = [profile.name for profile in chosen.profiles]
        self.lag = chosen.lag
        self.notes = chosen.notes
        self.advice = self._reader.advice()
        self._reader = None
        return chosen.coverage if chosen.operations else None

    def _make(self, names: Names) -> ProfileReader:
        from tracecheck.operations.profiles import ProfileReader, load, shipped

        known = {profile.name for profile in self._named}
        offered = [load(name) for name in shipped() if name not in known] if self._automatic else []
        return ProfileReader(self._named, offered, names, self._catalogue, self._manifests)

    def _has_messages(self, chunk: Chunk) -> bool:
        """Tell whether a chunk may have messages that a profile knows."""
        if self._manifests is not None and np.isin(chunk.column("kind"), _EVENTS).any():
            return True
        return _may_print(chunk)

    def _catalogue(self) -> Definitions:
        if self._sources is not None:
            return self._sources.definitions()
        from tracecheck.payload.wpp.search import Definitions

        return Definitions()


def _load(profiles: Sequence[str | Path]) -> list[Profile]:
    if not profiles:
        return []
    from tracecheck.operations.profiles import load

    return [load(each) for each in dict.fromkeys(profiles)]


def _may_print(chunk: Chunk) -> bool:
    """Tell whether a chunk may have WPP messages or DbgPrint lines."""
    kind = chunk.column("kind")
    kinds = np.bincount(kind, minlength=256)
    if kinds[Kind.WPP_MESSAGE] or kinds[list(_CLASSIC)].any():
        return True
    if not kinds[list(_KERNEL)].any():
        return False
    return bool((np.isin(kind, _KERNEL) & (chunk.column("group") == _DBGPRINT_GROUP)).any())
