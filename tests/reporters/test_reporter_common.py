"""What all reports share: text made harmless, pointers, times."""

import json
import math
from datetime import datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracecheck.reporters.common import clean, clock, columns, count, day, dump, duration, iso_time, pointer

INT64 = st.integers(-(2**63), 2**63 - 1)


class TestClean:
    """Text from a trace."""

    @given(st.text(st.characters()))
    def test_nothing_that_steers_a_terminal_is_left(self, text):
        """Whatever a trace says, what is shown is printable."""
        assert clean(text).isprintable()

    @given(st.text(st.characters(categories=["L", "N", "P", "S"])))
    def test_printable_text_stays_as_it_is(self, text):
        """Letters of all scripts, digits, marks of punctuation and symbols are not touched."""
        assert clean(text) == text

    @pytest.mark.parametrize(
        ("text", "shown"),
        [
            ("\x1b]0;title\x07", r"\x1b]0;title\x07"),
            ("a\r\nb\tc", r"a\x0d\x0ab\x09c"),
            ("\x9b31m", r"\x9b31m"),
            ("user\u202egnp.exe", r"user\u202egnp.exe"),
            ("\u2066\u200f\ufeff\u2028", r"\u2066\u200f\ufeff\u2028"),
            ("\U000e0041", r"\U000e0041"),
            ("\ud800", r"\ud800"),
        ],
    )
    def test_each_kind_of_hidden_text_is_shown_as_an_escape(self, text, shown):
        """Terminal escapes, line ends, bidirectional marks, tags and broken UTF-16 become visible."""
        assert clean(text) == shown


class TestNumbers:
    """Pointers, times and counts."""

    @pytest.mark.parametrize(
        ("value", "text"),
        [(0, "0x0"), (1, "0x1"), (2**63, "0x8000000000000000"), (2**64 - 1, "0x" + "f" * 16), (None, None)],
    )
    def test_pointers_are_hexadecimal_and_exact(self, value, text):
        """No pointer is rounded or signed; none at all stays null."""
        assert pointer(value) == text

    @given(INT64)
    def test_times_agree_with_numpy(self, nanoseconds):
        """Every time that 64 bits hold is written to the nanosecond."""
        expected = (
            "1677-09-21T00:12:43.145224192"
            if nanoseconds == -(2**63)
            else str(np.datetime64(nanoseconds, "ns"))
        )
        assert iso_time(nanoseconds) == f"{expected}Z"
        assert f"{day(nanoseconds)}T{clock(nanoseconds)}Z" == iso_time(nanoseconds)

    @pytest.mark.parametrize(
        ("nanoseconds", "text"),
        [
            (0, "0 ns"),
            (999, "999 ns"),
            (1_500, "1.500 us"),
            (2_000_000, "2.000 ms"),
            (61_000_000_000, "61.000 s"),
        ],
    )
    def test_durations_have_the_unit_that_a_reader_expects(self, nanoseconds, text):
        """A length of time is written in the largest unit that it fills."""
        assert duration(nanoseconds) == text

    def test_counts_agree_with_their_nouns(self):
        """One event, two events."""
        assert [count(n, "event") for n in (0, 1, 2000)] == ["0 events", "1 event", "2,000 events"]


class TestDump:
    """One line of JSON."""

    @given(
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        )
    )
    def test_json_is_strict_and_ascii(self, value):
        """Every value gives one line of JSON proper, which has no name for a number that is none."""
        line = dump(value)
        assert line.isascii()
        assert line.isprintable()
        json.loads(line, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))

    def test_numbers_that_are_none_are_named(self):
        """Infinities and NaN become their names."""
        assert (
            dump({"a": [math.inf, -math.inf, math.nan, 1.5]})
            == '{"a": ["Infinity", "-Infinity", "NaN", 1.5]}'
        )


def test_columns_are_as_wide_as_their_widest_cell():
    """Cells line up, and no line ends in blanks."""
    assert columns([("a", "1", ""), ("bcd", "20", "x")], (False, True, False)) == ["a     1", "bcd  20  x"]


def test_times_are_what_python_reads():
    """The standard library reads the times back, to its microsecond."""
    assert datetime.fromisoformat("2026-01-02T03:04:05.000000006Z").year == int(
        day(1_767_323_045_000_000_006)[:4]
    )
