"""Events as a Parquet file, a row group at a time."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import pyarrow as pa

from tracecheck.payload.arrow import from_numpy, list_offsets

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

#: The columns. ``fields`` is the JSON object that ``--format jsonl`` has; ``payload`` is there where no
#: definition explains it, or not all of it.
SCHEMA = pa.schema(
    [
        pa.field("time", pa.timestamp("ns", "UTC"), nullable=False),
        pa.field("cpu", pa.uint16(), nullable=False),
        pa.field("pid", pa.uint32()),
        pa.field("tid", pa.uint32()),
        pa.field("process", pa.string()),
        pa.field("kind", pa.string(), nullable=False),
        pa.field("provider", pa.string()),
        pa.field("provider_name", pa.string()),
        pa.field("name", pa.string()),
        pa.field("id", pa.uint16(), nullable=False),
        pa.field("version", pa.uint8(), nullable=False),
        pa.field("opcode", pa.uint8(), nullable=False),
        pa.field("level", pa.uint8(), nullable=False),
        pa.field("keyword", pa.uint64(), nullable=False),
        pa.field("text", pa.string(), nullable=False),
        pa.field("fields", pa.string(), nullable=False),
        pa.field("problem", pa.string()),
        pa.field("payload", pa.binary()),
        pa.field("stack", pa.list_(pa.string())),
    ]
)

_GROUP = 1 << 15
_GROUP_BYTES = 1 << 26


def write_parquet(lines: Iterable[str], file: BinaryIO) -> None:
    """Write events to a Parquet file.

    Args:
        lines: Their JSON lines, in the order in which they are to stand.
        file: Where to write.
    """
    from pyarrow import parquet

    with parquet.ParquetWriter(file, SCHEMA, compression="zstd") as writer:
        for group in _groups(lines):
            writer.write_batch(_batch([json.loads(line) for line in group]))


def _groups(lines: Iterable[str]) -> Iterable[list[str]]:
    """Part lines into groups whose rows and bytes are bounded."""
    group: list[str] = []
    size = 0
    for line in lines:
        group.append(line)
        size += len(line)
        if len(group) == _GROUP or size > _GROUP_BYTES:
            yield group
            group, size = [], 0
    if group:
        yield group


def _batch(events: list[dict[str, Any]]) -> pa.RecordBatch:
    for event in events:
        event["fields"] = json.dumps(event["fields"])
        event["name"] = event.get("source", event.get("name"))
        event["keyword"] = int(event["keyword"], 16)
    columns = [_column([event.get(field.name) for event in events], field.type) for field in SCHEMA]
    return pa.RecordBatch.from_arrays(columns, schema=SCHEMA)


def _column(values: list[Any], kind: pa.DataType) -> pa.Array:
    if pa.types.is_integer(kind):
        valid = np.array([value is not None for value in values], np.bool_)
        numbers = np.array([value or 0 for value in values], f"<u{kind.bit_width // 8}")
        return from_numpy(numbers, kind, None if valid.all() else valid)
    if pa.types.is_timestamp(kind):
        times = np.array([value.removesuffix("Z") for value in values], "M8[ns]")
        return from_numpy(times.view(np.int64), kind)
    if pa.types.is_list(kind):
        return _lists(values)
    if pa.types.is_binary(kind):
        return _bytes([None if value is None else bytes.fromhex(value) for value in values], kind)
    return _bytes([None if value is None else value.encode("utf-8", "replace") for value in values], kind)


def _bytes(values: Sequence[bytes | None], kind: pa.DataType) -> pa.Array:
    """Make an array of strings or bytes of which some may be null."""
    sizes = np.array([len(value or b"") for value in values], np.int64)
    valid = np.packbits(np.array([value is not None for value in values], np.bool_), bitorder="little")
    offsets = pa.py_buffer(list_offsets(sizes).astype(np.int32))
    content = pa.py_buffer(b"".join(value or b"" for value in values))
    return pa.Array.from_buffers(kind, len(values), [pa.py_buffer(valid), offsets, content])


def _lists(values: Sequence[list[str] | None]) -> pa.Array:
    sizes = np.array([len(value or ()) for value in values], np.int64)
    valid = np.packbits(np.array([value is not None for value in values], np.bool_), bitorder="little")
    words = _bytes([word.encode("utf-8", "replace") for value in values for word in value or ()], pa.string())
    offsets = pa.py_buffer(list_offsets(sizes).astype(np.int32))
    return pa.Array.from_buffers(
        pa.list_(pa.string()), len(values), [pa.py_buffer(valid), offsets], children=[words]
    )
