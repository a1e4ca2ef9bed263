"""Lines put in the order of time: the text waits in a temporary file, only its keys stay in memory."""

from __future__ import annotations

import mmap
import tempfile
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from numpy.typing import NDArray


class Keyed(Protocol):
    """Records with the columns that put them in order: ``time``, ``sequence`` and ``offset``."""

    def column(self, name: str) -> NDArray[Any]:
        """Give a column."""


class Spool:
    """Takes the lines of a capture chunk by chunk and gives them back in the order of time.

    It needs 36 bytes of memory for each line and room for the text where temporary files go.

    Args:
        limit: How many lines to give back at most, the earliest ones; all where None.
    """

    def __init__(self, limit: int | None = None) -> None:
        self._limit = limit
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by __exit__
        self._end = 0
        self._keys: list[_Keys] = []
        self._latest: int | None = None

    def __enter__(self) -> Spool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def wanted(self, chunk: Keyed) -> NDArray[np.int64]:
        """Tell which records of a chunk may be among those that are given back, in the order of time."""
        time = chunk.column("time")
        order = _time_order(time, chunk.column("sequence"), chunk.column("offset"))
        if self._limit is not None:
            order = order[: self._limit]
            if self._latest is not None:
                order = order[time[order] <= self._latest]
        return order

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
        if self._limit is not None:
            self._forget(self._limit)

    def _forget(self, limit: int) -> None:
        """Drop the keys of lines that can't be among the earliest any more."""
        keys = _Keys.joined(self._keys).earliest(limit)
        self._keys = [keys]
        if len(keys.time) == limit:
            self._latest = int(keys.time[-1]) if limit else np.iinfo(np.int64).min

    def lines(self) -> Iterator[str]:
        """Give the lines back, the earliest first; records of one time in the order of their buffers."""
        if not self._end:
            return
        keys = _Keys.joined(self._keys).earliest(self._limit)
        self._file.flush()
        with mmap.mmap(self._file.fileno(), self._end, access=mmap.ACCESS_READ) as text:
            for start, end in zip(keys.start.tolist(), (keys.start + keys.length).tolist(), strict=True):
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

    def earliest(self, limit: int | None) -> _Keys:
        order = _time_order(self.time, self.sequence, self.offset)[:limit]
        return _Keys._make(column[order] for column in self)


def _time_order(
    time: NDArray[np.int64], sequence: NDArray[np.int64], offset: NDArray[np.uint32]
) -> NDArray[np.int64]:
    return np.lexsort((offset, sequence, time))
