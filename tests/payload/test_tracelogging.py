"""TraceLogging: what each type means, how schemas are parsed, and the real traces."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from dissect.etl.etl import ETL
from hypothesis import given
from hypothesis import strategies as st
from tracelogging_oracle import Spec, decode_one, place, plain, schema_bytes, tag_bytes

from tracecheck.payload._schema import SchemaError, parse_schema
from tracecheck.payload.tracelogging import Decoded, EventSchema, Field, In, Out, decode, provider_traits

CORPUS = Path(__file__).resolve().parents[3] / "shared" / "corpus" / "etl"
TEXT = pa.dictionary(pa.int32(), pa.string())
UTC_NS = pa.timestamp("ns", "UTC")

GUID_BYTES = bytes.fromhex("78563412bc9af0de0123456789abcdef")
SID_BYTES = bytes.fromhex("0105000000000005 15000000 01000000 02000000 03000000 e9030000")
IPV6_BYTES = bytes.fromhex("20010db8000000000000000000000001")
SOCKET_4 = bytes.fromhex("0200 0050 c0000201 0000000000000000")
SOCKET_6 = bytes.fromhex("1700 01bb 00000000") + IPV6_BYTES + bytes.fromhex("05000000")
FILETIME_2024 = struct.pack("<Q", 133485408000000000)
SYSTEMTIME_2024 = struct.pack("<8H", 2024, 2, 4, 29, 23, 59, 58, 999)
MS_2024 = 1709251198999
E_ACUTE = "é"

# in-type, out-type, count, payload, Arrow type, value
VALUES: list[tuple[int, int, Any, bytes, pa.DataType, Any]] = [
    (In.NULL, 0, None, b"", pa.null(), None),
    (In.UNICODESTRING, 0, None, "aé€\0".encode("utf-16-le"), TEXT, "aé€"),
    (In.UNICODESTRING, 0, None, b"\x00\x01\x01\x00\x00\x00", TEXT, "\u0100\x01"),
    (In.UNICODESTRING, Out.JSON, None, b"\x00\xd8\x00\x00", TEXT, "\ufffd"),
    (In.ANSISTRING, 0, None, b"plain\0", TEXT, "plain"),
    (In.ANSISTRING, 0, None, E_ACUTE.encode("cp1252") + b"\0", TEXT, E_ACUTE),
    (In.ANSISTRING, 0, None, E_ACUTE.encode() + b"\0", TEXT, E_ACUTE),
    (In.ANSISTRING, Out.UTF8, None, b"\xe9\0", TEXT, "\ufffd"),
    (In.ANSISTRING, Out.XML, None, b"<a/>\0", TEXT, "<a/>"),
    (In.INT8, 0, None, b"\xff", pa.int8(), -1),
    (In.UINT8, 0, None, b"\xff", pa.uint8(), 255),
    (In.UINT8, Out.BOOLEAN, None, b"\x02", pa.bool_(), True),
    (In.UINT8, Out.STRING, None, b"\x80", TEXT, "€"),
    (In.INT8, Out.HEX, None, b"\xff", pa.uint8(), 255),
    (In.INT16, 0, None, b"\xfe\xff", pa.int16(), -2),
    (In.UINT16, 0, None, b"\xfe\xff", pa.uint16(), 65534),
    (In.UINT16, Out.PORT, None, b"\x01\xbb", pa.uint16(), 443),
    (In.UINT16, Out.STRING, None, b"\xac\x20", TEXT, "€"),
    (In.INT32, 0, None, b"\xfd\xff\xff\xff", pa.int32(), -3),
    (In.INT32, Out.HRESULT, None, b"\x05\x00\x07\x80", pa.uint32(), 0x80070005),
    (In.INT32, Out.NTSTATUS, None, b"\x34\x00\x00\xc0", pa.uint32(), 0xC0000034),
    (In.UINT32, 0, None, b"\xfd\xff\xff\xff", pa.uint32(), 2**32 - 3),
    (In.UINT32, Out.PID, None, b"\x04\x00\x00\x00", pa.uint32(), 4),
    (In.UINT32, Out.TID, None, b"\x08\x00\x00\x00", pa.uint32(), 8),
    (In.UINT32, Out.IPV4, None, b"\x7f\x00\x00\x01", TEXT, "127.0.0.1"),
    (In.UINT32, Out.WIN32ERROR, None, b"\x05\x00\x00\x00", pa.uint32(), 5),
    (In.UINT32, Out.SIGNED, None, b"\xff\xff\xff\xff", pa.int32(), -1),
    (In.UINT32, 77, None, b"\xff\xff\xff\xff", pa.uint32(), 2**32 - 1),
    (In.INT64, 0, None, b"\xfc" + b"\xff" * 7, pa.int64(), -4),
    (In.UINT64, 0, None, b"\xfc" + b"\xff" * 7, pa.uint64(), 2**64 - 4),
    (In.UINT64, Out.CODE_POINTER, None, b"\x01" + bytes(7), pa.uint64(), 1),
    (In.FLOAT, 0, None, struct.pack("<f", 1.5), pa.float32(), 1.5),
    (In.DOUBLE, 0, None, struct.pack("<d", -2.25), pa.float64(), -2.25),
    (In.BOOL32, 0, None, b"\x00\x01\x00\x00", pa.bool_(), True),
    (In.BINARY, 0, None, b"\x03\x00\x00\x01\x02", pa.binary(), b"\x00\x01\x02"),
    (In.BINARY, Out.IPV6, None, b"\x10\x00" + IPV6_BYTES, TEXT, "2001:db8::1"),
    (In.BINARY, Out.SOCKETADDRESS, None, b"\x10\x00" + SOCKET_4, TEXT, "192.0.2.1:80"),
    (In.BINARY, Out.SOCKETADDRESS, None, b"\x1c\x00" + SOCKET_6, TEXT, "[2001:db8::1%5]:443"),
    (In.BINARY, Out.SOCKETADDRESS, None, b"\x03\x00\x01\x00\xff", TEXT, "0100ff"),
    (In.GUID, 0, None, GUID_BYTES, pa.string(), "12345678-9abc-def0-0123-456789abcdef"),
    (In.POINTER, 0, None, b"\x10" + bytes(6) + b"\xff", pa.uint64(), 0xFF00000000000010),
    (In.FILETIME, 0, None, FILETIME_2024, UTC_NS, 1704067200 * 10**9),
    (In.FILETIME, Out.DATETIME_UTC, None, bytes(8), UTC_NS, None),
    (In.SYSTEMTIME, 0, None, SYSTEMTIME_2024, pa.timestamp("ms"), MS_2024),
    (In.SYSTEMTIME, Out.DATETIME_UTC, None, SYSTEMTIME_2024, pa.timestamp("ms", "UTC"), MS_2024),
    (In.SYSTEMTIME, 0, None, bytes(16), pa.timestamp("ms"), None),
    (In.SID, 0, None, SID_BYTES, TEXT, "S-1-5-21-1-2-3-1001"),
    (In.HEXINT32, 0, None, b"\x34\x00\x00\xc0", pa.uint32(), 0xC0000034),
    (In.HEXINT64, 0, None, bytes(7) + b"\xff", pa.uint64(), 0xFF << 56),
    (In.COUNTEDSTRING, 0, None, b"\x04\x00a\x00\x00\x00", TEXT, "a\0"),
    (In.COUNTEDANSISTRING, Out.UTF8, None, b"\x02\x00" + E_ACUTE.encode(), TEXT, E_ACUTE),
    (In.COUNTEDBINARY, 0, None, b"\x00\x00", pa.binary(), b""),
    (In.UINT32, 0, 2, struct.pack("<2I", 1, 2), pa.list_(pa.uint32()), [1, 2]),
    (In.UINT16, 0, "variable", b"\x02\x00\x01\x00\x02\x00", pa.list_(pa.uint16()), [1, 2]),
    (In.UINT64, Out.HEX, "variable", b"\x00\x00", pa.list_(pa.uint64()), []),
    (In.ANSISTRING, 0, "variable", b"\x03\x00a\0\0bc\0", pa.list_(TEXT), ["a", "", "bc"]),
    (In.COUNTEDSTRING, 0, 1, b"\x02\x00a\x00", pa.list_(TEXT), ["a"]),
    (In.UINT16, Out.STRING, "variable", b"\x02\x00a\x00b\x00", TEXT, "ab"),
    (In.UINT8, Out.STRING, 3, b"abc", TEXT, "abc"),
    (5, 0, "custom", b"\x02\x00\x01\x02", pa.binary(), b"\x01\x02"),
]


def decode_events(schema: bytes, payloads: list[bytes], **options: int) -> Decoded:
    """Decode payloads of one schema."""
    data, start, size = place([schema, *payloads])
    first = np.zeros(len(payloads), dtype=np.uint32)
    (decoded,) = decode(data, start[first], size[first], start[1:], size[1:], **options)
    return decoded


class TestValues:
    """Each type by an example written by hand."""

    @pytest.mark.parametrize(("in_type", "out_type", "count", "raw", "kind", "value"), VALUES)
    def test_value(
        self, in_type: int, out_type: int, count: Any, raw: bytes, kind: pa.DataType, value: Any
    ) -> None:
        """A field's bytes give the Arrow type and the value that its in-type and out-type mean."""
        specs = (Spec("a", in_type, out_type, count), Spec("after", In.UINT8))
        decoded = decode_events(schema_bytes("event", specs), [raw + b"\x07"])
        decoded.table.validate(full=True)
        assert decoded.problems is None
        assert decoded.table.schema.field(0).type == kind
        assert plain(decoded.table.column(0)) == [value]
        assert decoded.table.column(1).to_pylist() == [7]

    def test_every_in_type_is_there(self) -> None:
        """The examples hold every in-type but the struct, which has tests of its own."""
        assert {row[0] for row in VALUES} >= set(In) - {In.STRUCT}

    def test_pointers_of_32_bits(self) -> None:
        """The pointer type takes four bytes where the writer's pointers do."""
        schema = schema_bytes("event", (Spec("a", In.POINTER),))
        decoded = decode_events(schema, [b"\x01\x02\x03\xff"], pointer_size=4)
        assert decoded.problems is None
        assert decoded.table.column(0).to_pylist() == [0xFF030201]

    def test_structs(self) -> None:
        """Structs become struct columns, arrays of structs lists of them, to any depth that ETW takes."""
        point = (Spec("x", In.INT8), Spec("name", In.ANSISTRING))
        inner = Spec("points", In.STRUCT, count="variable", fields=point)
        specs = (Spec("outer", In.STRUCT, fields=(Spec("id", In.UINT16), inner)), Spec("after", In.UINT8))
        raw = b"\x05\x00" + b"\x02\x00" + b"\xffone\0" + b"\x02two\0" + b"\x09"
        decoded = decode_events(schema_bytes("event", specs), [raw])
        assert decoded.problems is None
        points = [{"x": -1, "name": "one"}, {"x": 2, "name": "two"}]
        assert decoded.table.to_pylist() == [{"outer": {"id": 5, "points": points}, "after": 9}]
        point_type = pa.struct([("x", pa.int8()), ("name", TEXT)])
        outer = pa.struct([("id", pa.uint16()), ("points", pa.list_(point_type))])
        assert decoded.table.schema.field("outer").type == outer

    def test_problems_name_the_field(self) -> None:
        """What is wrong with a payload is said by field, with nulls from there on."""
        inner = (Spec("b", In.COUNTEDSTRING), Spec("c", In.UINT32))
        specs = (Spec("s", In.STRUCT, fields=inner), Spec("d", 30))
        decoded = decode_events(schema_bytes("event", specs), [b"\x00\x00\x01", b"\x09\x00a\x00", bytes(6)])
        assert decoded.problems is not None
        assert decoded.problems.to_pylist() == [
            "the payload ends within field s.c",
            "field s.b has a count that the payload cannot hold",
            "field d has a type that is not known",
        ]
        assert decoded.table.column(0).to_pylist() == [
            {"b": "", "c": None},
            {"b": None, "c": None},
            {"b": "", "c": 0},
        ]

    def test_names_occur_once(self) -> None:
        """Fields of one name become columns with a suffix."""
        specs = (Spec("a", In.UINT8), Spec("a", In.UINT8), Spec("a_2", In.UINT8))
        decoded = decode_events(schema_bytes("event", specs), [b"\x01\x02\x03"])
        assert decoded.table.to_pylist() == [{"a": 1, "a_2": 2, "a_2_2": 3}]

    def test_no_fields(self) -> None:
        """An event without fields is a table without columns that knows its rows."""
        decoded = decode_events(schema_bytes("event", ()), [b"", b"\x01"])
        assert decoded.table.num_rows == 2
        assert decoded.problems is not None
        assert decoded.problems.to_pylist() == [None, "1 bytes are left over"]

    def test_no_events(self) -> None:
        """Nothing in, nothing out."""
        nothing = np.empty(0, dtype=np.uint32)
        assert decode(np.empty(0, dtype=np.uint8), nothing, nothing, nothing, nothing) == []


