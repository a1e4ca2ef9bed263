"""The grammar above the lines of a TMF: headers, messages, bodies, value lists."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tracecheck.payload.wpp import _tmf_lines as lines
from tracecheck.payload.wpp.definition import MOST_ITEMS, Definition, Members

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tracecheck.payload.wpp.definition import Item

_MOST_PROBLEMS = 100
_SHOWN = 60
_LONGEST_PROBLEM = 400
#: What Microsoft's preprocessor puts around a message; nothing depends on it.
_MARKS = ("TMF:", "PUBLIC_TMF:", "#version")


class Problems:
    """What of a file can't be read: a line each, the first hundred and how many more.

    Args:
        name: The file.
        unit: What its places count.
    """

    def __init__(self, name: str, unit: str = "line") -> None:
        self._name = name
        self._unit = unit
        self._lines: list[str] = []
        self._more = 0

    def add(self, place: int, what: str) -> None:
        """Note a problem at a place of the file, counted from 1; 0 is the whole of it."""
        if len(self._lines) < _MOST_PROBLEMS:
            # Names come from the file, and may be as long as it is.
            what = what if len(what) <= _LONGEST_PROBLEM else f"{what[:_LONGEST_PROBLEM]}..."
            self._lines.append(
                f"{self._name}: {self._unit} {place}: {what}" if place else f"{self._name}: {what}"
            )
        else:
            self._more += 1

    def lines(self) -> tuple[str, ...]:
        """List what was noted."""
        more = (f"{self._name}: {self._more:,} more problems",) if self._more else ()
        return (*self._lines, *more)


@dataclass(slots=True)
class _Message:
    """A ``#typev`` line and the arguments of its body."""

    headers_above: int
    place: int
    head: lines.Typev
    items: tuple[Item, ...] = ()


def _begins_anew(text: str) -> bool:
    """Tell whether a line is one that stands outside of bodies only."""
    if text.startswith(("#type", "#enumv")):
        return True
    return lines.header(text) is not None and lines.item(text) is None


