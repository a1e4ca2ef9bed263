"""Finds leaked, twice-released and used-after-release filter contexts in captured ETW traces.

The public names are loaded when they are first used, so that ``import tracecheck`` costs nothing::

    import tracecheck

    capture = tracecheck.open("capture.etl")
    print(capture.verdict.word, len(capture.findings))
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tracecheck.capture import Analysis, Verdict, analyse
    from tracecheck.errors import InputError, TracecheckError, UsageError
    from tracecheck.etl import open_log
    from tracecheck.notebook.capture import Capture, open  # noqa: A004 - used as tracecheck.open
    from tracecheck.notebook.many import Captures, open_many

    __version__: str

__all__ = [
    "Analysis",
    "Capture",
    "Captures",
    "InputError",
    "TracecheckError",
    "UsageError",
    "Verdict",
    "__version__",
    "analyse",
    "open",
    "open_log",
    "open_many",
]

_HOMES = {
    "Analysis": "tracecheck.capture",
    "Capture": "tracecheck.notebook.capture",
    "Captures": "tracecheck.notebook.many",
    "InputError": "tracecheck.errors",
    "TracecheckError": "tracecheck.errors",
    "UsageError": "tracecheck.errors",
    "Verdict": "tracecheck.capture",
    "analyse": "tracecheck.capture",
    "open": "tracecheck.notebook.capture",
    "open_log": "tracecheck.etl",
    "open_many": "tracecheck.notebook.many",
}


def __getattr__(name: str) -> object:
    from importlib import import_module

    if name == "__version__":
        return import_module("tracecheck.version").version()
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'tracecheck' has no attribute {name!r}")
