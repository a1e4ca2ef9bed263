"""The forms in the eyes of readers that others wrote, and of this package's own."""

import io
import warnings
from functools import partial

import pytest
from dissect.etl import ETL
from written import records

from tracecheck.etl import open_log
from tracecheck.etl.writer import LogWriter
from tracecheck.payload.wpp.tmf import parse_tmf
from tracecheck.simulate import Scenario, simulate
from tracecheck.simulate.forms import FORMS
from tracecheck.simulate.forms.shape import Style
from tracecheck.simulate.forms.wpp import WppForm
from tracecheck.simulate.sites import SITES, constants, logged

ETL_FORMS = [name for name, kind in FORMS.items() if kind.is_etl]


@pytest.fixture(scope="module", params=ETL_FORMS)
def made(request):
    """A capture in a form, with the kernel's events and those of others."""
    scenario = Scenario(operations=400, conditions=frozenset({"noise", "lost-events"}))
    return simulate(scenario, request.param, kernel_events=True)


class TestReaders:
    """How many records there are."""

    def test_this_reader_finds_every_record(self, made, tmp_path):
        """As many records as were written, the log's own header aside, and no complaint."""
        path = tmp_path / "made.etl"
        made.write(path)
        with open_log(path) as log:
            assert sum(len(chunk.records) for chunk in log.chunks()) - 1 == len(records(made.data))
            assert log.warnings == []

    def test_dissect_finds_every_record(self, made):
        """dissect.etl sees as many."""
        buffers = list(ETL(io.BytesIO(made.data)).buffers())[1:]
        assert sum(1 for buffer in buffers for _ in buffer) == len(records(made.data))

    def test_etl_parser_finds_every_record(self, made):
        """etl-parser sees as many of each kind."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from etl.etl import IEtlFileObserver, build_from_stream
        seen = []

        names = ("event_record", "trace_record", "perfinfo_trace", "system_trace", "win_trace")
        kinds = ("event", "classic", "perfinfo", "system", "message")
        methods = {f"on_{name}": partial(note, seen, kind) for name, kind in zip(names, kinds, strict=True)}
        observer = type("Observer", (IEtlFileObserver,), methods)()
        build_from_stream(made.data).parse(observer)
        kinds = [record[2] if record[3] == 0xC0 else 0x90 for _, record in records(made.data)]
        named = {0x90: "message", 0x11: "perfinfo", 0x12: "event", 0x13: "event", 2: "system", 4: "system"}
        assert sorted(seen) == sorted(named[kind] for kind in kinds)


class TestTmf:
    """The TMF file in the eyes of this package's parser, which shares nothing with its writer."""

    @pytest.mark.parametrize("conditions", [(), ("lean", "no-begin"), ("partial", "relay", "no-cleanup")])
    def test_the_parser_finds_the_messages_that_were_meant(self, conditions):
        """Every definition, item for item, and no complaint."""
        form = WppForm(LogWriter(), Style(lean="lean" in conditions))
        for driver in ("Sim", "Vault"):
            for site in SITES.values():
                form.shape(site, driver, logged(site), constants(site, driver, "lean" in conditions))
        found = parse_tmf(form.beside(), "sim.tmf")
        assert found.problems == ()
        assert {(d.guid, d.number): d for d in found.definitions} == {
            (d.guid, d.number): d for d in form.definitions
        }
        made = simulate(Scenario(operations=100, drivers=2, conditions=frozenset(conditions)), "wpp")
        assert parse_tmf(made.beside, "run.tmf").problems == ()


def note(seen, kind, *_):
    """Take down that a record of a kind was seen."""
    seen.append(kind)
