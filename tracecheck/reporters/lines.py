"""`events` of a text log: its messages as lines of text or of JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tracecheck.etl.columns import NO_CPU, NO_ID
from tracecheck.reporters.common import clean, dump, iso_time

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from tracecheck.payload.text import Lines


def render_text(lines: Lines) -> list[bytes]:
    """Write messages for a reader, ``time [cpu] pid:tid provider text``; what is not told is ``-``.

    Args:
        lines: The messages.

    Returns:
        A line for each, with its line end.
    """
    return [f"{_line(each)}\n".encode() for each in _objects(lines)]


def render_jsonl(lines: Lines) -> list[bytes]:
    """Write messages as JSON, an object and a line for each; see :func:`render_text`."""
    return [f"{dump(each)}\n".encode("ascii") for each in _objects(lines)]


def _objects(lines: Lines) -> Iterator[dict[str, Any]]:
    cpu, pid, tid = (
        _known(column, missing)
        for column, missing in ((lines.cpu, NO_CPU), (lines.pid, NO_ID), (lines.tid, NO_ID))
    )
    # A line without a time has its neighbour's for the order, or a step that is none: it is not shown.
    times = [
        iso_time(time) if has else None
        for time, has in zip(lines.time.tolist(), lines.has_time.tolist(), strict=True)
    ]
    texts = (lines.provider.to_pylist(), lines.function.to_pylist(), lines.text.to_pylist())
    for row in zip(times, cpu, pid, tid, *texts, lines.number.tolist(), strict=True):
        yield {
            "time": row[0],
            "cpu": row[1],
            "pid": row[2],
            "tid": row[3],
            "provider": row[4] or None,
            "name": None,
            "function": row[5] or None,
            "fields": {},
            "text": row[6],
            "line": row[7],
        }


def _known(column: NDArray[Any], missing: int) -> list[int | None]:
    return [None if each == missing else each for each in column.tolist()]


def _line(each: dict[str, Any]) -> str:
    time = "-" if each["time"] is None else each["time"].removesuffix("Z")
    cpu, pid, tid = ("-" if each[name] is None else each[name] for name in ("cpu", "pid", "tid"))
    return f"{time} [{cpu}] {pid}:{tid} {clean(each['provider'] or '-')} {clean(each['text'])}"
