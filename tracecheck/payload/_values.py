"""What single values mean: times, GUIDs, SIDs, addresses and characters."""

from __future__ import annotations

import ipaddress
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tracecheck.etl.layout import UNIX_EPOCH_AS_FILETIME
from tracecheck.payload.arrow import from_numpy

# FILETIME ticks (100 ns) that a timestamp in nanoseconds can hold: the years 1677 to 2262.
_FILETIME_REACH = (2**63 - 1) // 100

# The order in which a GUID's bytes are printed; -1 is a dash.
_GUID_ORDER = (3, 2, 1, 0, -1, 5, 4, -1, 7, 6, -1, 8, 9, -1, 10, 11, 12, 13, 14, 15)
_GUID_TEXT_SIZE = 36

_HEX_DIGITS = np.frombuffer(b"0123456789abcdef", dtype=np.uint8)

_DAYS_IN_MONTH = np.array([0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31], dtype=np.int64)

# winsock2.h.
_AF_INET = 2
_AF_INET6 = 23

_SID_IDENTIFIER_AUTHORITY_32 = 1 << 32

UTC_NS = pa.timestamp("ns", "UTC")


def filetimes(ticks: npt.NDArray[np.int64]) -> pa.Array:
    """Turn FILETIMEs (100 ns since 1601, UTC) into timestamp[ns, UTC]; null beyond its reach."""
    since_1970 = ticks.view(np.int64) - np.int64(UNIX_EPOCH_AS_FILETIME)
    # A subtraction from near the smallest integer wraps to a large one, which the reach excludes too.
    valid = (since_1970 <= _FILETIME_REACH) & (since_1970 >= -_FILETIME_REACH)
    return from_numpy(np.where(valid, since_1970, 0) * 100, UTC_NS, None if valid.all() else valid)


def systemtimes(words: npt.NDArray[np.uint16], kind: pa.DataType) -> pa.Array:
    """Turn SYSTEMTIMEs into timestamps in milliseconds; null where the date does not exist.

    Args:
        words: Year, month, day of the week, day, hour, minute, second, millisecond; shape (n, 8).
        kind: timestamp[ms], with or without a time zone.
    """
    year, month, _, day, hour, minute, second, milli = words.astype(np.int64).T
    leap = (year % 4 == 0) & ((year % 100 != 0) | (year % 400 == 0))
    month_valid = (month >= 1) & (month <= 12)
    last_day = _DAYS_IN_MONTH[np.where(month_valid, month, 0)] + (leap & (month == 2))
    valid = month_valid & (day >= 1) & (day <= last_day) & (year >= 1601) & (year <= 30827)
    valid &= (hour < 24) & (minute < 60) & (second < 60) & (milli < 1000)
    months = np.where(valid, (year - 1970) * 12 + month - 1, 0)
    days = months.astype("M8[M]").astype("M8[D]").astype(np.int64) + day - 1
    value = (((days * 24 + hour) * 60 + minute) * 60 + second) * 1000 + milli
    return from_numpy(np.where(valid, value, 0), kind, None if valid.all() else valid)


def guids(raw: npt.NDArray[np.uint8]) -> pa.Array:
    """Print GUIDs in lower case without braces.

    Args:
        raw: The bytes in Windows order, shape (n, 16).
    """
    text = np.full((raw.shape[0], _GUID_TEXT_SIZE), ord("-"), dtype=np.uint8)
    column = 0
    for byte in _GUID_ORDER:
        if byte >= 0:
            text[:, column] = _HEX_DIGITS[raw[:, byte] >> 4]
            text[:, column + 1] = _HEX_DIGITS[raw[:, byte] & 15]
        column += 2 if byte >= 0 else 1
    offsets = np.arange(0, text.size + 1, _GUID_TEXT_SIZE, dtype=np.int32)
    return pa.Array.from_buffers(pa.string(), raw.shape[0], [None, pa.py_buffer(offsets), pa.py_buffer(text)])


def sid(raw: bytes) -> str:
    """Print a SID (winnt.h) as S-R-I-S-S..., as ConvertSidToStringSid does."""
    authority = int.from_bytes(raw[2:8], "big")
    first = f"{authority}" if authority < _SID_IDENTIFIER_AUTHORITY_32 else f"0x{authority:012x}"
    rest = [str(int.from_bytes(raw[at : at + 4], "little")) for at in range(8, len(raw), 4)]
    return "-".join(["S", str(raw[0]), first, *rest])


def ansi(raw: bytes) -> str:
    """Decode an 8-bit string of unknown code page: UTF-8 where it is that, else Windows-1252.

    TraceLoggingProvider.h leaves the code page to the machine; drivers of today write UTF-8 or ASCII.
    """
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("cp1252", "replace")


def ipv4(raw: bytes) -> str:
    """Print four bytes in network order."""
    return str(ipaddress.IPv4Address(raw))


def ipv6(raw: bytes) -> str:
    """Print sixteen bytes in network order; anything else as hex digits."""
    return str(ipaddress.IPv6Address(raw)) if len(raw) == 16 else raw.hex()


def socket_address(raw: bytes) -> str:
    """Print a SOCKADDR_IN or SOCKADDR_IN6 with its port; other families as hex digits."""
    family = int.from_bytes(raw[:2], "little")
    port = int.from_bytes(raw[2:4], "big")
    if family == _AF_INET and len(raw) >= 8:
        return f"{ipv4(raw[4:8])}:{port}"
    if family == _AF_INET6 and len(raw) >= 24:
        scope = int.from_bytes(raw[24:28], "little")
        return f"[{ipv6(raw[8:24])}{f'%{scope}' if scope else ''}]:{port}"
    return raw.hex()


def booleans(values: npt.NDArray[Any]) -> pa.Array:
    """Turn integers into booleans: true unless zero."""
    return from_numpy(values != 0, pa.bool_())


def ports(values: npt.NDArray[Any]) -> pa.Array:
    """Turn port numbers in network order into uint16."""
    return from_numpy(values.astype("<u2"), pa.uint16())
