"""Finding definitions: which source is asked, in which order, and what is opened for it."""

import os
import sys
from pathlib import Path
from uuid import UUID

import pdb_builder as build
import pytest

from tracecheck.errors import InputError
from tracecheck.payload.wpp import _places, search
from tracecheck.payload.wpp.search import Definitions

pytest.importorskip("purepdb", reason="PDBs are read by the extra 'pdb'")

FIRST = UUID("24f9af60-27c5-3567-716b-076661de6070")
SECOND = UUID("4857fab7-1162-3184-360b-cdd863ddf4ea")
MISSING = UUID("00000000-0000-0000-0000-000000000001")


def tmf(guid, number=10, text="%0a"):
    """The text of a TMF of one message."""
    return f'{guid} Driver // SRC=a.c MJ= MN=\n#typev a_c1 {number} "{text}"\n{{\n}}\n'


def texts(found):
    """Give what tells the messages apart: (GUID, number) -> format."""
    return {key: one.format for key, one in found.items()}


@pytest.fixture
def opened(monkeypatch):
    """List the names of the files that are read."""
    names = []
    for name in ("read_tmf", "read_annotations"):
        real = getattr(_places, name)
        monkeypatch.setattr(
            _places, name, lambda path, real=real: (names.append(Path(path).name), real(path))[1]
        )
    return names


class TestTmf:
    """`--tmf` and TRACE_FORMAT_SEARCH_PATH."""

    def test_a_file_is_read_whole_and_once(self, tmp_path, opened):
        """All messages of a file that the user names are known after the first question."""
        path = tmp_path / "all.tmf"
        path.write_text(tmf(FIRST) + tmf(SECOND) + tmf(SECOND, 11))
        catalogue = Definitions(tmf=[path], environment={})
        assert texts(catalogue.of([FIRST])) == {(FIRST, 10): "%0a"}
        assert texts(catalogue.of([SECOND, MISSING])) == {(SECOND, 10): "%0a", (SECOND, 11): "%0a"}
        assert (opened, catalogue.warnings) == (["all.tmf"], [])

    def test_a_folder_is_asked_by_name(self, tmp_path, opened):
        """Of thousands of files only the wanted GUID's is opened, whatever the case of its name."""
        for number in range(2000):
            (tmp_path / f"{UUID(int=number + 99)}.tmf").touch()
        (tmp_path / f"{str(FIRST).upper()}.TMF").write_text(tmf(FIRST))
        assert texts(Definitions(tmf=[tmp_path], environment={}).of([FIRST])) == {(FIRST, 10): "%0a"}
        assert opened == [f"{str(FIRST).upper()}.TMF"]

    def test_names_that_tell_nothing_are_opened_last(self, tmp_path, opened):
        """A file of another name is opened when no name answers; of a million, only a thousand."""
        (tmp_path / f"{FIRST}.tmf").write_text(tmf(FIRST))
        (tmp_path / "driver.tmf").write_text(tmf(SECOND))
        catalogue = Definitions(tmf=[tmp_path], environment={})
        assert texts(catalogue.of([FIRST, SECOND])) == {(FIRST, 10): "%0a", (SECOND, 10): "%0a"}
        assert opened == [f"{FIRST}.tmf", "driver.tmf"]

    def test_many_nameless_files_are_bounded(self, tmp_path, opened, monkeypatch):
        """What is not opened is said."""
        monkeypatch.setattr(_places, "MOST_FILES", 3)
        for number in range(5):
            (tmp_path / f"driver{number}.tmf").write_text(tmf(UUID(int=number + 50)))
        catalogue = Definitions(tmf=[tmp_path], environment={})
        catalogue.of([MISSING])
        assert len(opened) == 3
        assert catalogue.warnings == [f"{tmp_path}: 2 files without a GUID as name are not read"]

    def test_the_environment_names_folders(self, tmp_path):
        """Semicolons part folders everywhere; a folder that is not there is said once."""
        for name, guid in (("one", FIRST), ("two", SECOND)):
            (tmp_path / name).mkdir()
            (tmp_path / name / f"{guid}.tmf").write_text(tmf(guid))
        path = f"{tmp_path / 'none'};{tmp_path / 'one'};{tmp_path / 'two'};"
        catalogue = Definitions(environment={search.TRACE_FORMAT_SEARCH_PATH: path})
        assert set(catalogue.of([FIRST, SECOND])) == {(FIRST, 10), (SECOND, 10)}
        catalogue.of([MISSING])
        assert len(catalogue.warnings) == 1
        assert catalogue.warnings[0].startswith(f"{tmp_path / 'none'}: can't be searched: ")

    @pytest.mark.parametrize(
        ("text", "parts"),
        [
            ("/a:/b;/c", ["/a", "/b", "/c"]),
            (r"C:\a;D:\b", ["C:\\a", "D:\\b"]),
            (r"C:\a:/b", ["C:\\a", "/b"]),
            ("/a;C:/b:rel:d", ["/a", "C:/b", "rel", "d"]),
            ("", []),
            (" ;: ", []),
        ],
    )
    def test_colons_part_too_but_not_behind_a_drive(self, text, parts, monkeypatch):
        """Elsewhere than on Windows the system's own separator counts as well."""
        monkeypatch.setattr(os, "pathsep", ":")
        assert search.format_path(text) == [Path(part) for part in parts]


