"""The call sites of the simulated drivers, and what each logs.

A site is one line of a driver's source: the routine called there, the function, the line, and the I/O
callback it runs in. Two drivers share the table; the driver's name goes in front of every function.
"""

from typing import NamedTuple

from tracecheck.fltmgr.status import KEEP_IF_EXISTS, REPLACE_IF_EXISTS
from tracecheck.simulate.objects import FILE, INSTANCE, SECTION, STREAM, STREAMHANDLE, TRANSACTION, VOLUME
from tracecheck.simulate.tracelogging import Field

# IRP_MJ_*.
CREATE = 0x00
CLOSE = 0x02
READ = 0x03
WRITE = 0x04
QUERY = 0x05
SET = 0x06
CONTROL = 0x0D
CLEANUP = 0x12
NETWORK_QUERY_OPEN = 0xF2

# Where an I/O callback stands: before the operation, after it, after it while the instance goes away.
PRE = 1
POST = 2
DRAINING = 3

DISPATCH = 2


class Site(NamedTuple):
    """A call site.

    Attributes:
        routine: What is called.
        function: The function it is called from, without the driver's name.
        line: The line there.
        major: IRP_MJ_* of the I/O callback, None outside of one.
        phase: PRE, POST or DRAINING in an I/O callback; 1 begin and 2 end of other callbacks.
        irql: IRQL of the call.
        kind: The type that an allocation asks for.
        operation: KEEP_IF_EXISTS or REPLACE_IF_EXISTS.
        asks: Whether OldContext is passed.
        paging: Whether the FILE_OBJECT is a paging file's.
    """

    routine: str
    function: str
    line: int
    major: int | None = None
    phase: int | None = None
    irql: int | None = 0
    kind: int = 0
    operation: int | None = None
    asks: bool | None = None
    paging: bool = False


#: Which source file of the driver a function is in.
FILES = {
    "DriverEntry": "driver.c",
    "Unload": "driver.c",
    "InstanceSetup": "instance.c",
    "InstanceTeardownStart": "instance.c",
    "InstanceTeardownComplete": "instance.c",
    "ContextCleanup": "context.c",
    "GetOrSetStreamContext": "context.c",
    "GetOrSetFileContext": "context.c",
    "GetOrSetTransactionContext": "context.c",
    "ResetStreamContext": "context.c",
    "DropContexts": "context.c",
    "PreCreate": "create.c",
    "PostCreate": "create.c",
    "AttachHandleContext": "create.c",
    "ScanFile": "scan.c",
    "InitialiseContext": "context.c",
    "PreNetworkQueryOpen": "create.c",
    "ScanWorker": "work.c",
    "LazyWorker": "work.c",
    "AttachPerStream": "perstream.c",
    "FindPerStream": "perstream.c",
    "DropPerStream": "perstream.c",
    "FreePerStream": "perstream.c",
    "PerStreamUnload": "perstream.c",
    "AttachForeign": "foreign.c",
    "CloseStream": "fcb.c",
}
#: Where all other functions are.
OTHER_FILE = "operations.c"

_KINDS = {
    "Volume": VOLUME,
    "Instance": INSTANCE,
    "File": FILE,
    "Stream": STREAM,
    "StreamHandle": STREAMHANDLE,
    "Transaction": TRANSACTION,
    "Section": SECTION,
}
_ON_FILE = FILE | STREAM | STREAMHANDLE | SECTION

#: The members of FLT_RELATED_CONTEXTS_EX, in its order.
MEMBERS = (VOLUME, INSTANCE, FILE, STREAM, STREAMHANDLE, TRANSACTION, SECTION)
_MEMBER_FIELDS = tuple(f"{name}Context" for name in ("Volume", "Instance", "File", "Stream"))
_MEMBER_FIELDS += ("StreamHandleContext", "TransactionContext", "SectionContext")

