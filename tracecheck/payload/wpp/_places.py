"""Places where message definitions lie: a file, a folder of TMF files, a folder of symbols."""

from __future__ import annotations

import mmap
import os
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from uuid import UUID

from tracecheck.errors import InputError
from tracecheck.payload.files import require_regular
from tracecheck.payload.pdb_container import EXTRA_ADVICE, MissingExtraError
from tracecheck.payload.wpp.pdb import read_annotations
from tracecheck.payload.wpp.tmf import Tmf, read_tmf

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Missing = Callable[[], set[UUID]]

#: Of the files whose names say nothing, no more are opened.
MOST_FILES = 1000
#: Of PDBs found by search, no more bytes are looked at.
MOST_PDB_BYTES = 4 << 30
_MOST_ENTRIES = 1 << 20
#: Folders below a symbol path that debuggers search too.
_SYMBOL_FOLDERS = ("", "sys", "exe", "dll", "symbols", "symbols/sys", "symbols/exe", "symbols/dll")


class Place(Protocol):
    """Where definitions may be found.

    Attributes:
        explicit: The user named the file: all of it is read, and what is wrong with it is an error.
    """

    explicit: bool

    def load(self, missing: Missing, say: Callable[[str], None]) -> Iterator[Tmf]:
        """Read what may define missing messages; what was given before is not given again.

        Args:
            missing: Says which message GUIDs are not, or not wholly, defined by what was given so far.
            say: Takes warnings.
        """


class TmfFile:
    """A TMF file that the user named."""

    explicit = True

    def __init__(self, path: Path) -> None:
        self._path: Path | None = path

    def load(self, missing: Missing, say: Callable[[str], None]) -> Iterator[Tmf]:  # noqa: ARG002
        """Read the file, once."""
        if self._path is not None:
            path, self._path = self._path, None
            yield read_tmf(path)


class PdbFile:
    """A PDB or an object file that the user named."""

    explicit = True

    def __init__(self, path: Path) -> None:
        self._path: Path | None = path

    def load(self, missing: Missing, say: Callable[[str], None]) -> Iterator[Tmf]:  # noqa: ARG002
        """Read the file, once."""
        if self._path is not None:
            path, self._path = self._path, None
            found = read_annotations(path)
            yield Tmf(found.definitions, found.problems)


class TmfFolder:
    """A folder of TMF files; ``<guid>.tmf`` is found by its name, only others have to be opened to know."""

    explicit = False

    def __init__(self, path: Path) -> None:
        self._path = path
        self._named: dict[UUID, Path] | None = None
        self._others: list[Path] = []

    def load(self, missing: Missing, say: Callable[[str], None]) -> Iterator[Tmf]:
        """Read the files of missing GUIDs, then, if some stay missing, those whose names tell nothing."""
        if self._named is None:
            self._named = self._list(say)
        for path in [self._named.pop(guid) for guid in sorted(missing()) if guid in self._named]:
            yield from _try(read_tmf, path, say)
        if not missing():
            return
        others, self._others = self._others, []
        if len(others) > MOST_FILES:
            say(f"{self._path}: {len(others) - MOST_FILES:,} files without a GUID as name are not read")
        for path in others[:MOST_FILES]:
            yield from _try(read_tmf, path, say)

    def _list(self, say: Callable[[str], None]) -> dict[UUID, Path]:
        named: dict[UUID, Path] = {}
        for entry in _entries(self._path, say):
            stem, extension = os.path.splitext(entry.name)  # noqa: PTH122 - faster than a Path for each
            if extension.lower() != ".tmf":
                continue
            try:
                named[UUID(stem)] = self._path / entry.name
            except ValueError:
                self._others.append(self._path / entry.name)
        self._others.sort()
        return named


class SymbolFolder:
    """A folder of a symbol path: PDBs, a symbol store (``name.pdb/<guid><age>/name.pdb``), TMF files."""

    explicit = False

    def __init__(self, path: Path) -> None:
        self._path = path
        self._tmf = TmfFolder(path)
        self._pdbs: list[Path] | None = None

    def load(self, missing: Missing, say: Callable[[str], None]) -> Iterator[Tmf]:
        """Read TMF files by name, then PDBs until nothing is missing any more."""
        yield from self._tmf.load(missing, say)
        if self._pdbs is None:
            self._pdbs = list(self._find(say))[::-1]
        files, size = 0, 0
        while self._pdbs and missing():
            if files >= MOST_FILES or size >= MOST_PDB_BYTES:
                say(
                    f"{self._path}: {len(self._pdbs):,} PDBs were not looked at; name the driver's with --pdb"
                )
                self._pdbs = []
                return
            path = self._pdbs.pop()
            files, size = files + 1, size + _size(path)
            try:
                yield from _try(_of_pdb, path, say)
            except MissingExtraError:
                say(f"{self._path}: its PDBs are not read; {EXTRA_ADVICE}")
                self._pdbs = []

    def _find(self, say: Callable[[str], None]) -> Iterator[Path]:
        for below in _SYMBOL_FOLDERS:
            folder = self._path / below if below else self._path
            if below and not folder.is_dir():
                continue
            for entry in sorted(_entries(folder, say), key=lambda entry: entry.name):
                if not entry.name.lower().endswith(".pdb"):
                    continue
                path = folder / entry.name
                if entry.is_dir():
                    yield from _of_store(path, say)
                else:
                    yield path


def _of_store(folder: Path, say: Callable[[str], None]) -> Iterator[Path]:
    """List the versions of one PDB in a symbol store, the newest first: it is the likeliest."""
    versions = [folder / entry.name / folder.name for entry in _entries(folder, say)]
    files = [path for path in versions if path.is_file()]
    yield from sorted(files, key=lambda path: (-_modified(path), path))


def _of_pdb(path: Path) -> Tmf:
    found = read_annotations(path) if _has_messages(path) else None
    # What search opens by the way need not be whole: its problems would be noise.
    return Tmf(found.definitions if found else (), ())


def _has_messages(path: Path) -> bool:
    """Tell by its bytes whether a PDB may have annotations: most of a symbol store has none."""
    require_regular(path)
    with path.open("rb") as file:
        if os.fstat(file.fileno()).st_size == 0:
            return False
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            # A block's end may cut one of the two words, hardly both.
            return data.find(b"TMF:\0") >= 0 or data.find(b"#typev ") >= 0


def _try(read: Callable[[Path], Tmf], path: Path, say: Callable[[str], None]) -> Iterator[Tmf]:
    """Read a file that search found: one that can't be read is said, and the search goes on."""
    try:
        found = read(path)
    except MissingExtraError:
        raise
    except InputError as error:
        say(str(error))
    except OSError as error:
        say(f"{path}: can't be read: {error.strerror or error}")
    else:
        yield found


def _entries(folder: Path, say: Callable[[str], None]) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as listing:
            for number, entry in enumerate(listing):
                if number >= _MOST_ENTRIES:
                    say(f"{folder}: has more than {_MOST_ENTRIES:,} files; the rest is not searched")
                    return
                yield entry
    except OSError as error:
        say(f"{folder}: can't be searched: {error.strerror or error}")


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _modified(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
