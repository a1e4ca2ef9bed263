"""Stacks of operations, against the simulator's layout of its images and against one stack at a time."""

from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
from handmade import table
from hypothesis import given, settings
from hypothesis import strategies as st
from test_surroundings import Layout, Places, read, written

from tracecheck.capture import analyse
from tracecheck.etl import LOSSES, open_log, plain_rows
from tracecheck.operations import CanonicalReader, assemble, stack_texts, stacks
from tracecheck.operations.frames import frame_name, frames_of, normal_stack
from tracecheck.operations.stack_texts import name_places, stack_column
from tracecheck.operations.stacks import MOST_FRAMES, read_stacks
from tracecheck.operations.surroundings import Surroundings
from tracecheck.operations.table import OPERATIONS, STACK, has_stacks
from tracecheck.simulate import Fault, Scenario, simulate
from tracecheck.simulate.driver import NAMES
from tracecheck.simulate.faults import FAULT_SITES
from tracecheck.simulate.images import Images
from tracecheck.simulate.sites import SITES


def expected(pointer_size=8):
    """Give, for each driver's function and line, the stacks that calls there have: image and address."""
    images = Images(pointer_size, NAMES[:2])
    every = [images.kernel, images.fltmgr, *images.drivers.values()]
    found = {}
    for driver in NAMES[:2]:
        for site in (*SITES.values(), *FAULT_SITES.values()):
            addresses = images.stack(driver, site)[1:]
            frames = [
                (next(image for image in every if 0 <= address - image.base < image.size), address)
                for address in addresses
            ]
            found.setdefault((driver + site.function, str(site.line)), []).append(frames)
    return found


def place(row):
    """Give the function and the line that a driver logged."""
    return (row["function"], row["site"].rpartition(":")[2].rstrip(")"))


class TestCaptures:
    """Whole captures."""

    @pytest.mark.parametrize("pointer_size", [8, 4])
    def test_they_are_those_of_the_calls(self, pointer_size, tmp_path):
        """Each call has its frames below the tracing one: modules and offsets, innermost first."""
        path = written(tmp_path, drivers=2, pointer_size=pointer_size, faults=(Fault("R01"),))
        truth, filled, _ = read(path, strip=())
        known = {
            key: {
                "\n".join(f"{image.path.rpartition(chr(92))[2]}+{at - image.base:#x}" for image, at in stack)
                for stack in every
            }
            for key, every in expected(pointer_size).items()
        }
        seen = set()
        for row, stack in zip(plain_rows(truth), filled.column("stack").to_pylist(), strict=True):
            if row["function"] is None:
                assert stack is None
                continue
            assert stack in known[place(row)]
            seen.add(stack)
        assert len(seen) > 60
        assert set(filled.column("stack").chunk(0).dictionary.to_pylist()) == seen

    def test_with_symbols_frames_are_functions_and_lines(self, tmp_path, monkeypatch):
        """The driver's frames are written as call sites; those of the kernel name their module too."""
        monkeypatch.setattr("tracecheck.payload.symbols.Symbols", Layout)
        truth, filled, _ = read(written(tmp_path), Places("a"))
        known = expected()
        for row, stack in zip(plain_rows(truth), filled.column("stack").to_pylist(), strict=True):
            if row["function"] is None:
                continue
            names = []
            for image, at in known[place(row)][0]:
                start = image.functions[image.name_of(at)]
                line = start.line + (at - 1 - start.start) // 16 - 2
                module = image.path.rpartition("\\")[2]
                prefix = "" if module.startswith(NAMES[0]) else f"{module}!"
                names.append(f"{prefix}{start.name} (some.c:{line})")
            assert frames_of(stack)[0] == names[0]
            if len(known[place(row)]) == 1:
                assert frames_of(stack) == names
                assert normal_stack(frames_of(stack)) == " < ".join(
                    frame_name(name) for name in names if "!" not in name
                )

    @pytest.mark.parametrize("condition", ["lost-buffers", "circular", "late-start", "noise", "relay"])
    def test_no_condition_makes_them_wrong(self, condition, tmp_path):
        """Whatever is missing, a stack begins at the place that the call's line has, or there is none."""
        path = written(tmp_path, conditions=frozenset({condition}), operations=900)
        truth, filled, _ = read(path, strip=())
        assert has_stacks(filled) == (condition != "relay")
        texts = filled.column("stack").to_pylist() if has_stacks(filled) else []
        known = expected()
        for row, stack in zip(plain_rows(truth), texts, strict=bool(texts)):
            if stack is not None:
                image, at = known[place(row)][0][0]
                assert frames_of(stack)[0].endswith(f".sys+{at - image.base:#x}")

    def test_a_capture_without_stacks_has_no_column(self, tmp_path):
        """The column is there only if some operation has a stack."""
        path = tmp_path / "plain.etl"
        simulate(Scenario(operations=200)).write(path)
        assert "stack" not in analyse([str(path)]).operations.schema.names

    def test_a_provider_may_have_a_field_of_that_name(self, tmp_path):
        """A column of the provider's own steps aside, and is taken for no stack."""
        path, around = written(tmp_path), Surroundings(Places())
        reader, first = CanonicalReader(), 0
        with open_log(path) as log:
            for part in log.chunks():
                reader.add(part, first)
                around.add(part, first, 8)
                first += len(part.records)
        own = assemble(reader.rows, reader.names)
        own = own.append_column("stack", pa.array([7] * len(own)))
        assert not has_stacks(own)
        filled = around.finish(own, LOSSES.empty_table())
        assert has_stacks(filled)
        assert set(filled.column("stack_2").to_pylist()) == {7}


