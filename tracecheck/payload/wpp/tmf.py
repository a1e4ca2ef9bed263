"""TMF: the text that defines WPP messages, read and written."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tracecheck.errors import InputError
from tracecheck.payload.files import require_regular
from tracecheck.payload.wpp._tmf_parser import Parser, Problems

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from uuid import UUID

    from tracecheck.payload.wpp.definition import Definition, Item, Members

#: A larger file holds no text that a driver's messages could need.
MOST_BYTES = 1 << 28

_ONE_LINE = {ord("\n"): " ", ord("\r"): " "}


@dataclass(frozen=True, slots=True)
class Tmf:
    """What a text or a run of annotations defines.

    Attributes:
        definitions: The messages in the order of the text.
        problems: What could not be read, a line each, with file and place.
    """

    definitions: tuple[Definition, ...]
    problems: tuple[str, ...]


def parse_tmf(text: str, name: str) -> Tmf:
    """Read the text of a TMF file.

    Every message that can be read is; an argument list is cut before an argument that can't be, because
    what lies behind it in a payload can't be found.

    Args:
        text: The whole file.
        name: The file's name, for the problems.

    Returns:
        The messages and the problems.
    """
    problems = Problems(name)
    parser = Parser(problems)
    for number, line in enumerate(text.split("\n"), 1):
        parser.line(line, number)
    return Tmf(tuple(parser.finish()), problems.lines())


def parse_annotations(
    annotations: Iterable[Sequence[str]],
    name: str,
    enums: Mapping[str, Members] | None = None,
) -> Tmf:
    """Read the ``TMF:`` annotations of a PDB or an object file, each a TMF of one message.

    Args:
        annotations: The strings of each, without the ``TMF:`` at their start.
        name: The file's name, for the problems.
        enums: The members of the enums that the file's types define.

    Returns:
        The messages, each once however often it is repeated, and the problems.
    """
    problems = Problems(name, "annotation")
    known: dict[tuple[UUID, int], Definition] = {}
    for number, strings in enumerate(annotations, 1):
        parser = Parser(problems, enums)
        for text in strings:
            # A line end inside a string would make two lines of one when it is written.
            parser.line(text.translate(_ONE_LINE), number)
        for definition in parser.finish():
            first = known.setdefault((definition.guid, definition.number), definition)
            if contradict(first, definition):
                what = f"message {definition.number} of {definition.guid} is defined anew; the first counts"
                problems.add(number, what)
    return Tmf(tuple(known.values()), problems.lines())


def contradict(one: Definition, other: Definition) -> bool:
    """Tell whether two definitions of a message read a payload or write its text differently.

    Public symbols leave out the names of arguments and sources; that is no contradiction.
    """
    return one is not other and _meaning(one) != _meaning(other)


def _meaning(definition: Definition) -> tuple[object, ...]:
    return (
        definition.format,
        [(name, members.digest) for name, members in definition.enums],
        [(one.number, one.type, one.values) for one in definition.items],
    )


def read_tmf(path: Path | str) -> Tmf:
    """Read a TMF file in UTF-8, UTF-16 or Latin-1.

    Args:
        path: The file.

    Returns:
        The messages and the problems.

    Raises:
        InputError: The file can't be read or is no text.
    """
    path = Path(path)
    try:
        require_regular(path)
        size = path.stat().st_size
        if size > MOST_BYTES:
            raise InputError(f"{path}: is no TMF file: it has {size:,} bytes, more than {MOST_BYTES:,}")
        raw = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: can't be read: {error.strerror or error}") from error
    return parse_tmf(decode(raw), path.name)


def decode(raw: bytes) -> str:
    """Make text of a file's bytes: UTF-16 and UTF-8 by mark or by look, else Latin-1."""
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        return raw.decode("utf-16", "replace")
    start = raw[:256]
    if len(start) > 3 and start[1::2].count(0) > len(start) // 4:
        return raw.decode("utf-16-le", "replace")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def write_tmf(definitions: Iterable[Definition], source: str = "") -> dict[str, str]:
    r"""Write message definitions as tracepdb does, a file for each message GUID.

    Args:
        definitions: The messages; those of one GUID keep their order.
        source: The file they come from, for the comment at the top; none where empty.

    Returns:
        File name (``<guid>.tmf``) -> text, with ``\n`` at the end of each line.
    """
    groups: dict[UUID, list[Definition]] = {}
    for definition in definitions:
        groups.setdefault(definition.guid, []).append(definition)
    return {f"{guid}.tmf": _file(group, source) for guid, group in groups.items()}


def _file(group: Sequence[Definition], source: str) -> str:
    written = [f"// PDB:  {source}"] if source else []
    above: tuple[str, str] | None = None
    enums: dict[str, Members] = {}
    for definition in group:
        if above != (definition.provider, definition.file):
            above = (definition.provider, definition.file)
            written.append(f"{definition.guid} {definition.provider} // SRC={definition.file} MJ= MN=")
        written += _message(definition)
        for name, members in definition.enums:
            enums.setdefault(name, members)
    for name, members in enums.items():
        written += [f"#enumv {name}", "{", *(f"{one},{_value(value)}" for one, value in members), "}"]
    return "".join(f"{line.translate(_ONE_LINE)}\n" for line in written)


def _message(definition: Definition) -> list[str]:
    pairs = (("LEVEL", definition.level), ("FLAGS", definition.flags), ("FUNC", definition.function))
    trailer = " ".join(f"{key}={value}" for key, value in pairs if value)
    head = f'#typev {definition.symbol} {definition.number} "{definition.format}" //   {trailer}'
    return [head.rstrip(), "{", *map(_item, definition.items), "}"]


def _item(item: Item) -> str:
    inside = f"({','.join(item.values)})" if item.values else ""
    return f"{item.expression}, {item.type}{inside} -- {item.number}"


def _value(value: int) -> str:
    return f"{value:#x}" if value >= 0 else str(value)
