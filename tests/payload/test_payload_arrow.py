"""Gathers, string ends and dictionaries are what plain Python slices say."""

from __future__ import annotations

import struct
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tracecheck.payload import _slices
from tracecheck.payload.arrow import (
    binary_of_slices,
    dictionary_of_slices,
    from_numpy,
    nulls,
    spread,
    strings,
    unique_names,
)

LENGTHS = st.one_of(st.integers(0, 20), st.sampled_from([31, 32, 33, 127, 128, 129, 700]))


@st.composite
def slices(draw: st.DrawFn) -> tuple[bytes, list[tuple[int, int]]]:
    """Draw bytes and slices within them, which may overlap."""
    raw = draw(st.binary(max_size=40)) * draw(st.integers(0, 40))
    starts = draw(st.lists(st.integers(0, len(raw)), min_size=1, max_size=30))
    return raw, [(start, min(draw(LENGTHS), len(raw) - start)) for start in starts]


def split(pairs: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    """Return starts and lengths as arrays."""
    array = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    return np.ascontiguousarray(array[:, 0]), np.ascontiguousarray(array[:, 1])


class TestSlices:
    """Array work on slices."""

    @given(slices(), st.integers(0, 70))
    @settings(deadline=None)
    def test_gather(self, drawn: tuple[bytes, list[tuple[int, int]]], width: int) -> None:
        """A gather copies the bytes at each position, and zeros beyond the end."""
        raw, pairs = drawn
        start, _ = split(pairs)
        block = _slices.gather(np.frombuffer(raw, dtype=np.uint8), start, width)
        assert [row.tobytes() for row in block] == [raw[at : at + width].ljust(width, b"\0") for at in start]

    @given(slices(), st.sampled_from([1, 2]))
    @settings(deadline=None)
    def test_terminators(self, drawn: tuple[bytes, list[tuple[int, int]]], unit: int) -> None:
        """A string ends at the first NUL at its own parity, or nowhere."""
        raw, pairs = drawn
        start, length = split(pairs)
        found = _slices.find_terminator(np.frombuffer(raw, dtype=np.uint8), start, start + length, unit)
        expected = []
        for low, size in pairs:
            units = [raw[at : at + unit] for at in range(low, low + size - unit + 1, unit)]
            expected.append(units.index(bytes(unit)) * unit if bytes(unit) in units else -1)
        assert found.tolist() == expected

    @given(slices())
    @settings(deadline=None)
    def test_distinct_slices(self, drawn: tuple[bytes, list[tuple[int, int]]]) -> None:
        """Each slice's number names its own bytes, and no bytes have two numbers."""
        raw, pairs = drawn
        codes, distinct = _slices.distinct_slices(np.frombuffer(raw, dtype=np.uint8), *split(pairs))
        assert [distinct[code] for code in codes] == [raw[low : low + size] for low, size in pairs]
        assert len(set(distinct)) == len(distinct)

    def test_equal_hashes(self) -> None:
        """Two different strings with one hash stay two."""
        factor = int(_slices._LENGTH_FACTOR)
        first, second = (factor * odd % 2**64 for odd in (3, 5))
        raws = [
            struct.pack("<QQ", second, 0),
            struct.pack("<QQ", 0, first),
            bytes(16),
            struct.pack("<QQ", second, 0),
        ]
        data = np.frombuffer(b"".join(raws), dtype=np.uint8)
        codes, distinct = _slices.distinct_slices(data, np.arange(0, 64, 16), np.full(4, 16))
        assert [distinct[code] for code in codes] == raws
        assert len(distinct) == 3


class TestArrays:
    """The helpers for Arrow arrays."""

    @given(slices(), st.sampled_from(["utf-8", "utf-16-le"]))
    @settings(deadline=None)
    def test_dictionary_of_slices(self, drawn: tuple[bytes, list[tuple[int, int]]], encoding: str) -> None:
        """Slices decode as Python decodes them with replacement, and no text is in the dictionary twice."""
        raw, pairs = drawn
        array = dictionary_of_slices(np.frombuffer(raw, dtype=np.uint8), *split(pairs), encoding)
        array.validate(full=True)
        expected = [raw[low : low + size].decode(encoding, "replace") for low, size in pairs]
        assert array.to_pylist() == expected
        assert sorted(array.dictionary.to_pylist()) == sorted(set(expected))

    @given(slices())
    @settings(deadline=None)
    def test_binary_of_slices(self, drawn: tuple[bytes, list[tuple[int, int]]]) -> None:
        """Slices keep their bytes."""
        raw, pairs = drawn
        array = binary_of_slices(np.frombuffer(raw, dtype=np.uint8), *split(pairs))
        array.validate(full=True)
        assert array.to_pylist() == [raw[low : low + size] for low, size in pairs]

    @given(st.lists(st.booleans(), max_size=40), st.data())
    def test_from_numpy(self, values: list[bool], data: st.DataObject) -> None:
        """Booleans and numbers come out as they went in, null where they are not valid."""
        valid = np.array([data.draw(st.booleans()) for _ in values], dtype=np.bool_)
        for kind, dtype in ((pa.bool_(), np.bool_), (pa.uint16(), np.uint16)):
            array = from_numpy(np.array(values, dtype=dtype), kind, valid)
            array.validate(full=True)
            assert array.to_pylist() == [
                value if ok else None for value, ok in zip(values, valid, strict=True)
            ]

    def test_from_numpy_shares_memory(self) -> None:
        """A contiguous array is wrapped, not copied."""
        values = np.arange(5, dtype=np.uint64)
        assert from_numpy(values, pa.uint64()).buffers()[1].address == values.ctypes.data

    @given(st.lists(st.text(), max_size=9))
    def test_strings(self, texts: list[str]) -> None:
        """Strings come out as they went in."""
        assert strings(texts).to_pylist() == texts

    @pytest.mark.parametrize(
        "kind", [pa.int8(), pa.list_(pa.string()), pa.dictionary(pa.int32(), pa.string())]
    )
    def test_nulls_and_spread(self, kind: pa.DataType) -> None:
        """Values are put at their rows, the other rows are null, whatever the type."""
        rows = np.array([1, 3])
        assert spread(nulls(2, kind), rows, 5).to_pylist() == [None] * 5
        assert spread(nulls(0, kind), rows[:0], 2).equals(nulls(2, kind))
        assert spread(strings(["a", "b"]), rows, 5).to_pylist() == [None, "a", None, "b", None]

    def test_unique_names(self) -> None:
        """A name that occurs again gets the first suffix that is free."""
        assert unique_names(["a", "a_2", "a", "b", "a"]) == ["a", "a_2", "a_3", "b", "a_4"]


def test_pandas_is_not_imported() -> None:
    """Decoding, bad payloads included, never imports pandas."""
    code = """
import struct, sys
import numpy as np
from tracecheck.payload.tracelogging import decode, provider_traits
body = b"\\0event\\0a\\0\\x02b\\0\\x08c\\0\\x0fd\\0\\x48e\\0\\x0e"
schema = struct.pack("<H", len(body) + 2) + body
data = np.frombuffer(schema + b"text\\0" + bytes(40), dtype=np.uint8)
at = len(schema)
assert len(decode(data, [0, 0, 3], [at, at, 1], [at, at, 0], [45, 7, 0])) == 2
provider_traits(data, [0], [0])
print("pandas" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
