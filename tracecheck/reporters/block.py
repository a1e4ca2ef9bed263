"""The block that tells one faulty context: who allocated it, who released it, who went wrong; its life."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from tracecheck.etl.columns import NO_CPU, NO_ID
from tracecheck.fltmgr import ROUTINES, Effect
from tracecheck.operations.frames import frames_of
from tracecheck.reporters.calls import call_lines, call_site, known
from tracecheck.reporters.common import clean, clock, columns, pointer
from tracecheck.reporters.lives import birth_text, end_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tracecheck.reporters.lookup import Life, Row

#: How many operations at a life's ends, and around those that prove a finding, its short form shows.
ENDS = 3
AROUND = 1
#: How many frames of a stack are shown.
SHOWN_FRAMES = 8

# The rules of leaks outside of their own family.
_LEAKS = ("X04", "T02", "E03")
_TAKES = (Effect.ALLOCATE, Effect.GET, Effect.GET_MANY, Effect.REFERENCE)
_WORDS = {
    Effect.RELEASE: "bad release by",
    Effect.RELEASE_MANY: "bad release by",
    Effect.REFERENCE: "bad reference by",
    Effect.CLEANUP: "cleaned up by",
    Effect.ALLOCATE: "bad allocation by",
    Effect.UNLOAD: "unload begun by",
    Effect.UNREGISTER: "unload begun by",
}


def roles(main: Row, life: Life, operation: Row | None) -> Iterator[str]:
    """Say who did what, a line each: where, by which call, when, on which processor, in which thread.

    Under each stands its stack, where one was logged.

    Args:
        main: The finding.
        life: The life of its context.
        operation: The operation at fault, or the one that took what nobody released.
    """
    found: list[tuple[str, Row]] = []
    if operation is not None:
        found.append((_role(main, operation), operation))
    for role, step in (("last released by", life.last_release), ("allocated by", life.birth)):
        if step is not None and step["operation"]["order"] != (operation or {}).get("order"):
            found.append((role, step["operation"]))
    cells = [(role, call_site(each) or "-", clean(each["routine"]), *_who(each)) for role, each in found]
    if not cells:
        return
    for line, (_, each) in zip(columns(cells, (False,) * len(cells[0])), found, strict=True):
        yield line
        yield from _stack(each)


def _stack(operation: Row) -> Iterator[str]:
    """Write the frames of a call, the innermost first."""
    frames = frames_of(operation.get("stack"))
    for frame in frames[:SHOWN_FRAMES]:
        yield f"    {clean(frame)}"
    if len(frames) > SHOWN_FRAMES:
        yield f"    ... {len(frames) - SHOWN_FRAMES} more ..."


def is_leak(main: Row) -> bool:
    """Tell whether a finding is of a reference that nobody released."""
    return main["rule"].startswith("L") or main["rule"] in _LEAKS


def _role(main: Row, operation: Row) -> str:
    """Name what the first operation of a finding is to it."""
    routine = ROUTINES.get(operation["routine"])
    effect = routine.effect if routine else Effect.NONE
    if is_leak(main):
        # A set or a delete that returned an old context took a reference to that one.
        return "taken by" if effect in _TAKES or operation["old_context"] == main["context"] else "left by"
    return _WORDS.get(effect, "bad call by")


def _who(operation: Row) -> tuple[str, ...]:
    process = f" {clean(operation['process'])}" if operation.get("process") else ""
    return (
        clock(operation["time"]),
        f"cpu {known(operation['cpu'], NO_CPU)}",
        f"pid {known(operation['pid'], NO_ID)}{process}, tid {known(operation['tid'], NO_ID)}",
    )


def life_lines(main: Row, life: Life, proof: Sequence[int], paint: Callable[..., str]) -> Iterator[str]:
    """Lay out a life in short; what is left out is counted.

    Args:
        main: The finding, whose rule marks its first operation.
        life: What is shown.
        proof: The operations that prove the finding.
        paint: Colours the lines at fault.
    """
    first = proof[0] if proof else None
    marked = [
        {**step, "fault": main["rule"] if step["operation"]["order"] == first else ""} for step in life.steps
    ]
    lines = call_lines(marked, main["context"] or 0, paint)
    yield lines[0]
    for left_out, line in zip(life.left_out, lines[1:], strict=True):
        if left_out:
            yield f"     ... {left_out:,} more ..."
        yield line


def next_steps(main: Row, paths: Sequence[str], filter_: int) -> Iterator[str]:
    """Say what to do next: what to read, and what to ask a debugger of the machine or its dump.

    Args:
        main: The finding.
        paths: The capture's files.
        filter_: The filter that the context belongs to, 0 where it is not known.
    """
    yield f"tracecheck explain {clean(main['rule'])}"
    if not main["context"]:
        return
    life = "" if main["generation"] is None else f"#{main['generation']}"
    files = " ".join(shlex.quote(clean(path)) for path in paths)
    yield f"tracecheck timeline {files} '{pointer(main['context'])}{life}'"
    # The debugger's own commands, in a live session or on a dump of this boot.
    yield f"kd> !pool {pointer(main['context'])}"
    yield f"kd> !fltkd.filter {pointer(filter_)} 8 1" if filter_ else "kd> !fltkd.filters"


def life_in_words(context: Row) -> Iterator[str]:
    """Say how a context began and ended."""
    yield f"born {birth_text(context)}"
    yield f"ended {end_text(context)}"
