"""Bad input: one clear line and exit code 4, or what could be read with the loss stated; never a traceback.

The files are made here with a writer that lies, or are sample traces and real ones that were damaged. Every
run is of the real command line, in this process unless time, memory or a signal is what is measured.
"""

import itertools
import json
import os
import random
import stat
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from hostile import (
    CALL,
    CLOCK_TYPE,
    HEADER_SIZE,
    LEAST_RECORD,
    LOG_HEADER,
    PERF_FREQ,
    POINTER_SIZE,
    SAMPLES,
    START_TIME,
    buffer,
    call,
    commands,
    description,
    fair,
    lives,
    log_head,
    measured,
    packed_run,
    patched,
    raw_call,
    records_of,
    run,
)

from tracecheck.etl import open_log
from tracecheck.etl.layout import BUFFER_COMPRESSED, BUFFER_EVENTS_LOST, BUFFER_HEADER_SIZE
from tracecheck.etl.lzxpress import compress
from tracecheck.etl.writer import LogWriter
from tracecheck.fltmgr import ROUTINES
from tracecheck.simulate.tracelogging import Field

posix = pytest.mark.skipif(os.name != "posix", reason="needs what only POSIX systems have")
#: Seconds that anything here may take; what grows with the square of the input takes far longer.
SOON = 6
U64 = (1 << 64) - 1
ESCAPES = "\x1b[31mred\x07\u202egnp\u2066\u200b\x9b2J\r"


@pytest.fixture
def write(tmp_path):
    """Write bytes to a file of this test."""
    numbers = itertools.count()

    def put(data, name=None):
        path = tmp_path / (name or f"{next(numbers)}.etl")
        path.write_bytes(data)
        return path

    return put


def checked(path, *codes):
    """Check a capture; give what `check` says as JSON has it, None where it could not be read."""
    outcome = fair(run("check", "--format", "json", path), *codes)
    return json.loads(outcome.out) if outcome.code != 4 else None


def counted(path):
    """Give what `info` says of a capture as JSON has it."""
    return json.loads(fair(run("info", "--format", "json", path), 0).out)


def listed(path):
    """Give the events of a capture as JSON has them."""
    outcome = fair(run("events", "--format", "jsonl", path), 0)
    return [json.loads(line) for line in outcome.out.splitlines()]


def fair_everywhere(path):
    """Hold every command in every format against the rule for bad input."""
    for arguments in commands(path):
        fair(run(*arguments), 0, 1, 2, 3, 4)


def small_log(count=3):
    """Make a small log of some lives with nothing wrong."""
    log = LogWriter(buffer_size=4096)
    lives(log, count)
    return log.to_bytes()


def sure(report):
    """Give what a report says is wrong for certain; notes on the capture's quality are no faults."""
    return {
        (finding["rule"], finding["context"], finding["generation"])
        for finding in report["findings"]
        if finding["confidence"] == "definite" and finding["severity"] != "note"
    }


class TestNotATrace:
    """Input that is no capture at all."""

    @pytest.mark.parametrize("length", [0, 1, 8, 71, 72, 73, 79, 80, 103, 104, 105, 200, 352, 383])
    def test_a_file_too_short_for_its_own_header_is_refused(self, write, length):
        """A file that ends within the log file's header gives 4 and one line that names it."""
        path = write((SAMPLES / "healthy.etl").read_bytes()[:length])
        for arguments in commands(path):
            outcome = fair(run(*arguments), 4)
            assert str(path) in outcome.err

    def test_other_kinds_of_file_are_refused(self, write, tmp_path):
        """Text, pictures, archives, symbol files, executables and noise are not taken for captures."""
        archive = tmp_path / "archive.zip"
        with zipfile.ZipFile(archive, "w") as file:
            file.writestr("trace.etl", bytes(5000))
        noise = random.Random(1).randbytes(100_000)
        paths = [
            archive,
            Path(sys.executable),
            write(b"not a trace\r\n" * 1000, "notes.txt"),
            write(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + noise, "picture.png"),
            write(b"Microsoft C/C++ MSF 7.00\r\n\x1aDS\0\0\0" + bytes(8192), "driver.pdb"),
            write(bytes(100_000), "zeros.etl"),
            write(b"\xff" * 100_000, "ones.etl"),
            write(noise, "noise.etl"),
        ]
        for path in paths:
            outcome = fair(run("check", path), 4)
            assert f"{path}: not an .etl file" in outcome.err

    def test_a_directory_and_a_missing_file_are_named(self, tmp_path):
        """What is not there, or is a directory, is told as such."""
        assert "is a directory" in fair(run("check", tmp_path), 4).err
        assert "no such file" in fair(run("check", tmp_path / "missing.etl"), 4).err
        assert "name too long" in fair(run("info", tmp_path / ("x" * 5000)), 4).err

    def test_a_name_that_no_file_can_have_is_an_error_of_input(self):
        """A NUL in a path is told in one line."""
        fair(run("check", "a\0b.etl"), 2, 4)

    @posix
    def test_a_file_without_permission_is_named(self, write):
        """A file that may not be read gives 4 and says why."""
        path = write((SAMPLES / "healthy.etl").read_bytes())
        path.chmod(0)
        if os.access(path, os.R_OK):
            pytest.skip("this user may read everything")
        assert "Permission denied" in fair(run("check", path), 4).err

    @posix
    @pytest.mark.parametrize("device", ["/dev/null", "/dev/zero", "/dev/urandom", "/proc/self/mem"])
    def test_a_device_is_refused_at_once(self, device):
        """What has no end or no size is not read, and the line names it."""
        if not Path(device).exists():
            pytest.skip(f"there is no {device}")
        assert device in fair(run("check", device, seconds=SOON), 4).err

    @posix
    @pytest.mark.parametrize("command", ["check", "info", "events"])
    def test_a_pipe_does_not_hang(self, tmp_path, command):
        """A FIFO that nobody writes to is refused and not waited for."""
        fifo = tmp_path / "fifo.etl"
        os.mkfifo(fifo)
        assert str(fifo) in fair(run(command, fifo, seconds=SOON), 4).err

    def test_a_bad_file_among_good_ones_is_the_one_named(self, write):
        """Of several captures the one that can't be read is named, and nothing is left open."""
        bad = write(b"no trace")
        outcome = fair(run("check", SAMPLES / "healthy.etl", bad, SAMPLES / "use-freed.etl"), 4)
        assert str(bad) in outcome.err

    def test_one_file_given_twice_is_no_fault_of_the_driver(self):
        """The same capture twice tells of no double release: it is read once, or refused."""
        healthy = SAMPLES / "healthy.etl"
        outcome = fair(run("check", "--format", "json", healthy, healthy), 0, 2, 3, 4)
        assert outcome.code in (2, 4) or not sure(json.loads(outcome.out))


