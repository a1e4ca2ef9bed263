"""A tiny TraceLogging writer and decoder, one value at a time: what the column readers are held against."""

from __future__ import annotations

import ipaddress
import math
import struct
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa

NUMBERS = {
    3: "b",
    4: "B",
    5: "h",
    6: "H",
    7: "i",
    8: "I",
    9: "q",
    10: "Q",
    11: "f",
    12: "d",
    20: "I",
    21: "Q",
}
FIXED_SIZES = {0: 0, 13: 4, 15: 16, 16: 8, 17: 8, 18: 16} | {
    kind: struct.calcsize(code) for kind, code in NUMBERS.items()
}
UNSIGNED_OUT = {4, 14, 15, 18, 37}
BITS_32 = {7, 8, 20}


@dataclass(frozen=True)
class Spec:
    """A field as the test wants it; ``count`` as in Field."""

    name: str
    in_type: int
    out_type: int = 0
    count: Any = None
    fields: tuple[Spec, ...] = ()
    tags: int = 0
    type_info: bytes = b""


class CutError(Exception):
    """The payload cannot be read on."""

    def __init__(self, why: str, path: str) -> None:
        self.why = why
        super().__init__(why.format(path))


ENDS = "the payload ends within field {}"
BAD_COUNT = "field {} has a count that the payload cannot hold"
UNKNOWN = "field {} has a type that is not known"


def tag_bytes(tags: int) -> bytes:
    """Write 28 bits, seven in each byte, the highest first, without trailing zeros."""
    groups = [(tags >> shift) & 0x7F for shift in (21, 14, 7, 0)]
    while len(groups) > 1 and not groups[-1]:
        groups.pop()
    return bytes([group | 0x80 for group in groups[:-1]] + groups[-1:])


def field_bytes(spec: Spec) -> bytes:
    """Write one field of a schema, those of its struct behind it."""
    out_type = len(spec.fields) if spec.in_type == 24 and spec.count != "custom" else spec.out_type
    flag = {None: 0, "variable": 0x40, "custom": 0x60}.get(spec.count, 0x20)
    raw = spec.name.encode() + b"\0"
    chained = bool(out_type or spec.tags)
    raw += bytes([spec.in_type | flag | (0x80 if chained else 0)])
    if chained:
        raw += bytes([out_type | (0x80 if spec.tags else 0)]) + (tag_bytes(spec.tags) if spec.tags else b"")
    if isinstance(spec.count, int):
        raw += struct.pack("<H", spec.count)
    if spec.count == "custom":
        raw += struct.pack("<H", len(spec.type_info)) + spec.type_info
    return raw + b"".join(field_bytes(field) for field in spec.fields)


def schema_bytes(name: str, fields: tuple[Spec, ...], tags: int = 0) -> bytes:
    """Write the data of an extended item 11."""
    body = tag_bytes(tags) + name.encode() + b"\0" + b"".join(field_bytes(field) for field in fields)
    return struct.pack("<H", len(body) + 2) + body


def is_characters(spec: Spec) -> int:
    """Return the bytes of a character, 0 for what is no character."""
    return {3: 1, 4: 1, 6: 2}.get(spec.in_type, 0) if spec.out_type == 2 else 0


def least(spec: Spec, *, element: bool = False) -> int:
    """Return the fewest bytes that a field, or one element of it, takes."""
    if spec.count == "custom":
        return 2
    if spec.in_type > 25:
        return 1
    if spec.count == "variable" and not element:
        return 2
    if isinstance(spec.count, int) and not element:
        return spec.count * least(spec, element=True)
    if spec.in_type == 24:
        return sum(least(field) for field in spec.fields)
    return {1: 2, 2: 1, 14: 2, 19: 8, 22: 2, 23: 2, 25: 2}.get(spec.in_type, FIXED_SIZES.get(spec.in_type, 1))


class Payload:
    """One payload, read from the front."""

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        self.at = 0

    @property
    def left(self) -> int:
        """Bytes not read yet."""
        return len(self.raw) - self.at

    def take(self, size: int, path: str) -> bytes:
        """Read bytes."""
        if size > self.left:
            raise CutError(ENDS, path)
        self.at += size
        return self.raw[self.at - size : self.at]

    def counted(self, unit: int, path: str) -> bytes:
        """Read a u16 count and as many units."""
        (count,) = struct.unpack("<H", self.take(2, path))
        if count * unit > self.left:
            raise CutError(BAD_COUNT, path)
        return self.take(count * unit, path)


