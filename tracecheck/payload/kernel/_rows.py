"""Columns that grow chunk by chunk, within bounds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from tracecheck.payload.arrow import from_numpy, strings

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

#: How many rows a table keeps at most, and how many bytes of different strings in each of its columns.
MOST_ROWS = 1 << 23
MOST_TEXT = 1 << 28


def numbers(array: pa.Array) -> npt.NDArray[Any]:
    """See an Arrow array of integers as numpy's; 0 where it is null.

    Arrow's own way turns integers into floats where one is null, and merges addresses so.
    """
    kind = array.type
    dtype = np.dtype(f"<{'u' if pa.types.is_unsigned_integer(kind) else 'i'}{kind.bit_width // 8}")
    values = np.frombuffer(array.buffers()[1] or b"", dtype)[array.offset :][: len(array)]
    if not array.null_count:
        return values
    bits = np.unpackbits(np.frombuffer(array.buffers()[0], np.uint8), bitorder="little")
    return np.where(bits[array.offset :][: len(array)] != 0, values, np.zeros(1, dtype))


class Rows:
    """Numbers and strings of many rows.

    Args:
        dtypes: The columns of numbers, with their numpy types.
        texts: The columns of strings.
        most: How many rows are kept.

    Attributes:
        size: How many rows there are.
        dropped: How many more there were.
        full: Whether strings were left out because there were too many.
    """

    def __init__(self, dtypes: Mapping[str, str], texts: tuple[str, ...] = (), most: int = MOST_ROWS) -> None:
        self.size = self.dropped = 0
        self.full = False
        self._dtypes = {**dtypes, **dict.fromkeys(texts, "<i4")}
        self._parts: dict[str, list[npt.NDArray[Any]]] = {name: [] for name in self._dtypes}
        self._texts: dict[str, dict[str, int]] = {name: {} for name in texts}
        self._room = dict.fromkeys(texts, MOST_TEXT)
        self._most = most

    def add(self, count: int, columns: Mapping[str, pa.Array | npt.NDArray[Any]]) -> None:
        """Add rows.

        Args:
            count: How many.
            columns: Arrow or numpy arrays by name; a column that is not given is 0 or no string.
        """
        keep = min(count, self._most - self.size)
        self.dropped += count - keep
        self.size += keep
        for name, dtype in self._dtypes.items():
            given = columns.get(name)
            if name in self._texts:
                values = np.full(count, -1, np.int32) if given is None else self._codes(name, given)
            elif given is None:
                values = np.zeros(count, dtype)
            else:
                values = numbers(given) if isinstance(given, pa.Array) else given
            self._parts[name].append(values[:keep].astype(dtype))

    def column(self, name: str) -> npt.NDArray[Any]:
        """Give a column of numbers; of strings, their codes: -1 where there is none."""
        parts = self._parts[name]
        if len(parts) != 1:
            parts[:] = [np.concatenate([np.zeros(0, self._dtypes[name]), *parts])]
        return parts[0]

    def text(self, name: str, rows: npt.NDArray[np.int64] | None = None) -> pa.DictionaryArray:
        """Give a column of strings, at some rows or at all; null where there is none."""
        codes = self.column(name) if rows is None else self.column(name)[rows]
        index = from_numpy(np.maximum(codes, 0), pa.int32(), codes >= 0)
        return pa.DictionaryArray.from_arrays(index, strings(self._texts[name]))

    def _codes(self, name: str, array: pa.Array) -> npt.NDArray[np.int32]:
        if not pa.types.is_dictionary(array.type):
            array = array.dictionary_encode()
        known, room = self._texts[name], self._room[name]
        renumber = np.full(len(array.dictionary) + 1, -1, np.int32)
        for i, text in enumerate(array.dictionary.to_pylist()):
            if text not in known:
                room -= len(text)
                if room < 0:
                    self.full = True
                    continue
                known[text] = len(known)
            renumber[i] = known[text]
        self._room[name] = room
        index = numbers(array.indices)
        if array.null_count:
            absent = np.asarray(array.is_null().cast(pa.uint8()).to_numpy())
            index = np.where(absent != 0, len(renumber) - 1, index)
        codes: npt.NDArray[np.int32] = renumber[index]
        return codes


def times(values: npt.NDArray[np.int64], known: npt.NDArray[np.bool_] | None = None) -> pa.Array:
    """Make times of nanoseconds since 1970, UTC."""
    return from_numpy(values, pa.timestamp("ns", "UTC"), known)


def text_of(texts: tuple[str, ...], codes: npt.NDArray[Any]) -> pa.DictionaryArray:
    """Make a column of strings of places in a few, of which some may be equal."""
    names = {text: number for number, text in enumerate(dict.fromkeys(texts))}
    index = np.array([names[text] for text in texts], np.int32)[codes]
    return pa.DictionaryArray.from_arrays(from_numpy(index, pa.int32()), strings(names))
