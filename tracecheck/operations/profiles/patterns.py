"""Lines of text to arguments: what a printf format has written, read back.

The pattern of a format is a regular expression for RE2, which takes time linear in the text whatever the
pattern; each different text is matched once.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tracecheck.errors import InputError
from tracecheck.operations.profiles.bind import FUNCTION
from tracecheck.operations.profiles.extract import Column
from tracecheck.payload.arrow import from_numpy, nulls

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tracecheck.operations.profiles.formats import Conversion, Format

_ANYTHING = ".*?"
_FUNCTION = "function"
_WORD = re.compile(r"%!\w+!")
_NULL = r"\(null\)|\(nil\)|<null>|NULL"
_PATTERNS = {
    "pointer": rf"(?:0[xX])?[0-9a-fA-F`]{{1,17}}|{_NULL}",
    "float": r"[-+]?[0-9a-zA-Z.+-]+",
    "status": r"(?:0[xX])?[0-9a-fA-F]+(?:\(\w*\))?|[A-Za-z]\w+|-\d+",
    "string": r".*?",
    "any": r".*?",
}
_DIGITS = {16: r"(?:0[xX])?[0-9a-fA-F]+", 8: r"[0-7]+", 10: r"[-+]?\d+"}


@dataclass(frozen=True)
class Pattern:
    """The pattern of a format.

    Attributes:
        format: The format.
        prefix: What its texts begin with, blanks made single; "" where that may be anything.
        inner: What they have in them, likewise: the longest literal of the first line.
        whole: The regular expression of a whole text; its groups are ``a0``, ``a1`` and so on.
        first_line: The one of its first line; "" where it has only one.
    """

    format: Format
    prefix: str
    inner: str
    whole: str
    first_line: str = ""

    @property
    def certainty(self) -> int:
        """How much text of its own it has: of two patterns that match a text, the one with more counts."""
        return sum(map(len, self.format.literals))


def pattern_of(format_: Format) -> Pattern:
    """Make the pattern of a format.

    Raises:
        InputError: The format is too large to be a pattern.
    """
    literals = list(format_.literals)
    first, count = "", len(format_.conversions)
    if format_.first_line is not None:
        count, length = format_.first_line
        head = [*literals[:count], literals[count][:length].rstrip()]
        first = _expression(head, format_.conversions[:count])
        literals[count] = head[count]
    whole = _expression(list(format_.literals), format_.conversions)
    for expression in (whole, first):
        try:
            pc.match_substring_regex(nulls(1, pa.string()), pattern=expression)
        except pa.ArrowInvalid as error:
            raise InputError(
                f"'{format_.literals[0][:40]}...': the text is too long to search for"
            ) from error
    prefix = _WORD.split(literals[0])[0].rstrip()
    pieces = [piece for literal in literals[: count + 1] for piece in _WORD.split(literal)]
    return Pattern(format_, prefix, max((piece.strip() for piece in pieces), key=len), whole, first)


def _expression(literals: list[str], conversions: tuple[Conversion, ...]) -> str:
    before, found, behind = literals[0].partition(FUNCTION)
    function = rf"(?P<{_FUNCTION}>{_ANYTHING})" + _literal(behind) if found else ""
    parts = [r"(?s)^\s*", _literal(before), function]
    for number, (conversion, literal) in enumerate(zip(conversions, literals[1:], strict=True)):
        inner = _PATTERNS.get(conversion.kind) or _DIGITS[conversion.base or 10]
        pad = r"\s*" if conversion.padded else ""
        parts += [pad, f"(?P<a{number}>{inner})", pad, _literal(literal)]
    return "".join([*parts, r"\s*$"])


def _literal(text: str) -> str:
    """Escape literal text; a blank is any blanks, and what WPP fills in is anything."""
    return _ANYTHING.join(r"\s+".join(map(re.escape, part.split(" "))) for part in _WORD.split(text))


class Matched:
    """The different texts that match a pattern.

    Attributes:
        where: Their indices among the texts that were searched, ascending.
        columns: What each conversion captured, a string each; last, the function that the texts name, if
            their format begins with one.
    """

    def __init__(self, where: NDArray[np.int64], columns: list[pa.Array]) -> None:
        self.where = where
        self.columns = columns

    def spread(self, position: NDArray[np.int64], pattern: Pattern) -> list[Column]:
        """Give the columns of lines, in the order of the message's arguments.

        Args:
            position: For each line, which of the matched texts it is.
            pattern: The pattern.
        """
        out = []
        for number, column in enumerate(self.columns):
            coded = column.dictionary_encode()
            index = coded.indices.take(from_numpy(position, pa.int64()))
            values = pa.DictionaryArray.from_arrays(index, coded.dictionary)
            bases = pattern.format.conversions[number : number + 1]
            out.append(Column(values, bases[0].base if bases else 0))
        return out


class Sieve:
    """Tells quickly which texts can match a pattern: those that have its prefix, or its longest literal.

    Args:
        texts: Strings, each different one once.
    """

    def __init__(self, texts: pa.Array) -> None:
        # A blank of a format may be any number of blanks in a text.
        single = pc.replace_substring_regex(texts.fill_null(""), pattern=r"\s+", replacement=" ")
        self._texts = pc.utf8_trim_whitespace(single)
        self._bytes = b"".join(buffer.to_pybytes() for buffer in self._texts.buffers()[2:] if buffer)
        self._ends = pc.cumulative_sum(pc.binary_length(self._texts)).to_pylist()
        self._masks: dict[tuple[str, bool], NDArray[np.bool_]] = {}

    def of(self, pattern: Pattern) -> NDArray[np.bool_]:
        """Give a mask of the texts that can match."""
        key = (pattern.prefix, True) if pattern.prefix else (pattern.inner, False)
        if key not in self._masks:
            if pattern.prefix:
                mask = pc.starts_with(self._texts, pattern=key[0]).to_numpy(zero_copy_only=False)
            else:
                mask = self._containing(key[0].encode())
            self._masks[key] = mask
        return self._masks[key]

    def _containing(self, part: bytes) -> NDArray[np.bool_]:
        """Find the texts that have some bytes in them: Python's search is ten times as fast as Arrow's."""
        mask = np.zeros(len(self._texts), np.bool_)
        at = self._bytes.find(part)
        while at >= 0:
            row = bisect_right(self._ends, at)
            mask[row] = at + len(part) <= self._ends[row]
            at = self._bytes.find(part, self._ends[row] if mask[row] else at + 1)
        return mask


def search(
    pattern: Pattern, texts: pa.Array, candidates: NDArray[np.int64], *, lines: bool = False
) -> Matched:
    """Match texts against a pattern.

    Args:
        pattern: The pattern.
        texts: Strings, each different one once.
        candidates: Indices of those to look at.
        lines: Whether a message of several lines may have been cut after its first.
    """
    groups = [f"a{number}" for number in range(len(pattern.format.conversions))]
    groups += [_FUNCTION] if f"(?P<{_FUNCTION}>" in pattern.whole else []
    matched = _search(pattern.whole, texts, candidates, groups)
    if not lines or not pattern.first_line:
        return matched
    rest = candidates[~np.isin(candidates, matched.where)]
    cut = _search(pattern.first_line, texts, rest, groups)
    where = np.concatenate([matched.where, cut.where])
    order = np.argsort(where, kind="stable")
    index = from_numpy(order, pa.int64())
    columns = [
        pa.concat_arrays([whole, part]).take(index)
        for whole, part in zip(matched.columns, cut.columns, strict=True)
    ]
    return Matched(where[order], columns)


def _search(expression: str, texts: pa.Array, candidates: NDArray[np.int64], groups: list[str]) -> Matched:
    """Match texts against a regular expression; a group that it does not have captures nothing."""
    empty = pa.string()
    if not len(candidates):
        return Matched(candidates, [nulls(0, empty)] * len(groups))
    some = texts.take(from_numpy(candidates, pa.int64()))
    if "(?P<" not in expression:
        hit = pc.match_substring_regex(some, pattern=expression).to_numpy(zero_copy_only=False)
        where = candidates[hit]
        return Matched(where, [nulls(len(where), empty)] * len(groups))
    found = pc.extract_regex(some, pattern=expression)
    hit = np.flatnonzero(found.is_valid().to_numpy(zero_copy_only=False))
    found = found.take(from_numpy(hit, pa.int64()))
    has = {found.type.field(number).name for number in range(found.type.num_fields)}
    columns = [found.field(name) if name in has else nulls(len(hit), empty) for name in groups]
    return Matched(candidates[hit], columns)
