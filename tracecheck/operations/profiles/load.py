"""Reading profiles: TOML files that the user names, and those that come with the package.

Every mistake is one line that names the file, the message and what to do.
"""

from __future__ import annotations

import re
import tomllib
from contextlib import suppress
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn
from uuid import UUID

from tracecheck.errors import InputError, UsageError
from tracecheck.fltmgr import ROUTINES, Effect
from tracecheck.operations.profiles import values
from tracecheck.operations.profiles.formats import parse_printf
from tracecheck.operations.profiles.grammar import (
    ARGUMENTS,
    DEFAULT_JOINS,
    DEFAULT_WITHIN,
    JOINS,
    MEMBERS,
    PLACES,
    POINTERS,
    VERSION,
    Argument,
    Condition,
    Covered,
    Message,
    Profile,
    Tells,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_SHIPPED = Path(__file__).parent
#: A profile is written by a person; what is larger is something else.
_LARGEST = 1 << 22
_LONGEST_TEXT = 4096
# The time that the TOML library takes for dotted keys grows with the square of their length.
_LONGEST_LINE = 4 * _LONGEST_TEXT
_MOST_MESSAGES = 10_000
_LONGEST_PROBLEM = 1000

_TOP = ("profile", "name", "title", "driver", "filter", "coverage", "message")
_COVERAGE = ("complete", "partial", "silent", "note")
_OWN = (
    "text",
    "event",
    "wpp",
    "provider",
    "routine",
    "ignore",
    "tells",
    "operation_is",
    "constant",
    "when",
    "resolve",
    "pointer",
)
_ROUTINES = tuple(name for name, each in ROUTINES.items() if each.effect is not Effect.CAPTURE_START)
_TELLS = {each.name.lower(): each for each in Tells}
_SPANS = {"ns": 1, "us": 1_000, "ms": 1_000_000, "s": 1_000_000_000}
_SPAN = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)\s*(ns|us|ms|s)")
_NAME = re.compile(r"[\w.-]{1,64}")
_LISTED = 12
_FLAG = "replace_if_exists"


def shipped() -> dict[str, Path]:
    """Give the profiles that come with the package: file by name, sorted."""
    return {path.stem: path for path in sorted(_SHIPPED.glob("*.toml"))}


def load(name: str | Path) -> Profile:
    """Read a profile.

    Args:
        name: The name of one that comes with the package, or a file.

    Raises:
        UsageError: There is no such profile.
        InputError: The file cannot be read, or is not a profile.
    """
    known = shipped()
    path = known.get(str(name), Path(name))
    if str(name) not in known and not path.is_file():
        raise UsageError(
            f"{name}: no profile has this name and no file; there are {', '.join(known) or 'none'}"
        )
    try:
        with path.open("rb") as file:
            raw = file.read(_LARGEST + 1)
    except OSError as error:
        raise InputError(f"{name}: the profile can't be read: {error.strerror or error}") from error
    if len(raw) > _LARGEST:
        raise InputError(f"{name}: is larger than {_LARGEST >> 20} MB, which no profile is")
    try:
        return parse(raw.decode("utf-8"), str(name))
    except UnicodeDecodeError as error:
        raise InputError(f"{name}: is not text in UTF-8; save the profile as UTF-8") from error


def parse(text: str, path: str) -> Profile:
    """Read the text of a profile.

    Args:
        text: TOML.
        path: What messages call it.

    Raises:
        InputError: It is not a profile.
    """
    for number, line in enumerate(text.split("\n"), 1):
        if len(line) > _LONGEST_LINE:
            raise InputError(f"{path}: line {number} has more than {_LONGEST_LINE:,} characters; break it")
    try:
        table = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError, ValueError) as error:
        what = " ".join(str(error).split())
        raise InputError(f"{path}: is not TOML: {what}") from error
    here = _Where(path)
    here.known(table, _TOP)
    if table.get("profile") != VERSION:
        here.wrong(f"begins with 'profile = {VERSION}', the version of the grammar")
    name = here.text(table, "name")
    if not _NAME.fullmatch(name):
        here.wrong('needs a name of letters, digits, dots and dashes: name = "mydriver"')
    entries = table.get("message", [])
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        here.wrong("messages are written as tables, each under [[message]]")
    if len(entries) > _MOST_MESSAGES:
        here.wrong(f"has more than {_MOST_MESSAGES:,} messages")
    messages = tuple(_message(_Where(path, n), n, entry) for n, entry in enumerate(entries, 1))
    coverage = _coverage(_Where(path, part="[coverage]"), table["coverage"]) if "coverage" in table else None
    filter_ = _constant(here, "filter", table["filter"]) if "filter" in table else 0
    title, driver = here.text(table, "title") or name, here.text(table, "driver")
    return Profile(name, title, path, messages, driver, int(filter_), coverage)


