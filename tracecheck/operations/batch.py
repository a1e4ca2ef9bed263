"""Rows of the operations table as numpy columns, while they are being collected."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tracecheck.payload.arrow import nulls

#: Columns that a batch holds, and their types. ``has_`` columns tell which values were logged;
#: ``buffer_sequence`` and ``buffer_offset`` break ties of time and are dropped after the sort.
DTYPES: dict[str, str] = {
    "time": "i8",
    "tick": "i8",
    "begin": "i8",
    "cpu": "u2",
    "pid": "u4",
    "tid": "u4",
    "routine": "i4",
    "context": "u8",
    "old_context": "u8",
    "object": "u8",
    "file_object": "u8",
    "stream": "u8",
    "instance": "u8",
    "volume": "u8",
    "transaction": "u8",
    "filter": "u8",
    "context_type": "u2",
    "operation": "u4",
    "status": "u4",
    "irql": "u1",
    "pool": "u4",
    "pool_tag": "u4",
    "size": "u4",
    "major": "u1",
    "phase": "u1",
    "paging_file": "?",
    "old_requested": "?",
    "function": "i4",
    "site": "i4",
    "sequence": "u8",
    "record": "u8",
    "buffer_sequence": "i8",
    "buffer_offset": "u4",
}
#: The columns for which 0 is not the same as "not logged".
OPTIONAL = (
    "begin",
    "context",
    "old_context",
    "operation",
    "status",
    "irql",
    "pool",
    "pool_tag",
    "size",
    "major",
    "phase",
    "paging_file",
    "old_requested",
    "sequence",
)


class Batch:
    """Columns of equal length by name; a column that was never set is zeros, and its values not logged."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._columns: dict[str, NDArray[Any]] = {}
        self.extra: dict[str, pa.Array] = {}

    @classmethod
    def empty(cls, size: int, routine: int) -> Batch:
        """Make rows of one routine, given its code."""
        batch = cls(size)
        batch["routine"] = np.full(size, routine, np.int32)
        for column in ("function", "site"):
            batch[column] = np.full(size, -1, np.int32)
        return batch

    @staticmethod
    def dtype(column: str) -> str:
        """Tell the type of a column."""
        return DTYPES.get(column, "?")

    def __getitem__(self, column: str) -> NDArray[Any]:
        values = self._columns.get(column)
        return np.zeros(self.size, self.dtype(column)) if values is None else values

    def __setitem__(self, column: str, values: NDArray[Any]) -> None:
        self._columns[column] = values

    def __contains__(self, column: str) -> bool:
        return column in self._columns

    def take(self, rows: NDArray[np.int64]) -> Batch:
        """Give some of the rows."""
        part = Batch(len(rows))
        part._columns = {name: values[rows] for name, values in self._columns.items()}
        indices = pa.Array.from_buffers(
            pa.int64(), len(rows), [None, pa.py_buffer(np.ascontiguousarray(rows))]
        )
        part.extra = {name: column.take(indices) for name, column in self.extra.items()}
        return part

    @staticmethod
    def concat(parts: list[Batch]) -> Batch:
        """Put batches after another; extra columns of a name must have one type (see :func:`harmonise`)."""
        whole = Batch(sum(part.size for part in parts))
        present = {name for part in parts for name in part._columns}
        for name in [*DTYPES, *(f"has_{n}" for n in OPTIONAL)]:
            if name in present:
                whole[name] = np.concatenate(
                    [part[name].astype(Batch.dtype(name), copy=False) for part in parts]
                )
        for name in {name for part in parts for name in part.extra}:
            whole.extra[name] = _concat_extra(parts, name)
        return whole


def _concat_extra(parts: list[Batch], name: str) -> pa.Array:
    """Put a provider's own column together; where its types differ, as text."""
    columns = [part.extra.get(name) for part in parts]
    kinds = {column.type for column in columns if column is not None and not pa.types.is_null(column.type)}
    kind = kinds.pop() if len(kinds) == 1 else pa.string()
    arrays = []
    for part, column in zip(parts, columns, strict=True):
        if column is None:
            arrays.append(nulls(part.size, kind))
        elif column.type == kind:
            arrays.append(column)
        else:
            arrays.append(_as_text(column))
    return pa.concat_arrays([_plain(array) for array in arrays])