#: What routines log that changes from call to call, in the order in which the calls pass the values.
_LOGGED = {
    "FltAllocateContext": "Context Filter ContextType Size PoolType PoolTag Status",
    "FltReferenceContext": "Context",
    "FltReleaseContext": "Context",
    "FltDeleteContext": "Context",
    "ContextUse": "Context",
    "ContextCleanup": "Context ContextType",
    "FltGetContexts": "Instance FileObject Stream DesiredContexts " + " ".join(_MEMBER_FIELDS[:6]),
    "FltGetContextsEx": "Instance FileObject Stream DesiredContexts Status " + " ".join(_MEMBER_FIELDS),
    "FltReleaseContexts": " ".join(_MEMBER_FIELDS[:6]),
    "FltReleaseContextsEx": " ".join(_MEMBER_FIELDS),
    "FltRegisterForDataScan": "Instance Status",
    "ExFreePoolWithTag": "Context",
    "FltCreateSectionForDataScan": "Context Instance FileObject Stream SectionHandle SectionObject Status",
    "FltCloseSectionForDataScan": "Context Status",
    "FltSupportsStreamContexts": "FileObject Stream Status",
    "FltSupportsFileContexts": "FileObject Stream Status",
    "FltSupportsFileContextsEx": "FileObject Stream Instance Status",
    "FltSupportsStreamHandleContexts": "FileObject Stream Status",
    "FltRegisterFilter": "Filter ContextType Size PoolTag PoolType",
    "FltUnregisterFilter": "Filter",
    "FilterUnload": "Filter",
    "InstanceSetup": "Filter Instance Volume Status",
    "InstanceTeardownStart": "Filter Instance Volume",
    "InstanceTeardownComplete": "Filter Instance Volume",
}

#: Routines that are logged after the call: they have a Begin.
_AFTER = ("FltAllocate", "FltSet", "FltGet", "FltReference", "FltSupports", "FltCreate", "FltClose")
_AFTER_TOO = ("FltRegisterForDataScan", "ExAllocatePoolWithTag")
_PER_STREAM = ("FsRtlInsertPer", "FsRtlLookupPer", "FsRtlRemovePer", "FsRtlTeardownPer")

_SCALARS = {
    "Begin": "int64",
    "Sequence": "uint64",
    "Time": "uint64",
    "ProcessId": "uint32",
    "ThreadId": "uint32",
    "Processor": "uint32",
    "ContextType": "uint16",
    "DesiredContexts": "uint16",
    "Size": "uint32",
    "PoolType": "uint32",
    "PoolTag": "uint32",
    "Status": "hexint32",
    "Operation": "uint32",
    "OldRequested": "bool32",
    "PagingFile": "bool32",
    "Irql": "uint8",
    "MajorFunction": "uint8",
    "Phase": "uint8",
    "Line": "uint32",
    "Version": "uint32",
    "Function": "string",
    "File": "string",
    "Coverage": "string",
}


def kind_of(routine: str) -> int:
    """Give the context type that a routine's name says (FltSetStreamContext: STREAM), 0 for none."""
    for verb in ("FltSet", "FltGet", "FltDelete"):
        if routine.startswith(verb) and routine.endswith("Context"):
            return _KINDS.get(routine[len(verb) : -len("Context")], 0)
    return 0


def has_begin(routine: str) -> bool:
    """Whether a routine is logged after the call, so that its start is worth logging too."""
    named_object = routine.startswith("FltDelete") and routine != "FltDeleteContext"
    return routine.startswith((*_AFTER, *_PER_STREAM)) or routine in _AFTER_TOO or named_object


def logged(site: Site) -> list[str]:
    """Name what changes from call to call at a site, in the order in which calls pass it."""
    known = _LOGGED.get(site.routine)
    if known is not None:
        return known.split()
    kind = kind_of(site.routine)
    names = _place(site.routine, kind)
    if site.routine.startswith("FltGet"):
        return ["Context", *names, "Status"]
    old = ["OldContext"] if site.asks else []
    new = ["Context"] if site.routine.startswith("FltSet") else []
    return [*new, *old, *names, "Status"]


def _place(routine: str, kind: int) -> list[str]:
    if kind & _ON_FILE:
        return ["Instance", "FileObject", "Stream"]
    if kind == VOLUME:
        return ["Volume"] if routine.startswith("FltSet") else ["Filter", "Volume"]
    return ["Instance", "Transaction"] if kind == TRANSACTION else ["Instance"]


def constants(site: Site, driver: str, lean: bool) -> dict[str, int | str]:
    """Give what a site logs with every call: how it calls, where it runs, where it is.

    Args:
        site: The site.
        driver: The driver's name.
        lean: Leave out what only tells where the call ran, to keep large traces small.
    """
    position = {"Irql": site.irql, "MajorFunction": site.major}
    said: dict[str, int | str | None] = {"Operation": site.operation, "OldRequested": site.asks}
    said |= {} if lean else position
    said["Phase"] = None if lean and site.major is not None else site.phase
    said["PagingFile"] = 1 if site.paging else None
    said["Function"] = driver + site.function
    said["File"] = None if lean else FILES.get(site.function, OTHER_FILE)
    said["Line"] = site.line
    return {name: value for name, value in said.items() if value is not None}


