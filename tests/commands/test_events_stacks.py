"""`events --stacks`: the calls of each event, by module and offset, by function and line."""

import struct
import uuid

import numpy as np
import pytest
from events_capture import described, image, listed, process, run

from tracecheck.etl.layout import Ext
from tracecheck.etl.writer import LogWriter
from tracecheck.payload.symbols import Pdb, Symbols

IMAGE_ID = uuid.UUID("b3e675d7-2554-4f18-830b-2762732560de")
KERNEL, DRIVER, USER = 0xFFFFF80100000000, 0xFFFFF80200000000, 0x7FF600000000


@pytest.fixture
def capture(tmp_path):
    """A capture with a stack in an extended item, one in a walk, images, and a rundown behind them."""
    log = LogWriter()
    log.event(
        0,
        10,
        pid=100,
        tid=200,
        provider=IMAGE_ID,
        id=7,
        items=[(Ext.STACK_TRACE64, struct.pack("<4Q", 0, DRIVER + 0x1234, KERNEL + 0x99, 0x1000))],
    )
    described(log, 20)
    log.perfinfo(
        0,
        21,
        group=0x18,
        opcode=0x20,
        payload=struct.pack("<QII2Q", 20, 100, 200, DRIVER + 0x50, USER + 0x10),
    )
    described(log, 30)
    for base, pid, name in (
        (DRIVER, 0, "\\Windows\\drv\x1b.sys"),
        (KERNEL, 0, "\\nt.exe"),
        (USER, 100, "C:\\a\\app.exe"),
    ):
        log.system(
            0, 80, group=0x14, opcode=3, pid=pid, tid=8, version=3, payload=image(pid, base, 0x10000, name)
        )
    rsds = struct.pack("<QI", DRIVER, 0) + uuid.UUID(int=5).bytes_le + struct.pack("<I", 1) + b"drv.pdb\0"
    log.classic(0, 81, event_class=IMAGE_ID, opcode=0x24, pid=4, tid=8, version=2, payload=rsds)
    log.system(0, 90, group=3, opcode=4, pid=4, tid=8, version=4, payload=process(100, "app.exe"))
    path = tmp_path / "stacks.etl"
    log.write(path)
    return path


class TestStacks:
    """What stands below each event."""

    def test_calls_are_modules_and_offsets(self, capture, capsys):
        """The innermost call first; an address of no image stands alone; no name steers a terminal."""
        out, err = run(capsys, capture, "--stacks", "--tid", "200", "--prefix", "")
        calls = [line for line in out if line.startswith("    ")]
        assert calls == [
            r"    drv\x1b.sys+0x1234",
            "    nt.exe+0x99",
            "    0x1000",
            r"    drv\x1b.sys+0x50",
            "    app.exe+0x10",
        ]
        assert err[0] == "tracecheck: warning: no PDB found of drv.pdb: give --symbols"

    def test_json_has_a_list(self, capture, capsys):
        """An event without a stack has an empty one; without the option there is none."""
        stacks = [event["stack"] for event in listed(capsys, capture, "--stacks", "--tid", "200")]
        assert stacks == [
            ["drv\x1b.sys+0x1234", "nt.exe+0x99", "0x1000"],
            ["drv\x1b.sys+0x50", "app.exe+0x10"],
            [],
        ]
        assert not any("stack" in event for event in listed(capsys, capture))

    def test_symbols_name_functions_and_lines(self, capture, capsys, monkeypatch):
        """With a PDB a call is a function, the offset in it, and the line of the call."""
        starts, lines = np.array([0x40, 0x1200], np.uint64), np.array([0x40, 0x1230], np.uint64)
        pdb = Pdb(
            starts,
            np.array([0x40, 0x100], np.uint64),
            ["Small", "PreCreate"],
            lines,
            np.array([3, 88], np.uint32),
            np.array([0, 1], np.int32),
            ["c:\\src\\small.c", "/src/create.c"],
        )
        monkeypatch.setattr(Symbols, "_load", lambda *_: pdb)
        out, err = run(capsys, capture, "--stacks", "--tid", "200", "--prefix", "")
        calls = [line.strip() for line in out if line.startswith("    ")]
        assert calls[0] == r"drv\x1b!PreCreate+0x34 (create.c:88)"
        assert calls[3] == r"drv\x1b!Small+0x10 (small.c:3)"
        assert calls[1:3] == ["nt.exe+0x99", "0x1000"]
        assert not any("PDB" in line for line in err)

    def test_filters_leave_stacks_where_they_belong(self, capture, capsys):
        """A stack is its record's, whichever records are shown."""
        (event,) = listed(capsys, capture, "--stacks", "--from", "0.0000020", "--to", "0.0000020")
        assert event["stack"][1] == "app.exe+0x10"
        (event,) = listed(capsys, capture, "--stacks", "--id", "7", "--grep", "7")
        assert len(event["stack"]) == 3

    def test_csv_has_them_in_one_cell(self, capture, capsys):
        """Calls are parted by semicolons."""
        out, _ = run(capsys, capture, "--stacks", "--id", "7", "--format", "csv")
        assert out[1].endswith(r",drv\x1b.sys+0x1234; nt.exe+0x99; 0x1000")

    def test_real_stacks(self, corpus, capsys):
        """A real capture's stacks name its modules."""
        trace = corpus / "etl" / "net.4.5.2.x64.etl"
        events = listed(capsys, trace, "--stacks", "--provider", "PerfInfo", "--limit", "3000")
        calls = [call for event in events for call in event["stack"]]
        assert sum(call.startswith("ntoskrnl.exe+") for call in calls) > 100
