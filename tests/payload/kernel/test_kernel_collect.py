"""The collector keeps what is asked for, within bounds, whatever the capture holds."""

import struct
import subprocess
import sys

import kernel_logs as logs
import numpy as np
import pytest

from tracecheck.etl.reader import open_log
from tracecheck.etl.writer import append_logs
from tracecheck.payload.kernel import TABLES, Collector, _rows
from tracecheck.payload.kernel._rows import Rows


def collect(path, tables=None):
    """Collects a file."""
    with open_log(path) as log:
        collector = Collector(tables, log.header.pointer_size)
        for chunk in log.chunks(1 << 16):
            collector.add(chunk)
    return collector.finish()


class TestTables:
    """What is asked for."""

    def test_pool_and_debug_messages(self, tmp_path):
        """Rows hold where the record stands, whose it is and what it says; strings are kept once."""
        log = logs.new_log()
        for tick, opcode, entry in ((10, 0x20, 1), (20, 0x22, 1), (30, 0x21, 2)):
            payload = struct.pack("<I4sQQ", 512, b"CtxA", 96, entry)
            log.compact(1, tick, group=logs.POOL, opcode=opcode, pid=4, tid=8, payload=payload)
        log.system(0, 40, group=logs.DBGPRINT, opcode=0x20, pid=4, tid=8, payload=b"\1\0\0\0\2\0\0\0hello\0")
        logs.chunks(log, tmp_path)
        kernel = collect(tmp_path / "kernel.etl", ("pool", "dbgprint"))
        pool = kernel.pool.drop_columns(["time"]).to_pylist()
        assert [(row["tick"], row["event"], row["entry"]) for row in pool] == [
            (10, "Alloc", 1),
            (20, "Free", 1),
            (30, "AllocSession", 2),
        ]
        place = {"cpu": 1, "pid": 4, "tid": 8, "pool_type": 512, "tag": "CtxA", "size": 96}
        assert all(place.items() <= row.items() for row in pool)
        (message,) = kernel.dbgprint.drop_columns(["time", "record"]).to_pylist()
        assert message == {
            "tick": 40,
            "cpu": 0,
            "pid": 4,
            "tid": 8,
            "component": 1,
            "level": 2,
            "message": "hello",
        }

    def test_callbacks_know_their_position(self, tmp_path):
        """A callback's row says pre or post, call, return or failure, and the major function as a byte."""
        log = logs.new_log()
        for opcode in range(0x60, 0x66):
            status = struct.pack("<I", 0xC0000022) if opcode >= 0x64 else b""
            payload = logs.flt(0xFFFFF80000001000, 0xFFFFAE01, -1) + status
            log.perfinfo(0, opcode, group=logs.FILE, opcode=opcode, payload=payload)
        logs.chunks(log, tmp_path)
        table = collect(tmp_path / "kernel.etl", {"fltio"}).fltio
        assert table.column("phase").to_pylist() == ["pre", "post"] * 3
        assert table.column("step").to_pylist() == ["call"] * 2 + ["return"] * 2 + ["failure"] * 2
        assert table.column("major").to_pylist() == [255] * 6
        assert table.column("status").to_pylist() == [None] * 4 + [0xC0000022] * 2
        assert table.column("stream").to_pylist() == [0xFFFFAE01] * 6

    @pytest.mark.parametrize("asked", [*TABLES, None])
    def test_only_what_is_asked_for(self, corpus, asked):
        """Tables that were not asked for stay empty."""
        kernel = collect(corpus / "etl" / "net.4.5.2.x64.etl", None if asked is None else {asked})
        sizes = {
            "processes": kernel.processes.table.num_rows,
            "images": kernel.images.table.num_rows,
            "stacks": kernel.stacks.table.num_rows,
            "fltio": kernel.fltio.num_rows,
            "pool": kernel.pool.num_rows,
            "dbgprint": kernel.dbgprint.num_rows,
        }
        held = {"processes", "images", "stacks"} & ({asked} if asked else set(TABLES))
        assert {name for name, size in sizes.items() if size} == held

    def test_stacks_of_some_records_only(self, corpus):
        """With candidates given, no other record is kept; items of events stay, being their own."""
        with open_log(corpus / "etl" / "net.4.5.2.x64.etl") as log:
            collector = Collector({"stacks"})
            for chunk in log.chunks():
                collector.add(chunk, np.zeros(0, np.int64))
        stacks = collector.finish().stacks
        assert stacks.table.num_rows == 655
        assert stacks.unmatched > 9000

    def test_ticks_of_another_session_are_other_ticks(self, tmp_path):
        """In a file of two sessions, a stack belongs to the record of its own session."""
        data = []
        for start, addresses in ((133_000_000_000_000_000, (1, 2)), (133_100_000_000_000_000, (3, 4))):
            log = logs.new_log(start_time=start)
            log.system(0, 100, group=3, opcode=0x60, pid=44, tid=1000)
            walk = logs.walk(100, 44, 1000, *addresses)
            log.perfinfo(0, 101, group=logs.STACKWALK, opcode=0x20, payload=walk)
            path = tmp_path / "one.etl"
            log.write(str(path))
            data.append(path.read_bytes())
        (tmp_path / "both.etl").write_bytes(append_logs(*data))
        stacks = collect(tmp_path / "both.etl", {"stacks"}).stacks
        assert stacks.addresses.to_pylist() == [[1, 2], [3, 4]]
        assert stacks.table.column("stack").to_pylist() == [0, 1]

    def test_pandas_is_not_needed(self, corpus):
        """All tables are made without pandas."""
        code = (
            "import sys; sys.modules['pandas'] = None\n"
            "from tracecheck.etl.reader import open_log\n"
            "from tracecheck.payload.kernel import Collector\n"
            "with open_log(sys.argv[1]) as log:\n"
            "    c = Collector()\n"
            "    for chunk in log.chunks(): c.add(chunk)\n"
            "print(c.finish().images.table.num_rows > 1000)\n"
        )
        path = str(corpus / "etl" / "ShutdownPerfDiagLogger.etl")
        done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True)
        assert done.stdout == "True\n"


