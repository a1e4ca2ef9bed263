"""`export --format speedscope`: a profile for https://www.speedscope.app.

Source of the format: src/lib/file-format-spec.ts of github.com/jlfwong/speedscope.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tracecheck.reporters.common import clean, dump
from tracecheck.reporters.export.stacks import WEIGHTS, Frame, stacks_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tracecheck.capture import Analysis

SCHEMA = "https://www.speedscope.app/file-format-schema.json"


def render(analysis: Analysis, weigh: str) -> Iterator[str]:
    """Write a profile for each way of weighing call sites.

    Args:
        analysis: What is shown.
        weigh: Which of :data:`~tracecheck.reporters.export.stacks.WEIGHTS` is shown first.

    Yields:
        Pieces of one JSON object, ASCII only.
    """
    found = stacks_of(analysis)
    head = {
        "$schema": SCHEMA,
        "exporter": "tracecheck",
        "name": clean(", ".join(analysis.paths)),
        "activeProfileIndex": list(WEIGHTS).index(weigh),
    }
    yield f"{dump(head)[:-1]},\n "
    yield '"shared": {"frames": ['
    yield from _listed(_frame(frame) for frame in found.frames)
    yield "]},\n "
    yield '"profiles": ['
    for place, (name, title) in enumerate(WEIGHTS.items()):
        shown = [i for i, weight in enumerate(found.weights[name]) if weight]
        weights = [found.weights[name][i] for i in shown]
        sums = {"type": "sampled", "name": title, "unit": "none", "startValue": 0, "endValue": sum(weights)}
        yield f"{',' if place else ''}\n  {dump(sums)[:-1]}, "
        yield '"samples": ['
        yield from _listed(list(found.stacks[i]) for i in shown)
        yield f'], "weights": {dump(weights)}}}'
    yield "]}\n"


def _listed(values: Iterator[Any]) -> Iterator[str]:
    for place, value in enumerate(values):
        yield f"{',' if place else ''}\n  {dump(value)}"


def _frame(frame: Frame) -> dict[str, str | int]:
    if not frame.file:
        return {"name": frame.name}
    return {"name": frame.name, "file": frame.file, "line": frame.line}
