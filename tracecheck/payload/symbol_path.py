"""Where PDBs lie: folders, symbol stores, and the local parts of _NT_SYMBOL_PATH."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from uuid import UUID

#: The variable that Windows debuggers read the symbol path from.
NT_SYMBOL_PATH = "_NT_SYMBOL_PATH"

_MOST_NAME = 255
_SERVER = re.compile(r"^[a-z][a-z0-9+.-]+://", re.IGNORECASE)
# "symsrv" is followed by the name of the library that asks the server.
_KEYWORDS = {"srv": 1, "cache": 1, "symsrv": 2}


def split_symbol_path(text: str) -> tuple[list[str], list[str]]:
    """Split a symbol path as debuggers write it.

    ``srv*CACHE*SERVER``, ``cache*FOLDER`` and ``symsrv*symsrv.dll*...`` name stores; other elements are
    folders.

    Args:
        text: The value of _NT_SYMBOL_PATH, or of an option; elements are divided by semicolons.

    Returns:
        The local folders, and the servers, which nothing here asks; each once, in their order.
    """
    folders: dict[str, None] = {}
    servers: dict[str, None] = {}
    for element in text.split(";"):
        parts = [part.strip() for part in element.split("*")]
        first = _KEYWORDS.get(parts[0].lower(), 0) if len(parts) > 1 else 0
        for part in filter(None, parts[first:]):
            (servers if _SERVER.match(part) else folders)[part] = None
    return list(folders), list(servers)


def store_key(guid: UUID, age: int) -> str:
    """Give the folder's name that a symbol store has for a PDB: the GUID's digits, then the age, both hex."""
    return f"{guid.hex.upper()}{age:X}"


def file_name(pdb: str) -> str | None:
    """Give the last part of a PDB's path as a linker wrote it; None where that is no name of a file.

    The path comes from a trace: it must not lead out of the folders that were named.
    """
    name = re.split(r"[\\/]", pdb)[-1]
    if not name or len(name) > _MOST_NAME or name.strip(". ") == "" or not name.isprintable() or ":" in name:
        return None
    return name


class SymbolPath:
    """Folders to look for PDBs in.

    Args:
        places: Folders (flat, or symbol stores of two or three tiers) and single PDB files.
    """

    def __init__(self, places: Iterable[str | Path]) -> None:
        self._places = [Path(place) for place in places]
        self._listings: dict[Path, dict[str, Path]] = {}

    def candidates(self, pdb: str, guid: UUID, age: int) -> Iterator[Path]:
        """Name the files that may be a PDB, the likeliest of each place first.

        Args:
            pdb: Its path as the image has it.
            guid: Its GUID.
            age: Its age.
        """
        name = file_name(pdb)
        if name is None:
            return
        key = store_key(guid, age)
        for place in self._places:
            for parts in ((name, key, name), (name[:2], name, key, name), (name,)):
                found = self._find(place, parts)
                if found is not None:
                    yield found
            if place.name.lower() == name.lower() and place.is_file():
                yield place

    def _find(self, folder: Path, parts: tuple[str, ...]) -> Path | None:
        """Follow names down from a folder, whatever their case: Windows made them, others may keep them."""
        at: Path | None = folder
        for part in parts:
            if at is None:
                return None
            at = self._listing(at).get(part.lower())
        return at if at is not None and at.is_file() else None

    def _listing(self, folder: Path) -> dict[str, Path]:
        if folder not in self._listings:
            try:
                self._listings[folder] = {path.name.lower(): path for path in folder.iterdir()}
            except OSError:
                self._listings[folder] = {}
        return self._listings[folder]


def symbol_places(named: Iterable[Path] = (), environment: Mapping[str, str] | None = None) -> list[Path]:
    """Give the places of a symbol path: those that were named, then the local ones of _NT_SYMBOL_PATH.

    Args:
        named: Folders, symbol stores, PDB files.
        environment: The variables; those of the process where None.
    """
    folders, _ = split_symbol_path(_of_environment(environment))
    return [*named, *map(Path, folders)]


def symbol_servers(environment: Mapping[str, str] | None = None) -> list[str]:
    """Give the servers of _NT_SYMBOL_PATH, which nothing here asks."""
    return split_symbol_path(_of_environment(environment))[1]


def _of_environment(environment: Mapping[str, str] | None) -> str:
    return (os.environ if environment is None else environment).get(NT_SYMBOL_PATH, "")
