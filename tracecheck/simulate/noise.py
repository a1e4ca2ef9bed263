"""Other providers' events: what else a real session holds between the driver's."""

from __future__ import annotations

import struct
import uuid
from typing import TYPE_CHECKING

from tracecheck.etl.layout import (
    MESSAGE_GUID,
    MESSAGE_POINTER32,
    MESSAGE_POINTER64,
    MESSAGE_SYSTEMINFO,
    MESSAGE_TIMESTAMP,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tracecheck.etl.writer import LogWriter
    from tracecheck.simulate.forms import TextForm
    from tracecheck.simulate.machine import Thread

_FILTER_MANAGER = uuid.UUID("f3c5e28e-63f6-49c7-a204-e48a1bc4b09d")
_MESSAGES = uuid.UUID("3f1c6a2d-8b47-4d19-9c55-6e0b7a21d4f8")
_THREAD_GROUP = 5
_CSWITCH = 36
_POOL_GROUP = 0xE
_POOL_ALLOC = 0x20
_CHANCE = 0.4


class Noise:
    """Writes a few records of other providers now and then.

    Args:
        kinds: What writes one record each.
        draw: Gives floats in [0, 1).
    """

    def __init__(self, kinds: Sequence[Callable[[Thread, int], None]], draw: Callable[[], float]) -> None:
        self._draw = draw
        self._kinds = kinds

    def write(self, thread: Thread, tick: int) -> int:
        """Write what lies before an event of ``thread`` at ``tick``; give how many records that is."""
        count = 0
        while self._draw() < _CHANCE:
            self._kinds[int(self._draw() * len(self._kinds))](thread, tick)
            count += 1
        return count


def text_noise(form: TextForm, draw: Callable[[], float]) -> Noise:
    """Make what writes the lines of other components into a text log."""
    return Noise([lambda thread, tick: form.other(thread, tick, draw)], draw)


class EventNoise(Noise):
    """Other providers' events in an .etl file.

    Args:
        writer: Makes the file.
        draw: Gives floats in [0, 1).
        pointer_size: 4 or 8.
    """

    def __init__(self, writer: LogWriter, draw: Callable[[], float], pointer_size: int) -> None:
        super().__init__((self._switch, self._pool, self._manifest, self._message), draw)
        self._writer = writer
        self._pointer_size = pointer_size
        width = MESSAGE_POINTER64 if pointer_size == 8 else MESSAGE_POINTER32
        self._options = MESSAGE_GUID | MESSAGE_TIMESTAMP | MESSAGE_SYSTEMINFO | width

    def _switch(self, thread: Thread, tick: int) -> None:
        payload = struct.pack("<II16x", thread.tid, int(self._draw() * 5000) * 4)
        self._writer.perfinfo(thread.cpu, tick, group=_THREAD_GROUP, opcode=_CSWITCH, payload=payload)

    def _pool(self, thread: Thread, tick: int) -> None:
        code = "Q" if self._pointer_size == 8 else "I"
        size = 16 + int(self._draw() * 500)
        payload = struct.pack(f"<I4s{code}{code}", 0x200, b"File", size, 0x1000 * size)
        self._writer.compact(
            thread.cpu,
            tick,
            group=_POOL_GROUP,
            opcode=_POOL_ALLOC,
            pid=thread.pid,
            tid=thread.tid,
            payload=payload,
        )

    def _manifest(self, thread: Thread, tick: int) -> None:
        payload = struct.pack("<IHH", 0, 10, 0) + "Other\0".encode("utf-16-le")
        self._writer.event(
            thread.cpu,
            tick,
            pid=thread.pid,
            tid=thread.tid,
            provider=_FILTER_MANAGER,
            id=6,
            channel=8,
            payload=payload,
        )

    def _message(self, thread: Thread, tick: int) -> None:
        self._writer.message(
            thread.cpu,
            tick,
            guid=_MESSAGES,
            number=10 + int(self._draw() * 20),
            options=self._options,
            pid=thread.pid,
            tid=thread.tid,
            payload=struct.pack("<Q", int(self._draw() * 2**32)),
        )
