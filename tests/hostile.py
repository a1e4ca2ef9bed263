"""Files that lie, and the command line run on them: what the tests of bad input share."""

import contextlib
import io
import os
import signal
import struct
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

from tracecheck.cli import main
from tracecheck.etl.encode import buffer_header
from tracecheck.etl.layout import Ext
from tracecheck.etl.writer import LogWriter
from tracecheck.simulate.tracelogging import PROVIDER, Field, packer, schema, traits

SAMPLES = Path(__file__).resolve().parents[1] / "sample_traces"
HEADER_SIZE = 72
#: Where a log whose pointers have 8 bytes has the fields of its TRACE_LOGFILE_HEADER.
LOG_HEADER = HEADER_SIZE + 32
POINTER_SIZE = LOG_HEADER + 44
PERF_FREQ = LOG_HEADER + 256
START_TIME = LOG_HEADER + 264
CLOCK_TYPE = LOG_HEADER + 272
#: The smallest record there is: a WPP message without any option.
LEAST_RECORD = struct.pack("<HHHH", 8, 0x9000, 1, 0)
#: The fields that most calls here have.
CALL = (Field("Context", "hexint64"), Field("Status", "hexint32"), Field("Sequence", "uint64"))
_SECONDS = 20
_MEMORY = 8 << 30


class TooLongError(BaseException):
    """The work did not end in time; no ``except Exception`` may catch it."""


@contextlib.contextmanager
def deadline(seconds):
    """End what hangs, where the system can."""

    def give_up(_number, _frame):
        raise TooLongError

    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@dataclass(frozen=True)
class Outcome:
    """How a run of the command line ended."""

    code: int
    out: str
    err: str


def run(*arguments, seconds=_SECONDS):
    """Run the command line in this process; a bug of tracecheck is raised as it is, with its traceback."""
    out, err = io.StringIO(), io.StringIO()
    before = os.environ.get("TRACECHECK_TRACEBACK")
    os.environ["TRACECHECK_TRACEBACK"] = "1"
    try:
        with deadline(seconds), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main([str(argument) for argument in arguments])
    finally:
        if before is None:
            del os.environ["TRACECHECK_TRACEBACK"]
        else:
            os.environ["TRACECHECK_TRACEBACK"] = before
    return Outcome(code, out.getvalue(), err.getvalue())


def fair(outcome, *codes):
    """Hold a run against the rule for bad input, and give it back.

    One clear line and exit code 4, or what could be read and an exit code that says so.
    """
    assert outcome.code in (codes or (0, 1, 3, 4)), outcome
    if outcome.code == 4:
        assert outcome.out == ""
        assert outcome.err.count("\n") == 1
        assert outcome.err.startswith("tracecheck: error: ")
        assert len(outcome.err) > len("tracecheck: error: ") + 20
    for text in (outcome.out, outcome.err):
        assert "Traceback" not in text
        assert "internal error" not in text
        assert not [char for char in text if not char.isprintable() and char != "\n"]
    return outcome


def commands(path):
    """Give every command that reads a capture, in every format."""
    return [
        ["check", path],
        ["check", "--format", "json", path],
        ["info", path],
        ["info", "--format", "json", path],
        ["events", path],
        ["events", "--format", "jsonl", path],
        ["events", "--format", "csv", "--stacks", path],
        ["timeline", path, "0x10"],
        ["export", "--format", "speedscope", path],
        ["export", "--format", "collapsed", path],
        ["export", "--format", "chrome", path],
    ]


@dataclass(frozen=True)
class Process:
    """How a process of its own ended, and the most memory that it had, in megabytes."""

    code: int
    err: str
    megabytes: float


# ru_maxrss of a process also counts what it was forked from: the test's own process, with all that it holds.
_MEASURED = """
import pathlib, resource, sys
from tracecheck.cli import main
code = main(sys.argv[1:])
sys.stdout.flush()
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
status = pathlib.Path("/proc/self/status")
if status.exists():
    peak = int(status.read_text().partition("VmHWM:")[2].split()[0])
print(f"peak {peak}", file=sys.stderr)
sys.exit(code)
"""