def _plain(array: pa.Array) -> pa.Array:
    """Decode a dictionary: dictionaries of different batches cannot be put together as they are."""
    return array.dictionary_decode() if pa.types.is_dictionary(array.type) else array


def _as_text(array: pa.Array) -> pa.Array:
    array = _plain(array)
    if pa.types.is_string(array.type):
        return array
    return pa.array([None if value is None else str(value) for value in array.to_pylist()], pa.string())


class Names:
    """The strings of a capture's operations, each once: routines, functions and call sites."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self._codes: dict[str, int] = {}
        self._sites: dict[tuple[str, str, int], int] = {}

    def code(self, text: str) -> int:
        """Give the code of a string."""
        code = self._codes.get(text)
        if code is None:
            code = self._codes[text] = len(self.texts)
            self.texts.append(text)
        return code

    def sites(self, fields: dict[str, pa.Array], size: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Make the function and call site of each event.

        Args:
            fields: The events' decoded fields.
            size: How many events there are.

        Returns:
            Codes of the function and of the site's text, -1 where nothing was logged.
        """
        function, functions = _text_codes(fields.get("Function"), size)
        file, files = _text_codes(fields.get("File"), size)
        line = _integers(fields.get("Line"), size)
        caller = np.where(function + file == -2, _integers(fields.get("Caller"), size), 0)
        # The combinations that occur are few: number them, and make the text of each once.
        whole = np.stack([function.astype(np.int64), file.astype(np.int64), line, caller], 1)
        packed = np.ascontiguousarray(whole).view("V32")[:, 0]
        _, first, which = np.unique(_hashed(whole), return_index=True, return_inverse=True)
        if not (packed[first][which] == packed).all():
            _, first, which = np.unique(packed, return_index=True, return_inverse=True)
        texts = [_site_text(functions, files, *whole[i].tolist()) for i in first.tolist()]
        codes = np.array([self.code(text) if text else -1 for text in texts], np.int32)
        names = np.array([self.code(text) for text in functions] + [-1], np.int32)
        return names[function], codes[which.reshape(-1)]


def _hashed(rows: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Mix the numbers of each row into one; equal rows give equal numbers."""
    odd = np.array(
        [0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0x27D4EB2F165667C5], np.uint64
    )
    mixed: NDArray[np.uint64] = (rows.view(np.uint64) * odd).sum(1)
    return mixed


def _text_codes(column: pa.Array | None, size: int) -> tuple[NDArray[np.int32], list[str]]:
    """Give a text column as codes into its strings, -1 where there is none."""
    if column is None or not (
        pa.types.is_dictionary(column.type) and pa.types.is_string(column.type.value_type)
    ):
        return np.full(size, -1, np.int32), []
    codes = column.indices
    if codes.null_count:
        codes = codes.fill_null(-1)
    texts = column.dictionary.to_pylist()
    # An empty string says no more than an absent one.
    table = np.array([i if text else -1 for i, text in enumerate(texts)] + [-1], np.int32)
    return table[codes.to_numpy(zero_copy_only=False)], texts


def _integers(column: pa.Array | None, size: int) -> NDArray[np.int64]:
    if column is None or not pa.types.is_integer(column.type):
        return np.zeros(size, np.int64)
    values = column.fill_null(0) if column.null_count else column
    numbers: NDArray[np.int64] = values.to_numpy(zero_copy_only=False).astype(np.uint64).view(np.int64)
    return numbers


def _site_text(
    functions: list[str], files: list[str], function: int, file: int, line: int, caller: int
) -> str:
    """Write a call site as people do: function (file:line), or the return address alone."""
    name = functions[function] if function >= 0 else ""
    place = files[file].replace("\\", "/").rpartition("/")[2] if file >= 0 else ""
    if line and place:
        place = f"{place}:{line & 0xFFFFFFFF}"
    if name and place:
        return f"{name} ({place})"
    if name and line:
        return f"{name}:{line & 0xFFFFFFFF}"
    return name or place or (f"{caller & 0xFFFFFFFFFFFFFFFF:#x}" if caller else "")
