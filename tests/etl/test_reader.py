"""The reader against the real traces, the writer, and a plain walk of the same bytes."""

from __future__ import annotations

import json
import struct
from collections import Counter
from typing import TYPE_CHECKING
from uuid import UUID

import numpy as np
import peers
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tracecheck.errors import InputError
from tracecheck.etl import KIND_NAMES, Ext, Kind, Log, open_log, plain_rows
from tracecheck.etl.layout import BUFFER_HEADER_SIZE, CLOCK_CPUCYCLE, CLOCK_PERFCOUNTER, CLOCK_SYSTEMTIME
from tracecheck.etl.walk import HEADER_SIZES, walk
from tracecheck.etl.writer import LogWriter, append_logs

if TYPE_CHECKING:
    from pathlib import Path

PROVIDER = UUID("11223344-5566-7788-99aa-bbccddeeff00")


def write(path: Path, data: bytes) -> Path:
    """Write a file; give its path."""
    path.write_bytes(data)
    return path


def rows(path: Path) -> list[dict]:
    """All records of a file, in its order, with the bytes of their payloads."""
    found = []
    with open_log(path) as log:
        for chunk in log.chunks():
            for row in plain_rows(pa.Table.from_batches([chunk.records])):
                begin = row["payload"]
                row["bytes"] = chunk.data[begin : begin + row["payload_size"]].tobytes()
                found.append(row)
    return found


class TestRealTraces:
    """What two independent readers agree on."""

    def test_every_trace_gives_what_is_expected(self, corpus: Path) -> None:
        """Records by kind, buffers, header and extended items are those of expected.json."""
        names = {
            "EVENT_SCHEMA_TL": "TL_SCHEMA",
            "STACK_TRACE64": "Stack64",
            "RELATED_ACTIVITYID": "RelatedActivity",
        }
        for name, expected in json.loads((corpus / "expected.json").read_text()).items():
            with open_log(corpus / name) as log:
                kinds, items = Counter(), Counter()
                for chunk in log.chunks():
                    kinds.update(KIND_NAMES[Kind(k)] for k in chunk.column("kind").tolist())
                    types = chunk.items(np.arange(len(chunk.records))).type.tolist()
                    items.update(names.get(Ext(t).name, Ext(t).name) for t in types)
                assert dict(kinds) == expected["records"], name
                assert dict(items) == expected["extended_items"], name
                assert (log.buffers, log.compressed_buffers) == (
                    expected["buffers"],
                    expected["compressed_buffers"],
                )
                assert log.warnings == [], name
                header = log.header
            start = header.start_time.replace(tzinfo=None).isoformat(timespec="microseconds")
            assert start == expected["start_time"], name
            assert (header.events_lost, header.buffers_lost) == (
                expected["events_lost"],
                expected["buffers_lost"],
            )

    @pytest.mark.parametrize(
        "name", ["etl/KernelProcess.etl", "etl/powershell.etl", "etl/ShutdownPerfDiagLogger.etl"]
    )
    def test_every_record_is_that_of_another_reader(self, corpus: Path, name: str) -> None:
        """Kind, tick, ids and payload of every record that dissect.etl reads are what we read.

        It stops short in buffers whose SavedOffset is below their Offset, so it may have fewer.
        """
        path = corpus / name
        theirs = Counter(
            (s.kind, s.tick, s.pid, s.tid, s.payload) for s in peers.by_dissect(path.read_bytes())
        )
        no_id = {0xFFFFFFFF: None}
        ours = Counter(
            (r["kind"], r["tick"], no_id.get(r["pid"], r["pid"]), no_id.get(r["tid"], r["tid"]), r["bytes"])
            for r in rows(path)
        )
        assert not theirs - ours
        assert theirs.total() > 0.9 * ours.total()


