"""Rows to codes: how columns that repeat together become one small column and a table of what occurs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tracecheck.payload.arrow import from_numpy, whole

Ints = NDArray[np.int64]

# Up to how many times as many different numbers as there could be a table of them is made, not a sort.
_SPARSE = 8


def distinct(values: NDArray[Any]) -> tuple[Ints, Ints]:
    """Number the different values of an array.

    Args:
        values: Integers, shape (n,).

    Returns:
        The different values in ascending order, and the place among them of each value, shape (n,).
    """
    values = values.astype(np.int64)
    low, high = (int(values.min()), int(values.max())) if len(values) else (0, 0)
    if high - low > _SPARSE * len(values) + (1 << 16):
        found, places = np.unique(values, return_inverse=True)
        return found, places.astype(np.int64)
    seen = np.zeros(high - low + 1, np.bool_)
    seen[values - low] = True
    return np.flatnonzero(seen) + low if len(values) else values, (np.cumsum(seen) - 1)[values - low]


def distinct_rows(columns: Sequence[NDArray[Any]]) -> tuple[Ints, Ints]:
    """Number the different rows of some columns.

    Args:
        columns: At least one, each of shape (n,), integers.

    Returns:
        The number of each row, shape (n,), and for each number a row that has it.
    """
    codes, size = np.zeros(len(columns[0]), np.int64), 1
    for column in columns:
        values, inner = distinct(column)
        # Both factors are at most the number of rows: their product is far from 2**63.
        found, codes = distinct(codes * len(values) + inner)
        size = len(found)
    rows = np.zeros(size if len(codes) else 0, np.int64)
    rows[codes] = np.arange(len(codes))
    return codes, rows


class Words:
    """The texts of a page, each once; a column of names becomes numbers into it.

    Attributes:
        texts: The texts by number.
    """

    def __init__(self) -> None:
        self.texts: list[str] = []
        self._numbers: dict[str, int] = {}

    def number(self, text: str) -> int:
        """Give the number of a text."""
        found = self._numbers.setdefault(text, len(self.texts))
        if found == len(self.texts):
            self.texts.append(text)
        return found

    def column(self, column: pa.ChunkedArray) -> Ints:
        """Give the numbers of a column of names, 1 more than their places in :attr:`texts`; 0 for null."""
        if not len(column):
            return np.zeros(0, np.int64)
        if not pa.types.is_dictionary(column.type):
            column = column.dictionary_encode()
        names = whole(column.unify_dictionaries())
        places = names.indices.fill_null(len(names.dictionary)).to_numpy(zero_copy_only=False)
        # Of a capture's names only those that are shown are texts of the page.
        used = np.flatnonzero(np.bincount(places))
        renumber = np.zeros(len(names.dictionary) + 1, np.int64)
        known = used[used < len(names.dictionary)]
        words = names.dictionary.take(from_numpy(known.astype(np.int64), pa.int64())).to_pylist()
        renumber[known] = [0 if text is None else self.number(text) + 1 for text in words]
        found: Ints = renumber[places]
        return found


def numbers(column: pa.ChunkedArray, missing: int = 0) -> NDArray[Any]:
    """See a column as integers; times in nanoseconds, null as ``missing``."""
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.int64())
    if pa.types.is_boolean(column.type):
        column = column.cast(pa.uint8())
    if column.null_count:
        column = pc.fill_null(column, missing)
    found: NDArray[Any] = column.to_numpy()
    return found


def rows_of(table: pa.Table, names: Iterable[str], at: Ints) -> pa.Table:
    """Take some rows of some columns."""
    return table.select(list(names)).take(from_numpy(at.astype(np.int64), pa.int64()))
