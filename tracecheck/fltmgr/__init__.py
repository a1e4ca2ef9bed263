"""What the filter manager promises, as data: routines, types, statuses."""

from tracecheck.fltmgr.per_stream import PER_STREAM, PerStream
from tracecheck.fltmgr.routines import (
    ATTACHED_TO,
    CONTEXT_TYPES,
    RELEASES,
    ROUTINES,
    TYPE_NAMES,
    ContextType,
    Effect,
    Routine,
    acquires,
)

__all__ = [
    "ATTACHED_TO",
    "CONTEXT_TYPES",
    "PER_STREAM",
    "RELEASES",
    "ROUTINES",
    "TYPE_NAMES",
    "ContextType",
    "Effect",
    "PerStream",
    "Routine",
    "acquires",
]
