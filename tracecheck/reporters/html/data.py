"""Tables as the blocks of the HTML page: planes of bytes, deflated, in base64.

A block is deflated (zlib) bytes: the length of a header as uint32, the header, and the columns one after the
other. The header is JSON in ASCII: ``rows`` and ``columns``, each a name, a width in bytes and whether the
numbers are zigzag and are differences. A column is as many planes as it is wide, the lowest bytes of all rows
first: planes of high bytes are nearly constant, which deflates to nearly nothing. A block of JSON has no
columns: it is the deflated text alone. All numbers are little-endian.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracecheck.reporters.common import dump

# Level 6 takes a third of the time of level 9, and 1 % more room.
_LEVEL = 6
_WIDEST = 8


@dataclass(frozen=True)
class Column:
    """Numbers of a table.

    Attributes:
        values: Shape (n,), integers or booleans.
        differences: Whether each number is stored as its difference from the one before, modulo 2**64. For
            sorted numbers and for pointers.
    """

    values: NDArray[Any]
    differences: bool = False


def table_block(columns: Mapping[str, NDArray[Any] | Column]) -> str:
    """Pack a table.

    Args:
        columns: Columns of the same length by name, at least one.

    Returns:
        Base64.
    """
    heads, planes, rows = [], [], 0
    for name, given in columns.items():
        column = given if isinstance(given, Column) else Column(given)
        head, body = _pack(column)
        heads.append([name, *head])
        planes.append(body)
        rows = len(column.values)
    header = json.dumps({"rows": rows, "columns": heads}, separators=(",", ":")).encode("ascii")
    return _block(b"".join([len(header).to_bytes(4, "little"), header, *planes]))


def json_block(value: object) -> str:
    """Pack what is no table; lone surrogates come back as they are."""
    return _block(dump(value).encode("ascii"))


def _block(raw: bytes) -> str:
    return base64.b64encode(zlib.compress(raw, _LEVEL)).decode("ascii")


def _pack(column: Column) -> tuple[list[int], bytes]:
    """Give a column's width, whether it is zigzag, whether it holds differences; and its planes."""
    values = column.values
    signed = values.dtype.kind == "i"
    words = np.ascontiguousarray(values.astype(np.int64 if signed else np.uint64)).view(np.uint64)
    if column.differences:
        words = words - np.concatenate([np.zeros(1, np.uint64), words[:-1]]) if len(words) else words
    zigzag = signed and bool(len(words)) and int(words.view(np.int64).min()) < 0
    if zigzag:
        whole = words.view(np.int64)
        words = ((whole << 1) ^ (whole >> 63)).view(np.uint64)
    top = int(words.max()) if len(words) else 0
    width = max(1, (top.bit_length() + 7) // 8)
    planes = words.view(np.uint8).reshape(len(words), _WIDEST)[:, :width].T
    return [width, int(zigzag), int(column.differences)], planes.tobytes()