class _Where:
    """A place in a profile, and what is wrong there."""

    def __init__(self, path: str, number: int = 0, part: str = "") -> None:
        self._place = f"{path}: " + (f"message {number}: " if number else f"{part}: " if part else "")

    def wrong(self, what: str) -> NoReturn:
        shown = what if len(what) <= _LONGEST_PROBLEM else f"{what[:_LONGEST_PROBLEM]}..."
        raise InputError(f"{self._place}{shown}")

    def known(self, table: Mapping[str, Any], keys: Iterable[str], of: str = "") -> None:
        """Refuse keys that the grammar does not have."""
        keys = tuple(keys)
        for key in table:
            if key not in keys:
                self.wrong(f"{of}unknown key '{key}'{_meant(key, keys)}")

    def text(self, table: Mapping[str, Any], key: str) -> str:
        value = table.get(key, "")
        if not isinstance(value, str):
            self.wrong(f"'{key}' is a text in quotes")
        return str(value)

    def table(self, table: Mapping[str, Any], key: str) -> dict[str, Any]:
        value = table.get(key, {})
        if not isinstance(value, dict):
            self.wrong(f"'{key}' is a table, written under [message.{key}]")
        return dict(value)

    def flag(self, table: Mapping[str, Any], key: str) -> bool:
        value = table.get(key, False)
        if not isinstance(value, bool):
            self.wrong(f"'{key}' is true or false")
        return bool(value)

    def routine(self, name: object, what: str = "routine") -> str:
        if not isinstance(name, str) or name not in _ROUTINES:
            self.wrong(f"{what} '{name}' is none that is known{_meant(str(name), _ROUTINES)}")
        return str(name)


def _meant(given: str, known: Iterable[str]) -> str:
    names = list(known)
    close = get_close_matches(given, names, 1)
    if close:
        return f"; is '{close[0]}' meant?"
    return f"; known are {', '.join(names)}" if len(names) <= _LISTED else "; see docs/profiles.md"


def _message(here: _Where, number: int, entry: dict[str, Any]) -> Message:
    """Read one message."""
    here.known(entry, (*_OWN, *ARGUMENTS))
    text, event = here.text(entry, "text"), here.text(entry, "event")
    if bool(text) == bool(event):
        here.wrong("needs exactly one of 'text' (a printf format) and 'event' (an event's name)")
    if len(text) > _LONGEST_TEXT:
        here.wrong(f"'text' is longer than {_LONGEST_TEXT} characters")
    form = parse_printf(text) if text else None
    if form is not None and not any(literal.strip() for literal in form.literals):
        here.wrong("'text' has no word of its own: it would match any message")
    ignore = here.flag(entry, "ignore")
    if ignore == ("routine" in entry):
        here.wrong("needs either 'routine' or 'ignore = true'")
    most = None if form is None else len(form.conversions)
    file, line, function, arguments = _arguments(here, entry, most)
    constants = {
        key: _constant(here, key, value, in_table=True)
        for key, value in here.table(entry, "constant").items()
    }
    twice = sorted(set(arguments) & set(constants))
    if twice:
        here.wrong(f"'{twice[0]}' is given twice, as an argument and as a constant: keep one")
    if entry.get("operation_is", _FLAG) != _FLAG:
        here.wrong(f"'operation_is' can only be \"{_FLAG}\"")
    routine = "" if ignore else here.routine(entry["routine"])
    _check_members(here, routine, (*arguments, *constants))
    by, within = _resolve(here, here.table(entry, "resolve"))
    return Message(
        number,
        text,
        form,
        event,
        _wpp(here, entry.get("wpp")),
        file,
        line,
        function,
        here.text(entry, "provider"),
        routine,
        ignore,
        _tells(here, entry.get("tells", "result")),
        arguments,
        constants,
        tuple(_condition(here, key, value, most) for key, value in here.table(entry, "when").items()),
        "operation_is" in entry,
        by,
        within,
        _pointer(here, here.table(entry, "pointer"), routine),
    )


def _arguments(
    here: _Where, entry: Mapping[str, Any], most: int | None
) -> tuple[str, int | None, str, dict[str, Argument]]:
    """Tell arguments from what narrows the choice of messages; both may be file, line and function.

    A text of ``file`` and ``function`` may be either, which the message's own arguments decide. ``line`` is
    the source's line beside the name of a file, or where the message has not so many arguments.
    """
    arguments: dict[str, Argument] = {}
    file, function = (entry[key] if isinstance(entry.get(key), str) else "" for key in ("file", "function"))
    line = None
    for key in ARGUMENTS:
        if key not in entry or (key in ("file", "function") and isinstance(entry[key], str)):
            continue
        value = entry[key]
        if key == "line" and isinstance(value, int) and (file or (most is not None and value > most)):
            line = value
            continue
        arguments[key] = _argument(here, key, value, most)
    return file, line, function, arguments


