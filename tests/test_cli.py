"""The command line as a whole: exit codes, one line for an error, nothing else on stderr."""

import os
import subprocess
import sys

import pytest
from handmade import START, analysis, double_release

from tracecheck import cli
from tracecheck.capture import Verdict
from tracecheck.cli import main
from tracecheck.errors import InputError

COMMANDS = ["check", "info", "events", "timeline"]


def arguments(command, path):
    """Give the least arguments of a command on one capture."""
    return [command, str(path), *(["0x1234"] if command == "timeline" else [])]


@pytest.fixture
def judged(monkeypatch):
    """Make `check` and `timeline` see an analysis made by hand."""
    from tracecheck.commands import check, timeline

    def judge(result):
        for module in (check, timeline):
            monkeypatch.setattr(module, "analyse", lambda _paths, **_options: result)

    return judge


def finding(severity, context_id=None):
    """Make the least finding of a severity."""
    return {
        "rule": "X01",
        "severity": severity,
        "confidence": "possible",
        "signature": "X01",
        "context_id": context_id,
    }


class TestExitCodes:
    """How the process ends."""

    @pytest.mark.parametrize(
        ("severities", "word", "fail_on", "expected"),
        [
            ([], "clean", "warning", 0),
            ([], "inconclusive", "warning", 3),
            (["note"], "clean", "warning", 0),
            (["note"], "clean", "note", 1),
            (["note"], "inconclusive", "warning", 3),
            (["warning"], "findings", "warning", 1),
            (["warning"], "findings", "error", 0),
            (["warning"], "inconclusive", "error", 3),
            (["note", "error"], "inconclusive", "error", 1),
            (["error"], "findings", "warning", 1),
        ],
    )
    def test_a_finding_outweighs_an_inconclusive_capture(self, judged, severities, word, fail_on, expected):
        """Findings of the asked severity give 1 whatever else holds; then inconclusive 3; then 0."""
        judged(analysis(findings=[finding(severity) for severity in severities], verdict=Verdict(word)))
        assert main(["check", "any.etl", "--fail-on", fail_on]) == expected

    def test_the_format_does_not_change_the_exit_code(self, judged):
        """JSON and text end alike."""
        judged(double_release())
        assert [main(["check", "any.etl", "--format", form]) for form in ("text", "json")] == [1, 1]

    @pytest.mark.parametrize("command", COMMANDS)
    def test_what_can_not_be_read_gives_four_and_one_line(self, command, tmp_path, capsys):
        """A missing file, an empty file, a text file and a directory each give one line that names them."""
        empty, text = tmp_path / "empty.etl", tmp_path / "text.etl"
        empty.write_bytes(b"")
        text.write_text("this is no trace\n" * 1000)
        for path in (tmp_path / "missing.etl", empty, text, tmp_path):
            assert main(arguments(command, path)) == 4
            out, err = capsys.readouterr()
            assert out == ""
            assert err.startswith(f"tracecheck: error: {path}")
            assert err.count("\n") == 1

    @pytest.mark.parametrize(
        "wrong",
        [
            ["nonsense"],
            ["check"],
            ["check", "x.etl", "--fail-on", "all"],
            ["check", "x.etl", "--format", "yaml"],
            ["events", "x.etl", "--limit", "-1"],
            ["timeline", "x.etl", "ctx"],
            ["timeline", "x.etl", "0x"],
            ["timeline", "x.etl", "0x12345678123456789"],
            ["timeline", "x.etl", "0x12#"],
            ["timeline", "x.etl", "0x12", "--id"],
        ],
    )
    def test_a_wrong_request_gives_two_and_one_line(self, wrong, capsys):
        """Usage errors are told in one line, before any file is opened."""
        assert main(wrong) == 2
        out, err = capsys.readouterr()
        assert out == ""
        assert err.startswith("tracecheck: error: ")
        assert err.count("\n") == 1

    def test_help_and_version_give_zero(self, capsys):
        """Help names every command and says what the exit codes mean."""
        assert main(["--help"]) == 0
        text = capsys.readouterr().out
        assert all(name in text for name in cli.COMMANDS)
        assert "3 nothing found but inconclusive" in text
        assert main(["--version"]) == 0
        assert capsys.readouterr().out.startswith("tracecheck ")

    @pytest.mark.parametrize("command", cli.COMMANDS)
    def test_every_command_has_help(self, command, capsys):
        """The help of a command is that command's own."""
        assert main([command, "--help"]) == 0
        assert f"tracecheck {command}" in capsys.readouterr().out