class TestNames:
    """Paths that are hostile themselves."""

    @posix
    def test_a_path_can_not_steer_the_terminal(self, tmp_path):
        """Line ends and escapes in a path are shown as escapes, in results and in errors."""
        good, bad = tmp_path / "a\n\x1b[31mb.etl", tmp_path / "c\n\x1b[31md.etl"
        good.write_bytes((SAMPLES / "use-freed.etl").read_bytes())
        bad.write_bytes(b"no trace")
        fair_everywhere(good)
        assert "\\x1b[31md.etl" in fair(run("check", bad), 4).err

    @posix
    def test_the_name_of_the_result_is_shown_on_one_line(self, tmp_path):
        """``-o`` says what it wrote in one line whatever the name is."""
        target = tmp_path / "out\n\x1b[31m.txt"
        outcome = fair(run("check", SAMPLES / "healthy.etl", "-o", target), 0)
        assert target.read_text(encoding="utf-8")
        assert outcome.err.count("\n") == 1

    @posix
    def test_a_path_that_is_no_unicode_is_served(self, tmp_path):
        """A path of any bytes can be read, and JSON with it is JSON."""
        if sys.platform == "darwin":
            pytest.skip("the file system takes Unicode names only")
        path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xfe.etl"))
        path.write_bytes((SAMPLES / "use-freed.etl").read_bytes())
        fair_everywhere(path)
        assert checked(path)["captures"] == [str(path)]


class TestCut:
    """Files that end too early."""

    @pytest.mark.parametrize(
        ("name", "step"), [("crowded", 1000), ("lost-buffers", 12_007), ("healthy", 6007)]
    )
    def test_what_is_missing_is_stated_and_not_blamed_on_the_driver(self, write, name, step):
        """Cut anywhere, a capture is not clean and has no sure fault that the whole has not."""
        data = (SAMPLES / f"{name}.etl").read_bytes()
        whole = checked(SAMPLES / f"{name}.etl")
        for cut in range(0, len(data), step):
            report = checked(write(data[:cut], "cut.etl"))
            if report is None:
                assert cut < 500
                continue
            assert report["summary"]["records"] <= whole["summary"]["records"]
            if report["summary"]["records"] < whole["summary"]["records"]:
                assert report["summary"]["losses"], cut
                assert report["summary"]["verdict"] != "clean", cut
            assert sure(report) <= sure(whole), cut

    @pytest.mark.parametrize("name", ["lost-buffers", "pointers32"])
    def test_a_cut_between_buffers_is_seen(self, write, name):
        """A file that ends where a buffer ends is known to be cut by the count in its header."""
        data = (SAMPLES / f"{name}.etl").read_bytes()
        whole = sure(checked(SAMPLES / f"{name}.etl"))
        at = struct.unpack_from("<I", data)[0]
        while at < len(data):
            report = checked(write(data[:at], "cut.etl"))
            assert report["summary"]["losses"], at
            assert report["summary"]["verdict"] != "clean", at
            assert sure(report) <= whole, at
            at += struct.unpack_from("<I", data, at)[0]

    def test_every_command_takes_a_cut_file(self, write):
        """Each command reads what is there of a cut sample."""
        data = (SAMPLES / "use-freed.etl").read_bytes()
        for cut in range(1000, len(data), 40_007):
            fair_everywhere(write(data[:cut], "cut.etl"))

    def test_a_real_trace_cut_anywhere(self, write, corpus):
        """A small real trace of a 32-bit system, cut at every 10th byte, gives a line or what is left."""
        data = (corpus / "etl" / "smallEtlFile.etl").read_bytes()
        for cut in range(0, len(data), 10):
            fair(run("info", write(data[:cut], "cut.etl")), 0, 4)

    def test_a_file_that_grows_is_read_as_far_as_it_went(self, write):
        """What is written behind the end while a capture is read is not part of it."""
        data = (SAMPLES / "healthy.etl").read_bytes()
        path = write(data)
        with open_log(path) as log:
            with path.open("ab") as file:
                file.write(data)
            records = sum(len(chunk.records) for chunk in log.chunks())
        assert records == counted(SAMPLES / "healthy.etl")["events"]

    @posix
    def test_a_file_that_shrinks_does_not_end_the_process(self, write):
        """A capture that is cut while it is read is an error or a loss, not a bus error."""
        path = write((SAMPLES / "healthy.etl").read_bytes() * 40)
        script = """
import os, sys
from tracecheck.errors import InputError
from tracecheck.etl import open_log
with open_log(sys.argv[1]) as log:
    try:
        os.truncate(sys.argv[1], 9000 if sys.argv[2] == "before" else log.size)
        for chunk in log.chunks():
            os.truncate(sys.argv[1], 9000)
            chunk.data.sum()
    except InputError as error:
        print(error)
"""
        for when in ("after", "before"):
            done = subprocess.run(
                [sys.executable, "-c", script, str(path), when],
                capture_output=True, text=True, timeout=20, check=False,
            )  # fmt: skip
            assert (done.returncode, done.stderr) == (0, ""), when


