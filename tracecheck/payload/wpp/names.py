"""Names of status and error codes, from the tables beside this file.

The tables are facts of public headers and of [MS-ERREF]; where a value has several names, the first that
the header gives stands for it. Each is read when the first code of its kind is shown.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

_FOLDER = Path(__file__).with_name("codes")

# An HRESULT of FACILITY_WIN32 is a Win32 error in its low half.
_FACILITY_WIN32_ERROR = 0x8007


@cache
def code_names(table: str) -> dict[int, str]:
    """Read a table.

    Args:
        table: ``ntstatus``, ``hresult``, ``win32``, ``ndis_status`` or ``ndis_oid``.

    Returns:
        Names by value.
    """
    lines = (_FOLDER / f"{table}.txt").read_text(encoding="ascii").splitlines()
    pairs = [line.split() for line in lines if not line.startswith("#")]
    return {int(value, 16): name for value, name in pairs}


def hresult_name(value: int) -> str | None:
    """Name an HRESULT; one that wraps a Win32 error has that error's name, as tracefmt prints it."""
    if value >> 16 == _FACILITY_WIN32_ERROR:
        name = code_names("win32").get(value & 0xFFFF)
        if name is not None:
            return name
    return code_names("hresult").get(value)
