"""The column-wise decoder gives what a decoder of one event at a time gives, on any schema and any bytes."""

from __future__ import annotations

import struct
import time
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tracelogging_oracle import Spec, decode_one, place, plain, schema_bytes, unique

from tracecheck.payload import tracelogging
from tracecheck.payload.tracelogging import Decoded, In, decode

ROWS_FOR_ARRAYS = 300
ROWS_FOR_TAILS = 600
LEAF_TYPES = [*range(24), 25]
OUT_TYPES = [*range(19), 33, 35, 36, 37, 38]
COUNTS = st.one_of(st.none(), st.none(), st.just("variable"), st.integers(0, 4))
NAMES = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=6)

leaves = st.builds(
    Spec,
    name=NAMES,
    in_type=st.sampled_from(LEAF_TYPES),
    out_type=st.one_of(st.just(0), st.sampled_from(OUT_TYPES)),
    count=COUNTS,
    tags=st.one_of(st.just(0), st.integers(0, 2**28 - 1)),
)
customs = st.builds(
    Spec, name=NAMES, in_type=st.integers(0, 31), count=st.just("custom"), type_info=st.binary(max_size=4)
)
unknowns = st.builds(Spec, name=NAMES, in_type=st.integers(26, 31), count=COUNTS)
fields = st.recursive(
    st.one_of(leaves, leaves, leaves, customs, unknowns),
    lambda inner: st.builds(
        Spec, name=NAMES, in_type=st.just(24), count=COUNTS, fields=st.lists(inner, max_size=4).map(tuple)
    ),
    max_leaves=8,
)
schemas = st.lists(fields, max_size=6).map(tuple)


@st.composite
def value_bytes(draw: st.DrawFn, spec: Spec, *, element: bool = False) -> bytes:
    """Draw the bytes of a value that fits the field."""
    if spec.count == "custom":
        raw = draw(st.binary(max_size=5))
        return struct.pack("<H", len(raw)) + raw
    if spec.count is not None and not element:
        variable = spec.count == "variable"
        count = draw(st.integers(0, 4)) if variable else spec.count
        body = b"".join(draw(value_bytes(spec, element=True)) for _ in range(count))
        return (struct.pack("<H", count) if variable else b"") + body
    if spec.in_type == 24:
        return b"".join(draw(value_bytes(field)) for field in spec.fields)
    return draw(leaf_bytes(spec.in_type))


@st.composite
def leaf_bytes(draw: st.DrawFn, kind: int) -> bytes:
    """Draw one value that is no struct."""
    if kind == 1:
        return draw(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))).encode(
            "utf-16-le"
        ) + bytes(2)
    if kind == 2:
        return draw(st.binary(max_size=40)).replace(b"\0", b"") + b"\0"
    if kind == 19:
        count = draw(st.integers(0, 15))
        return bytes([1, count]) + draw(st.binary(min_size=6 + 4 * count, max_size=6 + 4 * count))
    if kind in (14, 22, 23, 25):
        raw = draw(st.binary(max_size=40))
        return struct.pack("<H", len(raw)) + raw
    if kind == 18:
        limits = [(1599, 30830), (0, 13), (0, 9), (0, 32), (0, 24), (0, 60), (0, 60), (0, 1000)]
        return struct.pack("<8H", *[draw(st.integers(low, high)) for low, high in limits])
    size = {0: 0, 3: 1, 4: 1, 5: 2, 6: 2, 7: 4, 8: 4, 11: 4, 13: 4, 20: 4, 15: 16}.get(kind, 8)
    return draw(st.binary(min_size=size, max_size=size))


@st.composite
def payloads(draw: st.DrawFn, specs: tuple[Spec, ...]) -> bytes:
    """Draw a payload: whole, cut, with bytes left over, with bytes changed, or of bytes that mean nothing."""
    how = draw(st.sampled_from(["whole", "whole", "cut", "longer", "changed", "random"]))
    if how == "random":
        return draw(st.binary(max_size=60))
    raw = b"".join(draw(value_bytes(spec)) for spec in specs)
    if how == "cut":
        return raw[: draw(st.integers(0, len(raw)))]
    if how == "longer":
        return raw + draw(st.binary(min_size=1, max_size=4))
    if how == "changed" and raw:
        at = draw(st.integers(0, len(raw) - 1))
        return raw[:at] + draw(st.binary(min_size=1, max_size=1)) + raw[at + 1 :]
    return raw


@st.composite
def events(draw: st.DrawFn) -> tuple[tuple[Spec, ...], list[bytes]]:
    """Draw a schema and payloads for it."""
    specs = draw(schemas)
    return specs, draw(st.lists(payloads(specs), min_size=1, max_size=5))


