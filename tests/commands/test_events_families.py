"""`events`: records of every payload family, as text and as JSON."""

import json
import re
import struct

import pytest
from events_capture import (
    MANIFEST,
    MESSAGES,
    POINTER,
    UNDEFINED,
    UNKNOWN,
    described,
    listed,
    message,
    run,
    wide,
    write_all,
)

from tracecheck.etl.writer import LogWriter

SAMPLES = ("wppbin", "wppemitter", "wppenum", "wppstr", "wpptime", "wpptypes")


@pytest.fixture
def capture(tmp_path):
    """A capture, its TMF and its manifest."""
    return write_all(tmp_path)


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    """No definitions but those that a test gives."""
    for name in ("TRACE_FORMAT_PREFIX", "TRACE_FORMAT_SEARCH_PATH", "_NT_SYMBOL_PATH"):
        monkeypatch.delenv(name, raising=False)


class TestJson:
    """What a program gets."""

    def test_messages_have_names_fields_and_text(self, capture, capsys):
        """A definition gives the writer's name, source line, level, arguments and sentence."""
        path, tmf, _ = capture
        first, second, unknown = (e for e in listed(capsys, path, "--tmf", tmf) if "message" in e)
        assert (first["provider"], first["provider_name"], first["message"]) == (str(MESSAGES), "driver", 10)
        assert (first["source"], first["level"]) == ("create_c12", 4)
        assert first["fields"] == {"Context": f"{POINTER:#x}", "Name": "volume \u00e9"}
        assert first["text"] == f"Context {POINTER:016X} set on volume \u00e9"
        assert "payload" not in first
        assert second["text"] == "failed: 0xc0000022(STATUS_ACCESS_DENIED)"
        assert second["fields"] == {"Status": "0xc0000022"}
        assert (unknown["provider"], unknown["message"], unknown["payload"]) == (str(UNDEFINED), 3, "0102")
        assert "source" not in unknown

    def test_manifest_events_have_names_fields_and_messages(self, capture, capsys):
        """A manifest gives names and the message; an event without one has its fields as text."""
        path, _, manifest = capture
        attached, plain, unknown = (
            e for e in listed(capsys, path, "--manifest", manifest) if e["id"] in (5, 6)
        )
        assert (attached["provider_name"], attached["name"]) == ("Sim-Driver", "Attached")
        assert attached["fields"] == {"Instance": f"{POINTER:#x}", "Volume": "volume \u00e9"}
        assert attached["text"] == f"Attached {POINTER:#x} to volume \u00e9"
        assert plain["text"] == f"Instance={POINTER:#x} Volume=volume \u00e9"
        assert (unknown["provider"], unknown["name"], unknown["fields"]) == (str(UNKNOWN), None, {})
        assert unknown["payload"].startswith(POINTER.to_bytes(8, "little").hex())

    def test_kernel_events_have_fields(self, capture, capsys):
        """Types that are known have names and fields, others group and opcode."""
        events = {e["name"]: e for e in listed(capsys, capture[0]) if "name" in e}
        assert events["DbgPrint/DbgPrint"]["fields"] == {"Component": 1, "Level": 2, "Message": "dbg text"}
        assert events["PerfInfo/46"]["payload"] == "0102"

    def test_a_pid_has_the_name_of_its_process(self, capture, capsys):
        """The name is that of the rundown, wherever it stands; what the capture does not tell is null."""
        events = listed(capsys, capture[0])
        assert {e["process"] for e in events if e["pid"] == 100} == {"notepad.exe"}
        assert {e["process"] for e in events if e["pid"] != 100} == {None}

    def test_without_process_events_there_is_no_process(self, tmp_path, capsys):
        """A capture that tells of no process has no such column."""
        log = LogWriter()
        described(log, 1)
        log.write(tmp_path / "one.etl")
        assert all("process" not in event for event in listed(capsys, tmp_path / "one.etl"))


