"""Record headers to columns: one gather for each field of each kind, not one read for each record."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracecheck.etl.extended import skip_items
from tracecheck.etl.layout import (
    EVENT_EXTENDED_INFO,
    MESSAGE_COMPONENTID,
    MESSAGE_GUID,
    MESSAGE_SEQUENCE,
    MESSAGE_SYSTEMINFO,
    MESSAGE_TIMESTAMP,
    Kind,
)

#: What stands for a process or thread id where the record has none.
NO_ID = 0xFFFFFFFF
#: The processor of what does not name it (an .etl record always does).
NO_CPU = 0xFFFF

Ints = NDArray[np.int64]
#: Which rows of the columns are meant: all of them, or some.
Rows = slice | Ints
_CACHE_LINE = 64
# How many long headers are copied at a time.
_HEADS = 1 << 13
# From which share of the records on those of one layout are read as if all had it.
_MOSTLY = 0.6
#: Columns by name: those of :data:`tracecheck.etl.tables.RECORDS` that a header holds, and
#: ``known_tick`` (false for records that carry no time of their own), ``message_sequence`` (that of a WPP
#: message that has one, else 0) and ``bad`` (the header contradicts the record's size).
Columns = dict[str, NDArray[Any]]

_DTYPES: dict[str, str] = {
    "tick": "<i8",
    "pid": "<u4",
    "tid": "<u4",
    "group": "u1",
    "opcode": "u1",
    "version": "u1",
    "channel": "u1",
    "level": "u1",
    "id": "<u2",
    "task": "<u2",
    "flags": "<u2",
    "keyword": "<u8",
    "provider": "V16",
    "extended": "<u4",
    "schema": "<u4",
    "payload": "<u4",
    "payload_size": "<u4",
    "known_tick": "?",
    "message_sequence": "<u4",
    "bad": "?",
}


def _header(length: int, **fields: tuple[int, str]) -> np.dtype[np.void]:
    """Describe a header by the place and type of its fields."""
    return np.dtype(
        {
            "names": list(fields),
            "offsets": [offset for offset, _ in fields.values()],
            "formats": [kind for _, kind in fields.values()],
            "itemsize": length,
        }
    )


_IDS = {"tid": (8, "<u4"), "pid": (12, "<u4"), "tick": (16, "<i8")}
_HOOK = {"version": (0, "u1"), "size": (4, "<u2"), "opcode": (6, "u1"), "group": (7, "u1")}
_CLASSIC = {"size": (0, "<u2"), "opcode": (4, "u1"), "level": (5, "u1"), "version": (6, "u1")} | _IDS

_SYSTEM = _header(32, **_HOOK, **_IDS)
_COMPACT = _header(24, **_HOOK, **_IDS)
_PERFINFO = _header(16, **_HOOK, tick=(8, "<i8"))
_FULL = _header(48, **_CLASSIC, provider=(24, "V16"))
_INSTANCE = _header(72, **_CLASSIC, provider=(24, "V16"))
_ERROR = _header(8, size=(0, "<u2"))
_MESSAGE = _header(8, size=(0, "<u2"), id=(4, "<u2"), flags=(6, "<u2"))
_EVENT = _header(
    80,
    size=(0, "<u2"),
    flags=(4, "<u2"),
    **_IDS,
    provider=(24, "V16"),
    id=(40, "<u2"),
    version=(42, "u1"),
    channel=(43, "u1"),
    level=(44, "u1"),
    opcode=(45, "u1"),
    task=(46, "<u2"),
    keyword=(48, "<u8"),
)
_HEADERS = {
    Kind.SYSTEM32: _SYSTEM,
    Kind.SYSTEM64: _SYSTEM,
    Kind.COMPACT32: _COMPACT,
    Kind.COMPACT64: _COMPACT,
    Kind.PERFINFO32: _PERFINFO,
    Kind.PERFINFO64: _PERFINFO,
    Kind.FULL32: _FULL,
    Kind.FULL64: _FULL,
    Kind.INSTANCE32: _INSTANCE,
    Kind.INSTANCE64: _INSTANCE,
    Kind.EVENT32: _EVENT,
    Kind.EVENT64: _EVENT,
    Kind.WPP_MESSAGE: _MESSAGE,
    Kind.ERROR: _ERROR,
}
# The kinds by layout: kinds that differ only in the writer's pointer size are read together.
_LAYOUTS = [_SYSTEM, _COMPACT, _PERFINFO, _FULL, _INSTANCE, _EVENT, _MESSAGE, _ERROR]
_LAYOUT = np.zeros(256, np.uint8)
for _kind, _dtype in _HEADERS.items():
    _LAYOUT[_kind] = next(i for i, layout in enumerate(_LAYOUTS) if layout is _dtype)


def gather(data: NDArray[np.uint8], position: Ints, kind: NDArray[np.uint8]) -> Columns:
    """Read the headers of all records.

    Args:
        data: The chunk's bytes; its length is a multiple of 8.
        position: Where each record begins, a multiple of 8; its header is known to lie within data.
        kind: Each record's :class:`Kind`.
    """
    # Zeros, so that memory which no kind writes to is never touched.
    columns: Columns = {name: np.zeros(len(position), dtype) for name, dtype in _DTYPES.items()}
    columns["known_tick"][:] = True
    layout = _LAYOUT.take(kind)
    counts = np.bincount(layout, minlength=len(_LAYOUTS)).tolist()
    most = max(range(len(counts)), key=counts.__getitem__)
    others = np.flatnonzero(layout != most) if counts[most] < len(kind) else np.empty(0, np.int64)
    if _LAYOUTS[most] is not _MESSAGE and counts[most] > _MOSTLY * len(kind):
        # Columns are filled faster whole than in places: rows of other layouts get what chance has there.
        _read(columns, _LAYOUTS[most], data, position, slice(None))
        _reset(columns, others)
    elif len(kind):
        others = np.arange(len(kind))
    of = layout[others]
    for one in np.flatnonzero(np.bincount(of)).tolist():
        to = others[of == one]
        _read(columns, _LAYOUTS[one], data, position[to], slice(None) if len(to) == len(kind) else to)
    return columns


def _reset(columns: Columns, rows: Ints) -> None:
    """Make rows of the columns as they were at first."""
    for name, column in columns.items():
        column[rows] = np.ones(1, column.dtype) if name == "known_tick" else np.zeros(1, column.dtype)


def _read(columns: Columns, header: np.dtype[np.void], data: NDArray[np.uint8], at: Ints, to: Rows) -> None:
    """Read the headers of one layout into some rows of the columns."""
    # A header laid over every eighth byte: indexing a field of it reads that field of all records.
    over: NDArray[np.void] = np.ndarray(((len(data) - header.itemsize) // 8 + 1,), header, data, strides=(8,))
    words = np.minimum(at >> 3, len(over) - 1)
    length = over["size"][words]
    if header.itemsize > _CACHE_LINE:
        _copy_heads(columns, over, words, to)
    else:
        for name in header.names or ():
            if name != "size":
                columns[name][to] = over[name][words]
    end = at + length
    start = at + header.itemsize
    if header is _EVENT:
        _skip_extended(columns, data, to, start, end)
    elif header is _MESSAGE:
        _message(columns, data, to, at, end, start)
    if "pid" not in (header.names or ()) and header is not _MESSAGE:
        columns["pid"][to] = columns["tid"][to] = NO_ID
    if "tick" not in (header.names or ()) and header is not _MESSAGE:
        columns["known_tick"][to] = False
    size = end - start
    if size.min(initial=0) < 0:
        columns["bad"][to] |= size < 0
        start, size = np.minimum(start, end), np.maximum(size, 0)
    columns["payload"][to] = start
    columns["payload_size"][to] = size


def _copy_heads(columns: Columns, over: NDArray[np.void], words: Ints, to: Rows) -> None:
    """Copy long headers whole, some at a time, so that they are still in the cache when fields are copied."""
    header, whole = over.dtype, over.view(f"V{over.dtype.itemsize}")
    for first in range(0, len(words), _HEADS):
        some = slice(first, first + _HEADS)
        heads = whole[words[some]].view(header)
        rows = to[some] if isinstance(to, np.ndarray) else some
        for name in header.names or ():
            if name != "size":
                columns[name][rows] = heads[name]


def _skip_extended(columns: Columns, data: NDArray[np.uint8], to: Rows, start: Ints, end: Ints) -> None:
    """Move the start of the user data of events behind their extended items."""
    flagged = columns["flags"][to] & EVENT_EXTENDED_INFO != 0
    rows: Rows = slice(None) if flagged.all() else np.flatnonzero(flagged)
    if not flagged.any():
        return
    extended = np.zeros(len(start), np.uint32)
    extended[rows] = start[rows]
    columns["extended"][to] = extended
    bad = np.zeros(len(start), np.bool_)
    schema = np.zeros(len(start), np.uint32)
    start[rows], bad[rows], schema[rows] = skip_items(data, start[rows], end[rows])
    columns["schema"][to] = schema
    if bad.any():
        columns["bad"][to] |= bad


def _message(columns: Columns, data: NDArray[np.uint8], to: Rows, at: Ints, end: Ints, start: Ints) -> None:
    """Read the optional fields of WPP messages: they are there or not by each one's option flags."""
    columns["tid"][to] = columns["pid"][to] = NO_ID
    columns["known_tick"][to] = False
    options = columns["flags"][to].copy()
    every = np.arange(len(columns["tick"]))[to]
    # One pass for each mix of options that occurs; there are 256 at most and hardly ever two.
    for mix in np.unique(options).tolist():
        some = np.flatnonzero(options == mix)
        start[some] += _options(columns, data, every[some], mix, at[some] + 8, end[some])


