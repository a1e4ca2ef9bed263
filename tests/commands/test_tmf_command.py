"""`tmf`: the files it writes, and what it refuses."""

from pathlib import Path
from uuid import UUID

import click
import pdb_builder as build
import pytest
from click.testing import CliRunner

from tracecheck.cli import main
from tracecheck.commands.sources import Sources, sources
from tracecheck.payload.wpp.tmf import parse_tmf

pytest.importorskip("purepdb", reason="PDBs are read by the extra 'pdb'")

FIRST = UUID("24f9af60-27c5-3567-716b-076661de6070")
SECOND = UUID("4857fab7-1162-3184-360b-cdd863ddf4ea")
CONTROL = UUID("f64b58a2-8214-4037-8c7d-b96ce6098f3d")


@pytest.fixture
def driver(tmp_path):
    """A PDB with messages of two GUIDs and a control GUID."""
    path = tmp_path / "driver.pdb"
    control = build.annotation("TMC:", str(CONTROL), "Driver", "GENERAL")
    path.write_bytes(build.pdb([build.message(FIRST, 10) + control, build.message(SECOND, 10)]))
    return path


def test_a_file_for_each_guid(driver, tmp_path, capsys):
    """What is written defines the messages, and stderr says how many files there are."""
    folder = tmp_path / "new" / "tmf"
    assert main(["tmf", str(driver), "-o", str(folder)]) == 0
    assert sorted(path.name for path in folder.iterdir()) == [
        f"{FIRST}.tmf",
        f"{SECOND}.tmf",
        f"{CONTROL}.tmc",
    ]
    assert (folder / f"{FIRST}.tmf").read_text() == (
        "// PDB:  driver.pdb\n"
        f"{FIRST} Driver // SRC=create.c MJ= MN=\n"
        '#typev create_c12 10 "%0a %10!d!" //   LEVEL=INFO FLAGS=IO FUNC=Create\n'
        "{\nx, ItemLong -- 10\n}\n"
    )
    assert (folder / f"{CONTROL}.tmc").read_text() == f"// PDB:  driver.pdb\n{CONTROL} Driver\nGENERAL\n"
    assert capsys.readouterr() == ("", f"Wrote 3 files into {folder}\n")


def test_without_a_folder_the_text_goes_to_stdout(driver, capsys):
    """The standard output is one TMF of all messages; the control GUIDs are comments in it."""
    assert main(["tmf", str(driver)]) == 0
    out, err = capsys.readouterr()
    tmf = parse_tmf(out, "stdout")
    assert ([one.guid for one in tmf.definitions], tmf.problems, err) == ([FIRST, SECOND], (), "")
    assert f"// {CONTROL} Driver\n// GENERAL\n" in out


def test_files_are_not_overwritten_unasked(driver, tmp_path, capsys):
    """An existing file stops all writing, unless --force is given."""
    old = tmp_path / f"{SECOND}.tmf"
    old.write_text("mine")
    assert main(["tmf", str(driver), "-o", str(tmp_path)]) == 2
    assert "exists already; give --force" in capsys.readouterr().err
    assert (old.read_text(), (tmp_path / f"{FIRST}.tmf").exists()) == ("mine", False)
    assert main(["tmf", str(driver), "-o", str(tmp_path), "--force"]) == 0
    assert old.read_text() != "mine"


def test_several_files_give_each_message_once(driver, tmp_path, capsys):
    """Object files of one driver are given together."""
    path = tmp_path / "create.obj"
    section = build.debug_s((0xF1, build.message(FIRST, 10) + build.message(FIRST, 11)))
    path.write_bytes(build.coff([(b".debug$S", section)]))
    assert main(["tmf", str(driver), str(path)]) == 0
    numbers = [(one.guid, one.number) for one in parse_tmf(capsys.readouterr().out, "stdout").definitions]
    assert numbers == [(FIRST, 10), (FIRST, 11), (SECOND, 10)]


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (build.pdb([build.procedure("f")]), "no WPP message definitions"),
        (build.pdb([build.message(FIRST, 10)])[:3000], "can't be read as a PDB"),
        (b"text", "is neither a PDB"),
    ],
)
def test_what_has_no_messages_is_one_line(tmp_path, capsys, data, text):
    """Exit code 4 and what to give instead; nothing is written."""
    path = tmp_path / "x.pdb"
    path.write_bytes(data)
    assert main(["tmf", str(path), "-o", str(tmp_path / "out")]) == 4
    out, err = capsys.readouterr()
    assert (out, err.count("\n"), text in err) == ("", 1, True)
    assert not (tmp_path / "out").exists()


def test_what_could_not_be_read_is_warned_of(tmp_path, capsys):
    """Problems go to stderr, made harmless for a terminal; the rest is written."""
    path = tmp_path / "x.pdb"
    bad = build.annotation("TMF:", f"{SECOND} D // SRC=a.c", "\x1b[31mnonsense")
    path.write_bytes(build.pdb([build.message(FIRST, 10) + bad]))
    assert main(["tmf", str(path)]) == 0
    err = capsys.readouterr().err
    assert err == "tracecheck: warning: x.pdb: annotation 2: is no line of a TMF: \\x1b[31mnonsense\n"


def test_the_shared_options_make_sources(tmp_path):
    """`--tmf`, `--pdb` and `--symbols` are repeatable, keep their order and must exist."""
    seen = []
    command = click.command()(sources(lambda sources: seen.append(sources)))
    for name in ("a.tmf", "b.tmf", "a.pdb"):
        (tmp_path / name).touch()
    a, b, pdb = (str(tmp_path / name) for name in ("a.tmf", "b.tmf", "a.pdb"))
    arguments = ["--tmf", b, "--pdb", pdb, "--tmf", a, "--symbols", str(tmp_path)]
    assert CliRunner().invoke(command, arguments).exit_code == 0
    assert seen == [Sources((Path(b), Path(a)), (Path(pdb),), (tmp_path,))]
    assert seen[0].definitions().of([]) == {}
    assert CliRunner().invoke(command, ["--tmf", str(tmp_path / "none")]).exit_code == 2