class TestText:
    """What a person reads."""

    def test_lines_are_those_of_tracefmt(self, capture, capsys):
        """The default prefix, then the sentence; other events have their names before their fields."""
        path, tmf, manifest = capture
        out, err = run(capsys, path, "--tmf", tmf, "--manifest", manifest)
        shown = (POINTER.to_bytes(8, "little") + wide("volume \u00e9")).hex()
        day = "11/14/2023-22:13:20"
        assert out[1:] == [
            f"[0]0064.00C8::{day}.000 [TraceCheck.FilterContexts]FltGetStreamContext"
            f" Context={POINTER:#x} File=volume \u00e9",
            f"[1]0064.00C8::{day}.000 [driver]Context {POINTER:016X} set on volume \u00e9",
            f"[1]0064.00C8::{day}.000 [driver]failed: 0xc0000022(STATUS_ACCESS_DENIED)",
            f"[1]0064.00C8::{day}.000 [{UNDEFINED}]#3 0102",
            f"[0]0064.00C8::{day}.000 [Sim-Driver]Attached {POINTER:#x} to volume \u00e9",
            f"[0]0064.00C8::{day}.000 [Sim-Driver]Plain Instance={POINTER:#x} Volume=volume \u00e9",
            f"[0]0064.00C8::{day}.000 [{UNKNOWN}]5 {shown}",
            f"[0]0004.0008::{day}.000 [kernel]DbgPrint/DbgPrint Component=1 Level=2 Message=dbg text",
            f"[0]FFFFFFFF.FFFFFFFF::{day}.000 [kernel]PerfInfo/46 0102",
            out[-1],
        ]
        assert "ImageFileName=notepad.exe" in out[-1]
        assert err == [
            "tracecheck: 1 message of 1 message GUID has no definition: give --tmf or --pdb"
            f" ({UNDEFINED} (1))",
            f"tracecheck: 1 event of 1 provider has no layout: give --manifest ({UNKNOWN} (1))",
        ]

    @pytest.mark.parametrize("by", ["option", "environment"])
    def test_the_prefix_is_the_users(self, capture, capsys, monkeypatch, by):
        """TRACE_FORMAT_PREFIX is honoured, and the option goes before it."""
        path, tmf, _ = capture
        prefix = "%7!d!|%2|%3!d!|%9!02d!|%5|%1> "
        monkeypatch.setenv("TRACE_FORMAT_PREFIX", prefix if by == "environment" else "other ")
        options = ["--prefix", prefix] if by == "option" else []
        out, _ = run(capsys, path, "--tmf", tmf, "--id", "10", *options)
        assert out == [f"7|create_c12|200|01||driver> Context {POINTER:016X} set on volume \u00e9"]

    def test_times_may_be_fine(self, capture, capsys):
        """--hires shows all nine digits."""
        out, _ = run(capsys, capture[0], "--hires", "--prefix", "%4 ", "--id", "3")
        assert out == ["11/14/2023-22:13:20.000004000 #3 0102"]

    def test_what_has_no_definition_is_counted_by_guid(self, tmp_path, capsys):
        """The most frequent GUIDs are named."""
        log = LogWriter()
        for tick in range(12):
            message(log, tick, b"", guid=UNDEFINED if tick % 4 else MESSAGES, number=tick)
        log.write(tmp_path / "undefined.etl")
        _, err = run(capsys, tmp_path / "undefined.etl")
        assert err == [
            "tracecheck: 12 messages of 2 message GUIDs have no definition: give --tmf or --pdb"
            f" ({UNDEFINED} (9), {MESSAGES} (3))"
        ]

    def test_a_manifest_may_stand_behind_its_events(self, tmp_path, capsys):
        """An EventSource's manifest explains what was logged before it, too."""
        _, _, manifest = write_all(tmp_path)
        xml = manifest.read_bytes()
        log = LogWriter()
        log.event(0, 1, pid=1, tid=1, provider=MANIFEST, id=6, payload=struct.pack("<Q", 16) + wide("v"))
        chunk = struct.pack("<BBBBHH", 1, 1, 0, 0x5B, 1, 0) + xml
        log.event(0, 2, pid=1, tid=1, provider=MANIFEST, id=0xFFFE, payload=chunk)
        log.write(tmp_path / "source.etl")
        out, _ = run(capsys, tmp_path / "source.etl", "--prefix", "%1: ", "--id", "6")
        assert out == ["Sim-Driver: Plain Instance=0x10 Volume=v"]


@pytest.mark.parametrize("sample", SAMPLES)
def test_real_messages_read_as_tracefmt_prints_them(corpus, capsys, sample):
    """The texts of all real WPP traces, from a TMF folder, in JSON and at the ends of lines."""
    expected = json.loads((corpus / "wpp" / "expected_text.json").read_text())[f"{sample}-sample.etl"]
    arguments = [corpus / "wpp" / f"{sample}-sample.etl", "--tmf", corpus / "wpp" / "tmf"]
    texts = [event["text"] for event in listed(capsys, *arguments) if "message" in event]
    assert len(texts) == expected["count"]
    assert set(expected["contains"]) <= set(texts)
    out, err = run(capsys, *arguments)
    for text in expected["contains"]:
        assert any(line.endswith(f"]{text}") for line in out)
    assert err == []
    assert all(
        re.match(r"\[\d+\][0-9A-F]{4,8}\.[0-9A-F]{4,8}::\d\d/\d\d/\d{4}-[\d:]{8}\.\d{3} \[", line)
        for line in out
    )
