"""The names that outputs print for what a trace only numbers; other programs rely on them.

Sources: evntrace.h (EVENT_TRACE_GROUP_*, TRACE_LEVEL_*) and evntcons.h (EVENT_HEADER_EXT_TYPE_*).
"""

from tracecheck.etl.layout import Ext
from tracecheck.fltmgr import CONTEXT_TYPES

KERNEL_GROUPS = {
    0x00: "EventTrace",
    0x01: "DiskIo",
    0x02: "Memory/PageFault",
    0x03: "Process",
    0x04: "FileIo",
    0x05: "Thread",
    0x06: "TcpIp",
    0x07: "Job",
    0x08: "UdpIp",
    0x09: "Registry",
    0x0A: "DbgPrint",
    0x0B: "SystemConfig",
    0x0D: "Wnf",
    0x0E: "Pool",
    0x0F: "PerfInfo",
    0x10: "Heap",
    0x11: "Object",
    0x12: "Power",
    0x13: "ModBound",
    0x14: "Image",
    0x15: "Dpc",
    0x16: "CacheManager",
    0x17: "CritSec",
    0x18: "StackWalk",
    0x19: "Ums",
    0x1A: "Alpc",
    0x1B: "SplitIo",
    0x1C: "ThreadPool",
    0x1D: "Hypervisor",
    0x1E: "HypervisorX",
}

EXTENDED_ITEMS: dict[int, str] = {
    Ext.RELATED_ACTIVITYID: "RelatedActivity",
    Ext.SID: "Sid",
    Ext.TS_ID: "TerminalSession",
    Ext.INSTANCE_INFO: "InstanceInfo",
    Ext.STACK_TRACE32: "Stack32",
    Ext.STACK_TRACE64: "Stack64",
    Ext.PEBS_INDEX: "PebsIndex",
    Ext.PMC_COUNTERS: "PmcCounters",
    Ext.PSM_KEY: "PsmKey",
    Ext.EVENT_KEY: "EventKey",
    Ext.EVENT_SCHEMA_TL: "TL_SCHEMA",
    Ext.PROV_TRAITS: "PROV_TRAITS",
    Ext.PROCESS_START_KEY: "ProcessStartKey",
    Ext.CONTROL_GUID: "ControlGuid",
    Ext.QPC_DELTA: "QpcDelta",
    Ext.CONTAINER_ID: "ContainerId",
    Ext.STACK_KEY32: "StackKey32",
    Ext.STACK_KEY64: "StackKey64",
}

#: Levels by name, as winmeta.xml and evntrace.h have them: the less, the more severe.
LEVELS: dict[str, int] = {
    "critical": 1,
    "fatal": 1,
    "error": 2,
    "warning": 3,
    "information": 4,
    "info": 4,
    "verbose": 5,
}


def kernel_event(group: int, opcode: int) -> str:
    """Name a kernel event by its group and opcode: ``Thread/4``."""
    return f"{KERNEL_GROUPS.get(group, f'Group{group}')}/{opcode}"


def context_kind(context_type: int) -> str:
    """Name a context by its type: ``stream context``; a type that no header knows by its number."""
    if not context_type:
        return "context"
    return f"{CONTEXT_TYPES.get(context_type, f'type {context_type:#x}')} context"