class TestBounds:
    """Captures that are larger than what is kept, or lie."""

    def test_rows_beyond_the_bound_are_counted(self):
        """The first rows are kept, the others counted."""
        rows = Rows({"n": "<i8"}, most=5)
        for start in range(0, 9, 3):
            rows.add(3, {"n": np.arange(start, start + 3)})
        assert rows.column("n").tolist() == [0, 1, 2, 3, 4]
        assert (rows.size, rows.dropped) == (5, 4)

    def test_strings_beyond_the_bound_are_left_out(self, monkeypatch, tmp_path):
        """When there is no room for more different strings, rows come without theirs."""
        monkeypatch.setattr(_rows, "MOST_TEXT", 8)
        log = logs.new_log()
        for tick, text in enumerate((b"12345678", b"other", b"12345678")):
            log.system(
                0, tick + 1, group=logs.DBGPRINT, opcode=0x20, pid=4, tid=8, payload=bytes(8) + text + b"\0"
            )
        logs.chunks(log, tmp_path)
        kernel = collect(tmp_path / "kernel.etl", {"dbgprint"})
        assert kernel.dbgprint.column("message").to_pylist() == ["12345678", None, "12345678"]
        assert kernel.warnings == ["DbgPrint events hold more different strings than are kept"]

    @pytest.mark.parametrize("seed", range(6))
    def test_real_traces_with_random_bytes(self, corpus, tmp_path, seed):
        """Whatever bytes change, the tables are made."""
        random = np.random.default_rng(seed)
        name = ("ShutdownPerfDiagLogger", "net.4.5.2.x64")[seed % 2]
        data = np.frombuffer((corpus / "etl" / f"{name}.etl").read_bytes(), np.uint8)[: 40 << 16].copy()
        data[random.integers(1024, data.size, 20_000)] = random.integers(0, 256, 20_000)
        path = tmp_path / "lies.etl"
        path.write_bytes(data.tobytes())
        kernel = collect(path)
        assert kernel.images.table.num_rows > 0
        pid = np.arange(100)
        time = np.full(100, 10**18)
        assert len(kernel.processes.names(pid, time)) == 100
