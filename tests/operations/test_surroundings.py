"""What the kernel's events give operations, against what the simulator's drivers would have logged."""

import json
import re
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tracecheck.capture import analyse
from tracecheck.cli import main
from tracecheck.errors import InputError
from tracecheck.etl import LOSSES, open_log, plain_rows
from tracecheck.operations import CanonicalReader, assemble
from tracecheck.operations.surroundings import Surroundings
from tracecheck.simulate import Fault, Scenario, simulate
from tracecheck.simulate.driver import NAMES
from tracecheck.simulate.images import Images

OTHERS = {"ContextCleanup", "FilterUnload", "FltUnregisterFilter", "InstanceTeardownComplete"}


class Places:
    """Places of PDBs that a test names."""

    def __init__(self, *places):
        self.places = places

    def symbol_places(self):
        """Give the places."""
        return self.places


def read(path, sources=None, chunk=64 << 20, strip=("major", "phase", "function", "site"), losses=None):
    """Read a capture twice: as the driver logged it, and as if it had logged less."""
    reader, around, first = CanonicalReader(), Surroundings(sources or Places()), 0
    with open_log(path) as log:
        for part in log.chunks(chunk):
            reader.add(part, first)
            around.add(part, first, log.header.pointer_size)
            first += len(part.records)
        losses = log.losses() if losses is None else losses
    truth = assemble(reader.rows, reader.names)
    poor = truth
    for name in strip:
        field = truth.schema.field(name)
        empty = pa.array([None] * len(truth), pa.string() if name in ("function", "site") else field.type)
        poor = poor.set_column(truth.schema.get_field_index(name), field, empty.cast(field.type))
    return truth, around.finish(poor, losses), around


def written(tmp_path, **more):
    """Simulate a capture with the kernel's events."""
    path = tmp_path / "kernel.etl"
    simulate(Scenario(**({"operations": 600} | more)), kernel_events=True).write(path)
    return path


class TestPositions:
    """Major function and phase."""

    @pytest.mark.parametrize("seed", range(6))
    @pytest.mark.parametrize("pointer_size", [8, 4])
    def test_they_are_those_that_the_driver_logs(self, seed, pointer_size, tmp_path):
        """Where both tell, they agree; nearly nothing that the driver tells is left out."""
        path = written(
            tmp_path, seed=seed, pointer_size=pointer_size, drivers=1 + seed % 2, faults=(Fault("R01"),)
        )
        truth, filled, _ = read(path)
        due, missing = 0, 0
        for row, got in zip(plain_rows(truth), plain_rows(filled), strict=True):
            expected = (row["major"], min(row["phase"], 2) if row["phase"] else None)
            if row["routine"] in OTHERS:
                assert (got["major"], got["phase"]) == (None, None)
            elif row["major"] is not None and row["phase"] is not None:
                due += 1
                missing += got["major"] is None
                assert (got["major"], got["phase"]) in (expected, (None, None))
        assert due > 100
        assert missing <= 0.01 * due

    @pytest.mark.parametrize(
        "condition", ["lost-buffers", "circular", "lost-events", "late-start", "relay", "noise"]
    )
    def test_no_condition_makes_them_wrong(self, condition, tmp_path):
        """Whatever is missing, or written late, a position is the driver's or there is none."""
        path = written(tmp_path, conditions=frozenset({condition}), operations=900)
        truth, filled, _ = read(path)
        told = 0
        for row, got in zip(plain_rows(truth), plain_rows(filled), strict=True):
            if row["major"] is not None and got["major"] is not None:
                told += 1
                assert (got["major"], got["phase"]) == (row["major"], min(row["phase"], 2))
        assert told > 50


