"""Message definitions and control GUIDs out of PDBs and object files."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

from tracecheck.errors import InputError
from tracecheck.payload.files import require_regular
from tracecheck.payload.pdb_container import MAGIC, Identity, identity, open_pdb
from tracecheck.payload.wpp import _codeview as codeview
from tracecheck.payload.wpp import _object as objects
from tracecheck.payload.wpp.definition import Members
from tracecheck.payload.wpp.tmf import parse_annotations

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from purepdb import PDB

    from tracecheck.payload.wpp.definition import Definition

_TPI_STREAM = 2
_TPI_HEADER = struct.Struct("<IIII")
_MOST_PROBLEMS = 100
#: An object file of one source is far smaller.
_MOST_OBJECT_BYTES = 1 << 29
_ENUM_NAME = re.compile(r"\bItem(?:Flags)?Enum\(([^()]{1,512})\)")
_MARKS = frozenset({"PUBLIC_TMF:"})


@dataclass(frozen=True, slots=True)
class Control:
    """A control GUID: what a trace session enables a provider by.

    Attributes:
        guid: The control GUID.
        name: The provider's name.
        flags: The names of its trace flags, the first for bit 0.
    """

    guid: UUID
    name: str
    flags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Annotations:
    """What a PDB or an object file says of WPP.

    Attributes:
        definitions: The messages, each once.
        controls: The control GUIDs, each once.
        identity: GUID and age of a PDB; None of an object file, or where they can't be read.
        problems: What could not be read, a line each.
    """

    definitions: tuple[Definition, ...]
    controls: tuple[Control, ...]
    identity: Identity | None
    problems: tuple[str, ...]


def read_annotations(path: Path | str) -> Annotations:
    """Read the annotations of a PDB or of an object file.

    Args:
        path: A PDB (MSF 7.0; needs the extra ``pdb``), or a COFF object file of clang or MSVC.

    Returns:
        The messages, the control GUIDs and the problems.

    Raises:
        InputError: The file can't be read, is neither, or its container contradicts itself.
    """
    path = Path(path)
    try:
        require_regular(path)
        with path.open("rb") as file:
            start = file.read(64)
    except OSError as error:
        raise InputError(f"{path}: can't be read: {error.strerror or error}") from error
    if objects.is_object(start):
        return _of_object(path)
    if not start.startswith(MAGIC):
        raise InputError(f"{path}: is neither a PDB (MSF 7.00) nor an object file; give the driver's PDB")
    with open_pdb(path) as pdb:
        return _of_pdb(pdb, path.name)


def _of_pdb(pdb: PDB, name: str) -> Annotations:
    problems: list[str] = []
    strings: list[list[str]] = []
    if pdb.dbi.module_list_stopped_at is not None:
        problems.append(f"{name}: the list of modules is cut after {len(pdb.dbi.modules):,} modules")
    read: set[int] = set()
    for module in pdb.dbi.modules:
        # A hostile file may name one stream a million times.
        if module.sym_stream in read:
            continue
        read.add(module.sym_stream)
        say = _sayer(problems, f"{name}: module {module.index + 1}")
        strings += codeview.find_annotations(pdb.module_symbol_bytes(module), say)
    enums = _enum_names(strings)
    types = _types(pdb) if enums else (b"", 0)
    known: Identity | None = None
    try:
        known = identity(pdb)
    except InputError as error:
        problems.append(f"{name}: {error}")
    return _gather(strings, name, known, problems, codeview.find_enums(types[0], enums, types[1]))


def _types(pdb: PDB) -> tuple[bytes, int]:
    """Take the type records of a PDB and the index of the first."""
    if not pdb.msf.is_valid_stream(_TPI_STREAM):
        return b"", 0
    stream = pdb.msf.read_stream(_TPI_STREAM)
    if len(stream) < _TPI_HEADER.size:
        return b"", 0
    _, header, first, _ = _TPI_HEADER.unpack_from(stream)
    return stream[header:], first


def _of_object(path: Path) -> Annotations:
    try:
        size = path.stat().st_size
        if size > _MOST_OBJECT_BYTES:
            raise InputError(f"{path}: is no object file of one source: it has {size:,} bytes")
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: can't be read: {error.strerror or error}") from error
    problems: list[str] = []
    say = _sayer(problems, path.name)
    strings: list[list[str]] = []
    for section in objects.sections(data, b".debug$S", say):
        for part in codeview.symbol_parts(section, say):
            strings += codeview.find_annotations(part, say)
    names = _enum_names(strings)
    enums: dict[str, tuple[tuple[str, int], ...]] = {}
    for section in objects.sections(data, b".debug$T", say) if names else ():
        enums = codeview.find_enums(section[codeview.SIGNATURE :], names) | enums
    return _gather(strings, path.name, None, problems, enums)


def _sayer(problems: list[str], where: str) -> Callable[[str], None]:
    """Make what notes problems of a place; the first hundred of a file tell enough."""

    def say(what: str) -> None:
        if len(problems) < _MOST_PROBLEMS:
            problems.append(f"{where}: {what}")

    return say


def _enum_names(strings: Iterable[list[str]]) -> set[str]:
    """Name the enums that messages show; annotations do not define them, the file's types do."""
    return {name for annotation in strings for text in annotation for name in _ENUM_NAME.findall(text)}


def _gather(
    strings: list[list[str]],
    name: str,
    pdb: Identity | None,
    problems: list[str],
    enums: dict[str, tuple[tuple[str, int], ...]],
) -> Annotations:
    shared = {one: Members(members) for one, members in enums.items()}
    tmf = parse_annotations((texts[1:] for texts in strings if texts[:1] == ["TMF:"]), name, shared)
    say = _sayer(problems, name)
    controls = tuple(dict.fromkeys(_controls((texts[1:] for texts in strings if texts[:1] == ["TMC:"]), say)))
    return Annotations(tmf.definitions, controls, pdb, (*problems, *tmf.problems))


def _controls(annotations: Iterable[list[str]], say: Callable[[str], None]) -> Iterator[Control]:
    for texts in annotations:
        guid, *rest = [text for text in texts if text and text not in _MARKS] or [""]
        try:
            yield Control(UUID(guid), rest[0] if rest else "", tuple(rest[1:]))
        except ValueError:
            say(f"a TMC: annotation has no control GUID but {guid[:60]!r}")


def write_tmc(controls: Iterable[Control], source: str = "") -> dict[str, str]:
    """Write control GUIDs, a file for each: the GUID and name, then a line for each flag.

    Args:
        controls: The control GUIDs.
        source: The file they come from, for the comment at the top; none where empty.

    Returns:
        File name (``<guid>.tmc``) -> text.
    """
    top = [f"// PDB:  {source}"] if source else []
    return {
        f"{one.guid}.tmc": "".join(f"{line}\n" for line in (*top, f"{one.guid} {one.name}", *one.flags))
        for one in controls
    }
