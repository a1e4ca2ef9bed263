"""TMF files: their bytes, the strings of annotations, and files that are written."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracecheck.errors import InputError
from tracecheck.payload.wpp.definition import Definition, Item, Members
from tracecheck.payload.wpp.tmf import parse_annotations, parse_tmf, read_tmf, write_tmf

GUID = UUID("24f9af60-27c5-3567-716b-076661de6070")
HEADER = f"{GUID} Driver // SRC=create.c MJ= MN=\n"


class TestFiles:
    """Bytes to text."""

    @pytest.mark.parametrize("coding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "latin-1"])
    @pytest.mark.parametrize("end", ["\n", "\r\n"])
    def test_every_coding_gives_the_same_messages(self, tmp_path, coding, end):
        """UTF-8, UTF-16 and Latin-1, with either line end."""
        path = tmp_path / "a.tmf"
        text = (
            f'{HEADER}#typev create_c12 10 "%0caf\u00e9 %10!d!" // FUNC=F\n{{\n\u00e4, ItemLong -- 10\n}}\n'
        )
        path.write_bytes(text.replace("\n", end).encode(coding))
        tmf = read_tmf(path)
        assert tmf.problems == ()
        assert [(one.format, one.items[0].expression) for one in tmf.definitions] == [
            ("%0caf\u00e9 %10!d!", "\u00e4")
        ]

    def test_a_missing_file_is_one_line(self, tmp_path):
        """The error names the file."""
        with pytest.raises(InputError, match=r"none\.tmf: can't be read"):
            read_tmf(tmp_path / "none.tmf")


class TestAnnotations:
    """The strings of PDBs."""

    STRINGS = (HEADER.strip(), '#typev create_c12 10 "%0a %10!d!" // LEVEL=L', "{", "x, ItemLong -- 10", "}")
    MESSAGE = Definition(
        guid=GUID,
        number=10,
        provider="Driver",
        symbol="create_c12",
        file="create.c",
        line=12,
        format="%0a %10!d!",
        items=(Item(10, "x", "ItemLong"),),
        level="L",
    )

    def test_either_order_gives_the_message(self):
        """The GUID's string comes first or behind the message; the mark of public symbols says nothing."""
        guid, *rest = self.STRINGS
        for strings in (self.STRINGS, (*rest, guid), (*self.STRINGS, "PUBLIC_TMF:")):
            tmf = parse_annotations([strings], "a.pdb")
            assert (tmf.definitions, tmf.problems) == (
                (self.MESSAGE,),
                (),
            )

    def test_repeated_messages_are_given_once(self):
        """A function that is inlined repeats its messages; only one that differs is worth a word."""
        changed = [text.replace("ItemLong", "ItemPtr") for text in self.STRINGS]
        tmf = parse_annotations([self.STRINGS, self.STRINGS, changed], "a.pdb")
        assert [one.items[0].type for one in tmf.definitions] == ["ItemLong"]
        assert [problem[:22] for problem in tmf.problems] == ["a.pdb: annotation 3: m"]


WORD = st.text(alphabet="abcXYZ_09", min_size=1, max_size=8).map(lambda text: f"w{text}")
LOOSE = st.text(alphabet='ab(,)[]"%!0/-{}#= ;\u00e9', max_size=20).map(str.strip)
EXPRESSION = LOOSE.filter(lambda text: not text.startswith(("#typev", "#enumv")))
VALUES = st.lists(WORD, min_size=1, max_size=4).map(tuple)
ENUM = st.tuples(st.just("E"), st.just((("A", 0), ("B", -2), ("C", 0xFFFFFFFF))))


@st.composite
def definitions(draw):
    """Draw the messages of some GUIDs, as a driver may have them."""
    found = []
    for guid in draw(st.lists(st.uuids(), unique=True, max_size=3)):
        for number in draw(st.lists(st.integers(0, 0xFFFF), unique=True, min_size=1, max_size=4)):
            types = draw(st.lists(st.sampled_from(["ItemLong", "ItemListLong", "ItemEnum"]), max_size=4))
            values = {"ItemLong": st.just(()), "ItemListLong": VALUES, "ItemEnum": st.just(("E",))}
            items = tuple(
                Item(10 + place, draw(EXPRESSION), kind, draw(values[kind]))
                for place, kind in enumerate(types)
            )
            file, line = draw(WORD), draw(st.integers(1, 9999))
            found.append(
                Definition(
                    guid=guid,
                    number=number,
                    provider=draw(WORD),
                    symbol=f"{file}_cpp{line}",
                    file=f"{file}.cpp",
                    line=line,
                    format=draw(LOOSE) + "".join(f" %{one.number}!s!" for one in items),
                    items=items,
                    function=draw(st.just("") | WORD),
                    level=draw(st.just("") | WORD),
                    flags=draw(st.just("") | WORD),
                    enums=(("E", Members((("A", 0), ("B", -2), ("C", 0xFFFFFFFF)))),)
                    if "ItemEnum" in types
                    else (),
                )
            )
    return found


class TestWriting:
    """`write_tmf` and `parse_tmf` are each other's opposite."""

    @given(definitions())
    def test_reading_gives_back_what_was_written(self, drawn):
        """Every message comes back whole, from the file of its GUID, in its order."""
        files = write_tmf(drawn, source="driver.pdb")
        again = []
        for name, text in files.items():
            tmf = parse_tmf(text, name)
            assert {f"{one.guid}.tmf" for one in tmf.definitions} == {name}
            again += tmf.definitions
        assert again == drawn

    def test_a_line_end_in_a_string_makes_no_second_line(self):
        """What a hostile PDB puts into a string can't become a message of its own."""
        evil = Definition(GUID, 10, "D", "a_c1", "a.c", 1, '%0"\n{\n}\n#typev x 11 "y', (), function="F\r\nG")
        (text,) = write_tmf([evil]).values()
        assert [one.number for one in parse_tmf(text, "a").definitions] == [10]
