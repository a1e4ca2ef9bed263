"""Addresses belong to the module that was loaded there then."""

import uuid
from itertools import pairwise

import kernel_logs as logs
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tracecheck.etl.reader import open_log
from tracecheck.payload.kernel import Collector

KERNEL = 0xFFFFF80000000000


def images_of(log, tmp_path):
    """The images of a log, and the times of its records by tick."""
    collector = Collector({"images"})
    times = {}
    for chunk in logs.chunks(log, tmp_path):
        collector.add(chunk)
        times |= dict(zip(chunk.column("tick").tolist(), chunk.column("time").tolist(), strict=True))
    return collector.finish().images, times


def look(images, pid, address, time):
    """The module and offset of one address."""
    row, offset = images.find(np.array([pid]), np.array([address], np.uint64), np.array([time]))
    return (images.table.column("name")[int(row[0])].as_py(), int(offset[0])) if row[0] >= 0 else None


def load(log, tick, opcode, *image):
    """Writes an image event as the kernel logger does: loads stand in the process group."""
    group = logs.PROCESS if opcode == logs.LOAD else logs.IMAGE
    log.perfinfo(0, tick, group=group, opcode=opcode, version=3, payload=logs.image(*image))


class TestImages:
    """Loads, unloads and rundowns."""

    def test_modules_of_the_kernel_belong_to_all(self, tmp_path):
        """An address of the kernel is found whatever the process; one of a process in it alone."""
        log = logs.new_log()
        load(log, 10, logs.DC_START, 0, KERNEL, 0x8000, r"\SystemRoot\ctx.sys")
        load(log, 11, logs.DC_START, 44, 0x10000, 0x2000, r"\Windows\a.dll")
        images, time = images_of(log, tmp_path)
        assert look(images, 4, KERNEL + 0x123, time[11]) == look(images, 999, KERNEL + 0x123, time[11])
        assert look(images, 4, KERNEL + 0x123, time[11]) == (r"\SystemRoot\ctx.sys", 0x123)
        assert look(images, 44, 0x11FFF, time[11]) == (r"\Windows\a.dll", 0x1FFF)
        assert look(images, 44, 0x12000, time[11]) is look(images, 45, 0x10000, time[11]) is None
        assert look(images, 4, KERNEL - 1, time[11]) is look(images, 4, KERNEL + 0x8000, time[11]) is None

    def test_an_address_is_used_again(self, tmp_path):
        """A driver that is loaded where another was has the address from its load on."""
        log = logs.new_log()
        load(log, 100, logs.LOAD, 0, KERNEL, 0x8000, "old.sys")
        load(log, 200, logs.END, 0, KERNEL, 0x8000, "old.sys")
        load(log, 300, logs.LOAD, 0, KERNEL - 0x1000, 0x8000, "new.sys")
        images, time = images_of(log, tmp_path)
        assert [look(images, 4, KERNEL, time[100] + after) for after in (-1, 0)] == [None, ("old.sys", 0)]
        assert look(images, 4, KERNEL, time[200]) == ("old.sys", 0)
        assert look(images, 4, KERNEL, time[200] + 1) is None
        assert look(images, 4, KERNEL, time[300]) == ("new.sys", 0x1000)

    def test_the_rundown_at_the_end_is_enough(self, tmp_path):
        """A module that only the session's end tells of was there throughout."""
        log = logs.new_log()
        load(log, 900, logs.DC_END, 0, KERNEL, 0x8000, "ctx.sys")
        images, _ = images_of(log, tmp_path)
        assert look(images, 4, KERNEL + 1, 0) == ("ctx.sys", 1)

    @settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(
        places=st.lists(st.tuples(st.integers(1, 3), st.integers(0, 30)), unique=True, max_size=12),
        asked=st.lists(st.tuples(st.integers(1, 3), st.integers(0, 33 * 0x100)), min_size=1, max_size=20),
    )
    def test_many_addresses_are_found_as_a_loop_finds_them(self, tmp_path, places, asked):
        """A search over columns equals looking at every image."""
        log = logs.new_log()
        for tick, (pid, slot) in enumerate(places):
            load(log, tick + 1, logs.DC_START, pid, slot * 0x100, 0x100, f"{pid}-{slot}")
        images, _ = images_of(log, tmp_path)
        for pid, address in asked:
            expected = (f"{pid}-{address >> 8}", address & 0xFF) if (pid, address >> 8) in places else None
            assert look(images, pid, address, 0) == expected

    def test_debug_ids_are_joined(self, tmp_path):
        """The GUID, age and PDB of a module are those of its debug id; a module without one has none."""
        guid = uuid.UUID("12345678-9abc-def0-1122-334455667788")
        log = logs.new_log()
        load(log, 100, logs.LOAD, 4, KERNEL, 0x8000, "ctx.sys")
        load(log, 101, logs.LOAD, 4, KERNEL + 0x10000, 0x8000, "other.sys")
        log.classic(
            0,
            99,
            event_class=logs.IMAGE_ID,
            opcode=0x24,
            version=2,
            pid=4,
            tid=8,
            payload=logs.rsds(4, KERNEL, guid, 3, r"C:\build\ctx.pdb"),
        )
        images, _ = images_of(log, tmp_path)
        assert images.table.select(["name", "guid", "age", "pdb"]).to_pylist() == [
            {"name": "ctx.sys", "guid": str(guid), "age": 3, "pdb": r"C:\build\ctx.pdb"},
            {"name": "other.sys", "guid": None, "age": None, "pdb": None},
        ]

    def test_nothing_is_found_in_nothing(self, tmp_path):
        """A log without images, or with ids of images that are nowhere, resolves nothing."""
        log = logs.new_log()
        payload = logs.rsds(4, KERNEL, uuid.UUID(int=1), 1, "x.pdb")
        log.classic(0, 9, event_class=logs.IMAGE_ID, opcode=0x24, version=2, pid=4, tid=8, payload=payload)
        images, _ = images_of(log, tmp_path)
        assert images.table.num_rows == 0
        assert look(images, 4, KERNEL, 0) is None


@pytest.fixture(scope="module")
def images(corpus):
    """The images of a trace that was merged on its machine, so that it has debug ids."""
    with open_log(corpus / "etl" / "net.4.5.2.x64.etl") as log:
        collector = Collector({"images"}, log.header.pointer_size)
        for chunk in log.chunks():
            collector.add(chunk)
    return collector.finish().images


class TestRealTraces:
    """Images of real machines."""

    def test_the_modules_of_one_process_do_not_overlap(self, images):
        """At any time, the modules of a process lie side by side."""
        spans = {}
        columns = ("pid", "base", "size", "start", "end")
        table = images.table.select(columns)
        table = table.set_column(3, "start", table.column("start").cast("int64"))
        table = table.set_column(4, "end", table.column("end").cast("int64"))
        for row in table.to_pylist():
            spans.setdefault(row["pid"], []).append(row)
        for rows in spans.values():
            alive = [row for row in rows if row["start"] is None and row["end"] is None]
            for one, two in pairwise(alive):
                assert one["base"] + one["size"] <= two["base"]

    def test_the_kernel_has_its_pdb(self, images):
        """The image of the kernel is known with its PDB, and so are most others."""
        table = images.table
        names = [name.rpartition("\\")[2].lower() for name in table.column("name").to_pylist()]
        row = names.index("ntoskrnl.exe")
        assert table.column("pdb")[row].as_py() == "ntkrnlmp.pdb"
        assert table.column("guid").null_count < table.num_rows // 10
