"""The canonical provider's own counter: what it proves about losses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tracecheck.etl import LOSSES, plain_rows

_MOST_ROWS = 1000


def refine_losses(operations: pa.Table, losses: pa.Table) -> pa.Table:
    """Add what gaps of the writer's counter tell, and drop what it disproves.

    The writer counts its events. Where every event has a number and each number occurs once, the gaps are
    all that is missing of the writer's events between the first and the last: losses that the log admits
    for the same stretch hit other providers' events, and stay only outside it.

    Args:
        operations: The operations table.
        losses: The log's losses.

    Returns:
        A table of the same schema as losses.
    """
    sequence = operations.column("sequence")
    if not len(operations) or sequence.null_count == len(sequence):
        return losses
    record = operations.column("record").to_numpy()
    first = np.append(True, record[1:] != record[:-1])
    valid = sequence.is_valid().to_numpy()
    number = sequence.fill_null(0).to_numpy()[first & valid]
    time = operations.column("time").cast(pa.int64()).to_numpy()
    order = np.argsort(number, kind="stable")
    number, when = number[order], time[first & valid][order]
    if (number[1:] == number[:-1]).any():
        # Two writers, each with a counter of its own: nothing can be concluded from either.
        return losses
    rows = _gaps(number, when)
    if sequence.null_count:
        return pa.concat_tables([losses, pa.Table.from_pylist(rows, schema=LOSSES)])
    kept = [row for loss in plain_rows(losses) for row in _outside(loss, int(time[0]), int(time[-1]))]
    return pa.Table.from_pylist(kept + rows, schema=LOSSES)


def shift_back(losses: pa.Table, lag: int) -> pa.Table:
    """Let losses begin earlier: a relay may have written what was lost as late as anything that was not.

    Args:
        losses: The log's losses, by the time of the log.
        lag: The longest time between a call and its record, nanoseconds.
    """
    if not lag or not len(losses):
        return losses
    rows = [row | {"start": row["start"] and row["start"] - lag} for row in plain_rows(losses)]
    return pa.Table.from_pylist(rows, schema=LOSSES)


def _gaps(number: NDArray[np.uint64], when: NDArray[np.int64]) -> list[dict[str, Any]]:
    """Make a loss of each gap in the numbers."""
    at = np.flatnonzero(np.diff(number) > 1)
    if len(at) > _MOST_ROWS:
        missing = int((np.diff(number)[at] - np.uint64(1)).sum())
        return [
            _loss(
                int(when[at[0]]), int(when[at[-1] + 1]), missing, f"{len(at)} gaps in the writer's sequence"
            )
        ]
    rows = []
    for i in at.tolist():
        low, high = int(number[i]) + 1, int(number[i + 1]) - 1
        text = f"no event has the sequence {low}" + (f" to {high}" if high > low else "")
        start, end = sorted((int(when[i]), int(when[i + 1])))
        rows.append(_loss(start, end, high - low + 1, text))
    return rows


def _loss(start: int, end: int, count: int, detail: str) -> dict[str, Any]:
    return {
        "cpu": None,
        "start": start,
        "end": end,
        "count": count,
        "unit": "events",
        "sign": "event sequence",
        "detail": detail,
    }


def _outside(loss: dict[str, Any], first: int, last: int) -> list[dict[str, Any]]:
    """Cut a stretch down to what lies before the first and behind the last numbered event."""
    start, end = loss["start"], loss["end"]
    note = f"{loss['detail']}; the writer's sequence shows what of its own events is missing in between"
    parts = []
    if start is None or start < first:
        parts.append(
            {**loss, "start": start, "end": first - 1 if end is None else min(end, first - 1), "detail": note}
        )
    if end is None or end > last:
        parts.append(
            {**loss, "start": last + 1 if start is None else max(start, last + 1), "end": end, "detail": note}
        )
    return parts