class TestFlipped:
    """Files of which some bytes are not what they were."""

    @pytest.mark.parametrize("seed", range(10))
    def test_samples_with_random_bytes(self, write, seed):
        """Twenty damaged samples a seed: `check`, and now and then another command, takes each."""
        chosen = random.Random(seed)
        names = sorted(SAMPLES.glob("*.etl"))
        for _ in range(20):
            data = bytearray(chosen.choice(names).read_bytes())
            for _ in range(chosen.choice((1, 10, 100, 1000))):
                data[chosen.randrange(len(data))] = chosen.randrange(256)
            path = write(data, "flipped.etl")
            fair(run(*chosen.choice(commands(path)[:2])))
            if not chosen.randrange(8):
                fair(run(*chosen.choice(commands(path)[2:])), 0, 2, 4)

    @pytest.mark.parametrize("seed", range(4))
    def test_real_traces_with_random_bytes(self, write, corpus, seed):
        """The same of real traces, of which every kind of record is somewhere."""
        chosen = random.Random(seed)
        names = [path for path in sorted(corpus.glob("*/*.etl")) if path.stat().st_size < 800_000]
        for _ in range(10):
            data = bytearray(chosen.choice(names).read_bytes())
            for _ in range(chosen.choice((1, 10, 100, 1000))):
                data[chosen.randrange(len(data))] = chosen.randrange(256)
            path = write(data, "flipped.etl")
            fair(run(*chosen.choice(commands(path)[:6])))

    def test_the_first_buffer_with_extreme_fields(self, write):
        """Every aligned word of the log's first 400 bytes, set to what breaks sums, is taken or refused."""
        data = small_log()
        for at in range(0, 400, 4):
            for word in (b"\xff\xff\xff\xff", b"\0\0\0\x80", b"\0\0\0\0"):
                fair(run("check", write(patched(data, (at, word)), "flipped.etl")))


class TestBuffers:
    """Buffers that lie about themselves; the next one is always tried."""

    def log(self, *middle, count=3):
        """Make a log with whole lives before and after some bytes."""
        before, after = LogWriter(), LogWriter()
        lives(before, count)
        lives(after, count, first=0x9000, tick=100_000, sequence=1 + 2 * count)
        parts = (buffer(records_of(w), size=4096, sequence=n) for n, w in ((1, before), (3, after)))
        first, last = (part.ljust(4096, b"\xff") for part in parts)
        return log_head() + first + b"".join(middle) + last

    @pytest.mark.parametrize(
        "size", [0, 1, 0x47, 0x48, 0x49, 4095, 4097, 1 << 20, 1 << 26, 0x7FFFFFFF, U64 >> 32]
    )
    def test_a_size_that_lies(self, write, size):
        """A BufferSize of nothing, of a header, of an odd number or of 4 GB costs that buffer alone."""
        lying = buffer(LEAST_RECORD * 3, size=size, sequence=2).ljust(4096, b"\xff")
        path = write(self.log(lying))
        fair_everywhere(path)
        report = checked(path)
        assert report["summary"]["verdict"] == "inconclusive"
        assert report["summary"]["contexts"] == 6
        assert not report["findings"] or not sure(report)

    @pytest.mark.parametrize("used", [0, 1, 0x47, 0x48, 0x49, 4097, 1 << 26, 0x7FFFFFFF, U64 >> 32])
    def test_an_offset_that_lies(self, write, used):
        """An Offset before the first record or behind the buffer's end does not reach into the next one."""
        lying = buffer(LEAST_RECORD * 3, size=4096, used=used, sequence=2).ljust(4096, b"\xff")
        path = write(self.log(lying))
        fair_everywhere(path)
        summary = checked(path)["summary"]
        assert summary["contexts"] == 6
        assert bool(summary["losses"]) == (not HEADER_SIZE <= used <= 4096)

    @pytest.mark.parametrize("length", [1, 7, 8, 71, 72, 73, 4095, 4096, 5000])
    def test_garbage_between_buffers(self, write, length):
        """Noise between two buffers is stepped over and stated."""
        path = write(self.log(random.Random(length).randbytes(length)))
        fair_everywhere(path)
        report = checked(path)
        assert report["summary"]["losses"]
        assert report["summary"]["contexts"] == 6

    def test_a_compressed_buffer_that_is_more_than_it_says(self, write):
        """What unpacks to more than Offset claims is read up to there, and stated."""
        packed = compress(LEAST_RECORD * 400)
        for used in (0, HEADER_SIZE, HEADER_SIZE + 80, HEADER_SIZE + 3199):
            path = write(self.log(buffer(packed, used=used, flags=BUFFER_COMPRESSED, sequence=2)))
            fair_everywhere(path)
            report = checked(path)
            assert any("unpack" in loss["detail"] for loss in report["summary"]["losses"]), used
            assert report["summary"]["contexts"] == 6

    def test_compressed_data_that_make_no_sense(self, write):
        """Matches before the start, data that end early and noise cost that buffer alone."""
        chosen = random.Random(3)
        packed = compress(LEAST_RECORD * 400)
        for data in (
            packed[:-3],
            packed[:5],
            b"",
            b"\xff" * 40,
            bytes(3),
            *(chosen.randbytes(90) for _ in range(20)),
        ):
            path = write(self.log(buffer(data, used=HEADER_SIZE + 3200, flags=BUFFER_COMPRESSED, sequence=2)))
            fair(run("events", path), 0)
            assert checked(path)["summary"]["contexts"] == 6

    def test_a_header_that_is_not_plausible(self, write):
        """Unknown flags and types of a buffer cost that buffer alone, and are stated."""
        for settings in ({"flags": 0xFFFF}, {"kind": 0xFFFF}, {"flags": 0x80}, {"kind": 8}):
            path = write(
                self.log(buffer(LEAST_RECORD, size=4096, sequence=2, **settings).ljust(4096, b"\xff"))
            )
            report = checked(path)
            assert report["summary"]["losses"]
            assert report["summary"]["contexts"] == 6

    @pytest.mark.parametrize("numbers", [(-1 << 63, (1 << 63) - 1), (-5, 5), (7, 7, 7), ((1 << 63) - 1, 0)])
    def test_numbers_of_buffers_at_the_ends_of_their_range(self, write, numbers):
        """SequenceNumbers that are negative, equal or as far apart as can be; the gaps are counted right."""
        path = write(log_head() + b"".join(buffer(LEAST_RECORD, sequence=number) for number in numbers))
        fair_everywhere(path)
        gaps = [loss for loss in checked(path)["summary"]["losses"] if loss["sign"] == "buffer sequence"]
        known = sorted({0, *numbers})
        assert sum(loss["count"] for loss in gaps) == sum(b - a - 1 for a, b in itertools.pairwise(known))

    def test_many_sessions_with_gaps_without_end(self, write):
        """Counts of missing buffers that do not fit 64 bits together are stated all the same."""
        parts = []
        for session in range(6):
            numbers = [*range(1, 800, 2), 1 << 62]
            parts += [log_head(start_tick=session), *(buffer(LEAST_RECORD, sequence=n) for n in numbers)]
        path = write(b"".join(parts))
        fair_everywhere(path)
        assert max(loss["count"] for loss in checked(path)["summary"]["losses"]) == U64

    def test_cpu_and_ticks_at_their_ends(self, write):
        """Processor 65535 and ticks at the ends of int64 are shown, not summed to nonsense."""
        ticks = (-1 << 63, (1 << 63) - 1, -1, 0)
        path = write(
            log_head()
            + b"".join(buffer(LEAST_RECORD, sequence=i, cpu=65535, tick=t) for i, t in enumerate(ticks))
        )
        fair_everywhere(path)


