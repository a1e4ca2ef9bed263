"""What every part of a manifest's reading needs: elements by name, numbers, strings, a list of problems."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from xml.etree.ElementTree import Element

# How many lines of problems a file gets.
_MOST_PROBLEMS = 20
_LONGEST_PROBLEM = 400

_REFERENCE = re.compile(r"\$\(string\.([^)]*)\)")

# No message of a manifest is longer; references could make a small file's messages very large.
_LONGEST_TEXT = 1 << 15
_MOST_TEXT = 1 << 25


class Problems:
    """Lines about what is wrong in one file; the first ones, and how many more.

    Args:
        where: The file's name.
    """

    def __init__(self, where: str) -> None:
        self._where = where
        self._lines: list[str] = []
        self._more = 0

    def add(self, text: str) -> None:
        """Note a problem."""
        if len(self._lines) < _MOST_PROBLEMS:
            # Names come from the file, and may be as long as it is.
            text = text if len(text) <= _LONGEST_PROBLEM else f"{text[:_LONGEST_PROBLEM]}..."
            self._lines.append(f"{self._where}: {text}")
        else:
            self._more += 1

    def lines(self) -> list[str]:
        """Give the lines."""
        more = [f"{self._where}: and {self._more} more problems like these"] if self._more else []
        return self._lines + more


class Strings:
    """A manifest's string table.

    Args:
        table: Texts by id.
        problems: Where it is noted that messages are longer than any manifest's.
    """

    def __init__(self, table: Mapping[str, str], problems: Problems) -> None:
        self._table = table
        self._problems = problems
        self._resolved: dict[str, str] = {}
        self._left = _MOST_TEXT

    def resolve(self, text: str | None) -> str:
        """Put the strings in place of ``$(string.id)``; one that is not in the table becomes its id."""
        if not text or self._left < 0:
            return ""
        done = self._resolved.get(text)
        if done is None:
            done = self._resolved[text] = self._filled(text[:_LONGEST_TEXT])
            self._left -= len(done)
            if self._left < 0:
                self._problems.add(
                    f"its messages have more than {_MOST_TEXT} characters; the rest are left out"
                )
        return done

    def _filled(self, text: str) -> str:
        """Put strings in place of references until the text is as long as it may be."""
        out: list[str] = []
        size = at = 0
        for match in _REFERENCE.finditer(text):
            out += [text[at : match.start()], self._table.get(match[1], match[1])]
            size += len(out[-1]) + len(out[-2])
            at = match.end()
            if size > _LONGEST_TEXT:
                break
        return "".join([*out, text[at:]])[:_LONGEST_TEXT]


def local(element: Element) -> str:
    """Name an element without its namespace."""
    tag = element.tag
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def children(element: Element, name: str) -> Iterator[Element]:
    """Give the children of a name, in any namespace."""
    return (child for child in element if local(child) == name)


def grandchildren(element: Element, group: str, name: str) -> Iterator[Element]:
    """Give the children of a name in all groups of a name, as in ``tasks/task``."""
    return (child for each in children(element, group) for child in children(each, name))


def number(text: str | None) -> int | None:
    """Read a decimal or hexadecimal number of 64 bits; None where it is none."""
    try:
        value = int((text or "").strip()[:24], 0)
    except ValueError:
        try:
            value = int((text or "").strip()[:24])
        except ValueError:
            return None
    return value if 0 <= value < 1 << 64 else None


def plain(name: str | None) -> str:
    """Cut the prefix off a name: ``win:Start`` is Start."""
    return (name or "").strip().rpartition(":")[2]
