"""Files that the writer makes, read by two readers that others wrote."""

import io
import struct
import uuid

import pytest
from dissect.etl import ETL
from hypothesis import given, settings
from hypothesis import strategies as st
from peers import MESSAGE, Seen, by_dissect, by_etl_parser, dissect_headers

from tracecheck.etl.layout import CLOCK_CPUCYCLE, CLOCK_PERFCOUNTER, CLOCK_SYSTEMTIME, MODE_APPEND, Kind
from tracecheck.etl.writer import LogWriter, append_logs

PROVIDER = uuid.UUID("c64d51f2-edf4-50f1-4e59-a52a745ca35b")
OTHER = uuid.UUID("11223344-5566-7788-99aa-bbccddeeff00")
START = 133_444_736_000_000_000

KINDS = {
    "event": (Kind.EVENT32, Kind.EVENT64),
    "system": (Kind.SYSTEM32, Kind.SYSTEM64),
    "compact": (Kind.COMPACT32, Kind.COMPACT64),
    "perfinfo": (Kind.PERFINFO32, Kind.PERFINFO64),
    "classic": (Kind.FULL32, Kind.FULL64),
    "instance": (Kind.INSTANCE32, Kind.INSTANCE64),
}
#: What etl-parser does not know, or misreads.
BEYOND_ETL_PARSER = {Kind.INSTANCE32, Kind.INSTANCE64, MESSAGE}
OPTIONS = {"sequence": 1, "guid": 2, "component": 4, "time": 8, "system": 0x20}

BYTE, WORD, DWORD = (st.integers(0, 2**bits - 1) for bits in (8, 16, 32))
TICKS = st.integers(0, 2**40)
PAYLOAD = st.binary(max_size=70)


def shape(method, **fields):
    """Gives a strategy for the arguments of a record method; all but messages have a width."""
    rest = {} if method == "message" else {"opcode": BYTE, "pointer_size": st.sampled_from([None, 4, 8])}
    return st.fixed_dictionaries({"method": st.just(method), "payload": PAYLOAD} | fields | rest)


WHO = {"pid": DWORD, "tid": DWORD}
GROUP = {"group": st.integers(0, 0x1C)}
CLASS = {"event_class": st.uuids()}
ETL_PARSER_RECORDS = st.one_of(
    shape("event", provider=st.uuids(), id=WORD, task=WORD, level=BYTE, **WHO),
    shape("system", **GROUP, **WHO),
    shape("compact", **GROUP, **WHO),
    shape("perfinfo", **GROUP),
    shape("classic", **CLASS, **WHO),
)
RECORDS = st.one_of(
    ETL_PARSER_RECORDS,
    shape("instance", parent_class=st.uuids(), instance_id=DWORD, parent_id=DWORD, **CLASS, **WHO),
    shape("message", guid=st.uuids(), number=WORD, options=st.just(0x2A), **WHO),
)


def write(writer, cpu, tick, record):
    """Writes a record that is given as its method's name and arguments."""
    getattr(writer, record["method"])(cpu, tick, **{k: v for k, v in record.items() if k != "method"})


def expected(tick, record, pointer_size=8):
    """Tells what a reader must see of a record."""
    get = record.get
    guid = get("provider") or get("event_class") or get("guid")
    seen = (tick, get("pid"), get("tid"), guid and guid.bytes_le)
    if record["method"] == "message":
        options = struct.pack("<16sqII", guid.bytes_le, tick, get("tid"), get("pid"))
        return Seen(MESSAGE, *seen, get("number"), None, options + record["payload"])
    kind = int(KINDS[record["method"]][(get("pointer_size") or pointer_size) == 8])
    return Seen(kind, *seen, get("id", get("group")), get("opcode"), record["payload"])


