"""The call sites of the simulated legacy driver, and what each logs."""

from tracecheck.simulate.sites import CLEANUP, CREATE, PRE, READ, Site

#: The driver's name, which stands before its functions, and that of the file system.
DRIVER = "Old"
FILE_SYSTEM = "Fsd"

_ATTACH = "AttachPerStream"
_FIND = "FindPerStream"
_DROP = "DropPerStream"
_FREE = "FreePerStream"
_UNLOAD = "PerStreamUnload"
#: The file system's function.
CLOSE_STREAM = "CloseStream"

#: What the routines log that changes from call to call; a call site may log more.
LEGACY_LOGGED = {
    "ExAllocatePoolWithTag": "Context Size PoolType PoolTag",
    "ExFreePoolWithTag": "Context PoolTag",
    "FsRtlInitPerStreamContext": "Context OwnerId InstanceId FreeCallback",
    "FsRtlInsertPerStreamContext": "Stream Context Status",
    "FsRtlLookupPerStreamContext": "Stream OwnerId InstanceId Context",
    "FsRtlRemovePerStreamContext": "Stream OwnerId InstanceId Context",
    "FsRtlTeardownPerStreamContexts": "Stream",
    "FreePerStreamContext": "Context",
    "FilterUnload": "",
    "ContextUse": "Context",
    "bad.old-file-callback": "Context FileObject",
}

LEGACY_SITES = {
    "old.allocate": Site("ExAllocatePoolWithTag", _ATTACH, 41, CREATE, PRE),
    "old.init": Site("FsRtlInitPerStreamContext", _ATTACH, 47, CREATE, PRE),
    "old.look-first": Site("FsRtlLookupPerStreamContext", _ATTACH, 52, CREATE, PRE),
    "old.insert": Site("FsRtlInsertPerStreamContext", _ATTACH, 58, CREATE, PRE),
    "old.free-unused": Site("ExFreePoolWithTag", _ATTACH, 64, CREATE, PRE),
    "old.look": Site("FsRtlLookupPerStreamContext", _FIND, 88, READ, PRE),
    "old.use": Site("ContextUse", _FIND, 93, READ, PRE),
    "old.remove": Site("FsRtlRemovePerStreamContext", _DROP, 117, CLEANUP, PRE),
    "old.free": Site("ExFreePoolWithTag", _DROP, 123, CLEANUP, PRE),
    "old.callback": Site("FreePerStreamContext", _FREE, 139, phase=1),
    "old.callback-free": Site("ExFreePoolWithTag", _FREE, 144),
    "old.callback-end": Site("FreePerStreamContext", _FREE, 147, phase=2),
    "old.unload": Site("FilterUnload", _UNLOAD, 161, phase=1),
    "old.unload-remove": Site("FsRtlRemovePerStreamContext", _UNLOAD, 170),
    "old.unload-free": Site("ExFreePoolWithTag", _UNLOAD, 173),
    "old.unloaded": Site("FilterUnload", _UNLOAD, 180, phase=2),
    "old.teardown": Site("FsRtlTeardownPerStreamContexts", CLOSE_STREAM, 640),
}

#: The routines that the legacy driver and the file system log.
LEGACY_ROUTINES = tuple(sorted({site.routine for site in LEGACY_SITES.values()}))
