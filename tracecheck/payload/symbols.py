"""Functions and source lines of addresses, from PDBs that match by GUID and age.

The PDBs are read by purepdb (extra ``pdb``), which is imported when the first is opened.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

import numpy as np
import pyarrow as pa

from tracecheck.errors import InputError
from tracecheck.payload.arrow import from_numpy, strings
from tracecheck.payload.pdb_container import MissingExtraError, open_pdb
from tracecheck.payload.symbol_path import SymbolPath

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    import numpy.typing as npt
    from purepdb import PDB, Line

    Ints = npt.NDArray[np.int64]
    Words = npt.NDArray[np.uint64]

# Larger PDBs than any driver's; reading one takes memory in proportion.
_LARGEST = 1 << 30
# Line numbers that mean code without a source line (CodeView: always and never to step into).
_HIDDEN = (0, 0xFEEFEE, 0xF00F00)


@dataclass(frozen=True)
class Pdb:
    """What a PDB says of addresses.

    Attributes:
        start: Where each function starts, from the image's base; uint64, ascending.
        size: Its bytes; 0 where the PDB does not tell.
        functions: Its name.
        line_start: Where the code of each line starts; uint64, ascending.
        line: The line's number; uint32.
        file: The place of its file in ``files``; int32.
        files: The source files.
    """

    start: Words
    size: Words
    functions: list[str]
    line_start: Words
    line: npt.NDArray[np.uint32]
    file: npt.NDArray[np.int32]
    files: list[str]

    def function_at(self, offset: Words) -> Ints:
        """Find the function that holds each offset from the image's base; -1 where none does."""
        if not self.start.size:
            return np.full(offset.size, -1, np.int64)
        at = np.searchsorted(self.start, offset, "right") - 1
        inside = (self.size[at] == 0) | (offset - self.start[at] < self.size[at])
        return np.where((at >= 0) & inside, at, -1)

    def line_at(self, offset: Words, function: Ints) -> Ints:
        """Find the line of each offset, which must lie in the same function; -1 where there is none."""
        if not self.line_start.size or not self.start.size:
            return np.full(offset.size, -1, np.int64)
        at = np.searchsorted(self.line_start, offset, "right") - 1
        good = (at >= 0) & (function >= 0) & (self.line_start[at] >= self.start[function])
        return np.where(good & ~np.isin(self.line[at], _HIDDEN), at, -1)


class Symbols:
    """The PDBs that a user named.

    Args:
        places: Folders, symbol stores and PDB files.

    Attributes:
        warnings: PDBs that were not used, a line each.
        missing: The PDBs of modules that were asked for and found nowhere.

    Raises:
        InputError: purepdb is not installed, when the first PDB is opened.
    """

    def __init__(self, places: Iterable[str | Path]) -> None:
        self._path = SymbolPath(places)
        self._loaded: dict[tuple[str, int], Pdb | None] = {}
        self.warnings: list[str] = []
        self.missing: list[str] = []

    def resolve(
        self, images: pa.Table, row: Ints, offset: Words, returns: npt.NDArray[np.bool_] | None = None
    ) -> pa.Table:
        """Name places in images.

        Args:
            images: The images: :attr:`tracecheck.payload.kernel.Images.table`.
            row: The image of each place, -1 where none is known; shape (n,).
            offset: The place's offset from the image's base.
            returns: True where the place is a return address: the call lies before it, and with it the line.

        Returns:
            A table of n rows: module (the image's file name), function, file (dictionary of strings),
            displacement (uint64, from the function's start), line (uint32); null where it is not known.
        """
        size = row.size
        asked: Words = offset
        if returns is not None:
            asked = offset - (returns & (offset > 0)).astype(np.uint64)
        modules, functions, files = _Names(size), _Names(size), _Names(size)
        displacement, line = np.zeros(size, np.uint64), np.zeros(size, np.uint32)
        order = np.argsort(row, kind="stable")
        images_used, first = np.unique(row[order], return_index=True)
        for image, mine in zip(images_used.tolist(), np.split(order, first[1:]), strict=True):
            if image < 0:
                continue
            known = {name: images.column(name)[image].as_py() for name in ("name", "guid", "age", "pdb")}
            modules.put(mine, np.zeros(mine.size, np.int64), [_last_part(known["name"] or "")])
            pdb = self._pdb(known["guid"], known["age"], known["pdb"])
            if pdb is None:
                continue
            function = pdb.function_at(asked[mine])
            functions.put(mine, function, pdb.functions)
            inside = function >= 0
            displacement[mine[inside]] = offset[mine[inside]] - pdb.start[function[inside]]
            at = pdb.line_at(asked[mine], function)
            files.put(mine, np.where(at >= 0, pdb.file[at] if pdb.file.size else -1, -1), pdb.files)
            line[mine[at >= 0]] = pdb.line[at[at >= 0]]
        return pa.table(
            {
                "module": modules.array(),
                "function": functions.array(),
                "displacement": from_numpy(displacement, pa.uint64(), functions.known()),
                "file": files.array(),
                "line": from_numpy(line, pa.uint32(), files.known()),
            }
        )

    def _pdb(self, guid: str | None, age: int | None, name: str | None) -> Pdb | None:
        """Give the PDB of an image, read once."""
        if not guid or age is None or not name:
            return None
        key = (guid, age)
        if key not in self._loaded:
            self._loaded[key] = self._load(UUID(guid), age, name)
        return self._loaded[key]

    def _load(self, guid: UUID, age: int, name: str) -> Pdb | None:
        for path in self._path.candidates(name, guid, age):
            try:
                pdb = read_pdb(path, guid, age)
            except MissingExtraError:
                raise
            except InputError as error:
                self.warnings.append(str(error))
            else:
                return pdb
        self.missing.append(name)
        return None


