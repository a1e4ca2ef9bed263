"""Layouts with gaps, as the catalogue's: what the payloads say of them, and where they leave a doubt."""

import time

import numpy as np
import pytest
from manifest_writing import one, problems, provider, rows, write

from tracecheck.payload.manifest.decode import decode
from tracecheck.payload.manifest.definition import Event, Field, In


class TestReadings:
    """Layouts with gaps: what the payloads say of them."""

    def test_lengths_in_characters(self):
        """Where bytes do not use the payload up and characters do, the field is a string."""
        fields = [Field("n", In.UINT16), Field("s", In.BINARY, length="n"), Field("t", In.UINT8)]
        decoded = one(fields, [b"\2\0a\0b\0\7", b"\1\0c\0\x08"], inferred=True)
        assert rows(decoded) == [[2, "ab", 7], [1, "c", 8]]
        assert one(fields, [b"\2\0ab\7"], inferred=True).table.column(1).to_pylist() == [b"ab"]

    def test_booleans_of_four_bytes(self):
        """A byte that stands for a boolean takes four."""
        decoded = one([Field("b", In.UINT8), Field("x", In.UINT16)], [b"\1\0\0\0\5\0"], inferred=True)
        assert rows(decoded) == [[True, 5]]

    @pytest.mark.parametrize("size", [4, 8])
    def test_pointers_of_the_writer(self, size):
        """A 64-bit number that is an address takes four bytes of a 32-bit writer; others keep eight."""
        real = (Field("BaseAddress", In.POINTER), Field("Time", In.UINT64))
        fields = [Field(field.name, In.UINT64) for field in real]
        decoded = one(fields, [write(real, (0x1000, 2**60), size)], size, inferred=True)
        assert rows(decoded) == [[0x1000, 2**60]]
        assert ["a guess" in (each or "") for each in problems(decoded)] == [size == 4]

    def test_pointers_that_the_sizes_prove(self):
        """Where all 64-bit numbers are pointers, or none is, the size of the payload proves it."""
        fields = [Field("BaseAddress", In.UINT64), Field("Time", In.UINT64)]
        for payload, value in ((b"\1\0\0\0\2\0\0\0", [1, 2]), (b"\1" + b"\0" * 15, [1, 0])):
            decoded = one(fields, [payload], 4, inferred=True)
            assert (rows(decoded), decoded.problems) == ([value], None)

    def test_a_string_that_would_hide_a_wrong_width_leaves_a_doubt(self):
        """Where a string behind a number takes up any shift, every row says that it is a guess."""
        fields = [Field("Type", In.UINT64), Field("Name", In.UNICODESTRING)]
        decoded = one(fields, [b"\1\0\0\0" + "name\0".encode("utf-16-le"), b""], 4, inferred=True)
        assert [text.split(":")[0] for text in problems(decoded)] == [
            "a guess",
            "the payload ends within field Type",
        ]
        assert one(fields, [b"\1" + b"\0" * 9], 8, inferred=True).problems is None

    @pytest.mark.parametrize("size", [4, 8])
    def test_arrays_of_which_one_element_is_left(self, size):
        """The last field, or the run behind a count, is an array where that uses up all payloads."""
        real = (Field("FrameCount", In.UINT32), Field("Stack", In.POINTER, count="FrameCount"))
        fields = [Field("FrameCount", In.UINT32), Field("Stack", In.UINT64)]
        values = [(2, [1, 2]), (0, []), (1, [9])]
        decoded = one(fields, [write(real, row, size) for row in values], size, inferred=True)
        assert rows(decoded) == [list(row) for row in values]

    def test_bytes_and_text_in_one_event(self):
        """Where an event has both, hashes and the like are bytes and the rest is text."""
        real = (
            Field("NameLength", In.UINT16),
            Field("Name", In.UNICODESTRING, length="NameLength"),
            Field("HashSize", In.UINT16),
            Field("Hash", In.BINARY, length="HashSize"),
        )
        fields = [Field(f.name, In.BINARY if f.length else f.in_type, length=f.length) for f in real]
        row = (2, "ab", 4, b"\1\2\3\4")
        assert rows(one(fields, [write(real, row)], inferred=True)) == [list(row)]

    def test_trying_is_bounded(self):
        """Thousands of events that fit no reading do not cost minutes."""
        fields = [("aCount", In.UINT16), ("b", In.UINT8), ("c", In.UINT64), ("d", In.UINT64)]
        layout = tuple(Field(name, in_type) for name, in_type in fields)
        owner = provider(*(Event(id_, 0, fields=layout, inferred=True) for id_ in range(2500)))
        zero = np.zeros(2500, int)
        data = np.full(1 << 16, 7, np.uint8)
        begin = time.perf_counter()
        found = decode(data, [owner], zero, np.arange(2500), zero, zero, zero + 60_001, pointer_size=4)
        assert time.perf_counter() - begin < 60
        assert len(found) == 2500

    def test_a_layout_that_is_known_is_not_read_otherwise(self):
        """A manifest's layout holds; what does not fit it is said."""
        decoded = one([Field("b", In.UINT8), Field("x", In.UINT16)], [b"\1\0\0\0\5\0"])
        assert problems(decoded) == ["3 bytes are left over"]
