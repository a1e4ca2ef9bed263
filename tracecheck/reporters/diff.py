"""`diff`: the causes of two captures beside each other."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import TYPE_CHECKING, Any

import numpy as np

from tracecheck.reporters.causes import Cause, groups
from tracecheck.reporters.common import clean, count, dump
from tracecheck.reporters.json_report import type_name
from tracecheck.reporters.names import context_kind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tracecheck.capture import Analysis

#: How a cause can have changed, in the order in which it is shown.
STATES = ("new", "worse", "unchanged", "better", "fixed")
#: Those that fail a run.
FAILING = ("new", "worse")
_MILLION = 1_000_000
# A change counts where it is larger than chance makes it in one of twenty cases.
_DEVIATIONS = 2
# A cause that would have shown itself less often than this may only not have come up.
_EXPECTED = 3


@dataclass(frozen=True)
class Change:
    """One cause before and after.

    Attributes:
        state: One of :data:`STATES`.
        cause: The cause, as it is in the capture that shows it, after before before.
        before, after: How many contexts have it.
        rates: The same for a million operations of the context type; None where there are none.
        expected: How many contexts would have it after, were nothing changed.
    """

    state: str
    cause: Cause
    before: int
    after: int
    rates: tuple[float | None, float | None]
    expected: float

    @property
    def is_thin(self) -> bool:
        """Whether it is gone from a capture that may be too short to show it."""
        return self.state == "fixed" and self.expected < _EXPECTED


def compare(before: Analysis, after: Analysis) -> list[Change]:
    """Compare the errors and warnings of two captures.

    Args:
        before: The one.
        after: The other, of a later driver.

    Returns:
        The changes in the order of :data:`STATES`.
    """
    had, has = _faults(before), _faults(after)
    sizes = _operations_by_type(before), _operations_by_type(after)
    changes = [_change(had.get(key), has.get(key), *sizes) for key in {**has, **had}]
    return sorted(changes, key=lambda change: STATES.index(change.state))


def _faults(analysis: Analysis) -> dict[str, Cause]:
    return {cause.signature: cause for cause in groups(analysis) if cause.severity != "note"}


def _operations_by_type(analysis: Analysis) -> dict[int, int]:
    """Count what was done to contexts of each type, and under 0 everything."""
    kinds = analysis.contexts.column("context_type").to_numpy()[analysis.steps.column("context").to_numpy()]
    values, counts = np.unique(kinds, return_counts=True)
    found = dict(zip(values.tolist(), counts.tolist(), strict=True))
    return {**found, 0: analysis.operations.num_rows}


def _change(had: Cause | None, has: Cause | None, old: dict[int, int], new: dict[int, int]) -> Change:
    cause = has or had
    assert cause is not None
    kind = cause.context_type
    sizes = old.get(kind, 0), new.get(kind, 0)
    counts = _size(had), _size(has)
    rates = tuple(_MILLION * n / of if of else None for n, of in zip(counts, sizes, strict=True))
    expected = counts[0] * sizes[1] / sizes[0] if sizes[0] else 0.0
    if had is None or has is None:
        state = "new" if had is None else "fixed"
    else:
        # Both numbers are counts of chance events.
        spread = _DEVIATIONS * sqrt(expected + counts[0] * (expected / counts[0]) ** 2)
        change = counts[1] - expected
        state = "worse" if change > spread else "better" if -change > spread else "unchanged"
    return Change(state, cause, *counts, (rates[0], rates[1]), expected)


def _size(cause: Cause | None) -> int:
    return 0 if cause is None else max(cause.contexts, 1)


def render_text(changes: list[Change], before: Analysis, after: Analysis) -> Iterator[str]:
    """Write changes for a reader.

    Args:
        changes: Those of :func:`compare`.
        before: The one analysis.
        after: The other.

    Yields:
        Lines with their line ends.
    """
    for change in changes:
        cause = change.cause
        kind = context_kind(cause.context_type)
        yield f"{change.state.upper()} {', '.join(map(clean, cause.rules))} ({cause.confidence}), {kind}s\n"
        yield f"  {clean(cause.sentence)}\n"
        rates = " -> ".join("none" if rate is None else f"{rate:,.1f}" for rate in change.rates)
        yield (
            f"  contexts: {change.before:,} -> {change.after:,}; "
            f"for a million operations on {kind}s: {rates}\n"
        )
        if change.is_thin:
            yield f"  not for sure: {change.expected:.1f} would be expected in so few operations\n"
        yield f"  signature: {cause.signature}\n"
    tally = [f"{sum(change.state == state for change in changes)} {state}" for state in STATES]
    yield f"diff: {', '.join(tally)}\n"
    for name, analysis in (("before", before), ("after", after)):
        paths = " ".join(clean(path) for path in analysis.paths)
        seen = count(analysis.operations.num_rows, "operation")
        yield f"  {name}: {paths} ({seen}, {analysis.verdict.word})\n"


def render_json(changes: list[Change], before: Analysis, after: Analysis) -> Iterator[str]:
    """Write changes as one JSON object; the arguments are those of :func:`render_text`."""
    yield f'{{"before": {dump(_side(before))},\n "after": {dump(_side(after))},\n "changes": ['
    for place, change in enumerate(changes):
        yield f"{',' if place else ''}\n  {dump(_object(change))}"
    tally = {state: sum(change.state == state for change in changes) for state in STATES}
    yield f'],\n "summary": {dump(tally)}}}\n'


def _side(analysis: Analysis) -> dict[str, Any]:
    return {
        "captures": list(analysis.paths),
        "operations": analysis.operations.num_rows,
        "verdict": analysis.verdict.word,
    }


def _object(change: Change) -> dict[str, Any]:
    cause = change.cause
    return {
        "state": change.state,
        "signature": cause.signature,
        "kind": cause.kind,
        "rules": list(cause.rules),
        "severity": cause.severity,
        "confidence": cause.confidence,
        "context_type": type_name(cause.context_type),
        "before": change.before,
        "after": change.after,
        "before_per_million": change.rates[0],
        "after_per_million": change.rates[1],
        "expected": change.expected,
        "blame": cause.sentence,
    }
