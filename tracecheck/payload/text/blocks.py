"""A text file as blocks of whole lines in UTF-8, in bounded memory."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from typing import BinaryIO

    from tracecheck.payload._slices import Bytes, Ints
    from tracecheck.payload.text.forms import Form

#: How many bytes are read at once.
BLOCK = 4 << 20
#: How many lines a block has at most: lines of no length have columns as well.
MOST_LINES = 1 << 17
#: How many bytes of a message are kept; ETW records end there too.
MOST_TEXT = 1 << 16


@dataclass(frozen=True)
class Block:
    """Whole lines of a file.

    Attributes:
        data: They, in UTF-8, uint8.
        start: Where each line begins in ``data`` and, last, where the last one ends; shape (lines + 1,).
        offset: Where each line begins in the file and, last, where reading goes on; same shape.
        cut: Whether the one line of the block is longer than it may be.
        last: Whether the file ends with this block.
    """

    data: Bytes
    start: Ints
    offset: Ints
    cut: bool
    last: bool

    def __len__(self) -> int:
        return len(self.start) - 1


def read_block(file: BinaryIO, at: int, form: Form) -> Block | None:
    """Read the lines from a place on.

    Args:
        file: The open file.
        at: Where a line begins.
        form: The file's form.

    Returns:
        At least one line; None where the file ends.
    """
    file.seek(at)
    raw = _read(file, BLOCK)
    if not raw:
        return None
    last = len(raw) < BLOCK
    ends, is_all = _first_ends(raw, form.encoding)
    if not is_all:
        last = False
    elif last and (not len(ends) or ends[-1] < len(raw)):
        ends = np.append(ends, len(raw))
    elif not len(ends):
        return _long_line(file, at, raw, form)
    size = int(ends[-1])
    data, start = _utf8(raw[:size], form.encoding, ends)
    offset = at + np.concatenate([np.zeros(1, np.int64), ends])
    return Block(data, start, offset, cut=False, last=last)


def _read(file: BinaryIO, size: int) -> bytes:
    """Read as many bytes as there are up to a size: a raw file may give fewer at a time."""
    pieces = []
    while size:
        piece = file.read(size)
        if not piece:
            break
        pieces.append(piece)
        size -= len(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _first_ends(raw: bytes, encoding: str) -> tuple[Ints, bool]:
    """Find where the first lines end, and tell whether these are all."""
    feeds = raw.count(b"\n")
    if feeds > MOST_LINES:
        # Of lines of almost no length, only those are looked for that are kept.
        ends = _line_ends(raw[: len(raw) * MOST_LINES // feeds & -2], encoding)
        if len(ends):
            return ends[:MOST_LINES], False
    ends = _line_ends(raw, encoding)
    return ends[:MOST_LINES], len(ends) <= MOST_LINES


def _line_ends(raw: bytes, encoding: str) -> Ints:
    """Find where lines end, behind their line feed."""
    if encoding == "utf-8":
        return np.flatnonzero(np.frombuffer(raw, np.uint8) == ord("\n")) + 1
    unit = "<u2" if encoding == "utf-16-le" else ">u2"
    return 2 * np.flatnonzero(np.frombuffer(raw, unit, len(raw) // 2) == ord("\n")) + 2


def _long_line(file: BinaryIO, at: int, raw: bytes, form: Form) -> Block:
    """Keep the beginning of a line that is longer than a block, and find where it ends."""
    data, start = _utf8(raw[:MOST_TEXT], form.encoding, np.array([MOST_TEXT]))
    end, last = at + len(raw), False
    while not last:
        raw = _read(file, BLOCK)
        last = len(raw) < BLOCK
        ends = _line_ends(raw, form.encoding)
        if len(ends):
            end, last = end + int(ends[0]), last and int(ends[0]) == len(raw)
            break
        end += len(raw)
    return Block(data, start, np.array([at, end]), cut=True, last=last)


def _utf8(raw: bytes, encoding: str, ends: Ints) -> tuple[Bytes, Ints]:
    """Turn lines into UTF-8; those that are not what the file is said to be are read as Latin-1.

    Args:
        raw: Whole lines.
        encoding: What they should be.
        ends: Where each ends.

    Returns:
        The bytes, and where each line begins in them and the last one ends.
    """
    if encoding == "utf-8":
        try:
            raw.decode()
        except UnicodeDecodeError:
            bounds = [0, *ends.tolist()]
            lines = [_line(raw[low:high]) for low, high in pairwise(bounds)]
            ends = np.cumsum(np.fromiter(map(len, lines), np.int64, len(lines)))
            raw = b"".join(lines)
    else:
        raw = raw.decode(encoding, "replace").encode()
        feeds = np.flatnonzero(np.frombuffer(raw, np.uint8) == ord("\n")) + 1
        ends = feeds if len(feeds) == len(ends) else np.append(feeds, len(raw))
    return np.frombuffer(raw, np.uint8), np.concatenate([np.zeros(1, np.int64), ends])


def _line(raw: bytes) -> bytes:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1").encode()
    return raw
