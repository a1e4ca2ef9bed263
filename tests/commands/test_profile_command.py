"""`profile`: what list, show, check and draft print, their exit codes, and what they refuse."""

import pytest

from tracecheck.cli import main
from tracecheck.etl.writer import LogWriter
from tracecheck.operations.profiles import parse, shipped

GUID = "24f9af60-27c5-3567-716b-076661de6070"
TMF = f"""{GUID} Driver // SRC=context.c MJ= MN=
#typev context_c12 10 "%0Setting stream context %10!p! (Instance = %11!p!)" //   FUNC=SetIt
{{
context, ItemPtr -- 10
instance, ItemPtr -- 11
}}
#typev context_c20 11 "%0FltSetStreamContext failed: %10!s!" //   FUNC=SetIt
{{
status, ItemNTSTATUS -- 10
}}
#typev context_c30 12 "%0opened %10!d! files" //   FUNC=Open
{{
count, ItemLong -- 10
}}
"""
HEAD = 'profile = 1\nname = "mine"\n'
ONE = '[[message]]\ntext = "Setting stream context %p (Instance = %p)"\nroutine = "FltSetStreamContext"\n'
OTHER = '[[message]]\ntext = "FltSetStreamContext failed: %!STATUS!"\nroutine = "FltSetStreamContext"\n'


@pytest.fixture
def tmf(tmp_path):
    """A TMF file of three messages, two of them of contexts."""
    path = tmp_path / "driver.tmf"
    path.write_text(TMF, encoding="utf-8")
    return path


@pytest.fixture
def profile(tmp_path):
    """Write a profile, and give its file."""

    def write(text):
        path = tmp_path / "mine.toml"
        path.write_text(text, encoding="utf-8")
        return str(path)

    return write


@pytest.fixture
def capture(tmp_path):
    """A capture of DbgPrint lines, one of them with a terminal escape."""
    log = LogWriter()
    lines = ["Releasing ctx FFFFAC04A21CD8A0", "Releasing ctx FFFFAC04A21CD8B0", "hello \x1b[31m", ""]
    for number, line in enumerate(lines):
        payload = bytes(8) + line.encode() + b"\0"
        log.system(0, 100 + number, group=0xA, opcode=0x20, pid=4, tid=8, payload=payload)
    path = tmp_path / "lines.etl"
    log.write(str(path))
    return str(path)


