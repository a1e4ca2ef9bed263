r"""The drivers' messages: what a developer would write at each call site, in a form that stays regular.

    SimPreRead: FltGetStreamContext(Instance=%p FileObject=%p Stream=%p) -> %!STATUS! Context=%p Irql=...

First the function, then the routine with what goes in, behind the arrow the result and what comes out, at
the end where the call ran. Every argument has the name of its canonical field in front of it, but for the
status; the context that a FltSet routine takes is ``NewContext``. WPP keeps the arguments as they are;
all other forms print the message.

What no message says: ``File`` and ``Line`` (WPP keeps them in the definition's symbol) and ``Sequence``
(WPP keeps it in the record's header).
"""

from __future__ import annotations

import struct
from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple

from tracecheck.simulate.forms.arguments import Argument, argument, encode
from tracecheck.simulate.sites import FILES, OTHER_FILE, SITES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tracecheck.simulate.sites import Site

_MEMBERS = ("Volume", "Instance", "File", "Stream", "StreamHandle", "Transaction", "Section")
_MEMBER_FIELDS = tuple(f"{name}Context" for name in _MEMBERS)

#: What goes in, in the order of the parentheses.
_INPUTS = (
    *("RegistryPath", "Version", "Coverage", "Filter", "Instance", "Volume", "FileObject", "Stream"),
    *("Transaction", "Operation", "OldRequested", "DesiredContexts", "ContextType", "Size", "PoolType"),
    *("PoolTag", "Context", "OwnerId", "InstanceId", "FreeCallback", *_MEMBER_FIELDS),
)
#: What comes out, where the routine hands it out.
_OUTPUTS = ("Context", "OldContext", "SectionHandle", "SectionObject", *_MEMBER_FIELDS)
_TAIL = (
    "Irql",
    "MajorFunction",
    "Phase",
    "PagingFile",
    "Time",
    "ProcessId",
    "ThreadId",
    "Processor",
    "Begin",
)

#: Lines at which one call site of the table has a paging file and another one has not.
_PAGING = {(site.function, site.line) for site in SITES.values() if site.paging}


class Part(NamedTuple):
    """An argument in a message: the text before it, its canonical field, and how that is logged."""

    before: str
    name: str
    kind: Argument


class Message:
    """A message of one call site.

    Args:
        site: The call site.
        driver: The driver's name.
        varying: The canonical fields that change, in the order of the values.
        fixed: The canonical fields that do not, and their values.
        pointer_size: 4 or 8.

    Attributes:
        function: The function it is in, "" for none.
        file: The source file.
        parts: The arguments, in the order of the text and of a WPP payload.
        end: The text behind the last argument.
    """

    def __init__(
        self,
        site: Site,
        driver: str,
        varying: Sequence[str],
        fixed: Mapping[str, int | str],
        pointer_size: int,
    ) -> None:
        self.site = site
        self.function = str(fixed.get("Function", ""))
        self.file = FILES.get(site.function, OTHER_FILE) if site.function else FILES["DriverEntry"]
        constants = {name: value for name, value in fixed.items() if name not in ("Function", "File", "Line")}
        if (site.function, site.line) in _PAGING:
            constants.setdefault("PagingFile", 0)
        if site.routine == "FltRegisterFilter" and "Status" in varying:
            constants["RegistryPath"] = rf"\REGISTRY\MACHINE\SYSTEM\ControlSet001\Services\{driver}"
        names = [*varying, *constants]
        self._constants = tuple(constants.values())
        self.parts, self.end = _lay_out(site.routine, names, pointer_size)
        self._order = [names.index(part.name) for part in self.parts]

    def packer(self) -> Callable[..., bytes]:
        """Give the function that packs the values of an event as a WPP payload."""
        kinds = [part.kind for part in self.parts]
        order, constants = self._order, self._constants
        if all(kind.code for kind in kinds) and len(order) > 1:
            pick = itemgetter(*order)
            pack = struct.Struct("<" + "".join(kind.code for kind in kinds)).pack
            return lambda *values: pack(*pick(values + constants))

        def slow(*values: int | str) -> bytes:
            every = values + constants
            return b"".join(encode(kind, every[at]) for kind, at in zip(kinds, order, strict=True))

        return slow

    def printer(self) -> Callable[..., str]:
        """Give the function that prints the message of an event, as tracefmt would."""
        head = f"{self.function}: " if self.function else ""
        template = head + "".join(part.before + part.kind.text for part in self.parts) + self.end
        shows = [(part.kind.show, at) for part, at in zip(self.parts, self._order, strict=True)]
        constants = self._constants

        def text(*values: int | str) -> str:
            every = values + constants
            return template % tuple(show(every[at]) if show else every[at] for show, at in shows)  # type: ignore[arg-type]

        return text


def _lay_out(routine: str, names: Sequence[str], pointer_size: int) -> tuple[list[Part], str]:
    """Order the fields of a message: its arguments and the text behind the last one."""
    given = {name for name in names if name not in _outputs(routine)}
    parts: list[Part] = []

    def add(before: str, name: str) -> None:
        kind = argument(name, routine, pointer_size)
        parts.append(Part(before + kind.prefix, name, kind))

    between = f"{routine}("
    for name in (name for name in _INPUTS if name in given):
        label = "NewContext" if name == "Context" and routine.startswith("FltSet") else name
        add(f"{between}{label}=", name)
        between = " "
    end = ")" if parts else f"{routine}()"
    out = [name for name in _OUTPUTS if name in names and name not in given]
    if "Status" in names or out:
        end += " ->"
    if "Status" in names:
        add(f"{end} ", "Status")
        end = ""
    for name in (*out, *(name for name in _TAIL if name in names)):
        add(f"{end} {name}=", name)
        end = ""
    return parts, end


def _outputs(routine: str) -> tuple[str, ...]:
    """Name what a routine hands out rather than takes."""
    if routine.startswith(("FltGet", "FltAllocate", "ExAllocate", "FsRtlLookup", "FsRtlRemove")):
        return _OUTPUTS
    return ("OldContext", "SectionHandle", "SectionObject")
