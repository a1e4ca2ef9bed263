"""What each form of text log gives: every column, for lines as the tools print them."""

import pytest

from tracecheck.etl import plain_rows
from tracecheck.etl.columns import NO_CPU, NO_ID
from tracecheck.payload.text import TextLog, detect, form_of
from tracecheck.payload.text.detect import described
from tracecheck.payload.text.forms import csv_columns

#: Nanoseconds from 1970 to 2003-07-25 14:55:39.998.
MOMENT = 1_059_144_939_998_000_000
TRACEFMT = b"[0]0AF4.0C64::07/25/2003-14:55:39.998 [tracedrv]"
CSV_HEAD = (
    b"GuidName,GuidTypeName,ThreadId,SystemTime,KernelTime,UserTime,SequenceNum,"
    b"ProcessId,CpuNumber,FlagsName,LevelName,FunctionName,FormattedString\r\n"
)


@pytest.fixture
def read(tmp_path):
    """Give a function that writes a log and reads it, as rows and as the log."""

    def _read(data, form=None, prefix=""):
        path = tmp_path / "log.txt"
        path.write_bytes(data)
        form = detect(data, prefix) if form is None else described(data, form, prefix)
        assert form is not None
        with TextLog(path, form) as log:
            return [row for lines in log.chunks() for row in _rows(lines)], log

    return _read


def _rows(lines):
    columns = ("time", "cpu", "pid", "tid", "provider", "function", "text", "sequence", "number", "offset")
    values = [getattr(lines, name) for name in columns]
    values = [v.to_pylist() if hasattr(v, "to_pylist") else v.tolist() for v in values]
    return [dict(zip(columns, row, strict=True)) for row in zip(*values, strict=True)]


def texts(rows):
    """Give the messages alone."""
    return [row["text"] for row in rows]


