"""Redaction for sharing: pointers, names and paths of a capture replaced by pseudonyms.

It is done to the operations before anything is replayed or judged, so that no output can tell what it
replaced. Pseudonyms are numbers in the order of first appearance: they are the same in every output of a
capture, and nothing leads back from them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tracecheck.operations.frames import frames_of
from tracecheck.operations.places import place_of
from tracecheck.operations.surroundings import PROCESS
from tracecheck.operations.table import ASSUMED, OPERATIONS, OWNERS, STACK
from tracecheck.payload.arrow import from_numpy, nulls, strings, whole

_KEPT_NUMBERS = ("sequence", "record")
_KEPT_NAMES = ("routine",)
_TAGS = "pool_tag"
_LOW, _HIGH = 0x8000_0000, 0xFFFF_0000_0000_0000
_STRIDE = 0x10

Words = NDArray[np.uint64]


class Redaction:
    """The pseudonyms of one capture; they exist only while it is worked on.

    Args:
        operations: Schema :data:`~tracecheck.operations.OPERATIONS`, in time order.
    """

    def __init__(self, operations: pa.Table) -> None:
        self._names: dict[str, str] = {}
        self._originals: dict[str, str] = {}
        self._counts: dict[str, int] = {}
        columns = [_words(whole(operations.column(name))) for name in _pointer_columns(operations)]
        every = np.concatenate(columns) if columns else np.zeros(0, np.uint64)
        known, first = np.unique(every, return_index=True)
        known, first = known[known != 0], first[known != 0]
        order = np.argsort(first, kind="stable")
        rank = np.empty(len(order), np.uint64)
        rank[order] = np.arange(1, len(order) + 1, dtype=np.uint64)
        self._base = _LOW if len(known) and int(known[-1]) <= 0xFFFFFFFF else _HIGH
        self._known: Words = known
        self._stand_in: Words = rank * np.uint64(_STRIDE) + np.uint64(self._base)
        self._more: dict[int, int] = {}

    def original(self, name: str) -> str:
        """Give what a name stands for; a name that stands for nothing is its own."""
        return self._originals.get(name, name)

    def pseudonym(self, name: str, kind: str) -> str:
        """Give the name that stands for another.

        Args:
            name: What is replaced.
            kind: What it is; its pseudonym is this word and a number.
        """
        if name not in self._names:
            self._counts[kind] = self._counts.get(kind, 0) + 1
            self._names[name] = f"{kind}-{self._counts[kind]}"
            self._originals[self._names[name]] = name
        return self._names[name]

    def site(self, text: str, function: str | None = None) -> str:
        """Give a call site with its function and file replaced; the line stays."""
        if text not in self._names:
            place = place_of(text, function)
            if not place.file and not place.line:
                self._names[text] = self.pseudonym(f"\0{text}", "site")
            else:
                name = self.pseudonym(place.function, "function") if place.function else ""
                where = self.pseudonym(place.file, "file") if place.file else ""
                where += f":{place.line}" if place.line else ""
                self._names[text] = f"{name} ({where})" if name and place.file else f"{name}{where}"
            self._originals[self._names[text]] = text
        return self._names[text]

    def stack(self, text: str) -> str:
        """Give a stack with each of its frames replaced as a call site is."""
        return "\n".join(map(self.site, frames_of(text)))

    def pointers(self, values: Words) -> Words:
        """Give the pointers that stand for others; 0 stays."""
        if not len(self._known):
            return np.zeros_like(values)
        at = np.minimum(np.searchsorted(self._known, values), len(self._known) - 1)
        return np.where(self._known[at] == values, self._stand_in[at], np.uint64(0))

    def pointer(self, value: int) -> int:
        """Give the pointer that stands for one; one that the operations do not name gets the next number."""
        if not value:
            return 0
        known = int(self.pointers(np.array([value], np.uint64))[0])
        if known:
            return known
        self._more.setdefault(value, self._base + _STRIDE * (len(self._known) + len(self._more) + 1))
        return self._more[value]

    def table(self, operations: pa.Table) -> pa.Table:
        """Give the operations with everything replaced that could tell of the machine or the driver.

        The columns of the provider's own are left out.
        """
        ours = {field.name: field.type for field in (*OPERATIONS, *OWNERS, ASSUMED, PROCESS, STACK)}
        fields = {field.name: field for field in operations.schema if ours.get(field.name) == field.type}
        pointers = set(_pointer_columns(operations))
        columns: dict[str, pa.Array] = {}
        for name, field in fields.items():
            column = whole(operations.column(name))
            if name in pointers:
                column = from_numpy(self.pointers(_words(column)), pa.uint64())
            elif pa.types.is_dictionary(field.type) and name not in _KEPT_NAMES:
                column = self._renamed(name, column)
            elif name == _TAGS:
                column = nulls(len(column), field.type)
            columns[name] = column
        schema = pa.schema([fields[name] for name in columns])
        return pa.Table.from_arrays(list(columns.values()), schema=schema)

    def names(self, column: pa.ChunkedArray, kind: str) -> pa.Array:
        """Give a column of texts with each replaced."""
        texts = column.to_pylist()
        found = strings("" if text is None else self.pseudonym(text, kind) for text in texts)
        return pc.if_else(column.is_valid().combine_chunks(), found, nulls(len(texts), pa.string()))

    def _renamed(self, name: str, column: pa.DictionaryArray) -> pa.DictionaryArray:
        """Replace the strings of a dictionary column, each once, in the order in which rows use them."""
        codes = column.indices.fill_null(-1).to_numpy(zero_copy_only=False)
        used, first = np.unique(codes, return_index=True)
        texts = column.dictionary.to_pylist()
        found: list[str | None] = [None] * len(texts)
        known: dict[str, Callable[[str], str]] = {"site": self.site, "stack": self.stack}
        rename = known.get(name) or (lambda text: self.pseudonym(text, name))
        for code in used[np.argsort(first, kind="stable")].tolist():
            if code >= 0 and texts[code] is not None:
                found[code] = rename(texts[code])
        # What no row uses is not carried along: a dictionary would tell it.
        return pa.DictionaryArray.from_arrays(column.indices, strings(text or "" for text in found))


def _words(column: pa.Array) -> Words:
    """Give pointers as an array; 0 where there is none."""
    words: Words = (column.fill_null(0) if column.null_count else column).to_numpy(zero_copy_only=False)
    return words


def _pointer_columns(operations: pa.Table) -> list[str]:
    """Name the columns of pointers: all 64-bit numbers that are no counters."""
    return [
        field.name
        for field in operations.schema
        if field.type == pa.uint64() and field.name not in _KEPT_NUMBERS
    ]


def redact_paths(texts: Sequence[Any], paths: Sequence[str]) -> tuple[str, ...]:
    """Give lines with the paths of a capture replaced by those that :func:`stand_ins` gives."""
    found = []
    for text in texts:
        for path, stand_in in zip(paths, stand_ins(paths), strict=True):
            text = str(text).replace(path, stand_in)
        found.append(str(text))
    return tuple(found)


def stand_ins(paths: Sequence[str]) -> tuple[str, ...]:
    """Give the names that stand for the files of a capture."""
    return tuple(f"capture-{number}.etl" for number in range(1, len(paths) + 1))
