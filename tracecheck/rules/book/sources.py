"""Where a rule is said: keys such as ``ddi:nf-fltkernel-fltgetcontexts:91``, and the pages behind them."""

from __future__ import annotations

import re
from dataclasses import dataclass

#: Repositories of the sources, and the revision whose lines are cited.
REVISIONS: dict[str, tuple[str, str]] = {
    "ddi": ("MicrosoftDocs/windows-driver-docs-ddi", "6dcd4d9f"),
    "ifs": ("MicrosoftDocs/windows-driver-docs", "825aa15f"),
    "devtest": ("MicrosoftDocs/windows-driver-docs", "825aa15f"),
    "debugger": ("MicrosoftDocs/windows-driver-docs", "825aa15f"),
    "samples": ("microsoft/Windows-driver-samples", "26a27df8"),
    "zodiacon": ("zodiacon/windowskernelprogrammingbook", "bd13779"),
}

_DRIVERS = "https://learn.microsoft.com/windows-hardware/drivers"
_FOLDERS = {"samples": "filesys/miniFilter", "zodiacon": "chapter10/FileBackup"}
_PLACE = re.compile(r"(ddi|ifs|devtest|debugger|samples|zodiacon):([\w.+/-]+?)(?::(\d+))?")
_ISSUE = re.compile(r"issue:([\w.-]+/[\w.-]+)#(\d+)")


@dataclass(frozen=True)
class Source:
    """Where a rule is said.

    Attributes:
        text: The key as the book has it: the kind of source, the page or file, and the line of its source
            text at the revision in :data:`REVISIONS`; "header: ..." and "inferred: ..." in words.
        url: The page; "" for a header and for what is inferred.
    """

    text: str
    url: str


def source(text: str) -> Source:
    """Read a citation.

    Args:
        text: As the book has it.

    Raises:
        ValueError: It has none of the known forms.
    """
    if match := _PLACE.fullmatch(text):
        return Source(text, _page(match[1], match[2], match[3]))
    if match := _ISSUE.fullmatch(text):
        return Source(text, f"https://github.com/{match[1]}/issues/{match[2]}")
    if text.startswith("web:https://"):
        return Source(text.removeprefix("web:"), text.removeprefix("web:"))
    if text.startswith(("inferred: ", "header:")):
        return Source(text, "")
    raise ValueError(f"{text!r} is no citation")


def _page(kind: str, name: str, line: str | None) -> str:
    if kind == "ddi":
        return f"{_DRIVERS}/ddi/{name.split('-')[1]}/{name}"
    if kind in _FOLDERS:
        repository, revision = REVISIONS[kind]
        place = f"#L{line}" if line else ""
        return f"https://github.com/{repository}/blob/{revision}/{_FOLDERS[kind]}/{name}{place}"
    return f"{_DRIVERS}/{kind}/{name}"
