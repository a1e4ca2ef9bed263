"""Lines of text: what a printf format has written is read back."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lines_of_profiles import operations, profile

from tracecheck.payload.wpp.printf import format_integer, format_text, parse_spec

NUMBERS = st.integers(0, (1 << 32) - 1)
WORDS = st.text(
    st.characters(codec="utf-8", exclude_characters="\x00", exclude_categories=["Cs"]), max_size=20
)
SPECS = ["p", "x", "X", "08x", "#x", "I64x", "u", "d", "5d", "-12u", "lu", "#010X"]


def row(mine, text):
    """Read one line; None where the profile does not know it."""
    rows = operations(mine, [(1, 4, text)])
    return rows[0] if rows else None


class TestConversions:
    """Every conversion of printf is read back."""

    @settings(deadline=None)
    @given(st.sampled_from(SPECS), NUMBERS, WORDS)
    def test_numbers_come_back(self, spec, number, word):
        """Any width, flag and base; whatever text stands beside it."""
        mine = profile(f'text = "at %s: [%{spec}] done\\n"\nroutine = "FltAllocateContext"\nsize = 2')
        shown = format_integer(parse_spec(spec), number, 32, 8)
        found = row(mine, f"at {format_text(parse_spec('s'), word)}: [{shown}] done\n")
        assert found["size"] == number

    @pytest.mark.parametrize(
        ("text", "pointer"),
        [
            ("FFFFAC04A21CD8A0", 0xFFFFAC04A21CD8A0),
            ("ffffac04`a21cd8a0", 0xFFFFAC04A21CD8A0),
            ("0xffffac04a21cd8a0", 0xFFFFAC04A21CD8A0),
            ("A21CD8A0", 0xA21CD8A0),
            ("(null)", 0),
            ("0000000000000000", 0),
        ],
    )
    def test_pointers_in_every_spelling(self, text, pointer):
        """Kernel %p, WinDbg's backtick, 0x, 32 bits and NULL."""
        mine = profile('text = "use %p"\nroutine = "ContextUse"\ncontext = 1')
        assert row(mine, f"use {text}")["context"] == pointer

    @pytest.mark.parametrize(
        ("conversion", "text", "status"),
        [
            ("%!STATUS!", "0xc0000225(STATUS_NOT_FOUND)", 0xC0000225),
            ("%!STATUS!", "STATUS_NOT_FOUND", 0xC0000225),
            ("%!STATUS!", "STATUS_ACCESS_DENIED", 0xC0000022),
            ("%s", "STATUS_FLT_DELETING_OBJECT", 0xC01C000B),
            ("0x%08X", "0xC01C000B", 0xC01C000B),
            ("%x", "c01c0002", 0xC01C0002),
            ("%d", "-1073741275", 0xC0000225),
            ("%0x8x", "c01c00028x", 0xC01C0002),
        ],
    )
    def test_statuses_in_every_spelling(self, conversion, text, status):
        """Names, hexadecimal, decimal, and the broken format of a real driver."""
        mine = profile(f'text = "got {conversion}"\nroutine = "FltGetFileContext"\nstatus = 1')
        assert row(mine, f"got {text}")["status"] == status

    @pytest.mark.parametrize(
        "text", ["use 10 more", "used 10", "use", "use xyz", "use 10 20", "please use 10"]
    )
    def test_other_lines_are_other_messages(self, text):
        """A pattern is anchored at both ends."""
        assert row(profile('text = "use %p"\nroutine = "ContextUse"\ncontext = 1'), text) is None

    def test_blanks_and_line_ends_do_not_count(self):
        """Blanks of any number and kind are one; those at the ends are none."""
        mine = profile('text = "use of  %p \\n \\tby %s\\n"\nroutine = "ContextUse"\ncontext = 1')
        assert row(mine, "  use\tof 10\r\n by me")["context"] == 16

    def test_of_a_message_of_several_lines_the_first_is_enough_in_a_log_of_lines(self):
        """Where logs are cut at line ends, the arguments of the first line are read, if that is asked."""
        mine = profile('text = "use of %p\\n count %x\\n"\nroutine = "ContextUse"\ncontext = 1\nphase = 2')
        assert operations(mine, [(1, 4, "use of 10")]) == []
        (found,) = operations(mine, [(1, 4, "use of 10")], cut=True)
        assert (found["context"], found["phase"]) == (16, None)

    def test_the_function_that_a_text_names_is_the_call_site(self):
        """%!FUNC! is no argument, and yet the function."""
        mine = profile('text = "%!FUNC!: use %p"\nroutine = "ContextUse"\ncontext = 1')
        assert row(mine, "MyPreRead: use 10")["function"] == "MyPreRead"


class TestConditions:
    """A line that means one thing or another."""

    GOT = 'text = "got %p created %x"\ncontext = 1\n'
    MINE = profile(
        f'{GOT}routine = "FltAllocateContext"\n[message.when]\n2 = "true"',
        f'{GOT}routine = "FltGetStreamContext"\n[message.when]\n2 = "false"',
        f'{GOT}routine = "FltReferenceContext"\n[message.when]\n1 = "!16"',
    )

    def test_each_message_of_a_text_has_its_own_condition(self):
        """One line gives as many operations as conditions hold."""
        assert [r["routine"] for r in operations(self.MINE, [(1, 4, "got 10 created 1")])] == [
            "FltAllocateContext"
        ]
        assert [r["routine"] for r in operations(self.MINE, [(1, 4, "got 20 created 0")])] == [
            "FltGetStreamContext",
            "FltReferenceContext",
        ]


class TestHostileLines:
    """Lines that are made to take long."""

    def test_time_is_linear_in_the_text(self):
        """A format of many strings against a long line that almost matches ends at once."""
        mine = profile('text = "%s a %s a %s a %s a %s a %p end"\nroutine = "ContextUse"\ncontext = 6')
        started = time.monotonic()
        assert row(mine, "a " * 50_000 + "10 END") is None
        assert time.monotonic() - started < 5
