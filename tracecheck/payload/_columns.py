"""Field readers: each measures and builds one field of many payloads at once.

``measure`` says how many bytes the field takes in each payload, or why it cannot be read there;
``build`` makes the Arrow array of payloads where it can. Every reader knows the least bytes that one
value takes, so that a count is held against what the payload has left before anything is allocated.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pyarrow as pa

from tracecheck.payload._slices import find_terminator, gather
from tracecheck.payload.arrow import TEXT, binary_of_slices, dictionary_of_slices, from_numpy, nulls

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from tracecheck.payload._slices import Bytes, Ints

    Convert = Callable[[npt.NDArray[Any]], pa.Array]
    Decode = str | Callable[[bytes], str]

# What ``measure`` says instead of a size.
SHORT = -1
BAD_COUNT = -2
UNKNOWN_TYPE = -3
TOO_MANY = -4

# No payload is as large: a stand-in for products of counts that would overflow.
_TOO_LARGE = 1 << 40

# No payload holds as many of anything: what a field that says a count says at most.
_MOST = np.uint64(1 << 22)

_SID_HEADER_SIZE = 8
_SID_MAX_SUB_AUTHORITIES = 15


class Column:
    """A reader of one field.

    Attributes:
        label: The field's path, for messages.
        kind: The Arrow type of what ``build`` gives.
        size: Bytes of every value, None where they differ.
        least: Bytes of the smallest value.
    """

    def __init__(self, label: str, kind: pa.DataType, size: int | None, least: int = 0) -> None:
        self.label = label
        self.kind = kind
        self.size = size if size is None else min(size, _TOO_LARGE)
        self.least = min(least, _TOO_LARGE) if self.size is None else self.size

    def measure(self, _data: Bytes, pos: Ints, end: Ints) -> Ints:
        """Return the field's size in each payload, shape (n,), or a negative reason."""
        assert self.size is not None
        return np.where(end - pos >= self.size, self.size, SHORT)

    def step(self, _raw: bytes, pos: int, end: int) -> int:
        """Return what ``measure`` does, of one payload: quicker for a few long arrays."""
        assert self.size is not None
        return self.size if end - pos >= self.size else SHORT

    def build(self, data: Bytes, pos: Ints, _size: Ints) -> pa.Array:
        """Read the field at positions where it lies whole."""
        assert self.size is not None
        if not pos.size:
            return nulls(0, self.kind)
        return self.from_block(gather(data, pos, self.size), 0)

    def from_block(self, _block: Bytes, _offset: int) -> pa.Array:
        """Read a field of fixed size at an offset of each row of bytes already gathered.

        Raises:
            TypeError: The field has no fixed size: only :meth:`build` can read it.
        """
        raise TypeError(f"{self.label} has no fixed size")


class Scalar(Column):
    """A value of fixed size that numpy can view."""

    def __init__(self, label: str, kind: pa.DataType, dtype: str, convert: Convert | None = None) -> None:
        self.dtype = np.dtype(dtype)
        self.convert = convert
        super().__init__(label, kind, self.dtype.itemsize)

    def from_block(self, block: Bytes, offset: int) -> pa.Array:
        """See :meth:`Column.from_block`."""
        width = block.shape[1]
        row = np.dtype({"names": ["f"], "formats": [self.dtype], "offsets": [offset], "itemsize": width})
        values = block.view(row).reshape(block.shape[0])["f"].copy()
        return self.convert(values) if self.convert else from_numpy(values, self.kind)

    def numbers(self, data: Bytes, pos: Ints) -> Ints:
        """Read the field as an unsigned number where it may be a count; what no payload holds is cut."""
        raw = gather(data, pos, self.dtype.itemsize).view(f"<u{self.dtype.itemsize}").reshape(pos.size)
        return np.minimum(raw.astype(np.uint64), _MOST).astype(np.int64)

    def number(self, raw: bytes, pos: int) -> int:
        """Do the same for one payload."""
        return min(int.from_bytes(raw[pos : pos + self.dtype.itemsize], "little"), int(_MOST))


class Label(Column):
    """Bytes of fixed size that are shown as text: a character, an address."""

    def __init__(self, label: str, size: int, decode: Decode) -> None:
        self.decode = decode
        super().__init__(label, TEXT, size)

    def from_block(self, block: Bytes, offset: int) -> pa.Array:
        """See :meth:`Column.from_block`."""
        rows, width = block.shape
        start = np.arange(rows, dtype=np.int64) * width + offset
        return dictionary_of_slices(block.reshape(-1), start, np.full(rows, self.size), self.decode)


class Nothing(Column):
    """A field without a value: the null type, a struct or an array of nothing."""

    def __init__(self, label: str, size: int = 0) -> None:
        super().__init__(label, pa.null(), size)

    def from_block(self, block: Bytes, _offset: int) -> pa.Array:
        """See :meth:`Column.from_block`."""
        return nulls(block.shape[0], self.kind)


class Unknown(Column):
    """A field whose type is not known, so that neither it nor what follows can be found."""

    def __init__(self, label: str) -> None:
        super().__init__(label, pa.null(), None, least=1)

    def measure(self, _data: Bytes, pos: Ints, _end: Ints) -> Ints:
        """See :meth:`Column.measure`."""
        return np.full(pos.size, UNKNOWN_TYPE, dtype=np.int64)

    def step(self, _raw: bytes, _pos: int, _end: int) -> int:
        """See :meth:`Column.step`."""
        return UNKNOWN_TYPE

    def build(self, _data: Bytes, pos: Ints, _size: Ints) -> pa.Array:
        """See :meth:`Column.build`."""
        return nulls(pos.size, self.kind)


