"""Opens PDBs: the library that reads their container stands behind this one door."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

from tracecheck.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from purepdb import PDB

#: The first bytes of an MSF 7.0 container.
MAGIC = b"Microsoft C/C++ MSF 7.00\r\n\x1aDS\x00\x00\x00"
EXTRA_ADVICE = 'to read PDBs, install purepdb: pip install "tracecheck[pdb]"'
_OTHER_ADVICE = "use the PDB that the linker wrote beside the driver"


class MissingExtraError(InputError):
    """The library that reads PDBs is not installed."""


class Identity(NamedTuple):
    """What binds a PDB to its image.

    Attributes:
        guid: The GUID of the PDB's info stream.
        age: The age in the DBI stream, which the image's debug directory repeats.
    """

    guid: UUID
    age: int


@contextmanager
def open_pdb(path: Path | str) -> Iterator[PDB]:
    """Open a PDB; its errors, while it is open, become one line.

    Args:
        path: The file.

    Yields:
        purepdb's PDB: its streams (``msf.read_stream``), modules (``dbi.modules``), functions and lines.

    Raises:
        MissingExtraError: purepdb is not installed.
        InputError: The file can't be read, is no PDB or contradicts itself.
    """
    try:
        from purepdb import PDB, PdbError
    except ImportError as error:
        raise MissingExtraError(f"{path}: {EXTRA_ADVICE}") from error
    try:
        with PDB.open(str(path)) as pdb:
            yield pdb
    except PdbError as error:
        raise InputError(f"{path}: can't be read as a PDB: {error}; {_OTHER_ADVICE}") from error
    except OSError as error:
        raise InputError(f"{path}: can't be read: {error.strerror or error}") from error


def identity(pdb: PDB) -> Identity:
    """Tell GUID and age of an open PDB.

    Raises:
        InputError: The PDB has no readable info stream.
    """
    from purepdb import PdbError

    try:
        info = pdb.info()
    except PdbError as error:
        raise InputError(f"the PDB's GUID can't be read: {error}") from error
    return Identity(UUID(bytes_le=info.guid), pdb.dbi.age)
