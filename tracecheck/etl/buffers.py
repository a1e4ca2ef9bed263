"""Cutting a file into buffers, and unpacking those that are compressed.

A file is read in chunks of a few megabytes; a chunk is a whole number of buffers. What does not look like
a buffer is stepped over: the next place where one may begin is tried, to the end of the file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from tracecheck.etl.layout import BUFFER_COMPRESSED, BUFFER_HEADER_SIZE, BUFFER_PROC_INDEX
from tracecheck.etl.lzxpress import CorruptDataError, decompress

#: ETW's own limit; a buffer that claims to be larger than this is not believed.
LARGEST_BUFFER = 1 << 24
# Real buffers are packed to a thirteenth at best: more than this is a claim that would cost hours.
_MOST_UNPACKED = 256
# How many places a look at the shape of headers takes at once.
_PIECE = 1 << 20
# How many buffers of one size are looked for at first.
_FIRST_RUN = 64
_KNOWN_FLAGS = 0x7F
_LAST_TYPE = 7

BUFFER = np.dtype(
    {
        "names": ["size", "tick", "sequence", "processor", "cpu_index", "logger", "used", "flags", "type"],
        "formats": ["<u4", "<i8", "<i8", "u1", "<u2", "<u2", "<u4", "<u2", "<u2"],
        "offsets": [0x00, 0x10, 0x18, 0x28, 0x28, 0x2A, 0x30, 0x34, 0x36],
        "itemsize": BUFFER_HEADER_SIZE,
    }
)


@dataclass(frozen=True, eq=False)
class Buffers:
    """Some consecutive buffers of a file, unpacked.

    Attributes:
        data: The bytes of all of them; the length is a multiple of 8.
        start: Where each begins in data, a multiple of 8; int64.
        end: Where its used part ends in data; int64.
        position: Where each begins in the file; uint64.
        header: The buffer headers; dtype :data:`BUFFER`.
    """

    data: NDArray[np.uint8]
    start: NDArray[np.int64]
    end: NDArray[np.int64]
    position: NDArray[np.uint64]
    header: NDArray[np.void]

    @cached_property
    def cpu(self) -> NDArray[np.uint16]:
        """Tell which processor wrote each buffer."""
        indexed = (self.header["flags"] & BUFFER_PROC_INDEX) != 0
        return np.where(indexed, self.header["cpu_index"], self.header["processor"]).astype(np.uint16)


@dataclass(frozen=True)
class Damage:
    """A part of the file that could not be read.

    Attributes:
        position: Where it begins in the file.
        size: How many bytes of the file it is.
        reason: What is wrong with it.
    """

    position: int
    size: int
    reason: str


def read_buffers(
    file: BinaryIO, size: int, chunk: int, damage: list[Damage], usual: int = LARGEST_BUFFER
) -> Iterator[Buffers]:
    """Read all buffers of a file, chunk by chunk.

    Args:
        file: The file, at its beginning.
        size: How long it is, in bytes.
        chunk: About how many bytes of unpacked buffers to give at once.
        damage: Gets an element for each part that could not be read.
        usual: How large a buffer of the log is at most; a larger one must lead to another, or to the end.
    """

    def leads(to: int) -> bool:
        """Tell whether the file ends at a place behind the position, or has a buffer header there."""
        at = position + to
        file.seek(at)
        head = file.read(BUFFER_HEADER_SIZE)
        return at == size or (
            len(head) == BUFFER_HEADER_SIZE and bool(_plausible(np.frombuffer(head, BUFFER))[0])
        )

    position, nominal, want = 0, 0, chunk
    while position < size:
        have = min(want, size - position)
        if have < BUFFER_HEADER_SIZE:
            damage.append(Damage(position, have, "too short for a buffer header"))
            return
        block = _window(file, position, have)
        first = _stored_size(block, 0)
        offsets = _chain(block, have, position + have == size, usual, leads)
        if len(offsets):
            nominal = nominal or first
            last = int(offsets[-1])
            step = last + _stored_size(block, last)
            yield from _unpack(block, have, offsets, position, chunk, damage)
            position, want = position + step, chunk
        elif want < first <= min(LARGEST_BUFFER, size - position) and (first <= usual or leads(first)):
            want = first
        else:
            skip = _next_buffer(block, have, position, nominal)
            damage.append(Damage(position, skip, "no buffer header"))
            position, want = position + skip, chunk


def _window(file: BinaryIO, position: int, size: int) -> NDArray[np.uint8]:
    """Read a part of a file; a map would end the process where the file is cut while it is read.

    Returns:
        The bytes, padded to a multiple of 8; zeros where the file has become shorter.
    """
    block = np.empty(size + 7 & ~7, np.uint8)
    file.seek(position)
    at = 0
    while at < size and (got := file.readinto(block[at:size].data)):  # type: ignore[attr-defined]
        at += got
    block[at:] = 0
    return block


def _stored_size(block: NDArray[np.uint8], at: int) -> int:
    """Read the BufferSize of the buffer header at an offset."""
    return int.from_bytes(block[at : at + 4].tobytes(), "little")


def _plausible(header: NDArray[np.void]) -> NDArray[np.bool_]:
    """Tell which buffer headers can be what they say."""
    size = header["size"]
    return np.asarray(
        (size >= BUFFER_HEADER_SIZE)
        & (size <= LARGEST_BUFFER)
        & (header["used"] <= LARGEST_BUFFER)
        & (header["flags"] <= _KNOWN_FLAGS)
        & (header["type"] <= _LAST_TYPE)
    )


def _chain(
    block: NDArray[np.uint8], have: int, at_end: bool, usual: int, leads: Callable[[int], bool]
) -> NDArray[np.int64]:
    """Follow the buffers' sizes from the start of a block.

    Args:
        block: Bytes of the file, from where a buffer should begin.
        have: How many of them are the file's.
        at_end: Whether the file ends with them: then a last buffer that is cut short counts too.
        usual: How large a buffer is at most that need not lead to another one.
        leads: Tells whether it is the file's end or a buffer header that lies at an offset.

    Returns:
        Where each whole buffer begins; runs of equal size are found in one step.
    """
    parts: list[NDArray[np.int64]] = []
    at, most = 0, _FIRST_RUN
    while at + BUFFER_HEADER_SIZE <= have:
        size = _stored_size(block, at)
        if not BUFFER_HEADER_SIZE <= size <= LARGEST_BUFFER or (size > usual and not leads(at + size)):
            break
        # Twice as many as were alike before: what is looked at stays in proportion to what is found.
        count = min((have - at) // size, most)
        if not count:
            if at_end and _plausible(block[at : at + BUFFER_HEADER_SIZE].view(BUFFER))[0]:
                parts.append(np.array([at], np.int64))
            break
        headers = _headers(block, at + np.arange(count) * size)
        alike = (headers["size"] == size) & _plausible(headers)
        run = count if alike.all() else int(alike.argmin())
        if not run:
            break
        parts.append(at + np.arange(run) * size)
        at += run * size
        most = 2 * most if run == count else _FIRST_RUN
        if count == 1 or run < count:
            # Sizes differ here (a compressed log): one by one is faster than looking for runs.
            at = _singles(block, have, at, parts, usual)
    return np.concatenate(parts) if parts else np.empty(0, np.int64)


def _singles(block: NDArray[np.uint8], have: int, at: int, parts: list[NDArray[np.int64]], usual: int) -> int:
    """Follow buffers of differing sizes for a while; return where the next one begins."""
    found = []
    for _ in range(256):
        if at + BUFFER_HEADER_SIZE > have:
            break
        header = block[at : at + BUFFER_HEADER_SIZE].view(BUFFER)
        size = int(header["size"][0])
        if at + size > have or size > usual or not _plausible(header)[0]:
            break
        found.append(at)
        at += size
    parts.append(np.array(found, np.int64))
    return at


def _headers(block: NDArray[np.uint8], offsets: NDArray[np.int64]) -> NDArray[np.void]:
    """Gather the buffer headers at some offsets of a block."""
    headers: NDArray[np.void] = block[offsets[:, None] + np.arange(BUFFER_HEADER_SIZE)].view(BUFFER)[:, 0]
    return headers


def _next_buffer(block: NDArray[np.uint8], have: int, position: int, nominal: int) -> int:
    """Find how far behind a damaged place the next buffer may begin.

    Every buffer of a log that is not compressed lies at a multiple of one size; in any log a header can
    be known by its shape.

    Returns:
        How many bytes to skip, at least 1, at most the whole block.
    """
    if nominal:
        places = np.arange(nominal - position % nominal, have - BUFFER_HEADER_SIZE, nominal)
        headers = _headers(block, places)
        good = _plausible(headers) & (headers["used"] >= BUFFER_HEADER_SIZE)
        if good.any():
            return int(places[good.argmax()])
    count = have - BUFFER_HEADER_SIZE
    for at in range(1, count, _PIECE):
        found = [
            _shaped(block, at + shift, min(at + _PIECE, count), max(nominal, 1 << 20)) for shift in range(4)
        ]
        if any(found):
            return min(filter(None, found))
    return have


def _shaped(block: NDArray[np.uint8], at: int, upto: int, largest: int) -> int:
    """Find the first of every fourth place that has the shape of a buffer header; 0 if none has."""
    count = (upto - at + 3) // 4
    if count <= 0:
        return 0
    words = block[at : at + 4 * count + BUFFER_HEADER_SIZE - 4].view("<u4")
    size, kind = words[:count], words[0x34 // 4 :][:count]
    # Two words tell almost all that is no header; only the others are looked at whole.
    good = (size >= BUFFER_HEADER_SIZE) & (size <= largest)
    places = np.flatnonzero(good & (kind & 0xFFFF != 0)) if good.any() else np.empty(0, np.int64)
    headers = _headers(block, at + 4 * places)
    good = _plausible(headers) & (headers["used"] > BUFFER_HEADER_SIZE)
    good &= (block[at + 4 * places + 0x2C] <= 4) & (block[at + 4 * places + 0x0F] == 0)
    return at + 4 * int(places[good.argmax()]) if good.any() else 0


def _unpack(
    block: NDArray[np.uint8],
    have: int,
    offsets: NDArray[np.int64],
    position: int,
    chunk: int,
    damage: list[Damage],
) -> Iterator[Buffers]:
    """Give the buffers of a block, those that are compressed unpacked into a block of their own."""
    header = _headers(block, offsets)
    packed = (header["flags"] & BUFFER_COMPRESSED) != 0
    places = offsets.astype(np.uint64) + np.uint64(position)
    if not packed.any() and not (offsets & 7).any():
        size = np.minimum(header["size"].astype(np.int64), have - offsets)
        _note_lies(header, size, places, damage)
        end = offsets + np.minimum(header["used"].astype(np.int64), size)
        yield Buffers(block, offsets, end, places, header)
        return
    first = 0
    while first < len(offsets):
        # As many buffers as fill a chunk, by what they claim to unpack to; the claim bounds the work.
        claimed = np.cumsum(np.where(packed, _believed(header), header["size"])[first:].astype(np.int64))
        last = first + max(int(np.searchsorted(claimed, chunk, "right")), 1)
        some = slice(first, last)
        yield _repack(block, have, offsets[some], header[some], places[some], damage)
        first = last


def _repack(
    block: NDArray[np.uint8],
    have: int,
    offsets: NDArray[np.int64],
    header: NDArray[np.void],
    places: NDArray[np.uint64],
    damage: list[Damage],
) -> Buffers:
    """Copy buffers to aligned places, unpacking those that are compressed."""
    size = np.minimum(header["size"].astype(np.int64), have - offsets)
    _note_lies(header, size, places, damage)
    parts: list[bytes] = []
    start, end, at = [], [], 0
    for i, (offset, used, flags) in enumerate(
        zip(offsets.tolist(), _believed(header).tolist(), header["flags"].tolist(), strict=True)
    ):
        stored = block[offset : offset + int(size[i])]
        body = (
            _unpacked(stored, used, int(places[i]), damage) if flags & BUFFER_COMPRESSED else stored.tobytes()
        )
        start.append(at)
        end.append(at + min(used, len(body)))
        parts += [body, bytes(-len(body) % 8)]
        at += len(body) + -len(body) % 8
    data = np.frombuffer(b"".join(parts), np.uint8)
    return Buffers(data, np.array(start, np.int64), np.array(end, np.int64), places, header)


def _believed(header: NDArray[np.void]) -> NDArray[np.int64]:
    """Tell how many bytes of each buffer are in use at most, unpacked, whatever it says."""
    used, size = header["used"].astype(np.int64), header["size"].astype(np.int64)
    return np.where(header["flags"] & BUFFER_COMPRESSED != 0, np.minimum(used, _MOST_UNPACKED * size), used)


def _unpacked(stored: NDArray[np.uint8], used: int, place: int, damage: list[Damage]) -> bytes:
    """Give a compressed buffer as it was before it was stored: its header and its records."""
    head, rest = stored[:BUFFER_HEADER_SIZE].tobytes(), stored[BUFFER_HEADER_SIZE:].tobytes()
    try:
        return head + decompress(rest, max(used - BUFFER_HEADER_SIZE, 0))
    except CorruptDataError as error:
        damage.append(Damage(place, len(stored), f"compressed buffer: {error}"))
        return head + bytes(error.partial)


def _note_lies(
    header: NDArray[np.void], size: NDArray[np.int64], places: NDArray[np.uint64], damage: list[Damage]
) -> None:
    """Note the buffers that are cut short, and those that can't have as many bytes as they say."""
    packed = (header["flags"] & BUFFER_COMPRESSED) != 0
    wrong = (header["used"] < BUFFER_HEADER_SIZE) | (~packed & (header["used"] > header["size"]))
    for i in np.flatnonzero(wrong).tolist():
        reason = f"it says that {header['used'][i]} bytes of its {header['size'][i]} are in use"
        damage.append(Damage(int(places[i]), int(size[i]), reason))
    for i in np.flatnonzero((size < header["used"]) & (size < header["size"])).tolist():
        missing = int(header["used"][i]) - int(size[i])
        damage.append(Damage(int(places[i]), int(size[i]), f"cut short: {missing} used bytes are missing"))