class Terminated(Column):
    """A string that a NUL ends."""

    def __init__(self, label: str, unit: int, decode: Decode) -> None:
        self.unit = unit
        self.decode = decode
        super().__init__(label, TEXT, None, least=unit)

    def measure(self, data: Bytes, pos: Ints, end: Ints) -> Ints:
        """See :meth:`Column.measure`."""
        length = find_terminator(data, pos, end, self.unit)
        return np.where(length < 0, SHORT, length + self.unit)

    def step(self, raw: bytes, pos: int, end: int) -> int:
        """See :meth:`Column.step`."""
        at = raw.find(b"\0" * self.unit, pos, end)
        while at >= 0 and (at - pos) % self.unit:
            at = raw.find(b"\0" * self.unit, at + 1, end)
        return SHORT if at < 0 else at + self.unit - pos

    def build(self, data: Bytes, pos: Ints, size: Ints) -> pa.Array:
        """See :meth:`Column.build`."""
        return dictionary_of_slices(data, pos, size - self.unit, self.decode)


class Counted(Column):
    """A u16 count, then as many units of text or bytes."""

    def __init__(self, label: str, unit: int, decode: Decode | None) -> None:
        self.unit = unit
        self.decode = decode
        super().__init__(label, TEXT if decode else pa.binary(), None, least=2)

    def measure(self, data: Bytes, pos: Ints, end: Ints) -> Ints:
        """See :meth:`Column.measure`."""
        count = read_counts(data, pos, end)
        return fitting(count, 2 + count * self.unit, end - pos)

    def step(self, raw: bytes, pos: int, end: int) -> int:
        """See :meth:`Column.step`."""
        if end - pos < 2:
            return SHORT
        size = 2 + int.from_bytes(raw[pos : pos + 2], "little") * self.unit
        return size if size <= end - pos else BAD_COUNT

    def build(self, data: Bytes, pos: Ints, size: Ints) -> pa.Array:
        """See :meth:`Column.build`."""
        if self.decode is None:
            return binary_of_slices(data, pos + 2, size - 2)
        return dictionary_of_slices(data, pos + 2, size - 2, self.decode)


class Sized(Column):
    """Text or bytes without a count of their own.

    Args:
        label: The field's path.
        unit: Bytes of a character, 1 for bytes.
        decode: How to read text; None for bytes.
        count: How many units; for each payload its own where a field before this one says it.
    """

    def __init__(self, label: str, unit: int, decode: Decode | None, count: int | Ints = 0) -> None:
        self.unit = unit
        self.decode = decode
        self.count = count
        least = count * unit if isinstance(count, int) else 0
        super().__init__(label, TEXT if decode else pa.binary(), None, least=least)

    def with_count(self, count: int | Ints) -> Self:
        """Return this reader for payloads of which something says the count."""
        other = copy.copy(self)
        other.count = count
        return other

    def measure(self, _data: Bytes, pos: Ints, end: Ints) -> Ints:
        """See :meth:`Column.measure`."""
        count = np.broadcast_to(np.asarray(self.count, dtype=np.int64), pos.shape)
        return fitting(count, count * self.unit, end - pos)

    def step(self, _raw: bytes, pos: int, end: int) -> int:
        """See :meth:`Column.step`."""
        assert isinstance(self.count, int)
        size = self.count * self.unit
        return size if size <= end - pos else BAD_COUNT

    def build(self, data: Bytes, pos: Ints, size: Ints) -> pa.Array:
        """See :meth:`Column.build`."""
        if self.decode is None:
            return binary_of_slices(data, pos, size)
        return dictionary_of_slices(data, pos, size, self.decode)


class Sid(Column):
    """A security identifier: its second byte counts its sub-authorities."""

    def __init__(self, label: str, decode: Decode) -> None:
        self.decode = decode
        super().__init__(label, TEXT, None, least=_SID_HEADER_SIZE)

    def measure(self, data: Bytes, pos: Ints, end: Ints) -> Ints:
        """See :meth:`Column.measure`."""
        count = gather(data, pos, 2)[:, 1].astype(np.int64)
        count[end - pos < _SID_HEADER_SIZE] = SHORT
        count[count > _SID_MAX_SUB_AUTHORITIES] = BAD_COUNT
        return fitting(count, _SID_HEADER_SIZE + 4 * count, end - pos)

    def step(self, raw: bytes, pos: int, end: int) -> int:
        """See :meth:`Column.step`."""
        if end - pos < _SID_HEADER_SIZE:
            return SHORT
        count = raw[pos + 1]
        size = _SID_HEADER_SIZE + 4 * count
        return size if count <= _SID_MAX_SUB_AUTHORITIES and size <= end - pos else BAD_COUNT

    def build(self, data: Bytes, pos: Ints, size: Ints) -> pa.Array:
        """See :meth:`Column.build`."""
        return dictionary_of_slices(data, pos, size, self.decode)


def read_counts(data: Bytes, pos: Ints, end: Ints) -> Ints:
    """Read a u16 at each position; SHORT where it does not lie before ``end``."""
    count = gather(data, pos, 2).view("<u2").reshape(pos.size).astype(np.int64)
    count[end - pos < 2] = SHORT
    return count


def fitting(count: Ints, size: Ints, room: Ints) -> Ints:
    """Return the sizes; where the count is a reason, that; where the size exceeds the room, BAD_COUNT."""
    return np.where(count < 0, count, np.where(size > room, BAD_COUNT, size))
