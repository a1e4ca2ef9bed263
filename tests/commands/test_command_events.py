"""`events`: every record once, in the order of time."""

import json
import re
import tracemalloc
import uuid

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tracecheck.cli import main
from tracecheck.commands.listing import Listing
from tracecheck.commands.spool import Spool
from tracecheck.etl import open_log
from tracecheck.etl.writer import LogWriter
from tracecheck.payload.manifest.layouts import Layouts
from tracecheck.payload.wpp.search import Definitions
from tracecheck.reporters.events.decoders import Decoders
from tracecheck.reporters.events.jsonl import render_jsonl
from tracecheck.reporters.events.selection import Selection
from tracecheck.simulate import tracelogging

CLASS = uuid.UUID("11223344-5566-7788-99aa-bbccddeeff00")
KEYS = {"time", "cpu", "pid", "tid", "provider", "kind", "fields", "text"}


def listed(capsys, path, *options):
    """Run `events --format jsonl` and read its lines."""
    assert main(["events", str(path), "--format", "jsonl", *options]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def fill(spool, log, limit=None):
    """Put all records of a log into a spool, as JSON."""
    decoders = Decoders(Definitions(environment={}), Layouts(catalogue=False))
    Listing(decoders, Selection(), limit=limit).fill(spool, log, render_jsonl)


class TestRealTraces:
    """Against what independent readers agree on."""

    def test_every_record_is_listed_once_in_order(self, corpus, capsys):
        """As many lines as records, none earlier than the one before it, all of one shape."""
        expected = json.loads((corpus / "expected.json").read_text(encoding="utf-8"))
        for trace, facts in expected.items():
            if facts["events"] > 20_000:
                continue
            events = listed(capsys, corpus / trace)
            times = [event["time"] for event in events]
            assert len(events) == facts["events"], trace
            assert times == sorted(times), trace
            assert all(event.keys() >= KEYS and ("name" in event) != ("message" in event) for event in events)
            assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z", time) for time in times)
            described = sum("payload" not in event and event["kind"].startswith("EVENT") for event in events)
            assert described >= sum(facts["tracelogging"].values()), trace

    def test_text_has_a_line_for_each_record_too(self, corpus, capsys):
        """Line ends within strings of the trace do not make lines."""
        expected = json.loads((corpus / "expected.json").read_text(encoding="utf-8"))
        for trace in ("etl/AMSITrace.etl", "etl/powershell.etl", "wpp/wppstr-sample.etl"):
            assert main(["events", str(corpus / trace)]) == 0
            lines = capsys.readouterr().out.split("\n")[:-1]
            assert len(lines) == expected[trace]["events"]
            assert all(line.isprintable() for line in lines)

    def test_messages_are_named_by_number(self, corpus, capsys):
        """A WPP message has its GUID as provider, its number, and its arguments as bytes."""
        events = listed(capsys, corpus / "wpp" / "wpptypes-sample.etl")
        messages = [event for event in events if "message" in event]
        assert [event["message"] for event in messages] == [10, 11, 12, 13, 14]
        assert {event["provider"] for event in messages} == {"4857fab7-1162-3184-360b-cdd863ddf4ea"}
        assert messages[3]["payload"] == "2a000000efbe0000"


class TestDecoding:
    """What is shown of one record."""

    def test_a_canonical_event(self, tmp_path, capsys):
        """Pointers and statuses are hexadecimal strings, other numbers numbers."""
        fields = tuple(
            tracelogging.Field(*each)
            for each in (
                ("Context", "hexint64"),
                ("Status", "hexint32"),
                ("Line", "uint32"),
                ("Function", "string"),
            )
        )
        values = [2**64 - 1, 0xC0000225, 42, "Get\x1b[2J"]
        log = LogWriter()
        items = tracelogging.items("FltGetStreamContext", fields)
        payload = tracelogging.encode(fields, values)
        log.event(1, 10, pid=4, tid=8, provider=tracelogging.PROVIDER, items=items, payload=payload)
        path = tmp_path / "one.etl"
        log.write(path)
        event = listed(capsys, path)[-1]
        assert event == {
            "time": event["time"],
            "cpu": 1,
            "pid": 4,
            "tid": 8,
            "kind": "EVENT64",
            "provider": str(tracelogging.PROVIDER),
            "provider_name": "TraceCheck.FilterContexts",
            "name": "FltGetStreamContext",
            "id": 0,
            "version": 0,
            "opcode": 0,
            "level": 4,
            "keyword": "0x0",
            "fields": {
                "Context": "0xffffffffffffffff",
                "Status": "0xc0000225",
                "Line": 42,
                "Function": "Get\x1b[2J",
            },
            "text": "Context=0xffffffffffffffff Status=0xc0000225 Line=42 Function=Get\x1b[2J",
        }
        main(["events", str(path)])
        line = capsys.readouterr().out.splitlines()[-1]
        time = event["time"]
        assert line == (
            f"[1]0004.0008::{time[5:7]}/{time[8:10]}/{time[:4]}-{time[11:23]} [TraceCheck.FilterContexts]"
            r"FltGetStreamContext Context=0xffffffffffffffff Status=0xc0000225 Line=42 Function=Get\x1b[2J"
        )

    def test_a_payload_that_ends_early_is_shown_as_far_as_it_goes(self, tmp_path, capsys):
        """What is left of a cut payload is decoded; the problem is named and the bytes are there."""
        fields = (tracelogging.Field("A", "uint32"), tracelogging.Field("B", "hexint64"))
        log = LogWriter()
        items = tracelogging.items("Cut", fields)
        log.event(0, 1, pid=0, tid=0, provider=tracelogging.PROVIDER, items=items, payload=b"\1\0\0\0\xff")
        path = tmp_path / "cut.etl"
        log.write(path)
        event = listed(capsys, path)[-1]
        assert event["fields"] == {"A": 1, "B": None}
        assert "B" in event["problem"]
        assert event["payload"] == "01000000ff"

    def test_a_record_without_a_thread_says_so(self, tmp_path, capsys):
        """A number that a record does not have is null, not a made-up one."""
        log = LogWriter()
        log.perfinfo(0, 5, group=0x0F, opcode=46, payload=b"\1\2")
        path = tmp_path / "sample.etl"
        log.write(path)
        event = listed(capsys, path)[-1]
        assert (event["pid"], event["tid"], event["provider"], event["name"]) == (
            None,
            None,
            None,
            "PerfInfo/46",
        )
        assert (event["fields"], event["text"], event["payload"]) == ({}, "", "0102")


class TestOrder:
    """The order of time, whatever the order of the file."""

    @given(
        st.lists(st.tuples(st.integers(0, 3), st.integers(0, 50)), min_size=1, max_size=60),
        st.integers(0, 70),
    )
    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30, deadline=None)
    def test_processors_that_interleave_are_merged(self, tmp_path, records, limit):
        """The lines are the records sorted by time; a limit gives the first of them."""
        log = LogWriter(buffer_size=1024, processors=4)
        for number, (cpu, tick) in enumerate(records):
            log.event(cpu, tick, pid=number, tid=0, provider=CLASS)
        path = tmp_path / "order.etl"
        log.write(path)

        def times(limit=None):
            with open_log(path) as opened, Spool(limit) as spool:
                fill(spool, opened, limit)
                return [(event["time"], event["pid"]) for event in map(json.loads, spool.lines())]

        every = times()
        assert len(every) == len(records) + 1
        assert [time for time, _ in every] == sorted(time for time, _ in every)
        # The log's own header is a record of the System process.
        assert sorted(pid for _, pid in every) == sorted([*range(len(records)), 4])
        assert times(limit) == every[:limit]

    @pytest.mark.parametrize("limit", ["0", "1"])
    def test_a_limit_may_be_nothing(self, tmp_path, capsys, limit):
        """A limit of zero lists nothing."""
        path = tmp_path / "least.etl"
        LogWriter().write(path)
        assert len(listed(capsys, path, "--limit", limit)) == int(limit)

    def test_memory_is_bounded_by_keys(self, tmp_path):
        """Lines wait in a file: memory grows by far less than the text."""
        log = LogWriter(buffer_size=65536)
        for tick in range(20_000):
            log.event(tick & 1, tick, pid=0, tid=0, provider=CLASS, payload=bytes(200))
        path = tmp_path / "many.etl"
        log.write(path)
        with open_log(path) as opened, Spool() as spool:
            fill(spool, opened)
            tracemalloc.start()
            size = sum(map(len, spool.lines()))
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
        assert size > 12_000_000
        assert peak < size / 2

    def test_what_the_list_lacks_is_said_on_stderr(self, tmp_path, capsys):
        """Losses do not mix with the records."""
        log = LogWriter()
        log.lose_events(0, 3)
        log.event(0, 1, pid=0, tid=0, provider=CLASS)
        path = tmp_path / "lossy.etl"
        log.write(path)
        assert main(["events", str(path)]) == 0
        out, err = capsys.readouterr()
        assert len(out.splitlines()) == 2
        *losses, last = err.splitlines()
        assert "tracecheck: lost 3 events" in err
        assert all(line.startswith("tracecheck: lost") for line in losses)
        assert last == f"tracecheck: 1 event of 1 provider has no layout: give --manifest ({CLASS} (1))"