def measured(*arguments, seconds=_SECONDS):
    """Run the command line in a process of its own, which may take some time and memory but not all."""
    done = subprocess.run(
        [sys.executable, "-c", _MEASURED, *map(str, arguments)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        timeout=seconds,
        check=False,
        preexec_fn=_bound_memory,
    )
    *lines, last = done.stderr.splitlines() or [""]
    assert last.startswith("peak "), done.stderr
    return Process(done.returncode, "\n".join(lines), int(last.split()[1]) / 1024)


def _bound_memory():
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))


def buffer(records=b"", *, size=None, used=None, fill=0, sequence=1, flags=0, kind=0, cpu=0, tick=1000):
    """Make a buffer around records; what it says of itself may be a lie.

    Args:
        records: What follows its header.
        size: BufferSize, where it is not the true one.
        used: Offset, where it is not the true one.
        fill: How many bytes to add behind the records.
        sequence: SequenceNumber.
        flags: BufferFlag.
        kind: BufferType.
        cpu: The processor.
        tick: TimeStamp.
    """
    true = HEADER_SIZE + len(records)
    head = buffer_header(
        true + fill if size is None else size,
        true if used is None else used,
        room=0,
        cpu=cpu,
        tick=tick,
        sequence=sequence,
        flags=flags,
        buffer_type=kind,
    )
    return head + records + b"\xff" * fill


def log_head(**settings):
    """Make the first buffer of a log, the one that holds the log file's header."""
    return LogWriter(**({"buffer_size": 4096} | settings)).to_bytes()


def records_of(writer):
    """Give the records that a writer with one open buffer has put into it."""
    data = writer.to_bytes()
    size = struct.unpack_from("<I", data)[0]
    used = struct.unpack_from("<I", data, size + 0x30)[0]
    return data[size + HEADER_SIZE : size + used]


def call(writer, tick, routine, values, *, fields=CALL, cpu=0, tid=1):
    """Write one event of the canonical provider."""
    raw_call(writer, tick, schema(routine, tuple(fields)), packer(tuple(fields))(*values), cpu=cpu, tid=tid)


def raw_call(writer, tick, description, payload, *, cpu=0, tid=1):
    """Write an event of the canonical provider with any bytes for its schema and payload."""
    items = ((Ext.PROV_TRAITS, traits("TraceCheck.FilterContexts")), (Ext.EVENT_SCHEMA_TL, description))
    writer.event(cpu, tick, pid=4, tid=tid, provider=PROVIDER, items=items, payload=payload)


def description(name, fields, size=None):
    """Make a TraceLogging schema from the bytes of its fields; ``size`` where it lies about its own."""
    body = b"\0" + name.encode() + b"\0" + fields
    return struct.pack("<H", len(body) + 2 if size is None else size) + body


def lives(writer, count, first=0x1000, tick=1000, sequence=1):
    """Write so many contexts that are allocated and released, and nothing wrong with any."""
    for i in range(count):
        call(writer, tick + 20 * i, "FltAllocateContext", (first + 16 * i, 0, sequence + 2 * i))
        call(writer, tick + 20 * i + 10, "FltReleaseContext", (first + 16 * i, 0, sequence + 2 * i + 1))


def patched(data, *changes):
    """Change some places of a file: (offset, bytes) each."""
    out = bytearray(data)
    for at, value in changes:
        out[at : at + len(value)] = value
    return bytes(out)


def packed_run(unit, size):
    """Pack ``size`` bytes that repeat ``unit`` (at most 16 bytes) as LZ-Xpress does: in a few bytes."""
    count = len(unit)
    flags = struct.pack("<I", (1 << 32 - count) - 1)
    match = struct.pack("<HBBHI", (count - 1) << 3 | 7, 0x0F, 0xFF, 0, size - count - 3)
    return flags + unit + match
