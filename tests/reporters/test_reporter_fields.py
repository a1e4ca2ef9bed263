"""Decoded fields as JSON has them: nested, hexadecimal, and whatever a payload holds."""

import json
import struct

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tracecheck.payload.tracelogging import decode
from tracecheck.reporters.common import dump
from tracecheck.reporters.fields import Fields, look_of


def field(name, in_type, out_type=None, count=None):
    """Make the schema bytes of a field: an int count is fixed, "variable" lies in the payload."""
    flags = {None: 0, "variable": 0x40}.get(count, 0x20)
    extra = struct.pack("<H", count) if flags == 0x20 else b""
    if out_type is None:
        return name.encode() + b"\0" + bytes([in_type | flags]) + extra
    return name.encode() + b"\0" + bytes([in_type | flags | 0x80, out_type]) + extra


def decoded(fields, *payloads):
    """Decode payloads of one schema."""
    body = b"\0Event\0" + b"".join(fields)
    schema = struct.pack("<H", len(body) + 2) + body
    data = np.frombuffer(schema + b"".join(payloads) + bytes(8), np.uint8)
    sizes = np.array([len(payload) for payload in payloads])
    starts = len(schema) + np.cumsum(sizes) - sizes
    zeros = np.zeros(len(payloads), np.int64)
    (group,) = decode(data, zeros, zeros + len(schema), starts, sizes)
    return Fields(group.table, [look_of(each) for each in group.schema.fields])


def rows(fields, *payloads):
    """Give the fields of payloads as JSON has them."""
    return [json.loads(row) for row in decoded(fields, *payloads).json()]


class TestValues:
    """Single types."""

    def test_hexadecimal_types_are_strings(self):
        """Whatever is shown in hexadecimal is exact in JSON too."""
        fields = [field("p", 21), field("h", 20), field("s", 7, 14), field("x", 10, 4), field("n", 10)]
        payload = struct.pack("<QIiQQ", 2**64 - 1, 1, -1073741772, 2**63, 2**64 - 1)
        expected = {
            "p": "0x" + "f" * 16,
            "h": "0x1",
            "s": "0xc0000034",
            "x": "0x8000000000000000",
            "n": 2**64 - 1,
        }
        assert rows(fields, payload) == [expected]

    def test_times_of_any_year(self):
        """FILETIMEs have seven digits and more; a SYSTEMTIME may lie beyond the years of datetime."""
        filetime = struct.pack("<Q", 116444736000000001)
        systemtime = struct.pack("<8H", 30000, 12, 0, 31, 23, 59, 58, 7)
        (row,) = rows([field("f", 17), field("s", 18), field("u", 18, 38)], filetime + systemtime * 2)
        assert row["f"] == "1970-01-01T00:00:00.000000100Z"
        assert (row["s"], row["u"]) == ("30000-12-31T23:59:58.007", "30000-12-31T23:59:58.007Z")

    def test_bytes_are_hexadecimal_digits(self):
        """Binary data need no encoding to be read."""
        assert rows([field("b", 14)], b"\2\0\xab\xcd") == [{"b": "abcd"}]

    def test_structs_and_arrays_nest(self):
        """An array of structs becomes a list of objects, pointers in it hexadecimal."""
        struct_of_two = field("s", 24, 2, "variable") + field("a", 21) + field("b", 4, None, 2)
        payload = struct.pack("<H", 2) + struct.pack("<QBBQBB", 16, 1, 2, 17, 3, 4)
        expected = [{"a": "0x10", "b": [1, 2]}, {"a": "0x11", "b": [3, 4]}]
        assert rows([struct_of_two, field("after", 4)], payload + b"\5", b"\0\0\6") == [
            {"s": expected, "after": 5},
            {"s": [], "after": 6},
        ]

    def test_what_is_cut_is_null(self):
        """Fields beyond the payload's end are null, within structs too."""
        fields = [field("s", 24, 2), field("a", 4), field("b", 21), field("c", 4)]
        assert rows(fields, b"\1") == [{"s": {"a": 1, "b": None}, "c": None}]

    def test_text_joins_fields(self):
        """Strings stand as they are, all else as JSON; a percent sign in a name is just that."""
        fields = [field("a%s", 2), field("b", 4, None, 2), field("c", 13), field("p", 21)]
        shown = decoded(fields, b"x y\0\1\2\1\0\0\0" + struct.pack("<Q", 16)).text()
        assert shown == ["a%s=x y b=[1, 2] c=true p=0x10"]


class TestAnyPayload:
    """Hostile payloads."""

    @given(
        st.lists(
            st.tuples(
                st.integers(0, 31),
                st.sampled_from([None, *range(40)]),
                st.sampled_from([None, 1, 3, "variable"]),
            )
        ),
        st.lists(st.binary(max_size=60), min_size=1, max_size=5),
    )
    def test_every_schema_and_payload_gives_json(self, kinds, payloads):
        """Whatever types a schema names and bytes a payload holds, each event is one JSON object."""
        fields = [field(f"f{i}", *kind) for i, kind in enumerate(kinds) if kind[0] != 24]
        found = decoded(fields, *payloads)
        assert len(found.json()) == len(found.text()) == len(payloads)
        for row, values in zip(found.json(), found.values(range(found.table.num_columns)), strict=True):
            names = [f"f{i}" for i, kind in enumerate(kinds) if kind[0] != 24]
            assert json.loads(row) == dict(zip(names, json.loads(dump(values)), strict=True))