def decode_all(schema: bytes, raws: list[bytes], times: int = 1) -> list[Decoded]:
    """Decode payloads of one schema, each ``times`` times."""
    data, start, size = place([schema, *raws])
    rows = np.tile(np.arange(1, len(raws) + 1), times)
    first = np.zeros(rows.size, dtype=np.int64)
    return decode(data, start[first], size[first], start[rows], size[rows])


def assert_agrees(specs: tuple[Spec, ...], raws: list[bytes], decoded: Decoded) -> None:
    """Hold one schema's events against the oracle, every value and every problem."""
    decoded.table.validate(full=True)
    each = [decode_one(specs, raw) for raw in raws]
    expected = [each[row % len(raws)] for row in decoded.rows]
    assert decoded.table.num_rows == len(decoded.rows)
    assert decoded.table.schema.names == unique(specs)
    for number, column in enumerate(decoded.table.columns):
        assert plain(column) == [values[number] for values, _ in expected]
    problems = [None] * len(expected) if decoded.problems is None else decoded.problems.to_pylist()
    assert problems == [problem for _, problem in expected]


class TestColumns:
    """Any schema, any payload."""

    @given(events())
    @settings(max_examples=400, deadline=None)
    def test_any_schema_and_payload(self, drawn: tuple[tuple[Spec, ...], list[bytes]]) -> None:
        """Every value and every problem is what a decoder of one event at a time finds."""
        specs, raws = drawn
        (decoded,) = decode_all(schema_bytes("event", specs), raws)
        assert_agrees(specs, raws, decoded)

    @given(events())
    @settings(max_examples=60, deadline=None)
    def test_many_rows(self, drawn: tuple[tuple[Spec, ...], list[bytes]]) -> None:
        """The same holds where there are so many rows that arrays are stepped through all at once."""
        specs, raws = drawn
        (decoded,) = decode_all(schema_bytes("event", specs), raws, ROWS_FOR_ARRAYS)
        assert_agrees(specs, raws, decoded)

    @given(events())
    @settings(max_examples=60, deadline=None)
    def test_rows_that_end_alike(self, drawn: tuple[tuple[Spec, ...], list[bytes]]) -> None:
        """The same holds where so many payloads end alike that each end is read once."""
        specs, raws = drawn
        (decoded,) = decode_all(schema_bytes("event", specs), raws, ROWS_FOR_TAILS)
        assert_agrees(specs, raws, decoded)
        if (
            any(spec.in_type == In.ANSISTRING and spec.count is None for spec in specs)
            and decoded.problems is None
        ):
            assert decoded.tail is not None

    @given(fields, st.data())
    @settings(max_examples=60, deadline=None)
    def test_every_cut(self, spec: Spec, data: st.DataObject) -> None:
        """A payload cut at any byte gives the fields before the cut, nulls behind it, and says so."""
        raw = data.draw(value_bytes(spec)) + struct.pack("<I", 7)
        specs = (spec, Spec("last", 8))
        raws = [raw[:size] for size in range(len(raw) + 1)]
        (decoded,) = decode_all(schema_bytes("event", specs), raws)
        assert_agrees(specs, raws, decoded)

    @given(st.lists(events(), min_size=1, max_size=4), st.randoms())
    @settings(max_examples=60, deadline=None)
    def test_schemas_are_told_apart(
        self, drawn: list[tuple[tuple[Spec, ...], list[bytes]]], random: object
    ) -> None:
        """Events of several schemas in any order come out by schema, each row once and in order."""
        mixed = [(at, raw) for at, (_, raws) in enumerate(drawn) for raw in raws]
        random.shuffle(mixed)  # type: ignore[attr-defined]
        schemas = [schema_bytes(f"event {at}", specs) for at, (specs, _) in enumerate(drawn)]
        data, start, size = place([*schemas, *(raw for _, raw in mixed)])
        owner = np.array([at for at, _ in mixed])
        rows = np.arange(len(schemas), len(start))
        out = decode(data, start[owner], size[owner], start[rows], size[rows])
        assert sorted(np.concatenate([each.rows for each in out]).tolist()) == list(range(len(mixed)))
        for decoded in out:
            assert (np.diff(decoded.rows) > 0).all()
            at = mixed[decoded.rows[0]][0]
            assert decoded.schema is not None
            assert decoded.schema.name == f"event {at}"
            assert_agrees(drawn[at][0], [raw for _, raw in mixed], decoded)


