"""Legacy per-stream contexts: what each routine is to the block of memory that it names, as data.

FSRTL_PER_STREAM_CONTEXT has no reference count, so none of these routines has an effect on counts. Source:
the WDK's reference pages of ntifs.h; names are theirs. Nothing here reads a trace.
"""

from __future__ import annotations

from enum import IntEnum


class PerStream(IntEnum):
    """What a routine or callback is to a block that holds a per-stream context."""

    NONE = 0
    ALLOCATE = 1
    FREE = 2
    INIT = 3
    INSERT = 4
    LOOKUP = 5
    REMOVE = 6
    TEARDOWN = 7
    CALLBACK = 8
    USE = 9


#: The role of each routine that has one.
PER_STREAM: dict[str, PerStream] = {
    "ExAllocatePoolWithTag": PerStream.ALLOCATE,
    "ExFreePoolWithTag": PerStream.FREE,
    "FsRtlInitPerStreamContext": PerStream.INIT,
    "FsRtlInsertPerStreamContext": PerStream.INSERT,
    "FsRtlLookupPerStreamContext": PerStream.LOOKUP,
    "FsRtlRemovePerStreamContext": PerStream.REMOVE,
    "FsRtlTeardownPerStreamContexts": PerStream.TEARDOWN,
    "FreePerStreamContext": PerStream.CALLBACK,
    "ContextUse": PerStream.USE,
}

#: The roles that say of a pointer that it is a per-stream context: pool is used for all else too.
TELLING = (PerStream.INIT, PerStream.INSERT, PerStream.LOOKUP, PerStream.REMOVE, PerStream.CALLBACK)

#: IRP_MJ_* in whose dispatch routines a context must not be removed: close and plug and play.
NOT_REMOVED_IN = (0x02, 0x1B)

#: IRP_MJ_CREATE.
CREATE = 0x00

#: The highest IRQL at which the lists may be touched: APC_LEVEL.
HIGHEST_IRQL = 1

#: The bit that POOL_TYPE has where the memory is paged.
PAGED = 0x1
