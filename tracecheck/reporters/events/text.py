"""Events as lines of text with tracefmt's prefix."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tracecheck.etl.layout import (
    MESSAGE_COMPONENTID,
    MESSAGE_GUID,
    MESSAGE_SEQUENCE,
    MESSAGE_SYSTEMINFO,
    MESSAGE_TIMESTAMP,
    Kind,
)
from tracecheck.payload._slices import gather
from tracecheck.payload.wpp.text import render_prefix
from tracecheck.reporters.common import clean

if TYPE_CHECKING:
    from tracecheck.etl import Chunk
    from tracecheck.reporters.events.page import Page

#: What tracefmt begins a line with: [cpu]process.thread::time [name of the message GUID].
PREFIX = "[%9!d!]%8!04X!.%3!04X!::%4!s! [%1!s!]"
TRACE_FORMAT_PREFIX = "TRACE_FORMAT_PREFIX"


def render_text(page: Page, prefix: str = PREFIX, *, fine: bool = False) -> list[bytes]:
    """Write the records of a page for a reader, a line for each and one for each call of its stack.

    Args:
        page: The records.
        prefix: What each line begins with, in the form of TRACE_FORMAT_PREFIX. %1 is the provider's name,
            %2 the source file and line, %3 the thread, %4 the time (UTC), %7 the message's sequence number,
            %8 the process, %9 the cpu; %5 and %6 (kernel and user time) are in no message: nothing.
        fine: Times have nine digits behind the second, not tracefmt's three.

    Returns:
        The lines in the order of the records, UTF-8, with line ends.
    """
    values: dict[int, list[str | int]] = {
        1: [clean(name) for name in _writers(page)],
        2: [clean(source or name or "") for source, name in zip(page.sources, page.names, strict=True)],
        3: list(page.numbers("tid")),
        4: [_time(time, fine) for time in page.times],
        8: list(page.numbers("pid")),
        9: list(page.numbers("cpu")),
    }
    if "%7" in prefix:
        values[7] = list(_sequence(page.chunk))
    prefixes = render_prefix(prefix, values, len(page))
    lines = [f"{begin}{clean(body)}\n" for begin, body in zip(prefixes, page.bodies, strict=True)]
    if page.stacks is not None:
        calls = ["".join(f"    {clean(call)}\n" for call in stack) for stack in page.stacks]
        lines = [line + stack for line, stack in zip(lines, calls, strict=True)]
    return [line.encode("utf-8", "backslashreplace") for line in lines]


def _writers(page: Page) -> list[str]:
    """Name who wrote each record: the provider, or the kernel."""
    pairs = zip(page.provider_names, page.providers, strict=True)
    return [name or guid or "kernel" for name, guid in pairs]


def _time(time: str, fine: bool) -> str:
    """Write a time as tracefmt does, month first: ``10/23/2003-12:27:40.173``."""
    return f"{time[5:7]}/{time[8:10]}/{time[:4]}-{time[11:] if fine else time[11:23]}"


def _sequence(chunk: Chunk) -> list[int]:
    """Read the sequence numbers of WPP messages; 0 where there is none."""
    flags = chunk.column("flags").astype(np.int64)
    has = (chunk.column("kind") == Kind.WPP_MESSAGE) & (flags & MESSAGE_SEQUENCE != 0)
    # The number is the first of the optional fields, which the payload stands behind.
    behind = np.full(flags.size, 4)
    component = np.where(flags & MESSAGE_COMPONENTID, 4, 0)
    behind += np.where(flags & MESSAGE_GUID, 16, component)
    behind += np.where(flags & MESSAGE_TIMESTAMP, 8, 0) + np.where(flags & MESSAGE_SYSTEMINFO, 8, 0)
    start = np.maximum(chunk.column("payload").astype(np.int64) - behind, 0)
    numbers = gather(chunk.data, start, 4).view("<u4").reshape(-1)
    out: list[int] = np.where(has, numbers, 0).tolist()
    return out
