"""What the filter manager promises, as data: routines, types, statuses."""

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
    "RELEASES",
    "ROUTINES",
    "TYPE_NAMES",
    "ContextType",
    "Effect",
    "Routine",
    "acquires",
]