class TestSchema:
    """Extended item 11."""

    @given(st.integers(0, 2**28 - 1))
    def test_tags(self, tags: int) -> None:
        """Chained tag bytes give back the 28 bits, of the event and of a field."""
        schema = parse_schema(schema_bytes("event", (Spec("a", In.UINT8, tags=tags),), tags))
        assert (schema.tags, schema.fields[0].tags) == (tags, tags)

    def test_long_tags(self) -> None:
        """Tag bytes beyond 28 bits are stepped over."""
        raw = b"\x00\x00\xff\xff\xff\xff\xff\x7fname\0"
        assert parse_schema(bytes([len(raw)]) + raw[1:]) == EventSchema("name", 2**28 - 1, ())

    def test_fields(self) -> None:
        """Names, types, counts, type info and structs come out as they were written."""
        specs = (
            Spec("é", In.UINT8, Out.HEX, 3, tags=5),
            Spec("s", In.STRUCT, count="variable", fields=(Spec("t", In.STRUCT, fields=(Spec("x", 31),)),)),
            Spec("c", In.STRUCT, count="custom", type_info=b"\x01\x02"),
        )
        schema = parse_schema(schema_bytes("Näme", specs) + b"ignored")
        deepest = Field("t", In.STRUCT, fields=(Field("x", 31),))
        assert schema.name == "Näme"
        assert schema.fields == (
            Field("é", In.UINT8, Out.HEX, 5, 3),
            Field("s", In.STRUCT, count="variable", fields=(deepest,)),
            Field("c", In.STRUCT, count="custom", type_info=b"\x01\x02"),
        )
        assert schema.size == 5

    def test_repeated_tag_bytes(self) -> None:
        """A tag of zero in two bytes, as the kernel's own drivers write, is a tag of zero."""
        assert tag_bytes(0) == b"\0"
        assert parse_schema(b"\x09\x00\x80\x00name\0").tags == 0

    @pytest.mark.parametrize(
        ("raw", "why"),
        [
            (b"", "its size says 0 bytes where there are 0"),
            (b"\x02\x00\x00\x00", "its size says 2 bytes where there are 4"),
            (b"\x30\x00\x00\x00", "its size says 48 bytes where there are 4"),
            (b"\x06\x00\x00abc", "a name has no end"),
            (b"\x06\x00\x00\x00a\0", "it ends within a field"),
            (b"\x07\x00\x00\x00a\0\x24", "it ends within a field"),
            (b"\x08\x00\x00\x00a\0\x98\x02", "a name has no end"),
            (schema_bytes("e", (Spec("", 4),) * 1025), "it has too many fields or structs within structs"),
        ],
    )
    def test_refused(self, raw: bytes, why: str) -> None:
        """A schema that breaks off, lies about its size or is absurd is refused with the reason."""
        with pytest.raises(SchemaError, match=why):
            parse_schema(raw)
        decoded = decode_events(raw, [b"", b"abc"])
        assert decoded.schema is None
        assert decoded.table.num_rows == 2
        assert decoded.problems is not None
        assert decoded.problems.to_pylist() == [f"the schema was not read: {why}"] * 2

    def test_deep_structs(self) -> None:
        """Structs within structs are refused from a depth on."""
        spec = Spec("x", In.UINT8)
        for _ in range(40):
            spec = Spec("s", In.STRUCT, fields=(spec,))
        with pytest.raises(SchemaError, match="structs within structs"):
            parse_schema(schema_bytes("e", (spec,)))


