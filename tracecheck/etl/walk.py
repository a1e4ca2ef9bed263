"""Finding the records in unpacked buffers, all buffers of a chunk at once.

Records are a chain: each one's size tells where the next begins. Following one chain after another is a
loop over records; here many chains are followed in lock-step, a numpy operation for the i-th record of
each. Long buffers are cut into lanes whose starts are guessed from the shape of a record header; a guess
counts only if the lane before it arrives at exactly that place, so the result is that of a plain walk.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tracecheck.etl.layout import BUFFER_HEADER_SIZE, END_OF_BUFFER, Kind

#: The smallest a record of each kind can be: its header.
HEADER_SIZES = {
    Kind.SYSTEM32: 32,
    Kind.SYSTEM64: 32,
    Kind.COMPACT32: 24,
    Kind.COMPACT64: 24,
    Kind.PERFINFO32: 16,
    Kind.PERFINFO64: 16,
    Kind.FULL32: 48,
    Kind.FULL64: 48,
    Kind.INSTANCE32: 72,
    Kind.INSTANCE64: 72,
    Kind.EVENT32: 80,
    Kind.EVENT64: 80,
    Kind.WPP_MESSAGE: 8,
    Kind.ERROR: 8,
}
_SIZE_AT_4 = (
    Kind.SYSTEM32,
    Kind.SYSTEM64,
    Kind.COMPACT32,
    Kind.COMPACT64,
    Kind.PERFINFO32,
    Kind.PERFINFO64,
)

# How many words apart lanes begin, and how many words behind that point are looked at for a header.
_LANE = 1024
_WINDOW = 64
# Below this many lanes a plain loop is faster than array work.
_FEW = 24

Places = NDArray[np.int64]
_NO_RECORD = 1 << 20


def _tables() -> tuple[NDArray[np.uint8], Places]:
    """Map the upper half of a record's first dword to its kind, and to how its size is to be read.

    The second table holds the least size the kind can have (more than any size where it is no record), and
    in its upper half by how many bits the first 8 bytes are shifted to give the size.
    """
    kinds = np.zeros(0x10000, np.uint8)
    kinds[0x9000:0xA000] = Kind.WPP_MESSAGE
    for kind in set(HEADER_SIZES) - {Kind.WPP_MESSAGE}:
        for top in (0x80, 0xC0, 0xE0):
            kinds[top << 8 | kind] = kind
    shape = np.full(256, _NO_RECORD, np.int64)
    for kind, least in HEADER_SIZES.items():
        shape[kind] = least | (32 << 32 if kind in _SIZE_AT_4 else 0)
    return kinds, shape[kinds]


_KINDS, _SHAPES = _tables()
# What a guess takes for a record: of WPP messages only the version that is written today, because half a
# pointer may begin with any digit.
_LIKELY = _KINDS != 0
_LIKELY[0x9001:0xA000] = False


@dataclass(frozen=True, eq=False)
class Walk:
    """The records of a chunk of buffers.

    Attributes:
        position: Where each record begins in the chunk's data, ascending; int64.
        kind: Its :class:`Kind`; uint8.
        stopped: For each buffer where its chain ended, and
        bad: whether that is before the end of the buffer, at something that is no record.
    """

    position: Places
    kind: NDArray[np.uint8]
    stopped: Places
    bad: NDArray[np.bool_]


def walk(data: NDArray[np.uint8], start: Places, end: Places) -> Walk:
    """Find every record of every buffer.

    Args:
        data: The unpacked buffers; its length is a multiple of 8.
        start: Where each buffer begins (its header), a multiple of 8, ascending.
        end: Where the used part of each buffer ends, within data.

    Returns:
        The records, in the order of their place.
    """
    # From here on a place is a number of 8-byte words: records are aligned to them.
    words = data.view("<u8")
    first, last = start + BUFFER_HEADER_SIZE >> 3, end + 7 >> 3
    lanes = _cut(words, first, last)
    place, count, arrived = _lock_step(words, lanes.start, lanes.limit, last[lanes.buffer])
    keep, stopped, extra = _stitch(words, lanes, arrived, last)
    if not keep.all():
        place = place[np.repeat(keep, count)]
        place = np.insert(place, np.searchsorted(place, extra), extra)
    kind = _KINDS.take((words.take(place) >> 16 & 0xFFFF).view(np.int64))
    return Walk(place << 3, kind, stopped << 3, (stopped < last) & ~_is_end(words, stopped))


def _is_end(words: NDArray[np.uint64], place: Places) -> NDArray[np.bool_]:
    """Tell where a chain ended as it should: at the end marker, or at nothing but zeros."""
    marker = words.take(place, mode="clip") & 0xFFFFFFFF
    ended: NDArray[np.bool_] = (marker == END_OF_BUFFER) | (marker == 0)
    return ended


@dataclass(frozen=True, eq=False)
class _Lanes:
    """Where chains begin; a lane ends where the next of its buffer begins."""

    start: Places
    limit: Places
    buffer: Places


def _cut(words: NDArray[np.uint64], first: Places, last: Places) -> _Lanes:
    """Cut buffers into lanes: one from each buffer's first record, more from guessed ones."""
    extra = np.maximum((last - first) // _LANE, 0)
    buffer = np.repeat(np.arange(len(first)), extra)
    nth = np.arange(len(buffer)) - np.repeat(np.cumsum(extra) - extra, extra) + 1
    guess, good = _guess(words, first[buffer] + nth * _LANE, last[buffer])
    start = np.concatenate([first, guess[good]])
    owner = np.concatenate([np.arange(len(first)), buffer[good]])
    order = np.argsort(start, kind="stable")
    start, owner = start[order], owner[order]
    limit = last[owner]
    same = owner[1:] == owner[:-1]
    limit[:-1][same] = start[1:][same]
    return _Lanes(start, limit, owner)


def _guess(words: NDArray[np.uint64], near: Places, last: Places) -> tuple[Places, NDArray[np.bool_]]:
    """Find, behind each place, the first that looks like a record with two more after it."""
    word = words.take(near[:, None] + np.arange(_WINDOW), mode="clip")
    column = _LIKELY.take((word >> 16 & 0xFFFF).view(np.int64)).argmax(1) if len(near) else near
    guess = place = near + column
    good = np.ones(len(near), np.bool_)
    for _ in range(3):
        place, fits = _step(words, place, last)
        good &= fits
    return guess, good


def _step(words: NDArray[np.uint64], place: Places, last: Places) -> tuple[Places, NDArray[np.bool_]]:
    """Read the record at each place: where it ends, and whether it is one that ends within its buffer."""
    word = words.take(place, mode="clip")
    shape = _SHAPES.take((word >> 16 & 0xFFFF).view(np.int64))
    size = (word >> (shape >> 32).view(np.uint64) & 0xFFFF).view(np.int64)
    after = place + (size + 7 >> 3)
    good: NDArray[np.bool_] = np.asarray((size >= shape & 0xFFFFFFFF) & (after <= last), np.bool_)
    return after, good


def _lock_step(
    words: NDArray[np.uint64], start: Places, limit: Places, last: Places
) -> tuple[Places, Places, Places]:
    """Follow all lanes at once.

    Returns:
        The records of all lanes, lane after lane; how many each lane has; where each lane arrived: at or
        past its limit, or where its chain broke off.
    """
    arrived, count = start.copy(), np.zeros(len(start), np.int64)
    steps: list[tuple[Places, Places]] = []
    lane = np.flatnonzero(start < limit)
    place, limit, last = start[lane], limit[lane], last[lane]
    while len(place) > _FEW:
        after, good = _step(words, place, last)
        if not good.all():
            count[lane[~good]] = len(steps)
            arrived[lane[~good]] = place[~good]
            lane, place, after, limit, last = lane[good], place[good], after[good], limit[good], last[good]
        steps.append((lane, place))
        more = after < limit
        if not more.all():
            count[lane[~more]] = len(steps)
            arrived[lane[~more]] = after[~more]
            lane, after, limit, last = lane[more], after[more], limit[more], last[more]
        place = after
    rest: dict[int, list[int]] = {}
    for one, begin, upto, end in zip(
        lane.tolist(), place.tolist(), limit.tolist(), last.tolist(), strict=True
    ):
        arrived[one] = _plain(words, begin, upto, end, rest.setdefault(one, []))
        count[one] = len(steps) + len(rest[one])
    return _lane_by_lane(steps, rest, count), count, arrived


def _lane_by_lane(steps: list[tuple[Places, Places]], rest: dict[int, list[int]], count: Places) -> Places:
    """Put what the steps found, and what was found plainly after them, in the order of the lanes."""
    base = np.cumsum(count) - count
    places = np.empty(int(count.sum()), np.int64)
    for i, (lane, place) in enumerate(steps):
        places[base[lane] + i] = place
    for one, found in rest.items():
        begin = int(base[one]) + len(steps)
        places[begin : begin + len(found)] = found
    return places


def _plain(words: NDArray[np.uint64], place: int, limit: int, last: int, found: list[int]) -> int:
    """Follow one chain record by record up to a limit; return where it arrived."""
    while place < limit:
        word = int(words[place])
        shape = int(_SHAPES[word >> 16 & 0xFFFF])
        size = word >> (shape >> 32) & 0xFFFF
        after = place + (size + 7 >> 3)
        if size < shape & 0xFFFFFFFF or after > last:
            break
        found.append(place)
        place = after
    return place


def _stitch(
    words: NDArray[np.uint64], lanes: _Lanes, arrived: Places, last: Places
) -> tuple[NDArray[np.bool_], Places, list[int]]:
    """Join the lanes of each buffer; walk plainly where a guessed start was wrong.

    Returns:
        Which lanes count, where each buffer's chain stopped, and the records of the plain walks.
    """
    keep = np.ones(len(lanes.start), np.bool_)
    stopped = np.zeros(len(last), np.int64)
    # Lanes are in the order of their buffers: of the writes to one buffer the last lane's stays.
    stopped[lanes.buffer] = arrived
    same = lanes.buffer[1:] == lanes.buffer[:-1]
    broken = same & (arrived[:-1] != lanes.start[1:])
    extra: list[int] = []
    for buffer in np.unique(lanes.buffer[1:][broken]).tolist():
        first, end = np.searchsorted(lanes.buffer, (buffer, buffer + 1)).tolist()
        at = int(arrived[first])
        for lane in range(first + 1, end):
            begin = int(lanes.start[lane])
            if at < begin:
                at = _plain(words, at, begin, int(last[buffer]), extra)
            keep[lane] = at == begin
            at = int(arrived[lane]) if keep[lane] else at
        stopped[buffer] = _plain(words, at, int(last[buffer]), int(last[buffer]), extra)
    return keep, stopped, extra
