"""Manifest payloads: every in-type, lengths, counts and structs, whole and broken."""

import math
import struct

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from manifest_writing import FORMS, decode_all, one, problems, provider, rows, write

from tracecheck.payload.manifest.decode import decode
from tracecheck.payload.manifest.definition import Event, Field, In, Out

NAMES = st.text(st.characters(codec="utf-16-le", exclude_characters="\0"), max_size=9)


def numbers(in_type):
    """Values of a number's in-type."""
    if in_type == In.DOUBLE:
        return st.floats(allow_nan=False)
    size = struct.calcsize(FORMS[in_type])
    low = -(1 << (8 * size - 1)) if FORMS[in_type][1].islower() else 0
    return st.integers(low, low + (1 << (8 * size)) - 1)


@st.composite
def layouts(draw, depth=0):
    """Draw a layout and, in the same shape, strategies of its values by way of a function."""
    fields, makers = [], []
    for place in range(draw(st.integers(1, 5))):
        name = f"f{place}"
        kind = draw(
            st.sampled_from(["number", "text", "sized", "fixed", "array", "guid", "struct", "pointer"])
        )
        if kind == "number":
            in_type = draw(st.sampled_from(sorted(FORMS)))
            fields.append(Field(name, in_type))
            makers.append(numbers(in_type))
        elif kind == "text":
            fields.append(
                Field(name, draw(st.sampled_from([In.UNICODESTRING, In.COUNTEDSTRING, In.ANSISTRING])))
            )
            makers.append(st.text("abcé☃", max_size=40))
        elif kind == "fixed":
            length = draw(st.integers(1 if depth else 0, 5))
            fields.append(Field(name, In.BINARY, length=length))
            makers.append(st.binary(min_size=length, max_size=length))
        elif kind == "guid":
            fields.append(Field(name, In.GUID))
            makers.append(st.uuids().map(str))
        elif kind == "pointer":
            fields.append(Field(name, In.POINTER))
            makers.append(st.integers(0, 2**32 - 1))
        elif kind == "struct" and depth < 2:
            inner, maker = draw(layouts(depth=depth + 1))
            fields.append(Field(name, In.STRUCT, fields=inner))
            makers.append(maker.map(lambda values, inner=inner: named(inner, values)))
        else:
            draw_counted(draw, fields, makers, name, kind, depth)
    return tuple(fields), st.tuples(*makers).map(settle(tuple(fields)))


def draw_counted(draw, fields, makers, name, kind, depth):
    """Draw a number and, behind it, what it counts."""
    counter = draw(st.sampled_from([In.UINT8, In.UINT16, In.INT32, In.UINT64]))
    fields.append(Field(f"{name}n", counter))
    makers.append(st.just(None))
    if kind == "sized":
        text = draw(st.booleans())
        fields.append(Field(name, In.UNICODESTRING if text else In.BINARY, length=f"{name}n"))
        makers.append(st.text("abcé☃", max_size=9) if text else st.binary(max_size=9))
    elif draw(st.booleans()) and depth < 2:
        inner, maker = draw(layouts(depth=depth + 1))
        fields.append(Field(name, In.STRUCT, count=f"{name}n", fields=inner))
        makers.append(st.lists(maker.map(lambda values, inner=inner: named(inner, values)), max_size=3))
    else:
        in_type = draw(st.sampled_from([In.UINT16, In.POINTER, In.UNICODESTRING]))
        fields.append(Field(name, in_type, count=f"{name}n"))
        value = st.text("xyz", max_size=4) if in_type == In.UNICODESTRING else st.integers(0, 2**16 - 1)
        makers.append(st.lists(value, max_size=4))


def named(fields, values):
    """Give a struct's values as Arrow gives them."""
    return {field.name: value for field, value in zip(fields, values, strict=True)}


def settle(fields):
    """Fill in the counts."""

    def fill(values):
        by_name = named(fields, values)
        for field in fields:
            for said in (field.count, field.length):
                if isinstance(said, str):
                    by_name[said] = len(by_name[field.name])
        return tuple(by_name[field.name] for field in fields)

    return fill


