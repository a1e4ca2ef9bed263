"""WPP arguments as columns: every item type, every length, and what no definition explains."""

import struct
import uuid
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from wpp_oracle import (
    COUNTED,
    ENDED,
    FIXED,
    GUID,
    GUIDS,
    NUMBERS,
    POINTER32,
    POINTER64,
    TYPES,
    decode_payloads,
    define,
    read_all,
    values_of,
)

from tracecheck.etl import open_log
from tracecheck.etl.layout import Kind
from tracecheck.etl.writer import LogWriter
from tracecheck.payload.wpp.decode import decode, decode_messages, definition_codes
from tracecheck.payload.wpp.definition import MOST_ITEMS, Item
from tracecheck.payload.wpp.items import ITEMS

WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=40)


def argument(kind, pointer_size):
    """Bytes of a whole argument of a type."""
    if kind in NUMBERS or kind == "ItemPtr":
        size = pointer_size if kind == "ItemPtr" else struct.calcsize(f"<{NUMBERS[kind]}")
        return st.binary(min_size=size, max_size=size)
    if kind in ENDED:
        unit = ENDED[kind]
        return WORDS.map(lambda text: text.encode("utf-16-le" if unit == 2 else "utf-8") + bytes(unit))
    if kind in COUNTED:
        return st.binary(max_size=60).map(lambda raw: struct.pack("<H", len(raw)) + raw)
    if kind == "ItemSid":
        return st.integers(0, 15).flatmap(
            lambda count: st.binary(min_size=6 + 4 * count, max_size=6 + 4 * count).map(
                lambda raw: bytes([1, count]) + raw
            )
        )
    size = 16 if kind in GUIDS else FIXED[kind]
    return st.binary(min_size=size, max_size=size)


@st.composite
def messages(draw):
    """A definition, a pointer size, and whole payloads of it."""
    kinds = draw(st.lists(st.sampled_from(TYPES), max_size=6))
    pointer_size = draw(st.sampled_from([4, 8]))
    payloads = st.tuples(*[argument(kind, pointer_size) for kind in kinds]).map(b"".join)
    return define(*kinds), pointer_size, draw(st.lists(payloads, min_size=1, max_size=6))


def same(ours, theirs):
    """Compare rows of values; a NaN is equal to itself."""
    return repr(ours) == repr(theirs)


