"""A context's life as an SVG: a line for each step, the count beside it, gaps shaded, the fault marked."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

import numpy as np

from tracecheck.reporters.calls import call_site
from tracecheck.reporters.common import clean, clock, count, day, pointer
from tracecheck.reporters.lives import birth_text, end_text
from tracecheck.reporters.losses import loss_line
from tracecheck.reporters.names import context_kind

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from tracecheck.reporters.lookup import Row

# Lines that are drawn of one life, and gaps among them.
_MOST_STEPS, _MOST_GAPS, _AROUND = 200, 20, 5
_ROW, _TIME, _PLOT, _WIDE, _ROUTINE, _SITE, _CHAR = 20, 8, 160, 200, 372, 580, 7.3
_LONGEST = 100
_RED, _GREY, _BLUE = "#d62728", "#888888", "#1f77b4"


@dataclass(frozen=True)
class Life:
    """What is drawn of a life.

    Attributes:
        context: Its row of the contexts table.
        steps: The steps that are drawn, by their places in replay order; each has its ``operation`` as a row,
            and the number of that row as ``number``.
        latest: For each step of the life, drawn or not, the latest time up to it, nanoseconds.
        losses: Rows of the losses table.
        marked: What is said of operations at fault, beside those whose step has a fault.
    """

    context: Row
    steps: Mapping[int, Row]
    latest: NDArray[np.int64]
    losses: Sequence[Row]
    marked: Mapping[int, str]

    def fault(self, step: Row) -> str:
        """Say what is at fault in a step, "" for nothing."""
        said = (self.marked.get(step["number"]), step["fault"])
        return ": ".join(part for part in said if part)


@dataclass(frozen=True)
class _Line:
    """A line of the chart: a step, or what stands between steps in words."""

    step: Row | None
    text: str = ""
    shaded: bool = False


def chart(life: Life) -> str:
    """Draw a life.

    Returns:
        An SVG element that takes its colours from the page; all text of the trace is escaped.
    """
    lines = list(_lines(life))
    top = max([1, *(_total(line.step) for line in lines if line.step)])
    title = f"{context_kind(life.context['context_type'])} {_name(life.context)}"
    head = [title, f"born {birth_text(life.context)}", f"ended {end_text(life.context)}"]
    parts = [_text(_TIME, 16 + 18 * place, text, bold=place == 0) for place, text in enumerate(head)]
    origin = 18 * len(head) + 14
    before = 0
    for place, line in enumerate(lines):
        y = origin + place * _ROW
        parts += _drawn(life, line, y, before, top)
        before = _total(line.step) if line.step else before
    height = origin + len(lines) * _ROW + 8
    width = int(max([_SITE + 40 * _CHAR, *(_right(life, line) for line in lines)])) + 16
    return (
        f'<div style="overflow-x:auto"><svg xmlns="http://www.w3.org/2000/svg" role="img" width="{width}" '
        f'height="{height}" viewBox="0 0 {width} {height}" fill="currentColor" font-size="12" '
        f'font-family="monospace"><title>{_safe(title)}</title>{"".join(parts)}</svg></div>'
    )


def shown_places(size: int, faults: Sequence[int]) -> list[int]:
    """Choose the steps that are drawn: all, or the first, the last and those around the faults.

    Args:
        size: How many steps a life has.
        faults: The places of those at fault, in order.
    """
    if size <= _MOST_STEPS:
        return list(range(size))
    part = _MOST_STEPS // 4
    found = {*range(part), *range(size - part, size)}
    for place in faults:
        if len(found) > _MOST_STEPS:
            break
        found.update(range(max(place - _AROUND, 0), min(place + _AROUND, size)))
    return sorted(found)


def _lines(life: Life) -> Iterator[_Line]:
    """Put the steps that are shown, and the gaps among them, in order."""
    gaps, shaded = _gaps(life)
    behind = 0
    for place in sorted({*life.steps, *gaps}):
        if place > behind:
            yield _Line(None, f"{count(place - behind, 'step')} not shown; print this timeline to see all")
        for text in gaps.get(place, ()):
            yield _Line(None, text, shaded=True)
        behind = place
        if place in life.steps:
            yield _Line(life.steps[place], shaded=bool(shaded[place]))
            behind += 1


def _gaps(life: Life) -> tuple[dict[int, list[str]], NDArray[np.int64]]:
    """Find what is missing of a life: before which step it is said, and which steps lie within."""
    size = len(life.latest)
    first = int(life.latest[0]) if size else 0
    end = int(life.latest[-1]) if life.context["end"] == "freed" and size else None
    texts: dict[int, list[str]] = {}
    depth = np.zeros(size + 1, np.int64)
    said = 0
    for loss in life.losses:
        start, stop = loss["start"], loss["end"]
        if (stop is not None and stop < first) or (end is not None and start is not None and start > end):
            continue
        low = 0 if start is None else int(np.searchsorted(life.latest, start))
        high = size if stop is None else int(np.searchsorted(life.latest, stop, "right"))
        depth[low] += 1
        depth[max(high, low)] -= 1
        said += 1
        if said <= _MOST_GAPS:
            texts.setdefault(low, []).append(loss_line(loss))
    if said > _MOST_GAPS:
        texts.setdefault(size, []).append(f"and {count(said - _MOST_GAPS, 'more gap')}")
    return texts, np.cumsum(depth)


def _drawn(life: Life, line: _Line, y: int, before: int, top: int) -> Iterator[str]:
    """Draw one line at a height; ``before`` is the count until then."""
    if line.shaded:
        yield f'<rect x="0" y="{y}" width="100%" height="{_ROW}" fill="{_GREY}" fill-opacity="0.25"/>'
    if line.step is None:
        yield _text(_PLOT, y + 14, line.text, italic=True)
        yield _path(f"M{_x(before, top)} {y}v{_ROW}", dashed=True)
        return
    step = line.step
    fault = life.fault(step)
    if fault:
        yield f'<rect x="0" y="{y}" width="100%" height="{_ROW}" fill="{_RED}" fill-opacity="0.15"/>'
    yield "<g>"
    yield f"<title>{_safe(_told(step))}</title>"
    yield _text(_TIME, y + 14, clock(step["operation"]["time"]))
    link, total = _x(min(max(step["link"], 0), top), top), _x(_total(step), top)
    yield _area(_PLOT, y, link - _PLOT, 0.2)
    yield _area(link, y, max(total - link, 0), 0.45)
    yield _path(f"M{_x(before, top)} {y}H{total}V{y + _ROW}", dashed=False)
    yield _text(_ROUTINE, y + 14, f"{_change(step)} {step['operation']['routine']}", red=bool(fault))
    yield _text(_SITE, y + 14, f"{_site(step)}  ◀ {fault}" if fault else _site(step), red=bool(fault))
    yield "</g>"


def _x(total: int, top: int) -> int:
    return _PLOT + round(_WIDE * total / top)


def _area(x: int, y: int, width: int, opacity: float) -> str:
    return f'<rect x="{x}" y="{y}" width="{width}" height="{_ROW}" fill="{_BLUE}" fill-opacity="{opacity}"/>'


def _path(way: str, *, dashed: bool) -> str:
    dash = ' stroke-dasharray="3 3"' if dashed else ""
    return f'<path d="{way}" fill="none" stroke="{_BLUE}" stroke-width="2"{dash}/>'


def _text(x: int, y: int, text: str, *, bold: bool = False, italic: bool = False, red: bool = False) -> str:
    look = ' font-weight="bold"' if bold or red else ""
    look += ' font-style="italic"' if italic else ""
    look += f' fill="{_RED}"' if red else ""
    return f'<text x="{x}" y="{y}" xml:space="preserve"{look}>{_safe(text)}</text>'


def _total(step: Row) -> int:
    return max(int(step["owned"] + step["link"]), 0)


def _change(step: Row) -> str:
    delta = step["delta_owned"] + step["delta_link"]
    return f"{delta:+d}" if delta else " 0"


def _site(step: Row) -> str:
    site = call_site(step["operation"])
    return site if len(site) <= _LONGEST else f"{site[:_LONGEST]}…"


def _told(step: Row) -> str:
    """Say of a step what stands in no column."""
    at = step["operation"]["time"]
    counts = f"count {_total(step)}: {step['owned']} owned by the driver, {step['link']} of the object"
    return f"{day(at)} {clock(at)} UTC, thread {step['operation']['tid']}; {counts}"


def _right(life: Life, line: _Line) -> float:
    """Tell where a line ends."""
    if line.step is None:
        return _PLOT + _CHAR * len(line.text)
    return _SITE + _CHAR * (len(_site(line.step)) + len(life.fault(line.step)) + 4)


def _name(context: Row) -> str:
    return f"{pointer(context['pointer'])} #{context['generation']} (id {context['id']})"


def _safe(text: str) -> str:
    return escape(clean(text))
