"""PDBs and object files: annotations, control GUIDs, enums, and files that lie."""

import struct
import sys
import time
from uuid import UUID

import pdb_builder as build
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracecheck.errors import InputError
from tracecheck.payload.pdb_container import identity, open_pdb
from tracecheck.payload.symbol_path import store_key
from tracecheck.payload.wpp.pdb import Control, read_annotations, write_tmc

pytest.importorskip("purepdb", reason="PDBs are read by the extra 'pdb'")

FIRST = UUID("24f9af60-27c5-3567-716b-076661de6070")
SECOND = UUID("4857fab7-1162-3184-360b-cdd863ddf4ea")
CONTROL = UUID("f64b58a2-8214-4037-8c7d-b96ce6098f3d")
CONTROL_RECORD = build.annotation("TMC:", str(CONTROL), "Driver", "GENERAL", "IO", "PUBLIC_TMF:")
MEMBERS = [("Idle", 0), ("Busy", 5), ("Bad", -1), ("Big", 0x7FFFFFFF), ("Wide", 0x8000)]


@pytest.fixture
def read(tmp_path):
    """Read bytes as a file."""

    def reader(data, name="driver.pdb"):
        path = tmp_path / name
        path.write_bytes(data)
        return read_annotations(path)

    return reader


def named(found):
    """Name the messages."""
    return [(one.guid, one.number) for one in found.definitions]


def modules():
    """Symbols as a driver has them: annotations between other records, one module without any."""
    other = build.annotation("Debug", "AssertFail", "x != 0")
    return [
        build.procedure("Create")
        + build.message(FIRST, 10)
        + other
        + CONTROL_RECORD
        + build.message(FIRST, 11),
        None,
        build.procedure("Close"),
        build.message(SECOND, 10, source="close.c") + build.message(FIRST, 10),
    ]


class TestPdb:
    """A linker's PDB."""

    @pytest.mark.parametrize("block_size", [512, 4096])
    def test_all_modules_are_read(self, read, block_size):
        """Messages of all modules, each once, the control GUID with its flags, GUID and age of the file."""
        found = read(build.pdb(modules(), lines=b"\x19\x10" * 40, block_size=block_size))
        assert named(found) == [(FIRST, 10), (FIRST, 11), (SECOND, 10)]
        assert found.controls == (Control(CONTROL, "Driver", ("GENERAL", "IO")),)
        assert found.identity == (build.GUID, build.AGE)
        assert store_key(*found.identity) == "112233445566778899AABBCCDDEEFF003"
        assert found.problems == ()
        first = found.definitions[0]
        assert (first.file, first.line, first.format, first.function) == (
            "create.c",
            12,
            "%0a %10!d!",
            "Create",
        )

    def test_enums_come_from_the_types(self, read):
        """Annotations only name an enum; its members are in the type stream, as unsigned 32 bits."""
        symbols = build.message(FIRST, 10, kind="ItemEnum(_STATE)")
        found = read(build.pdb([symbols], build.enum_types("_OTHER", MEMBERS[:1]) + self.types()))
        assert found.definitions[0].enums == (
            ("_STATE", tuple((name, value & 0xFFFFFFFF) for name, value in MEMBERS)),
        )
        assert found.problems == ()

    @staticmethod
    def types():
        """Four records of another enum stand before these."""
        return build.enum_types("_STATE", MEMBERS, first=0x1004)

    def test_the_container_is_open_to_others(self, tmp_path):
        """`open_pdb` gives streams, modules and identity."""
        path = tmp_path / "driver.pdb"
        path.write_bytes(build.pdb(modules()))
        with open_pdb(path) as pdb:
            assert (len(pdb.dbi.modules), identity(pdb).age) == (4, build.AGE)

    def test_two_megabytes_are_read_in_under_two_seconds(self, read):
        """The size of a real driver's PDB."""
        symbols = b"".join(build.procedure(f"Function{number}") for number in range(3000))
        symbols += b"".join(build.message(FIRST, number) for number in range(5000))
        data = build.pdb([symbols, *[symbols[:200_000]] * 5], block_size=4096)
        assert len(data) > 2_000_000
        start = time.process_time()
        assert len(read(data).definitions) == 5000
        assert time.process_time() - start < 2


class TestObjects:
    """What clang and MSVC write before linking."""

    @pytest.mark.parametrize("big", [False, True])
    def test_all_symbol_parts_are_read(self, read, big):
        """Both headers; several sections with several parts, among lines and string tables."""
        first = build.debug_s(
            (0xF2, b"lines"), (0xF1, build.message(FIRST, 10, kind="ItemEnum(_STATE)")), (0xF3, b"a")
        )
        second = build.debug_s(
            (0xF1, build.procedure("f")), (0xF1, CONTROL_RECORD + build.message(SECOND, 7))
        )
        types = struct.pack("<I", 4) + build.enum_types("_STATE", MEMBERS)
        sections = [(b".text", b"\xc3"), (b".debug$S", first), (b".debug$S", second), (b".debug$T", types)]
        found = read(build.coff(sections, big=big), "create.obj")
        assert named(found) == [(FIRST, 10), (SECOND, 7)]
        assert found.definitions[0].enums[0][1][:2] == (("Idle", 0), ("Busy", 5))
        assert (found.controls[0].guid, found.identity, found.problems) == (CONTROL, None, ())

    def test_sections_that_overlap_are_no_bomb(self, read):
        """Many sections of the same bytes cost no more than the file's size."""
        section = build.debug_s((0xF1, build.message(FIRST, 10) * 5000))
        data = bytearray(build.coff([(b".debug$S", section)] + [(b".debug$S", b"")] * 2000))
        for place in range(2000):
            data[20 + 40 * place : 60 + 40 * place] = data[20:60]
        start = time.process_time()
        found = read(bytes(data), "bomb.obj")
        assert (named(found), time.process_time() - start < 2) == ([(FIRST, 10)], True)
        assert found.problems == ("bomb.obj: its sections overlap; the rest of them is not read",)


