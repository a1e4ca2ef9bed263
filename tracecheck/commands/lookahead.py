"""What must be known before the first event is shown, and may stand at the end of a capture."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from tracecheck.payload.kernel import EVENTS, Collector
from tracecheck.payload.kernel.decode import event_types
from tracecheck.payload.manifest.eventsource import MANIFEST_ID, EventSources
from tracecheck.reporters.events.decoders import chunk_of
from tracecheck.reporters.events.manifest import manifest_rows

if TYPE_CHECKING:
    from collections.abc import Callable

    from tracecheck.etl import Chunk, Log
    from tracecheck.payload.kernel import Kernel, Processes
    from tracecheck.payload.manifest.definition import Provider

_PROCESS = np.array([False, *(event.family == "Process" for event in EVENTS)])


@dataclass
class Ahead:
    """What a first pass over a capture found.

    Attributes:
        providers: The layouts of manifests in the trace.
        kernel: Its images and stacks, where they are wanted.
        processes: Its processes; None where it tells of none.
        problems: What could not be used, a line each.
    """

    providers: list[Provider] = field(default_factory=list)
    kernel: Kernel | None = None
    processes: Processes | None = None
    problems: list[str] = field(default_factory=list)


def look_ahead(
    log: Log,
    with_stacks: bool = False,
    advance: Callable[[int, int], None] | None = None,
) -> Ahead:
    """Read a capture for what stands at its end as well as at its begin.

    Args:
        log: The open log.
        with_stacks: Whether stacks are wanted.
        advance: Called with (bytes done, bytes in all).
    """
    sources = EventSources()
    tables = ["processes", "images", "stacks"] if with_stacks else ["processes"]
    collector = Collector(tables, log.header.pointer_size)
    has_processes = False
    for chunk in log.chunks():
        _add_manifests(sources, chunk)
        rows, number = event_types(chunk)
        rows = rows[_PROCESS[number]]
        has_processes |= rows.size > 0
        if with_stacks:
            collector.add(chunk)
        elif rows.size:
            # Threads and context switches are many, and nothing here asks for them.
            collector.add(chunk_of(chunk, rows))
        if advance is not None:
            advance(chunk.done, log.size)
    providers = sources.providers()
    kernel = collector.finish() if has_processes or with_stacks else None
    problems = sources.problems + (kernel.warnings if kernel else [])
    return Ahead(providers, kernel, kernel.processes if kernel and has_processes else None, problems)


def _add_manifests(sources: EventSources, chunk: Chunk) -> None:
    rows = manifest_rows(chunk)
    rows = rows[chunk.column("id")[rows] == MANIFEST_ID]
    if not rows.size:
        return
    provider, pid, start, size = (
        chunk.column(name)[rows] for name in ("provider", "pid", "payload", "payload_size")
    )
    ends = (start.astype(np.int64) + size).tolist()
    for guid, process, first, end in zip(provider, pid.tolist(), start.tolist(), ends, strict=True):
        sources.add(guid.tobytes(), process, chunk.data[first:end].tobytes())
