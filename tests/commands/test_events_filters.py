"""`events`: which records are shown; every filter against what the whole list says."""

import json
import re
import struct
from datetime import datetime

import pytest
from click.exceptions import BadParameter
from events_capture import MESSAGES, POINTER, UNDEFINED, described, listed, message, wide, write_all
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tracecheck.cli import main
from tracecheck.commands.filters import ids_of, level_of, number_of, pointer_of, time_of
from tracecheck.errors import UsageError
from tracecheck.etl.writer import LogWriter
from tracecheck.reporters.events.selection import Grep

TRACES = ("etl/net.4.5.2.x64.etl", "etl/ebpforwindows.etl", "etl/powershell.etl", "wpp/wppemitter-sample.etl")


@pytest.fixture
def capture(tmp_path):
    """A capture with its definitions, as arguments."""
    path, tmf, manifest = write_all(tmp_path)
    return [path, "--tmf", tmf, "--manifest", manifest]


class TestEachFilter:
    """What one option leaves."""

    @pytest.mark.parametrize(
        ("options", "names"),
        [
            (["--provider", str(MESSAGES)], [10, 11]),
            (["--provider", str(MESSAGES).upper()[:9]], [10, 11, 3]),
            (["--provider", "DRIVER"], [10, 11]),
            (
                ["--provider", "Sim-", "--provider", "TraceCheck"],
                ["FltGetStreamContext", "Attached", "Plain"],
            ),
            (["--provider", "PerfInfo"], ["PerfInfo/46"]),
            (["--provider", "DbgPrint/32"], ["DbgPrint/DbgPrint"]),
            (["--provider", "nobody"], []),
            (["--id", "10-11"], [10, 11]),
            (["--id", "3", "--id", "6"], [3, "Plain"]),
            (["--id", "46"], ["PerfInfo/46"]),
            (["--pid", "4", "--id", "32"], ["DbgPrint/DbgPrint"]),
            (["--tid", "0xC8", "--id", "10"], [10]),
            (["--pid", "4294967295"], []),
            (["--level", "error", "--pid", "100"], [11, 3]),
            (["--level", "3", "--tid", "200"], [11, 3, "Attached", "Plain", None]),
            (["--from", "2023-11-14T22:13:20.000002", "--to", "2023-11-14T22:13:20.000003"], [10, 11]),
            (["--from", "0.000004", "--to", "0.000004"], [3]),
            (["--to", "2023-11-14T22:13:19"], []),
            (["--from", "2023-11-14", "--to", "2023-11-14", "--id", "3"], [3]),
            (["--from", "2023-11-14T23:13:20.000006+01:00", "--to", "0.0000069"], ["DbgPrint/DbgPrint"]),
            (["--grep", "SET ON"], [10]),
            (["--grep", "status_*denied"], [11]),
            (["--grep", "fltgetstreamcontext"], ["FltGetStreamContext"]),
            (["--grep", "#3 01"], [3]),
            (["--grep", "volume*set"], []),
            (["--limit", "2", "--grep", "volume"], ["FltGetStreamContext", 10]),
            (["--tail", "2", "--grep", "volume"], ["Attached", "Plain"]),
            (["--tail", "1", "--id", "10-11"], [11]),
            (["--tail", "0"], []),
        ],
    )
    def test_leaves(self, capture, capsys, options, names):
        """The records that stay, by their names or message numbers, in the order of time."""
        events = listed(capsys, *capture, *options)
        assert [event.get("message", event.get("name")) for event in events] == names

    @given(
        st.lists(
            st.tuples(
                st.sampled_from(["--id", "--pid", "--tid", "--level", "--provider"]),
                st.sampled_from([0, 3, 4, 5, 8, 100]),
            ),
            max_size=4,
        )
    )
    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30, deadline=None)
    def test_all_must_hold(self, capture, capsys, options):
        """Values of one option are alternatives, options are conditions."""
        wanted = {name: {value for each, value in options if each == name} for name, _ in options}
        level = next((value for each, value in reversed(options) if each == "--level"), 255)
        every = listed(capsys, *capture)
        expected = [
            event
            for event in every
            if event["pid"] in wanted.get("--pid", {event["pid"]})
            and event["tid"] in wanted.get("--tid", {event["tid"]})
            and (event["id"] if event["kind"][0] in "EW" else event["opcode"])
            in wanted.get("--id", {event["id"] if event["kind"][0] in "EW" else event["opcode"]})
            and event["level"] <= level
            and ("--provider" not in wanted)
        ]
        arguments = [str(part) for option in options for part in option]
        assert listed(capsys, *capture, *arguments) == expected

    @pytest.mark.parametrize("trace", TRACES)
    def test_on_real_traces_they_are_what_the_list_says(self, corpus, capsys, trace):
        """A filter gives the lines that the whole list has of what it asks for, and no other."""
        assert main(["events", str(corpus / trace), "--format", "jsonl", "--limit", "3000"]) == 0
        lines = capsys.readouterr().out.splitlines()
        events = list(map(json.loads, lines))
        last = events[-1]["time"]
        shown = events[len(events) // 2]
        choices = {
            ("--provider", shown["provider"]): [e["provider"] == shown["provider"] for e in events],
            ("--pid", str(shown["pid"])): [e["pid"] == shown["pid"] for e in events],
            ("--grep", "a*e"): None,
        }
        for (option, value), expected in choices.items():
            if value in ("None", None):
                continue
            arguments = ["events", str(corpus / trace), "--format", "jsonl", option, value, "--to", last]
            assert main(arguments) == 0
            found = [line for line in capsys.readouterr().out.splitlines() if json.loads(line)["time"] < last]
            if expected is not None:
                kept = [line for line, keep in zip(lines, expected, strict=True) if keep]
                assert found == [line for line in kept if json.loads(line)["time"] < last]
            assert set(found) <= set(lines)


class TestFollow:
    """--follow-context: one pointer, wherever it stands."""

    def test_a_pointer_is_found_in_every_family(self, capture, capsys):
        """As a field, and in bytes that no definition explains."""
        events = listed(capsys, *capture, "--follow-context", f"{POINTER:#x}")
        names = [event.get("message", event.get("name")) for event in events]
        assert names == ["FltGetStreamContext", 10, "Attached", "Plain", None]

    def test_debuggers_write_pointers_in_halves(self, capture, capsys):
        """A backquote between the halves is no obstacle."""
        assert listed(capsys, *capture, "--follow-context", "0xffffa818`00091200", "--id", "10")

    def test_a_field_must_have_it_not_bytes_by_chance(self, tmp_path, capsys):
        """Of a decoded payload the bytes alone prove nothing: they may belong to two fields."""
        log = LogWriter()
        described(log, 1, pointer=0x40 << 56, text="AB")
        described(log, 2, pointer=0x8899, text="x")
        described(log, 3, pointer=0x77888800, text="x")
        message(log, 4, bytes.fromhex("00 8899 0000 00"), guid=UNDEFINED)
        path = tmp_path / "chance.etl"
        log.write(path)
        assert [e["time"][-4:-1] for e in listed(capsys, path, "--follow-context", "0x8899")] == ["200"]
        assert listed(capsys, path, "--follow-context", "0x424140") == []
        found = listed(capsys, path, "--follow-context", "0x9988")
        assert [event["payload"] for event in found] == ["008899000000"]

    def test_a_text_may_name_it(self, tmp_path, capsys):
        """Drivers that print their pointers are followed too, in either case and width."""
        log = LogWriter()
        for tick, payload in enumerate((f"ctx {POINTER:X}".encode(), wide(f"{POINTER:x} set"), b"ctx 1234")):
            message(log, tick, payload, guid=UNDEFINED)
        log.system(
            0, 9, group=0x0A, opcode=0x20, pid=4, tid=8, payload=bytes(8) + f"at {POINTER:X}\0".encode()
        )
        path = tmp_path / "named.etl"
        log.write(path)
        assert len(listed(capsys, path, "--follow-context", f"{POINTER:#x}")) == 3

    def test_four_bytes_are_enough_for_a_small_pointer(self, tmp_path, capsys):
        """Pointers of 32-bit machines are found at any place."""
        log = LogWriter()
        for tick in range(4):
            message(log, tick, bytes(tick) + struct.pack("<I", 0x81234560) + b"\1", guid=UNDEFINED)
        message(log, 5, struct.pack("<I", 0x81234561), guid=UNDEFINED)
        log.write(tmp_path / "small.etl")
        assert len(listed(capsys, tmp_path / "small.etl", "--follow-context", "0x81234560")) == 4


class TestGrep:
    """The text search."""

    @given(st.text("ab*", max_size=6), st.text("AB", max_size=12))
    def test_a_star_is_any_text(self, pattern, text):
        """It is what a regular expression says whose only operator is that star."""
        expected = re.search(pattern.replace("*", ".*"), text, re.IGNORECASE | re.DOTALL) is not None
        assert (text in Grep(pattern)) == expected


class TestValues:
    """What options accept."""

    @pytest.mark.parametrize(
        ("read", "text"),
        [
            (ids_of, "x"),
            (ids_of, "9-3"),
            (ids_of, "70000"),
            (number_of, "-1"),
            (number_of, "0x1ffffffff"),
            (number_of, "12a"),
            (pointer_of, "0x" + "f" * 17),
            (level_of, "loud"),
            (level_of, "256"),
        ],
    )
    def test_nonsense_is_refused(self, read, text):
        """What is no number, range or level is a usage error that says so."""
        with pytest.raises(BadParameter, match="is no"):
            read(text)

    @pytest.mark.parametrize(
        "text", ["yesterday", "2023-13-01", "2023-11-14T25:00", "2023-11-14T22:13.5", "1e9", ""]
    )
    def test_times_that_are_none_are_refused(self, text):
        """A time is ISO 8601 or seconds."""
        with pytest.raises(UsageError, match="--from"):
            time_of(text, 0, "--from")

    @given(st.datetimes(min_value=datetime(1970, 1, 1)), st.integers(0, 999))
    def test_times_mean_all_that_they_do_not_say(self, time, nanos):
        """A time without a fraction is the whole second, one with a fraction all that begins so."""
        text = f"{time:%Y-%m-%dT%H:%M:%S}".rjust(19, "0")
        first, last = time_of(text, 0, "--from")
        assert last - first == 10**9 - 1
        whole = first + time.microsecond * 1000 + nanos
        assert time_of(f"{text}.{time.microsecond:06d}{nanos:03d}", 0, "--to") == (whole, whole)
        assert time_of(f"{nanos}.5", first, "--to")[0] == first + nanos * 10**9 + 5 * 10**8

    @pytest.mark.parametrize(
        "options",
        [
            ["--limit", "1", "--tail", "1"],
            ["--format", "parquet"],
            ["--from", "later"],
            ["--manifest", "none"],
        ],
    )
    def test_usage_errors_exit_with_two(self, tmp_path, capsys, options):
        """One line says what is wrong."""
        path, _, _ = write_all(tmp_path)
        assert main(["events", str(path), *options]) == 2
        assert capsys.readouterr().out == ""
