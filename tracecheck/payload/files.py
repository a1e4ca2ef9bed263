"""Files that are read beside a capture: definitions, symbols, caches."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracecheck.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path


def require_regular(path: Path) -> None:
    """Refuse what is no regular file: a pipe would be waited for, and a device has no end.

    Args:
        path: Where the file is.

    Raises:
        InputError: It is a pipe, a device, a socket or a directory.
        OSError: It can't be looked at.
    """
    # Path.is_file hides the reason why a file can't be looked at.
    path.stat()
    if not path.is_file():
        raise InputError(f"{path}: is no regular file; copy it to one first")
