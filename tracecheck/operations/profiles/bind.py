"""Binding profiles to message definitions: once for each definition, not for each message."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from uuid import UUID

from tracecheck.operations.profiles.formats import Format, parse_insertions, parse_printf, parse_tmf
from tracecheck.operations.profiles.grammar import MEMBERS, PLACES, Argument, Message, Profile

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tracecheck.payload.tracelogging import EventSchema
    from tracecheck.payload.wpp.definition import Definition


@dataclass(frozen=True)
class Source:
    """A message definition, whatever format it comes from.

    Attributes:
        kind: "wpp", "tracelogging", "manifest" or "text" (DbgPrint, lines of logs).
        arguments: The names of its arguments, in the order of the decoded columns.
        provider: Its provider's name.
        guid: Its provider's GUID (a WPP message's, the message GUID).
        name: The event's name.
        task: The name of the task of a manifest's event; "" where it has none.
        number: The message number or the event's id.
        format: Its text.
        file: The source file that writes it.
        line: The line there.
        function: The function there.
    """

    kind: str
    arguments: tuple[str, ...] = ()
    provider: str = ""
    guid: UUID | None = None
    name: str = ""
    number: int | None = None
    format: Format | None = None
    file: str = ""
    line: int | None = None
    function: str = ""
    task: str = ""


def wpp_source(definition: Definition) -> Source:
    """Describe a WPP message."""
    return Source(
        "wpp",
        tuple(item.expression for item in definition.items),
        definition.provider,
        definition.guid,
        definition.symbol,
        definition.number,
        parse_tmf(definition),
        definition.file,
        definition.line,
        definition.function,
    )


def tracelogging_source(schema: EventSchema, provider: UUID, provider_name: str = "") -> Source:
    """Describe a TraceLogging event."""
    names = tuple(each.name for each in schema.fields)
    return Source("tracelogging", names, provider_name, provider, schema.name)


def event_source(
    provider: UUID,
    provider_name: str,
    name: str,
    number: int,
    fields: Sequence[str],
    text: str = "",
    *,
    task: str = "",
) -> Source:
    """Describe an event of a manifest or of an EventSource.

    Args:
        provider: The provider's GUID.
        provider_name: Its name.
        name: The event's name (its symbol); "" where it has none.
        number: Its id.
        fields: The names of its fields, in the order of the decoded columns.
        text: Its message text, with insertions ``%1``.
        task: The name of its task; "" where it has none.
    """
    form = parse_insertions(text, fields) if text else None
    return Source("manifest", tuple(fields), provider_name, provider, name, number, form, task=task)


def text_source(text: str) -> Source:
    """Describe what a DbgPrint format writes."""
    form = parse_printf(text)
    names = [str(number) for number in range(1, len(form.conversions) + 1)]
    if FUNCTION in form.literals[0]:
        names.append(FUNCTION)
    return Source("text", tuple(names), format=form)


@dataclass(frozen=True)
class Binding:
    """A message of a profile, bound to a definition.

    Attributes:
        message: The message.
        columns: Column of the definition's arguments, by what it is.
        conditions: Column of the argument of each condition of the message.
    """

    message: Message
    columns: dict[str, int]
    conditions: tuple[int, ...]


@dataclass(frozen=True)
class Bound:
    """What a profile says of a definition.

    Attributes:
        source: The definition.
        profile: The profile.
        bindings: The operations that each of its messages is; none where the profile ignores it.
    """

    source: Source
    profile: Profile
    bindings: tuple[Binding, ...]


@dataclass
class Binder:
    """Finds what a profile says of definitions.

    Attributes:
        profile: The profile.
    """

    profile: Profile
    _problems: dict[tuple[int, Argument], str] = field(default_factory=dict)
    _found: set[tuple[int, Argument]] = field(default_factory=set)
    _by_text: dict[tuple[str, ...], list[Message]] = field(default_factory=dict)
    _by_event: dict[str, list[Message]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for message in self.profile.messages:
            if message.format is not None:
                self._by_text.setdefault(message.format.literals, []).append(message)
            else:
                self._by_event.setdefault(message.event.lower(), []).append(message)

    @property
    def problems(self) -> list[str]:
        """What of the profile fits none of the definitions that it names, a line each."""
        return [line for key, line in self._problems.items() if key not in self._found]

    @property
    def event_names(self) -> frozenset[str]:
        """The names of the events that the profile names, in lower case, without their providers."""
        return frozenset(name for key in self._by_event for name in (key, key.rpartition("/")[2]))

    def bind(self, source: Source) -> Bound | None:
        """Find what the profile says of a definition; None if nothing."""
        found = self._candidates(source)
        if source.kind == "text":
            found = self._alike(found)
        else:
            found = [message for message in found if _narrows(message, source)]
        if not found:
            return None
        bindings = []
        for message in found:
            if message.ignore:
                continue
            binding = self._binding(message, source)
            if binding is not None:
                bindings.append(binding)
        return Bound(source, self.profile, tuple(bindings))

    def _candidates(self, source: Source) -> list[Message]:
        """Find the messages of a text or an event, in the profile's order."""
        found: list[Message] = []
        if source.format is not None:
            same = self._by_text.get(source.format.literals, ())
            found += [m for m in same if m.format is not None and m.format.agrees(source.format)]
        if source.kind in _EVENTS:
            for key in _event_keys(source):
                found += self._by_event.get(key, ())
        return found

    def _alike(self, found: list[Message]) -> list[Message]:
        """Choose among messages of one text where no line says where it comes from."""
        groups: dict[tuple[object, ...], list[Message]] = {}
        for message in found:
            groups.setdefault(_narrowing(message), []).append(message)
        if len(groups) < 2:
            return found
        if _NOWHERE in groups:
            return groups[_NOWHERE]
        numbers = ", ".join(str(message.number) for message in found)
        self._problems[found[0].number, 0] = (
            f"{self.profile.path}: which of the messages {numbers} a line is, its text does not tell"
        )
        return []

    def _binding(self, message: Message, source: Source) -> Binding | None:
        columns: dict[str, int] = {}
        for key, argument in _every_argument(message, source):
            column = _column(argument, message, source)
            if column is not None:
                self._found.add((message.number, argument))
                columns[key] = column
                continue
            self._missing(message, argument, source)
            # Fields come and go between versions of an event: one that is not there was not logged.
            if key in _ESSENTIAL or not message.event:
                return None
        conditions = [_column(condition.argument, message, source) for condition in message.when]
        for condition, column in zip(message.when, conditions, strict=True):
            if column is None:
                self._missing(message, condition.argument, source)
                return None
        return Binding(message, columns, tuple(column for column in conditions if column is not None))

    def _missing(self, message: Message, argument: Argument, source: Source) -> None:
        has = ", ".join(source.arguments) or "none"
        name = source.name or message.text.strip()[:60]
        line = f"message {message.number}: {name} has no argument {argument}; it has {has}"
        self._problems.setdefault((message.number, argument), f"{self.profile.path}: {line}")