class TestListAndShow:
    """What comes with the package."""

    def test_every_profile_is_listed(self, capsys):
        """One line each, below the heads: name, messages, those that tell of operations, title."""
        assert main(["profile", "list"]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert [line.split()[0] for line in lines] == ["name", *shipped()]
        assert lines[-1] == "systeminformer        14     3  System Informer's driver"

    def test_a_profile_is_shown_as_it_is(self, capsys):
        """What show prints is the file, which loads."""
        assert main(["profile", "show", "ctx"]) == 0
        out = capsys.readouterr().out
        assert out == shipped()["ctx"].read_text(encoding="utf-8")
        assert parse(out, "ctx").name == "ctx"

    def test_an_unknown_name_is_a_usage_error(self, capsys):
        """The names that there are are said."""
        assert main(["profile", "show", "nothing"]) == 2
        assert "ctx" in capsys.readouterr().err


class TestCheck:
    """What a profile binds and leaves."""

    def test_all_is_bound(self, profile, tmf, capsys):
        """A profile that knows both context messages leaves nothing: exit code 0."""
        assert main(["profile", "check", profile(HEAD + ONE + OTHER), "--tmf", str(tmf)]) == 0
        assert capsys.readouterr().out == (
            "mine: mine\n"
            "  2 messages: 2 tell of 1 routine, 0 ignored\n"
            "  coverage: not declared, so that no finding is more than probable\n"
            "\nbinds 2 of 2:\n"
            "  FltSetStreamContext result\n"
            "      Setting stream context %p (Instance = %p)\n"
            "  FltSetStreamContext result\n"
            "      FltSetStreamContext failed: %!STATUS!\n"
            "\nleaves nothing that looks like a context operation\n"
        )

    def test_what_is_left_is_named(self, profile, tmf, capsys):
        """A context message that the profile does not know is listed with a guess: exit code 1."""
        assert main(["profile", "check", profile(HEAD + ONE), "--tmf", str(tmf)]) == 1
        out = capsys.readouterr().out
        assert "leaves 1 that looks like a context operation:\n  FltSetStreamContext? failure\n" in out
        assert "opened" not in out

    def test_what_never_occurs_is_named(self, profile, tmf, capsys):
        """A message of the profile that no definition has is listed with its number."""
        never = '[[message]]\ntext = "Never said"\nroutine = "FilterUnload"\n'
        assert main(["profile", "check", profile(HEAD + ONE + OTHER + never), "--tmf", str(tmf)]) == 0
        assert "are not defined: 1\n     3  Never said\n" in capsys.readouterr().out

    def test_lines_of_a_capture_are_counted(self, profile, capture, capsys):
        """DbgPrint lines are matched, with how often and an example; control characters stay harmless."""
        text = HEAD + '[[message]]\ntext = "Releasing ctx %p"\nroutine = "FltReleaseContext"\ncontext = 1\n'
        assert main(["profile", "check", profile(text), capture]) == 0
        out = capsys.readouterr().out
        assert "  2 x  FltReleaseContext result: context=1\n      Releasing ctx FFFFAC04A21CD8A0\n" in out
        assert "\x1b" not in out

    def test_an_ignored_message_is_not_left(self, profile, tmf, capsys):
        """What the profile ignores is not asked about again."""
        ignored = '[[message]]\ntext = "FltSetStreamContext failed: %!STATUS!"\nignore = true\n'
        assert main(["profile", "check", profile(HEAD + ONE + ignored), "--tmf", str(tmf)]) == 0
        assert "1 ignored" in capsys.readouterr().out

    def test_without_messages_the_grammar_is_checked(self, profile, capsys):
        """A profile alone is read, and what it declares is listed."""
        assert main(["profile", "check", profile(HEAD + ONE)]) == 0
        assert "declares:\n  FltSetStreamContext result\n" in capsys.readouterr().out

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("profile = 1\nname =", "mine.toml: is not TOML"),
            (HEAD + ONE + "contxt = 1\n", "message 1: unknown key 'contxt'; is 'context' meant?"),
            (HEAD + ONE + "context = 3\n", "message 1: 'context = 3', but the text has 2 conversions"),
            (HEAD + '[[message]]\ntext = "x"\nroutine = "FltSetContext"\n', "message 1: routine"),
        ],
    )
    def test_a_mistake_is_one_line(self, profile, capsys, text, said):
        """A profile with a mistake exits with 4 and says where it is and what was meant."""
        assert main(["profile", "check", profile(text)]) == 4
        out, err = capsys.readouterr()
        assert (out, err.count("\n")) == ("", 1)
        assert said in err

    def test_no_such_profile(self, capsys):
        """A name that is no profile and no file is a usage error that lists the profiles."""
        assert main(["profile", "check", "nothing"]) == 2
        assert "minispy" in capsys.readouterr().err


class TestDraft:
    """What is proposed, and that it can be used at once."""

    def test_the_draft_binds_what_it_was_made_of(self, tmf, tmp_path, capsys):
        """A draft loads, and check says that it leaves nothing."""
        path = tmp_path / "draft.toml"
        assert main(["profile", "draft", "--tmf", str(tmf), "-o", str(path)]) == 0
        assert "3 messages, 2 bound by guesses" in capsys.readouterr().err
        messages = parse(path.read_text(encoding="utf-8"), "draft").messages
        assert [(m.routine, m.tells.name, dict(m.arguments)) for m in messages] == [
            ("FltSetStreamContext", "INTENT", {"context": 1, "instance": 2}),
            ("FltSetStreamContext", "FAILURE", {"status": 1}),
        ]
        assert main(["profile", "check", str(path), "--tmf", str(tmf)]) == 0

    def test_lines_become_formats(self, capture, capsys):
        """Addresses in lines become %p, and how often the line occurs stands above the message."""
        assert main(["profile", "draft", capture]) == 0
        out = capsys.readouterr().out
        assert '# 2 in the capture, as: Releasing ctx FFFFAC04A21CD8A0\ntext = "Releasing ctx %p"\n' in out
        assert "hello" not in out

    def test_nothing_to_draft_from(self, capsys):
        """Without a capture and definitions there is nothing to do."""
        assert main(["profile", "draft"]) == 2
        assert "--pdb" in capsys.readouterr().err

    @pytest.mark.parametrize("raw", [b"", b"\0" * 100, b"MZ" + bytes(range(256)) * 20])
    def test_files_that_are_none(self, tmp_path, capsys, raw):
        """A file that is no capture, no TMF and no PDB is said in one line."""
        path = tmp_path / "junk.bin"
        path.write_bytes(raw)
        for arguments in ([str(path)], ["--pdb", str(path)]):
            assert main(["profile", "draft", *arguments]) == 4
            assert capsys.readouterr().err.count("\n") == 1
