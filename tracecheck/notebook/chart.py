"""A context's life as an SVG: a line for each step, the count beside it, gaps shaded, the fault marked."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from html import escape
from itertools import accumulate
from typing import TYPE_CHECKING

from tracecheck.reporters.calls import call_site
from tracecheck.reporters.common import clean, clock, count, day, pointer
from tracecheck.reporters.lives import birth_text, end_text
from tracecheck.reporters.losses import loss_line
from tracecheck.reporters.names import context_kind

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tracecheck.reporters.lookup import Row

# Lines that are drawn of one life, and gaps among them.
_MOST_STEPS, _MOST_GAPS = 200, 20
_ROW, _TIME, _PLOT, _WIDE, _ROUTINE, _SITE, _CHAR = 20, 8, 160, 200, 372, 580, 7.3
_LONGEST = 100
_RED, _GREY, _BLUE = "#d62728", "#888888", "#1f77b4"


@dataclass(frozen=True)
class Life:
    """What is drawn of a life.

    Attributes:
        context: Its row of the contexts table.
        steps: Its steps with their ``operation``, in replay order.
        losses: Rows of the losses table.
        marked: What is said of operations at fault, beside those whose step has a fault.
    """

    context: Row
    steps: list[Row]
    losses: list[Row]
    marked: Mapping[int, str]

    def fault(self, step: Row) -> str:
        """Say what is at fault in a step, "" for nothing."""
        said = (self.marked.get(step["operation"]["order"]), step["fault"])
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


def _lines(life: Life) -> Iterator[_Line]:
    """Put the steps that are shown, and the gaps among them, in order."""
    latest = list(accumulate((step["operation"]["time"] for step in life.steps), max))
    gaps, shaded = _gaps(life, latest)
    shown = _shown(life)
    last = -1
    for place, step in enumerate(life.steps):
        for text in gaps.get(place, ()):
            yield _Line(None, text, shaded=True)
        if place not in shown:
            continue
        if place > last + 1:
            yield _Line(None, f"{count(place - last - 1, 'step')} not shown; print this timeline to see all")
        last = place
        yield _Line(step, shaded=place in shaded)
    for text in gaps.get(len(life.steps), ()):
        yield _Line(None, text, shaded=True)


def _shown(life: Life) -> set[int]:
    """Choose the steps that are drawn: all, or the first, the last and those around the faults."""
    size = len(life.steps)
    if size <= _MOST_STEPS:
        return set(range(size))
    part = _MOST_STEPS // 4
    found = {*range(part), *range(size - part, size)}
    for place, step in enumerate(life.steps):
        if len(found) > _MOST_STEPS:
            break
        if life.fault(step):
            found.update(range(max(place - 5, 0), min(place + 5, size)))
    return found


def _gaps(life: Life, latest: list[int]) -> tuple[dict[int, list[str]], set[int]]:
    """Find what is missing of a life: before which step it is said, and which steps lie within."""
    first = latest[0] if latest else 0
    end = latest[-1] if life.context["end"] == "freed" and latest else None
    texts: dict[int, list[str]] = {}
    shaded: set[int] = set()
    said = 0
    for loss in life.losses:
        start, stop = loss["start"], loss["end"]
        if (stop is not None and stop < first) or (end is not None and start is not None and start > end):
            continue
        low = 0 if start is None else bisect_left(latest, start)
        high = len(latest) if stop is None else bisect_left(latest, stop + 1)
        shaded.update(range(low, min(high, low + _MOST_STEPS)))
        said += 1
        if said <= _MOST_GAPS:
            texts.setdefault(low, []).append(loss_line(loss))
    if said > _MOST_GAPS:
        texts.setdefault(len(latest), []).append(f"and {count(said - _MOST_GAPS, 'more gap')}")
    return texts, shaded


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
