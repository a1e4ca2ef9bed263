"""One provider element of a manifest: its events, and the names that they refer to."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING
from uuid import UUID

from tracecheck.payload.manifest._elements import children, grandchildren, number, plain
from tracecheck.payload.manifest._names import KEYWORDS, LEVELS
from tracecheck.payload.manifest._templates import TemplateError, read_template
from tracecheck.payload.manifest.definition import Event, Field, Provider, ValueMap

if TYPE_CHECKING:
    from collections.abc import Mapping
    from xml.etree.ElementTree import Element

    from tracecheck.payload.manifest._elements import Problems, Strings


@dataclass(frozen=True)
class _Names:
    """What the events of a provider refer to."""

    strings: Strings
    levels: Mapping[str, int]
    keywords: Mapping[str, int]
    templates: Mapping[str, tuple[Field, ...]]


def read_provider(element: Element, strings: Strings, problems: Problems, source: str) -> Provider | None:
    """Read a provider.

    Args:
        element: ``<provider>``.
        strings: The manifest's string table.
        problems: Where what cannot be used is noted.
        source: What the provider's ``source`` says.

    Returns:
        None where its GUID is none.
    """
    name = strings.resolve(element.get("name"))
    try:
        guid = UUID((element.get("guid") or "").strip())
    except ValueError:
        problems.add(f"provider {name!r}: {element.get('guid')!r} is no GUID")
        return None
    names = _Names(
        strings,
        LEVELS | _values(element, "levels", "level", "value"),
        KEYWORDS | _values(element, "keywords", "keyword", "mask"),
        _templates(element, _maps(element, strings), problems),
    )
    events: dict[tuple[int, int], Event] = {}
    for each in grandchildren(element, "events", "event"):
        event = _event(each, names, problems)
        if event is None:
            continue
        if events.setdefault((event.id, event.version), event) is not event:
            problems.add(f"event {event.id} version {event.version} is there twice; the first one holds")
    return Provider(guid, name, events, source)


def _values(provider: Element, group: str, kind: str, attribute: str) -> dict[str, int]:
    found = {
        each.get("name", ""): number(each.get(attribute)) for each in grandchildren(provider, group, kind)
    }
    return {name: value for name, value in found.items() if value is not None}


def _maps(provider: Element, strings: Strings) -> dict[str, ValueMap]:
    out: dict[str, ValueMap] = {}
    for kind in ("valueMap", "bitMap"):
        for each in grandchildren(provider, "maps", kind):
            values = {
                value: strings.resolve(entry.get("message"))
                for entry in children(each, "map")
                if (value := number(entry.get("value"))) is not None
            }
            name = each.get("name", "")
            out.setdefault(name, ValueMap(name, kind == "bitMap", values))
    return out


def _templates(
    provider: Element, maps: Mapping[str, ValueMap], problems: Problems
) -> dict[str, tuple[Field, ...]]:
    out: dict[str, tuple[Field, ...]] = {}
    for each in grandchildren(provider, "templates", "template"):
        name = each.get("tid", "")
        if name in out:
            problems.add(f"template {name!r} is there twice; the first one holds")
            continue
        try:
            out[name] = read_template(each, maps, partial(_note, problems, name))
        except TemplateError as error:
            problems.add(f"template {name!r}: {error}; its events stay without fields")
            out[name] = ()
    return out


def _note(problems: Problems, template: str, text: str) -> None:
    problems.add(f"template {template!r}: {text}")


def _event(element: Element, names: _Names, problems: Problems) -> Event | None:
    said, version = element.get("value"), number(element.get("version") or "0")
    id_ = number(said)
    if id_ is None or id_ > 0xFFFF or version is None or version > 0xFF:
        problems.add(f"an event's value {said!r} or version {element.get('version')!r} is no such number")
        return None
    template = element.get("template")
    if template and template not in names.templates:
        problems.add(f"event {id_}: template {template!r} is not defined; the event stays without fields")
    task, opcode = plain(element.get("task")), plain(element.get("opcode"))
    level = names.levels.get(plain(element.get("level")), 0)
    mask = 0
    for keyword in (element.get("keywords") or "").split():
        mask |= names.keywords.get(plain(keyword), 0)
    return Event(
        id=id_,
        version=version,
        name=element.get("symbol") or "/".join(part for part in (task, opcode) if part),
        task=task,
        opcode=opcode,
        level=min(level, 0xFF),
        keywords=mask,
        message=names.strings.resolve(element.get("message")),
        fields=names.templates.get(template or "", ()),
    )
