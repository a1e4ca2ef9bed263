"""Suppression files: what they match, and how what is wrong with one is told."""

from contextlib import suppress
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracecheck.errors import InputError
from tracecheck.triage import parse_suppressions, wildcard
from tracecheck.triage.suppressions import stack_matches

PATTERN = st.text("ab*?", max_size=12)
TEXT = st.text("ab", max_size=12)


def naive(pattern, text):
    """Match as the definition says: a star is nothing, or one character and a star."""
    if not pattern:
        return not text
    if pattern[0] == "*":
        return naive(pattern[1:], text) or (bool(text) and naive(pattern, text[1:]))
    return bool(text) and pattern[0] in ("?", text[0]) and naive(pattern[1:], text[1:])


class TestWildcards:
    """``*`` and ``?``."""

    @given(PATTERN, TEXT)
    def test_a_pattern_matches_what_its_definition_matches(self, pattern, text):
        """The fast match is the recursive definition's."""
        assert wildcard(pattern, text) == naive(pattern, text)

    def test_many_stars_take_no_time(self):
        """A pattern that makes backtracking matchers hang is answered at once."""
        assert not wildcard("a*" * 200 + "b", "a" * 2000)


FRAMES = st.lists(st.sampled_from(["A (a.c:1)", "B+0x1", "C.sys+0x2"]), max_size=6)
PARTS = st.lists(st.sampled_from(["...", "A", "A (a.c:*)", "B", "C.sys", "*"]), min_size=1, max_size=5)


def naive_stack(parts, frames):
    """Match as the definition says: what calls the last frame of a pattern may be anything."""
    if not parts:
        return True
    if parts[0] == "...":
        return naive_stack(parts[1:], frames) or (bool(frames) and naive_stack(parts, frames[1:]))
    names = [frames[0], frames[0].split(" (")[0].split("+")[0]] if frames else []
    return any(naive(parts[0], name) for name in names) and naive_stack(parts[1:], frames[1:])


class TestStacks:
    """``stack:`` patterns."""

    @given(PARTS, FRAMES)
    def test_a_pattern_matches_what_its_definition_matches(self, parts, frames):
        """The fast match is the recursive definition's."""
        assert stack_matches(" < ".join(parts), frames) == naive_stack(parts, frames)

    def test_every_pattern_has_to_match_some_stack(self):
        """Like sites: each line of a block may be met by another operation's stack."""
        (one,) = parse_suppressions("{\nreason: r\nstack: Get < Create\nstack: ... < Close\n}", "f")
        get, close = ["Get+0x1", "Create (a.c:1)", "FLTMGR.SYS+0x1"], ["Put+0x1", "Close+0x1"]
        assert one.stacks == ("Get < Create", "... < Close")
        assert one.matches("L09", "stream", "s", [], [get, close])
        assert not one.matches("L09", "stream", "s", [], [get])
        assert not one.matches("L09", "stream", "s", [])

    def test_many_gaps_take_no_time(self):
        """A pattern that makes backtracking matchers hang is answered at once."""
        assert not stack_matches(" < ".join(["...", "A"] * 40 + ["B"]), ["A"] * 32)


class TestFiles:
    """Both forms."""

    def test_a_line_and_a_block(self):
        """Both forms say the same things, and know where they stand."""
        text = (
            "# known\n"
            "L09:SimPreRead*  # reason: dropped at unload; expires: 2027-01-31\n"
            "leak:* (work.c:*) # kept\n"
            "{\n   reason: the worker keeps it\n   rule: L01, L02\n   type: stream handle, stream\n"
            "   site: SimA, SimB\n   site: *\n   expires: 2026-12-31\n}\n"
        )
        line, short, block = parse_suppressions(text, "f")
        assert (line.rules, line.sites, line.reason) == (("L09",), ("SimPreRead*",), "dropped at unload")
        assert (line.expires, line.place) == (date(2027, 1, 31), "f:2")
        assert (short.rules, short.sites, short.reason) == (("L*",), ("* (work.c:*)",), "kept")
        assert (block.rules, block.types) == (("L01", "L02"), ("stream handle", "stream"))
        assert (block.sites, block.place) == (("SimA, SimB", "*"), "f:4")

    def test_what_matches(self):
        """Rule, type and every site pattern have to match; sites may be any of the finding's."""
        (one,) = parse_suppressions("{\nreason: r\nrule: L0?\ntype: stream\nsite: Pre*\nsite: *.c:7)\n}", "f")
        assert one.matches("L09", "stream", "s", ["PreRead", "PreRead (a.c:7)"])
        assert not one.matches("L10", "stream", "s", ["PreRead", "PreRead (a.c:7)"])
        assert not one.matches("L09", "stream handle", "s", ["PreRead", "PreRead (a.c:7)"])
        assert not one.matches("L09", "stream", "s", ["PreRead"])
        assert not one.matches("L09", "stream", "s", [])

    def test_the_last_day_is_one_on_which_it_holds(self):
        """An entry holds on the day that it names, and not on the next."""
        (one,) = parse_suppressions("L09:x # r; expires: 2026-11-21", "f")
        assert one.holds(date(2026, 11, 21))
        assert not one.holds(date(2026, 11, 22))

    @pytest.mark.parametrize(
        ("text", "why"),
        [
            ("L09", "f:1: write RULE:SITE"),
            ("\nL09:x", "f:2: write RULE:SITE"),
            ("{\nreason: r\n}", "f:1: suppresses everything"),
            ("{\nreason: r\nstack:\n}", "f:3: 'stack' is none of"),
            ("{\nrule: L09\n}", "f:1: has no reason"),
            ("L09:x #", "f:1: has no reason"),
            ("{\nrule: L09\nreason: r", "f:1: this block has no end"),
            ("{\nrules: L09\n}", "f:2: 'rules' is none of rule, type"),
            ("L09:x # r; expires: soon", "f:1: 'soon' is no day"),
            ("{\nreason: r\nrule: L09\nexpires: 2026-02-30\n}", "f:4: '2026-02-30' is no day"),
        ],
    )
    def test_what_is_wrong_is_told_with_its_line(self, text, why):
        """A malformed entry is one error that names file and line."""
        with pytest.raises(InputError, match=r"^" + why.replace("[", r"\[")):
            parse_suppressions(text, "f")

    @given(st.text(st.characters(codec="utf-8"), max_size=200))
    def test_any_text_is_entries_or_one_error(self, text):
        """Whatever stands in a file, it gives suppressions with a reason, or an InputError."""
        found = []
        with suppress(InputError):
            found = parse_suppressions(text, "f")
        assert all(each.reason for each in found)