class TestWhatWasWrittenIsRead:
    """Layouts and values at random."""

    @settings(max_examples=150, deadline=None)
    @given(st.data(), layouts(), st.sampled_from([4, 8]))
    def test_every_layout_gives_the_values_that_were_written(self, data, layout, pointer_size):
        """Any layout decodes to what was written, with no byte left over and nothing wrong."""
        fields, maker = layout
        values = data.draw(st.lists(maker, min_size=1, max_size=4))
        decoded = one(fields, [write(fields, row, pointer_size) for row in values], pointer_size)
        assert rows(decoded) == [list(row) for row in values]
        assert decoded.problems is None

    @settings(max_examples=100, deadline=None)
    @given(st.data(), layouts())
    def test_a_payload_cut_anywhere_keeps_its_neighbours_and_what_lies_before_the_cut(self, data, layout):
        """What is cut off is null and said; the fields before it and the other payloads are as written."""
        fields, maker = layout
        row = data.draw(maker)
        whole = write(fields, row)
        if not whole:
            return
        cut = data.draw(st.integers(0, len(whole) - 1))
        decoded = one(fields, [whole, whole[:cut], whole])
        first, broken, last = rows(decoded)
        assert first == last == list(row)
        wrong = problems(decoded)
        assert wrong[0] is wrong[2] is None
        assert wrong[1]
        for got, written, field in zip(broken, row, fields, strict=True):
            assert got in (None, written) or field.in_type == In.STRUCT

    @settings(max_examples=200, deadline=None)
    @given(layouts(), st.lists(st.binary(max_size=60), min_size=1, max_size=6))
    def test_no_bytes_at_all_make_it_fail(self, layout, payloads):
        """Whatever the payloads hold, every row gets its place and no input raises."""
        fields, _ = layout
        decoded = one(fields, payloads)
        assert decoded.table.num_rows == len(payloads)

    @settings(max_examples=40, deadline=None)
    @given(st.binary(max_size=300))
    def test_a_layout_with_gaps_never_fails_either(self, payload):
        """The readings of an inferred layout are tried on anything."""
        fields = [
            Field("ACount", In.UINT16),
            Field("Length", In.UINT16),
            Field("Bytes", In.BINARY, length="Length"),
            Field("Flag", In.UINT8),
            Field("Base", In.UINT64),
            Field("Items", In.UINT64),
        ]
        for size in (4, 8):
            assert one(fields, [payload], size, inferred=True).table.num_rows == 1


class TestTypes:
    """What each in-type becomes."""

    @pytest.mark.parametrize(
        ("field", "raw", "value"),
        [
            (Field("a", In.FLOAT), struct.pack("<f", 1.5), 1.5),
            (Field("a", In.BOOL32), struct.pack("<I", 7), True),
            (Field("a", In.HEXINT32), b"\xff\xff\xff\xff", 0xFFFFFFFF),
            (Field("a", In.INT32, Out.NTSTATUS), b"\x34\0\0\xc0", 0xC0000034),
            (Field("a", In.SID), bytes.fromhex("010100000000000512000000"), "S-1-5-18"),
            (Field("a", In.COUNTEDANSISTRING), b"\x02\0ab", "ab"),
            (Field("a", In.COUNTEDBINARY), b"\x02\0ab", b"ab"),
            (Field("a", In.BINARY, Out.IPV6), b"\0" * 15 + b"\1", "::1"),
            (Field("a", In.UINT32, Out.IPV4), b"\x7f\0\0\1", "127.0.0.1"),
            (Field("a", In.UINT16, Out.PORT), b"\x01\xbb", 443),
            (Field("a", In.UNICODESTRING, length=4), "ab\0x".encode("utf-16-le"), "ab"),
            (Field("a", In.ANSISTRING, length=4), b"abcd", "abcd"),
            (Field("a", In.ANSISTRING, Out.UTF8), "é\0".encode(), "é"),
            (Field("a", In.UINT8, count=3), b"\1\2\3", [1, 2, 3]),
            (Field("a", In.UNICODESTRING, count=2), "a\0b\0".encode("utf-16-le"), ["a", "b"]),
        ],
    )
    def test_each_in_type_has_its_value(self, field, raw, value):
        """A value of each in-type that the random layouts do not hold."""
        decoded = one([field], [raw])
        assert rows(decoded) == [[value]]
        assert decoded.problems is None

    def test_times(self):
        """A FILETIME is 100 ns since 1601, a SYSTEMTIME a calendar date."""
        raw = struct.pack("<q", 116444736000000001) + struct.pack("<8H", 2024, 2, 4, 29, 1, 2, 3, 4)
        decoded = one([Field("a", In.FILETIME), Field("b", In.SYSTEMTIME)], [raw])
        assert decoded.table.schema.types == [pa.timestamp("ns", "UTC"), pa.timestamp("ms")]
        assert decoded.table.column(0).cast(pa.int64()).to_pylist() == [100]
        assert str(decoded.table.column(1)[0]) == "2024-02-29 01:02:03.004000"

    def test_pointers_are_as_wide_as_the_writer_and_one_type(self):
        """A pointer takes four bytes of a 32-bit writer; the column is uint64 for both."""
        fields = (Field("p", In.POINTER), Field("x", In.UINT16))
        narrow, wide = (one(fields, [write(fields, (2**32 - 1, 5), size)], size) for size in (4, 8))
        assert rows(narrow) == rows(wide) == [[2**32 - 1, 5]]
        assert narrow.table.schema == wide.table.schema
        assert wide.table.schema.types[0] == pa.uint64()


