"""How the writer fills buffers: processors, flushes, losses, circular and compressed logs."""

import io
import random
import struct
import uuid

import pytest
from dissect.etl import ETL
from dissect.util.compression import lzxpress
from hypothesis import given, settings
from hypothesis import strategies as st
from peers import buffers, by_dissect, by_etl_parser, split

from tracecheck.etl.layout import (
    BUFFER_COMPRESSED,
    BUFFER_EVENTS_LOST,
    BUFFER_FLUSH_MARKER,
    BUFFER_LOST,
    BUFFER_PROC_INDEX,
    MODE_CIRCULAR,
)
from tracecheck.etl.writer import LogWriter

PROVIDER = uuid.UUID("c64d51f2-edf4-50f1-4e59-a52a745ca35b")
SMALL = 1024  # holds the log header, or 10 events without payload


def write(writer, cpu, tick, number=0, payload=b""):
    """Writes an event of 80 bytes and its payload."""
    writer.event(cpu, tick, pid=4, tid=cpu, provider=PROVIDER, id=number, payload=payload)


def numbers(data):
    """Gives the event ids in the order of the file."""
    return [row.number for row in by_dissect(data)]


def log_header(data):
    """Reads TRACE_LOGFILE_HEADER with dissect.etl."""
    return ETL(io.BytesIO(data)).logfile_header.header


