"""Collected batches to the operations table: sorted by the time of the whole capture."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tracecheck.operations.batch import OPTIONAL, Batch, joined, joined_extra
from tracecheck.operations.names import Names
from tracecheck.operations.table import OPERATIONS
from tracecheck.payload.arrow import from_numpy, strings

_TEXTS = ("routine", "function", "site")


def assemble(batches: list[Batch], names: Names) -> pa.Table:
    """Make the operations table.

    Args:
        batches: Rows in any order; they are used up, column after column, so that no column is held twice.
        names: The strings that their codes are of.

    Returns:
        A table of schema :data:`~tracecheck.operations.table.OPERATIONS`; columns of the provider's own
        follow its columns.
    """
    order = time_order(batches)
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    texts = strings(names.texts)
    columns = []
    for field in OPERATIONS:
        columns.append(_column(field, batches, rank, texts))
        for batch in batches:
            batch.drop(field.name)
    table = pa.Table.from_arrays(columns, schema=OPERATIONS)
    indices = from_numpy(order, pa.int64())
    for name in sorted({name for batch in batches for name in batch.extra}):
        column = f"{name}_2" if name in table.schema.names else name
        table = table.append_column(column, joined_extra(batches, name).take(indices))
    return table


def _column(field: pa.Field, batches: list[Batch], rank: NDArray[np.int64], texts: pa.Array) -> pa.Array:
    """Make one column of the table; a column that nobody logged costs nothing."""
    name = field.name
    if name == "order":
        return from_numpy(np.arange(len(rank), dtype=np.uint32), field.type)
    values = joined(batches, name, rank)
    if name in _TEXTS:
        valid = None if (values >= 0).all() else values >= 0
        codes = from_numpy(np.maximum(values, 0), pa.int32(), valid)
        return pa.DictionaryArray.from_arrays(codes, texts)
    if name not in OPTIONAL or not field.nullable:
        return from_numpy(values, field.type)
    logged = joined(batches, f"has_{name}", rank)
    return from_numpy(values, field.type, None if logged.all() else logged)


def time_order(batches: list[Batch]) -> NDArray[np.int64]:
    """Sort rows by time; ties by the writer's own counter, then by the place in the log."""
    time = joined(batches, "time")
    order = np.argsort(time, kind="stable")
    tied = np.zeros(len(order), np.bool_)
    same = np.diff(time[order]) == 0
    tied[1:] |= same
    tied[:-1] |= same
    rows = np.flatnonzero(tied)
    if len(rows):
        some = order[rows]
        keys = [joined(batches, name)[some] for name in ("buffer_offset", "buffer_sequence", "sequence")]
        order[rows] = some[np.lexsort([*keys, time[some]])]
    return order