class TestLies:
    """Counts, lengths and sizes that do not agree."""

    def test_bytes_left_over_are_counted(self):
        """What the layout does not reach is said."""
        decoded = one([Field("a", In.UINT16)], [b"\1\0\2\3\4"])
        assert (rows(decoded), problems(decoded)) == ([[1]], ["3 bytes are left over"])

    @pytest.mark.parametrize("said", [2**64 - 1, 2**63, 2**32, 1000, 4])
    @pytest.mark.parametrize(
        "field",
        [
            Field("a", In.BINARY, length="n"),
            Field("a", In.UNICODESTRING, length="n"),
            Field("a", In.UINT64, count="n"),
            Field("a", In.STRUCT, count="n", fields=(Field("s", In.UNICODESTRING),)),
        ],
    )
    def test_a_count_that_the_payload_cannot_hold(self, field, said):
        """The field is null and the count is blamed, however large it is."""
        decoded = one([Field("n", In.UINT64), field], [struct.pack("<Q", said) + b"abc"])
        assert rows(decoded) == [[said, None]]
        assert problems(decoded) == ["field a has a count that the payload cannot hold"]

    @pytest.mark.parametrize(
        "field",
        [
            Field("a", 0xFF),
            Field("a", In.BINARY),
            Field("a", In.BINARY, length="nowhere"),
            Field("a", In.UINT8, count="nowhere"),
            Field("a", In.UNICODESTRING, count="n", length="n"),
        ],
    )
    def test_a_field_that_cannot_be_found_is_said(self, field):
        """What a layout does not say is not guessed: the fields before it are read."""
        decoded = one([Field("n", In.UINT8), field], [b"\x02abcd"])
        assert rows(decoded) == [[2, None]]
        assert problems(decoded) == ["field a has a type that is not known"]

    def test_structs_within_arrays_within_structs_do_not_blow_up(self):
        """A bomb of empty strings in nested arrays is bounded by what is read at once."""
        inner = Field("s", In.ANSISTRING)
        for depth in range(3):
            inner = Field(f"d{depth}", In.STRUCT, count=60000, fields=(inner,))
        decoded = one([inner], [b"\0" * 60000] * 20)
        assert all(problems(decoded))

    def test_events_of_other_providers_ids_and_versions_are_in_no_group(self):
        """Only what a provider defines is decoded; rows keep their numbers."""
        event = Event(5, 1, fields=(Field("a", In.UINT8),))
        data = np.arange(8, dtype=np.uint8)
        found = decode(
            data, [None, provider(event)], [0, 1, 1, 1, -1, 9, 1], [5, 5, 6, 5, 5, 5, 5],
            [1, 1, 1, 2, 1, 1, 1], range(7), [1] * 7, pointer_size=[8, 8, 8, 8, 8, 8, 4],
        )  # fmt: skip
        assert [(each.rows.tolist(), each.pointer_size, rows(each)) for each in found] == [
            ([1], 8, [[1]]),
            ([6], 4, [[6]]),
        ]

    def test_slices_beyond_the_data_are_cut(self):
        """A start or size beyond the data gives short payloads, no error."""
        found = decode(np.zeros(3, np.uint8), [provider(Event(1, 0, fields=(Field("a", In.UINT32),)))],
                       [0, 0], [1, 1], [0, 0], [1, 99], [400, 4])  # fmt: skip
        assert rows(found[0]) == [[None], [None]]

    def test_too_many_different_events_are_said_and_not_decoded(self):
        """A file in which every record is another event is bounded; the most frequent are decoded."""
        wide = tuple(Field(f"f{place}", In.UINT8) for place in range(1000))
        owner = provider(*(Event(id_, 0, fields=wide) for id_ in range(100)))
        ids = np.append(np.arange(100), [7, 7])
        zero = np.zeros(102, int)
        found = decode(np.zeros(1000, np.uint8), [owner], zero, ids, zero, zero, zero + 1000)
        refused = [each for each in found if "too many" in (problems(each)[0] or "")]
        assert len(found) == 100
        assert 0 < len(refused) < 100
        assert 7 not in {each.event.id for each in refused}


def test_a_million_elements_are_read_in_columns():
    """A large array takes array work and no loop over its elements."""
    fields = (Field("n", In.UINT16), Field("v", In.UINT32, count="n"))
    payload = struct.pack("<H", 1000) + np.arange(1000, dtype="<u4").tobytes()
    decoded = decode_all(Event(1, 0, fields=fields), [payload] * 1000)[0]
    assert sum(map(len, decoded.table.column(1).to_pylist())) == 1_000_000
    assert math.isclose(float(np.asarray(decoded.table.column(1).flatten()).mean()), 499.5)
