"""What the extra ``notebook`` brings: each of its libraries has one door, which says how to get it."""

from __future__ import annotations

from tracecheck.errors import UsageError

ADVICE = 'pip install "tracecheck[notebook]"'


class MissingExtraError(UsageError):
    """A library that only notebooks need is not installed."""

    def __init__(self, what: str, library: str) -> None:
        super().__init__(f"{what} needs {library}: {ADVICE}")
