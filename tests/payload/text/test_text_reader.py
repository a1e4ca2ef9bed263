"""Blocks, encodings and hostile files: whatever a log holds, its messages are what a plain reading gives."""

import codecs
import random
import re
import tracemalloc

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tracecheck.etl import plain_rows
from tracecheck.payload.text import TextLog, detect, form_of, read_lines
from tracecheck.payload.text import blocks as blocks_module
from tracecheck.payload.text.blocks import MOST_TEXT
from tracecheck.payload.text.detect import encoding_of, looks_like_text
from tracecheck.payload.text.gaps import NumberGaps
from tracecheck.payload.text.timeline import Timeline

PREFIX = b"[1]0AF4.0C64::07/25/2003-14:55:39.998 [tracedrv]"
_HEAD = re.compile(
    rb"\[(\d{1,18})\] *([0-9A-Fa-f]{1,8})\. *([0-9A-Fa-f]{1,8})::"
    rb"\d\d/\d\d/\d{4}-\d\d:\d\d:\d\d\.\d{3} *\[([^\]\r\n]*)\]"
)
_BLANKS = b" \t\r\n\v\f"

fragments = st.lists(
    st.sampled_from(
        [
            PREFIX,
            PREFIX.replace(b"[1]", b"[7]"),
            PREFIX[:20],
            b"\n",
            b"\n",
            b"\r\n",
            b"text ",
            b"\t",
            b"\0",
            b"\x1b[31m",
            b"\xe4",
            "\u00e4\u20ac\U0001f600".encode(),
            b"\xe2\x82",
            b"\r",
            b"x" * 50,
        ]
    ),
    max_size=40,
).map(b"".join)


def plainly(data):
    """Read a tracefmt log a line at a time: the texts of its messages."""
    found = []
    for line in data.split(b"\n"):
        try:
            line.decode()
        except UnicodeDecodeError:
            line = line.decode("latin-1").encode()
        match = _HEAD.match(line)
        if match:
            found.append(line[match.end() :])
        elif found:
            found[-1] += b"\n" + line
    return [text.replace(b"\r\n", b"\n").rstrip(_BLANKS).decode() for text in found]


def texts(path, form):
    """Read the messages of a log."""
    return [text for lines in read_lines(path, form) for text in lines.text.to_pylist()]


@pytest.fixture
def write(tmp_path):
    """Give a function that writes a file."""

    def _write(data):
        path = tmp_path / "log.txt"
        path.write_bytes(data)
        return path

    return _write


class TestBlocks:
    """Where a block ends changes nothing."""

    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
    @given(data=fragments, size=st.integers(60, 400), most=st.integers(1, 5))
    def test_messages_are_those_of_a_plain_reading(self, data, size, most, write, monkeypatch):
        """For any bytes and any block, each message is read once, with all its lines."""
        path = write(data)
        with monkeypatch.context() as patch:
            patch.setattr(blocks_module, "BLOCK", 1 << 16)
            whole = texts(path, form_of("tracefmt"))
            longest = max(map(len, data.split(b"\n")), default=0)
            messages = max(map(len, data.split(PREFIX[3:])), default=0)
            patch.setattr(blocks_module, "BLOCK", size + longest + messages + len(PREFIX))
            assert texts(path, form_of("tracefmt")) == whole
        assert whole == plainly(data)
        with monkeypatch.context() as patch:
            patch.setattr(blocks_module, "MOST_LINES", most + data.count(b"\n"))
            assert texts(path, form_of("tracefmt")) == whole

    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
    @given(data=fragments, size=st.integers(1, 40), most=st.integers(1, 5))
    def test_plain_lines_are_those_of_the_file(self, data, size, most, write, monkeypatch):
        """However small the block, all lines come out, each with its number and place."""
        monkeypatch.setattr(blocks_module, "MOST_LINES", most)
        path = write(data)
        longest = max(map(len, data.split(b"\n"))) + 2
        monkeypatch.setattr(blocks_module, "BLOCK", longest + size)
        parts = list(read_lines(path, form_of("text")))
        numbers = [n for part in parts for n in part.number.tolist()]
        offsets = [n for part in parts for n in part.offset.tolist()]
        lines = data.split(b"\n")
        kept = [n for n, line in enumerate(lines, 1) if line.strip(_BLANKS)]
        assert numbers == kept
        starts = np.cumsum([0, *(len(line) + 1 for line in lines)])
        assert offsets == [int(starts[n - 1]) for n in kept]

    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
    @given(data=st.binary(max_size=300), size=st.integers(1, 8))
    def test_any_bytes_in_any_block_come_to_an_end(self, data, size, write, monkeypatch):
        """Blocks smaller than lines, and bytes of any kind: reading ends, and every form of it."""
        monkeypatch.setattr(blocks_module, "BLOCK", 2 * size)
        monkeypatch.setattr(blocks_module, "MOST_TEXT", 2 * size)
        path = write(data)
        for name in ("tracefmt", "tracefmt-csv", "debugview", "kd", "text"):
            for encoding in ("utf-8", "utf-16-le", "utf-16-be"):
                for lines in read_lines(path, form_of(name, encoding)):
                    assert len(lines)
                    lines.text.validate(full=True)

    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
    @given(text=st.text(max_size=200), encoding=st.sampled_from(["utf-16-le", "utf-16-be", "utf-8"]))
    def test_text_is_the_same_in_every_encoding(self, text, encoding, write):
        """What a byte order mark announces is decoded; surrogates without a partner are replaced."""
        mark = {"utf-16-le": codecs.BOM_UTF16_LE, "utf-16-be": codecs.BOM_UTF16_BE, "utf-8": codecs.BOM_UTF8}
        data = mark[encoding] + text.encode(encoding, "replace")
        name, start = encoding_of(data)
        assert (name, start) == (encoding, len(mark[encoding]))
        got = texts(write(data), form_of("text", name, start))
        lines = text.encode(encoding, "replace").decode(encoding).split("\n")
        assert got == [line.rstrip(" \t\r\n\v\f") for line in lines if line.strip(" \t\r\n\v\f")]


