"""Bad input beside the capture: definitions, profiles and folders that lie, block or have no end."""

import os
import struct
from uuid import UUID

import pdb_builder as build
import pytest
from hostile import fair, measured, run

from tracecheck.etl.writer import LogWriter
from tracecheck.payload.wpp.definition import MOST_ITEMS

posix = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes that have names")
GUID = UUID("10e74659-4865-38cb-9632-02587595fa3f")
#: TRACE_MESSAGE_SEQUENCE, GUID, TIMESTAMP, SYSTEMINFO and POINTER64.
OPTIONS = 0x01 | 0x02 | 0x08 | 0x20 | 0x80
#: Seconds that a small file may take; what grows with the product of two inputs takes minutes.
SOON = 15


@pytest.fixture
def capture(tmp_path):
    """A capture of WPP messages, no two alike."""

    def write(count=1):
        log = LogWriter(buffer_size=1 << 16)
        for number in range(count):
            value = struct.pack("<I", number * 2654435761 & 0xFFFFFFFF)
            log.message(0, 1000 + number, guid=GUID, number=10, options=OPTIONS, pid=4, tid=8, payload=value)
        path = tmp_path / "capture.etl"
        path.write_bytes(log.to_bytes())
        return path

    return write


@pytest.fixture
def tmf(tmp_path):
    """A TMF of the capture's message, with any arguments and enums."""

    def write(body="x, ItemLong -- 10", text="%0x %10!s!", more="", symbol="a_c1"):
        path = tmp_path / "driver.tmf"
        head = f'{GUID} Driver // SRC=a.c MJ= MN=\n#typev {symbol} 10 "{text}"\n{{\n{body}\n}}\n{more}'
        path.write_text(head, encoding="utf-8")
        return path

    return write


def enum(members):
    """The lines of an enum."""
    return "#enumv E\n{\n" + "".join(f"M{i},{i * 40503 & 0xFFFFFFFF:#x}\n" for i in range(members)) + "}\n"


@posix
class TestNoFiles:
    """Pipes are not waited for, and what has no end is not read."""

    @pytest.fixture
    def pipes(self, tmp_path):
        """A folder of pipes whose names are those of definitions."""
        folder = tmp_path / "pipes"
        folder.mkdir()
        for name in ("a.tmf", "a.pdb", f"{GUID}.tmf", "a.man"):
            os.mkfifo(folder / name)
        return folder

    @pytest.mark.parametrize(
        "arguments",
        [
            ["events", "CAPTURE", "--tmf", "PIPE"],
            ["events", "CAPTURE", "--pdb", "PIPE"],
            ["check", "CAPTURE", "--symbols", "PIPE"],
            ["events", "CAPTURE", "--manifest", "PIPE"],
            ["profile", "draft", "--tmf", "PIPE"],
            ["profile", "draft", "PIPE"],
            ["tmf", "PIPE"],
        ],
    )
    def test_a_pipe_is_refused(self, capture, pipes, arguments):
        """One line names it, and says what to do."""
        names = {"CAPTURE": capture(), "PIPE": pipes / "a.tmf"}
        outcome = fair(run(*(names.get(each, each) for each in arguments)), 4)
        assert f"{pipes / 'a.tmf'}: is no regular file" in outcome.err

    @pytest.mark.parametrize("option", ["--tmf", "--symbols"])
    def test_pipes_in_folders_are_stepped_over(self, capture, pipes, option):
        """What a search meets is said and not waited for."""
        outcome = fair(run("events", capture(), option, pipes), 0)
        assert "is no regular file" in outcome.err

    def test_a_device_without_an_end_is_refused(self, capture):
        """A device tells a size of 0, and would fill the memory."""
        # In a process of its own: without the rule, it takes all the memory that it may have.
        ended = measured("events", capture(), "--tmf", "/dev/zero")
        assert (ended.code, ended.megabytes < 400) == (4, True), ended
        assert "is no regular file" in ended.err

    def test_a_pipe_in_the_place_of_the_cache(self, tmp_path):
        """A cache that can't be read is none."""
        from tracecheck.payload.manifest import catalogue

        os.mkfifo(tmp_path / "catalogue")
        assert catalogue._read(tmp_path / "catalogue", "1") is None


class TestFolders:
    """Folders that lead nowhere."""

    @posix
    def test_a_loop_of_links(self, capture, tmp_path):
        """A folder that holds itself is searched once."""
        folder = tmp_path / "loop"
        folder.mkdir()
        for name in ("sys", "a.pdb", "again"):
            (folder / name).symlink_to(folder)
        fair(run("check", capture(), "--symbols", folder), 3)

    def test_a_part_of_the_symbol_path_that_no_folder_can_be_called(self, capture, monkeypatch):
        """What the environment names need not be there, however long it is."""
        monkeypatch.setenv("_NT_SYMBOL_PATH", f"srv*{'a' * 5000}*https://symbols.invalid")
        fair(run("events", capture()), 0)