def read_value(spec: Spec, payload: Payload, path: str) -> Any:
    """Read one element."""
    kind, out = spec.in_type, spec.out_type
    if kind == 24:
        inner = [read_field(field, payload, f"{path}.{field.name}") for field in spec.fields]
        return named(spec.fields, inner) if spec.fields else None
    if kind in FIXED_SIZES:
        return show_fixed(kind, out, payload.take(FIXED_SIZES[kind], path))
    if kind in (1, 2):
        unit = 3 - kind
        units = [payload.raw[at : at + unit] for at in range(payload.at, len(payload.raw) - unit + 1, unit)]
        size = units.index(b"\0" * unit) * unit if b"\0" * unit in units else len(payload.raw)
        return show_text(kind, out, payload.take(size + unit, path)[:-unit])
    if kind in (14, 22, 23, 25):
        raw = payload.counted(1, path)
        return show_binary(out, raw) if kind in (14, 25) else show_text(kind, out, raw)
    if kind == 19:
        return read_sid(payload, path)
    raise CutError(UNKNOWN, path)


def read_sid(payload: Payload, path: str) -> str:
    """Read a SID."""
    if payload.left < 8:
        raise CutError(ENDS, path)
    count = payload.raw[payload.at + 1]
    if count > 15 or 8 + 4 * count > payload.left:
        raise CutError(BAD_COUNT, path)
    raw = payload.take(8 + 4 * count, path)
    (authority,) = struct.unpack(">Q", b"\0\0" + raw[2:8])
    parts = struct.unpack(f"<{count}I", raw[8:])
    head = f"S-{raw[0]}-" + (str(authority) if authority < 2**32 else "0x" + raw[2:8].hex())
    return "".join([head, *(f"-{part}" for part in parts)])


def show_text(kind: int, out: int, raw: bytes) -> str:
    """Decode a string."""
    if kind in (1, 22):
        return raw.decode("utf-16-le", "replace")
    if out in (11, 12, 35):
        return raw.decode("utf-8", "replace")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("cp1252", "replace")


def show_binary(out: int, raw: bytes) -> Any:
    """Show counted bytes."""
    if out == 9:
        return str(ipaddress.ip_address(raw)) if len(raw) == 16 else raw.hex()
    if out != 10:
        return raw
    if raw[:2] == b"\x02\0" and len(raw) >= 8:
        return f"{'.'.join(map(str, raw[4:8]))}:{raw[2] * 256 + raw[3]}"
    if raw[:2] == b"\x17\0" and len(raw) >= 24:
        scope = int.from_bytes(raw[24:28], "little")
        host = str(ipaddress.ip_address(raw[8:24])) + (f"%{scope}" if scope else "")
        return f"[{host}]:{raw[2] * 256 + raw[3]}"
    return raw.hex()


def show_fixed(kind: int, out: int, raw: bytes) -> Any:
    """Show a value of fixed size."""
    if kind == 0:
        return None
    if kind == 13:
        return any(raw)
    if kind == 15:
        return str(uuid.UUID(bytes_le=raw))
    if kind == 17:
        value = (struct.unpack("<q", raw)[0] - 116444736000000000) * 100
        return value if abs(value) < 2**63 else None
    if kind == 18:
        return show_systemtime(*struct.unpack("<8H", raw))
    if kind == 16:
        return show_number("Q", 21, out, raw)
    return show_number(NUMBERS[kind], kind, out, raw)


def show_number(code: str, kind: int, out: int, raw: bytes) -> Any:
    """Show an integer or a float."""
    if out == 2 and kind in (3, 4):
        return raw.decode("cp1252", "replace")
    if out == 2 and kind == 6:
        return raw.decode("utf-16-le", "replace")
    if out == 8 and kind in BITS_32:
        return ".".join(map(str, raw))
    if kind in (11, 12):
        (number,) = struct.unpack("<" + code, raw)
        return "nan" if math.isnan(number) else number
    if out == 3:
        return any(raw)
    if out == 7 and kind == 6:
        return int.from_bytes(raw, "big")
    code = code.upper() if out in UNSIGNED_OUT else code.lower() if out == 17 else code
    return struct.unpack("<" + code, raw)[0]


