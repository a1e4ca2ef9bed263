"""Columns of text cells as numbers.

Through the arrays' buffers: Arrow's own ways to numpy, and its functions that take plain values, import
pandas where it is installed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tracecheck.payload.arrow import from_numpy

if TYPE_CHECKING:
    import numpy.typing as npt

    from tracecheck.payload._slices import Ints


def flags(array: pa.BooleanArray) -> npt.NDArray[np.bool_]:
    """Give booleans as numpy; null is False."""
    return np.asarray(plain(array.cast(pa.uint8()), "u1") == 1)


def valid(array: pa.Array) -> npt.NDArray[np.bool_]:
    """Tell which values are not null."""
    return flags(array.is_valid())


def plain(array: pa.Array, dtype: str) -> npt.NDArray[Any]:
    """Give a fixed-width column as numpy; null is 0."""
    held = np.frombuffer(array.buffers()[1] or b"", dtype)[array.offset :][: len(array)]
    return held if not array.null_count else np.where(valid(array), held, held.dtype.type(0))


def lengths(texts: pa.Array) -> Ints:
    """Count the bytes of each text; null has none."""
    return plain(pc.binary_length(texts), "i4").astype(np.int64)


def rows(texts: pa.Array, places: Ints) -> pa.Array:
    """Give some of the rows."""
    return texts.take(from_numpy(places, pa.int64()))


def numbers(texts: pa.Array, *, decimal: bool = True) -> Ints:
    """Read digits; what has none is 0.

    Args:
        texts: At most 18 decimal or 16 hexadecimal digits each, among blanks.
        decimal: Whether they are decimal.

    Returns:
        The numbers; hexadecimal ones of 16 digits may be negative.
    """
    found = np.flatnonzero(lengths(texts) > 0)
    some = pc.ascii_trim_whitespace(rows(texts, found))
    if decimal:
        read = plain(some.cast(pa.int64()), "i8")
    else:
        marks = pc.utf8_lpad(some, 16, "0")
        read = plain(pc.utf8_replace_slice(marks, 0, 0, "0x").cast(pa.uint64()), "u8").view("i8")
    out = np.zeros(len(texts), np.int64)
    out[found] = read
    return out
