"""Finds leaked, twice-released and used-after-release filter contexts in captured ETW traces.

The public names are loaded when they are first used, so that ``import tracecheck`` costs nothing::

    import tracecheck

    analysis = tracecheck.analyse(["capture.etl"])
    print(analysis.verdict.word, analysis.findings.num_rows)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tracecheck.capture import Analysis, Verdict, analyse
    from tracecheck.errors import InputError, TracecheckError, UsageError
    from tracecheck.etl import open_log

    __version__: str

__all__ = [
    "Analysis",
    "InputError",
    "TracecheckError",
    "UsageError",
    "Verdict",
    "__version__",
    "analyse",
    "open_log",
]

_HOMES = {
    "Analysis": "tracecheck.capture",
    "InputError": "tracecheck.errors",
    "TracecheckError": "tracecheck.errors",
    "UsageError": "tracecheck.errors",
    "Verdict": "tracecheck.capture",
    "analyse": "tracecheck.capture",
    "open_log": "tracecheck.etl",
}


def __getattr__(name: str) -> object:
    from importlib import import_module

    if name == "__version__":
        return import_module("tracecheck.version").version()
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'tracecheck' has no attribute {name!r}")