class TestKinds:
    """Every kind of record, one by one."""

    @pytest.mark.parametrize("pointer_size", [4, 8])
    @pytest.mark.parametrize("method", [method for method in KINDS if method != "instance"])
    def test_each_kind_reads_back(self, method, pointer_size):
        """Both readers see each kind of record as it was written, in 32-bit and in 64-bit logs."""
        record = {"method": method, "payload": b"payload", "opcode": 3}
        record |= {"event": {"provider": OTHER, "id": 7}, "classic": {"event_class": OTHER}}.get(
            method, {"group": 5}
        )
        record |= {} if method == "perfinfo" else {"pid": 40, "tid": 50}
        writer = LogWriter(pointer_size=pointer_size)
        write(writer, 0, 1234, record)
        rows = [expected(1234, record, pointer_size)]
        data = writer.to_bytes()
        assert (by_dissect(data), by_etl_parser(data)) == (rows, [(row, []) for row in rows])

    @pytest.mark.parametrize("pointer_size", [4, 8])
    def test_instance(self, pointer_size):
        """An INSTANCE record has its class, parent class and both numbers in a header of 72 bytes."""
        writer = LogWriter(pointer_size=pointer_size)
        ids = {"event_class": OTHER, "parent_class": PROVIDER, "instance_id": 77, "parent_id": 66}
        writer.instance(1, 1234, **ids, opcode=2, pid=5, tid=6, payload=b"payload")
        raw = dissect_headers(writer.to_bytes())[1].header
        assert (raw.ProviderId, raw.ParentGuid) == (OTHER.bytes_le, PROVIDER.bytes_le)
        assert (raw.InstanceId, raw.ParentInstanceId, raw.Size) == (77, 66, 72 + len(b"payload"))
        assert by_dissect(writer.to_bytes())[0].payload == b"payload"

    def test_32_bit_events_in_a_64_bit_log(self):
        """A 32-bit process writes EVENT32 into a 64-bit log; the log's own header stays SYSTEM64."""
        writer = LogWriter()
        for size in (4, 8):
            writer.event(0, size, pid=1, tid=2, provider=PROVIDER, payload=b"abc", pointer_size=size)
        data = writer.to_bytes()
        assert [header.marker >> 16 & 0xFF for header in dissect_headers(data)] == [2, 0x12, 0x13]
        assert [row.kind for row, _ in by_etl_parser(data)] == [Kind.EVENT32, Kind.EVENT64]

    def test_all_fields_of_an_event_header(self):
        """Every field of EVENT_HEADER stands where a reader looks for it; the width's flag is added."""
        writer = LogWriter()
        descriptor = {"id": 7, "version": 1, "channel": 2, "level": 3, "opcode": 4, "task": 5, "keyword": 6}
        activity = bytes(range(16))
        writer.event(0, 9, pid=4, tid=8, provider=PROVIDER, flags=0x10, activity=activity, **descriptor)
        raw = dissect_headers(writer.to_bytes())[1].header
        names = ("Id", "Version", "Channel", "Level", "OpCode", "Task", "Keywords")
        assert [getattr(raw, name) for name in names] == list(descriptor.values())
        assert (raw.Flags, raw.ActivityId, raw.ProviderId) == (0x50, activity, PROVIDER.bytes_le)

    def test_kernel_and_user_times(self):
        """A SYSTEM record has the thread's kernel and user time, and its own version."""
        writer = LogWriter()
        writer.system(0, 9, group=3, opcode=1, pid=4, tid=8, version=5, kernel_time=11, user_time=12)
        raw = dissect_headers(writer.to_bytes())[1].header
        assert (raw.Version, raw.ProcessorTime) == (5, 12 << 32 | 11)

    def test_error(self):
        """An ERROR record has its size and type, and is stepped over by its size."""
        writer = LogWriter(buffer_size=1024)
        writer.error(0, b"what went wrong")
        record = writer.to_bytes()[1024 + 0x48 :][:24]
        assert record == struct.pack("<HBB4x", 23, 0x0D, 0xC0) + b"what went wrong\0"

    def test_raw_bytes_are_written_as_they_are(self):
        """Whatever a hostile test wants in a buffer stands there, padded to 8."""
        writer = LogWriter(buffer_size=1024)
        writer.raw(0, b"")
        writer.raw(0, b"\x01nonsense")
        assert writer.to_bytes()[1024 + 0x48 :][:16] == b"\x01nonsense".ljust(16, b"\0")

    @given(st.lists(st.tuples(st.integers(1, 18), st.binary(max_size=40)), max_size=5), PAYLOAD)
    @settings(deadline=None, max_examples=50)
    def test_extended_items(self, items, payload):
        """Extended items come back whole, and the user data begin right behind them."""
        writer = LogWriter()
        writer.event(0, 5, pid=1, tid=2, provider=PROVIDER, items=items, payload=payload)
        data = writer.to_bytes()
        [(row, seen)] = by_etl_parser(data)
        assert (row.payload, seen) == (payload, items)
        assert by_dissect(data)[0].payload.endswith(payload)


