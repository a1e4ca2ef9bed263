"""`events --redact`: the shown records without what they tell of the machine and the driver.

Names of providers and events that come with Windows or with tracecheck stay, and so do the names of fields; a
payload that is not decoded, and a message's own sentence, are left out, as nobody can tell what is in them.
"""

from __future__ import annotations

import json
import re
from functools import cached_property
from typing import TYPE_CHECKING, Any

from tracecheck.fltmgr import ROUTINES
from tracecheck.fltmgr.status import STATUS_NAMES
from tracecheck.reporters.common import dump
from tracecheck.reporters.events.page import KERNEL, Page

if TYPE_CHECKING:
    from tracecheck.operations.redact import Redaction

_HEX = re.compile(r"0x([0-9a-fA-F]{1,16})")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z?")
_KNOWN_PROVIDERS = re.compile(r"(Microsoft-|Windows |TraceCheck\.|MSNT_)")
# What a field holds, by its name in the canonical provider; others hold some text.
_KINDS = {"Function": "function", "File": "file"}
# The least number that may be an address: what is less is a size, a status of success, a count.
_LEAST = 0x10000
# Four characters that a driver's author chose.
_TAGS = ("PoolTag", "Tag")


class RedactedPage(Page):
    """The shown records of a chunk, redacted.

    Args:
        page: The records as they are.
        redaction: The pseudonyms of the capture; what it does not know yet gets new ones.
    """

    def __init__(self, page: Page, redaction: Redaction) -> None:
        super().__init__(page.chunk, page.groups, {})
        self._page = page
        self._redaction = redaction
        if page.processes is not None:
            self.processes = [self._renamed(name, "process") for name in page.processes]
        if page.stacks is not None:
            self.stacks = [[redaction.site(call) for call in stack] for stack in page.stacks]

    @cached_property
    def provider_names(self) -> list[str | None]:
        """What known providers are called, and pseudonyms of the others."""
        return [
            name if name and _KNOWN_PROVIDERS.match(name) else self._renamed(name, "provider")
            for name in self._page.provider_names
        ]

    @cached_property
    def names(self) -> list[str | None]:
        """What events are called, where all the world calls them so; pseudonyms of the others."""
        rows = zip(self._page.names, self._page.kinds, self.provider_names, strict=True)
        return [
            name
            if kind in KERNEL or name in ROUTINES or (provider and _KNOWN_PROVIDERS.match(provider))
            else self._renamed(name, "event")
            for name, kind, provider in rows
        ]

    @cached_property
    def sources(self) -> list[str | None]:
        """Where a message stands in the source: not told."""
        return [None] * len(self)

    @cached_property
    def fields(self) -> list[str | None]:
        """The decoded fields as JSON, with pointers and texts replaced."""
        return [
            None if each is None else dump(value)
            for each, value in zip(self._page.fields, self._values, strict=True)
        ]

    @cached_property
    def texts(self) -> list[str]:
        """The redacted fields as text."""
        return [" ".join(f"{name}={_plain(value)}" for name, value in each.items()) for each in self._values]

    @cached_property
    def problems(self) -> list[str | None]:
        """Why a payload was not decoded whole, without what it says of the payload."""
        return [None if problem is None else "not decoded whole" for problem in self._page.problems]

    @cached_property
    def payloads(self) -> list[bytes | None]:
        """No bytes of a payload."""
        return [None if payload is None else b"" for payload in self._page.payloads]

    @cached_property
    def _values(self) -> list[dict[str, Any]]:
        decoded = [{} if text is None else json.loads(text) for text in self._page.fields]
        return [{name: self._value(name, value) for name, value in each.items()} for each in decoded]

    def _value(self, name: str, value: object) -> object:
        """Replace what may tell something; the names of fields and plain numbers tell nothing."""
        if isinstance(value, dict):
            return {key: self._value(key, inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [self._value(name, inner) for inner in value]
        if isinstance(value, bool) or not isinstance(value, (str, int)):
            return value
        if name in _TAGS:
            return 0
        if isinstance(value, int):
            return self._redaction.pointer(value) if value > 0xFFFFFFFF and name not in _COUNTERS else value
        if _TIME.fullmatch(value):
            return value
        number = _HEX.fullmatch(value)
        if number:
            bits = int(number[1], 16)
            tells = bits >= _LEAST and bits not in STATUS_NAMES
            return f"{self._redaction.pointer(bits):#x}" if tells else value
        return self._renamed(value, _KINDS.get(name, "text")) if value else value

    def _renamed(self, name: str | None, kind: str) -> str | None:
        return None if name is None else self._redaction.pseudonym(name, kind)


# Fields of the canonical provider that are large and no addresses.
_COUNTERS = ("Sequence", "Begin", "Time")


def _plain(value: object) -> str:
    return value if isinstance(value, str) else dump(value)