class TestValues:
    """What is in a payload is what the columns have."""

    @given(messages())
    def test_whole_payloads_give_their_values(self, message):
        """Every item type in every order gives what a decoder of single values gives; no byte is left."""
        definition, pointer_size, payloads = message
        (decoded,) = decode_payloads(definition, payloads, POINTER32 if pointer_size == 4 else POINTER64)
        expected = [read_all(definition, raw, pointer_size) for raw in payloads]
        assert all(left == 0 for _, left in expected)
        assert decoded.problems is None
        assert decoded.pointer_size == pointer_size
        assert same(values_of(decoded), [values for values, _ in expected])

    @given(messages(), st.data())
    def test_cut_and_lengthened_payloads_keep_what_can_be_read(self, message, data):
        """A value whose bytes are missing is null, and so is what follows; every such row has a problem."""
        definition, pointer_size, payloads = message
        payloads = [
            (raw + data.draw(st.binary(max_size=9)))[: data.draw(st.integers(0, len(raw) + 9))]
            for raw in payloads
        ]
        (decoded,) = decode_payloads(definition, payloads, POINTER32 if pointer_size == 4 else POINTER64)
        expected = [read_all(definition, raw, pointer_size) for raw in payloads]
        assert same(values_of(decoded), [values for values, _ in expected])
        problems = [None] * len(payloads) if decoded.problems is None else decoded.problems.to_pylist()
        assert [problem is None for problem in problems] == [left == 0 for _, left in expected]
        for problem, (_, left) in zip(problems, expected, strict=True):
            assert not left or problem == f"{left} bytes are left over"

    @given(
        st.lists(st.sampled_from(TYPES), max_size=5), st.lists(st.binary(max_size=80), min_size=1, max_size=9)
    )
    def test_random_bytes_are_read_as_far_as_they_go(self, kinds, payloads):
        """No payload raises, whatever it holds."""
        definition = define(*kinds)
        (decoded,) = decode_payloads(definition, payloads)
        assert same(values_of(decoded), [read_all(definition, raw, 8)[0] for raw in payloads])

    def test_every_item_type_is_tried(self):
        """The tests above go through every layout of the table of facts but synonyms."""
        synonyms = {"itemcharsign", "itemcharshort", "itemulongx", "itemquad", "itemuquad", "itemnterror"}
        assert set(ITEMS) - {kind.lower() for kind in TYPES} == synonyms | {"itemnetevent", "itemmerror"}

    def test_the_arrow_types_are_those_of_the_payload(self):
        """Statuses and pointers are unsigned, and pointers of 32-bit writers are as wide as the others."""
        kinds = ("ItemPtr", "ItemLong", "ItemNTSTATUS", "ItemListByte", "ItemTimestamp", "ItemHexDump")
        raw = struct.pack("<IiIBqH", 0x80001234, -1, 0xC0000022, 2, 0, 0)
        (decoded,) = decode_payloads(define(*kinds), [raw], POINTER32)
        assert decoded.table.schema.types == [
            pa.uint64(),
            pa.int32(),
            pa.uint32(),
            pa.uint8(),
            pa.timestamp("ns", "UTC"),
            pa.binary(),
        ]
        assert values_of(decoded) == [[0x80001234, -1, 0xC0000022, 2, 0, b""]]

    def test_times_beyond_arrow_keep_their_ticks(self):
        """FILETIME 0 is no timestamp[ns]: null in the table and 0 among the ticks."""
        payloads = [struct.pack("<q", ticks) for ticks in (0, 132223104000000000, 2**63 - 1)] + [b"\1"]
        (decoded,) = decode_payloads(define("ItemTimestamp"), payloads)
        column = decoded.table.column(0)
        assert column.is_null().to_pylist() == [True, False, True, True]
        assert column.cast(pa.int64())[1].as_py() == 1_577_836_800_000_000_000
        assert decoded.ticks[0].to_pylist() == [0, 132223104000000000, 2**63 - 1, None]

    def test_the_case_of_an_item_type_does_not_matter(self):
        """TMFs write ItemHexDump and ItemHEXDump."""
        (decoded,) = decode_payloads(define("ItemHEXDump"), [b"\2\0ab"])
        assert values_of(decoded) == [[b"ab"]]


