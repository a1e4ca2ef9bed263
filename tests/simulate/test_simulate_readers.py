"""The written files in the eyes of readers that others wrote, and of this package's own."""

import io
import struct
import uuid
import warnings
from collections import defaultdict

import pytest
from dissect.etl import ETL
from written import decode, events, is_ours, records

from tracecheck.etl import open_log
from tracecheck.operations import CanonicalReader
from tracecheck.simulate import Fault, Scenario, simulate
from tracecheck.simulate.tracelogging import PROVIDER

SCENARIOS = {
    "plain": Scenario(operations=500),
    "busy": Scenario(operations=800, duration=0.0, threads=12, drivers=2, processors=6),
    "small": Scenario(operations=500, pointer_size=4, unload=False, faults=(Fault("L03"),)),
    "noisy": Scenario(operations=500, conditions=frozenset({"noise", "lost-buffers", "wide"})),
    "circular": Scenario(operations=700, conditions=frozenset({"circular", "noise"})),
    "relay": Scenario(operations=500, conditions=frozenset({"relay", "no-begin", "flush"})),
}


@pytest.fixture(scope="module", params=SCENARIOS)
def made(request):
    """A simulated capture."""
    return simulate(SCENARIOS[request.param])


class TestOthers:
    """Readers that share nothing with the writer."""

    def test_dissect_reads_the_same_events_in_each_processors_order(self, made):
        """dissect.etl sees as many records, and each processor's events in the order of their writing."""
        seen = dissected(made.data)
        assert sum(map(len, seen.values())) == len(records(made.data))
        found = defaultdict(list)
        for cpu, record in records(made.data):
            if is_ours(record):
                event = decode(cpu, record)
                found[cpu].append((event.tick, event.pid, event.tid, event.name))
        ours = {cpu: [row for row in rows if row] for cpu, rows in seen.items()}
        assert {cpu: rows for cpu, rows in ours.items() if rows} == found
        assert sum(map(len, ours.values())) == made.truth.events

    def test_etl_parser_reads_the_same_events(self, made):
        """etl-parser sees every canonical event with its time, ids, schema and payload."""
        seen = parsed(made.data)
        expected = [(e.tick, e.pid, e.tid, e.name) for e in events(made.data)]
        assert sorted(seen) == sorted(expected)


class TestOwn:
    """This package's reader."""

    def test_every_event_is_decoded(self, made, tmp_path):
        """All canonical events become operations: none has an unknown name or breaks its schema."""
        path = tmp_path / "made.etl"
        made.write(path)
        reader, first = CanonicalReader(), 0
        with open_log(path) as log:
            for chunk in log.chunks():
                reader.add(chunk, first)
                first += len(chunk.records)
            assert log.warnings == []
        assert (reader.problems, reader.unknown) == (0, set())
        assert len({int(n) for n in reader.rows["record"]}) == made.truth.events

    def test_compressed_captures_hold_the_same_records(self, tmp_path):
        """Compression changes the file's size and none of its records."""
        found = []
        for compressed in (False, True):
            path = tmp_path / f"{compressed}.etl"
            simulate(Scenario(operations=500, compressed=compressed)).write(path)
            with open_log(path) as log:
                found.append(
                    [r for chunk in log.chunks() for r in chunk.records.select(["tick", "tid"]).to_pylist()]
                )
        assert sorted(found[0], key=str)[:-1] == sorted(found[1], key=str)[:-1]


def dissected(data):
    """Read all records but the log's own with dissect.etl: processor -> (tick, pid, tid, name) or None."""
    seen = defaultdict(list)
    for buffer in sorted(list(ETL(io.BytesIO(data)).buffers())[1:], key=lambda b: b.header.SequenceNumber):
        for record in buffer:
            row, header = None, record.header
            # dissect.etl reads the bytes of a GUID in the order of a printed one.
            if getattr(header, "provider_id", None) == uuid.UUID(bytes=PROVIDER.bytes_le):
                schema = next(item.raw_data for item in header.header_extensions if item.ext_type == 11)
                name = schema[3:].split(b"\0")[0].decode()
                row = (header.time_delta, header.process_id, header.thread_id, name)
            seen[buffer.header.ProcessorIndex].append(row)
    return seen


def parsed(data):
    """Read canonical events with etl-parser: tick, pid, tid, name in the schema."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from etl.etl import IEtlFileObserver, build_from_stream

    seen = []

    class Observer(IEtlFileObserver):
        def on_event_record(self, event):
            head = event.source.event_header
            inner = head.provider_id.inner
            guid = struct.pack("<IHH8B", inner.data1, inner.data2, inner.data3, *inner.data4)
            if guid == PROVIDER.bytes_le:
                schema = next(i.data_item for i in event.source.extended_data if int(i.ext_type) == 11)
                name = bytes(schema)[3:].split(b"\0")[0].decode()
                seen.append((head.timestamp, head.process_id, head.thread_id, name))

        def on_trace_record(self, event):
            """Nothing of ours."""

        def on_perfinfo_trace(self, event):
            """Nothing of ours."""

        def on_system_trace(self, event):
            """Nothing of ours."""

        def on_win_trace(self, event):
            """Nothing of ours."""

    build_from_stream(data).parse(Observer())
    return seen
