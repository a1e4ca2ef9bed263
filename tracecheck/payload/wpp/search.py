"""Finds message definitions by their GUIDs, in what the user names and where driver developers keep them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from tracecheck.payload.symbol_path import NT_SYMBOL_PATH, split_symbol_path
from tracecheck.payload.wpp._places import PdbFile, Place, SymbolFolder, TmfFile, TmfFolder
from tracecheck.payload.wpp.tmf import contradict

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from uuid import UUID

    from tracecheck.payload.wpp.definition import Definition
    from tracecheck.payload.wpp.tmf import Tmf

TRACE_FORMAT_SEARCH_PATH = "TRACE_FORMAT_SEARCH_PATH"


class Definitions:
    """A catalogue of message definitions; it opens a file only when a message needs it.

    The sources are asked in this order, and where two define the same message the first counts: TMF, PDB and
    symbols that the user named, then the folders of TRACE_FORMAT_SEARCH_PATH, then the local parts of
    _NT_SYMBOL_PATH.

    Args:
        tmf: TMF files, or folders of them.
        pdb: PDBs, or object files.
        symbols: Folders of PDBs, symbol stores, or PDBs.
        environment: The variables; those of the process where None.
    """

    def __init__(
        self,
        tmf: Iterable[Path | str] = (),
        pdb: Iterable[Path | str] = (),
        symbols: Iterable[Path | str] = (),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        environment = os.environ if environment is None else environment
        self._warnings: dict[str, None] = {}
        self._found: dict[UUID, dict[int, Definition]] = {}
        self._asked: set[UUID | tuple[UUID, int]] = set()
        self._conflicts: list[str] = []
        folders, servers = split_symbol_path(environment.get(NT_SYMBOL_PATH, ""))
        self._servers = servers
        self._places: list[Place] = [
            *(TmfFolder(path) if path.is_dir() else TmfFile(path) for path in map(Path, tmf)),
            *map(PdbFile, map(Path, pdb)),
            *(SymbolFolder(path) if path.is_dir() else PdbFile(path) for path in map(Path, symbols)),
            *map(TmfFolder, format_path(environment.get(TRACE_FORMAT_SEARCH_PATH, ""))),
            # Path.is_dir raises where a name is longer than names may be.
            *(SymbolFolder(Path(path)) for path in folders if os.path.isdir(path)),  # noqa: PTH112
        ]

    @property
    def warnings(self) -> list[str]:
        """What was skipped, unreadable or contradictory so far, each line once."""
        if not self._conflicts:
            return list(self._warnings)
        what = f"messages that two sources define differently, the first counts: {len(self._conflicts):,}"
        return [*self._warnings, f"{what}, as {', '.join(self._conflicts[:3])}"]

    def of(
        self, guids: Iterable[UUID], messages: Iterable[tuple[UUID, int]] = ()
    ) -> dict[tuple[UUID, int], Definition]:
        """Find the messages of some message GUIDs.

        Args:
            guids: The message GUIDs that a trace has.
            messages: The messages that it has, where they are known: the search then goes on until each is
                found, past the PDB of another build that lacks some.

        Returns:
            (GUID, message number) -> definition, for all messages of these GUIDs that are defined anywhere.

        Raises:
            InputError: A file that the user named can't be read.
        """
        wanted: dict[UUID, set[int]] = {guid: set() for guid in guids}
        keys = set(messages)
        for guid, number in keys:
            wanted.setdefault(guid, set()).add(number)
        asked = wanted.keys() | keys
        if not asked <= self._asked:
            self._asked |= asked
            self._load(wanted)
        return {
            (guid, number): definition
            for guid in sorted(wanted)
            for number, definition in self._found.get(guid, {}).items()
        }

    def _load(self, wanted: dict[UUID, set[int]]) -> None:
        def missing() -> set[UUID]:
            found = self._found
            return {
                guid for guid, numbers in wanted.items() if guid not in found or numbers - found[guid].keys()
            }

        for place in self._places:
            if place.explicit or missing():
                for tmf in place.load(missing, self._say):
                    self._take(tmf)
        if self._servers and missing():
            listed = ", ".join(self._servers)
            self._say(f"{NT_SYMBOL_PATH}: no symbols are downloaded, skipped: {listed}; give --pdb or --tmf")

    def _say(self, warning: str) -> None:
        self._warnings.setdefault(warning)

    def _take(self, tmf: Tmf) -> None:
        for problem in tmf.problems:
            self._say(problem)
        for definition in tmf.definitions:
            first = self._found.setdefault(definition.guid, {}).setdefault(definition.number, definition)
            if contradict(first, definition):
                self._conflicts.append(f"{definition.symbol} ({definition.guid}, {definition.number})")


def format_path(text: str) -> list[Path]:
    r"""Split TRACE_FORMAT_SEARCH_PATH: at semicolons, elsewhere than on Windows at colons too.

    A colon behind a drive's letter (``C:\``) does not part.
    """
    parts = (
        text.split(";") if os.pathsep == ";" else [part for half in text.split(";") for part in _cut(half)]
    )
    return [Path(part.strip()) for part in parts if part.strip()]


def _cut(text: str) -> Iterator[str]:
    r"""Split at colons, but not inside ``C:\folder`` or ``C:/folder``."""
    pieces = text.split(":")
    while pieces:
        piece = pieces.pop(0)
        drive = len(piece.strip()) == 1 and piece.strip().isalpha()
        if drive and pieces and pieces[0].startswith(("\\", "/")):
            piece = f"{piece}:{pieces.pop(0)}"
        yield piece
