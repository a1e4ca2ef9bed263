"""The process that reads captures for `open_many`, one after the other: a line in, a result out.

A result is eight bytes of length, a row as JSON, eight bytes of length, and the findings as an Arrow stream.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from typing import TYPE_CHECKING, Any, BinaryIO

import pyarrow as pa

from tracecheck.errors import TracecheckError
from tracecheck.notebook.capture import Reading
from tracecheck.reporters.common import CONFIDENCES, SEVERITIES
from tracecheck.rules import FINDINGS

if TYPE_CHECKING:
    from tracecheck.capture import Analysis

LENGTH = 8


def main() -> None:
    """Answer each line of the standard input, ``{"path": …, "reading": {…}}``, until it ends."""
    output = sys.stdout.buffer
    # What a library prints must not get between the results.
    sys.stdout = sys.stderr
    for line in sys.stdin.buffer:
        asked = json.loads(line)
        for part in answer(asked["path"], Reading(**_tuples(asked["reading"]))):
            send(output, part)
        output.flush()


def answer(path: str, reading: Reading) -> tuple[bytes, bytes]:
    """Read and judge one capture.

    Args:
        path: The file.
        reading: How it is read.

    Returns:
        Its row, with ``error`` where it could not be read; and its findings.
    """
    findings = FINDINGS.empty_table()
    try:
        analysis = reading.analyse([path])
        row, findings = row_of(analysis), analysis.findings
    except TracecheckError as error:
        row = {"error": str(error)}
    except MemoryError:
        row = {"error": f"{path}: out of memory"}
    except Exception as error:  # noqa: BLE001 - one capture must not end the work on the others
        row = {"error": f"{path}: internal error: {type(error).__name__}: {error}"}
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, findings.schema) as writer:
        writer.write_table(findings)
    return json.dumps(row).encode(), sink.getvalue().to_pybytes()


def row_of(analysis: Analysis) -> dict[str, Any]:
    """Give the row of a capture that was read; confidences and rules are counted without notes."""
    columns = [analysis.findings.column(name).to_pylist() for name in ("severity", "confidence", "rule")]
    severities = Counter(columns[0])
    serious = [(sure, rule) for worst, sure, rule in zip(*columns, strict=True) if worst != "note"]
    confidences = Counter(sure for sure, _ in serious)
    counts = analysis.losses.column("count").to_pylist()
    units = analysis.losses.column("unit").to_pylist()
    lost = [
        number for number, unit in zip(counts, units, strict=True) if unit == "events" and number is not None
    ]
    return {
        "verdict": analysis.verdict.word,
        "records": analysis.records,
        "operations": analysis.operations.num_rows,
        "contexts": analysis.contexts.num_rows,
        **{f"{name}s": severities[name] for name in SEVERITIES},
        **{name: confidences[name] for name in CONFIDENCES},
        "rules": sorted(Counter(rule for _, rule in serious).items()),
        "losses": analysis.losses.num_rows,
        "lost": min(sum(lost), (1 << 64) - 1),
    }


def send(output: BinaryIO, part: bytes) -> None:
    """Write one part of a result."""
    output.write(len(part).to_bytes(LENGTH, "little") + part)


def receive(source: BinaryIO) -> bytes:
    """Read one part of a result.

    Raises:
        EOFError: The process has ended.
    """
    head = source.read(LENGTH)
    size = int.from_bytes(head, "little")
    part = source.read(size) if len(head) == LENGTH else b""
    if len(head) < LENGTH or len(part) < size:
        raise EOFError
    return part


def _tuples(reading: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in reading.items()}
