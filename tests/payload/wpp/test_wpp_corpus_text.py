"""Real WPP traces: every text that their author checked against tracefmt, every byte of every argument."""

import json

import pytest
from wpp_oracle import read_tmf

from tracecheck.etl import open_log
from tracecheck.etl.layout import Kind
from tracecheck.payload.wpp.decode import decode_messages
from tracecheck.payload.wpp.items import UNKNOWN, layout_of
from tracecheck.payload.wpp.text import render

SAMPLES = ("wppbin", "wppemitter", "wppenum", "wppstr", "wpptime", "wpptypes")


@pytest.fixture(scope="module")
def definitions(corpus):
    """All definitions of the traces' TMFs."""
    return [
        each for path in sorted((corpus / "wpp" / "tmf").glob("*.tmf")) for each in read_tmf(path.read_text())
    ]


@pytest.mark.parametrize("sample", [f"{name}-sample.etl" for name in SAMPLES])
class TestTraces:
    """One trace at a time."""

    def test_texts_are_those_of_tracefmt(self, corpus, definitions, sample):
        """All expected texts occur as whole messages, each message number as often as expected."""
        expected = json.loads((corpus / "wpp" / "expected_text.json").read_text())[sample]
        texts, numbers = [], {}
        for decoded in messages(corpus / "wpp" / sample, definitions):
            texts += render(decoded)
            numbers[str(decoded.definition.number)] = len(decoded.rows)
        assert len(texts) == expected["count"]
        assert set(expected["contains"]) <= set(texts)
        assert expected.get("by_msg", numbers) == numbers

    def test_every_argument_byte_is_used(self, corpus, definitions, sample):
        """No message has bytes left over, or too few."""
        assert all(decoded.problems is None for decoded in messages(corpus / "wpp" / sample, definitions))


def messages(path, definitions):
    """Decode the messages of a trace; all have a definition."""
    with open_log(path) as log:
        for chunk in log.chunks():
            found, unknown = decode_messages(chunk, definitions)
            assert unknown.size == 0
            assert all((chunk.column("kind")[each.rows] == Kind.WPP_MESSAGE).all() for each in found)
            yield from found


def test_every_item_of_a_real_driver_is_known(corpus):
    """The 637 messages of a signed minifilter name no item type without a layout."""
    text = (corpus / "tmf" / "systeminformer.tmf").read_text()
    items = [item for definition in read_tmf(text) for item in definition.items]
    assert items
    assert [item for item in items if layout_of(item) is UNKNOWN] == []
