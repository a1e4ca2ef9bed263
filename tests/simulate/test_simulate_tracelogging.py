"""The TraceLogging encoder: identity, schemas, payloads."""

import string
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st
from written import parse_schema, read_fields

from tracecheck.simulate.tracelogging import KINDS, PROVIDER, Field, encode, items, packer, provider_guid

LIMITS = {"B": (0, 2**8), "H": (0, 2**16), "I": (0, 2**32), "Q": (0, 2**64)}
LIMITS |= {"i": (-(2**31), 2**31), "q": (-(2**63), 2**63)}

names = st.text(string.ascii_letters, min_size=1, max_size=12)


@st.composite
def fields_and_values(draw):
    """Fields of any kinds, and a value for each."""
    fields, values = [], []
    for name in draw(st.lists(names, unique=True, max_size=8)):
        kind = draw(st.sampled_from(sorted(KINDS)))
        code = KINDS[kind][1]
        low, high = LIMITS.get(code, (0, 1))
        fields.append(Field(name, kind))
        value = st.integers(low, high - 1) if code else st.text(string.printable, max_size=9)
        values.append(draw(value))
    return tuple(fields), values


class TestIdentity:
    """Who the provider is."""

    @pytest.mark.parametrize(
        ("name", "guid"),
        [
            ("TraceCheck.FilterContexts", "c64d51f2-edf4-50f1-4e59-a52a745ca35b"),
            ("tracecheck.filtercontexts", "c64d51f2-edf4-50f1-4e59-a52a745ca35b"),
            ("MyCompany.MyComponent", "ce5fa4ea-ab00-5402-8b76-9f76ac858fb5"),
        ],
    )
    def test_a_name_gives_the_guid_that_event_source_gives(self, name, guid):
        """The hash of a name is the published one, whatever the case of its letters."""
        assert provider_guid(name) == uuid.UUID(guid)

    def test_every_event_names_its_provider(self):
        """Provider traits stand before the schema, as in the kernel's own records."""
        (first, traits), (second, _) = items("Any", ())
        assert (first, second) == (12, 11)
        assert traits == (len(traits)).to_bytes(2, "little") + b"TraceCheck.FilterContexts\0"
        assert provider_guid("TraceCheck.FilterContexts") == PROVIDER


class TestBytes:
    """What an event looks like."""

    @given(names, fields_and_values())
    def test_a_payload_reads_back_by_its_schema(self, name, chosen):
        """Decoding a payload by the schema item gives the names and values that went in."""
        fields, values = chosen
        raw = items(name, fields)[1][1]
        read_name, read = parse_schema(raw)
        assert read_name == name
        assert [field for field, _ in read] == [field.name for field in fields]
        given_values = dict(zip([field.name for field in fields], values, strict=True))
        assert read_fields(read, encode(fields, values)) == given_values

    @given(fields_and_values())
    def test_packing_at_once_is_packing_one_by_one(self, chosen):
        """The fast path for numbers gives the bytes of the slow one."""
        pairs = [(f, v) for f, v in zip(*chosen, strict=True) if KINDS[f.kind][1]]
        fields, values = tuple(f for f, _ in pairs), [v for _, v in pairs]
        assert packer(fields)(*values) == encode(fields, values)