class TestSoon:
    """Work and memory that grow with the input, never with what it claims."""

    def test_tiny_buffers_of_one_size(self, write):
        """A hundred thousand buffers that hold nothing."""
        path = write(log_head() + b"".join(buffer(sequence=i) for i in range(100_000)))
        fair(run("check", path, seconds=SOON), 3)

    def test_tiny_buffers_of_two_sizes(self, write):
        """A hundred thousand buffers whose sizes alternate: a compressed log's do."""
        two = (b"", LEAST_RECORD)
        path = write(log_head() + b"".join(buffer(two[i & 1], sequence=i) for i in range(150_000)))
        fair(run("check", path, seconds=SOON), 3)

    def test_every_buffer_says_that_events_are_lost(self, write):
        """Losses that each of a hundred thousand buffers admits."""
        many = (buffer(LEAST_RECORD, sequence=i, flags=BUFFER_EVENTS_LOST) for i in range(100_000))
        fair(run("check", write(log_head() + b"".join(many)), seconds=SOON), 3)

    def test_a_gap_before_every_buffer(self, write):
        """Fifty thousand gaps in the numbers of buffers."""
        many = (buffer(LEAST_RECORD, sequence=2 * i) for i in range(50_000))
        fair(run("check", write(log_head() + b"".join(many)), seconds=SOON), 3)

    def test_no_buffer_has_a_record(self, write):
        """A hundred thousand buffers whose first record is none."""
        many = (buffer(b"\1" * 8, sequence=i) for i in range(100_000))
        fair(run("check", write(log_head() + b"".join(many)), seconds=SOON), 3)

    def test_a_long_stretch_of_nothing(self, write):
        """Sixteen megabytes of zeros or ones behind the first buffer, at 10 MB a second or more."""
        for filler in (bytes(16 << 20), b"\xff" * (16 << 20)):
            fair(run("check", write(log_head() + filler, "filler.etl"), seconds=2), 3)

    def test_every_event_has_a_schema_of_its_own(self, write):
        """Eight thousand events of the canonical provider with an unknown field each."""
        log = LogWriter()
        for i in range(8000):
            fields = b"Context\0\x15x%d\0\x04" % i
            raw_call(log, i, description("FltAllocateContext", fields), struct.pack("<QB", 16 * i, 1))
        fair(run("check", write(log.to_bytes()), seconds=SOON), 1, 3)

    def test_calls_that_all_overlap(self, write):
        """Thirty thousand sets of one context that all began before the first ended."""
        fields = (*CALL, Field("Begin", "int64"), Field("FileObject", "hexint64"))
        log = LogWriter()
        call(log, 10, "FltAllocateContext", (16, 0, 1, 10, 0), fields=fields)
        for i in range(30_000):
            call(log, 100_000 + i, "FltSetStreamContext", (16, 0, i + 2, 30, i), fields=fields, tid=i + 2)
        for i in (0, 1):
            call(log, 200_000 + i, "FltReleaseContext", (16, 0, 70_000 + i, 200_000 + i, 0), fields=fields)
        fair(run("check", write(log.to_bytes()), seconds=SOON), 1, 3)

    def test_many_unloads_and_many_leaks(self, write):
        """Ten thousand contexts that nobody releases, of filters that ten thousand unloads do not name."""
        fields = (Field("Context", "hexint64"), Field("Filter", "hexint64"), Field("Phase", "uint8"))
        log = LogWriter()
        for i in range(10_000):
            call(log, 10 * i, "FltAllocateContext", (16 * i + 16, i + 1, 1), fields=fields)
        call(log, 200_000, "FltReleaseContext", (16, 1, 1), fields=fields)
        for i in range(10_000):
            call(log, 300_000 + 10 * i, "FltUnregisterFilter", (0, 1_000_000 + i, 1), fields=fields)
        fair(run("check", write(log.to_bytes()), seconds=SOON), 0, 1, 3)

    @posix
    def test_a_small_file_that_unpacks_to_much(self, write):
        """Compressed buffers of a hundred bytes that claim 64 MB each cost neither minutes nor gigabytes."""
        packed = packed_run(LEAST_RECORD, (64 << 20) - HEADER_SIZE)
        bombs = (buffer(packed, used=64 << 20, flags=BUFFER_COMPRESSED, sequence=i) for i in range(100))
        ended = measured("check", write(log_head() + b"".join(bombs)), seconds=SOON)
        assert ended.code in (3, 4)
        assert ended.megabytes < 1000

    @posix
    def test_a_buffer_full_of_the_smallest_records(self, write):
        """Two million records of eight bytes in one buffer of 16 MB."""
        ended = measured("check", write(log_head() + buffer(LEAST_RECORD * (2_000_000))), seconds=SOON)
        assert ended.code == 3
        assert ended.megabytes < 1000

    @posix
    def test_a_session_in_every_buffer(self, write):
        """Twelve thousand sessions in one file take no more memory each than a session does."""
        head = log_head(buffer_size=512, logger_name="s", file_name="f")
        ended = measured("check", write(head * 12_000))
        assert ended.code == 3
        assert ended.megabytes < 300

    @posix
    def test_every_record_contradicts_itself(self, write):
        """Two million messages that are too short for the options that they claim are told in few words."""
        lying = struct.pack("<HHHH", 8, 0x9000, 1, 0xFF)
        ended = measured("check", write(log_head() + buffer(lying * 2_000_000)), seconds=SOON)
        assert ended.code == 3
        assert ended.megabytes < 1000

    @posix
    def test_the_earliest_of_many_events(self, write):
        """Five of two million records are listed in the memory of their columns."""
        path = write(log_head() + buffer(LEAST_RECORD * 2_000_000))
        ended = measured("events", "--limit", "5", path, seconds=SOON)
        assert ended.code == 0
        assert ended.megabytes < 1000