class TestHostile:
    """Bytes that nobody wrote in good faith."""

    @given(st.binary(max_size=80), st.lists(st.binary(max_size=80), min_size=1, max_size=4))
    @settings(max_examples=400, deadline=None)
    def test_random_schema(self, body: bytes, raws: list[bytes]) -> None:
        """Any bytes for a schema give a table of as many rows, never an exception."""
        (decoded,) = decode_all(struct.pack("<H", len(body) + 2) + body, raws)
        decoded.table.validate(full=True)
        assert decoded.table.num_rows == len(raws)
        assert decoded.schema is not None or decoded.problems.null_count == 0

    @given(schemas, st.data())
    @settings(max_examples=100, deadline=None)
    def test_damaged_schema(self, specs: tuple[Spec, ...], data: st.DataObject) -> None:
        """A schema with changed bytes decodes by what it now says, or not at all."""
        raw = bytearray(schema_bytes("event", specs))
        for _ in range(3):
            raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
        (decoded,) = decode_all(bytes(raw), data.draw(st.lists(payloads(specs), min_size=1, max_size=3)))
        decoded.table.validate(full=True)

    @given(st.lists(st.tuples(*[st.integers(-5, 2**33)] * 4), min_size=1, max_size=8))
    @settings(max_examples=50, deadline=None)
    def test_slices_outside_the_data(self, slices: list[tuple[int, ...]]) -> None:
        """Starts and sizes that leave the data are cut at its end."""
        data, _, _ = place([schema_bytes("event", (Spec("a", 8), Spec("b", 1))), bytes(20)])
        out = decode(data, *np.array(slices, dtype=np.int64).T)
        assert sum(len(each.rows) for each in out) == len(slices)

    @pytest.mark.parametrize("in_type", [1, 4, 15, 19, 22, 24])
    def test_lying_count_allocates_nothing(self, in_type: int) -> None:
        """A count of 65,535 in payloads that hold nothing more costs no memory for elements."""
        inner = (Spec("x", 2), Spec("y", 21)) if in_type == 24 else ()
        schema = schema_bytes("event", (Spec("a", in_type, count="variable", fields=inner),))
        data, start, size = place([schema, b"\xff\xff", bytes(64)])
        rows = np.ones(20_000, dtype=np.int64)
        tracemalloc.start()
        (decoded,) = decode(data, start[rows - 1], size[rows - 1], start[rows], size[rows])
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert decoded.table.column(0).null_count == rows.size
        assert peak < 30_000_000

    def test_nested_counts_do_not_multiply(self) -> None:
        """Fixed counts within fixed counts, 65,535 each, overflow nothing and allocate nothing."""
        spec = Spec("a", 8, count=0xFFFF)
        for _ in range(8):
            spec = Spec("a", 24, count=0xFFFF, fields=(spec, Spec("b", 2)))
        specs = (Spec("first", 8), spec)
        raws = [struct.pack("<I", 5), bytes(100)]
        (decoded,) = decode_all(schema_bytes("event", specs), raws)
        assert_agrees(specs, raws, decoded)

    @pytest.mark.parametrize("times", [1, ROWS_FOR_ARRAYS])
    def test_long_arrays_of_strings(self, times: int) -> None:
        """An array of 60,000 empty strings is read whole, in a few payloads and in many."""
        specs = (Spec("a", 2, count="variable"),)
        count = 60_000 if times == 1 else 300
        raws = [struct.pack("<H", count) + bytes(count)]
        (decoded,) = decode_all(schema_bytes("event", specs), raws, times)
        assert decoded.problems is None
        assert len(decoded.table.column(0).values) == count * times

    @pytest.mark.parametrize("times", [20, ROWS_FOR_ARRAYS])
    def test_elements_are_bounded(self, times: int, monkeypatch: pytest.MonkeyPatch) -> None:
        """From the array on that exceeds what a call reads, only plain numbers are read."""
        monkeypatch.setattr(tracelogging, "_ELEMENTS", 31)
        specs = (Spec("a", 8, count="variable"), Spec("b", 2, count="variable"))
        raw = struct.pack("<H10IH", 10, *range(10), 3) + b"x\0y\0\0"
        (decoded,) = decode_all(schema_bytes("event", specs), [raw], times)
        assert plain(decoded.table.column(0)) == [list(range(10))] * times
        assert plain(decoded.table.column(1)) == [["x", "y", ""]] * 10 + [None] * (times - 10)
        assert decoded.problems is not None
        refused = "field b is one array more than is read at once"
        assert decoded.problems.to_pylist() == [None] * 10 + [refused] * (times - 10)

    def test_a_schema_for_every_event(self) -> None:
        """Where every event has its own schema, some are decoded and the others listed, in time."""
        count = 40_000
        schemas = [schema_bytes(f"event {at}", (Spec("a", 8),)) for at in range(count)]
        data, start, size = place([*schemas, bytes(4)])
        began = time.perf_counter()
        out = decode(data, start[:-1], size[:-1], np.full(count, start[-1]), np.full(count, 4))
        assert time.perf_counter() - began < 60
        refused = [each for each in out if each.schema is None]
        assert len(refused) == 1
        assert sum(len(each.rows) for each in out) == count
        assert len(out) > 10_000
        assert set(refused[0].problems.to_pylist()) == {
            "the schema was not read: there are too many different ones"
        }
