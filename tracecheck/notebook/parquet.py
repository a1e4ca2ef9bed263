"""Tables to Parquet files, batch by batch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from tracecheck.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


def write(schema: pa.Schema, batches: Iterable[pa.RecordBatch], path: str | Path) -> None:
    """Write batches to a file; what is there is replaced.

    Args:
        schema: Of the batches.
        batches: Taken one after the other, none is kept.
        path: The file.

    Raises:
        UsageError: The file can't be written.
    """
    from pyarrow import parquet

    try:
        with parquet.ParquetWriter(str(path), schema) as writer:
            for batch in batches:
                writer.write_batch(batch)
    except OSError as error:
        raise UsageError(f"{path}: can't be written: {error.strerror or error}") from error
