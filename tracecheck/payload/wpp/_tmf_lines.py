"""The lines of a TMF: each kind taken apart on its own, in time that grows with its length only."""

from __future__ import annotations

import re
from typing import NamedTuple
from uuid import UUID

from tracecheck.payload.wpp.definition import Item

#: The item types that name an ``#enumv``.
ENUM_TYPES = frozenset({"ItemEnum", "ItemFlagsEnum"})
MOST_NUMBERS = 0xFFFF

_GUID = re.compile(r"\{?([0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12})\}?(?=\s|$)")
_TYPEV = re.compile(r'#typev?\s+(\S+)\s+([0-9]{1,9})\s+"')
# A function may be called operator=, which is no key.
_KEY = re.compile(r"(?<!\S)(?!operator=)([A-Za-z_]\w*)=")
_CLOSING = re.compile(r'"\s*//')
_TYPE = re.compile(r"Item\w+")
_TYPE_WITH_VALUES = re.compile(r",\s*(Item\w+)\(")
_NUMBER = re.compile(r"-?(?:0[xX][0-9A-Fa-f]{1,16}|[0-9]{1,20})")
_BRACKETS = re.compile(r"[()]")
_SPLITTERS = re.compile(r"[(),]")
_LINE_NUMBER = re.compile(r"_([A-Za-z+]+)([0-9]{1,9})$")
_NAMED = re.compile(r"%%|%([0-9]{1,9})!")


class Header(NamedTuple):
    """The line of a message GUID."""

    guid: UUID
    provider: str
    file: str


class Typev(NamedTuple):
    """The ``#typev`` line of a message."""

    symbol: str
    number: int
    format: str
    keys: dict[str, str]


def header(line: str) -> Header | None:
    """Read ``GUID provider // SRC=file MJ= MN=``; None where the line begins with no GUID."""
    match = _GUID.match(line)
    if match is None:
        return None
    provider, _, trailer = line[match.end() :].partition("//")
    return Header(UUID(match[1]), provider.strip(), keys(trailer).get("SRC", ""))


def typev(line: str) -> Typev | str:
    """Read ``#typev symbol number "format" // LEVEL=...``; a text is what is wrong with the line."""
    match = _TYPEV.match(line)
    if match is None:
        return 'is not of the form #typev NAME NUMBER "FORMAT"'
    number = int(match[2])
    if number > MOST_NUMBERS:
        return f"the message number {number} has more than 16 bits"
    parts = _split_format(line[match.end() :])
    if parts is None:
        return "the format string has no closing quote"
    return Typev(match[1], number, parts[0], keys(parts[1]))


def _split_format(text: str) -> tuple[str, str] | None:
    """Part the format from the trailer: quotes inside the format are not escaped, so the last one counts."""
    if text.endswith('"'):
        return text[:-1], ""
    slashes = text.rfind("//")
    before = text[: max(slashes, 0)].rstrip()
    if before.endswith('"'):
        return before[:-1], text[slashes + 2 :]
    last = None
    for match in _CLOSING.finditer(before):
        last = match
    if last is not None:
        return text[: last.start()], text[last.end() :]
    quote = text.rfind('"')
    # Something unknown behind the closing quote is no reason to lose the message.
    return None if quote < 0 else (text[:quote], text[quote + 1 :])


def keys(trailer: str) -> dict[str, str]:
    """Read ``KEY=value`` pairs in any order, names in upper case; a value ends before the next key."""
    found = list(_KEY.finditer(trailer))
    ends = [*(match.start() for match in found), len(trailer)][1:]
    pairs: dict[str, str] = {}
    for match, end in zip(found, ends, strict=True):
        pairs.setdefault(match[1].upper(), trailer[match.end() : end].strip())
    return pairs


def item(line: str) -> Item | None:
    """Read ``expression, ItemType(values) -- number``; older files have ``//`` for ``--``."""
    head = line.rstrip("0123456789")
    digits = line[len(head) :]
    head = head.rstrip()
    if not 1 <= len(digits) <= 9 or not head.endswith(("--", "//")):
        return None
    return _typed(head[:-2].rstrip(), int(digits))


def _typed(text: str, number: int) -> Item | None:
    """Part the expression from the type, at the last comma before which a type stands."""
    opening = _opening(text) if text.endswith(")") else len(text)
    if opening >= 0:
        comma = text.rfind(",", 0, opening)
        name = text[comma + 1 : opening].strip()
        if _TYPE.fullmatch(name):
            return Item(number, text[: max(comma, 0)].strip(), name, values(text[opening + 1 : -1]))
    last = None
    for match in _TYPE_WITH_VALUES.finditer(text):
        last = match
    if last is None or not text.endswith(")"):
        return None
    return Item(number, text[: last.start()].strip(), last[1], values(text[last.end() : -1]))


def _opening(text: str) -> int:
    """Find the bracket that the last character closes; -1 where there is none."""
    open_at: list[int] = []
    place = -1
    for match in _BRACKETS.finditer(text):
        if match[0] == "(":
            open_at.append(match.start())
        else:
            place = open_at.pop() if open_at else -1
    return place


def values(text: str) -> tuple[str, ...]:
    """Split the names in the parentheses of a type; commas in inner parentheses do not part them."""
    if not text.strip():
        return ()
    if "(" not in text:
        return tuple(name.strip() for name in text.split(","))
    parts, depth, first = [], 0, 0
    for match in _SPLITTERS.finditer(text):
        if match[0] == ",":
            if depth == 0:
                parts.append(text[first : match.start()].strip())
                first = match.end()
        else:
            depth = max(0, depth + (1 if match[0] == "(" else -1))
    parts.append(text[first:].strip())
    return tuple(parts)


def member(line: str) -> tuple[str, int] | None:
    """Read ``Name,0x1`` of an ``#enumv``; decimal and negative values too."""
    name, comma, value = line.removesuffix(",").rpartition(",")
    if not comma:
        name, comma, value = line.rpartition("=")
    value = value.strip()
    if not name.strip() or _NUMBER.fullmatch(value) is None:
        return None
    return name.strip(), int(value, 16 if "x" in value.lower() else 10)


def place(symbol: str, source: str) -> tuple[str, int | None]:
    """Tell file and line of a message.

    Args:
        symbol: The name of the ``#typev`` line, as in ``create_c123``.
        source: SRC= of the GUID's line; empty where there is none.

    Returns:
        The file (``create.c`` where only the symbol tells it) and the line, None where it tells none.
    """
    match = _LINE_NUMBER.search(symbol)
    if match is None:
        digits = symbol[len(symbol.rstrip("0123456789")) :]
        return source, int(digits) if 0 < len(digits) <= 9 and int(digits) else None
    told = f"{symbol[: match.start()]}.{match[1]}" if match.start() else ""
    return source or told, int(match[2]) or None


def numbers(format_text: str) -> set[int]:
    """Name the arguments that a format string shows, 10 and up."""
    # "%0" starts the text; what follows may be digits of the text itself.
    found = {int(number) for number in _NAMED.findall(format_text.removeprefix("%0")) if number}
    return {number for number in found if number >= 10}
