"""TMF text: every message of a real driver, the whole grammar, and nothing lost in silence."""

import re
import time
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracecheck.payload.wpp.definition import Item
from tracecheck.payload.wpp.tmf import parse_tmf, read_tmf, write_tmf

GUID = UUID("24f9af60-27c5-3567-716b-076661de6070")
OTHER = UUID("4857fab7-1162-3184-360b-cdd863ddf4ea")
HEADER = f"{GUID} Driver // SRC=create.c MJ= MN=\n"


def message(typev='#typev create_c12 10 "%0text %10!d!" // LEVEL=L', body="x, ItemLong -- 10"):
    """Read a text of one message and give it; there must be no problem."""
    tmf = parse_tmf(f"{HEADER}{typev}\n{{\n{body}\n}}\n", "a.tmf")
    assert tmf.problems == ()
    (definition,) = tmf.definitions
    return definition


def item(line):
    """Read an argument's line."""
    return message('#typev create_c12 10 "%0text"', line).items[0]


class TestRealFiles:
    """TMFs that Microsoft's tools wrote."""

    def test_all_messages_of_a_signed_driver(self, corpus):
        """637 messages are read, each with every argument that its format shows, and nothing is left over."""
        path = corpus / "tmf" / "systeminformer.tmf"
        tmf = read_tmf(path)
        assert tmf.problems == ()
        assert len(tmf.definitions) == 637
        text = path.read_text()
        assert sum(len(one.items) for one in tmf.definitions) == len(
            re.findall(r"^.*, Item.* -- \d+$", text, re.M)
        )
        for one in tmf.definitions:
            shown = {int(number) for number in re.findall(r"%(\d\d)!", one.format.removeprefix("%0"))}
            assert shown == {item.number for item in one.items}
            assert one.level.startswith("TRACE_LEVEL_")
            assert (one.provider, one.line is None, one.flags == "") == ("KSystemInformer", False, False)
            assert one.symbol == f"{one.file.replace('.', '_')}{one.line}"

    def test_what_is_written_is_what_was_read(self, corpus):
        """All real definitions come back from the files that are written of them."""
        paths = [corpus / "tmf" / "systeminformer.tmf", *sorted((corpus / "wpp" / "tmf").iterdir())]
        assert len(paths) > 6
        for path in paths:
            tmf = read_tmf(path)
            again = [
                one
                for text in write_tmf(tmf.definitions).values()
                for one in parse_tmf(text, "x").definitions
            ]
            assert (tmf.problems, sorted(again, key=repr)) == ((), sorted(tmf.definitions, key=repr))

    def test_a_file_is_written_as_tracepdb_writes_it(self, corpus):
        """But for the comments at its top and an empty trailer, every line is that of Microsoft's tool."""
        for path in sorted((corpus / "wpp" / "tmf").iterdir()):
            lines = [line for line in path.read_text().splitlines() if not line.startswith("//")]
            assert write_tmf(read_tmf(path).definitions)[path.name].splitlines() == lines


