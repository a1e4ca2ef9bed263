"""Texts of values as logs have them, to numbers: statuses, types, addresses, flags."""

from __future__ import annotations

import re

from tracecheck.fltmgr import TYPE_NAMES
from tracecheck.fltmgr.status import KEEP_IF_EXISTS, REPLACE_IF_EXISTS, STATUS_NAMES

#: What a driver that says only that a call failed leaves open: STATUS_UNSUCCESSFUL.
UNSUCCESSFUL = 0xC0000001

_MASK64 = (1 << 64) - 1
_LONGEST = 64
_STATUS_WORD = re.compile(r"\b(?:STATUS|RPC_NT|DBG)_\w+")
_HEX = re.compile(r"(?:0[xX])?([0-9a-fA-F]{1,16})(?![0-9a-zA-Z_])")
_NAMED = re.compile(r"(0[xX][0-9a-fA-F]{1,16})\s*\(.*\)")
_DECIMAL = re.compile(r"[-+]?\d{1,20}")
_NULLS = frozenset({"(null)", "null", "<null>", "(nil)", "null_context", "nullptr"})
_TYPES = {name.lower(): int(kind) for kind, name in TYPE_NAMES.items()}
_OPERATIONS = {"keepifexists": KEEP_IF_EXISTS, "replaceifexists": REPLACE_IF_EXISTS}
_TRUTHS = {"true": 1, "yes": 1, "false": 0, "no": 0}


def status(text: str) -> int | None:
    """Read an NTSTATUS: ``0xc0000034``, ``C0000034``, ``-1073741772``, ``STATUS_X``, ``0x..(STATUS_X)``."""
    text = text[:_LONGEST].strip()
    if _DECIMAL.fullmatch(text) and text.startswith(("-", "+")):
        return int(text) & 0xFFFFFFFF
    match = _HEX.match(text)
    if match is not None:
        return int(match[1], 16) & 0xFFFFFFFF
    word = _STATUS_WORD.search(text)
    return None if word is None else _named_status(word[0])


def pointer(text: str) -> int | None:
    """Read an address: hexadecimal with or without 0x, with WinDbg's backtick, or a word for NULL."""
    text = text[:_LONGEST].strip()
    if text.lower() in _NULLS:
        return 0
    match = _HEX.fullmatch(text.replace("`", ""))
    return None if match is None else int(match[1], 16)


def number(text: str) -> int | None:
    """Read a number: decimal, hexadecimal behind 0x or with such digits, ``0x2(DPC)``, true, false."""
    text = text[:_LONGEST].strip()
    named = _NAMED.fullmatch(text)
    if named is not None:
        return int(named[1], 16)
    if text.lower() in _TRUTHS:
        return _TRUTHS[text.lower()]
    if _DECIMAL.fullmatch(text):
        return int(text) & _MASK64
    match = _HEX.fullmatch(text)
    return None if match is None else int(match[1], 16)


def context_type(text: str) -> int | None:
    """Read a context type: a number, ``FILE``, ``stream handle`` or ``[FLT_FILE_CONTEXT]``."""
    word = re.sub(r"[][\s_-]", "", text[:_LONGEST]).lower().removeprefix("flt").removesuffix("context")
    return _TYPES[word] if word in _TYPES else number(text)


def operation(text: str) -> int | None:
    """Read an FLT_SET_CONTEXT_OPERATION: a number, or ``keep_if_exists`` with or without its prefix."""
    word = re.sub(r"[\s_-]", "", text[:_LONGEST]).lower().removeprefix("fltsetcontext")
    return _OPERATIONS[word] if word in _OPERATIONS else number(text)


def pool_tag(text: str) -> int | None:
    """Read a pool tag: four characters, the first in the lowest byte, or a number behind 0x."""
    if 0 < len(text) <= 4 and text.isascii():
        return int.from_bytes(text.encode("ascii").ljust(4), "little")
    return number(text) if text.lower().startswith("0x") else None


def of_base(text: str, base: int) -> int | None:
    """Read the digits that a conversion of printf has written."""
    try:
        value: int = int(text.strip().replace("`", "").replace("_", "?"), base)
    except ValueError:
        return None
    return value & _MASK64


def _named_status(name: str) -> int | None:
    for value, known in STATUS_NAMES.items():
        if known == name:
            return int(value)
    # Thousands of names: read only for a log that writes others than those of the context routines.
    from tracecheck.payload.wpp.names import code_names

    return next((value for value, known in code_names("ntstatus").items() if known == name), None)


#: How a text is read, by what it is; everything else is a number.
READERS = {
    "status": status,
    "context_type": context_type,
    "operation": operation,
    "pool_tag": pool_tag,
}
