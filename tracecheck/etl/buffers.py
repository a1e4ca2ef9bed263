"""Cutting a file into buffers, and unpacking those that are compressed.

A file is read in chunks of a few megabytes; a chunk is a whole number of buffers. What does not look like
a buffer is stepped over: the next place where one may begin is tried, to the end of the file.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from tracecheck.etl.layout import BUFFER_COMPRESSED, BUFFER_HEADER_SIZE, BUFFER_PROC_INDEX
from tracecheck.etl.lzxpress import CorruptDataError, decompress

#: ETW's own limit is 16 MB; a buffer that claims to be larger than this is not believed.
LARGEST_BUFFER = 1 << 26
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


@dataclass(frozen=True)
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


def read_buffers(file: BinaryIO, size: int, chunk: int, damage: list[Damage]) -> Iterator[Buffers]:
    """Read all buffers of a file, chunk by chunk.

    Args:
        file: The file, at its beginning.
        size: How long it is, in bytes.
        chunk: About how many bytes of unpacked buffers to give at once.
        damage: Gets an element for each part that could not be read.
    """
    position, nominal, want = 0, 0, chunk
    while position < size:
        have = min(want, size - position)
        if have < BUFFER_HEADER_SIZE:
            damage.append(Damage(position, have, "too short for a buffer header"))
            return
        block = _window(file, position, have)
        offsets = _chain(block, have, position + have == size)
        if len(offsets):
            nominal = nominal or _stored_size(block, 0)
            last = int(offsets[-1])
            step = last + _stored_size(block, last)
            yield from _unpack(block, have, offsets, position, chunk, damage)
            position, want = position + step, chunk
        elif want < _stored_size(block, 0) <= min(LARGEST_BUFFER, size - position):
            want = _stored_size(block, 0)
        else:
            skip = _next_buffer(block, have, position, nominal)
            damage.append(Damage(position, skip, "no buffer header"))
            position, want = position + skip, chunk


def _window(file: BinaryIO, position: int, size: int) -> NDArray[np.uint8]:
    """Map a part of a file; the map lives as long as the array and costs no copy.

    Returns:
        The bytes, padded to a multiple of 8.
    """
    before = position % mmap.ALLOCATIONGRANULARITY
    mapped = mmap.mmap(file.fileno(), before + size, access=mmap.ACCESS_READ, offset=position - before)
    block = np.frombuffer(mapped, np.uint8)[before:]
    if size % 8 == 0 and before % 8 == 0:
        return block
    # Words are read at multiples of 8: what does not lie so is copied to where it does.
    padded = np.zeros(size + 7 & ~7, np.uint8)
    padded[:size] = block
    return padded


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


def _chain(block: NDArray[np.uint8], have: int, at_end: bool) -> NDArray[np.int64]:
    """Follow the buffers' sizes from the start of a block.

    Args:
        block: Bytes of the file, from where a buffer should begin.
        have: How many of them are the file's.
        at_end: Whether the file ends with them: then a last buffer that is cut short counts too.

    Returns:
        Where each whole buffer begins; runs of equal size are found in one step.
    """
    parts: list[NDArray[np.int64]] = []
    at = 0
    while at + BUFFER_HEADER_SIZE <= have:
        size = _stored_size(block, at)
        if not BUFFER_HEADER_SIZE <= size <= LARGEST_BUFFER:
            break
        count = (have - at) // size
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
        if count == 1 or run < count:
            # Sizes differ here (a compressed log): one by one is faster than looking for runs.
            at = _singles(block, have, at, parts)
    return np.concatenate(parts) if parts else np.empty(0, np.int64)


def _singles(block: NDArray[np.uint8], have: int, at: int, parts: list[NDArray[np.int64]]) -> int:
    """Follow buffers of differing sizes for a while; return where the next one begins."""
    found = []
    for _ in range(256):
        if at + BUFFER_HEADER_SIZE > have:
            break
        header = block[at : at + BUFFER_HEADER_SIZE].view(BUFFER)
        size = int(header["size"][0])
        if at + size > have or not _plausible(header)[0]:
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
        step = nominal - position % nominal
        for at in range(step, have - BUFFER_HEADER_SIZE, nominal):
            header = block[at : at + BUFFER_HEADER_SIZE].view(BUFFER)
            if _plausible(header)[0] and header["used"][0] >= BUFFER_HEADER_SIZE:
                return at
    count = have - BUFFER_HEADER_SIZE
    at = 1
    while at < count:
        upto = min(at + (1 << 16), count)
        headers = _headers(block, np.arange(at, upto))
        good = _plausible(headers) & (headers["used"] > BUFFER_HEADER_SIZE)
        good &= (headers["size"] <= max(nominal, 1 << 20)) & (headers["flags"] != 0)
        mark = block[np.arange(at, upto) + 0x2C]
        good &= (mark <= 4) & (block[np.arange(at, upto) + 0x0F] == 0)
        if good.any():
            return at + int(good.argmax())
        at = upto
    return have


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
        _note_cut(header, size, places, damage)
        end = offsets + np.minimum(header["used"].astype(np.int64), size)
        yield Buffers(block, offsets, end, places, header)
        return
    first = 0
    while first < len(offsets):
        # As many buffers as fill a chunk, by what they claim to unpack to; the claim bounds the work.
        claimed = np.cumsum(np.where(packed, header["used"], header["size"])[first:].astype(np.int64))
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
    _note_cut(header, size, places, damage)
    parts: list[bytes] = []
    start, end, at = [], [], 0
    for i, (offset, used, flags) in enumerate(
        zip(offsets.tolist(), header["used"].tolist(), header["flags"].tolist(), strict=True)
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


def _unpacked(stored: NDArray[np.uint8], used: int, place: int, damage: list[Damage]) -> bytes:
    """Give a compressed buffer as it was before it was stored: its header and its records."""
    head, rest = stored[:BUFFER_HEADER_SIZE].tobytes(), stored[BUFFER_HEADER_SIZE:].tobytes()
    try:
        return head + decompress(rest, max(used - BUFFER_HEADER_SIZE, 0))
    except CorruptDataError as error:
        damage.append(Damage(place, len(stored), f"compressed buffer: {error}"))
        return head + bytes(error.partial)


def _note_cut(
    header: NDArray[np.void], size: NDArray[np.int64], places: NDArray[np.uint64], damage: list[Damage]
) -> None:
    """Note the buffers that the file's end cuts short."""
    for i in np.flatnonzero((size < header["used"]) & (size < header["size"])).tolist():
        missing = int(header["used"][i]) - int(size[i])
        damage.append(Damage(int(places[i]), int(size[i]), f"cut short: {missing} used bytes are missing"))