def _options(columns: Columns, data: NDArray[np.uint8], rows: Ints, options: int, at: Ints, end: Ints) -> int:
    """Read the optional fields of messages with the same options; return how long they are."""
    length = 0

    def take(width: int, dtype: str) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        nonlocal length
        inside = at + length + width <= end
        # Values laid over every byte: an index then copies each value whole, at any alignment.
        over: NDArray[np.void] = np.ndarray((len(data) - width + 1,), f"V{width}", data, strides=(1,))
        value = over[np.where(inside, at + length, 0)].view(dtype)
        length += width
        return value, inside

    def put(name: str, width: int, absent: int = 0) -> NDArray[np.bool_]:
        value, inside = take(width, _DTYPES[name])
        columns[name][rows] = np.where(inside, value, absent)
        return inside

    if options & MESSAGE_SEQUENCE:
        put("message_sequence", 4)
    if options & MESSAGE_GUID:
        guid, inside = take(16, "V16")
        columns["provider"][rows[inside]] = guid[inside]
    elif options & MESSAGE_COMPONENTID:
        component, inside = take(4, "<u4")
        columns["keyword"][rows] = np.where(inside, component, 0)
    # MESSAGE_PERFORMANCE_TIMESTAMP only says which clock the time is of.
    if options & MESSAGE_TIMESTAMP:
        columns["known_tick"][rows] = put("tick", 8)
    if options & MESSAGE_SYSTEMINFO:
        put("tid", 4, NO_ID)
        put("pid", 4, NO_ID)
    return length
