"""Reading the small text files that say which findings count."""

from __future__ import annotations

from pathlib import Path

from tracecheck.errors import InputError
from tracecheck.payload.files import require_regular


def read_text(path: Path, largest: int, what: str) -> str:
    """Read a file of UTF-8 text, with a byte order mark or without.

    Args:
        path: The file. What has no end or may never begin (a device, a pipe) is refused.
        largest: How many bytes it may have.
        what: What it is to be, as messages call it.

    Raises:
        InputError: It is no such file.
    """
    try:
        require_regular(path)
        with path.open("rb") as file:
            raw = file.read(largest + 1)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        # A name with a NUL.
        raise InputError(f"{path}: cannot be read: {error}") from error
    if len(raw) > largest:
        raise InputError(f"{path}: is too large for {what}")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: is no UTF-8 text (byte {error.start:,})") from error