def _argument(here: _Where, key: str, value: object, most: int | None) -> Argument:
    if isinstance(value, str) and value:
        return value
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        here.wrong(
            f"'{key}' is an argument's number, from 1, or its name; constants stand in [message.constant]"
        )
    if most is not None and value > most:
        many = "1 conversion" if most == 1 else f"{most} conversions"
        here.wrong(f"'{key} = {value}', but the text has {many}")
    return value


def _constant(here: _Where, key: str, value: object, *, in_table: bool = False) -> int | str:
    """Read a constant: a number, or a text that means one."""
    if in_table and key not in ARGUMENTS:
        here.wrong(f"[message.constant]: unknown key '{key}'{_meant(key, ARGUMENTS)}")
    if key in PLACES and key != "line":
        if not isinstance(value, str):
            here.wrong(f"the constant '{key}' is a text in quotes")
        return str(value)
    if isinstance(value, bool | int) and -(1 << 63) <= value < 1 << 64:
        return int(value) & ((1 << 64) - 1)
    found = None
    if isinstance(value, str):
        reader = (
            values.pointer if key in POINTERS or key in MEMBERS else values.READERS.get(key, values.number)
        )
        found = reader(value)
    if found is None:
        here.wrong(f"the constant '{key}' can't be {value!r}")
    return found


def _check_members(here: _Where, routine: str, keys: Iterable[str]) -> None:
    many = routine in ROUTINES and ROUTINES[routine].effect in (Effect.GET_MANY, Effect.RELEASE_MANY)
    for key in keys:
        if key in MEMBERS and not many:
            here.wrong(f"'{key}' is a member of FltGetContexts and FltReleaseContexts alone: use 'context'")


def _tells(here: _Where, value: object) -> Tells:
    if value not in _TELLS:
        here.wrong(f"'tells' is one of {', '.join(_TELLS)}")
    return _TELLS[str(value)]


def _wpp(here: _Where, value: object) -> tuple[UUID, int] | None:
    if value is None:
        return None
    if isinstance(value, list) and len(value) == 2 and isinstance(value[1], int):
        with suppress(ValueError):
            return UUID(str(value[0])), value[1]
    return here.wrong("'wpp' is the message GUID and the message number: wpp = [\"…\", 17]")


def _condition(here: _Where, key: str, value: object, most: int | None) -> Condition:
    argument = _argument(here, "when", int(key) if key.isdecimal() else key, most)
    if isinstance(value, bool):
        return Condition(argument, str(value).lower())
    if not isinstance(value, str | int):
        here.wrong("[message.when]: a value is a text or a number")
    text = str(value)
    return Condition(argument, text.removeprefix("!"), text.startswith("!"))


def _resolve(here: _Where, table: dict[str, Any]) -> tuple[tuple[str, ...], int]:
    """Read how an intent is joined to what came of it."""
    here.known(table, ("by", "within"), "[message.resolve]: ")
    within = DEFAULT_WITHIN
    if "within" in table:
        match = _SPAN.fullmatch(str(table["within"]))
        if match is None:
            here.wrong('[message.resolve]: \'within\' is a time such as "1s" or "20ms"')
        else:
            within = int(float(match[1]) * _SPANS[match[2]])
    if "by" not in table:
        return DEFAULT_JOINS, within
    joins = ("thread", *JOINS)
    by = table["by"]
    if not isinstance(by, list) or not all(each in joins for each in by):
        here.wrong(f"[message.resolve]: 'by' is a list of {', '.join(joins)}")
    return tuple(each for each in by if each != "thread"), within


def _pointer(here: _Where, table: dict[str, Any], routine: str) -> str:
    here.known(table, ("first",), "[message.pointer]: ")
    if not table:
        return ""
    if routine != "FltAllocateContext":
        here.wrong("[message.pointer] is for FltAllocateContext, whose line does not name the context")
    return here.routine(table.get("first"), "[message.pointer] first =")


def _coverage(here: _Where, table: object) -> Covered:
    if not isinstance(table, dict):
        here.wrong("is a table")
    here.known(table, _COVERAGE)
    lists: dict[str, frozenset[str]] = {}
    for key in _COVERAGE[:3]:
        names = table.get(key, [])
        if not isinstance(names, list):
            here.wrong(f"'{key}' is a list of routines")
        lists[key] = frozenset(here.routine(name, key) for name in names)
    for a, b in (("complete", "partial"), ("complete", "silent"), ("partial", "silent")):
        both = sorted(lists[a] & lists[b])
        if both:
            here.wrong(f"{both[0]} is in '{a}' and in '{b}': keep one")
    return Covered(**lists, note=here.text(table, "note"))
