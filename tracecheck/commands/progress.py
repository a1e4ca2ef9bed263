"""Progress on stderr, for work that takes long before a person."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.progress import Progress

_SHORT = 1.0


@contextmanager
def progress(label: str, quiet: bool) -> Iterator[Callable[[int, int], None] | None]:
    """Show a bar once the work has taken a second and stderr is a terminal.

    Args:
        label: What is being done.
        quiet: Show nothing in any case.

    Yields:
        What the work calls with (bytes done, bytes in all); None where nobody is watching.
    """
    if quiet or sys.stderr is None or not sys.stderr.isatty():
        yield None
        return
    bar = _Bar(label)
    try:
        yield bar.advance
    finally:
        bar.close()


class _Bar:
    """A rich bar that is made late: most work is over before one could be read."""

    def __init__(self, label: str) -> None:
        self._label = label
        self._due = time.monotonic() + _SHORT
        self._progress: Progress | None = None

    def advance(self, done: int, total: int) -> None:
        from rich.console import Console
        from rich.progress import Progress

        if self._progress is None:
            if time.monotonic() < self._due:
                return
            self._progress = Progress(console=Console(stderr=True), transient=True)
            self._task = self._progress.add_task(self._label, total=total)
            self._progress.start()
        self._progress.update(self._task, completed=done, total=total)

    def close(self) -> None:
        if self._progress is not None:
            self._progress.stop()