class TestRecords:
    """Records and extended items that lie."""

    EVENT_SIZE = 80

    def event(self, *changes, size=None):
        """Make one event of the canonical provider in a log of its own, and change some of its bytes."""
        log = LogWriter()
        call(log, 1000, "FltAllocateContext", (0x10, 0, 1))
        record = patched(records_of(log), *changes)
        return record if size is None else struct.pack("<H", size) + record[2:]

    @pytest.mark.parametrize("size", [0, 1, 2, 7, 79, 80, 81, 87, 88, 255, 4096, 65535])
    def test_a_size_that_lies(self, write, size):
        """A record of no size, of less than its header or beyond its buffer ends its buffer, not the file."""
        last = buffer(records_of_lives(2), sequence=2)
        path = write(log_head() + buffer(self.event(size=size), sequence=1, fill=200) + last)
        fair_everywhere(path)
        assert checked(path)["summary"]["contexts"] >= 2

    def test_every_kind_with_every_small_size(self, write):
        """No kind of record is read beyond its size, whatever size it claims."""
        parts = []
        for marker, size in itertools.product(range(256), (0, 8, 15, 16, 31, 47, 79, 200)):
            head = struct.pack("<HBBHH", size, marker, 0xC0, size, 0)
            parts.append(buffer(head + bytes(64), sequence=len(parts)))
        path = write(log_head() + b"".join(parts) + buffer(records_of_lives(1), sequence=len(parts)))
        fair_everywhere(path)
        assert checked(path)["summary"]["contexts"] == 1

    def test_extended_items_that_lie(self, write):
        """Items of no size, of too much, of a data size that is not theirs, and chains without an end."""
        first = self.EVENT_SIZE
        for at, values in (
            (0, (0, 1, 7, 8, 9, 65535)),
            (2, (0, 11, 12, 99, 65535)),
            (4, (0, 1, 65535)),
            (6, (0, 1, 65535)),
        ):
            for value in values:
                record = self.event((first + at, struct.pack("<H", value)))
                fair_everywhere(write(log_head() + buffer(record), "items.etl"))

    def test_a_chain_of_items_to_the_end_of_the_record(self, write):
        """Eight thousand items that each announce another."""
        item = struct.pack("<HHHH", 8, 11, 1, 0)
        record = bytearray(self.event()[: self.EVENT_SIZE] + item * 8000)
        record[:2] = struct.pack("<H", len(record))
        fair_everywhere(write(log_head() + buffer(bytes(record)) + buffer(records_of_lives(1), sequence=2)))

    def test_a_message_with_options_beyond_its_end(self, write):
        """Every mix of option flags of a WPP message of every length up to the longest header."""
        parts = []
        for options, extra in itertools.product(range(256), (0, 3, 4, 8, 16, 31, 36)):
            size = 8 + extra
            parts.append(struct.pack("<HHHH", size, 0x9000, 7, options) + bytes(extra + (-size & 7)))
        path = write(log_head() + buffer(b"".join(parts)))
        fair_everywhere(path)
        assert counted(path)["records"]["WPP_MESSAGE(0x90)"] == len(parts)


def records_of_lives(count):
    """Give the records of some lives with nothing wrong."""
    log = LogWriter()
    lives(log, count)
    return records_of(log)


