"""What a report looks up in an analysis: only the rows that it shows leave their columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from tracecheck.reporters.common import CONFIDENCES, SEVERITIES, rows

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tracecheck.capture import Analysis

Row = dict[str, Any]

# How a life ends, in the order in which it is shown; replay/tables.py says what each means.
_ENDS = ("freed", "reused", "attached", "held")

_SHOWN = [
    "order",
    "time",
    "begin",
    "cpu",
    "pid",
    "tid",
    "routine",
    "context",
    "has_context",
    "old_context",
    "has_old_context",
    "object",
    "instance",
    "status",
    "irql",
    "major",
    "phase",
    "function",
    "site",
    "record",
]
# Columns that only some captures have.
_MORE = ["process"]


class Lookup:
    """Rows of an analysis by what refers to them.

    Args:
        analysis: What the report is of.
    """

    def __init__(self, analysis: Analysis) -> None:
        have = analysis.operations.schema.names
        shown = _SHOWN + [name for name in _MORE if name in have]
        self._operations = analysis.operations.select(shown).unify_dictionaries()
        self._contexts = analysis.contexts
        self._steps = analysis.steps
        self._step_owners = analysis.steps.column("context").to_numpy()
        self._step_operations = analysis.steps.column("operation").to_numpy()

    def operations(self, numbers: Iterable[int]) -> dict[int, Row]:
        """Read operations.

        Args:
            numbers: Rows of the operations table, in any order and repeated at will.

        Returns:
            The operations by row number; times in nanoseconds.
        """
        wanted = sorted(set(numbers))
        found = rows(self._operations.take(pa.array(wanted, pa.int64())))
        return dict(zip(wanted, found, strict=True))

    def contexts(self, ids: Iterable[int]) -> dict[int, Row]:
        """Read contexts by id, in the manner of :meth:`operations`."""
        wanted = sorted(set(ids))
        found = rows(self._contexts.take(pa.array(wanted, pa.int64())))
        return dict(zip(wanted, found, strict=True))

    def steps(self, context_id: int) -> list[Row]:
        """Read the life of one context in replay order, each step with its ``operation`` as a row.

        The row's number stands beside it as ``operation_row``.
        """
        first, end = np.searchsorted(self._step_owners, [context_id, context_id + 1])
        found = rows(self._steps.slice(first, end - first))
        operations = self.operations(step["operation"] for step in found)
        return [
            {**step, "operation": operations[step["operation"]], "operation_row": step["operation"]}
            for step in found
        ]

    def effects(self, pairs: Iterable[tuple[int, int]]) -> dict[tuple[int, int], Row]:
        """Read what some operations did to some contexts.

        Args:
            pairs: Context ids, each with a row of the operations table.

        Returns:
            The steps by pair; an operation that has no effect on the context is not in it.
        """
        wanted = np.array([context << 32 | operation for context, operation in pairs], dtype=np.int64)
        owners = np.unique(wanted >> 32)
        bounds = np.searchsorted(self._step_owners, [owners, owners + 1]).T
        places = np.concatenate([np.arange(0), *(np.arange(first, end) for first, end in bounds)])
        keys = self._step_owners[places].astype(np.int64) << 32 | self._step_operations[places]
        found = rows(self._steps.take(pa.array(places[np.isin(keys, wanted)], pa.int64())))
        return {(step["context"], step["operation"]): step for step in found}


def lives_by_type(contexts: pa.Table) -> dict[int, dict[str, int]]:
    """Count how the contexts of each type ended.

    Args:
        contexts: The contexts table.

    Returns:
        By context type, how many lives it had under ``lives`` and how many of them ended in each way.
    """
    pairs = pa.table(
        [contexts.column("context_type"), contexts.column("end").cast(pa.string())], ["type", "end"]
    )
    found: dict[int, dict[str, int]] = {}
    for row in pairs.group_by(["type", "end"]).aggregate([([], "count_all")]).sort_by("type").to_pylist():
        ends = found.setdefault(row["type"], {"lives": 0, **dict.fromkeys(_ENDS, 0)})
        ends["lives"] += row["count_all"]
        ends[row["end"]] = row["count_all"]
    return found


def ordered(findings: pa.Table) -> list[Row]:
    """Read the findings in the order in which every report shows them: the worst and surest first."""
    return sorted(rows(findings), key=rank)


def rank(finding: Row) -> tuple[int, int, int, int, int, str]:
    """Give the key that puts a finding in its place: severity, confidence, time, context, rule."""
    return (
        SEVERITIES.index(finding["severity"]),
        CONFIDENCES.index(finding["confidence"]),
        -1 if finding["time"] is None else finding["time"],
        -1 if finding["context"] is None else finding["context"],
        -1 if finding["generation"] is None else finding["generation"],
        finding["rule"],
    )
