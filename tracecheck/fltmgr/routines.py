"""The filter manager's routines: what each does to a context, as data.

Source: the WDK's reference pages of fltkernel.h; names are theirs. Nothing here reads a trace.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, IntFlag


class ContextType(IntFlag):
    """FLT_CONTEXT_TYPE."""

    VOLUME = 0x01
    INSTANCE = 0x02
    FILE = 0x04
    STREAM = 0x08
    STREAMHANDLE = 0x10
    TRANSACTION = 0x20
    SECTION = 0x40


class Effect(IntEnum):
    """What a routine or callback is to the contexts it names."""

    NONE = 0
    ALLOCATE = 1
    SET = 2
    GET = 3
    GET_MANY = 4
    REFERENCE = 5
    RELEASE = 6
    RELEASE_MANY = 7
    DELETE = 8
    DELETE_BY_OBJECT = 9
    CREATE_SECTION = 10
    CLOSE_SECTION = 11
    CLEANUP = 12
    USE = 13
    TEARDOWN_COMPLETE = 14
    UNLOAD = 15
    UNREGISTER = 16
    CAPTURE_START = 17


@dataclass(frozen=True)
class Routine:
    """One routine or callback.

    Attributes:
        name: Its name as the WDK spells it, or the canonical provider's name of the callback.
        effect: What it does to a context.
        context_type: The type of the contexts it works on, 0 where any.
        attached_to: Which object a context of that type hangs on: "stream", "file_object", "volume",
            "instance", "transaction", or "".
    """

    name: str
    effect: Effect = Effect.NONE
    context_type: int = 0
    attached_to: str = ""


#: What each type of context is attached to.
ATTACHED_TO: dict[ContextType, str] = {
    ContextType.VOLUME: "volume",
    ContextType.INSTANCE: "instance",
    ContextType.FILE: "stream",
    ContextType.STREAM: "stream",
    ContextType.STREAMHANDLE: "file_object",
    ContextType.TRANSACTION: "transaction",
    ContextType.SECTION: "stream",
}

#: How a type is spelt in the names of routines, and the member of FLT_RELATED_CONTEXTS that holds it.
TYPE_NAMES: dict[ContextType, str] = {
    ContextType.VOLUME: "Volume",
    ContextType.INSTANCE: "Instance",
    ContextType.FILE: "File",
    ContextType.STREAM: "Stream",
    ContextType.STREAMHANDLE: "StreamHandle",
    ContextType.TRANSACTION: "Transaction",
    ContextType.SECTION: "Section",
}


#: A type in the words of reports.
CONTEXT_TYPES: dict[int, str] = {
    ContextType.VOLUME: "volume",
    ContextType.INSTANCE: "instance",
    ContextType.FILE: "file",
    ContextType.STREAM: "stream",
    ContextType.STREAMHANDLE: "stream handle",
    ContextType.TRANSACTION: "transaction",
    ContextType.SECTION: "section",
}


def _by_type(prefix: str, effect: Effect, types: dict[ContextType, str]) -> list[Routine]:
    return [Routine(f"{prefix}{name}Context", effect, int(t), ATTACHED_TO[t]) for t, name in types.items()]


_SETTABLE: dict[ContextType, str] = {
    t: name for t, name in TYPE_NAMES.items() if t is not ContextType.SECTION
}

_ALL = [
    Routine("CaptureStart", Effect.CAPTURE_START),
    Routine("FltRegisterFilter"),
    Routine("FltUnregisterFilter", Effect.UNREGISTER),
    Routine("FltAllocateContext", Effect.ALLOCATE),
    *_by_type("FltSet", Effect.SET, _SETTABLE),
    *_by_type("FltGet", Effect.GET, TYPE_NAMES),
    Routine("FltGetContexts", Effect.GET_MANY),
    Routine("FltGetContextsEx", Effect.GET_MANY),
    Routine("FltReferenceContext", Effect.REFERENCE),
    Routine("FltReleaseContext", Effect.RELEASE),
    Routine("FltReleaseContexts", Effect.RELEASE_MANY),
    Routine("FltReleaseContextsEx", Effect.RELEASE_MANY),
    Routine("FltDeleteContext", Effect.DELETE),
    *_by_type("FltDelete", Effect.DELETE_BY_OBJECT, _SETTABLE),
    Routine("FltSupportsFileContexts"),
    Routine("FltSupportsFileContextsEx"),
    Routine("FltSupportsStreamContexts"),
    Routine("FltSupportsStreamHandleContexts"),
    Routine("FltRegisterForDataScan"),
    Routine("FltCreateSectionForDataScan", Effect.CREATE_SECTION, ContextType.SECTION, "stream"),
    Routine("FltCloseSectionForDataScan", Effect.CLOSE_SECTION, ContextType.SECTION, "stream"),
    Routine("ContextCleanup", Effect.CLEANUP),
    Routine("ContextUse", Effect.USE),
    Routine("InstanceSetup"),
    Routine("InstanceTeardownStart"),
    Routine("InstanceTeardownComplete", Effect.TEARDOWN_COMPLETE),
    Routine("FilterUnload", Effect.UNLOAD),
    Routine("ExAllocatePoolWithTag"),
    Routine("ExFreePoolWithTag"),
    Routine("FsRtlInitPerStreamContext"),
    Routine("FsRtlInsertPerStreamContext", attached_to="stream"),
    Routine("FsRtlLookupPerStreamContext", attached_to="stream"),
    Routine("FsRtlRemovePerStreamContext", attached_to="stream"),
    Routine("FsRtlTeardownPerStreamContexts", attached_to="stream"),
    Routine("FreePerStreamContext"),
]

#: Every routine and callback by name.
ROUTINES = {routine.name: routine for routine in _ALL}


def acquires(context_type: int) -> frozenset[str]:
    """Name the routines through which a driver can come to own a reference to a context.

    Args:
        context_type: FLT_CONTEXT_TYPE bit of the context, 0 for any.
    """
    of_type = {r.name for r in _ALL if r.context_type in (context_type, 0) or not context_type}
    effects = (
        Effect.ALLOCATE,
        Effect.GET,
        Effect.GET_MANY,
        Effect.REFERENCE,
        Effect.SET,
        Effect.DELETE_BY_OBJECT,
    )
    # FLT_RELATED_CONTEXTS, without Ex, has no member for a section context.
    missing = {"FltGetContexts"} if context_type == ContextType.SECTION else set()
    return frozenset(name for name in of_type - missing if ROUTINES[name].effect in effects)


#: The routines through which a driver gives a reference back.
RELEASES = frozenset(r.name for r in _ALL if r.effect in (Effect.RELEASE, Effect.RELEASE_MANY))
