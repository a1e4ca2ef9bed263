"""Lines put in the order of time: the text waits in a temporary file, only its keys stay in memory."""

from __future__ import annotations

import mmap
import tempfile
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from numpy.typing import NDArray

    Ints = NDArray[np.int64]


#: How many bytes of text are given back before the file is mapped anew.
_MAPPED = 1 << 26


class Keyed(Protocol):
    """Records with the columns that put them in order: ``time``, ``sequence`` and ``offset``."""

    def column(self, name: str) -> NDArray[Any]:
        """Give a column."""


class Spool:
    """Takes the lines of a capture chunk by chunk and gives them back in the order of time.

    It needs 36 bytes of memory for each line and room for the text where temporary files go.

    Args:
        limit: How many lines to give back at most, the earliest ones; all where None.
        tail: The same of the latest ones; not together with ``limit``.
    """

    def __init__(self, limit: int | None = None, tail: int | None = None) -> None:
        self._most = limit if tail is None else tail
        # The slice of rows in the order of time that is given back.
        self._cut = slice(limit) if tail is None else slice(-tail, None) if tail else slice(0)
        self._is_tail = tail is not None
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by __exit__
        self._end = 0
        self._keys: list[_Keys] = []
        # Nothing later than this, with a tail nothing earlier, is given back.
        self._bound: int | None = None

    def __enter__(self) -> Spool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def wanted(self, chunk: Keyed, rows: Ints | None = None, *, is_final: bool = True) -> Ints:
        """Tell which records of a chunk may be among those that are given back, in the order of time.

        Args:
            chunk: The records.
            rows: Which of them can be given back at all; None for all.
            is_final: Whether each of these will be added: else more are needed than are given back.
        """
        if rows is None:
            rows = np.arange(len(chunk.column("time")))
        time, sequence, offset = (chunk.column(name)[rows] for name in ("time", "sequence", "offset"))
        order = _time_order(time, sequence, offset)
        if is_final:
            order = order[self._cut]
        if self._bound is not None:
            kept = time[order]
            order = order[kept >= self._bound if self._is_tail else kept <= self._bound]
        return rows[order]

    def add(self, chunk: Keyed, lines: list[bytes]) -> None:
        """Keep the lines of a chunk's records.

        Args:
            chunk: The records.
            lines: A line for each, with its line end.
        """
        lengths = np.fromiter(map(len, lines), np.int64, len(lines))
        starts = self._end + np.cumsum(lengths) - lengths
        self._file.write(b"".join(lines))
        self._end += int(lengths.sum())
        time, sequence, offset = (chunk.column(name) for name in ("time", "sequence", "offset"))
        self._keys.append(_Keys(time, sequence, offset, starts, lengths))
        if self._most is not None:
            self._forget(self._most)

    def _forget(self, most: int) -> None:
        """Drop the keys of lines that can't be among those given back any more."""
        keys = _Keys.joined(self._keys).in_order(self._cut)
        self._keys = [keys]
        if len(keys.time) == most:
            ends = np.iinfo(np.int64)
            at = 0 if self._is_tail else -1
            self._bound = int(keys.time[at]) if most else ends.max if self._is_tail else ends.min

    def lines(self) -> Iterator[str]:
        """Give the lines back, the earliest first; records of one time in the order of their buffers."""
        if not self._end:
            return
        keys = _Keys.joined(self._keys).in_order(self._cut)
        self._file.flush()
        # Pages of the file that have been read count as this process's memory until they are unmapped.
        parts = np.cumsum(keys.length) // _MAPPED
        bounds = [0, *(np.flatnonzero(np.diff(parts)) + 1).tolist(), len(parts)]
        for low, high in pairwise(bounds):
            with mmap.mmap(self._file.fileno(), self._end, access=mmap.ACCESS_READ) as text:
                starts, lengths = keys.start[low:high], keys.length[low:high]
                for start, end in zip(starts.tolist(), (starts + lengths).tolist(), strict=True):
                    yield text[start:end].decode("utf-8")


class _Keys(NamedTuple):
    """Where lines lie in the file and what puts them in order, as columns of equal length."""

    time: NDArray[np.int64]
    sequence: NDArray[np.int64]
    offset: NDArray[np.uint32]
    start: NDArray[np.int64]
    length: NDArray[np.int64]

    @classmethod
    def joined(cls, parts: list[_Keys]) -> _Keys:
        return cls._make(map(np.concatenate, zip(*parts, strict=True)))

    def in_order(self, cut: slice) -> _Keys:
        order = _time_order(self.time, self.sequence, self.offset)[cut]
        return _Keys._make(column[order] for column in self)


def _time_order(
    time: NDArray[np.int64], sequence: NDArray[np.int64], offset: NDArray[np.uint32]
) -> NDArray[np.int64]:
    return np.lexsort((offset, sequence, time))
