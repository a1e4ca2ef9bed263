"""What a profile makes of a driver's messages: what it binds, what never occurs, and what it leaves."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from tracecheck.operations.profiles.bind import Binder, Source
from tracecheck.operations.profiles.draft import Entry, Seen, entries
from tracecheck.operations.profiles.generalise import formats
from tracecheck.operations.profiles.patterns import Sieve, pattern_of, search
from tracecheck.payload.arrow import strings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tracecheck.operations.profiles.grammar import Message, Profile
    from tracecheck.operations.profiles.patterns import Pattern


@dataclass(frozen=True)
class Use:
    """A message of a profile that is bound.

    Attributes:
        message: The message.
        count: How often what it is bound to occurs; a condition (``when``) is not looked at.
        example: A text of it; "" where none occurs.
    """

    message: Message
    count: int = 0
    example: str = ""


@dataclass(frozen=True)
class Usage:
    """What a profile makes of messages.

    Attributes:
        used: The messages that are bound to a definition or a text, in the profile's order.
        unused: Those that are not.
        left: Messages that look like context operations and that the profile does not know.
        problems: What of the profile fits no definition that it names, a line each.
    """

    used: list[Use] = field(default_factory=list)
    unused: list[Message] = field(default_factory=list)
    left: list[Entry] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def usage(profile: Profile, known: Sequence[tuple[Source, Seen]], texts: Mapping[str, int]) -> Usage:
    """Tell what a profile binds.

    Args:
        profile: The profile.
        known: Messages that have definitions.
        texts: Lines of text, each different one with its count.
    """
    binder = Binder(profile)
    counts: dict[int, Use] = {}
    unknown: list[Seen] = []
    for source, seen in known:
        bound = binder.bind(source)
        if bound is None:
            unknown.append(seen)
            continue
        told = [binding.message for binding in bound.bindings]
        for message in told or _ignored(profile, source):
            _count(counts, message, seen.count, seen.example)
    left = _count_texts(profile, texts, counts)
    unknown += [Seen(text=each.text, count=each.count, example=each.example) for each in formats(left)[0]]
    return Usage(
        [counts[number] for number in sorted(counts)],
        [message for message in profile.messages if message.number not in counts],
        [entry for entry in entries(unknown) if not entry.ignore],
        binder.problems,
    )


def draft_seen(known: Sequence[tuple[Source, Seen]], texts: Mapping[str, int]) -> list[Seen]:
    """List what a draft is made of: messages with definitions, and the formats of lines of text."""
    found, _ = formats(texts)
    lines = [Seen(text=each.text, count=each.count, example=each.example) for each in found]
    return [*(seen for _, seen in known), *lines]


def _ignored(profile: Profile, source: Source) -> list[Message]:
    """Find the messages by which a profile ignores a definition."""
    form = source.format
    return [
        message
        for message in profile.messages
        if message.ignore
        and (message.event or (form and message.format and message.format.agrees(form)))
        and (not message.event or message.event.rpartition("/")[2].lower() in _names(source))
    ]


def _names(source: Source) -> tuple[str, ...]:
    return source.name.lower(), str(source.number)


def _count(counts: dict[int, Use], message: Message, count: int, example: str) -> None:
    before = counts.get(message.number, Use(message))
    counts[message.number] = Use(message, before.count + count, before.example or example)


def _count_texts(profile: Profile, texts: Mapping[str, int], counts: dict[int, Use]) -> dict[str, int]:
    """Match lines of text; give those that no message is of."""
    if not texts:
        return {}
    lines = list(texts)
    column = strings(lines)
    sieve = Sieve(column)
    rest = np.arange(len(lines))
    # Where two formats fit a line, the one with more words of its own counts.
    for pattern, messages in sorted(_patterns(profile), key=lambda each: -each[0].certainty):
        where = search(pattern, column, rest[sieve.of(pattern)[rest]], lines=True).where
        if not len(where):
            continue
        total = sum(texts[lines[place]] for place in where.tolist())
        for message in messages:
            _count(counts, message, total, lines[int(where[0])])
        rest = rest[~np.isin(rest, where)]
    return {lines[place]: texts[lines[place]] for place in rest.tolist()}


def _patterns(profile: Profile) -> list[tuple[Pattern, list[Message]]]:
    groups: dict[tuple[object, ...], list[Message]] = {}
    for message in profile.messages:
        if message.format is not None:
            kinds = tuple(each.kind for each in message.format.conversions)
            groups.setdefault((message.format.literals, kinds), []).append(message)
    return [(pattern_of(group[0].format), group) for group in groups.values() if group[0].format is not None]
