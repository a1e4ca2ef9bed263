r"""Formats from the texts that they have written: lines of logs, back to ``%p`` and ``%x``.

A number, an address, a status or a quoted string becomes a conversion; what stays is taken to be the
format's own words. Texts that give the same format are one message.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tracecheck.operations.profiles.formats import parse_printf

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

#: So many different formats are kept; what a log has beyond them is counted.
MOST_FORMATS = 2_000
_LONGEST = 1_000

_VALUE = re.compile(
    r"""(?P<quoted>"[^"\n]{0,400}"|'[^'\n]{2,400}')
    |(?P<path>\\(?:Device|\?\?|SystemRoot|DosDevices)\\[^\n"<>|]{0,400}?
        (?=\s{0,3}[(,]\s{0,3}[A-Za-z]\w{0,40}\s{0,3}[=:]|\s{0,3}[\r\n]|\s{0,3}$))
    |(?P<status>(?:0[xX][0-9a-fA-F]{1,8}\(STATUS_\w{1,64}\)))
    |(?P<pointer>(?<![0-9a-zA-Z_`])(?:[0-9a-fA-F]{16}|[0-9a-fA-F]{8}`[0-9a-fA-F]{8})(?![0-9a-zA-Z_`]))
    |(?P<pointer0x>(?<![0-9a-zA-Z_`])0[xX](?:[0-9a-fA-F]{16}|[0-9a-fA-F]{8}`[0-9a-fA-F]{8})(?![0-9a-zA-Z_`]))
    |(?P<hex0x>(?<![0-9a-zA-Z_])0[xX][0-9a-fA-F]{1,15}(?![0-9a-zA-Z_]))
    |(?P<guid>(?<![0-9a-zA-Z_])[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}(?![0-9a-zA-Z_]))
    |(?P<hex>(?<![0-9a-zA-Z_.])(?=[0-9a-fA-F]{0,7}[0-9])(?=[0-9]{0,7}[a-fA-F])[0-9a-fA-F]{4,15}(?![0-9a-zA-Z_]))
    |(?P<decimal>(?<![0-9a-zA-Z_.])-?[0-9]{1,20}(?![0-9a-zA-Z_]))""",
    re.VERBOSE,
)
_FORMS = {
    "path": "%wZ",
    "status": "%!STATUS!",
    "pointer": "%p",
    "pointer0x": "0x%p",
    "hex0x": "0x%x",
    "guid": "%s",
    "hex": "%x",
    "decimal": "%d",
}


@dataclass(frozen=True)
class Found:
    """A format, and the texts that it has written.

    Attributes:
        text: The format.
        count: How many of the messages are of it.
        example: One of their texts.
    """

    text: str
    count: int
    example: str


def generalise(text: str) -> str:
    """Make a format of one text.

    Args:
        text: A message as it was printed.

    Returns:
        A printf format that may have written it.
    """
    out, at = [], 0
    text = text[:_LONGEST]
    for match in _VALUE.finditer(text):
        out += [text[at : match.start()].replace("%", "%%"), _form(match)]
        at = match.end()
    return "".join([*out, text[at:].replace("%", "%%")])


def formats(texts: Mapping[str, int] | Iterable[tuple[str, int]]) -> tuple[list[Found], int]:
    """Make formats of many texts.

    Args:
        texts: Each different text and how often it occurs.

    Returns:
        The formats in the order of their first texts; and how many messages of more formats than are kept
        were left out.
    """
    pairs = texts.items() if hasattr(texts, "items") else texts
    found: dict[tuple[object, ...], Found] = {}
    left = 0
    for text, count in pairs:
        made = generalise(text)
        read = parse_printf(made)
        if not any(literal.strip() for literal in read.literals):
            left += count
            continue
        # %d and %x are told apart by the value alone: 10 may be either.
        key = (read.literals, tuple(each.kind for each in read.conversions))
        if key not in found and len(found) >= MOST_FORMATS:
            left += count
            continue
        first = found.setdefault(key, Found(made, 0, text))
        widest = made if made.count("%x") > first.text.count("%x") else first.text
        found[key] = replace(first, text=widest, count=first.count + count)
    return list(found.values()), left


def _form(match: re.Match[str]) -> str:
    kind = match.lastgroup or "decimal"
    if kind == "quoted":
        return f"{match[0][0]}%s{match[0][0]}"
    return _FORMS[kind]