class TestBuffers:
    """Buffers as the kernel leaves them in a file."""

    def test_the_header_buffer(self):
        """The first buffer is of type 4 with SequenceNumber 0, and holds one record."""
        first = buffers(LogWriter().to_bytes())[0]
        size = struct.unpack_from("<H", first.body, 4)[0]
        assert first.used == first.saved == first.current == 0x48 + size + (-size & 7)
        assert (first.type, first.sequence, first.state, first.references) == (4, 0, 3, 0)
        assert first.flags == BUFFER_FLUSH_MARKER | BUFFER_PROC_INDEX

    @given(
        st.lists(st.tuples(st.integers(0, 2), st.integers(0, 10**6), st.binary(max_size=300)), max_size=60),
        st.sampled_from([SMALL, 1027, 4096]),
    )
    @settings(deadline=None, max_examples=60)
    def test_invariants(self, rows, buffer_size):
        """Sizes, sequences, times, the fill and the flush marker hold for whatever is written."""
        writer = LogWriter(buffer_size=buffer_size, processors=3)
        for cpu, tick, payload in rows:
            write(writer, cpu, tick, payload=payload)
        _, *rest = found = buffers(writer.to_bytes())
        assert sorted(buffer.sequence for buffer in found) == list(range(len(found)))
        for buffer in found:
            fill = buffer.body[buffer.used - 0x48 :]
            assert buffer.size == buffer_size
            assert buffer.used == buffer.saved
            assert fill == b"\xff" * len(fill)
            assert buffer.used % 8 == 0
        for buffer in rest:
            assert 0x48 < buffer.used <= buffer_size
            assert buffer.current == buffer.used + buffer_size
            times = [struct.unpack_from("<q", record, 16)[0] for record in split(buffer)]
            assert max(times) <= buffer.tick
        markers = [buffer.flags & BUFFER_FLUSH_MARKER for buffer in rest]
        assert markers == [0] * (len(rest) - 1) + [1] * bool(rest)
        assert log_header(writer.to_bytes()).BuffersWritten == len(found)

    def test_a_record_never_spans_buffers(self):
        """A record that does not fit the rest of a buffer begins the next one."""
        writer = LogWriter(buffer_size=SMALL, processors=1)
        for number in range(12):
            write(writer, 0, number, number, bytes(120))
        assert [buffer.used for buffer in buffers(writer.to_bytes())[1:]] == [0x48 + 4 * 200] * 3

    @pytest.mark.parametrize(("buffer_size", "room"), [(SMALL, 872), (1 << 17, 0xFFFF - 80)])
    def test_too_large_a_record(self, buffer_size, room):
        """The largest record fills a buffer, or what 16 bits can say; one byte more is refused."""
        writer = LogWriter(buffer_size=buffer_size)
        write(writer, 0, 1, 5, bytes(room))
        before = writer.to_bytes()
        with pytest.raises(ValueError, match="record of"):
            write(writer, 0, 2, 6, bytes(room + 1))
        assert numbers(before) == [5]
        assert writer.to_bytes() == before

    def test_processors_fill_their_own_buffers(self):
        """Buffers come in the order in which they fill; sequences are in the order in which they began."""
        writer = LogWriter(buffer_size=SMALL, processors=300)
        write(writer, 299, 10, 1)
        for number in range(2, 14):
            write(writer, 0, number * 10, number)
        found = buffers(writer.to_bytes())[1:]
        assert [(buffer.cpu, buffer.sequence, buffer.tick) for buffer in found] == [
            (0, 2, 130),
            (0, 3, 130),
            (299, 1, 130),
        ]
        assert numbers(writer.to_bytes()) == [*range(2, 14), 1]

    def test_flush(self):
        """A flush ends one processor's buffer or all; what is empty is not written."""
        writer = LogWriter(buffer_size=SMALL, processors=2)
        writer.flush()
        write(writer, 0, 5, 1)
        write(writer, 1, 7, 2)
        writer.flush(1)
        writer.flush(1)
        write(writer, 1, 9, 3)
        found = buffers(writer.to_bytes())[1:]
        assert [(buffer.cpu, buffer.tick, buffer.flags & 1) for buffer in found] == [
            (1, 7, 1),
            (0, 9, 0),
            (1, 9, 1),
        ]

    def test_writing_goes_on_after_reading_out(self, tmp_path):
        """The same calls give the same bytes, in memory and on disk, and more records may follow."""
        writer, twin = LogWriter(), LogWriter()
        for one in (writer, twin):
            write(one, 0, 1, 1)
        writer.write(tmp_path / "trace.etl")
        assert (tmp_path / "trace.etl").read_bytes() == twin.to_bytes() == writer.to_bytes()
        write(writer, 1, 2, 2)
        assert numbers(writer.to_bytes()) == [1, 2]

    @pytest.mark.parametrize(
        ("settings", "reason"),
        [
            ({"pointer_size": 5}, "4 or 8 bytes"),
            ({"buffer_size": 256}, "too small"),
            ({"max_buffers": 0}, "at least one"),
            ({"max_buffers": 2, "compressed": True}, "cannot be circular"),
        ],
    )
    def test_settings_that_make_no_log(self, settings, reason):
        """What no logger can do is refused at once."""
        with pytest.raises(ValueError, match=reason):
            LogWriter(**settings)


class TestLosses:
    """Losses as a log tells them."""

    def test_lost_events(self):
        """Lost events are counted, and flagged on the buffer that was open, or on the next."""
        writer = LogWriter(buffer_size=SMALL)
        write(writer, 0, 1, 1)
        writer.lose_events(0, 4)
        writer.lose_events(1, 2)
        writer.flush()
        write(writer, 1, 2, 2)
        write(writer, 0, 3, 3)
        data = writer.to_bytes()
        flagged = [(buffer.cpu, bool(buffer.flags & BUFFER_EVENTS_LOST)) for buffer in buffers(data)[1:]]
        assert flagged == [(0, True), (0, False), (1, True)]
        assert (log_header(data).EventsLost, log_header(data).BufferLost) == (6, 0)

    def test_a_lost_buffer(self):
        """A lost buffer leaves a gap in the sequence, a flag on its processor's next buffer, and a count."""
        writer = LogWriter(buffer_size=SMALL)
        for number in range(6):
            write(writer, number % 2, number, number)
        assert writer.lose_buffer(0) == 3
        write(writer, 0, 10, 10)
        data = writer.to_bytes()
        assert numbers(data) == [10, 1, 3, 5]
        found = [
            (buffer.cpu, buffer.sequence, bool(buffer.flags & BUFFER_LOST)) for buffer in buffers(data)[1:]
        ]
        assert found == [(0, 3, True), (1, 2, False)]
        assert (log_header(data).EventsLost, log_header(data).BufferLost) == (0, 1)

    def test_a_lost_buffer_that_was_empty(self):
        """Losing a buffer before anything is in it costs a sequence number all the same."""
        writer = LogWriter(buffer_size=SMALL)
        assert writer.lose_buffer(1) == 0
        write(writer, 1, 1)
        assert [buffer.sequence for buffer in buffers(writer.to_bytes())] == [0, 2]


