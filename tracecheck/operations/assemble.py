"""Collected batches to the operations table: sorted by the time of the whole capture."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tracecheck.operations.batch import OPTIONAL
from tracecheck.operations.names import Names
from tracecheck.operations.rows import Rows
from tracecheck.operations.table import ASSUMED, OPERATIONS, OWNERS
from tracecheck.payload.arrow import from_numpy, strings

# Each has a column in hand, sorted and unsorted: more would hold more of them twice.
_THREADS = 2
_TEXTS = ("routine", "function", "site")


def assemble(rows: Rows, names: Names) -> pa.Table:
    """Make the operations table.

    Args:
        rows: Rows in any order; they are used up, column after column.
        names: The strings that their codes are of.

    Returns:
        A table of schema :data:`~tracecheck.operations.table.OPERATIONS`; behind its columns, if profiles
        were used, :data:`~tracecheck.operations.table.ASSUMED`, if legacy contexts were logged,
        :data:`~tracecheck.operations.table.OWNERS`, then columns of the provider's own.
    """
    order = time_order(rows)
    texts = strings(names.texts)
    # numpy and Arrow let other threads work while they copy.
    with ThreadPoolExecutor(_THREADS) as threads:
        columns = list(threads.map(lambda field: _column(field, rows, order, texts), OPERATIONS))
    table = pa.Table.from_arrays(columns, schema=OPERATIONS)
    if "assumed" in rows:
        table = table.append_column(ASSUMED, from_numpy(rows.pop("assumed", order), ASSUMED.type))
    if any(name in rows for name in OWNERS.names):
        for field in OWNERS:
            table = table.append_column(field, from_numpy(rows.pop(field.name, order), field.type))
    for name in rows.own_names():
        column = f"{name}_2" if name in table.schema.names else name
        table = table.append_column(column, rows.own(name, order))
    return table


def _column(field: pa.Field, rows: Rows, order: NDArray[np.int64], texts: pa.Array) -> pa.Array:
    """Make one column of the table; a column that nobody logged costs nothing."""
    name = field.name
    if name == "order":
        return from_numpy(np.arange(rows.size, dtype=np.uint32), field.type)
    logged = rows.pop(f"has_{name}", order) if name in OPTIONAL and field.nullable else None
    values = rows.pop(name, order)
    if name in _TEXTS:
        valid = None if (values >= 0).all() else values >= 0
        codes = from_numpy(np.maximum(values, 0), pa.int32(), valid)
        return pa.DictionaryArray.from_arrays(codes, texts)
    return from_numpy(values, field.type, None if logged is None or logged.all() else logged)


def time_order(rows: Rows) -> NDArray[np.int64]:
    """Sort rows by time; ties by the writer's own counter, then by the place in the log."""
    time = rows["time"]
    order = np.argsort(time, kind="stable")
    tied = np.zeros(len(order), np.bool_)
    same = np.diff(time.take(order, mode="clip")) == 0
    tied[1:] |= same
    tied[:-1] |= same
    at = np.flatnonzero(tied)
    some = order[at]
    # Each key is nearly in order already, which a stable sort makes use of; the last one sorted leads.
    for name in ("buffer_offset", "buffer_sequence", "sequence", "time"):
        key = rows[name][some]
        if (key[1:] < key[:-1]).any():
            some = some[np.argsort(key, kind="stable")]
    order[at] = some
    return order