class TestInputsStay:
    """A result never replaces what it was made of."""

    def test_definitions(self, capture, tmf):
        """TMF files, for each command that writes."""
        trace, path = capture(), tmf()
        before = path.read_bytes()
        for command in (["events", trace], ["check", trace], ["profile", "draft"]):
            outcome = run(*command, "--tmf", path, "-o", path)
            assert (outcome.code, path.read_bytes()) == (2, before)
            assert f"{path}: is one of the files that are read" in outcome.err

    def test_manifests_and_profiles(self, capture, tmp_path):
        """Manifests and profiles likewise."""
        manifest, profile = tmp_path / "a.man", tmp_path / "a.toml"
        manifest.write_text(f'<m><provider name="P" guid="{{{GUID}}}"/></m>', encoding="utf-8")
        profile.write_text('profile = 1\nname = "a"\n[[message]]\ntext = "x %p"\nignore = true\n')
        for option, path, command in (("--manifest", manifest, "events"), ("--profile", profile, "check")):
            before = path.read_bytes()
            assert run(command, capture(), option, path, "-o", path).code == 2
            assert path.read_bytes() == before


class TestTmf:
    """TMFs whose enums, sets, arguments and formats are larger than any driver's."""

    @pytest.mark.parametrize(
        ("kind", "more"),
        [("ItemFlagsEnum(E)", enum(60_000)), (f"ItemSetLong({','.join(['a'] * 200_000)})", "")],
    )
    def test_many_names_and_many_values(self, capture, tmf, kind, more):
        """The time does not grow with names times values."""
        assert fair(
            run("events", capture(8000), "--tmf", tmf(f"x, {kind} -- 10", more=more), seconds=SOON), 0
        )

    def test_an_enum_that_a_format_shows_many_times(self, capture, tmf):
        """The names of an enum are put in order once, not for each place that shows them."""
        path = tmf("x, ItemEnum(E) -- 10", text="%0" + "%10!s!" * 1000, more=enum(250_000))
        fair(run("events", capture(8), "--tmf", path, seconds=SOON), 0)

    def test_definitions_of_two_files_that_share_an_enum(self, capture, tmp_path):
        """Enums are compared once, not for each message that names them."""
        body = "\n{\nx, ItemEnum(E) -- 10\n}\n"
        messages = "".join(f'#typev a_c{i} {i} "%0a %10!s!"{body}' for i in range(20_000))
        paths = [tmp_path / "1.tmf", tmp_path / "2.tmf"]
        for path in paths:
            path.write_text(f"{GUID} Driver // SRC=a.c MJ= MN=\n{messages}{enum(40_000)}", encoding="utf-8")
        options = [each for path in paths for each in ("--tmf", path)]
        assert "differently" not in fair(run("events", capture(), *options, seconds=SOON), 0).err

    def test_one_body_of_many_messages(self, capture, tmp_path):
        """Arguments that no macro call can have are left out, with a line that says so."""
        messages = "".join(f'#typev a_c{i} {i} "%0a %10!s!"\n' for i in range(60_000))
        body = "".join(f"x, ItemEnum(E{i}) -- {10 + i}\n" for i in range(2000))
        path = tmp_path / "a.tmf"
        path.write_text(f"{GUID} Driver // SRC=a.c MJ= MN=\n{messages}{{\n{body}}}\n", encoding="utf-8")
        outcome = fair(run("events", capture(), "--tmf", path, seconds=SOON), 0)
        assert (
            f"a message has at most {MOST_ITEMS} arguments; left out from: x, ItemEnum(E127)" in outcome.err
        )

    @pytest.mark.parametrize("text", ["%0" + "A" * 500_000 + "%10!d!", "%" * 1_000_001])
    def test_a_format_without_an_end(self, capture, tmf, text):
        """A long format is cut: it would be repeated with every message."""
        outcome = fair(run("events", capture(300), "--tmf", tmf(text=text)), 0)
        assert max(map(len, outcome.out.splitlines())) < 20_000

    @posix
    def test_a_listing_of_much_text_needs_little_memory(self, capture, tmf):
        """The text waits in a file, and what was given back of it is not kept."""
        ended = measured("events", capture(60_000), "--tmf", tmf(text="%0" + "A" * 16_000 + "%10!d!"))
        assert (ended.code, ended.megabytes < 600) == (0, True), ended

    def test_problems_are_lines_that_can_be_read(self, capture, tmp_path):
        """A name as long as the file is not repeated whole."""
        path = tmp_path / "a.tmf"
        path.write_text(f'#typev {"a" * 500_000} 10 "%0a"\n{{\n}}\n', encoding="utf-8")
        outcome = fair(run("events", capture(), "--tmf", path), 0)
        assert "aaa..." in outcome.err
        assert max(map(len, outcome.err.splitlines())) < 1000


