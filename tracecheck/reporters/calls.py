"""Operations as lines of text: the table that `check` and `timeline` both show."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracecheck.etl.columns import NO_CPU, NO_ID
from tracecheck.fltmgr.status import FAILURE_BIT, STATUS_NAMES
from tracecheck.reporters.common import clean, clock, columns, day, pointer

if TYPE_CHECKING:
    from collections.abc import Callable

    from tracecheck.reporters.lookup import Row

_HEAD = ("cpu", "pid:tid", "process", "routine", "change", "owned", "link", "count", "call site")
_FLUSHED = (False, False, True, False, False, False, True, True, True, True, False)
_PROCESS = 4
_MARK = "!"


def call_lines(
    steps: list[Row], context: int, paint: Callable[..., str], pairs: list[str] | None = None
) -> list[str]:
    """Lay out steps of one context, a line each, under a heading.

    Args:
        steps: Steps with their ``operation``; a step that had no effect may lack everything else.
        context: The pointer whose life this is, to tell where a call names another one.
        paint: Colours the lines at fault.
        pairs: For each step, the mark that it shares with its partner; None where no marks are wanted.

    Returns:
        The heading and a line for each step; ``!`` marks a fault, and says which it is.
    """
    times = [step["operation"]["time"] for step in steps]
    days = {day(time) for time in times}
    # A life that goes past midnight needs the date on each line; the others have it in the heading.
    shown = [clock(time) if len(days) == 1 else f"{day(time)} {clock(time)}" for time in times]
    head = ("", f"{days.pop()} UTC" if len(days) == 1 else "time (UTC)", *_HEAD)
    cells = [_cells(step, time, context) for step, time in zip(steps, shown, strict=True)]
    marks = [False, *(bool(step.get("fault")) for step in steps)]
    rows, flushed = _without_process([head, *cells])
    if pairs is not None:
        rows = [(*row[:2], mark, *row[2:]) for row, mark in zip(rows, ["pair", *pairs], strict=True)]
        flushed = (*flushed[:2], False, *flushed[2:])
    lines = columns(rows, flushed)
    return [paint(line, fg="red") if marked else line for line, marked in zip(lines, marks, strict=True)]


def _without_process(cells: list[tuple[str, ...]]) -> tuple[list[tuple[str, ...]], tuple[bool, ...]]:
    """Leave the column of processes out where none of them is known; tell how the columns are flushed."""
    if any(row[_PROCESS] for row in cells[1:]):
        return cells, _FLUSHED
    return [row[:_PROCESS] + row[_PROCESS + 1 :] for row in cells], _FLUSHED[:_PROCESS] + _FLUSHED[
        _PROCESS + 1 :
    ]


def _cells(step: Row, time: str, context: int) -> tuple[str, ...]:
    operation = step["operation"]
    fault = step.get("fault")
    return (
        _MARK if fault else " ",
        time,
        known(operation["cpu"], NO_CPU),
        f"{known(operation['pid'], NO_ID)}:{known(operation['tid'], NO_ID)}",
        clean(operation.get("process") or ""),
        _call(operation, context),
        *_counts(step),
        call_site(operation) + (f"  <- {fault}" if fault else ""),
    )


def known(number: int, missing: int) -> str:
    """Write a number, or - where it stands for none."""
    return "-" if number == missing else str(number)


def _counts(step: Row) -> tuple[str, str, str, str]:
    if "state" in step:
        return (step["state"], "", "", "")
    if "owned" not in step:
        return ("", "", "", "")
    delta = step["delta_owned"] + step["delta_link"]
    owned, link = step["owned"], step["link"]
    return (f"{delta:+d}" if delta else "0", str(owned), str(link), str(owned + link))


def _call(operation: Row, context: int) -> str:
    """Name the call, its status where it failed, and the part that this context played in it."""
    text = clean(operation["routine"])
    status = operation["status"]
    if status is not None and status & FAILURE_BIT:
        text += f" = {STATUS_NAMES.get(status, f'{status:#010x}')}"
    if operation["context"] == context:
        return text
    if context and operation["old_context"] == context:
        return f"{text} (old context)"
    return f"{text} (of {pointer(operation['context'])})" if operation["has_context"] else text


def call_site(operation: Row) -> str:
    """Write where a call was made: the site, and its function where the site does not say it."""
    site, function = operation["site"] or "", operation["function"] or ""
    if function and function not in site:
        site = f"{site} {function}" if site else function
    return clean(site)
