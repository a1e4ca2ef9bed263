"""The only way to pandas.

Through default pandas a uint64 column that may be null becomes float64, and neighbouring pointers become
one. Here every column keeps its Arrow type (``pd.ArrowDtype``), so that no pointer is ever rounded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from tracecheck.notebook.cells import hex_columns, hex_texts
from tracecheck.notebook.extras import MissingExtraError
from tracecheck.payload.arrow import whole

if TYPE_CHECKING:
    import pandas as pd

# A column of names is given as a dictionary where it would be larger than this without one, in bytes.
_LARGEST = 1 << 30


def to_pandas(table: pa.Table, *, hex_pointers: bool = False) -> pd.DataFrame:
    """Give a table as a DataFrame whose columns all have Arrow's types.

    Args:
        table: Any table.
        hex_pointers: Give pointers as text, ``0x…``, to be read by people.

    Returns:
        The rows in their order. Names are strings; pandas can neither sort nor search dictionaries.

    Raises:
        MissingExtraError: pandas is not installed.
    """
    try:
        import pandas as pd
    except ImportError as error:
        raise MissingExtraError("to_pandas()", "pandas") from error
    shown = hex_columns(table.schema) if hex_pointers else frozenset()
    for place, field in enumerate(table.schema):
        column = whole(table.column(place)) if table.num_rows else table.column(place)
        if field.name in shown:
            table = table.set_column(place, field.name, hex_texts(column))
        elif pa.types.is_dictionary(field.type) and _fits(column):
            table = table.set_column(place, field.name, column.cast(pa.string()))
    frame: pd.DataFrame = table.to_pandas(types_mapper=pd.ArrowDtype)
    return frame


def _fits(column: pa.Array | pa.ChunkedArray) -> bool:
    """Tell whether a dictionary column of strings may be written out."""
    if not pa.types.is_string(column.type.value_type):
        return False
    if not len(column):
        return True
    lengths = pc.binary_length(column.dictionary).cast(pa.int64())
    return (pc.sum(lengths.take(column.indices)).as_py() or 0) <= _LARGEST
