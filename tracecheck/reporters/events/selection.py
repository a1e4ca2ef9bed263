"""Which records are shown: by their headers, before anything is decoded; and by their text, after that."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

import numpy as np

from tracecheck.etl.columns import NO_ID
from tracecheck.etl.layout import Kind
from tracecheck.reporters.events.page import KERNEL
from tracecheck.reporters.names import kernel_event

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tracecheck.etl import Chunk
    from tracecheck.reporters.events.decoders import Decoders

    Ints = NDArray[np.int64]
    Mask = NDArray[np.bool_]

_EVENT_KINDS = (Kind.EVENT32, Kind.EVENT64, Kind.WPP_MESSAGE)


@dataclass(frozen=True, slots=True)
class Selection:
    """What a record must be to be shown; all that is given must hold.

    Attributes:
        providers: GUIDs, or beginnings of GUIDs or of names; one of them. Kernel records are found by the
            beginnings of their names (``Process``, ``FileIo/32``).
        ids: Event ids and message numbers, of classic and kernel events opcodes; one of these ranges.
        pids: One of these processes.
        tids: One of these threads.
        level: At most this; records without a level (0) are shown.
        first: Not before this time; nanoseconds since 1970.
        last: Not after it.
    """

    providers: tuple[str, ...] = ()
    ids: tuple[range, ...] = ()
    pids: tuple[int, ...] = ()
    tids: tuple[int, ...] = ()
    level: int | None = None
    first: int | None = None
    last: int | None = None

    def rows(self, chunk: Chunk, decoders: Decoders) -> Ints:
        """Find the records of a chunk that are shown.

        Args:
            chunk: The records.
            decoders: Knows the names of providers and the levels of messages.

        Returns:
            Their rows, ascending.
        """
        keep = np.ones(len(chunk.records), np.bool_)
        time = chunk.column("time")
        if self.first is not None:
            keep &= time >= self.first
        if self.last is not None:
            keep &= time <= self.last
        for name, wanted in (("pid", self.pids), ("tid", self.tids)):
            if wanted:
                values = chunk.column(name)
                keep &= np.isin(values, wanted) & (values != NO_ID)
        if self.ids and keep.any():
            keep &= self._by_id(chunk)
        if self.providers and keep.any():
            keep &= _by_provider(chunk, decoders, tuple(each.lower() for each in self.providers))
        if self.level is not None and keep.any():
            keep &= _levels(chunk, decoders) <= self.level
        return np.flatnonzero(keep)

    def _by_id(self, chunk: Chunk) -> Mask:
        has_id = np.isin(chunk.column("kind"), _EVENT_KINDS)
        number = np.where(has_id, chunk.column("id"), chunk.column("opcode"))
        keep = np.zeros(number.size, np.bool_)
        for each in self.ids:
            keep |= (number >= each.start) & (number < each.stop)
        return keep


def _by_provider(chunk: Chunk, decoders: Decoders, wanted: tuple[str, ...]) -> Mask:
    decoders.learn_names(chunk)
    kind = chunk.column("kind")
    is_kernel = np.isin(kind, KERNEL)
    columns = [np.where(is_kernel, 0, kind).astype(np.uint64), *chunk.column("provider").T]
    # Of kernel records the group and the opcode stand for the provider.
    columns[1] = np.where(
        is_kernel, chunk.column("group").astype(np.uint64) << 8 | chunk.column("opcode"), columns[1]
    )
    keys, codes = np.unique(np.column_stack(columns), axis=0, return_inverse=True)
    matches = np.array([_is_wanted(key, decoders, wanted) for key in keys], np.bool_)
    return matches[codes.reshape(-1)]


def _is_wanted(key: NDArray[np.uint64], decoders: Decoders, wanted: tuple[str, ...]) -> bool:
    if not key[0]:
        return kernel_event(int(key[1]) >> 8, int(key[1]) & 0xFF).lower().startswith(wanted)
    guid = key[1:].tobytes()
    if str(UUID(bytes_le=guid)).startswith(wanted):
        return True
    name = decoders.name_of(guid, int(key[0]))
    return name is not None and name.lower().startswith(wanted)


def _levels(chunk: Chunk, decoders: Decoders) -> NDArray[np.uint8]:
    """Give the level of each record, of a WPP message that of its definition."""
    levels: NDArray[np.uint8] = chunk.column("level")
    told = decoders.message_levels(chunk)
    if not told:
        return levels
    levels = levels.copy()
    is_message = chunk.column("kind") == Kind.WPP_MESSAGE
    provider, number = chunk.column("provider"), chunk.column("id")
    for (guid, message), level in told.items():
        words = np.frombuffer(guid.bytes_le, "<u8")
        levels[is_message & (number == message) & (provider == words).all(axis=1)] = level
    return levels


class Grep:
    """A text to look for: case does not matter, ``*`` stands for any text; the time it takes is linear.

    Args:
        wanted: The text.
    """

    def __init__(self, wanted: str) -> None:
        self._parts = [part for part in wanted.lower().split("*") if part]

    def __contains__(self, text: str) -> bool:
        text = text.lower()
        at = 0
        for part in self._parts:
            at = text.find(part, at)
            if at < 0:
                return False
            at += len(part)
        return True