def show_systemtime(*words: int) -> int | None:
    """Return milliseconds since 1970; None where there is no such time."""
    year, month, _, day, hour, minute, second, milli = words
    if not 1601 <= year <= 30827 or milli > 999:
        return None
    cycles = max(0, (year - 9600) // 400)
    try:
        moment = datetime(year - 400 * cycles, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        return None
    days = timedelta(days=146097 * cycles)
    return (moment - datetime(1970, 1, 1, tzinfo=UTC) + days) // timedelta(milliseconds=1) + milli


def read_field(spec: Spec, payload: Payload, path: str) -> Any:
    """Read one field, array or not."""
    if spec.count is None:
        return read_value(spec, payload, path)
    if spec.count == "custom":
        return payload.counted(1, path)
    unit = is_characters(spec)
    if unit:
        variable = spec.count == "variable"
        raw = payload.counted(unit, path) if variable else payload.take(spec.count * unit, path)
        return raw.decode("utf-16-le", "replace") if unit == 2 else show_text(2, 0, raw)
    return read_array(spec, payload, path)


def read_array(spec: Spec, payload: Payload, path: str) -> list[Any] | None:
    """Read an array; one of nothing is nothing."""
    if spec.in_type > 25:
        raise CutError(UNKNOWN, path)
    variable = spec.count == "variable"
    count = struct.unpack("<H", payload.take(2, path))[0] if variable else spec.count
    if not least(spec, element=True) or spec.count == 0:
        return None
    if count * least(spec, element=True) > payload.left:
        raise CutError(BAD_COUNT if variable else ENDS, path)
    try:
        return [read_value(spec, payload, path) for _ in range(count)]
    except CutError as cut:
        raise CutError(cut.why, path) from cut


def read_record(fields: tuple[Spec, ...], payload: Payload, path: str = "") -> tuple[list[Any], str | None]:
    """Read the fields of an event, or of a struct that is no array's; None after the payload's end."""
    values: list[Any] = []
    problem = None
    for spec in fields:
        if problem:
            values.append(None)
        elif spec.in_type == 24 and spec.count is None:
            inner, problem = read_record(spec.fields, payload, f"{path}{spec.name}.")
            values.append(named(spec.fields, inner) if inner else None)
        else:
            try:
                values.append(read_field(spec, payload, path + spec.name))
            except CutError as cut:
                problem = str(cut)
                values.append(None)
    return values, problem


def decode_one(fields: tuple[Spec, ...], raw: bytes) -> tuple[list[Any], str | None]:
    """Decode an event's payload: its values and what is wrong with it."""
    payload = Payload(raw)
    values, problem = read_record(fields, payload)
    if not problem and payload.left:
        problem = f"{payload.left} bytes are left over"
    return values, problem


def named(fields: tuple[Spec, ...], values: list[Any]) -> dict[str, Any]:
    """Name a struct's values as the decoder does."""
    return dict(zip(unique(fields), values, strict=True))


def unique(fields: tuple[Spec, ...]) -> list[str]:
    """Give repeated names the first suffix that is free."""
    out: list[str] = []
    for name in (field.name for field in fields):
        tries = [name, *(f"{name}_{number}" for number in range(2, len(fields) + 2))]
        out.append(next(each for each in tries if each not in out))
    return out


def place(blobs: list[bytes], gap: bytes = b"\xa5") -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Lay byte strings into one array with a byte between them; return it, their starts and sizes."""
    sizes = np.array([len(blob) for blob in blobs], dtype=np.int64)
    starts = np.cumsum(sizes + len(gap)) - sizes
    return np.frombuffer(b"".join(gap + blob for blob in blobs), dtype=np.uint8), starts, sizes


def plain(array: pa.Array) -> list[Any]:
    """Return an array as Python values, times as integers and NaN as a text that equals itself."""
    return [_plain(value) for value in array]


def _plain(value: pa.Scalar) -> Any:
    if not value.is_valid:
        return None
    if pa.types.is_timestamp(value.type):
        return value.value
    if pa.types.is_list(value.type):
        return plain(value.values)
    if pa.types.is_struct(value.type):
        return {name: _plain(each) for name, each in value.items()}
    shown = value.as_py()
    return "nan" if isinstance(shown, float) and math.isnan(shown) else shown
