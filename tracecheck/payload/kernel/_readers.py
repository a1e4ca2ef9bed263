"""From the fields of a layout to the readers of columns that decode them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from tracecheck.payload import _values
from tracecheck.payload._columns import SHORT, Column, Label, Scalar, Sid, Terminated
from tracecheck.payload._slices import find_terminator, gather, join_slices
from tracecheck.payload.arrow import dictionary_of_slices, from_numpy, make_lists, spread

if TYPE_CHECKING:
    import numpy.typing as npt

    from tracecheck.payload._columns import Decode
    from tracecheck.payload._slices import Bytes, Ints

_INTEGERS = {
    "i1": pa.int8(),
    "i4": pa.int32(),
    "u1": pa.uint8(),
    "u2": pa.uint16(),
    "u4": pa.uint32(),
    "u8": pa.uint64(),
}
# sizeof(TIME_ZONE_INFORMATION).
_ZONE_SIZE = 172


def readers_of(fields: str, pointer_size: int) -> tuple[Column, ...]:
    """Make the readers of a layout's fields; see :mod:`tracecheck.payload.kernel.layouts`."""
    pairs = [field.split(":") for field in fields.split()]
    return tuple(_reader(name, kind, pointer_size) for name, kind in pairs)


def least_size(fields: str, pointer_size: int) -> int:
    """Tell how many bytes a layout takes at least."""
    return sum(reader.least for reader in readers_of(fields, pointer_size))


def _reader(label: str, kind: str, pointer_size: int) -> Column:
    if kind in _INTEGERS:
        return Scalar(label, _INTEGERS[kind], f"<{kind}")
    match kind:
        case "p":
            return Scalar(label, pa.uint64(), f"<u{pointer_size}", _addresses)
        case "ps":
            return Pointers(label, pointer_size)
        case "guid":
            return Scalar(label, pa.string(), "16u1", _values.guids)
        case "time":
            return Scalar(label, _values.UTC_NS, "<i8", _values.filetimes)
        case "sid":
            return UserSid(label, pointer_size)
        case "tag":
            return Label(label, 4, "latin-1")
        case "zone":
            return Label(label, _ZONE_SIZE, bytes.hex)
    return _other(label, kind)


def _other(label: str, kind: str) -> Column:
    match kind:
        case "a":
            return Terminated(label, 1, _values.ansi)
        case "w":
            return Terminated(label, 2, "utf-16-le")
        case "a*":
            return OpenText(label)
        case "w?":
            return Optional(Terminated(label, 2, "utf-16-le"))
        case "u4?":
            return Optional(Scalar(label, pa.uint32(), "<u4"))
    raise AssertionError(f"{label}: a layout has a field of the unknown type {kind}")


def _addresses(values: npt.NDArray[Any]) -> pa.Array:
    return from_numpy(values.astype(np.uint64), pa.uint64())


class Optional(Column):
    """A last field that older writers leave out: null where the payload has ended before it."""

    def __init__(self, inner: Column) -> None:
        self.inner = inner
        super().__init__(inner.label, inner.kind, None)

    def measure(self, data: Bytes, pos: Ints, end: Ints) -> Ints:
        """See :meth:`Column.measure`."""
        return np.where(pos == end, 0, self.inner.measure(data, pos, end))

    def build(self, data: Bytes, pos: Ints, size: Ints) -> pa.Array:
        """See :meth:`Column.build`."""
        rows = np.flatnonzero(size)
        return spread(self.inner.build(data, pos[rows], size[rows]), rows, pos.size)


class OpenText(Column):
    """An 8-bit string that a NUL ends, or else the payload."""

    def __init__(self, label: str) -> None:
        self.text = Terminated(label, 1, _values.ansi)
        super().__init__(label, self.text.kind, None)

    def measure(self, data: Bytes, pos: Ints, end: Ints) -> Ints:
        """See :meth:`Column.measure`."""
        length = find_terminator(data, pos, end, 1)
        return np.where(length < 0, end - pos, length + 1)

    def build(self, data: Bytes, pos: Ints, size: Ints) -> pa.Array:
        """See :meth:`Column.build`."""
        last = gather(data, np.maximum(pos + size - 1, 0), 1).reshape(-1)
        return dictionary_of_slices(data, pos, size - ((size > 0) & (last == 0)), _values.ansi)


class Pointers(Column):
    """Pointers up to the end of the payload."""

    def __init__(self, label: str, pointer_size: int) -> None:
        self.width = pointer_size
        super().__init__(label, pa.list_(pa.uint64()), None)

    def measure(self, _data: Bytes, pos: Ints, end: Ints) -> Ints:
        """See :meth:`Column.measure`."""
        return (end - pos) // self.width * self.width

    def build(self, data: Bytes, pos: Ints, size: Ints) -> pa.Array:
        """See :meth:`Column.build`."""
        raw = np.frombuffer(join_slices(data, pos, size), f"<u{self.width}")
        return make_lists(size // self.width, _addresses(raw), self.kind)


class UserSid(Column):
    """TOKEN_USER (a pointer, then attributes padded to another) and the SID; or four zeros and none."""

    def __init__(self, label: str, pointer_size: int) -> None:
        self.skip = 2 * pointer_size
        decode: Decode = _values.sid
        self.inner = Sid(label, decode)
        super().__init__(label, self.inner.kind, None, least=4)

    def measure(self, data: Bytes, pos: Ints, end: Ints) -> Ints:
        """See :meth:`Column.measure`."""
        none = gather(data, pos, 4).view("<u4").reshape(-1) == 0
        at = np.minimum(pos + self.skip, end)
        inner = self.inner.measure(data, at, end)
        size = np.where(none, 4, np.where(inner < 0, inner, inner + self.skip))
        return np.where(end - pos < 4, SHORT, size)

    def build(self, data: Bytes, pos: Ints, size: Ints) -> pa.Array:
        """See :meth:`Column.build`."""
        rows = np.flatnonzero(size > 4)
        at, length = pos[rows] + self.skip, size[rows] - self.skip
        return spread(self.inner.build(data, at, length), rows, pos.size)
