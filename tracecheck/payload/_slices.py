"""Array work on slices of one byte array: gather them, find where strings end, tell them apart.

A gather reads ``width`` bytes at each of many positions with one indexing call: the array is seen as
overlapping void elements (stride 1), so that numpy copies each element whole, at any alignment.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Bytes = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int64]
Words = npt.NDArray[np.uint64]

# How much is gathered at once where the rest can wait: it should stay within a processor's cache.
_BLOCK_BYTES = 1 << 20

# The first look for a string's end; most names and paths are shorter.
_FIRST_LOOK = 32

_LENGTH_FACTOR = np.uint64(0x9E3779B97F4A7C15)

# How many of a word's low bytes (little-endian: the first ones) to keep.
_KEEP = np.array([(1 << (8 * count)) - 1 for count in range(9)], dtype=np.uint64)


def within(data: Bytes, start: npt.ArrayLike, size: npt.ArrayLike) -> tuple[Ints, Ints]:
    """Cut slices so that they lie in ``data``; return starts and sizes."""
    low = np.clip(np.asarray(start).astype(np.int64), 0, data.size)
    return low, np.clip(np.asarray(size).astype(np.int64), 0, data.size - low)


def gather(data: Bytes, pos: Ints, width: int) -> Bytes:
    """Copy ``width`` bytes from each position.

    Args:
        data: The bytes, contiguous.
        pos: Where each copy starts, 0 to ``data.size``, shape (n,).
        width: Bytes to copy, at least 0.

    Returns:
        Shape (n, width), contiguous; bytes beyond the end of ``data`` are zero.
    """
    if not pos.size or not width:
        return np.zeros((pos.size, width), dtype=np.uint8)
    last = data.size - width
    late = pos > last
    if not late.any():
        return _gather_within(data, pos, width)
    block = np.zeros((pos.size, width), dtype=np.uint8)
    block[~late] = _gather_within(data, pos[~late], width)
    tail_start = max(0, last)
    tail = np.zeros(data.size - tail_start + width, dtype=np.uint8)
    tail[: data.size - tail_start] = data[tail_start:]
    block[late] = _gather_within(tail, pos[late] - tail_start, width)
    return block


def _gather_within(data: Bytes, pos: Ints, width: int) -> Bytes:
    if not pos.size:
        return np.zeros((0, width), dtype=np.uint8)
    windows = np.ndarray((data.size - width + 1,), dtype=f"V{width}", buffer=data, strides=(1,))
    return windows[pos].view(np.uint8).reshape(pos.size, width)


def join_slices(data: Bytes, start: Ints, length: Ints) -> bytes:
    """Copy slices one behind the other.

    An index for each byte would need eight times the bytes; joining views copies each byte once.
    """
    whole = data.data
    ends = (start + length).tolist()
    return b"".join([whole[low:high] for low, high in zip(start.tolist(), ends, strict=True)])


def find_terminator(data: Bytes, pos: Ints, end: Ints, unit: int) -> Ints:
    """Find the NUL that ends each string.

    Args:
        data: The bytes, contiguous.
        pos: Where each string starts, shape (n,).
        end: Where what may belong to it ends.
        unit: Bytes of a character: 1, or 2 for UTF-16, whose NUL lies at the string's own parity.

    Returns:
        Bytes before the NUL, shape (n,); -1 where there is none before ``end``.
    """
    length = np.full(pos.size, -1, dtype=np.int64)
    todo = np.arange(pos.size)
    done, width = 0, _FIRST_LOOK
    while todo.size:
        block = gather(data, np.minimum(pos[todo] + done, data.size), width)
        zero = block.view(f"<u{unit}") == 0
        at = zero.argmax(axis=1)
        found = zero[np.arange(todo.size), at]
        length[todo] = np.where(found, done + at * unit, -1)
        done += width
        todo = todo[~found & (pos[todo] + done < end[todo])]
        width = max(_FIRST_LOOK, min(width * 4, 16 * _BLOCK_BYTES // max(1, todo.size) & ~1))
    length[length + unit > end - pos] = -1
    return length


def distinct_slices(data: Bytes, start: Ints, length: Ints) -> tuple[npt.NDArray[np.int32], list[bytes]]:
    """Number the different byte strings among many slices.

    Slices of about one length are hashed and compared together, exactly: a collision of the hash
    costs time and never joins two strings.

    Args:
        data: The bytes, contiguous.
        start: Where each slice starts, shape (n,).
        length: Bytes of each slice, within ``data``.

    Returns:
        For each slice the index of its bytes in the list, and the list.
    """
    codes = np.zeros(start.size, dtype=np.int32)
    seen: dict[bytes, int] = {}
    words = np.maximum(1, (length + 7) >> 3)
    most = int(words.max(initial=0))
    width = 1
    while width < 2 * most:
        rows = np.flatnonzero((words <= width) & (words > width >> 1))
        per = max(1, _BLOCK_BYTES // (8 * width))
        for at in range(0, rows.size, per):
            part = rows[at : at + per]
            codes[part] = _number(data, start[part], length[part], seen)
        width *= 2
    return codes, list(seen)


def _number(data: Bytes, start: Ints, length: Ints, seen: dict[bytes, int]) -> npt.NDArray[np.int32]:
    """Number a block of slices, adding to ``seen`` those that are new."""
    width = max(1, (int(length.max()) + 7) >> 3)
    block = gather(data, start, 8 * width).view("<u8")
    for word in range(int(length.min()) >> 3, width):
        block[:, word] &= _KEEP[np.minimum(np.maximum(length - 8 * word, 0), 8)]
    local, first = _distinct_rows(block, length)
    ends = start[first] + length[first]
    codes = [
        seen.setdefault(data[low:high].tobytes(), len(seen))
        for low, high in zip(start[first].tolist(), ends.tolist(), strict=True)
    ]
    return np.array(codes, dtype=np.int32)[local]


def _distinct_rows(block: Words, length: Ints) -> tuple[Ints, Ints]:
    """Return the number of each row (its words and length together), and the first row of each number."""
    count, width = block.shape
    factors = _LENGTH_FACTOR * np.arange(3, 2 * width + 3, 2, dtype=np.uint64)
    hashes = np.einsum("ij,j->i", block, factors) + length.astype(np.uint64) * _LENGTH_FACTOR
    encoded = pa.Array.from_buffers(pa.uint64(), count, [None, pa.py_buffer(hashes)]).dictionary_encode()
    local = np.frombuffer(encoded.indices.buffers()[1], dtype=np.int32, count=count).astype(np.int64)
    first = np.empty(len(encoded.dictionary), dtype=np.int64)
    first[local[::-1]] = np.arange(count - 1, -1, -1)
    # As void elements whole rows are copied, which is quicker than an index into two dimensions.
    claimed = block.view(f"V{8 * width}")[first, 0][local].view("<u8").reshape(count, width)
    if np.array_equal(block, claimed) and np.array_equal(length, length[first][local]):
        return local, first
    return _distinct_rows_sorted(block, length)


def _distinct_rows_sorted(block: Words, length: Ints) -> tuple[Ints, Ints]:
    """Do the same by sorting, for rows of which two had one hash."""
    keys = np.column_stack([block, length.astype(np.uint64)])
    _, first, local = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    return local.reshape(-1).astype(np.int64), first.astype(np.int64)