class TestMessages:
    """WPP messages and their option flags."""

    @pytest.mark.parametrize("options", range(256))
    def test_every_mix_of_options(self, options):
        """Each option adds its part, in the order sequence, GUID or component, time, thread and process."""
        writer = LogWriter(buffer_size=1024)
        ids = {"sequence": 0x01020304, "component": 0x0A0B0C0D, "pid": 5, "tid": 6}
        writer.message(0, 1234, guid=OTHER, number=17, options=options, payload=b"arguments", **ids)
        has = {name: bool(options & bit) for name, bit in OPTIONS.items()}
        parts = struct.pack("<I", 0x01020304) * has["sequence"] + OTHER.bytes_le * has["guid"]
        parts += struct.pack("<I", 0x0A0B0C0D) * (has["component"] and not has["guid"])
        parts += struct.pack("<q", 1234) * has["time"] + struct.pack("<II", 6, 5) * has["system"]
        whole = struct.pack("<HHHH", 17 + len(parts), 0x9000, 17, options) + parts + b"arguments"
        data = writer.to_bytes()
        assert data[1024 + 0x48 :][: len(whole)] == whole
        if not has["component"]:  # dissect.etl has no component ids
            place = (1234 if has["time"] else None, *((5, 6) if has["system"] else (None, None)))
            guid = OTHER.bytes_le if has["guid"] else None
            assert by_dissect(data) == [Seen(MESSAGE, *place, guid, 17, None, parts + b"arguments")]

    def test_a_message_needs_the_guid_that_its_options_ask_for(self):
        """Without a GUID only options that have none can be written."""
        with pytest.raises(ValueError, match="needs a GUID"):
            LogWriter().message(0, 1, guid=None, number=1, options=2)
        writer = LogWriter()
        writer.message(0, 1, guid=None, number=1, options=8)
        assert [row.number for row in by_dissect(writer.to_bytes())] == [1]


class TestMixes:
    """Random records of all kinds."""

    @given(st.lists(st.tuples(TICKS, ETL_PARSER_RECORDS), min_size=1, max_size=12), st.sampled_from([4, 8]))
    @settings(deadline=None, max_examples=60)
    def test_two_readers_see_what_was_written(self, rows, pointer_size):
        """Any mix of the kinds that both readers know comes back from both, in its order."""
        writer = LogWriter(buffer_size=1024, processors=1, pointer_size=pointer_size)
        for tick, record in rows:
            write(writer, 0, tick, record)
        data = writer.to_bytes()
        seen = [expected(tick, record, pointer_size) for tick, record in rows]
        assert by_dissect(data) == seen
        assert [row for row, _ in by_etl_parser(data)] == seen

    @given(
        st.lists(st.tuples(st.integers(0, 3), TICKS, RECORDS), max_size=25),
        st.sampled_from([1024, 1304, 65536]),
        st.booleans(),
        st.sampled_from([4, 8]),
    )
    @settings(deadline=None, max_examples=60)
    def test_several_processors(self, rows, buffer_size, compressed, pointer_size):
        """Nothing is lost or doubled between processors, buffers and compression; each keeps its order."""
        writer = LogWriter(
            buffer_size=buffer_size, processors=4, compressed=compressed, pointer_size=pointer_size
        )
        for cpu, tick, record in rows:
            write(writer, cpu, tick, record)
        data = writer.to_bytes()
        by_cpu = {cpu: [] for cpu in range(4)}
        for buffer in list(ETL(io.BytesIO(data)).buffers())[1:]:
            cpu = data[buffer.offset + 0x28]
            by_cpu[cpu] += [bytes(record.header.payload) for record in buffer]
        for cpu, payloads in by_cpu.items():
            mine = [expected(tick, record).payload for at, tick, record in rows if at == cpu]
            assert payloads == mine
        seen = sorted(map(repr, by_dissect(data)))
        assert seen == sorted(repr(expected(tick, record, pointer_size)) for _, tick, record in rows)