class TestErrors:
    """What is said when something fails."""

    @pytest.mark.parametrize(
        ("error", "code", "words"),
        [
            (InputError("a.etl: at 0x48: it is broken"), 4, "a.etl: at 0x48: it is broken"),
            (MemoryError(), 4, "out of memory"),
            (PermissionError(13, "Permission denied", "a.etl"), 4, "a.etl: Permission denied"),
            (KeyboardInterrupt(), 130, "interrupted"),
            (ValueError("a\nb\x1b[31m"), 70, "internal error: ValueError: a b\\x1b[31m"),
        ],
    )
    def test_an_error_is_one_line_and_its_code(self, monkeypatch, capsys, error, code, words):
        """No error shows a traceback, and none is taken for findings (exit code 1)."""
        from tracecheck.commands import check

        def fail(_paths, **_options):
            raise error

        monkeypatch.setattr(check, "analyse", fail)
        assert main(["check", "a.etl"]) == code
        out, err = capsys.readouterr()
        assert out == ""
        assert words in err
        assert len(err.strip().splitlines()) == 1

    def test_a_bug_can_be_looked_into(self, monkeypatch):
        """With TRACECHECK_TRACEBACK set, what is wrong with tracecheck itself is raised."""
        from tracecheck.commands import check

        monkeypatch.setenv("TRACECHECK_TRACEBACK", "1")
        monkeypatch.setattr(check, "analyse", lambda _paths, **_options: 1 // 0)
        with pytest.raises(ZeroDivisionError):
            main(["check", "a.etl"])


class TestOutput:
    """Where results go."""

    def test_a_file_gets_what_the_terminal_would(self, judged, tmp_path, capsys):
        """``-o`` writes the same text, says so on stderr and leaves stdout empty."""
        judged(double_release())
        main(["check", "any.etl"])
        shown = capsys.readouterr().out
        target = tmp_path / "report.txt"
        assert main(["check", "any.etl", "-o", str(target)]) == 1
        assert target.read_text(encoding="utf-8") == shown
        assert capsys.readouterr() == ("", f"Wrote {target}\n")

    def test_a_capture_is_never_overwritten(self, judged, tmp_path, capsys):
        """``-o`` with the name of a capture is refused, and the capture stays as it was."""
        judged(double_release())
        capture = tmp_path / "capture.etl"
        capture.write_bytes(b"evidence")
        assert main(["check", str(capture), "-o", str(tmp_path / "." / "capture.etl")]) == 2
        assert capture.read_bytes() == b"evidence"
        assert "one of the files that are read" in capsys.readouterr().err

    def test_a_file_that_can_not_be_written_is_a_usage_error(self, judged, tmp_path, capsys):
        """A directory that is not there gives 2 and names the file."""
        judged(double_release())
        target = tmp_path / "nowhere" / "report.txt"
        assert main(["check", "any.etl", "-o", str(target)]) == 2
        assert str(target) in capsys.readouterr().err

    def test_no_terminal_gets_no_colour(self, judged, capsys):
        """Plain output has no escape in it."""
        judged(double_release())
        main(["check", "any.etl"])
        assert "\x1b" not in capsys.readouterr().out

    @pytest.mark.parametrize(("no_color", "coloured"), [("", True), ("1", False)])
    def test_a_terminal_gets_colour_unless_it_is_unwanted(
        self, judged, capsys, monkeypatch, no_color, coloured
    ):
        """NO_COLOR that is not empty turns colours off (no-color.org)."""
        judged(double_release())
        monkeypatch.setenv("NO_COLOR", no_color)
        monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
        main(["check", "any.etl"])
        assert ("\x1b[" in capsys.readouterr().out) is coloured

    def test_a_reader_that_has_seen_enough_does_not_change_the_result(self, corpus):
        """A closed pipe is no error: no message, and the exit code of the work."""
        path = corpus / "etl" / "ebpforwindows.etl"
        command = [sys.executable, "-m", "tracecheck", "events", str(path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            process.stdout.readline()
            process.stdout.close()
            assert process.stderr.read() == b""
        assert process.returncode == 0

    def test_a_console_of_another_code_page_is_served(self, corpus):
        """Characters that the standard output does not know are escaped."""
        path = corpus / "etl" / "AMSITrace.etl"
        command = [sys.executable, "-X", "utf8=0", "-m", "tracecheck", "events", str(path)]
        done = subprocess.run(
            command, capture_output=True, env={**os.environ, "PYTHONIOENCODING": "ascii"}, check=False
        )
        assert (done.returncode, b"Traceback" in done.stderr) == (0, False)
        assert done.stdout.isascii()


class TestTimeline:
    """Which lives a pointer names."""

    def test_the_lives_of_a_pointer_are_shown_in_order(self, judged, capsys):
        """A bare pointer shows all its lives; one with a number shows that life alone."""
        lives = [
            {
                "id": i,
                "pointer": 0x10,
                "generation": g,
                "birth": "allocated",
                "first": START,
                "last": START,
                "end": "freed",
            }
            for i, g in ((0, 2), (1, 0), (2, 1))
        ]
        judged(analysis(contexts=lives))
        shown = {}
        for wanted in ("0x10", "0x10#2", "10"):
            assert main(["timeline", "any.etl", wanted]) == 0
            shown[wanted] = [
                line for line in capsys.readouterr().out.splitlines() if line.startswith("context")
            ]
        assert shown["0x10"] == ["context 0x10 #0 (id 1)", "context 0x10 #1 (id 2)", "context 0x10 #2 (id 0)"]
        assert shown["10"] == shown["0x10"]
        assert shown["0x10#2"] == ["context 0x10 #2 (id 0)"]
        assert main(["timeline", "any.etl", "1", "--id"]) == 0
        assert capsys.readouterr().out.startswith("context 0x10 #0 (id 1)\n")

    @pytest.mark.parametrize(
        ("wanted", "words"),
        [
            ("0xffffae0512340011", "close to it: 0xffffae0512340010"),
            ("0x12340010", "close to it: 0xffffae0512340010"),
            ("ffffae05`1234001f", "close to it: 0xffffae0512340010"),
            ("0x9999", "the capture has no such context\n"),
            ("0xffffae0512340010#7", "there is 0xffffae0512340010#1"),
        ],
    )
    def test_an_unknown_context_is_answered_with_what_is_close(self, judged, capsys, wanted, words):
        """A slip of the keyboard costs no search."""
        judged(double_release())
        assert main(["timeline", "any.etl", wanted]) == 2
        assert words in capsys.readouterr().err

    def test_an_unknown_id_says_how_many_there_are(self, judged, capsys):
        """Ids run from zero to the number of contexts."""
        judged(double_release())
        assert main(["timeline", "any.etl", "1", "--id"]) == 2
        assert "the capture has 1 contexts" in capsys.readouterr().err