class TestTracefmt:
    """What tracefmt writes as text."""

    def test_the_default_prefix_tells_all_it_has(self, read):
        """Processor, process, thread, time and provider are read; ids are hexadecimal."""
        rows, log = read(TRACEFMT + b"IOCTL = 1\r\n")
        assert rows == [
            {
                "time": MOMENT,
                "cpu": 0,
                "pid": 0xAF4,
                "tid": 0xC64,
                "provider": "tracedrv",
                "function": "",
                "text": "IOCTL = 1",
                "sequence": -1,
                "number": 1,
                "offset": 0,
            }
        ]
        assert (log.quality.timed, log.quality.precision, log.quality.threads) == (True, 1_000_000, True)

    @pytest.mark.parametrize("end", [b"\n", b"\r\n"])
    def test_a_line_without_a_prefix_continues_the_message(self, read, end):
        """A message of several lines is one, whatever ends its lines; places are those of its first line."""
        rows, _ = read(TRACEFMT + b"one" + end + b"\ttwo" + end + end + TRACEFMT + b"three" + end)
        assert texts(rows) == ["one\n\ttwo", "three"]
        assert [row["number"] for row in rows] == [1, 4]
        assert [row["offset"] for row in rows] == [0, len(TRACEFMT) + 3 + 3 * len(end) + 4]

    def test_a_message_without_a_definition_stands_alone(self, read):
        """What tracefmt could not decode has no prefix, and is no part of the message before it."""
        rows, log = read(
            TRACEFMT + b"a\nUnknown( 11): GUID=12 (No Format Information found).\n" + TRACEFMT + b"b"
        )
        assert texts(rows) == ["a", "Unknown( 11): GUID=12 (No Format Information found).", "b"]
        assert rows[1]["tid"] == NO_ID
        assert any("definition" in line for line in log.warnings)

    @pytest.mark.parametrize(
        ("time", "nanoseconds"),
        [
            ("07/25/2003-14:55:39.998", MOMENT),
            ("2003/07/25-14:55:39.998000001", MOMENT + 1),
            ("2003-07-25 14:55:39.998", MOMENT),
            ("\u200e2003\u200e-\u200e07\u200e-\u200e25 14:55:39.998", MOMENT),
            ("?2003?-?07?-?25 14:55:39.998", MOMENT),
            ("25.07.2003-14:55:39.998", MOMENT),
            ("25/07/2003-14:55:39,998", MOMENT),
            ("7/25/2003-2:55:39.998 PM", MOMENT),
        ],
    )
    def test_times_are_read_in_every_way_they_are_printed(self, read, time, nanoseconds):
        """Dates of either order, with marks of direction or without, and fractions of any length."""
        rows, log = read(f"[0]0AF4.0C64::{time} [d]x\n".encode())
        assert [row["time"] for row in rows] == [nanoseconds]
        assert log.quality.timed

    @pytest.mark.parametrize(
        "time", ["00/00/0000-00:00:00.000", "02/30/2003-14:55:39.998", "99/99/9999-99:99:99"]
    )
    def test_a_time_that_is_none_leaves_the_order(self, read, time):
        """A log whose times are no times is untimed: lines stay in their order."""
        rows, log = read(f"[0]0AF4.0C64::{time} [d]x\n[0]0AF4.0C64::{time} [d]y\n".encode())
        assert texts(rows) == ["x", "y"]
        assert rows[0]["time"] < rows[1]["time"]
        assert not log.quality.timed

    def test_another_prefix_is_read_as_it_says(self, read):
        """What TRACE_FORMAT_PREFIX sets is understood: numbers of either base, literals, functions."""
        prefix = "%7!08u! %8!6d!/%3!x! {%4!s!} %!FUNC!() %2!s!: "
        rows, log = read(b"00000012     10/1f {07/25/2003-14:55:39.998} Fn() a_c5: text: it\n", prefix=prefix)
        assert (rows[0]["sequence"], rows[0]["pid"], rows[0]["tid"]) == (12, 10, 0x1F)
        assert (rows[0]["time"], rows[0]["function"], rows[0]["text"]) == (MOMENT, "Fn", "text: it")
        assert rows[0]["cpu"] == NO_CPU
        assert log.quality.complete

    def test_the_default_prefix_is_known_where_another_is_set(self, read):
        """A log may be older than the environment."""
        rows, _ = read(TRACEFMT + b"x\n", prefix="%7!d! ")
        assert texts(rows) == ["x"]
        rows, _ = read(TRACEFMT + b"x\n", "tracefmt", prefix="%8!d!:%4!s! ")
        assert texts(rows) == ["x"]


class TestCsv:
    """What tracefmt writes as csv."""

    LINE = b'Sim,a_c1,01A4,07/25/2003-14:55:39.998,0,0,%d,0004,2,F,L,"f<a,b>",%s\r\n'

    @pytest.mark.parametrize("head", [CSV_HEAD, b""])
    def test_columns_are_read_with_headings_or_without(self, read, head):
        """Cells and messages may be quoted, and messages may have commas, quotes and line ends."""
        data = head + self.LINE % (7, b'"a ""q"", b\r\nnext"') + self.LINE % (8, b"plain, 'c'")
        rows, log = read(data)
        assert texts(rows) == ['a "q", b\nnext', "plain, 'c'"]
        assert [row["sequence"] for row in rows] == [7, 8]
        first = rows[0]
        assert (first["time"], first["cpu"], first["pid"], first["tid"]) == (MOMENT, 2, 4, 0x1A4)
        assert (first["provider"], first["function"]) == ("Sim", "f<a,b>")
        assert log.quality.complete
        assert not [note for note in log.notes if "part of no message" in note]

    def test_columns_stand_where_the_headings_say(self, read):
        """Headings of another order are followed."""
        data = b"SystemTime,ThreadId,GuidName,FormattedString\r\n07/25/2003-14:55:39.998,1f,Sim,x,y\r\n"
        rows, _ = read(data)
        assert [(row["time"], row["tid"], row["provider"]) for row in rows] == [(MOMENT, 0x1F, "Sim")]
        assert texts(rows) == ["x,y"]

    def test_missing_numbers_are_losses(self, read):
        """A number that no message has is missing; those of one time may be in any order."""
        numbers = [4, 6, 5, 9, 8]
        _, log = read(CSV_HEAD + b"".join(self.LINE % (n, b"x") for n in numbers))
        losses = log.losses()
        assert losses.column("count").to_pylist() == [1]
        assert losses.column("sign").to_pylist() == ["message sequence"]

    @pytest.mark.parametrize(
        "head", ["", "a,b", "FormattedString", '"', "SystemTime,SystemTime,FormattedString"]
    )
    def test_other_headings_are_none(self, head):
        """A first line that does not name tracefmt's columns is no heading."""
        assert csv_columns(head) == ()