class TestMessageLines:
    """The `#typev` line."""

    @pytest.mark.parametrize(
        ("rest", "text", "trailer"),
        [
            ('"%0a" //   LEVEL=L FLAGS=F FUNC=Fn', "%0a", ("L", "F", "Fn")),
            ('"%0a" // FUNC=Fn EVENT=F LEVEL=L', "%0a", ("L", "F", "Fn")),
            ('"%0a" // Flags=F', "%0a", ("", "F", "")),
            (
                '"%0a" // FUNC=Ns::Class<int, 4>::operator () LEVEL=L',
                "%0a",
                ("L", "", "Ns::Class<int, 4>::operator ()"),
            ),
            ('"%0a" // FUNC=operator= LEVEL=L', "%0a", ("L", "", "operator=")),
            ('"%0a"', "%0a", ("", "", "")),
            ('"%0a" //', "%0a", ("", "", "")),
            ('"%0say "hi" to "x"" // LEVEL=L', '%0say "hi" to "x"', ("L", "", "")),
            ('"%0see "a" // b" // LEVEL=L', '%0see "a" // b', ("L", "", "")),
            ('"%0see "a" // b"', '%0see "a" // b', ("", "", "")),
            ('"%0http://x" // LEVEL=L', "%0http://x", ("L", "", "")),
            ('"" // LEVEL=L', "", ("L", "", "")),
        ],
    )
    def test_the_format_ends_at_the_last_quote_before_the_trailer(self, rest, text, trailer):
        """Quotes inside are not escaped; the trailer's keys come in any order, or not at all."""
        one = message(f"#typev create_c12 10 {rest}", "")
        assert (one.format, (one.level, one.flags, one.function)) == (text, trailer)

    @pytest.mark.parametrize(
        ("symbol", "source", "place"),
        [
            ("create_c12", "create.c", ("create.c", 12)),
            ("my_file_cpp7", "", ("my_file.cpp", 7)),
            ("Unknown_cxx00", "Unknown_cxx00", ("Unknown_cxx00", None)),
            ("driver_109", "lib.rs", ("lib.rs", 109)),
            ("name", "", ("", None)),
        ],
    )
    def test_file_and_line_are_told_by_source_and_symbol(self, symbol, source, place):
        """SRC= says the file, else the symbol does; the symbol says the line, 0 says none."""
        tmf = parse_tmf(f'{GUID} Driver // SRC={source} MJ= MN=\n#typev {symbol} 10 "%0a"\n{{\n}}', "a.tmf")
        assert [(one.file, one.line) for one in tmf.definitions] == [place]

    def test_several_messages_share_a_body(self):
        """Each of the `#typev` lines above a body has its arguments; one with no body has none."""
        text = (
            f'{HEADER}#typev a_c1 10 "%0a %10!d!"\n#typev a_c2 11 "%0b %10!x!" // LEVEL=L\n'
            "{\nx, ItemLong -- 10\n}\n"
            f'#typev a_c3 12 "%0none"\n{OTHER} Driver // SRC=b.c\n#typev b_c1 10 "%0c"\n{{}}\n'
        )
        tmf = parse_tmf(text, "a.tmf")
        assert tmf.problems == ()
        assert [(one.guid, one.number, len(one.items)) for one in tmf.definitions] == [
            (GUID, 10, 1),
            (GUID, 11, 1),
            (GUID, 12, 0),
            (OTHER, 10, 0),
        ]

    def test_the_guid_may_come_behind_its_messages(self):
        """A text that begins with a message and ends with a GUID has each GUID below its messages."""
        one = '#typev a_c1 10 "%0a"\n{\n}\n'
        tmf = parse_tmf(f"{one}{HEADER}{one}{OTHER} Driver\n", "a.tmf")
        assert ([one.guid for one in tmf.definitions], tmf.problems) == ([GUID, OTHER], ())

    def test_a_lost_guid_costs_its_own_messages_only(self):
        """Messages without a readable GUID are problems; they are never given to a neighbour's GUID."""
        one = '#typev a_c{} 10 "%0a"\n{{\n}}\n'
        broken = "24f9af60-27c5-3567 Driver // SRC=b.c MJ= MN=\n"
        tmf = parse_tmf(one.format(1) + HEADER + one.format(2) + broken + one.format(3), "a.tmf")
        assert [one.symbol for one in tmf.definitions] == ["a_c2"]
        assert [problem.split(": ", 1)[1][:40] for problem in tmf.problems] == [
            "line 8: is no line of a TMF: 24f9af60-27",
            "line 1: a_c1 has no message GUID",
            "line 9: a_c3 has no message GUID",
        ]


class TestArguments:
    """The lines of a body."""

    @pytest.mark.parametrize(
        ("line", "expected"),
        [
            ("x, ItemLong -- 10", Item(10, "x", "ItemLong")),
            ('f(a, b[1,2], "s, t"), ItemPtr -- 11', Item(11, 'f(a, b[1,2], "s, t")', "ItemPtr")),
            ("f(a, ItemB), ItemLong -- 10", Item(10, "f(a, ItemB)", "ItemLong")),
            ("f(a, ItemB(c)), ItemLong -- 10", Item(10, "f(a, ItemB(c))", "ItemLong")),
            ("s), t, ItemString -- 10", Item(10, "s), t", "ItemString")),
            ("x, ItemListLong(false,true) -- 10", Item(10, "x", "ItemListLong", ("false", "true"))),
            ("x, ItemSetLong(1, 2,, b (c,d)) -- 10", Item(10, "x", "ItemSetLong", ("1", "2", "", "b (c,d)"))),
            ("x, ItemListByte(a(,b) -- 10", Item(10, "x", "ItemListByte", ("a(,b",))),
            (
                "x, ItemListShort(Low=1,High=0x10) -- 10",
                Item(10, "x", "ItemListShort", ("Low=1", "High=0x10")),
            ),
            ("a -- 3, ItemLong -- 10", Item(10, "a -- 3", "ItemLong")),
            ("x, ItemLong // 10", Item(10, "x", "ItemLong")),
            ("// not a comment, ItemLong -- 10", Item(10, "// not a comment", "ItemLong")),
            ("}, ItemLong -- 10", Item(10, "}", "ItemLong")),
        ],
    )
    def test_the_type_is_behind_the_last_comma_that_can_part_it(self, line, expected):
        """Commas, brackets, parentheses and strings belong to the expression."""
        assert item(line) == expected

    def test_enums_go_to_the_messages_that_name_them(self):
        """`#enumv` stands anywhere in the file, with hex, decimal and negative values."""
        text = (
            f'{HEADER}#typev a_c1 10 "%0a %10!s! %11!s! %12!s!"\n'
            "{\ns, ItemEnum(_S) -- 10\nf, ItemFlagsEnum(F) -- 11\ns, ItemEnum(_S) -- 12\n}\n"
            "#enumv _S\n{\nIdle,0x0\nBusy, 5\nBad,-1\n}\n#enumv F\n{\nRead = 0x80000000\n}\n"
            "#enumv Unused\n{\n}\n"
        )
        tmf = parse_tmf(text, "a.tmf")
        assert tmf.problems == ()
        assert tmf.definitions[0].enums == (
            ("_S", (("Idle", 0), ("Busy", 5), ("Bad", -1))),
            ("F", (("Read", 0x80000000),)),
        )
        assert tmf.definitions[0].items[0] == Item(10, "s", "ItemEnum", ("_S",))


