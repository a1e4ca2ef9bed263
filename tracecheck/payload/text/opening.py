"""Opening a capture of any form: an .etl file or a text log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracecheck.errors import InputError
from tracecheck.etl.reader import Log, is_log, open_file, open_log
from tracecheck.payload.text.detect import HEAD, described, detect, looks_like_text
from tracecheck.payload.text.reader import TextLog

if TYPE_CHECKING:
    from pathlib import Path

#: What the form of a capture can be said to be, beside a text log's.
AUTO, ETL = "auto", "etl"


def open_capture(path: str | Path, name: str = AUTO, prefix: str = "") -> Log | TextLog:
    """Open a capture.

    Args:
        path: Where the file is.
        name: "auto", "etl" or one of :data:`~tracecheck.payload.text.forms.FORM_NAMES`.
        prefix: The TRACE_FORMAT_PREFIX that tracefmt had; "" for its default.

    Raises:
        InputError: The file cannot be opened, or is not what ``name`` says.
    """
    if name == ETL:
        return open_log(path)
    head = _head(str(path))
    if name != AUTO:
        if is_log(head) or not looks_like_text(head):
            what = "an .etl file" if is_log(head) else "empty" if not head else "no text"
            raise InputError(f"{path}: is {what}, no {name} log; leave out --input")
        return TextLog(path, described(head, name, prefix))
    form = None if is_log(head) else detect(head, prefix)
    if form is not None:
        return TextLog(path, form)
    try:
        return open_log(path)
    except InputError as error:
        if not looks_like_text(head):
            raise
        raise InputError(f"{error}; if it is a log of text, say of which form with --input") from None


def _head(path: str) -> bytes:
    with open_file(path) as file:
        try:
            return file.read(HEAD)
        except OSError as error:
            raise InputError(f"{path}: cannot be read: {error.strerror}") from error
