"""Manifests inside traces: chunks, processes, damage."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from manifest_writing import GUID, manifest_xml, provider_xml

from tracecheck.payload.manifest.eventsource import EventSources

RAW = manifest_xml(provider_xml("".join(f"<event value='{id_}'/>" for id_ in range(40))))


def envelopes(raw, size, version=(1, 0)):
    """Cut a manifest into the payloads that EventSource writes."""
    parts = [raw[at : at + size] for at in range(0, len(raw), size)]
    head = bytes([1, *version, 0x5B]) + len(parts).to_bytes(2, "little")
    return [head + number.to_bytes(2, "little") + part for number, part in enumerate(parts)]


def collect(*writings):
    """Collect (pid, payload) pairs of one provider."""
    sources = EventSources()
    for pid, payload in writings:
        sources.add(GUID.bytes_le, pid, payload)
    return sources, sources.providers()


class TestWhole:
    """Manifests of which every part is somewhere."""

    @settings(max_examples=40, deadline=None)
    @given(st.data(), st.integers(100, 4000))
    def test_in_any_order_and_however_often(self, data, size):
        """Chunks in any order, of several processes that write the same, make one provider."""
        writings = [(pid, payload) for pid in (1, 2, 3) for payload in envelopes(RAW, size)]
        sources, providers = collect(*data.draw(st.permutations(writings)))
        (provider,) = providers
        assert (provider.guid, provider.source, len(provider.events)) == (GUID, "trace", 40)
        assert sources.problems == []

    def test_processes_make_up_for_each_others_losses(self):
        """Where no process has all chunks, those of all are put together."""
        parts = envelopes(RAW, 500)
        writings = [(place % 2, part) for place, part in enumerate(parts)]
        sources, (provider,) = collect(*writings)
        assert (len(provider.events), sources.problems) == (40, [])

    def test_two_versions_give_the_events_of_both(self):
        """Two processes with different versions of a provider add their events."""
        other = manifest_xml(provider_xml("<event value='99'/>"))
        writings = [(1, each) for each in envelopes(RAW, 999)] + [(2, each) for each in envelopes(other, 999)]
        _, (provider,) = collect(*writings)
        assert len(provider.events) == 41


class TestDamage:
    """What is missing, wrong or too much."""

    def test_a_missing_part_is_said(self):
        """A manifest with a hole gives no provider and a line that names it."""
        sources, providers = collect(*((1, each) for each in envelopes(RAW, 500)[1:]))
        assert providers == []
        (problem,) = sources.problems
        assert str(GUID) in problem
        assert "parts are missing" in problem

    def test_what_is_no_xml_is_said(self):
        """A manifest that cannot be parsed is one line."""
        sources, providers = collect(*((1, each) for each in envelopes(b"<nonsense" * 99, 500)))
        assert (providers, len(sources.problems)) == ([], 1)

    @pytest.mark.parametrize(
        "payload",
        [b"", b"\1\0\0\x5b\1\0\0", b"\2\0\0\x5b\1\0\0\0x", b"\1\0\0\x5a\1\0\0\0x", b"\1\0\0\x5b\1\0\1\0x",
         b"\1\0\0\x5b\0\0\0\0x", b"\1\0\0\x5b\xff\xff\0\0x"],
    )  # fmt: skip
    def test_what_is_no_part_of_a_manifest_is_left_aside(self, payload):
        """Too short, another format or magic, a number beyond the total: no provider, no error."""
        sources, providers = collect((1, payload))
        assert (providers, sources.problems) == ([], [])

    def test_what_is_kept_is_bounded(self):
        """A trace full of first chunks of manifests that never end does not fill the memory."""
        sources = EventSources()
        part = b"\1\0\0\x5b\xff\0\0\0" + b"x" * 60_000
        for pid in range(2000):
            sources.add(GUID.bytes_le, pid, part)
        assert sources.providers() == []
        assert "the rest was left aside" in sources.problems[0]
