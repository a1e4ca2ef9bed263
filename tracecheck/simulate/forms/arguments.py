"""How each canonical field stands in a driver's message: its WPP item, its place in text, its bytes.

Sources: the item types of WPP's default configuration (ItemPtr, ItemLong, ItemNTSTATUS, lists and sets),
and what tracefmt prints for each: pointers as upper-case hex digits of the writer's pointer size, a status
and a list item as hex value with the name in parentheses, a set as the names of its bits in brackets.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

from tracecheck.fltmgr.status import STATUS_NAMES
from tracecheck.simulate.registration import STATUS_FILE_LOCK_CONFLICT, STATUS_FLT_DO_NOT_ATTACH

if TYPE_CHECKING:
    from collections.abc import Callable

#: What the drivers meet that is not the context routines'.
_STATUS_NAMES = STATUS_NAMES | {
    STATUS_FILE_LOCK_CONFLICT: "STATUS_FILE_LOCK_CONFLICT",
    STATUS_FLT_DO_NOT_ATTACH: "STATUS_FLT_DO_NOT_ATTACH",
}

#: FLT_CONTEXT_TYPE, lowest bit first.
CONTEXT_TYPES = (
    "FLT_VOLUME_CONTEXT",
    "FLT_INSTANCE_CONTEXT",
    "FLT_FILE_CONTEXT",
    "FLT_STREAM_CONTEXT",
    "FLT_STREAMHANDLE_CONTEXT",
    "FLT_TRANSACTION_CONTEXT",
    "FLT_SECTION_CONTEXT",
)

#: FLT_SET_CONTEXT_OPERATION.
SET_OPERATIONS = ("FLT_SET_CONTEXT_REPLACE_IF_EXISTS", "FLT_SET_CONTEXT_KEEP_IF_EXISTS")

_BOOLS = ("false", "true")
_IRQLS = ("Low", "APC", "DPC")

#: IRP_MJ_* from 0 up.
MAJOR_FUNCTIONS = (
    "IRP_MJ_CREATE",
    "IRP_MJ_CREATE_NAMED_PIPE",
    "IRP_MJ_CLOSE",
    "IRP_MJ_READ",
    "IRP_MJ_WRITE",
    "IRP_MJ_QUERY_INFORMATION",
    "IRP_MJ_SET_INFORMATION",
    "IRP_MJ_QUERY_EA",
    "IRP_MJ_SET_EA",
    "IRP_MJ_FLUSH_BUFFERS",
    "IRP_MJ_QUERY_VOLUME_INFORMATION",
    "IRP_MJ_SET_VOLUME_INFORMATION",
    "IRP_MJ_DIRECTORY_CONTROL",
    "IRP_MJ_FILE_SYSTEM_CONTROL",
    "IRP_MJ_DEVICE_CONTROL",
    "IRP_MJ_INTERNAL_DEVICE_CONTROL",
    "IRP_MJ_SHUTDOWN",
    "IRP_MJ_LOCK_CONTROL",
    "IRP_MJ_CLEANUP",
)


class Argument(NamedTuple):
    """How a field is logged.

    Attributes:
        item: The WPP item type.
        format: The printf format that stands between ``%N!`` and ``!``.
        code: Its struct code; "" for text, whose length varies.
        text: The Python format of its printed value.
        values: The names of a list or set.
        show: What makes the printed value of the number, None where ``text`` does.
        prefix: What the message has in front of it.
    """

    item: str
    format: str
    code: str
    text: str
    values: tuple[str, ...] = ()
    show: Callable[[int], str] | None = None
    prefix: str = ""


def _status(value: int) -> str:
    name = _STATUS_NAMES.get(value)
    return f"0x{value:08x}({name})" if name else f"0x{value:08x}"


def _list(item: str, code: str, values: tuple[str, ...]) -> Argument:
    def show(value: int) -> str:
        name = f"({values[value]})" if value < len(values) else ""
        return f"0x{value:08x}{name}"

    return Argument(item, "s", code, "%s", values, show)


def _set(values: tuple[str, ...]) -> Argument:
    def show(value: int) -> str:
        return f"[{','.join(name for bit, name in enumerate(values) if value >> bit & 1)}]"

    return Argument("ItemSetLong", "s", "I", "%s", values, show)


_NUMBER = Argument("ItemLong", "u", "I", "%u")
_STATUS = Argument("ItemNTSTATUS", "s", "I", "%s", show=_status)
_BOOL = _list("ItemListLong", "I", _BOOLS)
_TYPES = _set(CONTEXT_TYPES)
_POINTERS = {
    8: Argument("ItemPtr", "p", "Q", "%016X"),
    4: Argument("ItemPtr", "p", "I", "%08X"),
}

_ARGUMENTS = {
    "Status": _STATUS,
    "ContextType": _TYPES,
    "DesiredContexts": _TYPES,
    "Operation": _list("ItemListLong", "I", SET_OPERATIONS),
    "OldRequested": _BOOL,
    "PagingFile": _BOOL,
    "Irql": _list("ItemListByte", "B", _IRQLS),
    "MajorFunction": _list("ItemListByte", "B", MAJOR_FUNCTIONS),
    "Phase": _NUMBER,
    "Size": _NUMBER,
    "PoolType": Argument("ItemLong", "x", "I", "%x", prefix="0x"),
    "PoolTag": Argument("ItemLong", "08x", "I", "%08x", prefix="0x"),
    "Version": _NUMBER,
    "ProcessId": _NUMBER,
    "ThreadId": _NUMBER,
    "Processor": _NUMBER,
    "Begin": Argument("ItemLongLong", "I64d", "q", "%d"),
    "Time": Argument("ItemLongLong", "I64u", "Q", "%d"),
    "Coverage": Argument("ItemString", "s", "", "%s"),
    "RegistryPath": Argument("ItemPWString", "s", "", "%s"),
}


def argument(name: str, routine: str, pointer_size: int) -> Argument:
    """Give how a canonical field is logged; what is in no table is a pointer."""
    if name == "Status" and routine.startswith("FltSupports"):
        return _BOOL
    return _ARGUMENTS.get(name) or _POINTERS[pointer_size]


def encode(kind: Argument, value: int | str) -> bytes:
    """Give an argument's bytes in a WPP message."""
    if isinstance(value, int):
        return struct.pack("<" + kind.code, value)
    if kind.item == "ItemPWString":
        text = value.encode("utf-16-le")
        return struct.pack("<H", len(text)) + text
    return value.encode() + b"\0"
