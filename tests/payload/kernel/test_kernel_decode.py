"""Kernel events become columns: every byte of real ones is used, and lies are told from ends."""

import struct
import uuid
import warnings
from collections import Counter

import kernel_logs as logs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tracecheck.etl.layout import Kind
from tracecheck.etl.reader import open_log
from tracecheck.payload.kernel import EVENTS, decode

TRACES = ("ShutdownPerfDiagLogger", "net.4.5.2.x64", "DynamicEvents", "eventlog", "smallEtlFile")

#: What etl-parser calls the fields that it decodes, by event class.
PARSED = {
    "Process": ("UniqueProcessKey", "ProcessId", "ParentId", "SessionId", "DirectoryTableBase"),
    "Thread": ("ProcessId", "StackBase", "Win32StartAddr", "TebBase", "SubProcessTag"),
    "Image": ("ImageBase", "ImageSize", "ProcessId", "ImageChecksum", "TimeDateStamp", "DefaultBase"),
}


def parts_of(path):
    """Decodes a trace; gives the chunk of each part too."""
    with open_log(path) as log:
        return [(chunk, part) for chunk in log.chunks() for part in decode(chunk)]


def only(parts):
    """The one row of the one part that a small log gives."""
    ((part,),) = ([part for part in parts if part.type.family != "EventTrace"],)
    assert part.rows.size == 1
    return part, part.table.to_pylist()[0]


def by_etl_parser(path):
    """Decodes the process, thread and image events of a trace with etl-parser, in its order of reading."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from etl.etl import IEtlFileObserver, build_from_stream

    seen = Counter()

    class Observer(IEtlFileObserver):
        def on_perfinfo_trace(self, event):
            self._mof(event)

        def on_system_trace(self, event):
            self._mof(event)

        def _mof(self, event):
            try:
                mof = event.get_mof()
            except Exception:  # noqa: BLE001 - it knows few of the kernel's events, and says so in many ways
                return
            kind = type(mof).__name__
            family = next((each for each in PARSED if kind.startswith(each)), None)
            if family and kind not in ("Process_Terminate_TypeGroup1", "ImageId"):
                fields = PARSED[family]
                seen[(family, *(int(getattr(mof.source, name)) for name in fields), text_of(mof.source))] += 1

        def on_event_record(self, event):
            pass

        on_trace_record = on_win_trace = on_event_record

    build_from_stream(path.read_bytes()).parse(Observer())
    return seen


def text_of(source):
    """The name that an event holds; an event of a thread has none there."""
    if hasattr(source, "ImageFileName"):
        return bytes(source.ImageFileName.string[:-1]).decode()
    return bytes(source.FileName.string[:-2]).decode("utf-16-le") if hasattr(source, "FileName") else ""


class TestRealTraces:
    """What the kernels of Windows 8 to 11 wrote."""

    @pytest.mark.parametrize("trace", TRACES)
    def test_every_byte_is_used(self, corpus, trace):
        """No event of a type that is known ends early or has bytes left over."""
        parts = parts_of(corpus / "etl" / f"{trace}.etl")
        assert parts
        assert [part.problems for _, part in parts if part.problems is not None] == []

    def test_all_traces_of_messages_too(self, corpus):
        """The records about the binary that wrote a WPP trace decode whole."""
        names = Counter()
        for path in sorted((corpus / "wpp").glob("*.etl")):
            for _, part in parts_of(path):
                assert part.problems is None
                names[part.type.name] += part.rows.size
        assert set(names) == {"EventTrace/Header", "EventTrace/BuildInfo", "EventTrace/DbgIdRSDS"}

    def test_fields_are_those_of_another_reader(self, corpus):
        """Process, thread and image events hold what etl-parser finds in them."""
        path = corpus / "etl" / "ShutdownPerfDiagLogger.etl"
        others = by_etl_parser(path)
        assert sum(others.values()) > 200
        mine = Counter()
        for _, part in parts_of(path):
            family = part.type.family
            names = set(part.table.schema.names)
            if family in PARSED and names.issuperset(PARSED[family]):
                text = {"Process": "ImageFileName", "Image": "FileName"}.get(family)
                rows = part.table.select([*PARSED[family], *([text] if text else [])]).to_pylist()
                mine.update(
                    (family, *(row[name] for name in PARSED[family]), row[text] if text else "")
                    for row in rows
                )
        # etl-parser gives up on some buffers of some logs: it may see less, and nothing else.
        assert others - mine == Counter()

    def test_the_log_files_header(self, corpus):
        """The first record says what the reader's header says, in logs of both pointer sizes."""
        for trace, pointer_size in (("smallEtlFile", 4), ("eventlog", 8)):
            path = corpus / "etl" / f"{trace}.etl"
            with open_log(path) as log:
                header = log.header
            (part,) = (part for _, part in parts_of(path) if part.type.name == "EventTrace/Header")
            row = part.table.drop_columns(["EndTime", "BootTime", "StartTime"]).to_pylist()[0]
            assert part.pointer_size == row["PointerSize"] == pointer_size
            assert row["BufferSize"] == header.buffer_size
            assert row["PerfFreq"] == header.perf_freq
            assert row["SessionNameString"] == header.logger_name
            assert row["LogFileNameString"] == header.file_name

    def test_families_choose(self, corpus):
        """Only the event classes that are asked for are decoded."""
        with open_log(corpus / "etl" / "DynamicEvents.etl") as log:
            found = [part.type.family for chunk in log.chunks() for part in decode(chunk, {"Thread"})]
        assert set(found) == {"Thread"}


