"""The .etl container's constants: buffers, record kinds, header layouts, extended items.

Sources: evntrace.h and evntcons.h (names and values), and public descriptions of WMI_BUFFER_HEADER and
the trace record headers. All values are little-endian.
"""

from enum import IntEnum

BUFFER_HEADER_SIZE = 0x48
END_OF_BUFFER = 0xFFFFFFFF

# ETW_BUFFER_FLAG_*: what WMI_BUFFER_HEADER.BufferFlag says.
BUFFER_FLUSH_MARKER = 0x01
BUFFER_EVENTS_LOST = 0x02
BUFFER_LOST = 0x04
BUFFER_RTBACKUP_CORRUPT = 0x08
BUFFER_RTBACKUP = 0x10
BUFFER_PROC_INDEX = 0x20
BUFFER_COMPRESSED = 0x40

# WMI_BUFFER_HEADER.BufferType.
BUFFER_TYPE_GENERIC = 0
BUFFER_TYPE_HEADER = 4


class Kind(IntEnum):
    """What a record's header is; the values are the header types of the marker dword where it has one."""

    NONE = 0
    SYSTEM32 = 0x01
    SYSTEM64 = 0x02
    COMPACT32 = 0x03
    COMPACT64 = 0x04
    FULL32 = 0x0A
    INSTANCE32 = 0x0B
    ERROR = 0x0D
    PERFINFO32 = 0x10
    PERFINFO64 = 0x11
    EVENT32 = 0x12
    EVENT64 = 0x13
    FULL64 = 0x14
    INSTANCE64 = 0x15
    WPP_MESSAGE = 0x90


#: The names that `info` prints and other programs rely on.
KIND_NAMES = {kind: kind.name for kind in Kind} | {Kind.WPP_MESSAGE: "WPP_MESSAGE(0x90)"}

# TRACE_MESSAGE_*: the option flags of a WPP message.
MESSAGE_SEQUENCE = 0x01
MESSAGE_GUID = 0x02
MESSAGE_COMPONENTID = 0x04
MESSAGE_TIMESTAMP = 0x08
MESSAGE_PERFORMANCE_TIMESTAMP = 0x10
MESSAGE_SYSTEMINFO = 0x20
MESSAGE_POINTER32 = 0x40
MESSAGE_POINTER64 = 0x80

# EVENT_HEADER_FLAG_*.
EVENT_EXTENDED_INFO = 0x0001
EVENT_32_BIT_HEADER = 0x0020
EVENT_64_BIT_HEADER = 0x0040


class Ext(IntEnum):
    """EVENT_HEADER_EXT_TYPE_*: what an extended item holds."""

    RELATED_ACTIVITYID = 1
    SID = 2
    TS_ID = 3
    INSTANCE_INFO = 4
    STACK_TRACE32 = 5
    STACK_TRACE64 = 6
    PEBS_INDEX = 7
    PMC_COUNTERS = 8
    PSM_KEY = 9
    EVENT_KEY = 10
    EVENT_SCHEMA_TL = 11
    PROV_TRAITS = 12
    PROCESS_START_KEY = 13
    CONTROL_GUID = 14
    QPC_DELTA = 15
    CONTAINER_ID = 16
    STACK_KEY32 = 17
    STACK_KEY64 = 18


# EVENT_TRACE_FILE_MODE_* and friends: LogFileMode bits that matter here.
MODE_CIRCULAR = 0x00000002
MODE_APPEND = 0x00000004

# ReservedFlags of TRACE_LOGFILE_HEADER: the session's clock.
CLOCK_PERFCOUNTER = 1
CLOCK_SYSTEMTIME = 2
CLOCK_CPUCYCLE = 3

#: FILETIME (100 ns since 1601) of the Unix epoch.
UNIX_EPOCH_AS_FILETIME = 116444736000000000

#: EVENT_TRACE_GROUP_HEADER: the group of the logger's own records, the log file's header first.
EVENT_TRACE_GROUP = 0
