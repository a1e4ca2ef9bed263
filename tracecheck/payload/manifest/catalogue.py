"""Layouts of Windows' own providers, from the catalogue in etl-parser, through a cached table.

The catalogue is Python code that takes seconds and over 150 MB to import: a process of its own imports it
once and writes a table, a row an event, of about 1 MB. The cache is one file a user and etl-parser version;
it ends with a digest, so that a damaged one is made again.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

import numpy as np
import pyarrow as pa

from tracecheck.errors import InputError, TracecheckError
from tracecheck.payload.files import require_regular
from tracecheck.payload.manifest.definition import Event, Field, Provider

if TYPE_CHECKING:
    from collections.abc import Mapping

#: The distribution that holds the catalogue.
PACKAGE = "etl-parser"

#: The format of the table; another one makes it anew.
FORMAT = "1"

#: The table: a row an event, sorted by provider. ``layout`` has a line a field: in-type, length and name.
SCHEMA = pa.schema(
    [
        pa.field("guid", pa.binary(16)),
        pa.field("name", pa.string()),
        pa.field("id", pa.uint16()),
        pa.field("version", pa.uint8()),
        pa.field("layout", pa.string()),
    ]
)

_DIGEST_SIZE = 32
_SECONDS = 300

# Where this very package is imported from, wherever that is.
_ROOT = Path(__file__).resolve().parents[3]


class CatalogueError(TracecheckError):
    """There is no catalogue; the message says why."""


class Catalogue:
    """The layouts of Windows' providers.

    Args:
        table: Of :data:`SCHEMA`.
    """

    def __init__(self, table: pa.Table) -> None:
        self._table = table.combine_chunks()
        column = self._table.column("guid").chunk(0)
        raw = np.frombuffer(column.buffers()[1], dtype="<u8", count=2 * (len(column) + column.offset))
        self._guids = raw.reshape(-1, 2)[column.offset :]

    def __len__(self) -> int:
        return int(self._table.num_rows)

    def find(self, guid: UUID) -> Provider | None:
        """Give a provider's events; None where the catalogue does not know it.

        Their layouts are :attr:`~tracecheck.payload.manifest.definition.Event.inferred`; names of events,
        messages and maps are not in the catalogue.
        """
        wanted = np.frombuffer(guid.bytes_le, dtype="<u8")
        rows = np.flatnonzero((self._guids == wanted).all(axis=1))
        if not rows.size:
            return None
        # The table is sorted by provider.
        mine = self._table.slice(int(rows[0]), rows.size).to_pylist()
        events = {
            (row["id"], row["version"]): Event(
                row["id"], row["version"], fields=_fields(row["layout"]), inferred=True
            )
            for row in mine
        }
        return Provider(guid, mine[0]["name"], events, "catalogue")


def open_catalogue(environment: Mapping[str, str] | None = None) -> Catalogue:
    """Open the catalogue; the first time on a machine, and after a change of etl-parser, make its table.

    Args:
        environment: Variables to read instead of the process's: ``TRACECHECK_CACHE`` (the directory), else
            ``LOCALAPPDATA`` on Windows, ``XDG_CACHE_HOME`` and ``HOME`` elsewhere.

    Returns:
        The catalogue. Where the cache cannot be written, it is made anew each time.

    Raises:
        CatalogueError: etl-parser is not installed, or its catalogue cannot be read.
    """
    try:
        installed = version(PACKAGE)
    except PackageNotFoundError:
        raise CatalogueError(
            f"{PACKAGE} is not installed, whose catalogue says what Windows' events hold; install it"
        ) from None
    place = cache_directory(os.environ if environment is None else environment)
    file = place / f"catalogue-{FORMAT}-{PACKAGE}-{installed}.arrow" if place else None
    table = _read(file, installed) if file else None
    if table is None:
        raw = _make()
        table = _parse(raw, installed)
        if table is None:
            raise CatalogueError(f"the catalogue of {PACKAGE} {installed} has a form that is not known")
        if file:
            _write(file, raw)
    return Catalogue(table)


def cache_directory(environment: Mapping[str, str]) -> Path | None:
    """Say where this user's cache is; the directory need not exist. None where the user has no place.

    Args:
        environment: See :func:`open_catalogue`.
    """
    own = environment.get("TRACECHECK_CACHE")
    if own:
        return Path(own)
    base: str | Path | None
    if sys.platform == "win32":
        base = environment.get("LOCALAPPDATA")
    else:
        base, home = environment.get("XDG_CACHE_HOME"), environment.get("HOME")
        if not base and home:
            base = Path(home, "Library", "Caches") if sys.platform == "darwin" else Path(home, ".cache")
    # A directory that others can write to is no place for what is trusted.
    return Path(base, "tracecheck") if base else None


def _fields(layout: str) -> tuple[Field, ...]:
    out = []
    for line in layout.splitlines():
        in_type, said, name = line.split(" ", 2)
        length = None if said == "-" else int(said) if said.isdecimal() else said
        out.append(Field(name, int(in_type), length=length))
    return tuple(out)


def _read(file: Path, installed: str) -> pa.Table | None:
    """Read the cache; None where there is none or it is damaged."""
    try:
        require_regular(file)
        raw = file.read_bytes()
    except (OSError, InputError):
        return None
    content, digest = raw[:-_DIGEST_SIZE], raw[-_DIGEST_SIZE:]
    if hashlib.sha256(content).digest() != digest:
        return None
    return _parse(content, installed)


def _parse(raw: bytes, installed: str) -> pa.Table | None:
    try:
        table = pa.ipc.open_file(pa.py_buffer(raw)).read_all()
        table.validate(full=True)
    except (pa.ArrowException, OSError, ValueError):
        return None
    said = table.schema.metadata or {}
    known = said.get(b"format") == FORMAT.encode() and said.get(PACKAGE.encode()) == installed.encode()
    return table if known and table.num_rows and table.schema.equals(SCHEMA) else None


def _make() -> bytes:
    """Make the table in a process of its own."""
    with tempfile.TemporaryDirectory(prefix="tracecheck") as directory:
        file = Path(directory, "catalogue.arrow")
        # Without -P, a file in the working directory could stand in for a package.
        command = [sys.executable, "-P", "-m", f"{__package__}._harvest", str(file)]
        places = [str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
        try:
            done = subprocess.run(  # noqa: S603 (our own module)
                command,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=_SECONDS,
                check=False,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(places)},
            )
            if done.returncode:
                last = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
                raise CatalogueError(f"the catalogue of {PACKAGE} cannot be read: {' '.join(last)}")
            return file.read_bytes()
        except (OSError, subprocess.SubprocessError) as error:
            raise CatalogueError(f"the catalogue of {PACKAGE} cannot be read: {error}") from error


def _write(file: Path, raw: bytes) -> None:
    """Write the cache in one step, so that no reader sees a part of it; do without where that fails."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=file.name, suffix=".part", dir=file.parent)
    except OSError:
        return
    part = Path(name)
    try:
        with os.fdopen(handle, "wb") as out:
            out.write(raw + hashlib.sha256(raw).digest())
        part.replace(file)
    except OSError:
        part.unlink(missing_ok=True)