class TestWalk:
    """Lock-step and plain walks find the same records."""

    @settings(max_examples=60, deadline=None)
    @given(
        sizes=st.lists(st.lists(st.integers(16, 600), max_size=400), min_size=1, max_size=60),
        noise=st.binary(min_size=64, max_size=64),
        seed=st.integers(0, 2**32 - 1),
    )
    def test_equals_a_plain_walk(self, sizes: list[list[int]], noise: bytes, seed: int) -> None:
        """Whatever the records' sizes and whatever their payloads look like, no record is lost or made up."""
        random = np.random.default_rng(seed)
        data, start, end, expected = bytearray(), [], [], []
        for buffer in sizes:
            start.append(len(data))
            data += bytes(BUFFER_HEADER_SIZE)
            for size in buffer:
                expected.append(len(data))
                marker = struct.pack("<HBBHBB", 2, Kind.PERFINFO64, 0xC0, size, 1, 2)
                # Payloads full of what looks like record headers must not mislead the guesses.
                filler = (marker + noise) if random.integers(2) else noise
                body = (filler * (size // len(filler) + 1))[: size - 8]
                data += marker + body + bytes(-size % 8)
            end.append(len(data))
            data += bytes(64)
        array = np.frombuffer(bytes(data) + bytes(-len(data) % 8), np.uint8)
        found = walk(array, np.array(start), np.array(end))
        assert found.position.tolist() == expected
        assert not found.bad.any()
        assert found.stopped.tolist() == end

    def test_long_buffers_are_cut_and_joined(self) -> None:
        """A buffer of a megabyte, walked in lanes, gives the records of a plain walk."""
        random = np.random.default_rng(7)
        sizes = random.integers(16, 300, 8000).tolist()
        data, expected = bytearray(BUFFER_HEADER_SIZE), []
        for size in sizes:
            expected.append(len(data))
            data += struct.pack("<HBBHBB", 0, Kind.PERFINFO64, 0xC0, size, 0, 15)
            data += random.integers(0, 256, size - 8, np.uint8).tobytes() + bytes(-size % 8)
        found = walk(np.frombuffer(bytes(data), np.uint8), np.array([0]), np.array([len(data)]))
        assert found.position.tolist() == expected

    def test_what_is_no_record_ends_its_buffer_only(self) -> None:
        """A broken chain is told, and the next buffer is read."""
        one = bytes(BUFFER_HEADER_SIZE) + struct.pack("<HBBHBBq", 0, Kind.PERFINFO64, 0xC0, 16, 0, 15, 1)
        bad = one + b"\x01\x02\x03\x04\x05\x06\x07\x08"
        data = np.frombuffer(bad + one, np.uint8)
        found = walk(data, np.array([0, len(bad)]), np.array([len(bad), len(bad) + len(one)]))
        assert len(found.position) == 2
        assert found.bad.tolist() == [True, False]

    def test_every_kind_has_a_header_size(self) -> None:
        """No kind is forgotten."""
        assert set(HEADER_SIZES) == set(Kind) - {Kind.NONE}


class TestWriterRoundTrip:
    """What the writer wrote comes back."""

    @pytest.mark.parametrize("pointer_size", [4, 8])
    @pytest.mark.parametrize("compressed", [False, True])
    def test_every_kind(self, tmp_path: Path, pointer_size: int, compressed: bool) -> None:
        """Each kind of record keeps its header fields and its payload."""
        log = LogWriter(pointer_size=pointer_size, compressed=compressed, buffer_size=4096)
        payload = b"payload-of-it"
        log.system(0, 10, group=3, opcode=1, pid=4, tid=8, payload=payload)
        log.compact(1, 11, group=5, opcode=2, pid=5, tid=9, payload=payload)
        log.perfinfo(0, 12, group=15, opcode=46, payload=payload)
        log.classic(1, 13, event_class=PROVIDER, opcode=7, pid=6, tid=10, level=3, version=2, payload=payload)
        log.instance(
            0, 14, event_class=PROVIDER, parent_class=PROVIDER, instance_id=1, parent_id=2, opcode=8, pid=7,
            tid=11, payload=payload,
        )  # fmt: skip
        items = [
            (Ext.PROV_TRAITS, b"\x05\x00ab\x00"),
            (Ext.EVENT_SCHEMA_TL, b"\x0a\x00\x00name\x00a\x00\x08"),
        ]
        log.event(
            1,
            15,
            pid=8,
            tid=12,
            provider=PROVIDER,
            id=300,
            opcode=9,
            keyword=1 << 63,
            items=items,
            payload=payload,
        )
        log.message(0, 16, guid=PROVIDER, number=17, options=0xAB, sequence=1, pid=9, tid=13, payload=payload)
        log.error(1, payload)
        path = write(tmp_path / "all.etl", log.to_bytes())
        found = sorted((r for r in rows(path) if r["kind"] != Kind.ERROR), key=lambda r: r["tick"])[1:]
        wide = pointer_size == 8
        assert [Kind(r["kind"]) for r in found] == [
            Kind.SYSTEM64 if wide else Kind.SYSTEM32,
            Kind.COMPACT64 if wide else Kind.COMPACT32,
            Kind.PERFINFO64 if wide else Kind.PERFINFO32,
            Kind.FULL64 if wide else Kind.FULL32,
            Kind.INSTANCE64 if wide else Kind.INSTANCE32,
            Kind.EVENT64 if wide else Kind.EVENT32,
            Kind.WPP_MESSAGE,
        ]
        assert [r["bytes"] for r in found] == [payload] * 7
        assert [r["tick"] for r in found] == [10, 11, 12, 13, 14, 15, 16]
        assert [r["cpu"] for r in found] == [0, 1, 0, 1, 0, 1, 0]
        assert [r["tid"] for r in found] == [8, 9, 0xFFFFFFFF, 10, 11, 12, 13]
        assert [r["opcode"] for r in found[:6]] == [1, 2, 46, 7, 8, 9]
        assert [UUID(bytes_le=r["provider"]) for r in found[3:]] == [PROVIDER] * 4
        assert (found[5]["id"], found[5]["keyword"], found[6]["id"]) == (300, 1 << 63, 17)
        assert [r["bytes"] for r in rows(path) if r["kind"] == Kind.ERROR] == [payload]

    @pytest.mark.parametrize("options", range(256))
    def test_every_mix_of_message_options(self, tmp_path: Path, options: int) -> None:
        """The fields of a WPP message are found whatever options it was written with."""
        log = LogWriter()
        for number in range(3):
            log.message(
                0, 50 + number, guid=PROVIDER, number=number, options=options, sequence=number + 1,
                component=77, pid=5, tid=6, payload=b"args",
            )  # fmt: skip
        found = rows(write(tmp_path / "wpp.etl", log.to_bytes()))[1:]
        assert [(r["id"], r["flags"], r["bytes"]) for r in found] == [(n, options, b"args") for n in range(3)]
        if options & 0x20:
            assert [(r["pid"], r["tid"]) for r in found] == [(5, 6)] * 3
        if options & 0x08:
            assert [r["tick"] for r in found] == [50, 51, 52]
        if options & 0x02:
            assert {UUID(bytes_le=r["provider"]) for r in found} == {PROVIDER}

    @pytest.mark.parametrize(
        ("clock", "ticks", "nanoseconds"),
        [
            (CLOCK_PERFCOUNTER, 3_000_000, 1_000_000_000),
            (CLOCK_CPUCYCLE, 2_000_000_000, 1_000_000_000),
        ],
    )
    def test_ticks_become_time(self, tmp_path: Path, clock: int, ticks: int, nanoseconds: int) -> None:
        """A second of ticks is a second of time, by each clock."""
        log = LogWriter(clock_type=clock, frequency=3_000_000, cpu_mhz=2000, start_tick=500)
        log.event(0, 500 + ticks, pid=1, tid=2, provider=PROVIDER)
        first, event = rows(write(tmp_path / "clock.etl", log.to_bytes()))
        assert event["time"] - first["time"] == nanoseconds

    def test_system_time_ticks_are_filetimes(self, tmp_path: Path) -> None:
        """With the system-time clock a tick is a FILETIME itself."""
        log = LogWriter(clock_type=CLOCK_SYSTEMTIME)
        log.event(0, 116444736000000000 + 10_000_000, pid=1, tid=2, provider=PROVIDER)
        assert rows(write(tmp_path / "clock.etl", log.to_bytes()))[1]["time"] == 10**9

    def test_appended_sessions_keep_their_own_clocks(self, tmp_path: Path) -> None:
        """In an append-mode file each session's ticks are told by its own header."""
        parts = []
        for start, frequency in ((133_000_000_000_000_000, 10_000_000), (133_000_100_000_000_000, 1_000_000)):
            log = LogWriter(start_time=start, frequency=frequency, start_tick=1000)
            log.event(0, 1000 + frequency, pid=1, tid=2, provider=PROVIDER)
            parts.append(log.to_bytes())
        found = [
            r for r in rows(write(tmp_path / "two.etl", append_logs(*parts))) if r["kind"] == Kind.EVENT64
        ]
        assert found[1]["time"] - found[0]["time"] == 10_000 * 10**9

    @settings(max_examples=25, deadline=None)
    @given(
        records=st.lists(st.tuples(st.integers(0, 3), st.binary(max_size=200)), max_size=200),
        buffer_size=st.sampled_from([1024, 4096, 65536]),
        compressed=st.booleans(),
    )
    def test_nothing_is_lost(
        self, tmp_path_factory: pytest.TempPathFactory, records: list, buffer_size: int, compressed: bool
    ) -> None:
        """Every payload comes back once, in its processor's order, however the buffers fall."""
        log = LogWriter(processors=4, buffer_size=buffer_size, compressed=compressed)
        for tick, (cpu, payload) in enumerate(records, 1):
            log.event(cpu, tick, pid=cpu, tid=tick, provider=PROVIDER, payload=payload)
        found = rows(write(tmp_path_factory.mktemp("log") / "x.etl", log.to_bytes()))
        events = sorted((r for r in found if r["kind"] == Kind.EVENT64), key=lambda r: r["tick"])
        assert [(r["cpu"], r["bytes"]) for r in events] == records
        assert [r["sequence"] for r in found].count(0) >= 1


class TestLosses:
    """The five signs of loss."""

    def losses(self, path: Path) -> list[dict]:
        """The losses that a file tells of."""
        with open_log(path) as log:
            for _ in log.chunks():
                pass
            return plain_rows(log.losses())

    def test_lost_events_are_flagged_and_counted(self, tmp_path: Path) -> None:
        """Lost events come out of the header's count and of the flag of their buffer."""
        log = LogWriter(buffer_size=1024, processors=2)
        for tick in range(1, 40):
            log.event(0, tick, pid=1, tid=1, provider=PROVIDER, payload=bytes(100))
            if tick == 20:
                log.lose_events(0, 14)
        found = self.losses(write(tmp_path / "lost.etl", log.to_bytes()))
        assert {row["sign"] for row in found} == {"events lost", "buffer flag"}
        assert next(row["count"] for row in found if row["sign"] == "events lost") == 14
        assert all(row["start"] is not None and row["start"] < row["end"] for row in found)

    def test_lost_buffers_leave_a_gap(self, tmp_path: Path) -> None:
        """A lost buffer comes out of the header's count and the buffers' sequence, where its events lay."""
        log = LogWriter(buffer_size=1024, processors=1, frequency=10_000_000, start_tick=0)
        lost = []
        for tick in range(1, 60):
            log.event(0, tick, pid=1, tid=1, provider=PROVIDER, payload=bytes(100))
            if tick == 30:
                count = log.lose_buffer(0)
                lost = list(range(tick - count + 1, tick + 1))
        path = write(tmp_path / "lost.etl", log.to_bytes())
        gap = next(row for row in self.losses(path) if row["sign"] == "buffer sequence")
        start = next(r["time"] for r in rows(path) if r["tick"] == 0)
        assert gap["start"] < start + lost[0] * 100
        assert gap["end"] > start + lost[-1] * 100
        assert gap["count"] == 1

    def test_gaps_of_message_sequences(self, tmp_path: Path) -> None:
        """Missing WPP sequence numbers are a loss of as many events."""
        log = LogWriter()
        for number in (1, 2, 7, 8):
            log.message(0, number, guid=PROVIDER, number=1, options=0xAB, sequence=number)
        (gap,) = self.losses(write(tmp_path / "wpp.etl", log.to_bytes()))
        assert (gap["sign"], gap["count"]) == ("message sequence", 4)

    def test_a_circular_log_forgot_its_beginning(self, tmp_path: Path) -> None:
        """What a circular log overwrote lies before its first event."""
        log = LogWriter(buffer_size=1024, max_buffers=4)
        for tick in range(1, 200):
            log.event(0, tick, pid=1, tid=1, provider=PROVIDER, payload=bytes(100))
        path = write(tmp_path / "ring.etl", log.to_bytes())
        (gap,) = self.losses(path)
        assert gap["start"] is None
        assert gap["end"] == min(r["time"] for r in rows(path) if r["kind"] == Kind.EVENT64)

    def test_a_whole_log_lost_nothing(self, tmp_path: Path) -> None:
        """No sign, no loss."""
        log = LogWriter(buffer_size=1024, processors=3)
        for tick in range(1, 100):
            log.event(tick % 3, tick, pid=1, tid=1, provider=PROVIDER, payload=bytes(60))
        assert self.losses(write(tmp_path / "whole.etl", log.to_bytes())) == []


class TestRefusals:
    """What is no .etl file is refused in one line."""

    @pytest.mark.parametrize(
        ("content", "word"),
        [
            (b"", "empty"),
            (b"hello", "too few"),
            (b"Just a text file.\n" * 99, "does not begin"),
            (bytes(4096), "begin"),
        ],
    )
    def test_other_files(self, tmp_path: Path, content: bytes, word: str) -> None:
        """The line names the file and what is wrong with it."""
        path = write(tmp_path / "x.etl", content)
        with pytest.raises(InputError, match=word) as caught:
            Log(path)
        assert str(path) in str(caught.value)

    def test_no_file(self, tmp_path: Path) -> None:
        """A missing file and a directory are told apart."""
        with pytest.raises(InputError, match="no such file"):
            open_log(tmp_path / "none.etl")
        with pytest.raises(InputError, match="directory"):
            open_log(tmp_path)