class TestCircular:
    """Logs that forget their beginning."""

    @given(st.integers(1, 5), st.integers(0, 90))
    @settings(deadline=None, max_examples=25)
    def test_the_newest_buffers_survive(self, limit, count):
        """The last buffers are kept where wrapping around puts them; the oldest follows the newest."""
        writer = LogWriter(buffer_size=SMALL, processors=1, max_buffers=limit)
        for number in range(count):
            write(writer, 0, number, number)
        data = writer.to_bytes()
        whole = [list(range(first, min(first + 11, count))) for first in range(0, count, 11)]
        slots = {index % limit: part for index, part in enumerate(whole)}
        assert numbers(data) == [number for slot in sorted(slots) for number in slots[slot]]
        assert by_dissect(data) == [row for row, _ in by_etl_parser(data)]
        for slot, buffer in enumerate(buffers(data)[1:]):
            assert (buffer.sequence - 1) % limit == slot
        assert log_header(data).LogFileMode == MODE_CIRCULAR

    def test_the_limit_is_in_the_header(self):
        """MaximumFileSize is the limit in megabytes."""
        assert log_header(LogWriter(max_buffers=17).to_bytes()).MaximumFileSize == 2


class TestCompressed:
    """Logs with compressed buffers."""

    @given(st.lists(st.binary(max_size=60), max_size=60))
    @settings(deadline=None, max_examples=60)
    def test_the_same_records_as_without(self, payloads):
        """A compressed log holds what a plain one holds; dissect.etl unpacks it."""
        logs = [LogWriter(buffer_size=4096, compressed=compressed) for compressed in (False, True)]
        for log in logs:
            for number, payload in enumerate(payloads):
                write(log, number % 2, number, number, payload)
        plain, packed = (log.to_bytes() for log in logs)
        assert by_dissect(packed) == by_dissect(plain)
        for one, two in zip(buffers(plain)[1:], buffers(packed)[1:], strict=True):
            assert (two.used, two.flags) == (one.used, one.flags | BUFFER_COMPRESSED)
            assert lzxpress.decompress(two.body) == one.body[: one.used - 0x48]

    def test_stored_sizes(self):
        """Each buffer has its own stored size, any number; the header buffer is plain and small."""
        writer = LogWriter(compressed=True)
        for number in range(900):
            write(writer, 0, number, number, b"x" * (number % 11))
        head, *rest = buffers(writer.to_bytes())
        assert (head.size, head.flags & BUFFER_COMPRESSED) == (512, 0)
        assert len({buffer.size for buffer in rest}) == len(rest) > 1
        assert all(buffer.size < buffer.used for buffer in rest)

    def test_what_does_not_shrink_is_stored_plain(self):
        """A buffer that compression would make larger is written without the flag, at its own size."""
        writer = LogWriter(compressed=True, buffer_size=2048)
        noise = random.Random(1).randbytes(400)
        writer.raw(0, struct.pack("<HBB", 408, 0x0D, 0xC0) + b"\0" * 4 + noise)
        stored = buffers(writer.to_bytes())[1]
        assert (stored.size, stored.flags & BUFFER_COMPRESSED) == (stored.used, 0)