class TestSymbols:
    """`--pdb`, `--symbols` and _NT_SYMBOL_PATH."""

    def test_a_pdb_is_read(self, tmp_path):
        """A PDB that the user names gives its messages."""
        path = tmp_path / "driver.pdb"
        path.write_bytes(build.pdb([build.message(FIRST, 10)]))
        assert texts(Definitions(pdb=[path], environment={}).of([FIRST])) == {(FIRST, 10): "%0a %10!d!"}

    def test_plain_folders_and_stores_are_searched(self, tmp_path, opened):
        """PDBs beside each other and in `name.pdb/<guid><age>/`; those without messages are not opened."""
        (tmp_path / "plain.pdb").write_bytes(build.pdb([build.message(FIRST, 10)]))
        (tmp_path / "other.pdb").write_bytes(build.pdb([build.procedure("f")]))
        store = tmp_path / "driver.pdb" / f"{build.GUID.hex.upper()}{build.AGE:X}" / "driver.pdb"
        store.parent.mkdir(parents=True)
        store.write_bytes(build.pdb([build.message(SECOND, 10)]))
        (tmp_path / "broken.pdb").write_bytes(build.pdb([build.message(FIRST, 10)])[:2000] + b"TMF:\0")
        catalogue = Definitions(symbols=[tmp_path], environment={})
        assert set(catalogue.of([FIRST, SECOND])) == {(FIRST, 10), (SECOND, 10)}
        assert sorted(opened) == ["broken.pdb", "driver.pdb", "plain.pdb"]
        assert [warning.split(": ")[0] for warning in catalogue.warnings] == [str(tmp_path / "broken.pdb")]

    def test_the_symbol_path_gives_its_local_parts(self, tmp_path):
        """Servers are skipped and said once, and only where a message is missing."""
        store = tmp_path / "store" / "driver.pdb" / "A1" / "driver.pdb"
        store.parent.mkdir(parents=True)
        store.write_bytes(build.pdb([build.message(FIRST, 10)]))
        path = f"cache*{tmp_path / 'cache'};SRV*{tmp_path / 'store'}*https://symbols.example/download"
        catalogue = Definitions(environment={search.NT_SYMBOL_PATH: path})
        assert set(catalogue.of([FIRST])) == {(FIRST, 10)}
        assert catalogue.warnings == []
        catalogue.of([MISSING])
        catalogue.of([SECOND])
        (warning,) = catalogue.warnings
        assert "https://symbols.example/download" in warning

    def test_pdbs_found_by_search_are_bounded(self, tmp_path, opened, monkeypatch):
        """Beyond the bound the warning says what to give."""
        monkeypatch.setattr(_places, "MOST_FILES", 2)
        for number in range(4):
            (tmp_path / f"driver{number}.pdb").write_bytes(build.pdb([build.message(FIRST, number)]))
        catalogue = Definitions(symbols=[tmp_path], environment={})
        catalogue.of([MISSING])
        assert len(opened) == 2
        assert catalogue.warnings == [f"{tmp_path}: 2 PDBs were not looked at; name the driver's with --pdb"]

    def test_without_the_extra_pdbs_are_passed_by_with_one_word(self, tmp_path, monkeypatch):
        """TMF files still answer; each folder of PDBs says once what to install."""
        monkeypatch.setitem(sys.modules, "purepdb", None)
        for number in range(3):
            (tmp_path / f"driver{number}.pdb").write_bytes(build.pdb([build.message(FIRST, number)]))
        (tmp_path / f"{SECOND}.tmf").write_text(tmf(SECOND))
        catalogue = Definitions(symbols=[tmp_path], environment={})
        assert set(catalogue.of([FIRST, SECOND])) == {(SECOND, 10)}
        (warning,) = catalogue.warnings
        assert warning.endswith('pip install "tracecheck[pdb]"')

    def test_the_search_passes_by_another_build(self, tmp_path, opened):
        """Where the trace's messages are known, a PDB that lacks some does not end the search."""
        (tmp_path / "a.pdb").write_bytes(build.pdb([build.message(FIRST, 10)]))
        (tmp_path / "b.pdb").write_bytes(build.pdb([build.message(FIRST, 10) + build.message(FIRST, 11)]))
        catalogue = Definitions(symbols=[tmp_path], environment={})
        assert set(catalogue.of([FIRST])) == {(FIRST, 10)}
        assert set(catalogue.of([FIRST], [(FIRST, 11)])) == {(FIRST, 10), (FIRST, 11)}
        assert (opened, catalogue.warnings) == (["a.pdb", "b.pdb"], [])


