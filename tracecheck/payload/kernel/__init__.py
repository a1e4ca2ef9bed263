"""Kernel events: processes, threads, images, stacks, minifilter callbacks, pool and debug messages."""

from tracecheck.payload.kernel._lives import find_last
from tracecheck.payload.kernel.collect import TABLES, Collector, Kernel
from tracecheck.payload.kernel.decode import Decoded, decode
from tracecheck.payload.kernel.images import Images
from tracecheck.payload.kernel.layouts import EVENTS, EventType
from tracecheck.payload.kernel.processes import NO_ID, Processes, Threads
from tracecheck.payload.kernel.stacks import Stacks

__all__ = [
    "EVENTS",
    "NO_ID",
    "TABLES",
    "Collector",
    "Decoded",
    "EventType",
    "Images",
    "Kernel",
    "Processes",
    "Stacks",
    "Threads",
    "decode",
    "find_last",
]
