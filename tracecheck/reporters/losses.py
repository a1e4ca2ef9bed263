"""Lost events as every report tells of them: how many, where, when, and how it is known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tracecheck.reporters.common import clean, count, iso_time

if TYPE_CHECKING:
    from tracecheck.reporters.lookup import Row


def loss_object(loss: Row) -> dict[str, Any]:
    """Give a loss as JSON has it; an open end of its stretch is null."""
    return {**loss, "start": iso_time(loss["start"]), "end": iso_time(loss["end"])}


def loss_line(loss: Row) -> str:
    """Say what was lost, where and when, in one line.

    Args:
        loss: A row of the losses table.

    Returns:
        For example ``lost 14 events on cpu 3 between … and … (buffer sequence): detail``.
    """
    noun = clean(loss["unit"])
    what = (
        f"an unknown number of {noun}"
        if loss["count"] is None
        else count(loss["count"], noun.removesuffix("s"))
    )
    where = "" if loss["cpu"] is None else f" on cpu {loss['cpu']}"
    detail = f": {clean(loss['detail'])}" if loss["detail"] else ""
    return f"lost {what}{where}{_when(loss)} ({clean(loss['sign'])}){detail}"


def _when(loss: Row) -> str:
    start, end = iso_time(loss["start"]), iso_time(loss["end"])
    if start and end:
        return f" between {start} and {end}"
    if start:
        return f" after {start}"
    return f" before {end}" if end else " at an unknown time"
