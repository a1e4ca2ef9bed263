"""Text logs: what tracefmt, DebugView and kernel debuggers left of a driver's messages."""

from __future__ import annotations

from tracecheck.payload.text.detect import detect
from tracecheck.payload.text.forms import FORM_NAMES, Form, LogQuality, form_of
from tracecheck.payload.text.opening import open_capture
from tracecheck.payload.text.reader import Lines, TextLog, read_lines

__all__ = [
    "FORM_NAMES",
    "Form",
    "Lines",
    "LogQuality",
    "TextLog",
    "detect",
    "form_of",
    "open_capture",
    "read_lines",
]