class TestBadFiles:
    """One line for the user, or what can be read and what can't."""

    def test_every_cut_is_an_answer(self, tmp_path):
        """A PDB cut anywhere is one error line; an object file gives what it still has."""
        path = tmp_path / "cut.pdb"
        whole = build.pdb(modules())
        for size in range(0, len(whole), 97):
            path.write_bytes(whole[:size])
            with pytest.raises(InputError, match=r"cut\.pdb"):
                read_annotations(path)
        section = build.debug_s((0xF1, build.message(FIRST, 10) + build.message(FIRST, 11)))
        whole = build.coff([(b".debug$S", section)])
        for size in range(60, len(whole), 13):
            path.write_bytes(whole[:size])
            found = read_annotations(path)
            assert found.problems
            assert named(found) == [(FIRST, 10), (FIRST, 11)][: len(found.definitions)]

    @given(st.data())
    def test_no_change_of_bytes_ends_in_a_traceback(self, tmp_path_factory, data):
        """Whatever a few changed words say, there is an answer or an InputError."""
        types = build.enum_types("_STATE", MEMBERS)
        symbols = [
            build.message(FIRST, 10, kind="ItemEnum(_STATE)") + CONTROL_RECORD,
            build.message(SECOND, 1),
        ]
        section = build.debug_s(*((0xF1, one) for one in symbols))
        parts = [(b".debug$S", section), (b".debug$T", b"\4\0\0\0" + types)]
        raw = bytearray(data.draw(st.sampled_from([build.pdb(symbols, types), build.coff(parts)])))
        words = st.sampled_from([0, 1, 4, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF]) | st.integers(0, 0xFFFFFFFF)
        for _ in range(data.draw(st.integers(1, 4))):
            struct.pack_into("<I", raw, data.draw(st.integers(0, len(raw) - 4)), data.draw(words))
        path = tmp_path_factory.getbasetemp() / "changed.pdb"
        path.write_bytes(raw)
        try:
            read_annotations(path)
        except InputError as error:
            assert "\n" not in str(error)  # noqa: PT017 - either outcome is right

    def test_lies_inside_a_module_cost_that_module_only(self, read):
        """A record that is longer than its stream, and an annotation with fewer strings than it says."""
        lying = build.message(FIRST, 10) + struct.pack("<HH", 0x7000, 0x1019) + b"TMF:\0"
        short = build.annotation("TMC:", str(CONTROL), "Driver", count=9)
        found = read(build.pdb([lying, short + build.message(SECOND, 10)]))
        assert named(found) == [(FIRST, 10), (SECOND, 10)]
        assert [problem.split(": ")[1] for problem in found.problems] == ["module 1", "module 2"]
        assert found.controls == (Control(CONTROL, "Driver", ()),)

    def test_unreadable_annotations_are_said(self, read):
        """A control GUID that is none and a message without its GUID."""
        found = read(
            build.pdb([build.annotation("TMC:", "nonsense", "D") + build.annotation("TMF:", "{", "}")])
        )
        assert (found.definitions, found.controls, len(found.problems)) == ((), (), 2)

    @pytest.mark.parametrize("data", [b"", b"MZ\x90\0", b"BSJB" + bytes(90), b"text of no kind\n" * 9])
    def test_other_files_are_one_line(self, read, data):
        """What is neither is said to be neither."""
        with pytest.raises(InputError, match=r"x\.bin: is neither a PDB \(MSF 7\.00\) nor an object file"):
            read(data, "x.bin")

    def test_without_the_extra_the_error_says_how_to_get_it(self, read, monkeypatch):
        """PDBs need purepdb; object files do not."""
        monkeypatch.setitem(sys.modules, "purepdb", None)
        with pytest.raises(InputError, match=r'pip install "tracecheck\[pdb\]"$'):
            read(build.pdb(modules()))
        assert named(read(build.coff([(b".debug$S", build.debug_s((0xF1, build.message(FIRST, 1))))])))


def test_a_tmc_file_names_guid_and_flags():
    """One file for each control GUID."""
    assert write_tmc([Control(CONTROL, "Driver", ("GENERAL", "IO"))], "driver.pdb") == {
        f"{CONTROL}.tmc": f"// PDB:  driver.pdb\n{CONTROL} Driver\nGENERAL\nIO\n"
    }