class TestProviderTraits:
    """Extended item 12."""

    def test_names_and_groups(self) -> None:
        """A name, the GUID of a group, traits of other types; events without the item have neither."""
        group = b"\x13\x00\x01" + GUID_BYTES
        other = b"\x05\x00\x80xy"
        items = ["My.Näme\0".encode(), b"A\0" + other + group]
        blobs = [struct.pack("<H", len(item) + 2) + item for item in items]
        data, start, size = place([*blobs, b""])
        order = np.array([1, 0, 2, 1])
        traits = provider_traits(data, start[order], size[order])
        guid = "12345678-9abc-def0-0123-456789abcdef"
        assert traits.name.to_pylist() == ["A", "My.Näme", None, "A"]
        assert traits.group.to_pylist() == [guid, None, None, guid]

    @given(st.lists(st.binary(max_size=30), min_size=1, max_size=5))
    def test_random_bytes(self, blobs: list[bytes]) -> None:
        """Any bytes give a name or none, never an exception."""
        data, start, size = place(blobs)
        traits = provider_traits(data, start, size)
        assert len(traits.name) == len(traits.group) == len(blobs)


def corpus_events(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return a trace's events as bytes, and for those with a schema: item 11, item 12, payload."""
    path = CORPUS / name
    if not path.exists():
        pytest.skip(f"the corpus is not here: {name}")
    raw, rows = bytearray(), []
    with path.open("rb") as file:
        for record in ETL(file):
            if type(record.header).__name__ != "EventHeader":
                continue
            event = bytes(record.header.data)[: record.header.size]
            items = extended_items(event, len(raw))
            if 11 in items:
                rows.append((*items[11], *items.get(12, (0, 0)), *items[0]))
            raw += event
    return np.frombuffer(bytes(raw), dtype=np.uint8), np.array(rows, dtype=np.int64)


def extended_items(event: bytes, base: int) -> dict[int, tuple[int, int]]:
    """Return where an event's extended items lie, by type, and as type 0 its user data."""
    items = {}
    at, more = 80, event[4] & 1
    while more:
        total, kind, more, size = struct.unpack_from("<4H", event, at)
        items[kind] = (base + at + 8, size)
        at, more = at + total, more & 1
    items[0] = (base + at, len(event) - at)
    return items


class TestCorpus:
    """Real traces, their events found by another reader."""

    @pytest.mark.parametrize(
        ("name", "events", "providers"),
        [
            ("ebpforwindows.etl", 13841, {"EbpfForWindowsProvider", "NetEbpfExtProvider"}),
            ("lxcore_kernel.etl", 2, {"Microsoft.Windows.Subsystem.LxCore"}),
            ("AMSITrace.etl", 19, {"AmsiTrace"}),
            ("SelfDescribingSingleEvent.etl", 1, {"MySource"}),
        ],
    )
    def test_every_event_is_used_up(self, name: str, events: int, providers: set[str]) -> None:
        """Every event of a real trace is decoded by its schema to its last byte, as the oracle decodes it."""
        data, rows = corpus_events(name)
        out = decode(data, *rows[:, [0, 1, 4, 5]].T)
        assert len(rows) == events
        assert sum(len(each.rows) for each in out) == events
        assert set(provider_traits(data, *rows[:, [2, 3]].T).name.to_pylist()) == providers
        for decoded in out:
            assert decoded.problems is None
            assert_rows_agree(decoded, data, rows)

    def test_nested(self) -> None:
        """The struct of the single self-describing event."""
        data, rows = corpus_events("SelfDescribingSingleEvent.etl")
        (decoded,) = decode(data, *rows[:, [0, 1, 4, 5]].T)
        assert decoded.schema is not None
        assert decoded.schema.name == "TestEvent"
        assert decoded.table.to_pylist() == [{"a": {"b": "Hello", "c": "World!"}}]

    def test_kernel_driver(self) -> None:
        """An event of a kernel driver with chained tags and a provider group."""
        data, rows = corpus_events("lxcore_kernel.etl")
        (decoded,) = decode(data, *rows[:, [0, 1, 4, 5]].T)
        assert decoded.schema is not None
        assert decoded.schema.name == "BreakPoint"
        row = decoded.table.to_pylist()[0]
        assert (row["ErrorLevel"], row["LxPid"], row["Function"], row["Line"]) == (
            2,
            -1,
            "LxpInstanceStart",
            2659,
        )
        group = provider_traits(data, *rows[:, [2, 3]].T).group
        assert set(group.to_pylist()) == {"4f50731a-89cf-4782-b3e0-dce8c90476ba"}

    def test_character_arrays(self) -> None:
        """A counted array of characters is one string: the scripts that AMSI saw."""
        data, rows = corpus_events("AMSITrace.etl")
        (decoded,) = decode(data, *rows[:, [0, 1, 4, 5]].T)
        raw = decoded.table.column("Raw Script").to_pylist()
        assert all(isinstance(script, str) for script in raw)
        assert raw[0].startswith("if ($this.Name.IndexOf('-') -lt 0)\r\n")
        assert max(len(script) for script in raw) == 2473


def assert_rows_agree(decoded: Decoded, data: np.ndarray, rows: np.ndarray) -> None:
    """Hold the first 50 rows of one schema against the oracle."""
    assert decoded.schema is not None
    specs = tuple(as_spec(field) for field in decoded.schema.fields)
    columns = [plain(column.slice(0, 50)) for column in decoded.table.columns]
    for at, row in zip(range(50), decoded.rows.tolist(), strict=False):
        start, size = rows[row, 4:6]
        values, problem = decode_one(specs, data[start : start + size].tobytes())
        assert problem is None
        assert [column[at] for column in columns] == values


def as_spec(field: Field) -> Spec:
    """Tell the oracle of a field."""
    return Spec(field.name, field.in_type, field.out_type, field.count, tuple(map(as_spec, field.fields)))
