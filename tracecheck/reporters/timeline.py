"""`timeline`: the whole life of one context, operation by operation, with its counts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tracecheck.reporters.blocks import block_heading, block_object, read_blocks
from tracecheck.reporters.calls import call_lines
from tracecheck.reporters.common import dump, iso_time, painter, pointer, rows
from tracecheck.reporters.json_report import operation_object, type_name
from tracecheck.reporters.lives import birth_text, end_text
from tracecheck.reporters.lookup import Lookup, Row
from tracecheck.reporters.losses import loss_object
from tracecheck.reporters.marks import gaps_within, mark_object, marks_within, woven
from tracecheck.reporters.names import context_kind

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tracecheck.capture import Analysis


def render_text(
    analysis: Analysis,
    ids: Sequence[int],
    blocks: Sequence[int] = (),
    *,
    colour: bool = False,
    unpaired: bool = False,
) -> Iterator[str]:
    """Write lives for a reader, one after the other.

    Args:
        analysis: What the contexts are of.
        ids: Rows of the contexts table, in the order in which they are shown.
        blocks: Rows of the blocks table, which come after them.
        colour: Use terminal colours.
        unpaired: Show only the acquires and releases that have no partner.

    Yields:
        Lines with their line ends.
    """
    lookup, paint = Lookup(analysis), painter(colour)
    contexts, marks, losses = lookup.contexts(ids), rows(analysis.marks), rows(analysis.losses)
    for place, number in enumerate(ids):
        context, steps = contexts[number], lookup.steps(number)
        if place:
            yield "\n"
        for line in _heading(context):
            yield f"{line}\n"
        partners = _partners(analysis, number)
        gaps = gaps_within(losses, steps, _until(analysis, context))
        between = sorted([*marks_within(marks, steps), *gaps], key=_time)
        shown = [step for step in steps if _is_alone(step, partners)] if unpaired else steps
        if unpaired and not shown:
            yield "  every acquire and release has its partner\n"
            continue
        pairs = [_pair_mark(step, partners) for step in shown]
        lines = call_lines(shown, context["pointer"], paint, pairs)
        for line in woven(lines, shown, gaps if unpaired else between):
            yield f"  {line}\n"
    for place, (block, steps) in enumerate(read_blocks(analysis, blocks)):
        if place or ids:
            yield "\n"
        for line in (*block_heading(block), *call_lines(steps, block["pointer"], paint)):
            yield f"{line}\n"


def render_json(
    analysis: Analysis, ids: Sequence[int], blocks: Sequence[int] = (), *, unpaired: bool = False
) -> Iterator[str]:
    """Write lives as one JSON object; the arguments are those of :func:`render_text`."""
    lookup = Lookup(analysis)
    contexts, marks, losses = lookup.contexts(ids), rows(analysis.marks), rows(analysis.losses)
    yield f'{{"captures": {dump(list(analysis.paths))},\n "contexts": ['
    for place, number in enumerate(ids):
        steps = lookup.steps(number)
        partners = _partners(analysis, number)
        gaps = gaps_within(losses, steps, _until(analysis, contexts[number]))
        shown = [step for step in steps if _is_alone(step, partners)] if unpaired else steps
        life = {
            **context_object(contexts[number]),
            "steps": [{**step_object(step), "pair": partners.get(_operation(step))} for step in shown],
            "marks": [mark_object(mark) for mark in marks_within(marks, steps)],
            "gaps": [_gap_object(gap) for gap in gaps],
        }
        yield f"{',' if place else ''}\n  {dump(life)}"
    yield "]"
    if blocks:
        found = [block_object(*each) for each in read_blocks(analysis, blocks)]
        yield ',\n "blocks": [' + ",".join(f"\n  {dump(each)}" for each in found) + "]"
    yield "}\n"


def _partners(analysis: Analysis, number: int) -> dict[int, int]:
    """Number the pairs of a life, in the order of their acquires, by the operations that are in them."""
    pairs = analysis.pairs
    first, end = np.searchsorted(pairs.column("context").to_numpy(), [number, number + 1]).tolist()
    found: dict[int, int] = {}
    for place, row in enumerate(pairs.slice(first, end - first).to_pylist(), 1):
        found[row["acquire"]] = found[row["release"]] = place
    return found


def _operation(step: Row) -> int:
    number: int = step["operation_row"]
    return number


def _is_alone(step: Row, partners: dict[int, int]) -> bool:
    """Tell whether a step takes or drops a reference and has no partner."""
    moves = step["delta_owned"] != 0 or step["fault"].startswith("release")
    return moves and _operation(step) not in partners


def _pair_mark(step: Row, partners: dict[int, int]) -> str:
    """Give the mark that an acquire and its release share, ``?`` for one without partner."""
    if _operation(step) in partners:
        return _letters(partners[_operation(step)])
    return "?" if _is_alone(step, partners) else ""


def _letters(number: int) -> str:
    """Write 1, 2 ... as a, b ... z, aa, ab ..."""
    text = ""
    while number:
        number, rest = divmod(number - 1, 26)
        text = chr(ord("a") + rest) + text
    return text


def _until(analysis: Analysis, context: Row) -> int:
    """Tell until when a loss is of concern to a life: one that is held may have been released after it."""
    last: int = context["last"]
    if context["end"] in ("held", "attached"):
        return max(last, int(analysis.evidence.end))
    return last


def _time(row: Row) -> int:
    time: int = row["time"]
    return time


def _gap_object(gap: Row) -> dict[str, Any]:
    return {name: value for name, value in loss_object(gap).items() if name != "time"}


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
