"""What the filter manager said of filters and volumes, between the operations of a life."""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from tracecheck.fltmgr.status import FAILURE_BIT, STATUS_NAMES
from tracecheck.reporters.common import clean, iso_time, pointer
from tracecheck.reporters.losses import loss_line

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


def gaps_within(losses: list[Row], steps: list[Row], until: int) -> list[Row]:
    """Keep the losses that touch a life, each with the time from which on it does.

    Args:
        losses: Rows of the losses table.
        steps: The life's steps with their ``operation``.
        until: When the life is known to have ended, or the capture.
    """
    times = [step["operation"]["time"] for step in steps]
    found = []
    for loss in losses if times else []:
        start = min(times) if loss["start"] is None else max(loss["start"], min(times))
        end = until if loss["end"] is None else loss["end"]
        if start <= until and end >= min(times):
            found.append({**loss, "time": start})
    return sorted(found, key=lambda loss: loss["time"])


def woven(lines: list[str], steps: list[Row], marks: list[Row]) -> Iterator[str]:
    """Put marks among the lines of a life, each behind what was logged before it.

    Args:
        lines: A heading, and a line for each step.
        steps: The steps.
        marks: Those of the life, and the losses that touch it, in the order of time.
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
    if "sign" in mark:
        return f"-- gap: {loss_line(mark)}"
    status = mark["status"]
    failed = status is not None and status & FAILURE_BIT
    result = f" = {STATUS_NAMES.get(status, f'{status:#010x}')}" if failed else ""
    return f"-- {iso_time(mark['time'])}  {mark['routine']} {clean(mark['name'] or '?')}{result}"
