"""`tracecheck timeline`: the life of one context."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import click
import numpy as np

from tracecheck.capture import analyse
from tracecheck.commands import options
from tracecheck.commands.emit import emit
from tracecheck.commands.notes import say
from tracecheck.commands.progress import progress
from tracecheck.commands.sources import sources
from tracecheck.errors import UsageError
from tracecheck.reporters import timeline
from tracecheck.reporters.common import pointer

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa

    from tracecheck.capture import Analysis
    from tracecheck.commands.sources import Sources

_POINTER = re.compile(r"(?:0x)?([0-9a-f`]{1,17})(?:#(\d{1,9}))?", re.IGNORECASE)
_SUGGESTIONS = 3
_DIGITS = 16


@click.command("timeline")
@click.argument("captures", nargs=-1, required=True, type=options.CAPTURE)
@click.argument("context")
@click.option("--id", "by_id", is_flag=True, help="CONTEXT is a context's id, not a pointer.")
@click.option("--unpaired", is_flag=True, help="Only the acquires and releases without partner.")
@options.formats("text", "json")
@options.output
@options.redact
@options.profiles
@options.input_form
@sources
@options.quiet
def command(
    captures: tuple[str, ...],
    context: str,
    by_id: bool,
    unpaired: bool,
    form: str,
    output: Path | None,
    redact: bool,
    profiles: tuple[str, ...],
    input_form: str,
    sources: Sources,
    quiet: bool,
) -> int:
    """Show the life of one context, operation by operation.

    CONTEXT is a pointer as `check` prints it: 0xffffae0512340010 shows every life of that pointer,
    0xffffae0512340010#2 the second one, #0 one that began before the capture did. An acquire and the
    release that answers it share a letter; ? has no partner.
    """
    # Asked for before the work: a slip of the keyboard should not cost a minute.
    wanted = _number(context) if by_id else _pointer(context)
    with progress("Reading", quiet) as advance:
        analysis = analyse(
            captures,
            profiles=profiles,
            sources=sources,
            input_form=input_form,
            prefix=options.tracefmt_prefix(),
            progress=advance,
            redact=redact,
        )
    say(analysis.notes)
    if analysis.redaction is not None and not by_id:
        wanted = _stand_in(analysis, *wanted)
    blocks = [] if by_id else find_blocks(analysis.blocks, *wanted)
    if by_id:
        ids = _find_id(analysis.contexts, wanted[0])
    else:
        ids = [] if blocks and not _knows(analysis, wanted[0]) else find(analysis.contexts, *wanted)
    if form == "json":
        pieces = timeline.render_json(analysis, ids, blocks, unpaired=unpaired)
    else:
        colour = options.wants_colour(output)
        pieces = timeline.render_text(analysis, ids, blocks, colour=colour, unpaired=unpaired)
    emit(pieces, output, [*captures, *profiles, *sources.paths()])
    return 0


def _number(text: str) -> tuple[int, None]:
    if not text.isdecimal():
        raise UsageError(f"{text}: with --id, CONTEXT is a number")
    return int(text), None


def _pointer(text: str) -> tuple[int, int | None]:
    match = _POINTER.fullmatch(text)
    digits = match[1].replace("`", "") if match else ""
    if match is None or not 0 < len(digits) <= _DIGITS:
        raise UsageError(f"{text}: a context is a pointer such as 0xffffae0512340010 or 0xffffae0512340010#2")
    return int(digits, 16), None if match[2] is None else int(match[2])


def _stand_in(analysis: Analysis, address: int, generation: int | None) -> tuple[int, int | None]:
    """Take a pointer of a redacted capture: one that a report showed, or one of the trace."""
    assert analysis.redaction is not None
    if address not in analysis.contexts.column("pointer").unique().to_pylist():
        address = int(analysis.redaction.pointers(np.array([address], np.uint64))[0]) or address
    return address, generation


def _find_id(contexts: pa.Table, number: int) -> list[int]:
    if number >= contexts.num_rows:
        raise UsageError(f"no context has the id {number}; the capture has {contexts.num_rows:,} contexts")
    return [number]


def _knows(analysis: Analysis, address: int) -> bool:
    """Tell whether a pointer was a context that has counts."""
    return bool((analysis.contexts.column("pointer").to_numpy() == np.uint64(address)).any())


def find_blocks(blocks: pa.Table, address: int, generation: int | None) -> list[int]:
    """Find the blocks of legacy contexts at an address, in the manner of :func:`find`; there may be none."""
    mine = blocks.column("pointer").to_numpy() == np.uint64(address)
    if generation is not None:
        mine &= blocks.column("generation").to_numpy() == generation
    return [int(number) for number in np.flatnonzero(mine)]


def find(contexts: pa.Table, address: int, generation: int | None) -> list[int]:
    """Find the lives of a pointer.

    Args:
        contexts: The contexts table.
        address: The pointer.
        generation: Which of its lives; all where None.

    Returns:
        The ids in the order of the lives, at least one.

    Raises:
        UsageError: There is none; the message names what is close.
    """
    pointers = contexts.column("pointer").to_numpy()
    generations = contexts.column("generation").to_numpy()
    ids = np.flatnonzero(pointers == np.uint64(address))
    ids = ids[np.argsort(generations[ids], kind="stable")]
    if not len(ids):
        raise UsageError(f"{pointer(address)}: the capture has no such context{_close(pointers, address)}")
    if generation is None:
        return [int(number) for number in ids]
    chosen = [int(number) for number in ids if generations[number] == generation]
    if not chosen:
        lives = ", ".join(f"{pointer(address)}#{generations[number]}" for number in ids[:_SUGGESTIONS])
        raise UsageError(f"{pointer(address)}#{generation}: there is no such life; there is {lives}")
    return chosen


def _close(pointers: np.ndarray, address: int) -> str:
    """Name the pointers that differ from what was asked for in the fewest hexadecimal digits.

    Only as many digits as were given count, so that the low half of a pointer finds the whole.
    """
    known = np.unique(pointers)
    if not len(known):
        return "; it has no contexts at all"
    given = max(4, -(-address.bit_length() // 4))
    differ = np.zeros(len(known), dtype=np.int8)
    for digit in range(given):
        nibble = np.uint64(4 * digit)
        differ += ((known >> nibble) & np.uint64(15)) != np.uint64((address >> (4 * digit)) & 15)
    nearest = np.argsort(differ, kind="stable")[:_SUGGESTIONS]
    near = [str(pointer(int(known[i]))) for i in nearest if differ[i] <= given // 4]
    return f"; close to it: {', '.join(near)}" if near else ""
