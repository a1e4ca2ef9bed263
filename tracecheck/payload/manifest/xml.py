"""Instrumentation manifests (XML): files and directories of them, and those found inside traces.

Source: Microsoft's EventManifest.xsd. A manifest may come from anywhere: entities, external references
and files larger than any manifest are refused before they cost anything.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree.ElementTree import ParseError

from tracecheck.errors import InputError
from tracecheck.payload.manifest._elements import Problems, Strings, children, local
from tracecheck.payload.manifest._provider import read_provider

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    from tracecheck.payload.manifest.definition import Provider

__all__ = ["LARGEST", "Manifests", "parse_manifest", "read_manifests"]

#: The largest file that is read: the largest manifest of Windows has about 5 MB.
LARGEST = 8 << 20

_SUFFIXES = frozenset({".man", ".xml"})
_CULTURE = "en-us"


@dataclass
class Manifests:
    """What was read from manifests.

    Attributes:
        providers: In the order of the files.
        problems: What could not be read or used, a line each, with the file's name.
    """

    providers: list[Provider] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def add(self, other: Manifests) -> None:
        """Take over what another file gave."""
        self.providers += other.providers
        self.problems += other.problems


def read_manifests(path: str | Path) -> Manifests:
    """Read a manifest, or every manifest (``*.man``, ``*.xml``) of a directory.

    Args:
        path: A file or a directory.

    Returns:
        The providers. What is wrong with one of a directory's files is a problem line.

    Raises:
        InputError: The file cannot be read, is no manifest or is larger than :data:`LARGEST`; the
            directory holds no manifest.
    """
    path = Path(path)
    try:
        if not path.is_dir():
            return parse_manifest(_read(path), str(path))
        files = sorted(each for each in path.iterdir() if each.suffix.lower() in _SUFFIXES)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"{path}: cannot be read: {reason}") from error
    out = Manifests()
    for each in files:
        try:
            out.add(read_manifests(each))
        except InputError as error:
            out.problems.append(str(error))
    if not out.providers:
        detail = f": {out.problems[0]}" if out.problems else ""
        raise InputError(f"{path}: holds no manifest (*.man, *.xml) that can be read{detail}")
    return out


def parse_manifest(raw: bytes, where: str, source: str | None = None) -> Manifests:
    """Parse a manifest.

    Args:
        raw: The file's bytes, in any encoding that XML declares.
        where: What messages call it.
        source: What :attr:`Provider.source` says; ``where`` if it is not given.

    Returns:
        Its providers, with or without XML namespaces, and a line for all that is wrong in it. A template
        that contradicts itself leaves its events without fields.

    Raises:
        InputError: It is not XML, declares entities, or has no provider.
    """
    root = _parse(raw, where)
    problems = Problems(where)
    strings = Strings(_strings(root), problems)
    found = [each for each in root.iter() if local(each) == "provider" and each.get("guid") is not None]
    providers = [read_provider(each, strings, problems, source or where) for each in found]
    kept = [provider for provider in providers if provider is not None]
    if not kept:
        raise InputError(
            f"{where}: no event provider with a GUID in it; an instrumentation manifest is needed"
        )
    return Manifests(kept, problems.lines())


def _parse(raw: bytes, where: str) -> Element:
    # Imported where it is needed: most captures are read without any manifest.
    from defusedxml import DefusedXmlException, ElementTree

    if len(raw) > LARGEST:
        raise InputError(f"{where}: {len(raw)} bytes are more than any manifest has ({LARGEST})")
    try:
        root: Element = ElementTree.fromstring(raw, forbid_entities=True, forbid_external=True)
    except DefusedXmlException as error:
        name = type(error).__name__
        raise InputError(f"{where}: not read: it declares XML entities or external files ({name})") from error
    except ParseError as error:
        line, column = error.position
        raise InputError(f"{where}: at line {line}, column {column}: not XML: {error.msg}") from error
    except (LookupError, ValueError, RecursionError, MemoryError) as error:
        raise InputError(f"{where}: not XML that can be read: {error}") from error
    return root


def _read(path: Path) -> bytes:
    if not path.exists():
        raise InputError(f"{path}: no such file")
    # A pipe would be waited for, and a device has no end.
    if not path.is_file():
        raise InputError(f"{path}: is no regular file")
    with path.open("rb") as file:
        raw = file.read(LARGEST + 1)
    if len(raw) > LARGEST:
        raise InputError(f"{path}: is larger than any manifest ({LARGEST} bytes)")
    return raw


def _strings(root: Element) -> dict[str, str]:
    """Read the string table: that of English, else the first."""
    resources = [each for each in root.iter() if local(each) == "resources"]
    english = [each for each in resources if (each.get("culture") or "").lower() == _CULTURE]
    for table in (english or resources)[:1]:
        return {
            each.get("id", ""): each.get("value", "")
            for group in children(table, "stringTable")
            for each in children(group, "string")
        }
    return {}
