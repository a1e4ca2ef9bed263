"""What a TMF file or a PDB says of one WPP message."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from uuid import UUID


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
    enums: tuple[tuple[str, tuple[tuple[str, int], ...]], ...] = ()