class TestDebugView:
    """What DebugView saves."""

    def test_elapsed_times_and_numbers(self, read):
        """Number, seconds and text are read, and the process where user mode wrote the line."""
        rows, log = read(b"00000001\t0.00000000\t[Tiny]: loaded\t\r\n00000002\t4.13198900\t[1234] user\t\r\n")
        assert texts(rows) == ["[Tiny]: loaded", "user"]
        assert [row["time"] for row in rows] == [0, 4_131_989_000]
        assert [row["pid"] for row in rows] == [NO_ID, 1234]
        assert (log.quality.threads, log.quality.precision, log.quality.complete) == (False, 10, False)

    def test_clock_times_go_past_midnight(self, read):
        """A time of day that goes back from the evening to the morning is of the next day."""
        rows, log = read(b"00000001\t11:59:59 PM\ta\n00000002\t12:00:01 AM\tb\n00000003\t12:00:01 AM\tc\n")
        times = [row["time"] for row in rows]
        assert [times[1] - times[0], times[2] - times[1]] == [2_000_000_000, 0]
        assert log.quality.precision == 1_000_000_000

    def test_missing_numbers_are_losses(self, read):
        """DebugView numbers what it gets: the numbers tell what it dropped, between two times cut off."""
        _, log = read(b"00000001\t0.5\ta\n00000005\t0.75\tb\n")
        (loss,) = plain_rows(log.losses())
        assert (loss["count"], loss["unit"], loss["sign"]) == (3, "events", "message sequence")
        assert (loss["start"], loss["end"]) == (500_000_000, 760_000_000)

    def test_a_cleared_display_counts_anew(self, read):
        """Numbers and seconds that begin again are no losses, and time does not go back."""
        rows, log = read(b"00000008\t7.5\ta\n00000001\t0.0\tb\n00000002\t0.5\tc\n")
        assert [row["time"] for row in rows] == [7_500_000_000, 7_500_000_000, 8_000_000_000]
        assert not log.losses().num_rows


class TestDebugger:
    """Logs of kernel debuggers, and plain lines."""

    def test_lines_are_messages_in_their_order(self, read):
        """Where there is no time, the line's number stands for it; blank lines are none."""
        rows, log = read(b"Opened log file 'c:\\x.log'\n0: kd> g\n\n[Ctx]: one\n\ttwo\n")
        assert texts(rows)[1:] == ["g", "[Ctx]: one", "\ttwo"]
        assert [row["number"] for row in rows] == [1, 2, 4, 5]
        assert [row["time"] for row in rows] == [n * 1_000_000 for n in (1, 2, 4, 5)]
        assert (log.quality.timed, log.quality.threads) == (False, False)

    def test_times_before_messages_are_taken(self, read):
        """A clock before the text is its time; a line without one has that of the line before."""
        rows, log = read(b"[10:00:00.500] a\nb\n2003-07-25 14:55:39.998: c\n", "kd")
        assert texts(rows) == ["a", "b", "c"]
        assert rows[0]["time"] == rows[1]["time"] < rows[2]["time"]
        assert log.quality.timed

    def test_plain_text_needs_to_be_said(self, read):
        """Any text would be a plain log: it is one only where the user says so."""
        data = b"FltReleaseContext %p\nsecond\n"
        assert detect(data) is None
        assert texts(read(data, "text")[0]) == ["FltReleaseContext %p", "second"]

    def test_every_form_has_a_name(self):
        """A form knows its name, and each has what a line begins with."""
        for name in ("tracefmt", "tracefmt-csv", "debugview", "kd", "text"):
            assert form_of(name).name == name
