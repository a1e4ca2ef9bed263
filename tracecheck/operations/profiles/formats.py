r"""Format strings of messages: printf's, those of TMF files, and message texts of manifests, made comparable.

A format is literal text and conversions. Two formats are the same message if their literals are equal up to
blanks and line ends, and their conversions are of the same classes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tracecheck.payload.wpp.printf import parse_spec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tracecheck.payload.wpp.definition import Definition

#: What WPP puts into a text that is no argument of the message.
_WORDS = ("FUNC", "FILE", "LINE", "LEVEL", "FLAGS", "COMPNAME", "SUBCOMP", "MJ", "MN", "TYP", "KEYWORD")
#: A prefix that tracefmt prints; its forms stand at the start of a format.
_PREFIX = re.compile(r"^(?:\s*(?:%0|%!STDPREFIX!))+")
_TOKEN = re.compile(
    r"%(?:(?P<percent>%)"
    r"|(?P<number>[1-9]\d{0,2})!(?P<spec>[^!]{1,64})!"
    r"|!(?P<word>\w{1,64})!"
    r"|(?P<printf>[-+ 0#]*(?:\d*|\*)(?:\.(?:\d*|\*))?"
    r"(?:hh|h|ll|l|I64|I32|I|w|z|t|j|L)?[diuxXoOcCsSpfFeEgGaAZ])"
    r"|(?P<insert>[1-9]\d?))"
)
_INSERT = re.compile(
    r"%(?:(?P<number>[1-9]\d?)(?:!(?P<spec>[^!]{1,64})!)?|(?P<break>[ntbr])|(?P<end>0)|(?P<percent>[%.!]))"
)
_BLANKS = re.compile(r"(?:\s|\\[nrt])+")
_MARK = "\0"
_BASES = {"x": 16, "X": 16, "p": 16, "d": 10, "i": 10, "u": 10, "o": 8, "O": 8}
_CLASSES = {"pointer": "p", "integer": "diuxXoO", "float": "fFeEgGaA", "string": "sScCZ"}
# An NTSTATUS that WPP prints by name.
_STATUSES = frozenset({"status", "ntstatus", "hresult", "winerror"})
_STATUS_ITEMS = frozenset({"itemntstatus", "itemnterror", "itemhresult", "itemwinerror"})


@dataclass(frozen=True, slots=True)
class Conversion:
    """One value in a format.

    Attributes:
        kind: "pointer", "integer", "float", "string", "status", or "any" where only the driver's own
            configuration tells.
        argument: Which of the message's arguments it shows, from 0.
        base: Of what base its digits are, 0 where it is no number.
        padded: Whether blanks may pad it.
    """

    kind: str
    argument: int
    base: int = 0
    padded: bool = False

    def agrees(self, other: Conversion) -> bool:
        """Tell whether both can be of the same message."""
        kinds = {self.kind, other.kind}
        return len(kinds) == 1 or "any" in kinds or kinds == {"string", "status"}


@dataclass(frozen=True, slots=True)
class Format:
    """A format string.

    Attributes:
        literals: The texts before, between and behind the conversions, with single blanks.
        conversions: The conversions, one less than the literals.
        first_line: How many conversions stand in its first line, and how long that line's last literal is.
    """

    literals: tuple[str, ...]
    conversions: tuple[Conversion, ...]
    first_line: tuple[int, int] | None = None

    def agrees(self, other: Format) -> bool:
        """Tell whether both are of the same message."""
        return (
            self.literals == other.literals
            and len(self.conversions) == len(other.conversions)
            and all(a.agrees(b) for a, b in zip(self.conversions, other.conversions, strict=True))
        )


def parse_printf(text: str) -> Format:
    """Read a format of a driver's source: printf's conversions and WPP's ``%!STATUS!``.

    Conversions of a TMF file, ``%10!p!``, are read too. ``%!FUNC!`` and the like are no arguments: they stay
    literal. A percent sign that begins no conversion stands for itself.
    """
    out: list[str] = []
    conversions: list[Conversion] = []
    at = 0
    for match in _TOKEN.finditer(text):
        conversion = _of_token(match, len(conversions))
        if conversion is None and not match["percent"]:
            continue
        out.append(text[at : match.start()])
        at = match.end()
        out.append("%" if conversion is None else _MARK)
        if conversion is not None:
            conversions.append(conversion)
    return _format("".join([*out, text[at:]]), conversions)


def parse_tmf(definition: Definition) -> Format:
    """Read the format of a WPP message; its arguments are counted in the order of the definition's items."""
    numbers = [item.number for item in definition.items]
    text = definition.format
    out: list[str] = []
    conversions: list[Conversion] = []
    at = 0
    for match in _TOKEN.finditer(text):
        number = match["number"] or match["insert"]
        if match["percent"]:
            out += [text[at : match.start()], "%"]
        elif number and int(number) in numbers:
            place = numbers.index(int(number))
            conversion = _of_spec(match["spec"] or "s", place)
            if conversion.kind == "string" and definition.items[place].type.lower() in _STATUS_ITEMS:
                conversion = replace(conversion, kind="status")
            conversions.append(conversion)
            out += [text[at : match.start()], _MARK]
        else:
            continue
        at = match.end()
    return _format("".join([*out, text[at:]]), conversions)


def parse_insertions(text: str, arguments: Sequence[str]) -> Format:
    """Read the message text of a manifest's event: ``%1`` is the first field, ``%n`` a line end."""
    out: list[str] = []
    conversions: list[Conversion] = []
    at = 0
    for match in _INSERT.finditer(text):
        out.append(text[at : match.start()])
        at = match.end()
        if match["number"] and int(match["number"]) <= len(arguments):
            conversions.append(Conversion("any", int(match["number"]) - 1))
            out.append(_MARK)
        elif match["number"]:
            out.append(match[0])
        else:
            out.append(" " if match["break"] else (match["percent"] or ""))
    return _format("".join([*out, text[at:]]), conversions)


def _of_token(match: re.Match[str], place: int) -> Conversion | None:
    """Make the conversion that a token is; None for what is none."""
    if match["percent"]:
        return None
    if match["word"] is not None:
        word = match["word"]
        if word.upper() in _WORDS:
            return None
        return Conversion("status" if word.lower() in _STATUSES else "any", place)
    if match["insert"] is not None:
        return Conversion("any", place)
    return _of_spec(match["spec"] or match["printf"], place)


def _of_spec(text: str, place: int) -> Conversion:
    spec = parse_spec(text.replace("*", ""))
    if spec is None:
        return Conversion("any", place)
    kind = next(name for name, letters in _CLASSES.items() if spec.conversion in letters)
    padded = spec.width > 0 or " " in spec.flags or "*" in text
    return Conversion(kind, place, _BASES.get(spec.conversion, 0), padded)


def _format(marked: str, conversions: list[Conversion]) -> Format:
    """Split a text in which each conversion is a mark, its blanks made single."""
    whole = _BLANKS.sub(" ", _PREFIX.sub("", marked)).strip()
    line, found, rest = _PREFIX.sub("", marked).replace("\\n", "\n").strip().partition("\n")
    first = None
    if found and rest.strip():
        line = _BLANKS.sub(" ", line).strip()
        first = line.count(_MARK), len(line.rpartition(_MARK)[2])
    return Format(tuple(whole.split(_MARK)), tuple(conversions), first)