class TestGroups:
    """All messages of one definition together."""

    def test_rows_of_many_definitions_are_told_apart(self):
        """Each definition's rows ascend, together they are all that have one, in the order of the first."""
        one, two = define("ItemLong"), define("ItemUChar", number=11)
        data = np.frombuffer(b"\1\0\0\0\2\3\0\0\0\4", dtype=np.uint8)
        groups = decode(data, [0, 1, 0, -1], [one, two], [0, 4, 5, 9], [4, 1, 4, 1], [0x80] * 4)
        assert [(each.definition.number, each.rows.tolist(), values_of(each)) for each in groups] == [
            (10, [0, 2], [[1], [3]]),
            (11, [1], [[2]]),
        ]

    def test_writers_of_both_pointer_sizes_are_told_apart(self):
        """Pointers are as wide as the flags of each message say; without flags as wide as the log's."""
        payloads = [bytes(8), bytes(4), bytes(4)]
        flags = [POINTER64, POINTER32, 0]
        groups = decode_payloads(define("ItemPtr"), payloads, flags, pointer_size=4)
        assert [(each.pointer_size, each.rows.tolist()) for each in groups] == [(8, [0]), (4, [1, 2])]
        assert all(each.problems is None for each in groups)

    def test_no_messages_are_no_groups(self):
        """An empty chunk gives nothing."""
        assert decode(np.zeros(0, np.uint8), [], [], [], [], np.zeros(0, np.uint16)) == []
        assert definition_codes(np.zeros((0, 2), np.uint64), [], []).tolist() == []

    def test_a_message_without_arguments_has_a_row(self):
        """A batch of no columns still says how many messages there are."""
        (decoded,) = decode_payloads(define(), [b"", b"", b"x"])
        assert decoded.table.num_rows == 3
        assert decoded.problems.to_pylist() == [None, None, "1 bytes are left over"]

    def test_definitions_are_found_by_guid_and_number(self):
        """The first definition of a GUID and number counts; others are not found."""
        other = uuid.uuid4()
        known = [define(number=10), define(number=11), define("ItemLong", number=10), define(number=-1)]
        known.append(replace(define(number=10), guid=other))
        guids = b"".join(each.bytes_le for each in (GUID, GUID, other, other, uuid.uuid4()))
        provider = np.frombuffer(guids, dtype="<u8").reshape(-1, 2)
        assert definition_codes(provider, [10, 11, 10, 11, 10], known).tolist() == [0, 1, 4, -1, -1]

    def test_messages_of_a_chunk_are_found_among_its_records(self, tmp_path):
        """Rows are those of the chunk; messages without a definition are told, other records are not."""
        log = LogWriter()
        log.message(0, 1, guid=GUID, number=10, options=0xAA, payload=b"\7\0\0\0")
        log.message(0, 2, guid=GUID, number=99, options=0xAA, payload=b"\7")
        log.event(0, 3, pid=4, tid=8, provider=GUID, id=10, payload=b"\7\0\0\0")
        log.message(0, 4, guid=GUID, number=10, options=0x6A, payload=b"\x08\0\0\0")
        log.message(0, 5, guid=None, number=10, options=0, payload=b"\7\0\0\0")
        log.write(tmp_path / "mixed.etl")
        with open_log(tmp_path / "mixed.etl") as opened:
            (chunk,) = opened.chunks()
        found, unknown = decode_messages(chunk, [define("ItemLong")])
        first = int(np.flatnonzero(chunk.column("kind") == Kind.WPP_MESSAGE)[0])
        assert [(each.rows.tolist(), values_of(each), each.pointer_size) for each in found] == [
            ([first], [[7]], 8),
            ([first + 3], [[8]], 4),
        ]
        assert unknown.tolist() == [first + 1, first + 4]


class TestHostile:
    """Definitions that contradict the payload."""

    @pytest.mark.parametrize("kind", ["ItemString", "ItemWString"])
    def test_a_string_that_never_ends_is_missing(self, kind):
        """It is not read into the next message; the reason names the argument."""
        (decoded,) = decode_payloads(define("ItemUChar", kind), [b"\1abcdef", b"\2ab\0\0\0\0"])
        assert values_of(decoded)[0] == [1, None]
        assert decoded.problems.to_pylist()[0] == "the payload ends within field arg1"

    @pytest.mark.parametrize("kind", ["ItemPString", "ItemPWString", "ItemHexDump"])
    def test_a_count_larger_than_the_payload_is_told(self, kind):
        """65,535 bytes that are not there are not read."""
        (decoded,) = decode_payloads(define(kind), [b"\xff\xffab"])
        assert values_of(decoded) == [[None]]
        assert decoded.problems.to_pylist() == ["field arg0 has a count that the payload cannot hold"]

    def test_an_unknown_type_keeps_what_stands_before_it(self):
        """What follows a type of unknown width cannot be found."""
        (decoded,) = decode_payloads(define("ItemLong", "ItemBogus", "ItemLong"), [bytes(12)])
        assert values_of(decoded) == [[0, None, None]]
        assert decoded.problems.to_pylist() == ["field arg1 has a type that is not known"]

    def test_slices_beyond_the_data_are_cut(self):
        """A payload that lies about where it is gives nulls."""
        (decoded,) = decode(np.zeros(4, np.uint8), [0], [define("ItemLong")], [2], [900], [0x80])
        assert values_of(decoded) == [[None]]

    def test_a_definition_of_a_thousand_arguments_is_bounded(self):
        """More arguments than a macro call can have are not read, and the bytes that they take are told."""
        items = tuple(Item(10 + place, "a", "ItemUChar") for place in range(1000))
        (decoded,) = decode_payloads(replace(define(), items=items), [bytes(1000)])
        assert decoded.table.num_columns == MOST_ITEMS
        assert decoded.problems.to_pylist() == [f"{1000 - MOST_ITEMS} bytes are left over"]
