"""Drafts of profiles: what the messages of a driver may mean, written down for a person to correct."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from tracecheck.fltmgr import ROUTINES, TYPE_NAMES, ContextType, Effect
from tracecheck.operations.profiles.formats import parse_printf
from tracecheck.operations.profiles.grammar import MEMBERS
from tracecheck.operations.profiles.guess import Guess, guess
from tracecheck.operations.profiles.words import arguments

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tracecheck.payload.wpp.definition import Definition

# The order in which a person reads a message's arguments.
_ORDER = (
    "context",
    "old_context",
    "file_object",
    "stream",
    "instance",
    "volume",
    "transaction",
    "filter",
    "status",
    "operation",
    "old_requested",
    "context_type",
    "size",
    "pool",
    "pool_tag",
    "major",
    "phase",
    "irql",
    "begin",
    "sequence",
    *MEMBERS,
)
_NUMBERED = re.compile(r"%(?P<number>[1-9]\d{0,2})!(?P<spec>[^!]{1,64})!|%0")
_STATUS_ITEMS = frozenset({"ItemNTSTATUS", "ItemHRESULT", "ItemWINERROR"})
# A profile's limits; what lies beyond them is left out of a draft.
_LONGEST = 4096
_MOST_MESSAGES = 10_000
_PLAIN = re.compile(r"[^\w.-]+")
_HEAD = """\
# A draft, made of the texts of messages: read each message beside the line of the driver's source that writes
# it. What is not sure says "guess". Then: tracecheck profile check {file}
# docs/profiles.md explains every key.

profile = 1
name = {name}
title = {title}

# What the driver logs of its calls of each routine. Without this no finding is more than probable, and a
# driver that releases without a line seems to leak. Move what is not so; put routines that the driver calls
# and never logs into "silent"; then take the comments away.
# [coverage]
# complete = [
{routines}
# ]
# partial = []
# silent = []
# note = ""
"""


@dataclass(frozen=True)
class Seen:
    """A message of a driver.

    Attributes:
        text: Its printf format; "" for an event that is known by its name.
        event: The name of a TraceLogging event; "" for a text.
        fields: The names of an event's fields.
        expressions: The driver's source text of each argument of a text, in its order, where it is known.
        file: The source file that writes it, where it is known.
        line: The line there.
        function: The function there.
        count: How often it occurs in a capture.
        example: A text of it.
    """

    text: str = ""
    event: str = ""
    fields: tuple[str, ...] = ()
    expressions: tuple[str, ...] = ()
    file: str = ""
    line: int | None = None
    function: str = ""
    count: int = 0
    example: str = ""


@dataclass(frozen=True)
class Entry:
    """What a draft says of a message.

    Attributes:
        seen: The message, with all places that write it.
        guess: What it may mean.
        places: Where it is written.
        ignore: Why it is ignored; "" where it is bound.
    """

    seen: Seen
    guess: Guess
    places: tuple[str, ...] = field(default=())
    ignore: str = ""


def of_definition(definition: Definition) -> Seen:
    """Describe a WPP message as a printf format.

    Args:
        definition: From a TMF file or a PDB.
    """
    items = {item.number: item for item in definition.items}
    shown: list[str] = []

    def plain(match: re.Match[str]) -> str:
        item = items.get(int(match["number"])) if match["number"] else None
        if item is None:
            return "" if match["number"] is None else match[0]
        shown.append(item.expression)
        return "%!STATUS!" if item.type in _STATUS_ITEMS else f"%{match['spec']}"

    text = _NUMBERED.sub(plain, definition.format)
    place = (definition.file, definition.line, definition.function)
    return Seen(text, "", (), tuple(shown), *place)


def entries(seen: Sequence[Seen]) -> list[Entry]:
    """Guess what messages mean; those that have nothing of a context operation are left out.

    Args:
        seen: The messages; those of one text become one entry.

    Returns:
        The entries in the order of their first messages.
    """
    found: dict[tuple[object, ...], Entry] = {}
    for each in seen:
        key = _key(each)
        known = found.get(key)
        if known is not None:
            found[key] = _joined(known, each)
            continue
        guessed = guess_of(each)
        if guessed is not None:
            found[key] = Entry(each, guessed, _places(each))
    return _settled(list(found.values()))


def draft(seen: Sequence[Seen], name: str, title: str = "") -> str:
    """Write a profile that binds what the messages seem to say.

    Args:
        seen: The driver's messages.
        name: The profile's name; what a name can't have becomes a dash.
        title: What it is of.

    Returns:
        TOML that :func:`tracecheck.operations.profiles.load.parse` reads.
    """
    written = entries(seen)[:_MOST_MESSAGES]
    name = _PLAIN.sub("-", name)[:64].strip("-") or "draft"
    routines = sorted({each.guess.routine for each in written if not each.ignore})
    head = _HEAD.format(
        file=f"{name}.toml",
        name=_quoted(name),
        title=_quoted(title or name),
        routines="\n".join(f"#     {_quoted(routine)}," for routine in routines),
    )
    bound = [_message(each) for each in written if not each.ignore]
    ignored = [_message(each) for each in written if each.ignore]
    if ignored:
        ignored.insert(
            0, "# What follows seems to tell of no operation, or of one that another message tells.\n"
        )
    return "\n".join([head, *bound, *ignored]).rstrip("\n") + "\n"


def guess_of(seen: Seen) -> Guess | None:
    """Guess what a message means; an event's name and fields are read as a text."""
    if seen.text:
        return _guess_of_text(seen)
    shown = ", ".join(f"{name} = {'%p' if _is_address(name) else '%x'}" for name in seen.fields)
    words = re.sub(r"(?<=[a-z])(?=[A-Z])|_", " ", seen.event)
    return guess(f"{seen.event} {shown}") or guess(f"{words} {shown}")


