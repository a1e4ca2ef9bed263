"""Format strings of TMF files: ``%0create %10!p! failed: %11!s!`` to text and numbered parts."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from tracecheck.payload.wpp.printf import TEXT, WIDEST, Spec, parse_spec

if TYPE_CHECKING:
    from collections.abc import Mapping

#: The most characters of a text; one argument that a format shows many times would multiply otherwise.
LONGEST = 1 << 18

# The rest of a format that has more is shown as it stands.
_MOST_PARTS = 1024
# Microsoft's compiler takes no longer string (C2026): what has more would be repeated with every message.
_LONGEST_FORMAT = 1 << 14
_CUT = "..."

_TOKEN = re.compile(
    r"%(?:(?P<prefix>0)"
    r"|(?P<long>[1-9]\d{0,2})!(?P<spec>[^!]{1,64})!"
    r"|(?P<number>[1-9]\d?)"
    r"|!(?P<word>\w{1,64})!"
    r"|%)"
)


@dataclass(frozen=True, slots=True)
class Part:
    """A value in a format string.

    Attributes:
        number: 1 to 9 a prefix value, 10 and up an argument.
        spec: How it is printed.
    """

    number: int
    spec: Spec = TEXT


@dataclass(frozen=True, slots=True)
class Template:
    """A format string, read.

    Attributes:
        parts: Literal text and values, in their order.
        notes: What the format asks for that is not done, a line each.
    """

    parts: tuple[str | Part, ...]
    notes: tuple[str, ...] = ()


def parse_template(format_string: str, words: Mapping[str, str]) -> Template:
    """Read a format string.

    ``%0`` is nothing (tracefmt puts its prefix there), ``%%`` a percent sign. A percent sign that begins
    none of the forms stands for itself; what is no printf conversion counts as ``s``.

    Args:
        format_string: As the TMF has it, without its quotes.
        words: What ``%!FUNC!`` and the like stand for, by their upper-case names; others stay as they are.
    """
    return _parse(format_string, tuple(sorted(words.items())))


@lru_cache(maxsize=1024)
def _parse(text: str, words: tuple[tuple[str, str], ...]) -> Template:
    known = dict(words)
    parts: list[str | Part] = []
    notes: list[str] = []
    if len(text) > _LONGEST_FORMAT:
        notes.append(f"the format has more than {_LONGEST_FORMAT:,} characters")
        text = text[:_LONGEST_FORMAT] + _CUT
    room = WIDEST
    at = 0
    for count, match in enumerate(_TOKEN.finditer(text)):
        if count > _MOST_PARTS:
            notes.append(f"the format has more than {_MOST_PARTS} values")
            break
        parts.append(text[at : match.start()])
        at = match.end()
        part = _part(match, known)
        if isinstance(part, Part):
            wanted = max(part.spec.width, part.spec.precision or 0)
            room -= wanted
            if room < 0 or wanted == WIDEST:
                notes.append(f"%{part.number} is not padded: it would make the text wider than {WIDEST}")
                part, room = Part(part.number, _unpadded(part.spec)), room + wanted
        parts.append(part)
    parts.append(text[at:])
    return Template(_merged(parts), tuple(notes))


def _part(match: re.Match[str], words: dict[str, str]) -> str | Part:
    if match["long"] is not None:
        return Part(int(match["long"]), parse_spec(match["spec"]) or TEXT)
    if match["number"] is not None:
        return Part(int(match["number"]))
    if match["word"] is not None:
        return words.get(match["word"].upper(), match[0])
    return "" if match["prefix"] is not None else "%"


def _unpadded(spec: Spec) -> Spec:
    keeps_precision = spec.conversion in "sSZ"
    return Spec(spec.conversion, spec.flags, 0, spec.precision if keeps_precision else None, spec.size)


def _merged(parts: list[str | Part]) -> tuple[str | Part, ...]:
    """Join neighbouring texts."""
    out: list[str | Part] = []
    for part in parts:
        if isinstance(part, str) and out and isinstance(out[-1], str):
            out[-1] += part
        elif part != "":
            out.append(part)
    return tuple(out)
