"""The seam between the driver's run and what it is written as: what a form makes of a call site."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from tracecheck.simulate.machine import Thread
    from tracecheck.simulate.sites import Site


class Style(NamedTuple):
    """What the writer logs and how.

    Attributes:
        pointer_size: 4 or 8.
        begin: Log when a call started.
        sequence: Number the events.
        lean: Leave out fields that only tell where a call ran.
        wide: Write text as UTF-16.
        relay: Another program writes the events later: each says when and where the call was.
        races: A thread may be interrupted between drawing its number and writing the event.
    """

    pointer_size: int = 8
    begin: bool = True
    sequence: bool = True
    lean: bool = False
    wide: bool = False
    relay: bool = False
    races: bool = False


class Shape:
    """What all events of one call site have in common.

    Args:
        site: The call site.
        pack: Makes the payload of what changes from event to event, one argument each.
        put: Writes an event: who, at which tick, its payload, its number.
        tail: The rest of the payload.

    Attributes:
        begin: Whether the call's start is logged.
        driver: The driver's name.
        silent: Whether this site logs nothing at all.
    """

    __slots__ = ("begin", "driver", "pack", "put", "silent", "site", "tail")

    def __init__(
        self,
        site: Site,
        pack: Callable[..., bytes],
        put: Callable[[Thread, int, bytes, int], None],
        tail: bytes = b"",
    ) -> None:
        self.site = site
        self.pack = pack
        self.put = put
        self.tail = tail
        self.begin = False
        self.driver = ""
        self.silent = False


class Form(Protocol):
    """What a run is written as."""

    def shape(self, site: Site, driver: str, varying: Sequence[str], fixed: Mapping[str, int | str]) -> Shape:
        """Settle what events of a call site look like.

        Args:
            site: The call site; its routine is the canonical event's name.
            driver: The driver's name.
            varying: The canonical fields that change from event to event, in the order in which
                ``Shape.pack`` takes them.
            fixed: The canonical fields that all events of the site share, and their values.
        """
        ...

    def beside(self) -> str:
        """Give the text of the file that a reader needs beside the capture, "" for none."""
        ...


class Output(Protocol):
    """What a form writes to: a log file that grows in memory."""

    def lose_events(self, cpu: int, count: int) -> None:
        """Count events as lost."""
        ...

    def lose_buffer(self, cpu: int) -> int:
        """Drop the buffer of ``cpu`` whole, and give how many records went with it."""
        ...

    def flush(self, cpu: int | None = None) -> None:
        """End the buffer of ``cpu``."""
        ...

    def to_bytes(self) -> bytes:
        """Give the file's bytes."""
        ...

    def write(self, path: Path | str) -> None:
        """Write the file at ``path``."""
        ...
