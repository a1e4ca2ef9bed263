"""Where a driver made its calls, by the stacks that were logged with its events."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tracecheck.payload.arrow import from_numpy, strings, whole

if TYPE_CHECKING:
    from tracecheck.operations.stack_texts import Names
    from tracecheck.operations.stacks import Logged

Ints = NDArray[np.int64]

_ADDRESS = re.compile(r"0x[0-9a-f]+")


def lacking_sites(operations: pa.Table) -> Ints:
    """Find the operations that name no function, and no more of their site than an address."""
    site, function = whole(operations.column("site")), whole(operations.column("function"))
    bare = np.array([_ADDRESS.fullmatch(text) is not None for text in site.dictionary.to_pylist()] + [True])
    return np.flatnonzero(bare[_codes(site)] & (_codes(function) < 0))


def fill_sites(operations: pa.Table, logged: Logged, names: Names) -> pa.Table:
    """Fill in function and site of the operations that were logged without, from the stacks of their calls.

    Args:
        operations: Schema :data:`~tracecheck.operations.table.OPERATIONS`.
        logged: The stacks of some of them.
        names: What the places of these are called.

    Returns:
        The operations, in the same order.
    """
    lacking = np.isin(logged.rows, lacking_sites(operations))
    rows, place = logged.rows[lacking], logged.site[lacking]
    # Only what is used goes into a dictionary.
    used, place = np.unique(place, return_inverse=True)
    operations = _put(operations, "function", rows, [names.functions[at] for at in used.tolist()], place)
    return _put(operations, "site", rows, [names.sites[at] for at in used.tolist()], place)


def _put(operations: pa.Table, name: str, rows: Ints, texts: list[Any], number: Ints) -> pa.Table:
    """Set some rows of a column of strings to the texts of some numbers; None leaves a row as it is."""
    column = whole(operations.column(name))
    known = {text: code for code, text in enumerate(column.dictionary.to_pylist())}
    new = np.array(
        [-1 if text is None else known.setdefault(text, len(known)) for text in texts] + [-1], np.int32
    )[number]
    codes = _codes(column).astype(np.int32)
    codes[rows[new >= 0]] = new[new >= 0]
    valid = codes >= 0
    index = from_numpy(np.maximum(codes, 0), pa.int32(), None if valid.all() else valid)
    made = pa.DictionaryArray.from_arrays(index, strings(known))
    return operations.set_column(operations.schema.get_field_index(name), operations.schema.field(name), made)


def _codes(column: pa.DictionaryArray) -> Ints:
    """Give the codes of a column of strings, -1 where it has none."""
    codes = column.indices
    if codes.null_count:
        codes = codes.fill_null(-1)
    found: Ints = codes.to_numpy(zero_copy_only=False).astype(np.int64)
    return found