MODULES = ("A.sys", "B.SYS", "ntoskrnl.exe", "fltmgr.sys", None)
BASE = 0xFFFF_8000_0000_0000
SIZE = 0x100


class Loaded:
    """Images side by side; what lies behind them is nobody's."""

    table = pa.table(
        {
            "name": pa.array([name and f"\\x\\{name}" for name in MODULES]).dictionary_encode(),
            "start": pa.array([None] * len(MODULES), pa.timestamp("ns", "UTC")),
            "end": pa.array([None] * len(MODULES), pa.timestamp("ns", "UTC")),
        }
    )

    def find(self, _pid, address, _time):
        """Find an image by dividing."""
        row = ((address - np.uint64(BASE)) // np.uint64(SIZE)).astype(np.int64)
        row = np.where((address >= BASE) & (row < len(MODULES)), row, -1)
        return row, np.where(row >= 0, (address - np.uint64(BASE)) % np.uint64(SIZE), np.uint64(0))


def kernel_of(lists):
    """Make what the kernel tells of one stack for each record, in order."""
    addresses = pa.array(lists, pa.list_(pa.uint64()))
    rows = pa.table({"stack": pa.array(range(len(lists)), pa.int32())})
    found = SimpleNamespace(table=rows, addresses=addresses, find=lambda record: record)
    return SimpleNamespace(stacks=found, images=Loaded())


def calls(count):
    """Make operations at ticks of their own."""
    rows = [{"order": i, "time": i, "tick": i, "record": i, "routine": "r"} for i in range(count)]
    return table(OPERATIONS, rows)


def naive(addresses):
    """Write one stack as the definition says."""
    frames = []
    for depth, address in enumerate(addresses[: 64 + MOST_FRAMES]):
        if address < 1 << 63:
            continue
        number = (address - BASE) // SIZE
        name = (MODULES[number] or "?") if 0 <= number < len(MODULES) else None
        if name in ("ntoskrnl.exe", "fltmgr.sys") and not frames:
            continue
        if name is None and not frames:
            return None
        text = f"{address:#x}" if name is None else f"{name}+{(address - BASE) % SIZE:#x}"
        frames.append((depth, text))
    return "\n".join(text for depth, text in frames if depth < frames[0][0] + MOST_FRAMES) or None


ADDRESS = st.integers(BASE, BASE + SIZE * (len(MODULES) + 1)) | st.integers(0, 50)


class TestColumns:
    """Many stacks at once, against one at a time."""

    @settings(deadline=None)
    @given(st.lists(st.lists(ADDRESS, max_size=110), max_size=12), st.integers(1, 5))
    def test_they_are_what_one_at_a_time_gives(self, lists, block):
        """Whatever frames there are, and wherever a block of stacks ends."""
        kernel = kernel_of(lists)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(stacks, "_BLOCK", block)
            logged = read_stacks(calls(len(lists)), kernel)
        column, left_out = stack_column(len(lists), logged, name_places(logged, kernel))
        told = [None] * len(lists) if column is None else column.to_pylist()
        assert told == [naive(addresses) for addresses in lists]
        assert left_out == 0

    @pytest.mark.parametrize(
        ("room", "bound", "most"),
        [(stacks, "_MOST_STACKS", 2), (stack_texts, "_MOST_TEXT", len("A.sys+0x10") * 2)],
    )
    def test_what_is_too_much_is_counted(self, room, bound, most, monkeypatch):
        """Of more different stacks than there is room for the first are kept; sites are known of all."""
        monkeypatch.setattr(room, bound, most)
        kernel = kernel_of([[BASE + 0x10 + i] for i in range(5)])
        logged = read_stacks(calls(5), kernel)
        column, left_out = stack_column(5, logged, name_places(logged, kernel))
        assert column.to_pylist() == ["A.sys+0x10", "A.sys+0x11", None, None, None]
        assert (left_out, len(logged.site)) == (3, 5)

    def test_names_cannot_make_frames(self):
        """A line end in a name of a PDB is a blank in a frame; a function is never a second frame."""

        def resolve(_images, row, *_):
            names = {"function": ["a\nb"], "file": ["x\ny.c"], "line": [3], "displacement": [0]}
            return pa.table({name: values * len(row) for name, values in names.items()})

        kernel = kernel_of([[BASE + 1]])
        logged = read_stacks(calls(1), kernel)
        names = name_places(logged, kernel, SimpleNamespace(resolve=resolve))
        assert stack_column(1, logged, names)[0].to_pylist() == ["a b (x y.c:3)"]
        assert names.functions == ["a\nb"]


class TestFrames:
    """The text of frames."""

    @pytest.mark.parametrize(
        ("frame", "name"),
        [
            ("SimPreRead (a.c:12)", "SimPreRead"),
            ("SimPreRead+0x1c", "SimPreRead"),
            ("Sim.sys+0x1234", "Sim.sys"),
            ("FLTMGR.SYS!FltpDispatch+0x3", "FLTMGR.SYS!FltpDispatch"),
            ("0xfffff80512340000", "?"),
            ("a::operator+ (b.cpp:1)", "a::operator+"),
        ],
    )
    def test_a_name_has_no_place(self, frame, name):
        """Offset and line are left out, whatever the frame is of."""
        assert frame_name(frame) == name

    def test_a_normal_stack_is_the_drivers_own(self):
        """It ends at the first frame of the kernel's, and survives other lines, offsets and inlining."""
        frames = ["Get (a.c:1)", "Create (a.c:9)", "FLTMGR.SYS+0x10", "Other (b.c:1)"]
        assert normal_stack(frames) == "Get < Create"
        assert normal_stack(["S.sys+0x1", "S.sys+0x2", "ntoskrnl.exe!X+0x1"]) == "S.sys"
        assert normal_stack([]) == ""


def test_the_field_is_a_dictionary_of_texts():
    """Each different stack is held once."""
    assert STACK.type == pa.dictionary(pa.int32(), pa.string())
