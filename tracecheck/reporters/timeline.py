"""`timeline`: the whole life of one context, operation by operation, with its counts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tracecheck.reporters.blocks import block_heading, block_object, read_blocks
from tracecheck.reporters.calls import call_lines
from tracecheck.reporters.common import dump, iso_time, painter, pointer, rows
from tracecheck.reporters.json_report import operation_object, type_name
from tracecheck.reporters.lives import birth_text, end_text
from tracecheck.reporters.lookup import Lookup, Row
from tracecheck.reporters.marks import mark_object, marks_within, woven
from tracecheck.reporters.names import context_kind

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tracecheck.capture import Analysis


def render_text(
    analysis: Analysis, ids: Sequence[int], blocks: Sequence[int] = (), *, colour: bool = False
) -> Iterator[str]:
    """Write lives for a reader, one after the other.

    Args:
        analysis: What the contexts are of.
        ids: Rows of the contexts table, in the order in which they are shown.
        blocks: Rows of the blocks table, which come after them.
        colour: Use terminal colours.

    Yields:
        Lines with their line ends.
    """
    lookup, paint = Lookup(analysis), painter(colour)
    contexts, marks = lookup.contexts(ids), rows(analysis.marks)
    for place, number in enumerate(ids):
        context, steps = contexts[number], lookup.steps(number)
        if place:
            yield "\n"
        for line in _heading(context):
            yield f"{line}\n"
        lines = call_lines(steps, context["pointer"], paint)
        for line in woven(lines, steps, marks_within(marks, steps)):
            yield f"  {line}\n"
    for place, (block, steps) in enumerate(read_blocks(analysis, blocks)):
        if place or ids:
            yield "\n"
        for line in (*block_heading(block), *call_lines(steps, block["pointer"], paint)):
            yield f"{line}\n"


def render_json(analysis: Analysis, ids: Sequence[int], blocks: Sequence[int] = ()) -> Iterator[str]:
    """Write lives as one JSON object; the arguments are those of :func:`render_text`."""
    lookup = Lookup(analysis)
    contexts, marks = lookup.contexts(ids), rows(analysis.marks)
    yield f'{{"captures": {dump(list(analysis.paths))},\n "contexts": ['
    for place, number in enumerate(ids):
        steps = lookup.steps(number)
        life = {
            **context_object(contexts[number]),
            "steps": [step_object(step) for step in steps],
            "marks": [mark_object(mark) for mark in marks_within(marks, steps)],
        }
        yield f"{',' if place else ''}\n  {dump(life)}"
    yield "]"
    if blocks:
        found = [block_object(*each) for each in read_blocks(analysis, blocks)]
        yield ',\n "blocks": [' + ",".join(f"\n  {dump(each)}" for each in found) + "]"
    yield "}\n"


def context_object(context: Row) -> dict[str, Any]:
    """Give a context as JSON has it; what is not known is null."""
    return {
        "id": context["id"],
        "context": pointer(context["pointer"]),
        "generation": context["generation"],
        "context_type": type_name(context["context_type"]),
        "filter": pointer(context["filter"] or None),
        "birth": context["birth"],
        "first": iso_time(context["first"]),
        "last": iso_time(context["last"]),
        "site": context["site"],
        "object": pointer(context["object"] or None),
        "instance": pointer(context["instance"] or None),
        "end": context["end"],
        "freed": iso_time(context["freed"]),
        "object_gone": iso_time(context["object_gone"]),
        "owned": context["owned"],
        "link": context["link"],
        "peak": context["peak"],
        "ordered": context["ordered"],
    }


def step_object(step: Row) -> dict[str, Any]:
    """Give a step as JSON has it: the operation, what it changed and the counts after it."""
    return {
        **operation_object(step["operation"]),
        "delta_owned": step["delta_owned"],
        "delta_link": step["delta_link"],
        "owned": step["owned"],
        "link": step["link"],
        "total": step["owned"] + step["link"],
        "fault": step["fault"] or None,
    }


def _heading(context: Row) -> Iterator[str]:
    kind = context_kind(context["context_type"])
    yield f"{kind} {pointer(context['pointer'])} #{context['generation']} (id {context['id']})"
    yield f"  born   {birth_text(context)}"
    yield f"  ended  {end_text(context)}"
    if context["object"]:
        instance = f" of instance {pointer(context['instance'])}" if context["instance"] else ""
        gone = f", gone at {iso_time(context['object_gone'])}" if context["object_gone"] is not None else ""
        yield f"  object {pointer(context['object'])}{instance}{gone}"
    if not context["ordered"]:
        yield "  order  overlapping calls: the log's own order has a fault that this order has not"
