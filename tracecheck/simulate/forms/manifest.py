"""Manifest events: each driver a provider of its own, and an instrumentation manifest that describes them.

An event id stands for a routine with a set of fields; the call site's function, file and line are fields.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple
from xml.etree import ElementTree

from tracecheck.simulate import tracelogging
from tracecheck.simulate.forms.arguments import CONTEXT_TYPES, MAJOR_FUNCTIONS, SET_OPERATIONS
from tracecheck.simulate.forms.shape import Shape
from tracecheck.simulate.sites import field

if TYPE_CHECKING:
    import uuid
    from collections.abc import Callable, Mapping, Sequence

    from tracecheck.etl.writer import LogWriter
    from tracecheck.simulate.forms.shape import Style
    from tracecheck.simulate.machine import Thread
    from tracecheck.simulate.sites import Site

CHANNEL = 16
LEVEL = 5
KEYWORD = 0x8000_0000_0000_0001  # the channel's bit and the provider's own

#: Kind of field -> the manifest's inType; what is not here is a pointer.
_IN_TYPES = {
    "wide": "win:UnicodeString",
    "string": "win:AnsiString",
    "uint8": "win:UInt8",
    "uint16": "win:UInt16",
    "int32": "win:Int32",
    "uint32": "win:UInt32",
    "int64": "win:Int64",
    "uint64": "win:UInt64",
    "bool32": "win:Boolean",
}
_MAPS = {
    "ContextType": "ContextTypes",
    "DesiredContexts": "ContextTypes",
    "Operation": "SetOperations",
    "MajorFunction": "MajorFunctions",
}
_NAMESPACES = {
    "xmlns": "http://schemas.microsoft.com/win/2004/08/events",
    "xmlns:win": "http://manifests.microsoft.com/win/2004/08/windows/events",
    "xmlns:xs": "http://www.w3.org/2001/XMLSchema",
}


class _Event(NamedTuple):
    """An event of a provider: its id, the routine, its fields as (name, attributes)."""

    number: int
    routine: str
    fields: tuple[tuple[str, tuple[tuple[str, str], ...]], ...]


class ManifestForm:
    """Writes manifest events.

    Args:
        writer: Makes the file.
        style: What is logged and how.
    """

    def __init__(self, writer: LogWriter, style: Style) -> None:
        self._writer = writer
        self._style = style
        self._events: dict[str, dict[tuple[object, ...], _Event]] = {}
        self._tasks: dict[str, int] = {}

    def shape(self, site: Site, driver: str, varying: Sequence[str], fixed: Mapping[str, int | str]) -> Shape:
        """Settle what events of a call site look like."""
        changing = tuple(self._field(name) for name in varying)
        rest = tuple(self._field(name) for name in fixed)
        described = tuple((each.name, _attributes(each, site.routine)) for each in (*changing, *rest))
        events = self._events.setdefault(driver, {})
        key = (site.routine, described)
        if key not in events:
            events[key] = _Event(len(events) + 1, site.routine, described)
        number = events[key].number
        task = self._tasks.setdefault(site.routine, len(self._tasks) + 1)
        provider, event = provider_guid(driver), self._writer.event

        def put(thread: Thread, tick: int, payload: bytes, sequence: int) -> None:  # noqa: ARG001
            event(
                thread.cpu,
                tick,
                pid=thread.pid,
                tid=thread.tid,
                provider=provider,
                id=number,
                channel=CHANNEL,
                level=LEVEL,
                task=task,
                keyword=KEYWORD,
                payload=payload,
            )

        tail = tracelogging.encode(rest, list(fixed.values()))
        return Shape(site, tracelogging.packer(changing), put, tail)

    def beside(self) -> str:
        """Give the text of the instrumentation manifest."""
        root = ElementTree.Element("instrumentationManifest", _NAMESPACES)
        section = ElementTree.SubElement(ElementTree.SubElement(root, "instrumentation"), "events")
        localization = ElementTree.SubElement(root, "localization")
        resources = ElementTree.SubElement(localization, "resources", {"culture": "en-US"})
        strings = ElementTree.SubElement(resources, "stringTable")
        for driver, events in self._events.items():
            self._provider(section, strings, driver, list(events.values()))
        ElementTree.indent(root)
        text = ElementTree.tostring(root, encoding="unicode")
        return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'

    def _provider(
        self, section: ElementTree.Element, strings: ElementTree.Element, driver: str, events: list[_Event]
    ) -> None:
        """Describe a driver's provider."""

        def string(name: str, value: str) -> str:
            ElementTree.SubElement(strings, "string", {"id": f"{driver}.{name}", "value": value})
            return f"$(string.{driver}.{name})"

        provider = ElementTree.SubElement(
            section,
            "provider",
            {
                "name": provider_name(driver),
                "guid": f"{{{provider_guid(driver)}}}",
                "symbol": f"{driver}Provider",
                "resourceFileName": f"{driver}.sys",
                "messageFileName": f"{driver}.sys",
            },
        )
        channels, keywords, tasks, maps, templates, described = (
            ElementTree.SubElement(provider, name)
            for name in ("channels", "keywords", "tasks", "maps", "templates", "events")
        )
        channel = {"name": f"{provider_name(driver)}/Analytic", "chid": "Contexts", "type": "Analytic"}
        ElementTree.SubElement(channels, "channel", channel | {"value": str(CHANNEL), "enabled": "true"})
        ElementTree.SubElement(keywords, "keyword", {"name": "Contexts", "mask": "0x1"})
        for routine in dict.fromkeys(event.routine for event in events):
            ElementTree.SubElement(tasks, "task", {"name": routine, "value": str(self._tasks[routine])})
        _add_maps(maps, string)
        for event in events:
            template = ElementTree.SubElement(templates, "template", {"tid": f"T{event.number}"})
            for name, attributes in event.fields:
                ElementTree.SubElement(template, "data", {"name": name} | dict(attributes))
            said = {
                "value": str(event.number),
                "version": "0",
                "channel": "Contexts",
                "level": "win:Verbose",
                "task": event.routine,
                "keywords": "Contexts",
                "template": f"T{event.number}",
                "symbol": f"{driver}{event.routine}{event.number}",
                "message": string(f"event.{event.number}", _text(event)),
            }
            ElementTree.SubElement(described, "event", said)

    def _field(self, name: str) -> tracelogging.Field:
        return field(name, self._style.pointer_size, self._style.wide)


