"""What kernel events hold: groups, opcodes, versions and fields, as facts.

Sources: the MOF event classes documented for the NT Kernel Logger (Process_TypeGroup1, Thread_TypeGroup1,
Image_Load, FileIo_Name, StackWalk_Event, CSwitch) and the structures and hook ids in ntwmi.h of phnt.

A field is written ``Name:type``. Types: ``u1`` to ``u8`` and ``i1`` to ``i8`` integers; ``p`` a pointer of
the writer; ``ps`` pointers up to the end; ``a`` and ``w`` strings that a NUL ends, 8-bit and UTF-16; ``a*``
an 8-bit string that a NUL or the end ends; ``w?`` a UTF-16 string that older writers leave out; ``u4?`` such
a number; ``sid`` what TOKEN_USER leaves in an event; ``guid``; ``time`` a FILETIME; ``tag`` four
characters; ``zone`` a TIME_ZONE_INFORMATION.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

# EVENT_TRACE_GROUP_*: the high byte of a hook id.
HEADER = 0x00
PROCESS = 0x03
FILE = 0x04
THREAD = 0x05
DBGPRINT = 0x0A
POOL = 0x0E
IMAGE = 0x14
STACKWALK = 0x18
#: ImageIDGuid has no group: its events exist in the classic form alone.
IMAGE_ID = 0x100

#: The event classes' GUIDs: what a classic event has in place of the group.
GROUP_OF_GUID = {
    UUID("68fdd900-4a3e-11d1-84f4-0000f80464e3"): HEADER,
    UUID("3d6fa8d0-fe05-11d0-9dda-00c04fd7ba7c"): PROCESS,
    UUID("90cbdc39-4a3e-11d1-84f4-0000f80464e3"): FILE,
    UUID("3d6fa8d1-fe05-11d0-9dda-00c04fd7ba7c"): THREAD,
    UUID("13976d09-a327-438c-950b-7f03192815c7"): DBGPRINT,
    UUID("0268a8b6-74fd-4302-9dd0-6e8f1795c0cf"): POOL,
    UUID("2cb15d1d-5fc1-11d2-abe1-00a0c911f518"): IMAGE,
    UUID("def2fe46-7bd6-4b80-bd94-f57fe20d0ce3"): STACKWALK,
    UUID("b3e675d7-2554-4f18-830b-2762732560de"): IMAGE_ID,
}

# EVENT_TRACE_TYPE_*.
START, END, DC_START, DC_END, LOAD, TERMINATE = 1, 2, 3, 4, 10, 11
DEFUNCT = 39

_LIFE = {START: "Start", END: "End", DC_START: "DCStart", DC_END: "DCEnd"}

_PROCESS_IDS = "UniqueProcessKey:p ProcessId:u4 ParentId:u4 SessionId:u4 ExitStatus:u4"
_PROCESS = {
    0: "ProcessId:p ParentId:p UserSID:sid ImageFileName:a",
    1: "PageDirectoryBase:p ProcessId:u4 ParentId:u4 SessionId:u4 ExitStatus:u4 UserSID:sid ImageFileName:a",
    2: f"{_PROCESS_IDS} UserSID:sid ImageFileName:a CommandLine:w",
    3: f"{_PROCESS_IDS} DirectoryTableBase:p UserSID:sid ImageFileName:a CommandLine:w",
    4: f"{_PROCESS_IDS} DirectoryTableBase:p Flags:u4 UserSID:sid ImageFileName:a CommandLine:w"
    " PackageFullName:w ApplicationId:w",
}
_DEFUNCT = {**_PROCESS, 5: f"{_PROCESS[4]} ExitTime:time"}

_THREAD_IDS = "ProcessId:u4 TThreadId:u4"
_THREAD_STACKS = f"{_THREAD_IDS} StackBase:p StackLimit:p UserStackBase:p UserStackLimit:p"
_THREAD_ENDS = {
    2: f"{_THREAD_STACKS} StartAddr:p Win32StartAddr:p TebBase:p SubProcessTag:u4",
    3: f"{_THREAD_STACKS} Affinity:p Win32StartAddr:p TebBase:p SubProcessTag:u4"
    " BasePriority:i1 PagePriority:u1 IoPriority:u1 ThreadFlags:u1 ThreadName:w?",
}
_THREAD_BEGINS = {
    0: "TThreadId:u4 ProcessId:u4",
    1: f"{_THREAD_STACKS} StartAddr:p Win32StartAddr:p WaitMode:i1",
    **_THREAD_ENDS,
}
_THREAD_ENDS = {0: "TThreadId:u4 ProcessId:u4", 1: _THREAD_IDS, **_THREAD_ENDS}

_IMAGE_IDS = "ImageBase:p ImageSize:p ProcessId:u4 ImageChecksum:u4 TimeDateStamp:u4"
_IMAGE_REST = "DefaultBase:p Reserved1:u4 Reserved2:u4 Reserved3:u4 Reserved4:u4 FileName:w"
_IMAGE = {
    0: "ImageBase:p ImageSize:u4 FileName:w",
    1: "ImageBase:p ImageSize:p ProcessId:u4 FileName:w",
    2: f"{_IMAGE_IDS} Reserved0:u4 {_IMAGE_REST}",
    3: f"{_IMAGE_IDS} SignatureLevel:u1 SignatureType:u1 Reserved0:u2 {_IMAGE_REST}",
}

_FLT = "RoutineAddr:p FileObject:p FsContext:p IrpPtr:p CbdPtr:p MajorFunction:i4 Status:u4?"
#: FltIo records by opcode: what happened, and whether at the pre- or the post-operation callback.
FLTIO = {
    0x60: ("PreOpInit", "pre", "call"),
    0x61: ("PostOpInit", "post", "call"),
    0x62: ("PreOpCompletion", "pre", "return"),
    0x63: ("PostOpCompletion", "post", "return"),
    0x64: ("PreOpFailure", "pre", "failure"),
    0x65: ("PostOpFailure", "post", "failure"),
}

_POOL = "PoolType:u4 Tag:tag NumberOfBytes:p Entry:p"
_STACK_KEY = "EventTimeStamp:u8 StackProcess:u4 StackThread:u4 StackKey:p"
_STACK = "StackKey:p Stack:ps"

_MASKS = " ".join(f"GroupMask{i}:u4" for i in range(1, 9))
_LOG_HEADER = (
    "BufferSize:u4 Version:u4 ProviderVersion:u4 NumberOfProcessors:u4 EndTime:time TimerResolution:u4"
    " MaxFileSize:u4 LogFileMode:u4 BuffersWritten:u4 StartBuffers:u4 PointerSize:u4 EventsLost:u4"
    " CPUSpeed:u4 LoggerName:p LogFileName:p TimeZoneInformation:zone Padding:u4 BootTime:time PerfFreq:u8"
    " StartTime:time ReservedFlags:u4 BuffersLost:u4 SessionNameString:w LogFileNameString:w"
)

_RSDS = "ImageBase:p ProcessId:u4 GuidSig:guid Age:u4 PdbFileName:a"
_FILE_VERSION = (
    "ImageSize:u4 TimeDateStamp:u4 OrigFileName:w FileDescription:w FileVersion:w BinFileVersion:w"
    " VerLanguage:w ProductName:w CompanyName:w ProductVersion:w FileId:w ProgramId:w"
)


@dataclass(frozen=True)
class EventType:
    """One type of kernel event.

    Attributes:
        family: The event class: "Process", "Thread", "Image", "FltIo" and so on.
        name: The event: "Process/Start".
        group: EVENT_TRACE_GROUP_* in its high byte's place, or :data:`IMAGE_ID`.
        opcode: The event's type within the group.
        versions: Its fields, by the first version that has them.
        longer: Its fields where the payload is long enough for these too; "" where there are none.
    """

    family: str
    name: str
    group: int
    opcode: int
    versions: dict[int, str]
    longer: str = ""

    def fields(self, version: int) -> str | None:
        """Give the fields of a version; those of the newest known one for versions that came later."""
        known = [each for each in self.versions if each <= version]
        return self.versions[max(known)] if known else None


def _types(
    family: str, group: int, opcodes: dict[int, str], versions: dict[int, str] | str
) -> list[EventType]:
    """Write down several types of one class that hold the same fields."""
    by_version = {0: versions} if isinstance(versions, str) else versions
    return [EventType(family, f"{family}/{name}", group, code, by_version) for code, name in opcodes.items()]


#: All types of event that are decoded; others stay as they are.
EVENTS: tuple[EventType, ...] = (
    *_types("EventTrace", HEADER, {0: "Header"}, _LOG_HEADER),
    *_types("EventTrace", HEADER, {5: "Extension", 0x20: "EndExtension"}, f"{_MASKS} KernelEventVersion:u4"),
    *_types("EventTrace", HEADER, {8: "RundownComplete"}, ""),
    *_types("EventTrace", HEADER, {0x40: "DbgIdRSDS"}, "GuidSig:guid Age:u4 PdbFileName:a"),
    *_types("EventTrace", HEADER, {0x42: "BuildInfo"}, "BuildString:a"),
    *_types("Process", PROCESS, _LIFE, _PROCESS),
    *_types("Process", PROCESS, {DEFUNCT: "Defunct"}, _DEFUNCT),
    *_types("Process", PROCESS, {TERMINATE: "Terminate"}, "ProcessId:u4"),
    *_types("Thread", THREAD, {START: "Start", DC_START: "DCStart"}, _THREAD_BEGINS),
    *_types("Thread", THREAD, {END: "End", DC_END: "DCEnd"}, _THREAD_ENDS),
    *_types("Thread", THREAD, {0x48: "SetName"}, f"{_THREAD_IDS} ThreadName:w"),
    *_types(
        "CSwitch",
        THREAD,
        {0x24: "CSwitch"},
        {
            2: "NewThreadId:u4 OldThreadId:u4 NewThreadPriority:i1 OldThreadPriority:i1 PreviousCState:u1"
            " SpareByte:i1 OldThreadWaitReason:i1 OldThreadWaitMode:i1 OldThreadState:i1"
            " OldThreadWaitIdealProcessor:i1 NewThreadWaitTime:u4 Reserved:u4"
        },
    ),
    # A kernel logger's load is in the process group; the classic form has it in the image class.
    *_types("Image", PROCESS, {LOAD: "Load"}, _IMAGE),
    *_types("Image", IMAGE, {LOAD: "Load", END: "Unload", DC_START: "DCStart", DC_END: "DCEnd"}, _IMAGE),
    *_types("ImageBase", IMAGE, {0x21: "KernelBase"}, "ImageBase:p"),
    *_types("ImageBase", IMAGE, {0x22: "HypercallPage"}, "HypercallPageVa:p"),
    *_types(
        "ImageId",
        IMAGE_ID,
        {0: "Info"},
        "ImageBase:p ImageSize:p ProcessId:u4 TimeDateStamp:u4 OriginalFileName:w",
    ),
    *_types("ImageId", IMAGE_ID, {0x20: "DbgIdNone"}, "ImageBase:p ProcessId:u4"),
    *_types("ImageId", IMAGE_ID, {0x24: "DbgIdRSDS", 0x25: "DbgIdILRSDS"}, _RSDS),
    *_types("ImageId", IMAGE_ID, {0x40: "FileVersion"}, _FILE_VERSION),
    *_types(
        "FileName", FILE, {0: "Name", 0x20: "Create", 0x23: "Delete", 0x24: "Rundown"}, "FileKey:p FileName:w"
    ),
    *(
        EventType(
            "FltIo", f"FltIo/{name}", FILE, code, {0: _FLT}, f"InitialTime:u8 {_FLT}" if code & 2 else ""
        )
        for code, (name, _, _) in FLTIO.items()
    ),
    *_types("DbgPrint", DBGPRINT, {0x20: "DbgPrint"}, "Component:u4 Level:u4 Message:a*"),
    *_types("Pool", POOL, {0x20: "Alloc", 0x21: "AllocSession", 0x22: "Free", 0x23: "FreeSession"}, _POOL),
    *_types(
        "StackWalk",
        STACKWALK,
        {0x20: "Stack"},
        "EventTimeStamp:u8 StackProcess:u4 StackThread:u4 Stack:ps",
    ),
    *_types("StackWalk", STACKWALK, {0x22: "KeyCreate", 0x23: "KeyDelete", 0x24: "KeyRundown"}, _STACK),
    *_types("StackWalk", STACKWALK, {0x25: "KeyKernel", 0x26: "KeyUser"}, _STACK_KEY),
)
