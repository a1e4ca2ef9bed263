"""The timeline of a context in a notebook: a chart, a text, a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tracecheck.etl import plain_rows
from tracecheck.notebook.chart import Life, chart, shown_places
from tracecheck.notebook.table import Table
from tracecheck.payload.arrow import from_numpy
from tracecheck.reporters.common import rows
from tracecheck.reporters.lookup import Lookup
from tracecheck.reporters.timeline import render_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import pandas as pd

    from tracecheck.capture import Analysis
    from tracecheck.reporters.lookup import Row

# A pointer that a driver uses again and again has many lives; a notebook draws the first of them.
_MOST_DRAWN = 20
_OF_OPERATION = (
    "order",
    "time",
    "begin",
    "cpu",
    "pid",
    "tid",
    "routine",
    "context",
    "old_context",
    "object",
    "status",
    "function",
    "site",
    "record",
)


class Timeline:
    """The lives of one pointer, or one life. Shown in a notebook it is a chart, printed it is a text.

    Args:
        analysis: What the lives are of.
        ids: Rows of the contexts table.
        marked: What is said of operations at fault; empty for what the findings of the lives say.
    """

    def __init__(
        self, analysis: Analysis, ids: Sequence[int], marked: Mapping[int, str] | None = None
    ) -> None:
        self._analysis = analysis
        self.ids = tuple(ids)
        self._marked = marked or {}

    @property
    def table(self) -> Table:
        """A row for each step: the counts after it, and the operation that made it."""
        steps = self._analysis.steps
        places = np.concatenate([np.arange(0), *(np.arange(*self._bounds(life)) for life in self.ids)])
        mine = steps.take(from_numpy(places.astype(np.int64), pa.int64()))
        calls = self._analysis.operations.select(list(_OF_OPERATION)).take(mine.column("operation"))
        joined = mine.rename_columns(["context_id", *mine.schema.names[1:]])
        for field in calls.schema:
            joined = joined.append_column(field, calls.column(field.name))
        return Table(joined, "timeline")

    def to_arrow(self) -> pa.Table:
        """Give the steps as pyarrow's table."""
        return self.table.to_arrow()

    def to_pandas(self, *, hex_pointers: bool = False) -> pd.DataFrame:
        """Give the steps as a DataFrame, as :meth:`Table.to_pandas` does."""
        return self.table.to_pandas(hex_pointers=hex_pointers)

    def to_parquet(self, path: str | Path) -> None:
        """Write the steps to a Parquet file, as :meth:`Table.to_parquet` does."""
        self.table.to_parquet(path)

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self.table.__arrow_c_stream__(requested_schema)

    def __len__(self) -> int:
        return len(self.table)

    def __str__(self) -> str:
        return "".join(render_text(self._analysis, self.ids))

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        lookup = Lookup(self._analysis)
        shown = self.ids[:_MOST_DRAWN]
        contexts, losses = lookup.contexts(shown), plain_rows(self._analysis.losses)
        charts = [chart(self._life(lookup, life, contexts[life], losses)) for life in shown]
        more = len(self.ids) - len(shown)
        return "".join(charts) + (f"<p>{more:,} more lives: print this timeline.</p>" if more else "")

    def _life(self, lookup: Lookup, life: int, context: Row, losses: list[Row]) -> Life:
        """Take what is drawn of a life; of a long one only the rows that are."""
        marked = self._marked or self._at_fault(life)
        first, end = self._bounds(life)
        steps = self._analysis.steps.slice(first, end - first)
        number = steps.column("operation").to_numpy()
        faults = pc.not_equal(steps.column("fault").cast(pa.string()), "").to_numpy()
        places = shown_places(len(number), np.flatnonzero(faults | np.isin(number, list(marked))).tolist())
        drawn = rows(steps.take(pa.array(places, pa.int64())))
        operations = lookup.operations(step["operation"] for step in drawn)
        when = self._analysis.operations.column("time").take(steps.column("operation"))
        return Life(
            context,
            {
                place: {**step, "number": step["operation"], "operation": operations[step["operation"]]}
                for place, step in zip(places, drawn, strict=True)
            },
            np.maximum.accumulate(when.cast(pa.int64()).to_numpy()),
            losses,
            marked,
        )

    def _bounds(self, life: int) -> tuple[int, int]:
        """Tell where the steps of a life begin and end."""
        owner = self._analysis.steps.column("context").to_numpy()
        first, end = np.searchsorted(owner, [life, life + 1])
        return int(first), int(end)

    def _at_fault(self, life: int) -> dict[int, str]:
        """Say of the operations that the findings of a life name first which rules those are of."""
        findings = self._analysis.findings
        mine = findings.filter(pc.equal(findings.column("context_id"), life))
        said: dict[int, list[str]] = {}
        for row in mine.select(["rule", "severity", "operations"]).to_pylist():
            if row["severity"] != "note" and row["operations"]:
                said.setdefault(row["operations"][0], []).append(row["rule"])
        return {operation: " ".join(rules) for operation, rules in said.items()}
