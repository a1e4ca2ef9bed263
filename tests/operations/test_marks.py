"""Marks: what the filter manager says of filters, beside the operations."""

import json
import struct

import pytest

from tracecheck.cli import main
from tracecheck.etl import open_log, plain_rows
from tracecheck.etl.writer import LogWriter
from tracecheck.operations import marks as marks_module
from tracecheck.operations.marks import Marks
from tracecheck.payload.manifest.filter_manager import GUID
from tracecheck.simulate import Fault, Scenario, simulate
from tracecheck.simulate.noise import EventNoise


def counted(text):
    """Lay out a string behind its number of characters."""
    return struct.pack("<H", len(text)) + text.encode("utf-16-le")


def filter_event(name, status=0):
    """Lay out version 0 of a load or unload."""
    return struct.pack("<III", status, 10, 0) + counted(name) + bytes(8)


def attach_event(volume, status):
    """Lay out version 0 of a failed attach."""
    return struct.pack("<I", status) + counted(volume)


EVENTS = [
    (6, filter_event("FileInfo")),
    (2, attach_event("ignored", 0)),
    (3, attach_event(r"\Device\Mup", 0xC01C0010)),
    (1, filter_event("luafv")),
    (6, b"\0\0"),
]
DUE = [
    ("FilterLoaded", "FileInfo", 0),
    ("VolumeAttachFailed", r"\Device\Mup", 0xC01C0010),
    ("FilterUnloaded", "luafv", 0),
    ("FilterLoaded", None, None),
]


def read(path, size=64 << 20):
    """Read the marks of a file."""
    marks, first = Marks(), 0
    with open_log(path) as log:
        for chunk in log.chunks(size):
            marks.add(chunk, first)
            first += len(chunk.records)
    return marks


@pytest.fixture
def written(tmp_path):
    """A log with some events of the filter manager."""
    writer = LogWriter(start_time=134_000_000_000_000_000, start_tick=0)
    for number, (id_, payload) in enumerate(EVENTS):
        writer.event(0, 10 + number, pid=4, tid=100, provider=GUID, id=id_, payload=payload)
    path = tmp_path / "marks.etl"
    path.write_bytes(writer.to_bytes())
    return path


class TestMarks:
    """The marks table."""

    def test_loads_unloads_and_failed_attachments_are_marks(self, written):
        """Names and statuses as logged, in order; what was cut is null; other events are none."""
        found = plain_rows(read(written).finish())
        assert [(row["routine"], row["name"], row["status"]) for row in found] == DUE
        assert [(row["cpu"], row["pid"], row["tid"]) for row in found] == [(0, 4, 100)] * 4
        assert [row["record"] for row in found] == sorted(row["record"] for row in found)

    def test_their_number_is_bounded(self, written, monkeypatch):
        """Beyond the bound marks are counted only."""
        monkeypatch.setattr(marks_module, "MOST_MARKS", 2)
        marks = read(written)
        assert (len(marks.finish()), marks.dropped) == (2, 2)


RUN = Scenario(operations=300, faults=(Fault("R01"), Fault("L09", "stream")))


def marked(self, thread, tick):
    """Write a load of a filter in place of other noise."""
    self._writer.event(
        thread.cpu,
        tick,
        pid=thread.pid,
        tid=thread.tid,
        provider=GUID,
        id=6,
        payload=filter_event("Bad\x1b[2J"),
    )
    return 1


@pytest.fixture
def pair(tmp_path, monkeypatch):
    """A run, and the same run with a filter's load before each event."""
    paths = [tmp_path / "plain.etl", tmp_path / "marked.etl"]
    simulate(RUN).write(paths[0])
    monkeypatch.setattr(EventNoise, "write", marked)
    simulate(Scenario(**(vars(RUN) | {"conditions": frozenset({"noise"})}))).write(paths[1])
    return paths


def run(capsys, *arguments):
    """Run the program and give what it printed as JSON."""
    main([*map(str, arguments), "--format", "json", "-q"])
    return json.loads(capsys.readouterr().out)


class TestReports:
    """What `check` and `timeline` show of marks."""

    def test_they_change_no_verdict(self, pair, capsys):
        """Findings and verdict are those of the run without them; the summary lists them."""
        plain, more = (run(capsys, "check", path) for path in pair)
        for found in (plain, more):
            for finding in found["findings"]:
                for operation in finding["operations"]:
                    del operation["record"]
        assert more["findings"] == plain["findings"]
        assert more["findings"]
        for name in ("verdict", "reasons", "contexts", "operations", "losses", "context_types"):
            assert more["summary"][name] == plain["summary"][name]
        assert plain["summary"]["marks"] == []
        assert {mark["routine"] for mark in more["summary"]["marks"]} == {"FilterLoaded"}

    def test_a_timeline_shows_those_of_the_life(self, pair, capsys):
        """Marks stand between the operations by time, without power over the terminal."""
        context = run(capsys, "check", pair[1])["findings"][0]["context"]
        (life, *_) = run(capsys, "timeline", pair[1], context)["contexts"]
        times = [step["time"] for step in life["steps"]]
        assert life["marks"]
        assert all(min(times) <= mark["time"] <= max(times) for mark in life["marks"])
        main(["timeline", str(pair[1]), context, "-q"])
        text = capsys.readouterr().out
        assert "FilterLoaded Bad\\x1b[2J" in text
        assert "\x1b" not in text