class TestLogHeader:
    """A log file's header that lies; everything hangs on it."""

    @pytest.mark.parametrize("size", [0, 1, 7, 9, 16, U64 >> 32])
    def test_a_pointer_size_that_is_none(self, write, size):
        """Pointers of neither 4 nor 8 bytes make the header unreadable: 4 and one line that says where."""
        path = write(patched((SAMPLES / "healthy.etl").read_bytes(), (POINTER_SIZE, struct.pack("<I", size))))
        for arguments in commands(path):
            assert "TRACE_LOGFILE_HEADER" in fair(run(*arguments), 4).err

    @pytest.mark.parametrize("marker", [b"\x13\xc0", b"\0\0", b"\xff\xff", b"\x02\x90"])
    def test_another_record_in_its_place(self, write, marker):
        """A file whose first record is another is no log."""
        path = write(patched((SAMPLES / "healthy.etl").read_bytes(), (BUFFER_HEADER_SIZE + 2, marker)))
        fair(run("check", path), 4)

    @pytest.mark.parametrize("clock", [0, 1, 2, 3, U64 >> 32])
    def test_a_clock_that_makes_no_sense(self, write, clock):
        """Any clock type and frequency, with the start anywhere in int64, give times and no error."""
        data = small_log()
        kind = (CLOCK_TYPE, struct.pack("<I", clock))
        runs = itertools.cycle((["check"], ["info"], ["events"], ["check", "--format", "json"]))
        rates = (0, 1, -1, 3, 10**7, 10**10, 1 << 62, -1 << 63)
        for rate, start in itertools.product(rates, (0, -1, 1 << 62, (1 << 63) - 1, -1 << 63)):
            lies = ((PERF_FREQ, struct.pack("<q", rate)), (START_TIME, struct.pack("<q", start)))
            fair(run(*next(runs), write(patched(data, kind, *lies), "clock.etl")), 0, 1, 3)

    def test_names_with_escapes(self, write):
        """The names of session and file come out harmless, whole in JSON."""
        log = LogWriter(logger_name=f"s{ESCAPES}", file_name=f"f{ESCAPES}")
        lives(log, 1)
        path = write(log.to_bytes())
        fair_everywhere(path)

    def test_counts_beyond_belief(self, write):
        """Lost events and buffers, processors and buffers written of four billion are told as they are."""
        whole = (SAMPLES / "healthy.etl").read_bytes()
        most = struct.pack("<I", U64 >> 32)
        path = write(patched(whole, *((LOG_HEADER + at, most) for at in (0, 8, 12, 28, 36, 48, 276))))
        fair_everywhere(path)
        assert counted(path)["events_lost"] == U64 >> 32
        assert checked(path)["summary"]["verdict"] == "inconclusive"


#: TraceLogging in-types, each with a value; those without one are not known, or have none.
IN_TYPES = {
    **dict.fromkeys((0, 16, 26, 31), b""),
    **dict.fromkeys((8, 13, 20), b"\2\0\0\1"),
    **dict.fromkeys((9, 12, 17), b"\xff" * 8),
    **dict.fromkeys((10, 21), b"\1" * 8),
    **dict.fromkeys((15, 18), b"\xff" * 16),
    **dict.fromkeys((14, 22, 23, 25), b"\2\0a\0"),
    1: b"a\0\0\0",
    2: b"abc\0",
    3: b"\xff",
    4: b"\1",
    5: b"\xff\xff",
    6: b"\1\2",
    7: b"\xff" * 4,
    11: b"\0\0\xc0\x7f",
    19: b"\1\1\0\0\0\0\0\5\1\2\3\4",
}
#: The fields that the provider's page names, and names that columns of the package have.
FIELD_NAMES = [
    *("Context", "OldContext", "OldRequested", "ContextType", "Operation", "Status", "Size", "PoolType"),
    *("Filter", "Instance", "Volume", "FileObject", "Transaction", "Stream", "PoolTag", "Irql", "Phase"),
    *("MajorFunction", "PagingFile", "Function", "File", "Line", "Caller", "Begin", "Time", "Sequence"),
    *("ProcessId", "ThreadId", "Processor", "VolumeContext", "InstanceContext", "SectionContext"),
    *("DesiredContexts", "SectionHandle", "Coverage", "OwnerId", "order", "record"),
]