def provider_name(driver: str) -> str:
    """Give the name of a driver's provider."""
    return f"{driver}-FilterContexts"


def provider_guid(driver: str) -> uuid.UUID:
    """Give the GUID of a driver's provider."""
    return tracelogging.provider_guid(provider_name(driver))


def _attributes(each: tracelogging.Field, routine: str) -> tuple[tuple[str, str], ...]:
    """Give the attributes of a field's ``data`` element but for its name."""
    if each.name == "Status":
        if routine.startswith("FltSupports"):
            return (("inType", "win:Boolean"),)
        return (("inType", "win:UInt32"), ("outType", "win:NTSTATUS"))
    said = (("inType", _IN_TYPES.get(each.kind, "win:Pointer")),)
    return (*said, ("map", _MAPS[each.name])) if each.name in _MAPS else said


def _add_maps(maps: ElementTree.Element, string: Callable[[str, str], str]) -> None:
    bits = ElementTree.SubElement(maps, "bitMap", {"name": "ContextTypes"})
    for bit, name in enumerate(CONTEXT_TYPES):
        message = string(f"type.{name}", name)
        ElementTree.SubElement(bits, "map", {"value": hex(1 << bit), "message": message})
    for title, names in (("SetOperations", SET_OPERATIONS), ("MajorFunctions", MAJOR_FUNCTIONS)):
        values = ElementTree.SubElement(maps, "valueMap", {"name": title})
        for value, name in enumerate(names):
            message = string(f"value.{name}", name)
            ElementTree.SubElement(values, "map", {"value": str(value), "message": message})


def _text(event: _Event) -> str:
    """Give an event's message: the routine and every field, by position."""
    return f"{event.routine}: " + " ".join(f"{name}=%{at}" for at, (name, _) in enumerate(event.fields, 1))
