"""The records of a capture, read when they are asked for and never all at once."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any
from uuid import UUID

import numpy as np
import pyarrow as pa

from tracecheck.errors import UsageError
from tracecheck.etl import KIND_NAMES, RECORDS, Kind
from tracecheck.notebook.cells import table_html
from tracecheck.notebook.frames import to_pandas
from tracecheck.notebook.parquet import write
from tracecheck.notebook.table import SHOWN
from tracecheck.payload.arrow import binary_of_slices, from_numpy, strings
from tracecheck.payload.text import TextLog, open_capture
from tracecheck.payload.text.timeline import STEP
from tracecheck.reporters.common import count

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from pathlib import Path

    import pandas as pd
    from numpy.typing import NDArray

    from tracecheck.etl import Chunk
    from tracecheck.payload.text import Lines

_NAME = pa.dictionary(pa.int32(), pa.string())
_OWN = [pa.field("record", pa.uint64(), nullable=False), pa.field("file", pa.uint32(), nullable=False)]
# Places within a chunk mean nothing outside it.
_PLACES = ("extended", "schema", "payload")
_NAMED = ("kind", "provider")
_PAYLOAD = pa.field("payload", pa.binary())

#: A row is an ETW record: the columns of :data:`tracecheck.etl.RECORDS` with the names of kinds and the GUIDs
#: of providers as text; ``record`` is its number in the capture, which operations name too, ``file`` which of
#: the capture's files holds it.
ETW_RECORDS = pa.schema(
    _OWN
    + [
        pa.field(field.name, _NAME, nullable=False) if field.name in _NAMED else field
        for field in RECORDS
        if field.name not in _PLACES
    ]
)

#: A row is a message of a text log; ``record`` is the number of its line, as operations have it.
LINES = pa.schema(
    [
        *_OWN,
        pa.field("time", pa.timestamp("ns", "UTC"), nullable=False),
        pa.field("cpu", pa.uint16(), nullable=False),
        pa.field("pid", pa.uint32(), nullable=False),
        pa.field("tid", pa.uint32(), nullable=False),
        pa.field("provider", pa.string(), nullable=False),
        pa.field("function", pa.string(), nullable=False),
        pa.field("text", pa.string(), nullable=False),
    ]
)


class Records:
    """The records of a capture. Each use reads the files; what streams holds one batch at a time.

    Args:
        paths: The files.
        input_form: What they are, as :func:`tracecheck.payload.text.open_capture` takes it.
        prefix: The TRACE_FORMAT_PREFIX of text logs.

    Raises:
        InputError: A file can't be read.
        UsageError: Traces and text logs are mixed; their records have not the same columns.
    """

    name = "records"

    def __init__(self, paths: Sequence[str], input_form: str = "auto", prefix: str = "") -> None:
        self._paths, self._form, self._prefix = tuple(paths), input_form, prefix
        kinds = set()
        for path in self._paths:
            with open_capture(path, input_form, prefix) as log:
                kinds.add(isinstance(log, TextLog))
        self._is_text = kinds == {True}
        self._is_mixed = len(kinds) > 1
        self._size: int | None = None

    @property
    def schema(self) -> pa.Schema:
        """The columns of the batches."""
        return LINES if self._is_text else ETW_RECORDS

    def batches(self, *, payload: bool = False) -> Generator[pa.RecordBatch]:
        """Read the files once, in bounded memory.

        Args:
            payload: Give each record's user data too, as the column ``payload``; text logs have none.

        Yields:
            The records in the order of the files.

        Raises:
            InputError: A file can't be read.
        """
        if self._is_mixed:
            raise UsageError("traces and text logs have different records; open each of them alone")
        first = after = 0
        for number, path in enumerate(self._paths):
            with closing(open_capture(path, self._form, self._prefix)) as log:
                if isinstance(log, TextLog):
                    for lines in log.chunks(after):
                        yield _lines(lines, first, number)
                    first += log.lines
                    # Logs without dates are parts of one, as they are where they are judged.
                    after = log.last + STEP
                    continue
                for chunk in log.chunks():
                    yield _records(chunk, first, number, payload)
                    first += len(chunk.records)

    def reader(self) -> pa.RecordBatchReader:
        """Give the batches as pyarrow's reader, which others stream from."""
        return pa.RecordBatchReader.from_batches(self.schema, self.batches())

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self.reader().__arrow_c_stream__(requested_schema)

    def to_arrow(self) -> pa.Table:
        """Read all records into memory: about 110 bytes each."""
        return pa.Table.from_batches(list(self.batches()), self.schema).unify_dictionaries()

    def to_pandas(self, *, hex_pointers: bool = False) -> pd.DataFrame:
        """Read all records into a DataFrame of Arrow's types, as :meth:`Table.to_pandas` gives it."""
        return to_pandas(self.to_arrow(), hex_pointers=hex_pointers)

    def to_parquet(self, path: str | Path) -> None:
        """Write the records to a Parquet file, batch by batch.

        Raises:
            UsageError: The file can't be written.
        """
        write(self.schema, self.batches(), path)

    def __len__(self) -> int:
        if self._size is None:
            self._size = sum(batch.num_rows for batch in self.batches())
        return self._size

    def __repr__(self) -> str:
        return f"<{self.name}: {count(len(self.schema), 'column')}, not read yet>"

    def _repr_html_(self) -> str:
        # Only the first chunks are read: a capture may be larger than memory.
        shown = self.schema.empty_table()
        with closing(self.batches()) as batches:
            for batch in batches:
                shown = pa.Table.from_batches([*shown.to_batches(), batch.slice(0, SHOWN)], self.schema)
                if shown.num_rows >= SHOWN:
                    break
        size = "the first rows" if self._size is None else count(self._size, "row")
        return table_html(shown.slice(0, SHOWN).unify_dictionaries(), self.name, size)