class TestProblems:
    """What can't be read is said, with its line, and the rest is read."""

    @pytest.mark.parametrize(
        ("text", "messages", "problem"),
        [
            ("nonsense\n", 0, "line 2: is no line of a TMF: nonsense"),
            ('#typev a_c1 x "%0a"\n', 0, 'line 2: is not of the form #typev NAME NUMBER "FORMAT": '),
            ('#typev a_c1 70000 "%0a"\n', 0, "line 2: the message number 70000 has more than 16 bits"),
            ('#typev a_c1 10 "%0a\n', 0, "line 2: the format string has no closing quote"),
            ("{\n}\n", 0, "line 2: a body stands here without"),
            (
                '#typev a_c1 10 "%0a"\n{\nwhat\n}\n',
                1,
                "line 4: is not of the form EXPRESSION, ItemTYPE -- NUMBER: what",
            ),
            ('#typev a_c1 10 "%0a"\n{\n', 1, "the last body is not closed with }; the file may be cut"),
            (
                '#typev a_c1 10 "%0a"\n{\n#typev a_c2 11 "%0b"\n{\n}\n',
                2,
                "line 4: begins before the body above it",
            ),
            ('#typev a_c1 10 "%0%12!d! %%13!d!"\n{\n}\n', 1, "line 2: the format of a_c1 shows %12, which"),
            (
                '#typev a_c1 10 "%0a"\n{\ns, ItemEnum(E) -- 10\n}\n',
                1,
                "line 2: the enum E is defined nowhere",
            ),
            (
                f'#typev a_c1 10 "%0a"\n{{\n{GUID} Driver\n#typev a_c2 11 "%0b"\n',
                2,
                "line 4: begins before the body",
            ),
            ("#enumv E\n{\nA,B\n}\n", 0, "line 4: is not of the form NAME,VALUE: A,B"),
        ],
    )
    def test_each_fault_is_one_line(self, text, messages, problem):
        """The line of the fault and what is wrong; the messages around it are there."""
        tmf = parse_tmf(HEADER + text, "a.tmf")
        assert (len(tmf.definitions), len(tmf.problems)) == (messages, 1)
        assert tmf.problems[0].startswith(f"a.tmf: {problem}")

    def test_arguments_behind_an_unreadable_one_are_not_given(self):
        """Their place in the payload can't be found, so none is better than a wrong one."""
        text = f'{HEADER}#typev a_c1 10 "%0a"\n{{\na, ItemLong -- 10\n??\nc, ItemLong -- 12\n}}\n'
        assert [item.number for item in parse_tmf(text, "a").definitions[0].items] == [10]

    def test_a_flood_of_faults_is_counted(self):
        """A hundred lines tell enough; the rest is a number."""
        problems = parse_tmf("?\n" * 5000, "a.tmf").problems
        assert (len(problems), problems[-1]) == (101, "a.tmf: 4,900 more problems")

    @given(st.text(alphabet='#typev enum{}()",%0!/- \nItemLongE=1a', max_size=300))
    def test_no_text_ends_the_reading(self, text):
        """Whatever the text, there is an answer, and no message has another GUID than the one above it."""
        assert {one.guid for one in parse_tmf(HEADER + text, "a.tmf").definitions} <= {GUID}

    @pytest.mark.parametrize(
        "text",
        [
            '#typev a 1 "' + '" ' * 500_000,
            '#typev a 1 "' + '"//' * 300_000 + "x",
            "#typev " + "a_" * 500_000 + ' 1 "x"',
            "#typev" + " " * 1_000_000,
            '#typev a 1 "x"\n{\n' + "," * 1_000_000 + " -- 10",
            '#typev a 1 "x"\n{\n' + ", ItemA(" * 150_000 + ") -- 10",
            '#typev a 1 "x"\n{\n' + "(" * 1_000_000 + ") -- 10",
            '#typev a 1 "x"\n{\nx, ItemListLong(' + "a," * 500_000 + "()) -- 10",
            '#typev a 1 "' + "%1" * 500_000 + '"',
        ],
    )
    def test_a_long_line_costs_no_more_than_its_length(self, text):
        """A megabyte in one line is read at once, whatever it repeats."""
        start = time.process_time()
        parse_tmf(HEADER + text, "a.tmf")
        assert time.process_time() - start < 5