def _guess_of_text(seen: Seen) -> Guess | None:
    read = parse_printf(seen.text)
    words = any(literal.strip() for literal in read.literals)
    if not words or len(seen.text) > _LONGEST or "\0" in seen.text:
        return None
    found = guess(seen.text, seen.function, seen.expressions)
    if found is None or len(arguments(seen.text)) == len(read.conversions):
        return found
    doubts = (*found.doubts, "which arguments: the format has a percent sign that may be none")
    return replace(found, arguments={}, when={}, replace_flag=False, doubts=doubts)


def _is_address(name: str) -> bool:
    return not re.search(r"status|type|size|irql|created|replaced|major|tag|count", name, re.I)


def _key(seen: Seen) -> tuple[object, ...]:
    if not seen.text:
        return (seen.event,)
    read = parse_printf(seen.text)
    return (read.literals, tuple(each.kind for each in read.conversions))


def _places(seen: Seen) -> tuple[str, ...]:
    if not seen.file:
        return ()
    return (f"{seen.file}:{seen.line}" if seen.line else seen.file,)


def _joined(entry: Entry, seen: Seen) -> Entry:
    places = tuple(dict.fromkeys((*entry.places, *_places(seen))))
    first = entry.seen
    joined = replace(first, count=first.count + seen.count, example=first.example or seen.example)
    return replace(entry, seen=joined, places=places)


def _settled(found: list[Entry]) -> list[Entry]:
    """Correct guesses by each other: a message that only repeats what others tell is ignored."""
    certain = {(e.guess.routine, e.guess.constants.get("context_type")) for e in found if not e.guess.weak}
    silent = _silent_gets(found)
    out = []
    for entry in found:
        one = entry.guess
        told = (one.routine, one.constants.get("context_type")) in certain
        get = silent.get(one.constants.get("context_type"))
        if one.weak and one.routine == "ContextUse" and get is not None:
            doubts = (f"the success of {get}, which no other message tells",)
            constants = {what: value for what, value in one.constants.items() if what != "context_type"}
            got = replace(one, routine=get, tells="success", weak=False, doubts=doubts, constants=constants)
            out.append(replace(entry, guess=got))
        elif one.weak and (told or "context_type" not in one.constants or one.routine == "ContextUse"):
            out.append(replace(entry, ignore="; ".join(one.doubts) or "another message tells it"))
        else:
            out.append(entry)
    return out


def _silent_gets(found: list[Entry]) -> dict[object, str]:
    """Find the gets that are announced and whose context no message tells: context type -> routine."""
    gets = [each.guess for each in found if ROUTINES[each.guess.routine].effect is Effect.GET]
    told = {one.routine for one in gets if "context" in one.arguments}
    announced = {one.routine for one in gets if one.tells == "intent"} - told
    return {TYPE_NAMES[ContextType(ROUTINES[name].context_type)].lower(): name for name in announced}


def _message(entry: Entry) -> str:
    """Write one ``[[message]]``."""
    seen, one = entry.seen, entry.guess
    lines = ["[[message]]"]
    if entry.places:
        lines.append(f"# {_comment(', '.join(entry.places))}")
    if seen.count:
        lines.append(f"# {seen.count:,} in the capture, as: {_comment(seen.example)}")
    lines.append(f"text = {_quoted(seen.text)}" if seen.text else f"event = {_quoted(seen.event)}")
    if entry.ignore:
        lines.append(f"# guess: {one.routine}? {_comment(entry.ignore)}")
        return "\n".join([*lines, "ignore = true", ""])
    lines += [f"# guess: {_comment(doubt)}" for doubt in one.doubts]
    lines.append(f"routine = {_quoted(one.routine)}")
    if one.tells != "result":
        lines.append(f"tells = {_quoted(one.tells)}")
    for what in _ORDER:
        if what in one.arguments:
            lines.append(f"{what} = {_argument(seen, one.arguments[what])}")
    if one.replace_flag and "operation" in one.arguments:
        lines.append('operation_is = "replace_if_exists"')
    lines += _tables(seen, one)
    return "\n".join([*lines, ""])


def _tables(seen: Seen, one: Guess) -> list[str]:
    lines = []
    constants = {what: value for what, value in one.constants.items() if what not in one.arguments}
    if constants:
        lines.append(f"constant = {_inline(constants)}")
    if one.when:
        lines.append(f"when = {_inline({_key_of(seen, number): v for number, v in one.when.items()})}")
    if one.first:
        lines.append(f"pointer = {_inline({'first': one.first})}")
    return lines


def _argument(seen: Seen, number: int) -> str:
    return str(number) if seen.text else _quoted(seen.fields[number - 1])


def _key_of(seen: Seen, number: int) -> str:
    return str(number) if seen.text else _quoted(seen.fields[number - 1])


def _inline(values: Mapping[str, str | int]) -> str:
    return (
        "{ " + ", ".join(f"{k} = {v if isinstance(v, int) else _quoted(v)}" for k, v in values.items()) + " }"
    )


def _comment(text: str) -> str:
    """Make text of a capture one line that TOML allows in a comment."""
    line = " ".join(text.split())[:160]
    return "".join(c if c.isprintable() else "?" for c in line)


def _quoted(text: str) -> str:
    """Write a basic string of TOML."""
    return '"' + "".join(map(_escaped, text)) + '"'


def _escaped(character: str) -> str:
    short = {"\n": "\\n", "\t": "\\t", "\r": "\\r", '"': '\\"', "\\": "\\\\"}
    if character in short:
        return short[character]
    if character.isprintable():
        return character
    code = ord(character)
    if 0xD800 <= code <= 0xDFFF:
        # Half of a surrogate pair: TOML has no way to write it.
        return "?"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
