"""Which records are shown: by their headers, before anything is decoded; and by their text, after that."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

import numpy as np

from tracecheck.etl.columns import NO_ID
from tracecheck.etl.layout import Kind
from tracecheck.reporters.events.guids import provider_codes
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
    codes, guids = provider_codes(chunk)
    # Of kernel records the group and the opcode stand for the provider.
    opcode = chunk.column("group").astype(np.int64) << 8 | chunk.column("opcode")
    key = np.where(np.isin(kind, KERNEL), -1 - opcode, codes << 8 | kind)
    keys, places = np.unique(key, return_inverse=True)
    matches = [_is_wanted(each, guids, decoders, wanted) for each in keys.tolist()]
    return np.array(matches, np.bool_)[places]


def _is_wanted(key: int, guids: list[bytes], decoders: Decoders, wanted: tuple[str, ...]) -> bool:
    if key < 0:
        return kernel_event(-1 - key >> 8, -1 - key & 0xFF).lower().startswith(wanted)
    guid = guids[key >> 8]
    if str(UUID(bytes_le=guid)).startswith(wanted):
        return True
    name = decoders.name_of(guid, key & 0xFF)
    return name is not None and name.lower().startswith(wanted)


def _levels(chunk: Chunk, decoders: Decoders) -> NDArray[np.uint8]:
    """Give the level of each record, of a WPP message that of its definition."""
    levels: NDArray[np.uint8] = chunk.column("level")
    told = decoders.message_levels(chunk)
    if not told:
        return levels
    levels = levels.copy()
    codes, guids = provider_codes(chunk)
    keys, places = np.unique(codes << 16 | chunk.column("id"), return_inverse=True)
    said = np.array([told.get((UUID(bytes_le=guids[key >> 16]), key & 0xFFFF), -1) for key in keys.tolist()])
    of_message = np.where(chunk.column("kind") == Kind.WPP_MESSAGE, said[places], -1)
    levels[of_message >= 0] = of_message[of_message >= 0]
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