def read_pdb(path: Path, guid: UUID, age: int) -> Pdb:
    """Read a PDB's functions and lines.

    Args:
        path: Where it is.
        guid: What its GUID must be.
        age: What its age must be.

    Raises:
        InputError: It cannot be read, is that of another build, or purepdb is not installed.
    """
    try:
        if path.stat().st_size > _LARGEST:
            raise InputError(f"{path}: larger than {_LARGEST >> 30} GB; not read")
        with open_pdb(path) as pdb:
            info = pdb.info()
            # A linker that writes the PDB again raises the age of one of its streams and not of the image.
            if info.guid != guid.bytes_le or age not in (info.age, pdb.dbi.age):
                raise InputError(
                    f"{path}: not the PDB of the traced image: its GUID is {UUID(bytes_le=info.guid)}, age"
                    f" {pdb.dbi.age}; the image needs {guid}, age {age}"
                )
            return _columns(pdb)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, IndexError, EOFError, struct.error, OverflowError) as error:
        raise InputError(f"{path}: can't be read as a PDB: {error}") from error


def _columns(pdb: PDB) -> Pdb:
    """Turn the records of purepdb into columns; its functions are sorted by address."""
    functions = [each for each in pdb.functions() if each.rva is not None]
    found: Iterable[Line] = pdb.lines()  # type: ignore[no-untyped-call]
    lines = sorted(
        ((each.rva, each.line, each.file) for each in found if each.rva is not None),
        key=lambda each: each[0],
    )
    files = {file: number for number, file in enumerate(dict.fromkeys(file for _, _, file in lines))}
    return Pdb(
        np.array([each.rva for each in functions], np.uint64),
        np.array([each.code_size or 0 for each in functions], np.uint64),
        [each.name for each in functions],
        np.array([rva for rva, _, _ in lines], np.uint64),
        np.array([line & 0xFFFFFFFF for _, line, _ in lines], np.uint32),
        np.array([files[file] for _, _, file in lines], np.int32),
        list(files),
    )


class _Names:
    """A column of strings filled in part by part."""

    def __init__(self, size: int) -> None:
        self._codes = np.full(size, -1, np.int32)
        self._texts: dict[str, int] = {}

    def put(self, rows: Ints, index: Ints, texts: list[str]) -> None:
        """Set rows to the texts at some places of a list; -1 is none."""
        used, local = np.unique(index, return_inverse=True)
        codes = [
            self._texts.setdefault(texts[each], len(self._texts)) if each >= 0 else -1
            for each in used.tolist()
        ]
        self._codes[rows] = np.array(codes, np.int32)[local]

    def known(self) -> npt.NDArray[np.bool_]:
        return self._codes >= 0

    def array(self) -> pa.DictionaryArray:
        index = from_numpy(np.maximum(self._codes, 0), pa.int32(), self._codes >= 0)
        return pa.DictionaryArray.from_arrays(index, strings(self._texts))


def _last_part(path: str) -> str:
    return re.split(r"[\\/]", path)[-1]