class TestSchemas:
    """Canonical events whose TraceLogging schema lies, or is not what the provider's should be."""

    SHAPES = ("scalar", "fixed", "variable", "struct")

    @staticmethod
    def field(name, kind, shape):
        """Make a field of the wrong type: its bytes in the schema, and its value."""
        value = IN_TYPES[kind]
        key = name.encode() + b"\0"
        if shape == "fixed":
            return key + bytes([kind | 0x20]) + struct.pack("<H", 3), value * 3
        if shape == "variable":
            return key + bytes([kind | 0x40]), struct.pack("<H", 2) + value * 2
        if shape == "struct":
            return key + bytes([24 | 0x80, 1]) + b"in\0" + bytes([kind]), value
        return key + bytes([kind]), value

    @pytest.mark.parametrize("kind", IN_TYPES)
    def test_every_field_with_every_type(self, write, kind):
        """Strings where pointers should be, structs, arrays: no field of any type breaks anything."""
        log = LogWriter()
        lives(log, 2)
        routines = itertools.cycle(sorted(ROUTINES))
        for name, shape in itertools.product(FIELD_NAMES, self.SHAPES):
            fields, value = self.field(name, kind, shape)
            for routine in ("FltAllocateContext", "CaptureStart", next(routines)):
                raw_call(log, 5000, description(routine, fields), value)
        path = write(log.to_bytes())
        checked(path)
        listed(path)

    def test_a_field_of_no_type_in_one_event_and_of_one_in_another(self, write):
        """An unknown field may be a number here, nothing there and text elsewhere."""
        log = LogWriter()
        for i, (kind, value) in enumerate(IN_TYPES.items()):
            for other, second in ((0, b""), (8, bytes(4)), (2, b"x\0")):
                for name, (one, data) in (("a", (kind, value)), ("b", (other, second))):
                    fields = b"Extra%d%s\0" % (i, str(other).encode()) + bytes([one])
                    raw_call(
                        log,
                        10 * i,
                        description("FltAllocateContext", fields + name.encode() + b"\0\x04"),
                        data + b"\1",
                    )
        report = checked(write(log.to_bytes()))
        assert report["summary"]["operations"] == 6 * len(IN_TYPES)

    def test_coverage_that_is_no_text(self, write):
        """A Coverage that is a number declares nothing."""
        log = LogWriter()
        raw_call(log, 1, description("CaptureStart", b"Coverage\0\x0a"), bytes(8))
        lives(log, 1)
        checked(write(log.to_bytes()))

    def test_schemas_that_end_too_early_or_not_at_all(self, write):
        """A schema cut at every byte, and every size that it can claim of itself."""
        whole = description(
            "FltAllocateContext", b"Context\0\x15Status\0\x94\x0fFunction\0\x02s\0\x98\x01x\0\x24\2\0"
        )
        log = LogWriter()
        lives(log, 2)
        for cut in range(len(whole)):
            raw_call(log, 5000 + cut, whole[:cut], bytes(30))
            raw_call(log, 5000 + cut, struct.pack("<H", cut) + whole[2:], bytes(30))
        for size in (0, 1, 2, 3, 4, len(whole) + 1, 65535):
            raw_call(log, 6000, struct.pack("<H", size) + whole[2:], bytes(30))
        path = write(log.to_bytes())
        fair_everywhere(path)
        report = checked(path)
        assert report["summary"]["warnings"]
        assert report["summary"]["contexts"] >= 2

    def test_structs_without_an_end(self, write):
        """Structs within structs, arrays of arrays, and fields without number, name or bytes."""
        many = (
            b"s\0\x98\x01" * 12_000 + b"x\0\x04",
            b"s\0\xb8\x01\xff\xff" * 8 + b"x\0\x04",
            b"s\0\xb8\x7f\xff\xff" + b"x\0\0" * 127,
            b"s\0\xd8\x01" * 200 + b"x\0\0",
            b"\0\x04" * 29_000,
            b"\0\0" * 29_000,
            b"x\0\x80" + b"\xff" * 2000,
            b"x\0\x60\2\0ab",
        )
        log = LogWriter(buffer_size=1 << 17)
        for i, fields in enumerate(many):
            for routine in ("FltAllocateContext", "Else"):
                raw_call(log, i, description(routine, fields), b"\xff" * 1000)
        path = write(log.to_bytes())
        for arguments in commands(path):
            fair(run(*arguments, seconds=SOON), 0, 1, 2, 3)

    def test_payloads_that_end_too_early_or_are_too_long(self, write):
        """A payload cut at every byte is read as far as it goes, and counted as a problem."""
        fields = (*CALL, Field("Function", "string"))
        log = LogWriter()
        payload = struct.pack("<QIQ", 0x10, 0, 1) + b"Function\0"
        text = b"Context\0\x15Status\0\x14Sequence\0\x0aFunction\0\x02"
        for cut in (*range(len(payload)), len(payload)):
            raw_call(log, 10 * cut, description("FltReferenceContext", text), payload[:cut])
        raw_call(log, 9000, description("FltReferenceContext", text), payload + bytes(50))
        path = write(log.to_bytes())
        fair_everywhere(path)
        assert len(fields) == 4
        assert any("do not fit" in line for line in checked(path)["summary"]["warnings"])


class TestValues:
    """Values at the ends of their range."""

    POINTERS = (0, 1, 1 << 63, U64 - 1, U64)

    def test_pointers_at_the_ends(self, write):
        """A context at 1, 2^63 or 2^64-1 has its life; a double release of each is found, NULL's too."""
        log = LogWriter()
        for i, at in enumerate(self.POINTERS):
            for step, routine in enumerate(("FltAllocateContext", "FltReleaseContext", "FltReleaseContext")):
                call(log, 10_000_000 * (3 * i + step), routine, (at, 0, 3 * i + step + 1))
        path = write(log.to_bytes())
        report = checked(path, 1)
        found = {f["context"] for f in report["findings"] if f["rule"].startswith("R")}
        assert found == {f"{at:#x}" for at in self.POINTERS}
        for at in self.POINTERS[1:]:
            shown = fair(run("timeline", path, f"{at:#x}"), 0).out
            assert f"{at:#x}" in shown

    def test_times_at_the_ends(self, write):
        """Begin and Time of 0, -1, 2^63 and their neighbours, in every mix, and ticks as far."""
        extremes = (0, 1, 1 << 63, (1 << 63) - 1, U64, 1_700_000_000_000_000_000)
        fields = (*CALL, Field("Begin", "uint64"), Field("Time", "uint64"))
        log = LogWriter()
        number = itertools.count(1)
        for begin, time in itertools.product(extremes, extremes):
            for routine in (
                "FltAllocateContext",
                "FltReferenceContext",
                "FltReleaseContext",
                "FltReleaseContext",
            ):
                call(log, 1000, routine, (0x10, 0, next(number), begin, time), fields=fields)
        other = LogWriter()
        lives(other, 1)
        for tick in (-1 << 63, (1 << 63) - 1, -1, 0):
            log.raw(0, patched(records_of(other), (16, struct.pack("<q", tick))))
        path = write(log.to_bytes())
        fair_everywhere(path)
        fair(run("timeline", "--format", "json", path, "0x10"), 0)

    @pytest.mark.parametrize(
        "numbers", [(0, 0), (5, 5, 5), (0, U64), (U64, 0), (U64 - 1, U64, 0), (1 << 63, (1 << 63) - 1)]
    )
    def test_sequences_that_repeat_or_jump(self, write, numbers):
        """Sequence numbers that occur twice prove nothing; a jump over all there are is a loss of as many."""
        log = LogWriter()
        for i, number in enumerate(numbers):
            call(log, 1000 * i, "FltReferenceContext", (0x10, 0, number))
        path = write(log.to_bytes())
        fair_everywhere(path)
        signs = [loss["count"] for loss in checked(path)["summary"]["losses"]]
        apart = sorted(set(numbers))
        expected = [b - a - 1 for a, b in itertools.pairwise(apart) if b - a > 1]
        assert signs == (expected if len(apart) == len(numbers) else [])

    def test_numbers_that_no_header_knows(self, write):
        """Types, statuses, levels and pools of all ones are shown as numbers."""
        fields = (
            Field("Context", "hexint64"),
            *(Field(n, "uint16") for n in ("ContextType", "DesiredContexts")),
            *(Field(n, "uint32") for n in ("Operation", "Status", "Size", "PoolType", "PoolTag", "Line")),
            *(Field(n, "uint8") for n in ("Irql", "MajorFunction", "Phase", "OldRequested", "PagingFile")),
            *(Field(n, "uint32") for n in ("ProcessId", "ThreadId", "Processor")),
        )
        log = LogWriter()
        for i, routine in enumerate(sorted(ROUTINES) * 2):
            values = [0x10, 0xFFFF, 0xFFFF, *[0xFFFFFFFF] * 6, *[0xFF] * 5, *[0xFFFFFFFF] * 3]
            call(log, 1000 * i, routine, values, fields=fields)
        fair_everywhere(write(log.to_bytes()))


