"""Where the context routines may be called: the IRQL of each, and the I/O in which there are no contexts.

Sources: the requirement "IRQL" on each routine's page of fltkernel.h (MicrosoftDocs/windows-driver-docs-ddi,
wdk-ddi-src/content/fltkernel/nf-fltkernel-*.md); "Remarks" of nc-fltkernel-pflt_post_operation_callback.md;
"Managing Contexts" and "File System Support for Contexts" (windows-driver-docs, ifs); IRP_MJ_* of wdm.h and,
from the end of the byte's range downwards, of fltkernel.h.
"""

from __future__ import annotations

from tracecheck.fltmgr.routines import RELEASES, ROUTINES, ContextType, Effect

APC_LEVEL = 1
DISPATCH_LEVEL = 2
#: No processor has a higher IRQL (x86: HIGH_LEVEL is 31); a larger number was none.
HIGHEST_IRQL = 31

_UP_TO_APC = (
    Effect.ALLOCATE,
    Effect.SET,
    Effect.GET,
    Effect.GET_MANY,
    Effect.DELETE,
    Effect.DELETE_BY_OBJECT,
    Effect.CREATE_SECTION,
    Effect.CLOSE_SECTION,
)

#: The highest IRQL at which each routine may be called. Releases of a context from paged pool: APC_LEVEL.
IRQL_LIMITS: dict[str, int] = {
    **{name: APC_LEVEL for name, routine in ROUTINES.items() if routine.effect in _UP_TO_APC},
    "FltRegisterForDataScan": APC_LEVEL,
    "FltReferenceContext": DISPATCH_LEVEL,
    **dict.fromkeys(RELEASES, DISPATCH_LEVEL),
}

# POOL_TYPE, wdm.h: what FltAllocateContext takes. An odd number is a kind of paged pool.
NON_PAGED_POOL = 0x0
PAGED_POOL = 0x1
NON_PAGED_POOL_NX = 0x200
POOLS = (NON_PAGED_POOL, PAGED_POOL, NON_PAGED_POOL_NX)

#: The largest context, MAXUSHORT bytes.
LARGEST_CONTEXT = 0xFFFF
#: FLT_VARIABLE_SIZED_CONTEXTS, and FLT_CONTEXT_END as the type that ends a registration's list.
VARIABLE_SIZE = 0xFFFFFFFF
CONTEXT_END = 0xFFFF
#: How many entries of a fixed size, and of a variable one, a type may have in a registration.
MOST_FIXED_SIZES = 3
MOST_VARIABLE_SIZES = 1

# IRP_MJ_*.
IRP_MJ_CREATE = 0x00
IRP_MJ_CLOSE = 0x02
IRP_MJ_READ = 0x03
IRP_MJ_WRITE = 0x04
IRP_MJ_NETWORK_QUERY_OPEN = 0xF2  # (UCHAR)-14

#: The operations whose completion often runs at DISPATCH_LEVEL.
DATA_PATH = (IRP_MJ_READ, IRP_MJ_WRITE)

# Where an I/O callback stands: before the operation, after it, after it while the instance goes away.
PRE = 1
POST = 2
DRAINING = 3

#: The types that are not supported on paging files, in pre-create, in post-close and in network query open.
OF_OPEN_FILES = int(ContextType.FILE | ContextType.STREAM | ContextType.STREAMHANDLE)
