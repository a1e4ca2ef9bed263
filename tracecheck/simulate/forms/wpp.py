"""The form of most drivers in the world: WPP messages, with a TMF file that tells what they say.

A message belongs to a line of a driver's source: its GUID is the source file's, its symbol names file and
line, its trailer the function. The records have the parts that WPP asks for by default: sequence, GUID,
time, thread and process, and the pointer size.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from tracecheck.etl.layout import (
    MESSAGE_GUID,
    MESSAGE_POINTER32,
    MESSAGE_POINTER64,
    MESSAGE_SEQUENCE,
    MESSAGE_SYSTEMINFO,
    MESSAGE_TIMESTAMP,
)
from tracecheck.payload.wpp.definition import Definition, Item
from tracecheck.simulate.forms.messages import Message, Part
from tracecheck.simulate.forms.shape import Shape
from tracecheck.simulate.forms.tmf import write_tmf

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tracecheck.etl.writer import LogWriter
    from tracecheck.simulate.forms.shape import Style
    from tracecheck.simulate.machine import Thread
    from tracecheck.simulate.sites import Site

FIRST_NUMBER = 10
FIRST_ITEM = 10
LEVEL = "TRACE_LEVEL_VERBOSE"
FLAGS = "CONTEXTS"

_NAMESPACE = uuid.UUID("3d1a2f64-8c07-4b7e-9a55-0c2f6e1b7d90")


class WppForm:
    """Writes WPP messages.

    Args:
        writer: Makes the file.
        style: What is logged and how.

    Attributes:
        definitions: The messages of all call sites, in the order in which the sites were settled.
    """

    def __init__(self, writer: LogWriter, style: Style) -> None:
        self.definitions: list[Definition] = []
        self._writer = writer
        self._pointer_size = style.pointer_size
        width = MESSAGE_POINTER64 if style.pointer_size == 8 else MESSAGE_POINTER32
        self._options = MESSAGE_GUID | MESSAGE_TIMESTAMP | MESSAGE_SYSTEMINFO | width
        self._options |= MESSAGE_SEQUENCE if style.sequence else 0
        self._known: dict[tuple[str, str, str], Definition] = {}
        self._numbers: dict[uuid.UUID, int] = {}

    def shape(self, site: Site, driver: str, varying: Sequence[str], fixed: Mapping[str, int | str]) -> Shape:
        """Settle what events of a call site look like; sites of one line that say the same share one."""
        message = Message(site, driver, varying, fixed, self._pointer_size)
        definition = self._define(driver, message)
        guid, number, options = definition.guid, definition.number, self._options
        write = self._writer.message

        def put(thread: Thread, tick: int, payload: bytes, sequence: int) -> None:
            write(
                thread.cpu,
                tick,
                guid=guid,
                number=number,
                options=options,
                sequence=sequence & 0xFFFF_FFFF,
                pid=thread.pid,
                tid=thread.tid,
                payload=payload,
            )

        return Shape(site, message.packer(), put)

    def beside(self) -> str:
        """Give the text of the TMF file."""
        return write_tmf(self.definitions)

    def _define(self, driver: str, message: Message) -> Definition:
        symbol = f"{message.file.replace('.', '_')}{message.site.line}"
        text = format_string(message)
        known = self._known.get((driver, symbol, text))
        if known is not None:
            return known
        guid = message_guid(driver, message.file)
        number = self._numbers.get(guid, FIRST_NUMBER)
        self._numbers[guid] = number + 1
        definition = Definition(
            guid=guid,
            number=number,
            provider=driver,
            symbol=symbol,
            file=message.file,
            line=message.site.line or None,
            format=text,
            items=tuple(_item(index, part) for index, part in enumerate(message.parts, FIRST_ITEM)),
            function=message.function,
            level=LEVEL,
            flags=FLAGS,
        )
        self.definitions.append(definition)
        self._known[driver, symbol, text] = definition
        return definition


def message_guid(driver: str, file: str) -> uuid.UUID:
    """Give the message GUID of a driver's source file, hashed from both names."""
    return uuid.uuid3(_NAMESPACE, f"{driver}/{file}")


def format_string(message: Message) -> str:
    """Give a message's format as the TMF has it."""
    numbered = enumerate(message.parts, FIRST_ITEM)
    text = "".join(f"{part.before}%{index}!{part.kind.format}!" for index, part in numbered)
    return f"%0{'%!FUNC!: ' if message.function else ''}{text}{message.end}"


def _item(index: int, part: Part) -> Item:
    return Item(index, part.name, part.kind.item, part.kind.values)
