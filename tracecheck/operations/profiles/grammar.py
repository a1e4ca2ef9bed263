"""What a profile says, once it is read: which messages of a driver mean which operations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from types import MappingProxyType
from typing import TYPE_CHECKING

from tracecheck.fltmgr import TYPE_NAMES

if TYPE_CHECKING:
    from uuid import UUID

    from tracecheck.operations.profiles.formats import Format

#: The version of the grammar.
VERSION = 1


class Tells(IntEnum):
    """What of a call a message tells."""

    RESULT = 0
    INTENT = 1
    FAILURE = 2
    SUCCESS = 3


#: Arguments of a message that are addresses.
POINTERS = (
    "context",
    "old_context",
    "object",
    "file_object",
    "stream",
    "instance",
    "volume",
    "transaction",
    "filter",
    "owner_id",
    "instance_id",
    "free_callback",
)
#: Arguments that are other numbers.
NUMBERS = (
    "status",
    "context_type",
    "operation",
    "size",
    "pool",
    "pool_tag",
    "irql",
    "major",
    "phase",
    "begin",
    "sequence",
    "old_requested",
    "paging_file",
)
#: Arguments that stand for the record's own where a relay writes the messages of others.
RELAYED = ("time", "pid", "tid", "cpu")
#: Arguments that make the call site; ``line`` is a number.
PLACES = ("function", "site", "file", "line")
#: Members of FLT_RELATED_CONTEXTS, and the context type of each.
MEMBERS = {
    f"{'stream_handle' if name == 'StreamHandle' else name.lower()}_context": int(kind)
    for kind, name in TYPE_NAMES.items()
}
#: Every argument that a message can have.
ARGUMENTS = (*POINTERS, *NUMBERS, *RELAYED, *PLACES, *MEMBERS)
#: What a later line can be joined to an intent by, besides the thread.
JOINS = ("object", "file_object", "stream", "instance", "volume", "transaction", "context")
#: What it is joined by where the profile does not say.
DEFAULT_JOINS = ("object", "file_object", "instance")
#: A failure that comes later than this, nanoseconds, is not of an intent.
DEFAULT_WITHIN = 1_000_000_000

#: An argument: its number from 1, or its name.
Argument = int | str


@dataclass(frozen=True)
class Condition:
    """What an argument must be for a message to mean its operation.

    Attributes:
        argument: The argument.
        value: "true", "false", a number or a text.
        negated: Whether it must not be that.
    """

    argument: Argument
    value: str
    negated: bool = False


@dataclass(frozen=True)
class Message:
    """One ``[[message]]`` of a profile.

    Attributes:
        number: Its place in the profile, from 1.
        text: The printf format that selects it, as given; or "".
        format: The same, read; None where ``event`` selects.
        event: The event that selects it, "Name", "Provider/Name" or "Provider/17"; or "".
        wpp: Message GUID and number that it must have; None for any.
        file: The source file that it must come from, or the name of an argument; "" for any.
        line: The source line that it must come from; None for any.
        function: The function that it must come from, or the name of an argument; "" for any.
        provider: The name or GUID of the provider that it must come from; "" for any.
        routine: What the driver called; "" where the message is ignored.
        ignore: Whether it means nothing.
        tells: What of the call it tells.
        arguments: Argument by what it is (:data:`ARGUMENTS`).
        constants: Value by what it is.
        when: What must hold for it to mean this.
        replace_flag: Whether ``operation`` is a boolean that asks to replace.
        by: What joins an intent to its failure, besides the thread.
        within: How late that may come, nanoseconds.
        pointer_of: The routine whose next line on the thread names the context; "" for none.
    """

    number: int
    text: str = ""
    format: Format | None = None
    event: str = ""
    wpp: tuple[UUID, int] | None = None
    file: str = ""
    line: int | None = None
    function: str = ""
    provider: str = ""
    routine: str = ""
    ignore: bool = False
    tells: Tells = Tells.RESULT
    arguments: Mapping[str, Argument] = field(default_factory=lambda: MappingProxyType({}))
    constants: Mapping[str, int | str] = field(default_factory=lambda: MappingProxyType({}))
    when: tuple[Condition, ...] = ()
    replace_flag: bool = False
    by: tuple[str, ...] = DEFAULT_JOINS
    within: int = DEFAULT_WITHIN
    pointer_of: str = ""


@dataclass(frozen=True)
class Covered:
    """The ``[coverage]`` of a profile: what the driver logs of its calls of each routine.

    Attributes:
        complete: Routines of which it logs every call.
        partial: Routines of which it logs some.
        silent: Routines of which it logs none, though it calls them.
        note: Where the gaps are, in the author's words.
    """

    complete: frozenset[str] = frozenset()
    partial: frozenset[str] = frozenset()
    silent: frozenset[str] = frozenset()
    note: str = ""


@dataclass(frozen=True)
class Profile:
    """A profile.

    Attributes:
        name: Its short name.
        title: What it is of.
        path: Where it was read, for messages to the user.
        messages: Its messages in their order.
        driver: The driver's file name; "" where it is not given.
        filter: The filter that rows without one belong to; 0 for none.
        coverage: What the driver logs; None where the profile does not say.
    """

    name: str
    title: str
    path: str
    messages: tuple[Message, ...]
    driver: str = ""
    filter: int = 0
    coverage: Covered | None = None

    def routines(self) -> frozenset[str]:
        """Name the routines that its messages tell of."""
        return frozenset(message.routine for message in self.messages if not message.ignore)
