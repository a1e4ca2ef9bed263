"""`info`: what other programs rely on, against what independent readers agree on."""

import json
import uuid

import pytest

from tracecheck.cli import main
from tracecheck.etl.writer import LogWriter
from tracecheck.simulate import tracelogging

TRACES = (
    [
        f"etl/{name}.etl"
        for name in ("AMSITrace", "DynamicEvents", "KernelProcess", "SelfDescribingSingleEvent")
    ]
    + [f"etl/{name}.etl" for name in ("ShutdownPerfDiagLogger", "ebpforwindows", "eventlog", "gcevents")]
    + [f"etl/{name}.etl" for name in ("lxcore_kernel", "net.4.5.2.x64", "powershell", "smallEtlFile")]
    + [f"wpp/wpp{name}-sample.etl" for name in ("bin", "emitter", "enum", "str", "time", "types")]
)
CLASS = uuid.UUID("11223344-5566-7788-99aa-bbccddeeff00")


def info(capsys, path):
    """Run `info --format json` and read what it prints."""
    assert main(["info", str(path), "--format", "json"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return json.loads(out)


@pytest.fixture
def mixed(tmp_path):
    """A small log with records of several kinds, on two processors, with a loss."""
    log = LogWriter(buffer_size=4096, logger_name="mixed\x1b[31m")
    fields = (tracelogging.Field("Coverage", "string"),)
    items = tracelogging.items("CaptureStart", fields)
    start = tracelogging.encode(fields, ["FltReleaseContext FltGetStreamContext"])
    log.event(0, 10, pid=4, tid=8, provider=tracelogging.PROVIDER, items=items, payload=start)
    for tick in range(20, 23):
        fields = (tracelogging.Field("Context", "hexint64"),)
        items = tracelogging.items("FltReleaseContext", fields)
        payload = tracelogging.encode(fields, [2**64 - tick])
        log.event(1, tick, pid=4, tid=8, provider=tracelogging.PROVIDER, items=items, payload=payload)
    log.system(0, 30, group=5, opcode=4, pid=1, tid=2)
    log.perfinfo(1, 31, group=0x1F, opcode=200)
    log.classic(0, 40, event_class=CLASS, opcode=7, pid=4, tid=8)
    log.message(0, 50, guid=CLASS, number=10, options=0xAA)
    log.lose_events(1, 3)
    log.event(1, 60, pid=4, tid=8, provider=CLASS, id=5)
    path = tmp_path / "mixed.etl"
    log.write(path)
    return path


class TestAgainstIndependentReaders:
    """Real traces."""

    @pytest.mark.parametrize("trace", TRACES)
    def test_real_traces_hold_what_two_readers_agree_on(self, corpus, capsys, trace):
        """Every key of the expectations has the same value here."""
        expected = json.loads((corpus / "expected.json").read_text(encoding="utf-8"))[trace]
        found = info(capsys, corpus / trace)
        assert {name: found.get(name) for name in expected} == expected


class TestMixedLog:
    """A log made for the test."""

    def test_every_kind_is_counted_under_its_name(self, mixed, capsys):
        """Kinds, kernel events, providers, messages and routines each have their count."""
        found = info(capsys, mixed)
        canonical = str(tracelogging.PROVIDER)
        assert found["events"] == sum(found["records"].values()) == 10
        assert found["records"] == {
            "EVENT64": 5,
            "SYSTEM64": 2,
            "FULL64": 1,
            "PERFINFO64": 1,
            "WPP_MESSAGE(0x90)": 1,
        }
        assert found["kernel"] == {"EventTrace/0": 1, "Group31/200": 1, "Thread/4": 1}
        assert found["providers"] == {canonical: 4, str(CLASS): 1}
        assert found["provider_names"] == {canonical: "TraceCheck.FilterContexts"}
        assert found["tracelogging"] == {canonical: 4}
        assert found["wpp_messages"] == {f"{CLASS}#10": 1}
        assert found["extended_items"] == {"PROV_TRAITS": 4, "TL_SCHEMA": 4}
        assert found["routines"] == {"FltReleaseContext": 3, "CaptureStart": 1}
        assert found["coverage"] == ["FltReleaseContext FltGetStreamContext"]
        assert (found["events_lost"], found["buffers_lost"]) == (3, 0)
        assert found["losses"] != []

    def test_text_tells_the_same_and_steers_no_terminal(self, mixed, capsys):
        """The text has the counts, the losses, and a logger's name made harmless."""
        assert main(["info", str(mixed)]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert all(line.isprintable() for line in lines)
        assert "  session  mixed\\x1b[31m, written to trace.etl" in lines
        assert "  4  c64d51f2-edf4-50f1-4e59-a52a745ca35b  TraceCheck.FilterContexts" in lines
        assert "filter-context operations: 4" in lines
        assert "logged completely: FltReleaseContext FltGetStreamContext" in lines
        assert any(line.startswith("lost 3 events") for line in lines)

    def test_long_lists_are_cut(self, tmp_path, capsys):
        """Twenty lines of a list are shown, and how many there are; --all shows each."""
        log = LogWriter()
        for opcode in range(30):
            log.system(0, opcode, group=5, opcode=opcode, pid=0, tid=0)
        path = tmp_path / "long.etl"
        log.write(path)
        main(["info", str(path)])
        assert "  20 of 31 shown (--all shows every one)" in capsys.readouterr().out
        main(["info", str(path), "--all"])
        assert capsys.readouterr().out.count("  Thread/") == 30
