"""Where results go: a file, or a standard output that may be closed early or know few characters."""

from __future__ import annotations

import io
import os
import sys
from typing import TYPE_CHECKING, BinaryIO

import click

from tracecheck.errors import UsageError
from tracecheck.reporters.common import clean

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path


def emit(pieces: Iterable[str], output: Path | None, inputs: Sequence[str | Path]) -> None:
    """Write a result.

    Args:
        pieces: The text.
        output: The file to write; the standard output where None.
        inputs: The files that are read, which must not be overwritten.

    Raises:
        UsageError: The file can't be written, or is one of those that are read.
    """
    if output is None:
        _to_stdout(pieces)
        return
    encoded = (piece.encode("utf-8", "backslashreplace") for piece in pieces)
    emit_file(lambda file: file.writelines(encoded), output, inputs)


def emit_file(write: Callable[[BinaryIO], None], output: Path, inputs: Sequence[str | Path]) -> None:
    """Write a result to a file.

    Args:
        write: Writes to the open file.
        output: The file to write.
        inputs: The files that are read, which must not be overwritten.

    Raises:
        UsageError: The file can't be written, or is one of those that are read.
    """
    try:
        if any(_same_file(output, path) for path in inputs):
            raise UsageError(f"{output}: is one of the files that are read; choose another one for -o")
        with output.open("wb") as file:
            write(file)
    except OSError as error:
        raise UsageError(f"{output}: can't be written: {error.strerror or error}") from error
    click.echo(f"Wrote {clean(str(output))}", err=True)


def _same_file(output: Path, path: str | Path) -> bool:
    return output.exists() and os.path.exists(path) and output.samefile(path)  # noqa: PTH110 - may be a str


def _to_stdout(pieces: Iterable[str]) -> None:
    if sys.stdout is None:
        # The process was started without one: nobody can want the text, the exit code still tells.
        return
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A console of another code page must not end the run with an encoding error.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        sys.stdout.writelines(pieces)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader (`head`) has seen enough. The exit code is still that of the work, and the
        # interpreter's own flush at exit must find a file that takes what is left.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        raise UsageError(f"the standard output can't be written: {error.strerror or error}") from error
