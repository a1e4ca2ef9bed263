"""DbgPrint lines in a kernel trace: the driver prints its messages, and the kernel logger takes them down.

The record is group 0xA, type 0x20 (EVENT_TRACE_FLAG_DBGPRINT), of class DbgPrintGuid: the component, the
level, and the line with its line end as an ANSI string with NUL.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from tracecheck.simulate.forms.messages import Message
from tracecheck.simulate.forms.shape import Shape

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tracecheck.etl.writer import LogWriter
    from tracecheck.simulate.forms.shape import Style
    from tracecheck.simulate.machine import Thread
    from tracecheck.simulate.sites import Site

DBGPRINT_GROUP = 0xA
DBGPRINT_TYPE = 0x20
COMPONENT = 77  # DPFLTR_IHVDRIVER_ID
LEVEL = 3  # DPFLTR_INFO_LEVEL


class DbgPrintForm:
    """Writes DbgPrint records.

    Args:
        writer: Makes the file.
        style: What is logged and how.
    """

    def __init__(self, writer: LogWriter, style: Style) -> None:
        self._writer = writer
        self._pointer_size = style.pointer_size

    def shape(self, site: Site, driver: str, varying: Sequence[str], fixed: Mapping[str, int | str]) -> Shape:
        """Settle what events of a call site look like."""
        text = Message(site, driver, varying, fixed, self._pointer_size).printer()
        write = self._writer.system
        head = struct.pack("<II", COMPONENT, LEVEL)

        def put(thread: Thread, tick: int, payload: bytes, number: int) -> None:  # noqa: ARG001
            write(
                thread.cpu,
                tick,
                group=DBGPRINT_GROUP,
                opcode=DBGPRINT_TYPE,
                pid=thread.pid,
                tid=thread.tid,
                payload=payload,
            )

        return Shape(site, lambda *values: b"%b%b\n\0" % (head, text(*values).encode()), put)

    def beside(self) -> str:
        """Give nothing: the lines are text."""
        return ""
