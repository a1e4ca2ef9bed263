"""Real traces: every byte that a layout reaches is used, and the values are those of other readers."""

from collections import Counter
from uuid import UUID

import numpy as np
import pytest

from tracecheck.etl import open_log
from tracecheck.etl.layout import Kind
from tracecheck.payload.manifest.decode import decode
from tracecheck.payload.manifest.eventsource import MANIFEST_ID, EventSources
from tracecheck.payload.manifest.layouts import Layouts


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory):
    """The tests have a cache of their own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRACECHECK_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


def manifest_events(chunk):
    """Give the rows of a chunk that are events with neither a schema of their own nor another header."""
    kind = chunk.column("kind")
    return np.flatnonzero(((kind == Kind.EVENT32) | (kind == Kind.EVENT64)) & (chunk.column("schema") == 0))


def from_the_trace(path):
    """Collect the manifests inside a trace."""
    sources = EventSources()
    with open_log(path) as log:
        for chunk in log.chunks():
            guids = chunk.records.column("provider")
            for row in np.flatnonzero(chunk.column("id") == MANIFEST_ID).tolist():
                start, size = int(chunk.column("payload")[row]), int(chunk.column("payload_size")[row])
                payload = chunk.data[start : start + size].tobytes()
                sources.add(guids[row].as_py(), int(chunk.column("pid")[row]), payload)
    return sources


def read(path):
    """Decode a trace: for each group the decoded events and their payloads."""
    layouts = Layouts()
    sources = from_the_trace(path)
    for provider in sources.providers():
        layouts.add(provider)
    assert sources.problems == []
    with open_log(path) as log:
        for chunk in log.chunks():
            rows = manifest_events(chunk)
            encoded = chunk.records.column("provider").dictionary_encode()
            providers = [layouts.find(UUID(bytes_le=raw)) for raw in encoded.dictionary.to_pylist()]
            code = np.asarray(encoded.indices)[rows]
            start, size, id_, version, kind = (
                chunk.column(name)[rows] for name in ("payload", "payload_size", "id", "version", "kind")
            )
            pointer_size = np.where(kind == Kind.EVENT32, 4, 8)
            for each in decode(
                chunk.data, providers, code, id_, version, start, size, pointer_size=pointer_size
            ):
                spans = zip(start[each.rows].tolist(), size[each.rows].tolist(), strict=True)
                yield each, [chunk.data[first : first + many].tobytes() for first, many in spans]


def failures(decoded):
    """Count the rows that were not decoded whole; what is a guess is whole."""
    texts = [] if decoded.problems is None else decoded.problems.to_pylist()
    return sum(text is not None and not text.startswith("a guess") for text in texts)


#: Records decoded, and those of them with a problem: structs of which the catalogue has one field only.
EXPECTED = {
    "KernelProcess": (10343, 0),
    "powershell": (110, 0),
    "eventlog": (39, 0),
    "gcevents": (51, 2),
    "DynamicEvents": (22956, 1219),
    "net.4.5.2.x64": (66504, 59),
}


class TestBytes:
    """No byte of what is decoded is lost."""

    @pytest.mark.parametrize("name", EXPECTED)
    def test_what_is_decoded_and_what_is_left(self, corpus, name):
        """As many events decode as are known, and as few as are known have bytes left."""
        count: Counter[str] = Counter()
        for decoded, payloads in read(corpus / "etl" / f"{name}.etl"):
            assert decoded.table.num_rows == len(payloads)
            count["all"] += len(payloads)
            count["bad"] += failures(decoded)
        assert (count["all"], count["bad"]) == EXPECTED[name]

    def test_manifests_of_event_sources_are_found(self, corpus):
        """The manifests inside a trace give their providers' events."""
        found = from_the_trace(corpus / "etl" / "net.4.5.2.x64.etl").providers()
        assert [(provider.name, len(provider.events)) for provider in found] == [
            ("System.Threading.Tasks.TplEventSource", 12),
            ("System.Diagnostics.Eventing.FrameworkEventSource", 128),
            ("PerfView", 23),
        ]


class TestAgainstAnotherReader:
    """The catalogue's own package parses the same payloads."""

    @pytest.mark.parametrize("name", ["KernelProcess", "powershell", "eventlog", "net.4.5.2.x64"])
    def test_values_are_those_of_etl_parser(self, corpus, name):
        """Where both read a layout the same way, every value is the same; few of each event are compared."""
        core = pytest.importorskip("etl.parsers.etw.core")
        pytest.importorskip("etl.parsers.etw")
        compared = 0
        for decoded, payloads in read(corpus / "etl" / f"{name}.etl"):
            if not decoded.event.inferred or failures(decoded) or decoded.pointer_size == 4:
                continue
            if any(field.count is not None for field in decoded.event.fields):
                continue
            factory = core.__etw_factory__[core.guid(str(decoded.provider.guid))]
            pattern = factory[decoded.event.id][decoded.event.version].pattern
            some = slice(None, None, 1 + len(payloads) // 300)
            for row, payload in list(zip(decoded.table.to_pylist(), payloads, strict=True))[some]:
                parsed = pattern.parse(payload)
                assert list(row.values()) == [plain(parsed[field.name]) for field in decoded.event.fields]
                compared += 1
        assert compared > 30


def plain(value):
    """Give a value of etl-parser as Arrow has it."""
    kind = getattr(value, "type", None)
    if kind == "WString":
        return bytes(value.string).decode("utf-16-le", "replace")[:-1]
    if kind == "CString":
        return bytes(value.string).decode()[:-1]
    if kind == "Guid":
        inner = value.inner
        return str(UUID(f"{inner.data1:08x}{inner.data2:04x}{inner.data3:04x}{bytes(inner.data4).hex()}"))
    return value