def _records(chunk: Chunk, first: int, file: int, payload: bool) -> pa.RecordBatch:
    size = len(chunk.records)
    columns = {
        "record": _numbers(np.arange(first, first + size), "record"),
        "file": _numbers(np.full(size, file), "file"),
        "kind": _kinds(chunk.column("kind")),
        "provider": _guids(chunk.records.column("provider")),
    }
    arrays = [columns[f.name] if f.name in columns else chunk.records.column(f.name) for f in ETW_RECORDS]
    if not payload:
        return pa.RecordBatch.from_arrays(arrays, schema=ETW_RECORDS)
    start, length = (chunk.column(name).astype(np.int64) for name in ("payload", "payload_size"))
    arrays.append(binary_of_slices(chunk.data, start, length))
    return pa.RecordBatch.from_arrays(arrays, schema=ETW_RECORDS.append(_PAYLOAD))


def _lines(lines: Lines, first: int, file: int) -> pa.RecordBatch:
    columns = {
        "record": lines.number + first,
        "file": np.full(len(lines), file),
        **{name: getattr(lines, name) for name in ("time", "cpu", "pid", "tid")},
    }
    arrays = [
        from_numpy(columns[f.name].astype(_dtype(f.type)), f.type)
        if f.name in columns
        else getattr(lines, f.name).cast(f.type)
        for f in LINES
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=LINES)


def _dtype(kind: pa.DataType) -> str:
    if pa.types.is_timestamp(kind):
        return "<i8"
    return f"<u{kind.bit_width // 8}"


def _numbers(values: NDArray[Any], name: str) -> pa.Array:
    kind = ETW_RECORDS.field(name).type
    return from_numpy(values.astype(_dtype(kind)), kind)


def _kinds(kind: NDArray[np.uint8]) -> pa.DictionaryArray:
    codes, index = np.unique(kind, return_inverse=True)
    names = [KIND_NAMES[Kind(code)] for code in codes.tolist()]
    return pa.DictionaryArray.from_arrays(from_numpy(index.astype(np.int32), pa.int32()), strings(names))


def _guids(provider: pa.Array) -> pa.DictionaryArray:
    encoded = provider.dictionary_encode()
    names = [str(UUID(bytes_le=raw)) for raw in encoded.dictionary.to_pylist()]
    return pa.DictionaryArray.from_arrays(encoded.indices, strings(names))
