"""Manifests that EventSource providers write into the trace itself.

Source: Microsoft's open EventSource (ManifestEnvelope). An event 0xFFFE of the provider carries u8 format
(1), u8 major and minor version, u8 magic (0x5B), u16 total chunks, u16 number of this chunk, then a part of
the manifest in UTF-8. Every process that has the provider writes the whole, at the start of the session, at
its end or both.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import UUID

from tracecheck.errors import InputError
from tracecheck.payload.manifest.xml import LARGEST, parse_manifest

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tracecheck.payload.manifest.definition import Provider

#: The id of the events that carry a manifest.
MANIFEST_ID = 0xFFFE

_FORMAT = 1
_MAGIC = 0x5B
_HEADER_SIZE = 8

# A chunk holds up to 64 KB: as many make more than the largest manifest that is read.
_MOST_CHUNKS = 256

# What all manifests of a trace may take together.
_MOST_BYTES = 2 * LARGEST


class EventSources:
    """Collects the parts of manifests while a trace is read.

    Attributes:
        problems: What could not be used, a line each; complete after :meth:`providers`.
    """

    def __init__(self) -> None:
        self.problems: list[str] = []
        self._left = _MOST_BYTES
        # By provider; then by version, number of chunks and process; then by chunk.
        self._parts: dict[bytes, dict[tuple[bytes, int, int], dict[int, bytes]]] = {}
        self._is_full = False

    def add(self, guid: bytes, pid: int, payload: bytes) -> None:
        """Take the payload of an event 0xFFFE.

        Args:
            guid: The provider's, in the byte order of the file.
            pid: The process that wrote it: chunks of one process belong together.
            payload: The event's user data; what is no part of a manifest is left aside.
        """
        if len(payload) < _HEADER_SIZE or payload[0] != _FORMAT or payload[3] != _MAGIC:
            return
        total, number = int.from_bytes(payload[4:6], "little"), int.from_bytes(payload[6:8], "little")
        if not number < total <= _MOST_CHUNKS:
            return
        if len(payload) > self._left:
            self._is_full = True
            return
        parts = self._parts.setdefault(guid, {}).setdefault((payload[1:3], total, pid), {})
        if number not in parts:
            self._left -= len(payload)
            parts[number] = payload[_HEADER_SIZE:]

    def providers(self) -> list[Provider]:
        """Parse what was collected: one provider for each GUID whose manifest is whole in some process.

        Where no process has all chunks, those of all processes are put together.
        """
        out = []
        if self._is_full:
            self.problems.append(
                f"the trace holds more than {_MOST_BYTES} bytes of manifests; the rest was left aside"
            )
        for guid, writers in self._parts.items():
            provider = self._provider(UUID(bytes_le=guid), writers)
            if provider is not None:
                out.append(provider)
        return out

    def _provider(
        self, guid: UUID, writers: dict[tuple[bytes, int, int], dict[int, bytes]]
    ) -> Provider | None:
        where = f"the manifest of provider {guid} in the trace"
        found: Provider | None = None
        whole = dict.fromkeys(_whole(writers))
        if not whole:
            self.problems.append(f"{where}: some of its parts are missing; its events stay undecoded")
        for raw in whole:
            try:
                parsed = parse_manifest(raw, where, "trace")
            except InputError as error:
                self.problems.append(str(error))
                continue
            self.problems += parsed.problems
            mine = parsed.providers[0]
            events = {**mine.events, **(found.events if found else {})}
            found = replace(mine, guid=guid, events=events)
        return found


def _whole(writers: dict[tuple[bytes, int, int], dict[int, bytes]]) -> Iterable[bytes]:
    """Give the manifests of which all chunks are there."""
    joined: dict[tuple[bytes, int], dict[int, bytes]] = {}
    is_found = False
    for (version, total, _), parts in writers.items():
        joined.setdefault((version, total), {}).update(parts)
        if len(parts) == total:
            is_found = True
            yield b"".join(parts[number] for number in range(total))
    for (_, total), parts in joined.items():
        if not is_found and len(parts) == total:
            yield b"".join(parts[number] for number in range(total))