class TestOtherFiles:
    """PDBs, manifests and profiles."""

    def test_annotations_can_not_steer_the_terminal(self, tmp_path):
        """`tmf` shows what a PDB says, and runs nothing of it; its files have it as it is."""
        path = tmp_path / "a.obj"
        symbols = build.message(GUID, 10, text="%0\x1b]0;x\x07\u202e%10!d!")
        path.write_bytes(build.coff([(b".debug$S", build.debug_s((0xF1, symbols)))]))
        shown = fair(run("tmf", path), 0).out
        assert r"%0\x1b]0;x\x07\u202e%10!d!" in shown
        fair(run("tmf", path, "-o", tmp_path / "out"), 0)
        assert "%0\x1b]0;x\x07\u202e%10!d!" in (tmp_path / "out" / f"{GUID}.tmf").read_text(encoding="utf-8")

    def test_a_value_of_a_profile_that_is_as_long_as_the_file(self, tmp_path):
        """The line that names the mistake stays one that can be read."""
        path = tmp_path / "a.toml"
        head = 'profile = 1\nname = "a"\n[[message]]\ntext = "x %p"\n'
        path.write_text(f'{head}context = 1\nroutine = "{"Flt" * 50_000}"\n', encoding="utf-8")
        assert len(fair(run("profile", "check", path), 4).err) < 1500

    def test_keys_without_an_end(self, tmp_path):
        """A line that no person wrote is refused before it is parsed."""
        path = tmp_path / "a.toml"
        path.write_text(f"profile = 1\n[{'a.' * 400_000}a]\n", encoding="utf-8")
        assert "line 2 has more than" in fair(run("profile", "check", path, seconds=SOON), 4).err

    def test_lines_that_look_like_many_paths(self, tmp_path):
        """Blanks and beginnings of paths do not multiply the time that drafting takes."""
        path = tmp_path / "log.txt"
        line = "\\Device\\" * 60 + " " * 450 + "<"
        text = "".join(f"{i:08}\t{i}.0000\t{line}{i}x\n" for i in range(600))
        path.write_text(text, encoding="utf-8")
        fair(run("profile", "draft", path, "--input", "debugview", seconds=SOON), 0)


class TestManifests:
    """Manifests that make much of little."""

    @pytest.fixture
    def manifest(self, tmp_path):
        """A manifest of one event, and a capture of some of them."""

        def write(template, message, *, maps="", strings="", count=1):
            log = LogWriter(buffer_size=1 << 16)
            for number in range(count):
                value = struct.pack("<I", number * 2654435761 & 0xFFFFFFFF)
                log.event(0, 1000 + number, pid=4, tid=8, provider=GUID, id=1, payload=value)
            (tmp_path / "a.etl").write_bytes(log.to_bytes())
            (tmp_path / "a.man").write_text(
                f'<m><provider name="P" guid="{{{GUID}}}"><maps>{maps}</maps>'
                f'<templates><template tid="T">{template}</template></templates>'
                f'<events><event value="1" template="T" message="{message}"/></events></provider>'
                f'<resources culture="en-US"><stringTable>{strings}</stringTable></resources></m>',
                encoding="utf-8",
            )
            return ["events", tmp_path / "a.etl", "--manifest", tmp_path / "a.man"]

        return write

    def test_a_string_that_is_put_in_many_times(self, manifest):
        """References stop being filled in where the message is as long as it may be."""
        strings = f'<string id="a" value="{"s" * 2_000_000}"/>'
        ended = measured(*manifest("", "$(string.a)" * 2900, strings=strings))
        assert (ended.code, ended.megabytes < 400) == (0, True), ended

    def test_a_map_of_many_flags(self, manifest):
        """The time does not grow with flags times values."""
        flags = "".join(f'<map value="{i * 40503 & 0xFFFFFFFF:#x}" message="a"/>' for i in range(60_000))
        field = '<data name="x" inType="win:UInt32" map="M"/>'
        arguments = manifest(field, "%1", maps=f'<bitMap name="M">{flags}</bitMap>', count=4000)
        fair(run(*arguments, seconds=SOON), 0)

    def test_fields_that_a_message_does_not_show_are_not_written(self, manifest):
        """A thousand fields without bytes cost nothing where the message shows none of them."""
        fields = "".join(f'<data name="a{i}" inType="win:UnicodeString" length="0"/>' for i in range(1000))
        fair(run(*manifest(fields, "m", count=20_000), seconds=SOON), 0)