class TestHostile:
    """Files that want to break the reader."""

    def test_an_endless_line_is_cut_in_bounded_memory(self, write):
        """Of a line of 60 MB the beginning is kept, and what follows it is read."""
        path = write(PREFIX + b"x" * (60 << 20) + b"\nrest\n" + PREFIX + b"after\n")
        tracemalloc.start()
        with TextLog(path, form_of("tracefmt")) as log:
            got = [text for lines in log.chunks() for text in lines.text.to_pylist()]
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert [len(text) for text in got] == [MOST_TEXT - len(PREFIX), 5]
        assert len(log.warnings) == 1
        assert peak < 40 << 20

    def test_a_message_without_end_is_cut(self, write):
        """Lines without a prefix for ever are one message, of which the beginning is kept; none is stray."""
        path = write(PREFIX + b"begin\n" + b"more\n" * (3 << 20) + PREFIX + b"after\n")
        with TextLog(path, form_of("tracefmt")) as log:
            got = [text for lines in log.chunks() for text in lines.text.to_pylist()]
        assert [len(text) <= MOST_TEXT for text in got] == [True, True]
        assert got[1] == "after"
        assert log.lines == 2 + (3 << 20)
        assert len(log.warnings) == 1
        assert len(log.notes) == 1

    def test_line_ends_alone_are_no_messages(self, write):
        """Ten million line ends are read in bounded memory, and are nothing."""
        path = write(b"\n" * 10_000_000)
        tracemalloc.start()
        assert texts(path, form_of("kd")) == []
        assert tracemalloc.get_traced_memory()[1] < 60 << 20
        tracemalloc.stop()

    @pytest.mark.parametrize("name", ["tracefmt", "tracefmt-csv", "debugview", "kd", "text"])
    def test_noise_is_no_crash(self, write, name):
        """A megabyte of random bytes gives whatever it gives, and valid strings."""
        path = write(random.Random(1).randbytes(1 << 20))
        for lines in read_lines(path, form_of(name)):
            lines.text.validate(full=True)
            lines.provider.validate(full=True)

    def test_a_long_message_is_not_cut_within_a_character(self, write):
        """Where a message is cut, no half character is left."""
        for shift in range(4):
            path = write(PREFIX + b"x" * shift + "\U0001f600".encode() * 20_000 + b"\n" + PREFIX + b"y\n")
            got = texts(path, form_of("tracefmt"))
            assert got[0] == "x" * shift + "\U0001f600" * ((MOST_TEXT - shift) // 4)

    def test_numbers_too_large_are_missing(self, write):
        """Ids that no machine has are told apart from ids."""
        lines = [
            b"[99999999999]0.0::07/25/2003-14:55:39.998 [d]x",
            b"[1]FFFFFFFF.FFFFFFFF::07/25/2003-14:55:39.998 [d]y",
            b"[1]123456789.1::07/25/2003-14:55:39.998 [d]no id is so long",
        ]
        (part,) = read_lines(write(b"\n".join(lines)), form_of("tracefmt"))
        assert part.cpu.tolist() == [0xFFFF, 1]
        assert part.tid.tolist() == [0, 0xFFFFFFFF]
        assert part.text[1].as_py().startswith("y\n")

    def test_absurd_seconds_do_not_overflow(self, write):
        """Times that add up to more than 64 bits stay in order."""
        data = b"".join(b"%08d\t%d.0\tx\n" % (i + 1, 999_999_999 * (i % 2)) for i in range(20_000))
        times = np.concatenate([part.time for part in read_lines(write(data), form_of("debugview"))])
        assert (np.diff(times) >= 0).all()

    def test_a_cut_last_line_is_read(self, write):
        """A log that ends within a line gives what is there of it."""
        whole = PREFIX + b"one\n" + PREFIX + b"two\n"
        for cut in range(len(whole)):
            got = texts(write(whole[:cut]), form_of("tracefmt"))
            assert len(got) in (0, 1, 2)
            if cut > len(PREFIX) * 2 + 4:
                assert got[1] == b"two\n"[: cut - 2 * len(PREFIX) - 4].decode().strip()


class TestDetect:
    """What is recognised, and what is not."""

    @pytest.mark.parametrize(
        "data",
        [
            b"",
            b"\n\n\n",
            b"not a trace\r\n" * 1000,
            b"\xff\xfe",
            b"\0" * 1000,
            b"a,b,c\n1,2,3\n",
            b"00000001 not a number of DebugView\n",
            b"2003-07-25 14:55:39.998 INFO a log of something else\n" * 50,
        ],
    )
    def test_other_files_are_no_logs(self, data):
        """Text of other kinds, and no text, are not taken for logs."""
        assert detect(data) is None

    def test_a_line_in_a_book_makes_no_log(self):
        """One line among many that looks like a message does not make a file a log."""
        assert detect(b"words\n" * 400 + PREFIX + b"x\n") is None
        assert detect(b"words\n" * 10 + PREFIX + b"x\n") is not None

    def test_text_is_told_from_other_files(self):
        """Text may have some control characters, and other files have many."""
        assert looks_like_text(b"plain\r\n")
        assert looks_like_text("\u00e4".encode("utf-16"))
        assert not looks_like_text(bytes(100))
        assert not looks_like_text(random.Random(1).randbytes(1000))


class TestNumbers:
    """Gaps in numbers, by comparison with sets."""

    @settings(deadline=None)
    @given(st.lists(st.lists(st.integers(1, 60), max_size=20), max_size=4))
    def test_gaps_are_the_numbers_that_no_message_has(self, parts):
        """In any order and any blocks, what lies between the least and the most and is not there is lost."""
        gaps = NumberGaps(restarts=False)
        for part in parts:
            number = np.array(part, np.int64)
            gaps.add(number, number * 1000, np.ones(len(part), np.bool_))
        there = {n for part in parts for n in part}
        missing = set(range(min(there), max(there))) - there if there else set()
        rows = plain_rows(gaps.table())
        assert sum(row["count"] for row in rows) == len(missing)
        for row in rows:
            first = row["start"] // 1000 + 1
            assert set(range(first, first + row["count"])) <= missing
            assert row["end"] // 1000 == first + row["count"]


class TestTimeline:
    """Times of lines in order."""

    @settings(deadline=None)
    @given(
        st.lists(st.sampled_from(["", "0.5", "3.25", "1.0", "999999999.9"]), max_size=30), st.integers(1, 7)
    )
    def test_time_never_goes_back(self, cells, size):
        """For any times and any blocks, the given times rise, and steps forward are kept."""
        from tracecheck.payload.arrow import strings

        timeline = Timeline(forward=True)
        times = []
        for first in range(0, len(cells), size):
            part = cells[first : first + size]
            number = np.arange(first + 1, first + 1 + len(part))
            time, has = timeline.add(strings(part), number)
            assert has.tolist() == [bool(cell) for cell in part]
            times += time.tolist()
        known = [i for i, cell in enumerate(cells) if cell]
        after = times[known[0] :] if known else times
        assert after == sorted(after)
