"""The forms in which a simulated run can be written: one driver run, told in the ways that drivers log."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from tracecheck.errors import UsageError
from tracecheck.simulate.forms.dbgprint import DbgPrintForm
from tracecheck.simulate.forms.manifest import ManifestForm
from tracecheck.simulate.forms.text import (
    DebuggerForm,
    DebugViewForm,
    TextForm,
    TextLog,
    TracefmtCsvForm,
    TracefmtForm,
)
from tracecheck.simulate.forms.tracelogging import TraceLoggingForm
from tracecheck.simulate.forms.wpp import WppForm

if TYPE_CHECKING:
    from collections.abc import Set

    from tracecheck.simulate.forms.shape import Form

__all__ = ["FORMS", "FormKind", "TextForm", "TextLog", "check_form"]


class FormKind(NamedTuple):
    """What a form is.

    Attributes:
        text: What is written, in a line.
        make: Makes the form of its output and the style.
        event_size: About how many bytes of a log an event takes; 0 where the output is no .etl file.
        begins: Whether it says when calls started.
        numbers: Whether it numbers the events.
        beside: The ending of the file that a reader needs beside the capture, "" for none.
    """

    text: str
    make: Callable[..., Form]
    event_size: int = 0
    begins: bool = False
    numbers: bool = False
    beside: str = ""

    @property
    def is_etl(self) -> bool:
        """Whether the output is an .etl file."""
        return self.event_size > 0


#: Name of a form -> what it is.
FORMS: dict[str, FormKind] = {
    "tracelogging": FormKind("the canonical provider's events", TraceLoggingForm, 400, True, True),
    "wpp": FormKind("WPP messages, and their TMF file", WppForm, 108, True, True, ".tmf"),
    "manifest": FormKind("manifest events, and their manifest", ManifestForm, 200, True, True, ".man"),
    "dbgprint": FormKind("DbgPrint lines of the kernel logger", DbgPrintForm, 296),
    "tracefmt": FormKind("what tracefmt prints of WPP messages", TracefmtForm),
    "tracefmt-csv": FormKind("the same, comma-separated", TracefmtCsvForm, numbers=True),
    "debugview": FormKind("a log that DebugView saved", DebugViewForm),
    "kd": FormKind("a kernel debugger's log", DebuggerForm),
}

_NEED_ETL = frozenset({"lost-buffers", "circular", "flush", "relay", "skewed-clocks"})


def check_form(name: str, conditions: Set[str], compressed: bool, kernel_events: bool) -> None:
    """Check that a run can be written in a form.

    Args:
        name: The form.
        conditions: What befalls the capture.
        compressed: Whether buffers are compressed.
        kernel_events: Whether the kernel's events are wanted.

    Raises:
        UsageError: There is no such form, or what is asked for needs an .etl file; the text says which.
    """
    kind = FORMS.get(name)
    if kind is None:
        raise UsageError(f"no such form: {name}; there are {', '.join(FORMS)}")
    if kernel_events and "skewed-clocks" in conditions:
        raise UsageError("skewed-clocks: the kernel's events are simulated with one clock only")
    if kind.is_etl:
        return
    asked: dict[str, Any] = {"--compressed": compressed, "--kernel-events": kernel_events}
    wrong = sorted(conditions & _NEED_ETL) + [option for option, wanted in asked.items() if wanted]
    if wrong:
        raise UsageError(f"the form {name} is a text log, which can't have {', '.join(wrong)}")
