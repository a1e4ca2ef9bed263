"""`export --format collapsed`: a line a stack, `frame;frame;frame count`, as flame graph programs read it.

Source of the format: the comments of stackcollapse and flamegraph.pl of github.com/brendangregg/FlameGraph.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracecheck.reporters.export.stacks import stacks_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tracecheck.capture import Analysis


def render(analysis: Analysis, weigh: str) -> Iterator[str]:
    """Write the stacks of a capture, in the order of their frames.

    Args:
        analysis: What is shown.
        weigh: One of :data:`~tracecheck.reporters.export.stacks.WEIGHTS`.

    Yields:
        Lines; stacks that weigh nothing have none.
    """
    found = stacks_of(analysis)
    frames = [_plain(frame.name) for frame in found.frames]
    totals: dict[str, int] = {}
    for stack, weight in zip(found.stacks, found.weights[weigh], strict=True):
        if weight:
            line = ";".join(frames[place] for place in stack)
            totals[line] = totals.get(line, 0) + weight
    for line in sorted(totals):
        yield f"{line} {totals[line]}\n"


def _plain(name: str) -> str:
    """Take from a name what would end a frame; what would end a line is not in it any more."""
    return name.replace(";", ",").strip() or "(no name)"
