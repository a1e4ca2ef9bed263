"""What the filter manager said of filters and volumes, between the operations of a life."""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from tracecheck.fltmgr.status import FAILURE_BIT, STATUS_NAMES
from tracecheck.reporters.common import clean, iso_time, pointer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tracecheck.reporters.lookup import Row

# How many lines are shown of one life.
_MOST_LINES = 40


def mark_object(mark: Row) -> dict[str, Any]:
    """Give a mark as JSON has it; what was not logged is null."""
    return {**mark, "time": iso_time(mark["time"]), "status": pointer(mark["status"])}


def marks_within(marks: list[Row], steps: list[Row]) -> list[Row]:
    """Keep the marks between the first and the last operation of a life.

    Args:
        marks: Rows of the marks table, in the order of time.
        steps: The life's steps with their ``operation``.
    """
    times = [step["operation"]["time"] for step in steps]
    return [mark for mark in marks if times and min(times) <= mark["time"] <= max(times)]


def woven(lines: list[str], steps: list[Row], marks: list[Row]) -> Iterator[str]:
    """Put marks among the lines of a life, each behind what was logged before it.

    Args:
        lines: A heading, and a line for each step.
        steps: The steps.
        marks: Those of the life, in the order of time.
    """
    latest = list(accumulate((step["operation"]["time"] for step in steps), max))
    shown = iter(marks[:_MOST_LINES])
    waiting = next(shown, None)
    for place, line in enumerate(lines):
        yield line
        while waiting is not None and bisect_right(latest, waiting["time"]) <= place:
            yield _line(waiting)
            waiting = next(shown, None)
    if len(marks) > _MOST_LINES:
        yield f"-- and {len(marks) - _MOST_LINES:,} more marks (--format json has them)"


def _line(mark: Row) -> str:
    status = mark["status"]
    failed = status is not None and status & FAILURE_BIT
    result = f" = {STATUS_NAMES.get(status, f'{status:#010x}')}" if failed else ""
    return f"-- {iso_time(mark['time'])}  {mark['routine']} {clean(mark['name'] or '?')}{result}"
