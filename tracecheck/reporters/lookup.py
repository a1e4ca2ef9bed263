"""What a report looks up in an analysis: only the rows that it shows leave their columns."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa

from tracecheck.operations.surroundings import PROCESS
from tracecheck.operations.table import STACK, has_stacks
from tracecheck.payload.arrow import whole
from tracecheck.reporters.common import CONFIDENCES, SEVERITIES, rows

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping, Sequence

    from numpy.typing import NDArray

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
_ALLOCATE = "FltAllocateContext"


class Lookup:
    """Rows of an analysis by what refers to them.

    Args:
        analysis: What the report is of.
    """

    def __init__(self, analysis: Analysis) -> None:
        have = analysis.operations.schema
        more = PROCESS.name in have.names and have.field(PROCESS.name).type == PROCESS.type
        shown = _SHOWN + [PROCESS.name] * more
        self._operations = analysis.operations.select(shown).unify_dictionaries()
        self._stacks = (
            whole(analysis.operations.column(STACK.name)) if has_stacks(analysis.operations) else None
        )
        self._contexts = analysis.contexts
        self._steps = analysis.steps
        self._step_owners = analysis.steps.column("context").to_numpy()
        self._step_operations = analysis.steps.column("operation").to_numpy()

    def operations(self, numbers: Iterable[int]) -> dict[int, Row]:
        """Read operations.

        Args:
            numbers: Rows of the operations table, in any order and repeated at will.

        Returns:
            The operations by row number; times in nanoseconds. Where the capture has stacks, ``stack`` is the
            text of each, and equal ones are one.
        """
        wanted = sorted(set(numbers))
        found = rows(self._operations.take(pa.array(wanted, pa.int64())))
        if self._stacks is not None:
            codes = self._stacks.indices.take(pa.array(wanted, pa.int64())).to_pylist()
            for row, code in zip(found, codes, strict=True):
                row[STACK.name] = None if code is None else self._stack_texts[code]
        return dict(zip(wanted, found, strict=True))

    @cached_property
    def _stack_texts(self) -> list[str]:
        texts: list[str] = [] if self._stacks is None else self._stacks.dictionary.to_pylist()
        return texts

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

    def lives(
        self, wanted: Mapping[int, Sequence[int]], held: Container[int], ends: int, around: int
    ) -> dict[int, Life]:
        """Read lives in short: their ends, and what stands around some of their operations.

        Args:
            wanted: Context id -> rows of the operations table, the one at fault first. Those that have no
                effect on the context stand where their time puts them, without counts.
            held: The contexts whose last release is looked for in the whole life, not before the fault.
            ends: How many steps at each end.
            around: How many before and after each of the operations.
        """
        owners = np.array(list(wanted), np.int64)
        bounds = np.searchsorted(self._step_owners, [owners, owners + 1]).T.tolist()
        delta = self._steps.column("delta_owned").to_numpy()
        chosen: dict[int, _Chosen] = {}
        for (context, numbers), (first, end) in zip(wanted.items(), bounds, strict=True):
            made = self._step_operations[first:end]
            chosen[context] = _choose(made, delta[first:end], numbers, context in held, ends, around)
        parts = zip(bounds, chosen.values(), strict=True)
        places = [first + at for (first, _), one in parts for at in one.every()]
        steps = dict(zip(places, rows(self._steps.take(pa.array(places, pa.int64()))), strict=True))
        strange = [number for one in chosen.values() for number in one.strange]
        operations = self.operations([*(step["operation"] for step in steps.values()), *strange])
        whole = {at: {**step, "operation": operations[step["operation"]]} for at, step in steps.items()}
        found = {}
        for context, (first, _) in zip(wanted, bounds, strict=True):
            mine = {at: whole[first + at] for at in chosen[context].every()}
            found[context] = chosen[context].life(mine, [operations[n] for n in chosen[context].strange])
        return found

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


class Life(NamedTuple):
    """A life in short.

    Attributes:
        steps: Steps in the order of the replay, each with its ``operation``.
        left_out: For each of them, how many steps before it are not shown.
        birth: The step that allocated the context; None where it is not in the capture.
        last_release: The last step, before the one at fault, that gave a reference back; None where there is
            none.
    """

    steps: list[Row]
    left_out: list[int]
    birth: Row | None
    last_release: Row | None


class _Chosen(NamedTuple):
    """Places in a life: those that are shown, its first step, the last release; and operations outside it."""

    shown: list[int]
    size: int
    release: int
    strange: list[int]

    def every(self) -> list[int]:
        return sorted({*self.shown, *([self.release] if self.release >= 0 else [])})

    def life(self, steps: dict[int, Row], strange: list[Row]) -> Life:
        before = [-1, *self.shown]
        left_out = [at - last - 1 for last, at in zip(before, self.shown, strict=False)]
        shown = [steps[at] for at in self.shown]
        for operation in strange:
            after = [i for i, step in enumerate(shown) if step["operation"]["order"] > operation["order"]]
            at = after[0] if after else len(shown)
            shown.insert(at, {"operation": operation})
            left_out.insert(at, 0)
        born = bool(shown) and "owned" in shown[0] and shown[0]["operation"]["routine"] == _ALLOCATE
        release = steps.get(self.release)
        return Life(shown, left_out, shown[0] if born else None, release)


def _choose(
    made: NDArray[np.uint32],
    delta: NDArray[np.int8],
    numbers: Sequence[int],
    held: bool,
    ends: int,
    around: int,
) -> _Chosen:
    """Choose the steps of a life that are shown.

    Args:
        made: The operation of each step.
        delta: What each changed the owned references by.
        numbers: The operations to show, the one at fault first.
        held: Whether the last release is looked for in the whole life.
        ends: How many steps at each end.
        around: How many before and after each of the operations.
    """
    size = len(made)
    proof = np.flatnonzero(np.isin(made, np.array(numbers, np.uint32)))
    near = (proof[:, None] + np.arange(-around, around + 1)).reshape(-1)
    wanted = np.concatenate([np.arange(ends), np.arange(size - ends, size), near])
    shown = np.unique(wanted[(wanted >= 0) & (wanted < size)])
    # A line that says that one step is left out is no shorter than the step.
    single = np.flatnonzero(np.diff(shown) == 2)
    shown = np.sort(np.concatenate([shown, shown[single] + 1]))
    fault = [] if held or not numbers else np.flatnonzero(made == numbers[0])[:1].tolist()
    given = np.flatnonzero(delta[: fault[0] if fault else size] < 0)
    strange = [number for number in dict.fromkeys(numbers) if number not in set(made[proof].tolist())]
    return _Chosen(shown.tolist(), size, int(given[-1]) if len(given) else -1, strange)


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
    """Read the findings in the order in which every report shows them: the worst and surest first.

    Each has its ``row`` in the findings table besides its columns.
    """
    return sorted(({**finding, "row": row} for row, finding in enumerate(rows(findings))), key=rank)


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