class TestOrder:
    """Which source counts."""

    def test_the_first_source_counts_and_the_conflict_is_said_once(self, tmp_path):
        """Two files that the user names define one message differently."""
        for name, text in (("a.tmf", "%0first"), ("b.tmf", "%0second")):
            (tmp_path / name).write_text(tmf(FIRST, text=text) + tmf(FIRST, 11))
        catalogue = Definitions(tmf=[tmp_path / "a.tmf", tmp_path / "b.tmf"], environment={})
        assert texts(catalogue.of([FIRST])) == {(FIRST, 10): "%0first", (FIRST, 11): "%0a"}
        catalogue.of([SECOND])
        assert catalogue.warnings == [
            f"messages that two sources define differently, the first counts: 1, as a_c1 ({FIRST}, 10)"
        ]

    def test_what_is_found_is_not_searched_further(self, tmp_path, opened):
        """The environment is asked for what the user's own sources do not define."""
        (tmp_path / "env").mkdir()
        (tmp_path / "env" / f"{FIRST}.tmf").write_text(tmf(FIRST, text="%0old"))
        (tmp_path / "mine.tmf").write_text(tmf(FIRST))
        environment = {search.TRACE_FORMAT_SEARCH_PATH: str(tmp_path / "env")}
        catalogue = Definitions(tmf=[tmp_path / "mine.tmf"], environment=environment)
        assert texts(catalogue.of([FIRST])) == {(FIRST, 10): "%0a"}
        assert opened == ["mine.tmf"]

    def test_nothing_is_opened_before_a_message_needs_it(self, tmp_path, opened):
        """A capture without WPP messages costs nothing, not even for files that are not there."""
        catalogue = Definitions(tmf=[tmp_path / "none.tmf"], pdb=[tmp_path / "none.pdb"], environment={})
        assert (catalogue.of([]), opened, catalogue.warnings) == ({}, [], [])

    @pytest.mark.parametrize("kind", ["tmf", "pdb", "symbols"])
    def test_a_named_file_that_is_not_there_is_an_error(self, tmp_path, kind):
        """What the user names must be readable; what search finds need not be."""
        catalogue = Definitions(**{kind: [tmp_path / "none.x"]}, environment={})
        with pytest.raises(InputError, match=r"none\.x: can't be read"):
            catalogue.of([FIRST])