class TestLayouts:
    """Layouts that the real traces do not have."""

    def test_each_type_is_written_down_once(self):
        """No two types share a group and an opcode."""
        assert len({(event.group, event.opcode) for event in EVENTS}) == len(EVENTS) < 256

    @pytest.mark.parametrize(
        ("extra", "status", "initial"), [(b"", None, None), (b"\x16\0\0\xc0", 0xC0000016, None)]
    )
    def test_callbacks_of_minifilters(self, tmp_path, extra, status, initial):
        """FltIo records hold the callback, the stream, the major function, and where logged the status."""
        log = logs.new_log()
        log.perfinfo(
            0, 10, group=logs.FILE, opcode=0x64, payload=logs.flt(0xFFFFF80012345678, 0xFFFFAE01, 18) + extra
        )
        (chunk,) = logs.chunks(log, tmp_path)
        part, row = only(decode(chunk))
        assert part.problems is None
        assert part.type.name == "FltIo/PreOpFailure"
        assert (row["RoutineAddr"], row["FsContext"]) == (0xFFFFF80012345678, 0xFFFFAE01)
        assert (row["MajorFunction"], row["Status"], row.get("InitialTime")) == (18, status, initial)

    def test_completions_may_say_when_they_began(self, tmp_path):
        """A completion that is long enough begins with the time of the call."""
        log = logs.new_log()
        payload = struct.pack("<Q", 77) + logs.flt(5, 6, 0)
        log.perfinfo(0, 10, group=logs.FILE, opcode=0x63, payload=payload)
        log.perfinfo(0, 11, group=logs.FILE, opcode=0x63, payload=payload[8:])
        (chunk,) = logs.chunks(log, tmp_path)
        long, short = (part for part in decode(chunk) if part.type.family == "FltIo")
        assert long.problems is short.problems is None
        assert long.table.column("InitialTime").to_pylist() == [77]
        assert (
            long.table.column("RoutineAddr").to_pylist()
            == short.table.column("RoutineAddr").to_pylist()
            == [5]
        )

    def test_pool_tags_are_text(self, tmp_path):
        """A pool event has the type, the tag as its four characters, the size and the block; 32-bit too."""
        log = logs.new_log(pointer_size=4)
        payload = struct.pack("<I4sII", 512, b"CtxA", 96, 0x85001000)
        log.compact(0, 10, group=logs.POOL, opcode=0x20, pid=4, tid=8, payload=payload)
        (chunk,) = logs.chunks(log, tmp_path)
        part, row = only(decode(chunk))
        assert part.pointer_size == 4
        assert row == {"PoolType": 512, "Tag": "CtxA", "NumberOfBytes": 96, "Entry": 0x85001000}

    @pytest.mark.parametrize("end", [b"", b"\0"])
    def test_debug_messages_end_with_a_nul_or_the_record(self, tmp_path, end):
        """DbgPrint messages are read with and without their NUL."""
        log = logs.new_log()
        payload = struct.pack("<II", 77, 3) + b"Ctx: released FFFF\n" + end
        log.system(0, 10, group=logs.DBGPRINT, opcode=0x20, pid=4, tid=8, payload=payload)
        (chunk,) = logs.chunks(log, tmp_path)
        part, row = only(decode(chunk))
        assert part.problems is None
        assert row == {"Component": 77, "Level": 3, "Message": "Ctx: released FFFF\n"}

    @pytest.mark.parametrize("bits", [32, 64])
    def test_the_classic_form_is_the_same(self, tmp_path, bits):
        """A classic event of a kernel class decodes as the kernel's own record does."""
        log = logs.new_log()
        payload = logs.process(44, "a.exe", command="a -b", bits=bits)
        log.classic(
            0,
            10,
            event_class=uuid.UUID("3d6fa8d0-fe05-11d0-9dda-00c04fd7ba7c"),
            opcode=logs.START,
            pid=4,
            tid=8,
            version=4,
            payload=payload,
            pointer_size=bits // 8,
        )
        log.perfinfo(0, 11, group=3, opcode=1, version=4, payload=payload, pointer_size=bits // 8)
        (chunk,) = logs.chunks(log, tmp_path)
        (part,) = (part for part in decode(chunk) if part.type.family == "Process")
        one, two = part.table.to_pylist()
        assert one == two
        assert (one["ProcessId"], one["UserSID"], one["ImageFileName"], one["CommandLine"]) == (
            44,
            "S-1-5-18",
            "a.exe",
            "a -b",
        )

    def test_events_of_other_classes_stay_as_they_are(self, tmp_path):
        """A group or a class that is not known gives nothing, whatever its opcode."""
        log = logs.new_log()
        log.classic(0, 10, event_class=uuid.UUID(int=5), opcode=1, pid=4, tid=8)
        log.perfinfo(0, 11, group=0xFF, opcode=0x24, payload=b"abcd")
        (chunk,) = logs.chunks(log, tmp_path)
        assert {part.type.family for part in decode(chunk)} <= {"EventTrace"}

    def test_a_newer_version_says_what_is_left_over(self, tmp_path):
        """A later version is read as the newest known one; its further bytes are reported."""
        log = logs.new_log()
        log.perfinfo(0, 10, group=3, opcode=1, version=9, payload=logs.process(44, "a.exe") + b"12345678")
        (chunk,) = logs.chunks(log, tmp_path)
        part, row = only(decode(chunk))
        assert row["ImageFileName"] == "a.exe"
        assert part.problems.to_pylist() == ["8 bytes are left over"]


class TestLies:
    """Payloads that nobody should have written."""

    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(
        data=st.lists(
            st.tuples(
                st.sampled_from(EVENTS), st.integers(0, 6), st.sampled_from([4, 8]), st.binary(max_size=200)
            ),
            min_size=1,
            max_size=12,
        )
    )
    def test_any_payload_is_read_or_reported(self, tmp_path, data):
        """Whatever the bytes, each event gives one row, and a null in it comes with a reason."""
        log = logs.new_log()
        for tick, (event, version, pointer_size, payload) in enumerate(data):
            if event.group > 0xFF or event.name == "EventTrace/Header":
                continue
            log.perfinfo(
                0,
                tick + 10,
                group=event.group,
                opcode=event.opcode,
                version=version,
                payload=payload,
                pointer_size=pointer_size,
            )
        for chunk in logs.chunks(log, tmp_path):
            kinds = chunk.column("kind")
            rows = [row for part in decode(chunk) for row in part.rows.tolist()]
            assert len(set(rows)) == len(rows) <= int((kinds != Kind.NONE).sum())
            for part in decode(chunk):
                for row in range(part.rows.size):
                    values = part.table.slice(row, 1)
                    late = {"Status", "ThreadName", "UserSID", "EndTime", "BootTime", "StartTime", "ExitTime"}
                    gone = [n for n in values.schema.names if n not in late and values.column(n).null_count]
                    assert not gone or part.problems[row].as_py()

    @pytest.mark.parametrize("cut", range(0, 83, 7))
    def test_a_payload_cut_anywhere(self, tmp_path, cut):
        """What stands before the cut is read; the field that it hits is named."""
        payload = logs.process(44, "abcdefgh.exe")
        log = logs.new_log()
        log.perfinfo(0, 10, group=3, opcode=1, version=4, payload=payload[:cut])
        (chunk,) = logs.chunks(log, tmp_path)
        part, row = only(decode(chunk))
        assert (
            "the payload ends within field" in part.problems[0].as_py() or "count" in part.problems[0].as_py()
        )
        assert row["ProcessId"] == (44 if cut >= 12 else None)
