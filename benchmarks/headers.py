"""Headers to columns, whole process: tracecheck against dissect.etl, etl-parser and a plain C walk.

    python benchmarks/headers.py TRACE... [--megabytes 200] [--runs 5]

Each TRACE is an uncompressed .etl file. It is measured as it is against the two Python readers, and then,
its buffers repeated to the given size, against dissect.etl and the C walk (where there is a compiler).
"""

from __future__ import annotations

import argparse
import shutil
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

from measure import Timed, machine, measure, table

_BUFFERS_WRITTEN = 0x48 + 32 + 36

# Each program reads every record's header: time, provider, process, thread and where its payload lies.
OURS = """
import sys
from tracecheck.etl import open_log
with open_log(sys.argv[1]) as log:
    print(sum(len(chunk.records) for chunk in log.chunks()))
"""
DISSECT = """
import sys
from dissect.etl import ETL
columns = {name: [] for name in ("time_delta", "provider_id", "process_id", "thread_id", "payload", "marker")}
with open(sys.argv[1], "rb") as file:
    for record in ETL(file):
        header = record.header
        header.header
        for name, column in columns.items():
            column.append(getattr(header, name, None))
print(len(columns["marker"]))
"""
ETL_PARSER = """
import sys, warnings
warnings.simplefilter("ignore")
from etl.etl import IEtlFileObserver, build_from_stream
class Count(IEtlFileObserver):
    events = 0
    def seen(self, *_): self.events += 1
    on_event_record = on_trace_record = on_system_trace = on_perfinfo_trace = on_win_trace = seen
count = Count()
with open(sys.argv[1], "rb") as file:
    build_from_stream(file.read()).parse(count)
print(count.events)
"""


def main() -> None:
    """Measure every trace and print Markdown."""
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("traces", nargs="+", type=Path)
    arguments.add_argument("--megabytes", type=int, default=200)
    arguments.add_argument("--runs", type=int, default=5)
    given = arguments.parse_args()
    print(f"Measured on {machine()}.\n")
    with tempfile.TemporaryDirectory() as folder:
        walk = _compiled(Path(folder))
        for trace in given.traces:
            print(_small(trace, given.runs), end="\n\n")
            large = _repeated(trace, Path(folder) / "large.etl", given.megabytes)
            print(_large(trace, large, walk, given.runs), end="\n\n", flush=True)


def _small(trace: Path, runs: int) -> str:
    """Measure the trace as it is."""
    commands = [
        Timed("tracecheck", [sys.executable, "-c", OURS, str(trace)], runs),
        Timed("dissect.etl", [sys.executable, "-c", DISSECT, str(trace)], runs),
        Timed("etl-parser", [sys.executable, "-c", ETL_PARSER, str(trace)], 1),
    ]
    measure(commands)
    records = int(commands[0].output)
    return table(
        f"{trace.name}, {trace.stat().st_size / 1e6:.1f} MB, {records:,} records",
        commands,
        records,
        "records",
    )


def _large(trace: Path, large: Path, walk: Path | None, runs: int) -> str:
    """Measure its buffers repeated."""
    commands = [Timed("tracecheck", [sys.executable, "-c", OURS, str(large)], runs)]
    if walk:
        commands.append(Timed("plain C walk", [str(walk), str(large)], runs))
    commands.append(Timed("dissect.etl", [sys.executable, "-c", DISSECT, str(large)], 1))
    measure(commands)
    records = int(commands[0].output)
    megabytes = large.stat().st_size / 1e6
    return table(
        f"{trace.name} repeated to {megabytes:.0f} MB, {records:,} records", commands, records, "records"
    )


def _repeated(trace: Path, to: Path, megabytes: int) -> Path:
    """Repeat a trace's buffers behind its first one until the file is large."""
    data = bytearray(trace.read_bytes())
    (size,) = struct.unpack_from("<I", data)
    times = -(-(megabytes << 20) // (len(data) - size))
    # dissect.etl reads as many buffers as the header says were written (BuffersWritten).
    struct.pack_into("<I", data, _BUFFERS_WRITTEN, 1 + times * ((len(data) - size) // size))
    with to.open("wb") as file:
        file.write(data[:size])
        for _ in range(times):
            file.write(data[size:])
    return to


def _compiled(folder: Path) -> Path | None:
    """Compile the C walk, where there is a compiler."""
    compiler = shutil.which("cc")
    if compiler is None:
        return None
    walk = folder / "walk"
    subprocess.run([compiler, "-O2", "-o", str(walk), str(Path(__file__).parent / "walk.c")], check=True)
    return walk


if __name__ == "__main__":
    main()