class TestText:
    """Strings of a trace that try to steer a terminal."""

    def trace(self, text):
        """Make a double release whose call sites are hostile."""
        fields = (*CALL, Field("Function", "wide"), Field("File", "wide"), Field("Line", "uint32"))
        head = b"Context\0\x15Status\0\x14Sequence\0\x0aFunction\0\1File\0\1Line\0\x08"
        log = LogWriter()
        wide = f"{text}\0".encode("utf-16-le", "surrogatepass")
        for i, routine in enumerate(("FltAllocateContext", "FltReleaseContext", "FltReleaseContext")):
            payload = struct.pack("<QIQ", 0x10, 0, i + 1) + wide * 2 + struct.pack("<I", 7)
            raw_call(log, 10_000_000 * i, description(routine, head), payload)
        assert len(fields) == 6
        return log.to_bytes()

    @pytest.mark.parametrize(
        "text", [ESCAPES, "a\nb\tc", "\u2028\u2029\ufeff", "\ud800x", "%s{0}\\x1b", "x" * 8_000]
    )
    def test_call_sites(self, write, text):
        """Function and File are shown with escapes in text, and are whole and valid in JSON."""
        path = write(self.trace(text))
        fair_everywhere(path)
        fair(run("timeline", path, "0x10"), 0)
        report = checked(path, 1)
        shown = {operation["function"] for f in report["findings"] for operation in f["operations"]}
        assert shown == {text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")}
        assert {
            event["fields"]["Function"] for event in listed(path) if "Function" in event["fields"]
        } == shown

    def test_a_string_ends_at_its_nul(self, write):
        """A NUL within a string ends it: what follows is the next field, and nothing shows the NUL."""
        fair_everywhere(write(self.trace("a\0b")))

    def test_names_of_events_fields_and_providers(self, write):
        """Names that the schema gives, unknown fields among them, are as harmless."""
        name = ESCAPES.replace("\r", "\n")
        log = LogWriter()
        fields = name.encode() + b"\0\x02" + b"Context\0\x15"
        for routine in (name, "FltAllocateContext"):
            raw_call(log, 1, description(routine, fields), name.encode() + b"\0" + bytes(8))
        fair_everywhere(write(log.to_bytes()))


class TestCommandLine:
    """Places to write to that fail."""

    @posix
    @pytest.mark.parametrize("command", ["check", "info", "events"])
    def test_a_closed_pipe_ends_quietly(self, command):
        """A reader that is gone before the first line changes neither the result nor stderr."""
        path = str(SAMPLES / "use-freed.etl")
        with subprocess.Popen(
            [sys.executable, "-m", "tracecheck", command, path],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as process:
            process.stdout.close()
            assert process.stderr.read() == b""
        assert process.returncode == (1 if command == "check" else 0)

    @posix
    def test_places_that_can_not_be_written(self, tmp_path):
        """A directory, a missing directory and a full device are usage errors, told in one line."""
        capture = SAMPLES / "healthy.etl"
        targets = [tmp_path, tmp_path / "none" / "x", *(p for p in (Path("/dev/full"),) if p.exists())]
        for target in targets:
            outcome = run("check", capture, "-o", target)
            assert outcome.code == 2
            assert outcome.err.startswith(f"tracecheck: error: {target}: can't be written: ")
            assert outcome.err.count("\n") == 1

    @posix
    @pytest.mark.parametrize("redirection", [">/dev/full", ">&-", "2>&-", "<&- >&- 2>&-"])
    def test_a_standard_output_that_is_full_or_closed(self, redirection):
        """Without a place for the result nothing crashes; a full one is not the capture's fault."""
        if "full" in redirection and not Path("/dev/full").exists():
            pytest.skip("there is no /dev/full")
        script = f'"$1" -m tracecheck check "$2" {redirection}'
        done = subprocess.run(
            ["/bin/sh", "-c", script, "sh", sys.executable, str(SAMPLES / "healthy.etl")],
            capture_output=True, text=True, timeout=20, check=False,
        )  # fmt: skip
        assert "internal error" not in done.stderr
        assert "Traceback" not in done.stderr
        assert done.returncode == (2 if "full" in redirection else 0)

    @posix
    def test_a_capture_that_may_not_be_changed_is_only_read(self, write):
        """No command writes to its capture."""
        data = (SAMPLES / "use-freed.etl").read_bytes()
        path = write(data)
        path.chmod(stat.S_IRUSR)
        fair_everywhere(path)
        assert path.read_bytes() == data
