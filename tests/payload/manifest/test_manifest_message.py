"""Messages with their values in them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracecheck.payload.manifest.definition import Event, Field, In, Out, ValueMap
from tracecheck.payload.manifest.message import message_text, value_text

FIELDS = (
    Field("Name", In.UNICODESTRING),
    Field("Count", In.UINT32),
    Field("Flags", In.UINT32, map=ValueMap("m", True, {1: "READ", 2: "WRITE"})),
    Field("At", In.POINTER),
)
VALUES = ("abc", 42, 3, 0xFFFF8000)


def text(message, values=VALUES, fields=FIELDS):
    """Write a message."""
    return message_text(Event(1, 0, message=message, fields=fields), values)


class TestMessages:
    """FormatMessage's rules."""

    @pytest.mark.parametrize(
        ("message", "written"),
        [
            ("%1 has %2 (%3) at %4.", "abc has 42 (READ|WRITE) at 0xffff8000."),
            ("%1!s! %2!d! %2!08X! %2!#x! %4!I64x!", "abc 42 0000002A 0x2a ffff8000"),
            ("[%1!5s!][%1!-5s!][%1!.2s!][%2!5u!]", "[  abc][abc  ][ab][   42]"),
            ("%3!d!", "READ|WRITE"),
            ("a%nb%tc%%d%r%.%!% e%b", "a\nb\tc%d\r.! e "),
            ("%1%0 and no more", "abc"),
            ("100%%0 %1", "100%0 abc"),
            ("%9 %99!s! %", "%9 %99!s! %"),
            ("%1!nonsense!", "abc"),
            ("", ""),
        ],
    )
    def test_a_message(self, message, written):
        """Inserts, printf forms and escapes."""
        assert text(message) == written

    def test_ten_is_not_one_and_zero(self):
        """``%10`` is the tenth value."""
        fields = tuple(Field(str(place), In.UINT32) for place in range(1, 12))
        assert text("%10 %1", range(1, 12), fields) == "10 1"

    @given(st.text("%1234567890!sdxXn.-# ab", max_size=60), st.lists(st.text(max_size=9), max_size=4))
    def test_no_message_fails(self, message, values):
        """Whatever a manifest says, there is a text."""
        assert isinstance(text(message, values), str)

    def test_a_message_does_not_grow_without_bound(self):
        """Many inserts of a long value are cut."""
        assert len(text("%1" * 5000, ["x" * 5000])) <= 1 << 16
        assert len(text("%2!999d!" * 9000)) <= 1 << 16


class TestValues:
    """What single values are written as."""

    @pytest.mark.parametrize(
        ("field", "value", "written"),
        [
            (Field("a", In.UINT32), None, ""),
            (Field("a", In.HEXINT32), 255, "0xff"),
            (Field("a", In.INT32, Out.NTSTATUS), 0xC0000034, "0xC0000034"),
            (Field("a", In.UINT32, Out.WIN32ERROR), 5, "5"),
            (Field("a", In.BOOL32), True, "true"),
            (Field("a", In.BINARY), b"\1\2", "0102"),
            (Field("a", In.UINT8, count=2), [1, 2], "1, 2"),
            (Field("a", In.UINT8, map=ValueMap("m", False, {1: "one"})), "0x1", "one"),
            (Field("a", In.STRUCT, fields=(Field("b", In.HEXINT32),)), {"b": 16}, "{b=0x10}"),
        ],
    )
    def test_a_value(self, field, value, written):
        """By map, by type, by shape."""
        assert value_text(field, value) == written
