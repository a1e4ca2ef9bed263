"""Real records, taken apart after the format's description and written again."""

import io
import struct
import uuid

import pytest
from dissect.etl import ETL
from peers import buffers, split

from tracecheck.etl.writer import LogWriter


class TestRealTraces:
    """The writer and the kernel agree on every byte that both set."""

    @pytest.mark.parametrize(
        "name", ["AMSITrace", "ShutdownPerfDiagLogger", "ebpforwindows", "lxcore_kernel", "powershell"]
    )
    def test_a_real_log_written_again(self, corpus, name):
        """Each record of a real log comes out byte for byte, in buffers of the same fill."""
        data = (corpus / "etl" / f"{name}.etl").read_bytes()
        for buffer in buffers(data)[1:]:
            writer = LogWriter(buffer_size=len(data), processors=1)
            for record in split(buffer):
                rewrite(writer, record)
            again = buffers(writer.to_bytes())[1]
            assert again.used == buffer.used
            assert list(map(comparable, split(again))) == list(map(comparable, split(buffer)))

    @pytest.mark.parametrize("name", ["AMSITrace", "gcevents", "lxcore_kernel", "powershell"])
    def test_a_real_header_buffer(self, corpus, name):
        """From a real log's values the writer makes the same header buffer, but for the time zone."""
        data = (corpus / "etl" / f"{name}.etl").read_bytes()
        raw = ETL(io.BytesIO(data)).logfile_header
        fields = raw.header
        writer = LogWriter(
            buffer_size=fields.BufferSize,
            processors=fields.NumberOfProcessors,
            clock_type=fields.ReservedFlags,
            frequency=fields.PerfFreq,
            start_time=fields.StartTime,
            boot_time=fields.BootTime,
            mode=fields.LogFileMode,
            build=fields.ProviderVersion,
            cpu_mhz=fields.CpuSpeedInMHz,
            logger_name=raw.logger_name,
            file_name=raw.log_filename,
        )
        writer.lose_events(0, fields.EventsLost)
        mine, theirs = (parts(log) for log in (writer.to_bytes(), data))
        assert mine == theirs


def parts(log):
    """Gives what two header buffers must have in common: the record's kind and size, and the fixed fields."""
    at = 0x48 + 32
    size = struct.unpack_from("<H", log, 0x48 + 4)[0]
    early = struct.unpack_from("<IIII8xI", log, at) + struct.unpack_from("<I4xIIII", log, at + 32)
    return log[0x48 : 0x48 + 8], early, log[at + 248 : 0x48 + size]


def comparable(record):
    """Blanks what the writer sets by its own rule: processor time, event property and the width's flag."""
    if record[3] >> 4 != 9 and record[2] in {0x12, 0x13}:
        flags, _ = struct.unpack_from("<HH", record, 4)
        return record[:4] + struct.pack("<HH", flags & ~0x60, 0) + record[8:56] + bytes(8) + record[64:]
    if record[3] >> 4 != 9 and record[2] in {0x0A, 0x14}:
        return record[:40] + bytes(8) + record[48:]
    return record


def rewrite(writer, record):
    """Reads a record after the format's description and writes it again."""
    kind = record[2]
    width = {"pointer_size": 8 if kind in {2, 4, 0x11, 0x13, 0x14} else 4}
    if kind in {1, 2, 3, 4}:
        version, opcode, group, tid, pid, tick = struct.unpack_from("<H4xBBIIq", record)
        what = {"group": group, "opcode": opcode, "pid": pid, "tid": tid, "version": version}
        if kind in {1, 2}:
            kernel, user = struct.unpack_from("<II", record, 24)
            writer.system(0, tick, kernel_time=kernel, user_time=user, payload=record[32:], **what, **width)
        else:
            writer.compact(0, tick, payload=record[24:], **what, **width)
    elif kind in {0x10, 0x11}:
        version, opcode, group, tick = struct.unpack_from("<H4xBBq", record)
        writer.perfinfo(0, tick, group=group, opcode=opcode, version=version, payload=record[16:], **width)
    elif kind in {0x0A, 0x14}:
        opcode, level, version, tid, pid, tick, guid = struct.unpack_from("<BBHIIq16s", record, 4)
        what = {"opcode": opcode, "level": level, "version": version, "pid": pid, "tid": tid}
        writer.classic(0, tick, event_class=uuid.UUID(bytes_le=guid), payload=record[48:], **what, **width)
    else:
        rewrite_event(writer, record, width)


def rewrite_event(writer, record, width):
    """Reads an EVENT record with its extended items and writes it again."""
    names = (
        "flags",
        "tid",
        "pid",
        "tick",
        "provider",
        "id",
        "version",
        "channel",
        "level",
        "opcode",
        "task",
        "keyword",
    )
    what = dict(zip(names, struct.unpack_from("<H2xIIq16sHBBBBHQ", record, 4), strict=True))
    items, at, more = [], 80, what["flags"] & 1
    while more:
        size, item, more, length = struct.unpack_from("<HHHH", record, at)
        items.append((item, record[at + 8 : at + 8 + length]))
        at += size
        more &= 1
    what["provider"] = uuid.UUID(bytes_le=what["provider"])
    tick = what.pop("tick")
    writer.event(0, tick, items=items, payload=record[at:], activity=record[64:80], **what, **width)