def field(name: str, pointer_size: int, wide: bool) -> Field:
    """Give a field its type: what is no scalar is a pointer of the driver's size."""
    kind = _SCALARS.get(name) or ("hexint64" if pointer_size == 8 else "hexint32")
    return Field(name, "wide" if wide and kind == "string" else kind)


_GOSSC = "GetOrSetStreamContext"
_GOSFC = "GetOrSetFileContext"
_GOSTC = "GetOrSetTransactionContext"
_HANDLE = "AttachHandleContext"
_RESET = "ResetStreamContext"
_DROP = "DropContexts"

#: Every call site of a driver that does nothing wrong.
SITES = {
    # DriverEntry, unload, instances
    "entry.register": Site("FltRegisterFilter", "DriverEntry", 118),
    "unload.begin": Site("FilterUnload", "Unload", 171, phase=1),
    "unload.end": Site("FilterUnload", "Unload", 194, phase=2),
    "unregister.begin": Site("FltUnregisterFilter", "Unload", 188, phase=1),
    "unregister.end": Site("FltUnregisterFilter", "Unload", 188, phase=2),
    "setup.end": Site("InstanceSetup", "InstanceSetup", 152),
    "setup.allocate-instance": Site("FltAllocateContext", "InstanceSetup", 71, kind=INSTANCE),
    "setup.set-instance": Site(
        "FltSetInstanceContext", "InstanceSetup", 84, operation=KEEP_IF_EXISTS, asks=False
    ),
    "setup.release-instance": Site("FltReleaseContext", "InstanceSetup", 91),
    "setup.get-volume": Site("FltGetVolumeContext", "InstanceSetup", 103),
    "setup.allocate-volume": Site("FltAllocateContext", "InstanceSetup", 109, kind=VOLUME),
    "setup.set-volume": Site(
        "FltSetVolumeContext", "InstanceSetup", 121, operation=KEEP_IF_EXISTS, asks=True
    ),
    "setup.release-old-volume": Site("FltReleaseContext", "InstanceSetup", 128),
    "setup.release-volume": Site("FltReleaseContext", "InstanceSetup", 134),
    "setup.data-scan": Site("FltRegisterForDataScan", "InstanceSetup", 143),
    "teardown.start": Site("InstanceTeardownStart", "InstanceTeardownStart", 176),
    "teardown.release-dirty": Site("FltReleaseContext", "InstanceTeardownStart", 190),
    "teardown.complete": Site("InstanceTeardownComplete", "InstanceTeardownComplete", 211),
    "teardown.get-instance": Site("FltGetInstanceContext", "InstanceTeardownComplete", 219),
    "teardown.release-instance": Site("FltReleaseContext", "InstanceTeardownComplete", 231),
    # cleanup callbacks
    "cleanup.begin": Site("ContextCleanup", "ContextCleanup", 404, phase=1, irql=None),
    "cleanup.end": Site("ContextCleanup", "ContextCleanup", 431, phase=2, irql=None),
    "cleanup.release-stored": Site("FltReleaseContext", "ContextCleanup", 419),
    # create
    "precreate.allocate-handle": Site("FltAllocateContext", "PreCreate", 88, CREATE, PRE, kind=STREAMHANDLE),
    "create.release-failed": Site("FltReleaseContext", "PostCreate", 204, CREATE, POST),
    "create.supports": Site("FltSupportsStreamContexts", "PostCreate", 211, CREATE, POST),
    "create.supports-file": Site("FltSupportsFileContextsEx", "PostCreate", 216, CREATE, POST),
    "create.get-paging": Site("FltGetStreamContext", _GOSSC, 57, CREATE, POST, paging=True),
    "create.release-paging": Site("FltReleaseContext", "PostCreate", 224, CREATE, POST),
    "create.get-stream": Site("FltGetStreamContext", _GOSSC, 57, CREATE, POST),
    "create.allocate-stream": Site("FltAllocateContext", _GOSSC, 70, CREATE, POST, kind=STREAM),
    "create.get-instance": Site("FltGetInstanceContext", _GOSSC, 83, CREATE, POST),
    "create.set-stream": Site(
        "FltSetStreamContext", _GOSSC, 96, CREATE, POST, operation=KEEP_IF_EXISTS, asks=True
    ),
    "create.release-unset": Site("FltReleaseContext", _GOSSC, 108, CREATE, POST),
    "create.use-stream": Site("ContextUse", "PostCreate", 240, CREATE, POST),
    "create.release-stream": Site("FltReleaseContext", "PostCreate", 261, CREATE, POST),
    "create.set-handle": Site(
        "FltSetStreamHandleContext", _HANDLE, 305, CREATE, POST, 0, 0, REPLACE_IF_EXISTS, True
    ),
    "create.keep-handle": Site(
        "FltSetStreamHandleContext", _HANDLE, 317, CREATE, POST, 0, 0, KEEP_IF_EXISTS, False
    ),
    "create.release-old-handle": Site("FltReleaseContext", _HANDLE, 329, CREATE, POST),
    "create.release-handle": Site("FltReleaseContext", _HANDLE, 336, CREATE, POST),
    "create.get-file": Site("FltGetFileContext", _GOSFC, 157, CREATE, POST),
    "create.allocate-file": Site("FltAllocateContext", _GOSFC, 166, CREATE, POST, kind=FILE),
    "create.set-file": Site(
        "FltSetFileContext", _GOSFC, 181, CREATE, POST, operation=KEEP_IF_EXISTS, asks=True
    ),
    "create.release-unset-file": Site("FltReleaseContext", _GOSFC, 192, CREATE, POST),
    "create.release-file": Site("FltReleaseContext", "PostCreate", 273, CREATE, POST),
    "create.get-tx": Site("FltGetTransactionContext", _GOSTC, 211, CREATE, POST),
    "create.allocate-tx": Site("FltAllocateContext", _GOSTC, 220, CREATE, POST, kind=TRANSACTION),
    "create.set-tx": Site(
        "FltSetTransactionContext", _GOSTC, 236, CREATE, POST, operation=KEEP_IF_EXISTS, asks=True
    ),
    "create.release-unset-tx": Site("FltReleaseContext", _GOSTC, 247, CREATE, POST),
    "create.release-tx": Site("FltReleaseContext", "PostCreate", 281, CREATE, POST),
    # read and write
    "read.get": Site("FltGetStreamContext", "PreRead", 412, READ, PRE),
    "read.use": Site("ContextUse", "PreRead", 421, READ, PRE),
    "read.release": Site("FltReleaseContext", "PreRead", 433, READ, PRE),
    "read.post-release": Site("FltReleaseContext", "PostRead", 468, READ, POST),
    "read.post-release-dpc": Site("FltReleaseContext", "PostRead", 468, READ, POST, DISPATCH),
    "read.post-release-drain": Site("FltReleaseContext", "PostRead", 457, READ, DRAINING),
    "write.get": Site("FltGetStreamContext", "PreWrite", 507, WRITE, PRE),
    "write.reference": Site("FltReferenceContext", "PreWrite", 523, WRITE, PRE),
    "write.release": Site("FltReleaseContext", "PreWrite", 531, WRITE, PRE),
    "write.post-use": Site("ContextUse", "PostWrite", 560, WRITE, POST),
    "write.post-reference-dpc": Site("FltReferenceContext", "PostWrite", 566, WRITE, POST, DISPATCH),
    "write.post-release": Site("FltReleaseContext", "PostWrite", 574, WRITE, POST),
    "write.post-release-dpc": Site("FltReleaseContext", "PostWrite", 574, WRITE, POST, DISPATCH),
    "write.post-release-drain": Site("FltReleaseContext", "PostWrite", 552, WRITE, DRAINING),
    # query, set, control
    "query.get-handle": Site("FltGetStreamHandleContext", "PreQueryInformation", 604, QUERY, PRE),
    "query.use-handle": Site("ContextUse", "PreQueryInformation", 611, QUERY, PRE),
    "query.release-handle": Site("FltReleaseContext", "PreQueryInformation", 620, QUERY, PRE),
    "query.get-file": Site("FltGetFileContext", "PreQueryInformation", 631, QUERY, PRE),
    "query.release-file": Site("FltReleaseContext", "PreQueryInformation", 640, QUERY, PRE),
    "set.get-all": Site("FltGetContexts", "PreSetInformation", 703, SET, PRE),
    "set.release-all": Site("FltReleaseContexts", "PreSetInformation", 741, SET, PRE),
    "set.get-all-ex": Site("FltGetContextsEx", "PreSetInformation", 707, SET, PRE),
    "set.release-all-ex": Site("FltReleaseContextsEx", "PreSetInformation", 744, SET, PRE),
    "set.release-one": Site("FltReleaseContext", "PreSetInformation", 733, SET, PRE),
    "control.get-instance": Site("FltGetInstanceContext", "PreFsControl", 802, CONTROL, PRE),
    "control.release-instance": Site("FltReleaseContext", "PreFsControl", 829, CONTROL, PRE),
    "control.get-volume": Site("FltGetVolumeContext", "PreFsControl", 811, CONTROL, PRE),
    "control.release-volume": Site("FltReleaseContext", "PreFsControl", 826, CONTROL, PRE),
    # replacing and deleting
    "reset.allocate": Site("FltAllocateContext", _RESET, 504, SET, POST, kind=STREAM),
    "reset.set": Site("FltSetStreamContext", _RESET, 515, SET, POST, operation=REPLACE_IF_EXISTS, asks=True),
    "reset.set-blind": Site(
        "FltSetStreamContext", _RESET, 519, SET, POST, operation=REPLACE_IF_EXISTS, asks=False
    ),
    "reset.release-old": Site("FltReleaseContext", _RESET, 527, SET, POST),
    "reset.release-new": Site("FltReleaseContext", _RESET, 533, SET, POST),
    "drop.get": Site("FltGetStreamContext", _DROP, 561, SET, POST),
    "drop.delete": Site("FltDeleteContext", _DROP, 568, SET, POST),
    "drop.release": Site("FltReleaseContext", _DROP, 570, SET, POST),
    "drop.delete-stream": Site("FltDeleteStreamContext", _DROP, 579, SET, POST, asks=True),
    "drop.delete-stream-blind": Site("FltDeleteStreamContext", _DROP, 584, SET, POST, asks=False),
    "drop.release-old": Site("FltReleaseContext", _DROP, 589, SET, POST),
    "drop.delete-file": Site("FltDeleteFileContext", _DROP, 594, SET, POST, asks=False),
    "drop.delete-handle": Site("FltDeleteStreamHandleContext", _DROP, 597, SET, POST, asks=True),
    "drop.release-handle": Site("FltReleaseContext", _DROP, 599, SET, POST),
    # sections
    "scan.allocate": Site("FltAllocateContext", "ScanFile", 132, kind=SECTION),
    "scan.create": Site("FltCreateSectionForDataScan", "ScanFile", 149),
    "scan.release-failed": Site("FltReleaseContext", "ScanFile", 155),
    "scan.get": Site("FltGetSectionContext", "ScanFile", 171),
    "scan.release-got": Site("FltReleaseContext", "ScanFile", 178),
    "scan.close": Site("FltCloseSectionForDataScan", "ScanFile", 190),
    "scan.release": Site("FltReleaseContext", "ScanFile", 196),
    # work items
    "work.get": Site("FltGetStreamContext", "PreWrite", 588, WRITE, PRE),
    "work.reference": Site("FltReferenceContext", "PreWrite", 594, WRITE, PRE),
    "work.release": Site("FltReleaseContext", "PreWrite", 601, WRITE, PRE),
    "worker.use": Site("ContextUse", "ScanWorker", 44),
    "worker.release": Site("FltReleaseContext", "ScanWorker", 61),
    "lazy.release": Site("FltReleaseContext", "LazyWorker", 97),
    # before a file is open and after it is closed
    "precreate.get-instance": Site("FltGetInstanceContext", "PreCreate", 64, CREATE, PRE),
    "precreate.release-instance": Site("FltReleaseContext", "PreCreate", 69, CREATE, PRE),
    "precreate.get-other": Site("FltGetStreamContext", "PreCreate", 75, CREATE, PRE),
    "precreate.release-other": Site("FltReleaseContext", "PreCreate", 80, CREATE, PRE),
    "network.get-instance": Site(
        "FltGetInstanceContext", "PreNetworkQueryOpen", 1004, NETWORK_QUERY_OPEN, PRE
    ),
    "network.release-instance": Site(
        "FltReleaseContext", "PreNetworkQueryOpen", 1012, NETWORK_QUERY_OPEN, PRE
    ),
    "close.get-late": Site("FltGetStreamContext", "PreClose", 972, CLOSE, PRE),
    "close.post-release": Site("FltReleaseContext", "PostClose", 985, CLOSE, POST),
    # initialisation
    "init.use": Site("ContextUse", "InitialiseContext", 33),
    # cleanup and close
    "finish.get": Site("FltGetStreamContext", "PreCleanup", 903, CLEANUP, PRE),
    "finish.use": Site("ContextUse", "PreCleanup", 910, CLEANUP, PRE),
    "finish.release": Site("FltReleaseContext", "PreCleanup", 921, CLEANUP, PRE),
    "close.get-handle": Site("FltGetStreamHandleContext", "PreClose", 951, CLOSE, PRE),
    "close.delete-handle": Site("FltDeleteContext", "PreClose", 960, CLOSE, PRE),
    "close.release-handle": Site("FltReleaseContext", "PreClose", 966, CLOSE, PRE),
}

#: Every routine and callback that a writer of the simulated drivers knows.
ROUTINES = tuple(sorted({site.routine for site in SITES.values()}))
