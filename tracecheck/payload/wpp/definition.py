"""What a TMF file or a PDB says of one WPP message."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from uuid import UUID


#: As many arguments of a message are read: a macro call of C has no more (C11 5.2.4.1).
MOST_ITEMS = 127


class Members(tuple[tuple[str, int], ...]):
    """The members of an enum, (name, value) each; many messages share one."""

    @cached_property
    def names(self) -> dict[int, str]:
        """The first name of each value; values are those of 32 bits that a payload has."""
        names: dict[int, str] = {}
        for name, value in self:
            names.setdefault(value & 0xFFFFFFFF, name)
        return names

    @cached_property
    def flags(self) -> list[tuple[int, str]]:
        """The values that have bits, ascending, with their names: what a value may be a combination of."""
        return sorted((value, name) for value, name in self.names.items() if value)[:_MOST_FLAGS]

    @cached_property
    def digest(self) -> int:
        """A number that differs where members do, in this process."""
        # Of numbers alone, -1 and -2 would have one.
        return hash(repr(self))


# 32 bits have few names; what has more is no set of flags, and each value would be held against all.
_MOST_FLAGS = 1024


@dataclass(frozen=True, slots=True)
class Item:
    """One argument of a message.

    Attributes:
        number: Its number in the format string, from 10 up.
        expression: The driver's source text of the argument, as the TMF has it.
        type: The item type without what follows in parentheses ("ItemPtr", "ItemListLong").
        values: The names in parentheses of a list or a set; of ItemEnum and ItemFlagsEnum the one name of
            their ``#enumv``; else empty.
    """

    number: int
    expression: str
    type: str
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Definition:
    """One message, known in a trace by the GUID and the number.

    Attributes:
        guid: The message GUID (of a source file), not the control GUID of a provider.
        number: The message number.
        provider: The friendly name behind the GUID; the folder or the driver.
        symbol: The name of the ``#typev`` line: source file and line, as in ``create_c123``.
        file: The source file (SRC=), or what can be told of it from the symbol.
        line: The source line; None where the symbol has none.
        format: The format string as the TMF has it, without its quotes, ``%0`` at its start included.
        items: The arguments in the order in which they lie in the payload.
        function: FUNC= of the trailer; empty where there is none.
        level: LEVEL= of the trailer; empty where there is none.
        flags: FLAGS= or EVENT= of the trailer; empty where there is none.
        enums: The members of each ``#enumv`` that an item names: (enum, ((name, value), ...)).
    """

    guid: UUID
    number: int
    provider: str
    symbol: str
    file: str
    line: int | None
    format: str
    items: tuple[Item, ...] = ()
    function: str = ""
    level: str = ""
    flags: str = ""
    enums: tuple[tuple[str, Members], ...] = ()
