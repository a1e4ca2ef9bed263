"""Call sites taken apart: function, file and line, as code-scanning pages and issue trackers want them."""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import quote

# As the operations table writes them: "Function (file.c:12)", "Function:12", "file.c:12", "module+0x12".
_WITH_PLACE = re.compile(r"(?P<function>.+) \((?P<file>[^()]+?)(?::(?P<line>\d{1,10}))?\)", re.DOTALL)
_BARE_FILE = re.compile(r"(?P<file>[^:()]+\.[A-Za-z]\w{0,3})(?::(?P<line>\d{1,10}))?", re.DOTALL)
_FUNCTION_LINE = re.compile(r"(?P<function>[^:]+(?:::[^:]+)*):(?P<line>\d{1,10})", re.DOTALL)


class Place(NamedTuple):
    """Where a call was made.

    Attributes:
        function: The function; "" where it is not known.
        file: The source file's name; "" where it is not known.
        line: The line in it; 0 where it is not known.
    """

    function: str
    file: str
    line: int


def place_of(site: str | None, function: str | None) -> Place:
    """Take a call site apart.

    Args:
        site: The column ``site`` of an operation.
        function: Its column ``function``.
    """
    text = site or ""
    for pattern in (_WITH_PLACE, _BARE_FILE, _FUNCTION_LINE):
        match = pattern.fullmatch(text)
        if match:
            parts = match.groupdict()
            name = function or parts.get("function") or ""
            return Place(name, parts.get("file") or "", int(parts.get("line") or 0))
    return Place(function or text, "", 0)


def file_uri(name: str) -> str:
    """Write a file's name as a relative reference that nothing in it can steer (RFC 3986)."""
    return quote(name.replace("\\", "/").lstrip("/"), safe="/", errors="replace") or "unknown"