class Layout:
    """Symbols by the simulator's own layout of its images."""

    warnings, missing = (), ("ntkrnlmp.pdb", "ntkrnlmp.pdb")

    def __init__(self, places):
        self.places = places

    def resolve(self, images, row, offset, returns):
        """Name the function; the source line is that of the byte before a return address."""
        every = Images(8, NAMES[:2])
        layout = {image.path: image for image in (every.kernel, every.fltmgr, *every.drivers.values())}
        found = {"function": [], "file": [], "line": [], "displacement": []}
        for at, place, is_return in zip(row.tolist(), offset.tolist(), returns.tolist(), strict=True):
            image = layout[images.column("name")[at].as_py()]
            address = image.base + place - is_return
            name = image.name_of(address)
            start = image.functions[name]
            found["function"].append(name)
            found["line"].append(start.line + (address - start.start) // 16 - 2)
            found["file"].append("d:\\src\\some.c")
            found["displacement"].append(address - start.start)
        return pa.table(found)


class TestSites:
    """Functions and lines from stacks."""

    @pytest.mark.parametrize("pointer_size", [8, 4])
    def test_they_tell_the_lines_of_the_driver_apart(self, pointer_size, tmp_path):
        """Without symbols each line has an offset of its own, in the driver's module; all have one."""
        truth, filled, _ = read(written(tmp_path, drivers=2, pointer_size=pointer_size))
        images = Images(pointer_size, NAMES[:2]).drivers
        lines = {}
        for row, got in zip(plain_rows(truth), plain_rows(filled), strict=True):
            if row["function"] is None:
                assert got["site"] is None
                continue
            module, offset = got["site"].split("+")
            (image,) = (each for each in images.values() if each.path.endswith(f"\\{module}"))
            assert image.name_of(image.base + int(offset, 16)) == row["function"]
            assert got["function"] is None
            lines.setdefault(row["site"], set()).add(got["site"])
        assert len(lines) > 30
        assert all(len(each) == 1 for each in lines.values())
        assert len(set.union(*lines.values())) == len(lines)

    def test_with_symbols_they_are_what_the_driver_logs(self, tmp_path, monkeypatch):
        """Function and line of the call, each different place looked up once."""
        monkeypatch.setattr("tracecheck.payload.symbols.Symbols", Layout)
        monkeypatch.setenv("_NT_SYMBOL_PATH", "srv*https://x")
        truth, filled, around = read(written(tmp_path, drivers=2), Places("a"))
        assert filled.column("function").to_pylist() == truth.column("function").to_pylist()
        for row, got in zip(plain_rows(truth), plain_rows(filled), strict=True):
            line = row["site"] and row["site"].rpartition(":")[2]
            assert got["site"] == (row["site"] and f"{row['function']} (some.c:{line}")
        assert around.notes == [
            "no symbols found for ntkrnlmp.pdb",
            "_NT_SYMBOL_PATH: no symbols are downloaded, skipped: https://x",
        ]

    def test_a_site_that_the_driver_logged_stays(self, tmp_path):
        """Only what says no function, and no more of its site than an address, is filled in."""
        truth, filled, _ = read(written(tmp_path), strip=())
        for name in ("function", "site", "major", "phase"):
            assert filled.column(name).to_pylist()[1:] == truth.column(name).to_pylist()[1:] or name in (
                "major",
                "phase",
            )

    @pytest.mark.parametrize("condition", ["lost-buffers", "circular", "late-start", "noise", "relay"])
    def test_no_condition_makes_them_wrong(self, condition, tmp_path, monkeypatch):
        """Whatever is missing, a function is that of the call or there is none."""
        monkeypatch.setattr("tracecheck.payload.symbols.Symbols", Layout)
        path = written(tmp_path, conditions=frozenset({condition}), operations=900)
        truth, filled, _ = read(path, Places("a"))
        pairs = zip(truth.column("function").to_pylist(), filled.column("function").to_pylist(), strict=True)
        assert {(due, got) for due, got in pairs if got is not None and due != got} == set()
        assert (filled.column("function").null_count == len(filled)) == (condition == "relay")


class TestChunks:
    """Captures are read a part at a time."""

    def test_where_the_chunks_end_changes_nothing(self, tmp_path):
        """Buffer by buffer the same is found as in one piece, stacks behind the end of a chunk too."""
        path = written(tmp_path, buffer_size=4096)
        assert plain_rows(read(path, chunk=16384)[1]) == plain_rows(read(path)[1])


class TestProcesses:
    """Names of processes."""

    def test_every_operation_names_its_process(self, tmp_path):
        """The name is that of the process of the pid; one process has one name."""
        _, filled, _ = read(written(tmp_path))
        names = {}
        for pid, name in zip(*(filled.column(each).to_pylist() for each in ("pid", "process")), strict=True):
            names.setdefault(pid, set()).add(name)
        assert names[4] == {"System"}
        assert all(len(each) == 1 and None not in each for each in names.values())
        assert len(names) > 2

    def test_a_provider_may_have_a_field_of_that_name(self, tmp_path):
        """A column of the provider's own steps aside."""
        path = written(tmp_path)
        around = Surroundings(Places())
        reader, first = CanonicalReader(), 0
        with open_log(path) as log:
            for part in log.chunks():
                reader.add(part, first)
                around.add(part, first, 8)
                first += len(part.records)
        own = assemble(reader.rows, reader.names)
        own = own.append_column("process", pa.array(["own"] * len(own)))
        filled = around.finish(own, LOSSES.empty_table())
        assert set(filled.column("process_2").to_pylist()) == {"own"}
        assert "System" in filled.column("process").to_pylist()


IMPORTS = """
import sys
from tracecheck.cli import main
code = main(["check", sys.argv[1], "-q", "-o", sys.argv[2]])
heavy = ("tracecheck.payload.kernel", "tracecheck.payload.manifest", "tracecheck.payload.symbols",
         "tracecheck.operations.position", "tracecheck.operations.sites", "tracecheck.operations.stacks")
print(sorted(name for name in sys.modules if name.startswith(heavy)))
sys.exit(code)
"""


class TestCost:
    """What a capture does not need is not loaded."""

    @pytest.mark.parametrize(("kernel", "loads"), [(False, False), (True, True)])
    def test_only_kernel_events_load_their_decoders(self, kernel, loads, tmp_path):
        """`check` of the canonical events alone imports nothing of the kernel's or of manifests."""
        path = tmp_path / "plain.etl"
        simulate(Scenario(operations=200), kernel_events=kernel).write(path)
        command = [sys.executable, "-c", IMPORTS, str(path), str(tmp_path / "out.txt")]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode in (0, 3), done.stderr
        assert (done.stdout.strip() != "[]") == loads


def report(capsys, path):
    """Run `check` and give its report."""
    main(["check", str(path), "--format", "json", "-q"])
    return json.loads(capsys.readouterr().out)


class TestReports:
    """What `check` makes of it."""

    FAULTS = (Fault("R01"), Fault("L09", "stream"), Fault("R04"))

    def test_the_same_is_found_with_and_without(self, tmp_path, capsys):
        """The kernel's events change no finding; they name processes, where there are any."""
        found = []
        for kernel in (False, True):
            path = tmp_path / f"{kernel}.etl"
            simulate(Scenario(operations=500, faults=self.FAULTS), kernel_events=kernel).write(path)
            findings = report(capsys, path)["findings"]
            operations = [operation for each in findings for operation in each["operations"]]
            assert operations
            for operation in operations:
                assert operation.pop("process", None) is not None or not kernel
                assert operation.pop("stack", None) is not None or not kernel
                del operation["record"]
            found.append(findings)
        assert found[0] == found[1]

    def test_the_text_names_processes_where_it_knows_them(self, tmp_path, capsys):
        """Beside the numbers of process and thread stands the name."""
        path = written(tmp_path, faults=self.FAULTS)
        main(["check", str(path), "-q"])
        assert re.search(r"^ *!? +\S+ +\d+ +\d+:\d+ +(\w+\.exe|System) +Flt", capsys.readouterr().out, re.M)


class TestHostile:
    """Kernel events that lie."""

    @settings(max_examples=20, deadline=None)
    @given(st.data())
    def test_whatever_is_broken_the_rest_is_read(self, data):
        """Bytes of kernel events changed at random: an analysis, or one line of error."""
        made = bytearray(simulate(Scenario(operations=100), kernel_events=True).data)
        for _ in range(data.draw(st.integers(1, 40))):
            made[data.draw(st.integers(2000, len(made) - 1))] = data.draw(st.integers(0, 255))
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "broken.etl"
            path.write_bytes(made)
            with suppress(InputError):
                analyse([str(path)])