class TestLogHeader:
    """What the log says of itself."""

    @pytest.mark.parametrize("pointer_size", [4, 8])
    @pytest.mark.parametrize(
        ("clock_type", "rate"),
        [(CLOCK_PERFCOUNTER, 2_500_000), (CLOCK_SYSTEMTIME, 10_000_000), (CLOCK_CPUCYCLE, 2_000_000_000)],
    )
    def test_every_clock(self, clock_type, rate, pointer_size):
        """A reader gets the time that was meant, whatever the clock counts."""
        clock = {"clock_type": clock_type, "frequency": 2_500_000, "cpu_mhz": 2000}
        writer = LogWriter(**clock, start_time=START, start_tick=123_456_789, pointer_size=pointer_size)
        first = START if clock_type == CLOCK_SYSTEMTIME else 123_456_789
        writer.event(0, first + 90 * rate, pid=1, tid=2, provider=PROVIDER)
        log = ETL(io.BytesIO(writer.to_bytes()))
        header, event = (record.header for record in log)
        assert abs((event.timestamp - header.timestamp).total_seconds() - 90) < 1e-5
        assert header.timestamp == log.start
        assert log.logfile_header.end_time == START + 90 * 10_000_000

    @pytest.mark.parametrize("pointer_size", [4, 8])
    def test_what_the_header_says(self, pointer_size):
        """All of TRACE_LOGFILE_HEADER that was given or counted stands where a reader looks for it."""
        names = {"logger_name": "NT Kernel Logger", "file_name": "C:\\traces\\caf\u00e9.etl"}
        times = {"start_time": START, "boot_time": START - 5, "frequency": 3_579_545, "cpu_mhz": 2400}
        writer = LogWriter(
            buffer_size=4096, processors=3, pointer_size=pointer_size, build=19045, mode=9, **names, **times
        )
        for cpu in range(3):
            writer.event(cpu, cpu, pid=1, tid=2, provider=PROVIDER)
        writer.lose_events(1, 5)
        writer.lose_buffer(2)
        log = ETL(io.BytesIO(writer.to_bytes())).logfile_header
        raw = log.header
        assert (raw.BufferSize, raw.NumberOfProcessors, raw.PointerSize) == (4096, 3, pointer_size)
        assert (raw.ProviderVersion, raw.MajorVersion, raw.LogFileMode, raw.BuffersWritten) == (
            19045,
            10,
            9,
            3,
        )
        assert (raw.EventsLost, raw.BufferLost, raw.ReservedFlags, raw.CpuSpeedInMHz) == (5, 1, 1, 2400)
        assert (raw.StartTime, raw.BootTime, raw.PerfFreq) == (START, START - 5, 3_579_545)
        assert (log.logger_name, log.log_filename) == tuple(names.values())

    def test_a_log_without_events(self):
        """A session that saw nothing leaves its header alone, which both readers accept."""
        data = LogWriter(start_time=START).to_bytes()
        assert (len(data), by_dissect(data), by_etl_parser(data)) == (65536, [], [])
        assert ETL(io.BytesIO(data)).logfile_header.end_time == START


class TestAppend:
    """Two sessions in one file."""

    def test_two_sessions_in_one_file(self):
        """The first header speaks for the whole file, the second for its session; both say APPEND."""
        logs = []
        for session, pointer_size in enumerate((8, 4)):
            writer = LogWriter(start_time=START + session, buffer_size=1024, pointer_size=pointer_size)
            for number in range(5):
                writer.event(0, number, pid=1, tid=2, provider=PROVIDER, id=10 * session + number)
            writer.lose_events(0, 3 + session)
            writer.lose_buffer(1)
            logs.append(writer.to_bytes())
        joined = append_logs(*logs)
        headers = dissect_headers(joined)
        numbers = [getattr(header.header, "Id", None) for header in headers]
        assert numbers == [None, 0, 1, 2, 3, 4, None, 10, 11, 12, 13, 14]
        whole, second = (
            ETL(io.BytesIO(part)).logfile_header.header for part in (joined, joined[len(logs[0]) :])
        )
        assert whole.LogFileMode == second.LogFileMode == MODE_APPEND
        counters = [(raw.EventsLost, raw.BufferLost, raw.BuffersWritten) for raw in (whole, second)]
        assert counters == [(7, 2, 4), (4, 1, 2)]
        assert (whole.StartTime, whole.EndTime) == (START, second.EndTime)
        assert [row for row, _ in by_etl_parser(logs[0])] == by_dissect(joined)[:5]

    def test_what_is_no_log_cannot_be_appended_to(self):
        """Bytes that are too few for a header buffer are refused."""
        with pytest.raises(ValueError, match="begins with a buffer"):
            append_logs(bytes(100), LogWriter().to_bytes())
