"""Collected batches to the operations table: sorted by the time of the whole capture."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tracecheck.operations.batch import OPTIONAL, Batch, Names
from tracecheck.operations.table import OPERATIONS
from tracecheck.payload.arrow import from_numpy, strings


def assemble(batches: list[Batch], names: Names) -> pa.Table:
    """Make the operations table.

    Args:
        batches: Rows in any order.
        names: The strings that their codes are of.

    Returns:
        A table of schema :data:`~tracecheck.operations.table.OPERATIONS`; columns of the provider's own
        follow its columns.
    """
    whole = Batch.concat(batches) if batches else Batch(0)
    order = time_order(whole)
    texts = strings(names.texts)
    columns: dict[str, pa.Array] = {}
    for field in OPERATIONS:
        if field.name == "order":
            columns["order"] = from_numpy(np.arange(whole.size, dtype=np.uint32), field.type)
        elif field.name.startswith("has_"):
            columns[field.name] = from_numpy(whole[field.name][order], field.type)
        elif field.name in ("routine", "function", "site"):
            codes = whole[field.name][order]
            valid = None if (codes >= 0).all() else codes >= 0
            indices = from_numpy(np.where(codes < 0, 0, codes).astype(np.int32), pa.int32(), valid)
            columns[field.name] = pa.DictionaryArray.from_arrays(indices, texts)
        else:
            optional = field.name in OPTIONAL and field.nullable
            valid = whole[f"has_{field.name}"][order] if optional else None
            valid = None if valid is None or valid.all() else valid
            columns[field.name] = from_numpy(whole[field.name][order], field.type, valid)
    table = pa.Table.from_arrays([columns[f.name] for f in OPERATIONS], schema=OPERATIONS)
    for name in sorted(whole.extra):
        indices = from_numpy(order, pa.int64())
        column = f"{name}_2" if name in table.schema.names else name
        table = table.append_column(column, whole.extra[name].take(indices))
    return table


def time_order(batch: Batch) -> NDArray[np.int64]:
    """Sort rows by time; ties by the writer's own counter, then by the place in the log."""
    time = batch["time"]
    order = np.argsort(time, kind="stable")
    tied = np.zeros(len(order), np.bool_)
    same = np.diff(time[order]) == 0
    tied[1:] |= same
    tied[:-1] |= same
    rows = np.flatnonzero(tied)
    if len(rows):
        some = order[rows]
        keys = (batch["buffer_offset"], batch["buffer_sequence"], batch["sequence"], time)
        order[rows] = some[np.lexsort([key[some] for key in keys])]
    return order
