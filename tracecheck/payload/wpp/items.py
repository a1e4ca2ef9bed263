"""The item types of WPP: how each lies in a payload, and what an argument of that type is shown as.

Sources: Microsoft's pages on WPP format specification strings, the item names of defaultwpp.ini (WDK) as
public TMF files have them, and real messages whose every byte is accounted for. Arguments are packed: no
padding, no type tags, integers little-endian.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

from tracecheck.payload import _values
from tracecheck.payload._columns import Counted, Label, Scalar, Sid, Terminated, Unknown
from tracecheck.payload.arrow import from_numpy

if TYPE_CHECKING:
    from typing import Any

    import numpy.typing as npt

    from tracecheck.payload._columns import Column
    from tracecheck.payload.wpp.definition import Item


@dataclass(frozen=True, slots=True)
class Layout:
    """What is known of an item type.

    Attributes:
        wire: A numpy dtype; or what :func:`column_of` makes a reader of: a pointer, a string, an address.
        shown: What ``%s`` shows of it: ``plain`` (numbers and texts as they are) or a name of
            :mod:`tracecheck.payload.wpp.values`.
    """

    wire: str
    shown: str = "plain"


#: By item type, in lower case: TMFs of different versions of WPP write ItemHexDump and ItemHEXDump.
ITEMS = {
    name.lower(): layout
    for name, layout in {
        "ItemChar": Layout("<i1"),
        "ItemUChar": Layout("<u1"),
        "ItemCharSign": Layout("<i1"),
        "ItemCharShort": Layout("<i1"),
        "ItemWChar": Layout("<u2"),
        "ItemShort": Layout("<i2"),
        "ItemUShort": Layout("<u2"),
        "ItemLong": Layout("<i4"),
        "ItemULong": Layout("<u4"),
        "ItemULongX": Layout("<u4"),
        "ItemLongLong": Layout("<i8"),
        "ItemULongLong": Layout("<u8"),
        "ItemLongLongX": Layout("<u8"),
        "ItemLongLongXX": Layout("<u8"),
        "ItemLongLongO": Layout("<u8"),
        "ItemQuad": Layout("<i8"),
        "ItemUQuad": Layout("<u8"),
        "ItemFloat": Layout("<f4"),
        "ItemDouble": Layout("<f8"),
        "ItemPtr": Layout("pointer", "pointer"),
        "ItemString": Layout("ansi"),
        "ItemWString": Layout("utf-16"),
        "ItemRString": Layout("ansi", "folded"),
        "ItemRWString": Layout("utf-16", "folded"),
        "ItemMLString": Layout("ansi"),
        "ItemPString": Layout("counted ansi"),
        "ItemPWString": Layout("counted utf-16"),
        "ItemHexDump": Layout("counted bytes", "hex"),
        "ItemGuid": Layout("guid"),
        "ItemCLSID": Layout("guid"),
        "ItemIID": Layout("guid"),
        "ItemLIBID": Layout("guid"),
        "ItemSid": Layout("sid"),
        "ItemNTSTATUS": Layout("<u4", "ntstatus"),
        "ItemNTerror": Layout("<u4", "ntstatus"),
        "ItemHRESULT": Layout("<u4", "hresult"),
        "ItemWINERROR": Layout("<u4", "win32"),
        "ItemNDIS_STATUS": Layout("<u4", "ndis_status"),
        "ItemNDIS_OID": Layout("<u4", "ndis_oid"),
        "ItemNETEVENT": Layout("<u4"),
        "ItemMerror": Layout("<u4"),
        "ItemTimestamp": Layout("<i8", "time"),
        "ItemTimeDelta": Layout("<i8", "delta"),
        "ItemWaitTime": Layout("<i8", "wait"),
        "ItemIPAddr": Layout("ipv4"),
        "ItemIPV6Addr": Layout("ipv6"),
        "ItemMACAddr": Layout("mac"),
        "ItemPort": Layout("port"),
        "ItemChar4": Layout("char4"),
        "ItemListLong": Layout("<u4", "list"),
        "ItemListShort": Layout("<u2", "list"),
        "ItemListByte": Layout("<u1", "list"),
        "ItemSetLong": Layout("<u4", "set"),
        "ItemSetShort": Layout("<u2", "set"),
        "ItemSetByte": Layout("<u1", "set"),
        "ItemEnum": Layout("<u4", "enum"),
        "ItemFlagsEnum": Layout("<u4", "flags"),
    }.items()
}

#: Of an item type that is not known.
UNKNOWN = Layout("unknown")

_ARROW = {
    "i1": pa.int8(),
    "u1": pa.uint8(),
    "i2": pa.int16(),
    "u2": pa.uint16(),
    "i4": pa.int32(),
    "u4": pa.uint32(),
    "i8": pa.int64(),
    "u8": pa.uint64(),
    "f4": pa.float32(),
    "f8": pa.float64(),
}
_UTF16 = "utf-16-le"


def layout_of(item: Item) -> Layout:
    """Give the layout of an item's type; :data:`UNKNOWN` where there is none."""
    return ITEMS.get(item.type.lower(), UNKNOWN)


def column_of(item: Item, pointer_size: int) -> Column:
    """Make the reader of an item.

    Args:
        item: The argument.
        pointer_size: The writer's, 4 or 8.

    Returns:
        A reader whose ``kind`` is the Arrow type: integers and floats of the width of the payload
        (statuses, lists, sets, enums and hexadecimal types unsigned), pointers always uint64, counted bytes
        binary, GUIDs string; other text, addresses and SIDs dictionary<int32, string>; times int64.
    """
    label, wire = item.expression, layout_of(item).wire
    if wire.startswith("<"):
        return Scalar(label, _ARROW[wire[1:]], wire)
    match wire:
        case "pointer":
            return Scalar(label, pa.uint64(), "<u4" if pointer_size == 4 else "<u8", _pointers)
        case "ansi":
            return Terminated(label, 1, _values.ansi)
        case "utf-16":
            return Terminated(label, 2, _UTF16)
        case "counted ansi":
            return Counted(label, 1, _values.ansi)
        case "counted utf-16":
            return Counted(label, 1, _UTF16)
        case "counted bytes":
            return Counted(label, 1, None)
        case "sid":
            return Sid(label, _values.sid)
        case "guid":
            return Scalar(label, pa.string(), "16u1", _values.guids)
        case "port":
            return Scalar(label, pa.uint16(), ">u2", _values.ports)
    return _label(label, wire)


def _label(label: str, wire: str) -> Column:
    """Make the reader of bytes of fixed size that are shown as text."""
    match wire:
        case "ipv4":
            return Label(label, 4, _values.ipv4)
        case "ipv6":
            return Label(label, 16, _values.ipv6)
        case "mac":
            return Label(label, 6, _mac)
        case "char4":
            return Label(label, 4, _four_characters)
    return Unknown(label)


def _pointers(values: npt.NDArray[Any]) -> pa.Array:
    return from_numpy(values.astype("<u8", copy=False), pa.uint64())


def _mac(raw: bytes) -> str:
    return raw.hex("-").upper()


def _four_characters(raw: bytes) -> str:
    """Show a tag; what is no printable ASCII becomes a dot."""
    return "".join(chr(each) if 0x20 <= each < 0x7F else "." for each in raw)
