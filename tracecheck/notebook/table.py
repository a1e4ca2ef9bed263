"""A table of a capture in a notebook: Arrow beneath, and doors to all that reads Arrow."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from tracecheck.errors import UsageError
from tracecheck.notebook.cells import table_html
from tracecheck.notebook.frames import to_pandas
from tracecheck.reporters.common import count

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

#: How many rows a notebook shows of a table.
SHOWN = 10


class Table:
    """A table that shows its first rows, and that pandas, Polars, DuckDB and others take as it is.

    Args:
        arrow: The table itself.
        name: What its rows are.
    """

    def __init__(self, arrow: pa.Table, name: str) -> None:
        self._arrow = arrow
        self.name = name

    @property
    def schema(self) -> pa.Schema:
        """The names and types of the columns."""
        return self._arrow.schema

    def __len__(self) -> int:
        return int(self._arrow.num_rows)

    def __repr__(self) -> str:
        return f"<{self.name}: {count(len(self), 'row')}, {count(len(self.schema), 'column')}>"

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self._arrow.__arrow_c_stream__(requested_schema)

    def to_arrow(self) -> pa.Table:
        """Give the table as pyarrow's; nothing is copied."""
        return self._arrow

    def to_pandas(self, *, hex_pointers: bool = False) -> pd.DataFrame:
        """Give the table as a DataFrame of Arrow's types: no pointer is rounded, null stays null.

        Args:
            hex_pointers: Give pointers as text, ``0x…``.

        Raises:
            MissingExtraError: pandas is not installed.
        """
        return to_pandas(self._arrow, hex_pointers=hex_pointers)

    def to_parquet(self, path: str | Path) -> None:
        """Write the table to a Parquet file.

        Raises:
            UsageError: The file can't be written.
        """
        from tracecheck.notebook.parquet import write

        write(self._arrow.schema, self._arrow.to_batches(), path)

    def filter(self, expression: pc.Expression | None = None, /, **equal: object) -> Table:
        """Keep some of the rows.

        Args:
            expression: What pyarrow takes: ``pc.field("owned") > 1``.
            **equal: Columns with the value, or the list of values, that they must have; None is null.
                Pointers may be written as text: ``context="0xffffae0512340010"``.

        Raises:
            UsageError: There is no such column, or the value is none of its type.
        """
        conditions = [self._equal(name, wanted) for name, wanted in equal.items()]
        table = self._arrow
        for condition in [*conditions, *([] if expression is None else [expression])]:
            table = table.filter(condition)
        return Table(table, self.name)

    def _equal(self, name: str, wanted: object) -> pc.Expression:
        if name not in self.schema.names:
            raise UsageError(f"{name}: {self.name} has no such column; it has {', '.join(self.schema.names)}")
        kind = self.schema.field(name).type
        kind = kind.value_type if pa.types.is_dictionary(kind) else kind
        several = isinstance(wanted, Iterable) and not isinstance(wanted, str | bytes)
        try:
            values = [_value(value, kind) for value in (wanted if several else [wanted])]  # type: ignore[attr-defined]
            known = pa.array([value for value in values if value is not None], kind)
        except (pa.ArrowException, OverflowError, TypeError, ValueError) as error:
            raise UsageError(f"{name}: {wanted!r} is not of its type {kind}") from error
        condition = pc.field(name).isin(known)
        return condition | pc.field(name).is_null() if None in values else condition

    def _repr_html_(self) -> str:
        size = count(len(self), "row")
        return table_html(self._arrow.slice(0, SHOWN), self.name, _of(size, len(self)))


def _of(size: str, rows: int) -> str:
    return size if rows <= SHOWN else f"{size}, the first {SHOWN} shown"


def _value(value: object, kind: pa.DataType) -> object:
    """Read a number that is written as text."""
    if isinstance(value, str) and pa.types.is_integer(kind):
        return int(value.replace("`", ""), 0)
    return value
