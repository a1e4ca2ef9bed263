"""The strings of a capture's operations, each once: routines, functions and call sites."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray


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
