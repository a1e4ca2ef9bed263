"""The forms in the eyes of readers that others wrote, and of this package's own."""

import io
import warnings
from functools import partial

import pytest
from dissect.etl import ETL
from written import records

from tracecheck.etl import open_log
from tracecheck.simulate import Scenario, simulate
from tracecheck.simulate.forms import FORMS

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


def note(seen, kind, *_):
    """Take down that a record of a kind was seen."""
    seen.append(kind)