#: Where a text names the function that writes it; of lines of text it is one more argument, the last.
FUNCTION = "%!FUNC!"


def _narrowing(message: Message) -> tuple[object, ...]:
    return (message.wpp, message.file, message.line, message.function, message.provider)


#: Without these an event is another one.
_ESSENTIAL = frozenset({"context", *MEMBERS})
#: What is known by its name or id, not by its text.
_EVENTS = frozenset({"tracelogging", "manifest"})
#: Of a message that is not narrowed to any place.
_NOWHERE = (None, "", None, "", "")


def _event_keys(source: Source) -> Iterable[str]:
    names = [name for name in (source.provider, str(source.guid) if source.guid else "") if name]
    called = [name for name in dict.fromkeys((source.name, source.task)) if name]
    keys = [*called, *(f"{provider}/{name}" for name in called for provider in names)]
    if source.number is not None:
        keys += [f"{provider}/{source.number}" for provider in names]
    return [key.lower() for key in keys]


def _narrows(message: Message, source: Source) -> bool:
    """Tell whether a definition is among those to which a message is narrowed."""
    if message.wpp is not None and (source.guid, source.number) != message.wpp:
        return False
    if message.provider and message.provider.strip("{}").lower() not in (
        source.provider.lower(),
        str(source.guid).lower(),
    ):
        return False
    if message.line is not None and source.line != message.line:
        return False
    # An event has no place of its own: what a message calls its file is a field, which may be missing.
    is_event = source.kind in _EVENTS
    return all(
        not wanted or wanted in source.arguments or is_event or _same_place(wanted, has, is_file)
        for wanted, has, is_file in (
            (message.file, source.file, True),
            (message.function, source.function, False),
        )
    )


def _same_place(wanted: str, has: str, is_file: bool) -> bool:
    """Compare names of functions, or of files without their folders."""
    if not is_file:
        return wanted == has or has.endswith(f"::{wanted}")
    return (
        wanted.replace("\\", "/").rpartition("/")[2].lower()
        == has.replace("\\", "/").rpartition("/")[2].lower()
    )


def _every_argument(message: Message, source: Source) -> Iterable[tuple[str, Argument]]:
    yield from message.arguments.items()
    if FUNCTION in source.arguments and "function" not in message.arguments:
        yield "function", FUNCTION
    for key, name in (("file", message.file), ("function", message.function)):
        if name and name in source.arguments and key in PLACES:
            yield key, name


def _column(argument: Argument, message: Message, source: Source) -> int | None:
    """Find the column of an argument: by its number in the text or its place, or by its name."""
    if isinstance(argument, int):
        if message.format is not None and source.format is not None:
            conversions = source.format.conversions
            return conversions[argument - 1].argument if argument <= len(conversions) else None
        return argument - 1 if argument <= len(source.arguments) else None
    if argument in source.arguments:
        return source.arguments.index(argument)
    plain = ["".join(name.split()).lower() for name in source.arguments]
    wanted = "".join(argument.split()).lower()
    return plain.index(wanted) if wanted in plain else None