class Parser:
    """Takes a TMF line by line.

    Args:
        problems: Takes what can't be read.
        enums: Enums that are known beside those of the text.
    """

    def __init__(self, problems: Problems, enums: Mapping[str, Members] | None = None) -> None:
        self._problems = problems
        # None stands for a header that can't be read: what is below it is not of the one before.
        self._headers: list[lines.Header | None] = []
        self._messages: list[_Message] = []
        self._enums: dict[str, Members] = dict(enums or {})
        # The messages, or the enum, whose body comes next or is being read.
        self._waiting: list[_Message] = []
        self._enum: str | None = None
        self._inside = False
        self._whole = True
        self._items: list[Item] = []
        self._members: list[tuple[str, int]] = []

    def line(self, text: str, place: int) -> None:
        """Read one line.

        Args:
            text: The line; blanks and line ends around it do not matter.
            place: Where it stands, for the problems.
        """
        text = text.strip()
        if not text:
            return
        if self._inside:
            if not _begins_anew(text):
                self._body_line(text, place)
                return
            self._problems.add(place, "begins before the body above it is closed with }")
            self._close()
        if text.startswith("#type"):
            self._typev(text, place)
        elif text.startswith("{"):
            self._open(text, place)
        elif text.startswith("#enumv"):
            self._waiting = []
            self._enum = text[len("#enumv") :].strip()
        elif text.startswith("//") or text.startswith(_MARKS):
            return
        else:
            self._header(text, place)

    def _typev(self, text: str, place: int) -> None:
        head = lines.typev(text)
        if isinstance(head, str):
            self._unread(text, place, head)
            return
        message = _Message(len(self._headers), place, head)
        self._enum = None
        self._messages.append(message)
        self._waiting.append(message)

    def _header(self, text: str, place: int) -> None:
        header = lines.header(text)
        if header is None:
            self._unread(text, place, "is no line of a TMF")
            if "SRC=" not in text:
                return
        self._waiting, self._enum = [], None
        self._headers.append(header)

    def _open(self, text: str, place: int) -> None:
        if not self._waiting and self._enum is None:
            self._problems.add(place, "a body stands here without a readable #typev or #enumv above it")
        self._inside = True
        if text.endswith("}"):
            if text[1:-1].strip():
                self._unread(text, place, "a body has a line for each argument")
            self._close()

    def _body_line(self, text: str, place: int) -> None:
        if self._enum is not None:
            self._member(text, place)
            return
        item = lines.item(text)
        if item is not None:
            if self._whole and len(self._items) < MOST_ITEMS:
                self._items.append(item)
            elif self._whole:
                self._unread(text, place, f"a message has at most {MOST_ITEMS} arguments; left out from")
                self._whole = False
        elif text.startswith("}"):
            self._close()
        elif not text.startswith(("//", "{")):
            self._unread(text, place, "is not of the form EXPRESSION, ItemTYPE -- NUMBER")
            # What lies behind an unknown argument in a payload can't be found.
            self._whole = False

    def _member(self, text: str, place: int) -> None:
        if text.startswith("}"):
            self._close()
            return
        member = lines.member(text)
        if member is not None:
            self._members.append(member)
        elif not text.startswith(("//", "{")):
            self._unread(text, place, "is not of the form NAME,VALUE")

    def _close(self) -> None:
        if self._enum is not None:
            self._enums.setdefault(self._enum, Members(self._members))
        items = tuple(self._items)
        for message in self._waiting:
            message.items = items
        self._waiting, self._enum = [], None
        self._inside, self._whole = False, True
        self._items, self._members = [], []

    def _unread(self, text: str, place: int, what: str) -> None:
        shown = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
        self._problems.add(place, f"{what}: {shown}")

    def finish(self) -> Iterator[Definition]:
        """End the text.

        Yields:
            The messages in the order of the text.
        """
        if self._inside:
            self._problems.add(0, "the last body is not closed with }; the file may be cut")
            self._close()
        # Some annotations have the message first and its GUID after it. A text whose first message has no
        # GUID above it, but whose last has one below it, is of that kind throughout.
        first, last = self._messages[:1], self._messages[-1:]
        behind = bool(first) and first[0].headers_above == 0 and last[0].headers_above < len(self._headers)
        missing: set[str] = set()
        for message in self._messages:
            at = message.headers_above - (0 if behind else 1)
            header = self._headers[at] if at >= 0 else None
            if header is None:
                self._problems.add(message.place, f"{message.head.symbol} has no message GUID")
            else:
                yield self._definition(header, message, missing)

    def _definition(self, header: lines.Header, message: _Message, missing: set[str]) -> Definition:
        head, items, keys = message.head, message.items, message.head.keys
        absent = lines.numbers(head.format) - {item.number for item in items}
        if absent:
            listed = ", ".join(f"%{number}" for number in sorted(absent)[:8])
            what = f"the format of {head.symbol} shows {listed}, which its arguments do not have"
            self._problems.add(message.place, what)
        file, line = lines.place(head.symbol, header.file)
        return Definition(
            guid=header.guid,
            number=head.number,
            provider=header.provider,
            symbol=head.symbol,
            file=file,
            line=line,
            format=head.format,
            items=items,
            function=keys.get("FUNC", ""),
            level=keys.get("LEVEL", ""),
            flags=next((keys[key] for key in ("FLAGS", "FLAG", "EVENT") if key in keys), ""),
            enums=self._named(message, missing),
        )

    def _named(self, message: _Message, missing: set[str]) -> tuple[tuple[str, Members], ...]:
        """Pick the enums that a message's arguments name."""
        named = [item.values[0] for item in message.items if item.type in lines.ENUM_TYPES and item.values]
        names = list(dict.fromkeys(named)) if named else ()
        for name in names:
            if name not in self._enums and name not in missing:
                missing.add(name)
                self._problems.add(
                    message.place, f"the enum {name} is defined nowhere; its values stay numbers"
                )
        return tuple((name, self._enums[name]) for name in names if name in self._enums)
