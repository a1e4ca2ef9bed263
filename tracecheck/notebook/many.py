"""Many captures at once: each in a process that may die without harm to the others."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from queue import SimpleQueue
from typing import IO, TYPE_CHECKING, Any

import pyarrow as pa

from tracecheck.errors import UsageError
from tracecheck.notebook.capture import Reading, listed
from tracecheck.notebook.cells import table_html
from tracecheck.notebook.table import SHOWN, Table
from tracecheck.notebook.worker import receive
from tracecheck.reporters.common import CONFIDENCES, SEVERITIES, count
from tracecheck.rules import FINDINGS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from os import PathLike

    from tracecheck.notebook.capture import Paths

_COUNTS = ("records", "operations", "contexts", *(f"{name}s" for name in SEVERITIES), *CONFIDENCES)

#: A row is a capture. All but ``path`` is null where it could not be read, and ``error`` says why; else
#: ``error`` is null, and ``rules`` where nothing was found. ``definite``, ``probable``, ``possible`` and
#: ``rules`` count errors and warnings, not notes. ``losses`` counts the stretches in which events are
#: missing, ``lost`` the events that are known to be.
CAPTURES = pa.schema(
    [
        pa.field("path", pa.string(), nullable=False),
        pa.field("verdict", pa.string()),
        *(pa.field(name, pa.uint64()) for name in _COUNTS),
        pa.field("rules", pa.map_(pa.string(), pa.uint64())),
        pa.field("losses", pa.uint64()),
        pa.field("lost", pa.uint64()),
        pa.field("error", pa.string()),
    ]
)

#: A row is a finding: which capture it is of, and the columns of :data:`tracecheck.rules.FINDINGS`.
MANY_FINDINGS = pa.schema([pa.field("capture", pa.string(), nullable=False), *FINDINGS])

# The process finds the package where this one did, and reads nothing else that stands about.
_PROGRAM = """
import json, sys
sys.path[:] = json.loads(sys.argv[1])
from tracecheck.notebook.worker import main
main()
"""
_SHOWN_COLUMNS = ["path", "verdict", "errors", "warnings", *CONFIDENCES, "lost", "error"]


@dataclass(frozen=True)
class Captures:
    """What many captures gave.

    Attributes:
        captures: A row for each, in the order in which they were named; :data:`CAPTURES`.
        findings: The findings of all; :data:`MANY_FINDINGS`.
    """

    captures: Table
    findings: Table

    def __len__(self) -> int:
        return len(self.captures)

    def __repr__(self) -> str:
        return f"<{count(len(self), 'capture')}, {count(len(self.findings), 'finding')}>"

    def _repr_html_(self) -> str:
        size = count(len(self), "capture") + (f", the first {SHOWN} shown" if len(self) > SHOWN else "")
        shown = self.captures.to_arrow().select(_SHOWN_COLUMNS).slice(0, SHOWN)
        return table_html(shown, f"{count(len(self.findings), 'finding')} in", size)


def open_many(
    paths: Iterable[str | PathLike[str]],
    *,
    jobs: int | None = None,
    profiles: Paths = (),
    tmf: Paths = (),
    pdb: Paths = (),
    symbols: Paths = (),
    manifest: Paths = (),
    input_form: str = "auto",
    prefix: str | None = None,
) -> Captures:
    """Read and judge many captures, each on its own, in processes of this machine.

    Only findings and a row of counts come back; what else a capture holds is gone when the next one is read,
    so that memory does not grow with their number.

    Args:
        paths: The captures, each one file.
        jobs: How many are read at once; None for as many as there are processors.
        profiles: As :func:`tracecheck.open` takes it, and so are all that follow.
        tmf: TMF files or folders.
        pdb: PDBs or object files.
        symbols: Folders or stores of symbols.
        manifest: Manifests or folders of them.
        input_form: What the captures are.
        prefix: The prefix of tracefmt's logs.

    Returns:
        The captures' rows and findings. A capture that can't be read, or whose process died, is a row with
        its error.

    Raises:
        UsageError: ``paths`` is a single path, or ``jobs`` is less than one.
    """
    if isinstance(paths, str | os.PathLike):
        raise UsageError(f"{os.fspath(paths)}: open_many takes a list of captures, and open takes one")
    if jobs is not None and jobs < 1:
        raise UsageError(f"jobs is {jobs}; at least one process has to read")
    names = listed(list(paths))
    reading = Reading.of(
        input_form, prefix, profiles=profiles, tmf=tmf, pdb=pdb, symbols=symbols, manifest=manifest
    )
    number = max(1, min(jobs or _processors(), len(names)))
    results = _read_all(names, reading, number)
    rows = [_row(name, row) for name, (row, _) in zip(names, results, strict=True)]
    tables = [_named(_text(name), found) for name, (_, found) in zip(names, results, strict=True)]
    return Captures(
        Table(pa.Table.from_pylist(rows, CAPTURES), "captures"),
        Table(pa.concat_tables([MANY_FINDINGS.empty_table(), *tables]), "findings"),
    )


def _read_all(paths: Sequence[str], reading: Reading, number: int) -> list[tuple[dict[str, Any], pa.Table]]:
    """Read captures in some processes, each of which has a thread here that waits for it."""
    idle: SimpleQueue[_Worker] = SimpleQueue()
    workers = [_Worker(reading) for _ in range(number)]
    for worker in workers:
        idle.put(worker)

    def read(path: str) -> tuple[dict[str, Any], pa.Table]:
        worker = idle.get()
        try:
            return worker.read(path)
        finally:
            idle.put(worker)

    pool = ThreadPoolExecutor(number)
    try:
        return list(pool.map(read, paths))
    finally:
        # Also where the user interrupts: nothing is left running.
        pool.shutdown(wait=False, cancel_futures=True)
        for worker in workers:
            worker.stop()


class _Worker:
    """A process that reads captures; it is started when it is first needed, and again when it has died."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading.to_json()
        self._process: subprocess.Popen[bytes] | None = None
        self._is_over = False

    def read(self, path: str) -> tuple[dict[str, Any], pa.Table]:
        """Let it read one capture."""
        process = self._started()
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(json.dumps({"path": path, "reading": self._reading}).encode() + b"\n")
            process.stdin.flush()
            row, stream = receive(process.stdout), receive(process.stdout)  # type: ignore[arg-type]
        except (OSError, EOFError, ValueError):
            self.stop(over=False)
            return {"error": f"{path}: {_death(process.returncode)}"}, FINDINGS.empty_table()
        return json.loads(row), pa.ipc.open_stream(io.BytesIO(stream)).read_all()

    def stop(self, *, over: bool = True) -> None:
        """End the process; for good where the work is over."""
        self._is_over = over
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                _close(pipe)

    def _started(self) -> subprocess.Popen[bytes]:
        if self._is_over:
            raise UsageError("the work was interrupted")
        if self._process is None:
            self._process = subprocess.Popen(  # noqa: S603 - this very interpreter
                [sys.executable, "-I", "-c", _PROGRAM, json.dumps(sys.path)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
        return self._process


def _close(pipe: IO[bytes]) -> None:
    try:
        pipe.close()
    except OSError:
        # What was not sent is for nobody.
        return


def _death(code: int) -> str:
    how = f"signal {-code}; it may have run out of memory" if code < 0 else f"exit code {code}"
    return f"the process that read it died ({how})"


def _processors() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _row(name: str, row: dict[str, Any]) -> dict[str, Any]:
    """Give a row as Arrow takes it."""
    texts = {key: _text(value) for key, value in row.items() if isinstance(value, str)}
    return {
        "path": _text(name),
        **row,
        **texts,
        "rules": [tuple(pair) for pair in row.get("rules", ())] or None,
    }


def _text(text: str) -> str:
    """Make what the name of a file can be, and text cannot, visible."""
    return text.encode("utf-8", "backslashreplace").decode()


def _named(name: str, findings: pa.Table) -> pa.Table:
    """Put the capture before its findings."""
    column = pa.repeat(name, findings.num_rows).cast(pa.string())
    return pa.Table.from_arrays([column, *findings.columns], schema=MANY_FINDINGS)
