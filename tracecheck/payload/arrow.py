"""Arrow arrays from numpy arrays and byte slices, without the detour through pandas.

``pa.array``, ``pa.nulls`` and ``pa.scalar`` import pandas where it is installed (0.3 s), whatever they are
given; casts and ``Array.from_buffers`` do not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tracecheck.payload._slices import distinct_slices, join_slices

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tracecheck.payload._slices import Bytes, Ints

#: What strings that repeat become.
TEXT = pa.dictionary(pa.int32(), pa.string())


def from_numpy(
    values: npt.NDArray[Any], kind: pa.DataType, valid: npt.NDArray[np.bool_] | None = None
) -> pa.Array:
    """Wrap a numpy array, without a copy where it is contiguous (booleans are packed into bits).

    Args:
        values: Shape (n,), of the width of ``kind``, little-endian.
        kind: A fixed-width Arrow type.
        valid: False where the result is null; None where nothing is.

    Returns:
        An array of ``n`` values that keeps ``values`` alive.
    """
    size = values.size
    if pa.types.is_boolean(kind):
        values = np.packbits(values, bitorder="little")
    validity = None if valid is None else pa.py_buffer(np.packbits(valid, bitorder="little"))
    return pa.Array.from_buffers(kind, size, [validity, pa.py_buffer(np.ascontiguousarray(values))])


def strings(texts: Iterable[str]) -> pa.Array:
    """Make a string array of Python strings."""
    raw = [text.encode() for text in texts]
    offsets = list_offsets(np.array([len(text) for text in raw], dtype=np.int64)).astype(np.int32)
    return pa.Array.from_buffers(
        pa.string(), len(raw), [None, pa.py_buffer(offsets), pa.py_buffer(b"".join(raw))]
    )


def nulls(size: int, kind: pa.DataType) -> pa.Array:
    """Make an array of nulls of any type."""
    return pa.Array.from_buffers(pa.null(), size, [None]).cast(kind)


def dictionary_of_slices(
    data: Bytes, start: Ints, length: Ints, encoding: str | Callable[[bytes], str]
) -> pa.DictionaryArray:
    """Decode slices of a byte array into strings; each different string is decoded once.

    Args:
        data: The bytes, contiguous.
        start: Where each slice starts, shape (n,).
        length: Bytes of each slice, within ``data``.
        encoding: The codec's name (what it cannot decode becomes U+FFFD), or the function that decodes.

    Returns:
        ``n`` strings, as int32 codes into the different ones.
    """
    codes, distinct = distinct_slices(data, start, length)
    if isinstance(encoding, str):
        texts = [raw.decode(encoding, "replace") for raw in distinct]
    else:
        texts = [encoding(raw) for raw in distinct]
    number: dict[str, int] = {}
    renumber = [number.setdefault(text, len(number)) for text in texts]
    # Different bytes may decode to one text; a dictionary with a value twice would mislead comparisons.
    if len(number) < len(texts):
        codes = np.array(renumber, dtype=np.int32)[codes]
    return pa.DictionaryArray.from_arrays(from_numpy(codes, pa.int32()), strings(number))


def binary_of_slices(data: Bytes, start: Ints, length: Ints) -> pa.Array:
    """Copy slices of a byte array into a binary array.

    Args:
        data: The bytes, contiguous.
        start: Where each slice starts, shape (n,).
        length: Bytes of each slice, within ``data``.

    Returns:
        ``n`` binary values.
    """
    content = pa.py_buffer(join_slices(data, start, length))
    offsets = pa.py_buffer(list_offsets(length).astype(np.int32))
    return pa.Array.from_buffers(pa.binary(), start.size, [None, offsets, content])


def list_offsets(count: Ints) -> Ints:
    """Return where each list of ``count`` elements starts and, last, where the last one ends."""
    offsets = np.zeros(count.size + 1, dtype=np.int64)
    np.cumsum(count, out=offsets[1:])
    return offsets


def make_lists(count: Ints, values: pa.Array, kind: pa.DataType) -> pa.Array:
    """Cut ``values`` into lists of ``count`` elements each."""
    offsets = pa.py_buffer(list_offsets(count).astype(np.int32))
    return pa.Array.from_buffers(kind, count.size, [None, offsets], children=[values])


def whole(column: pa.ChunkedArray) -> pa.Array:
    """Give a column of a table as one array; ``combine_chunks`` would copy even a single chunk."""
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def spread(array: pa.Array, rows: Ints, size: int) -> pa.Array:
    """Put an array's values at ``rows`` of an array of ``size``; the other rows are null."""
    if rows.size == size:
        return array
    if not rows.size or pa.types.is_null(array.type):
        return nulls(size, array.type)
    index = np.zeros(size, dtype=np.int64)
    index[rows] = np.arange(rows.size)
    valid = np.zeros(size, dtype=np.bool_)
    valid[rows] = True
    return array.take(from_numpy(index, pa.int64(), valid))


def batch(columns: list[pa.Array], names: list[str], rows: int) -> pa.RecordBatch:
    """Make a batch of columns; of none, one that still knows how many rows it has."""
    if columns:
        return pa.RecordBatch.from_arrays(columns, names)
    return pa.RecordBatch.from_struct_array(pa.Array.from_buffers(pa.struct([]), rows, [None]))


def unique_names(names: Iterable[str]) -> list[str]:
    """Give each name that was there before the first free suffix: ``a``, ``a_2``, ``a_3``."""
    taken: set[str] = set()
    out = []
    last: dict[str, int] = {}
    for name in names:
        unique = name
        while unique in taken:
            last[name] = last.get(name, 1) + 1
            unique = f"{name}_{last[name]}"
        taken.add(unique)
        out.append(unique)
    return out
