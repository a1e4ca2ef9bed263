"""docs/profiles.md: its transcripts are what the program prints, its grammar is the loader's."""

import re
from pathlib import Path

from tracecheck.cli import main
from tracecheck.operations.profiles import parse
from tracecheck.operations.profiles.grammar import ARGUMENTS

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "profiles.md").read_text(encoding="utf-8")
TRANSCRIPTS = re.findall(r"```console\n\$ tracecheck (.*?)\n(.*?)```", PAGE, re.DOTALL)


def take_comments_away(path):
    """What the page says to do with the coverage of the draft."""
    head, mark, rest = path.read_text(encoding="utf-8").partition("\n[[message]]")
    before, of_coverage = head.split("# [coverage]")
    covered = re.sub(r"^# ?", "", of_coverage, flags=re.MULTILINE)
    path.write_text(f"{before}[coverage]{covered}{mark}{rest}", encoding="utf-8")


class TestPage:
    """What a driver developer follows step by step works."""

    def test_the_steps_print_what_the_page_shows(self, tmp_path, monkeypatch, capsys):
        """Draft, check, first verdict, coverage, second verdict: each prints just what is shown."""
        monkeypatch.chdir(tmp_path)
        seen = []
        for command, printed in TRANSCRIPTS:
            words = command.split()
            if words in seen:
                take_comments_away(tmp_path / "mydriver.toml")
            seen.append(words)
            main(words)
            assert capsys.readouterr().out == printed, command
        assert [words[0] for words in seen].count("check") == 2
        assert "(probable)" in TRANSCRIPTS[-2][1]
        assert "(definite)" in TRANSCRIPTS[-1][1]

    def test_the_example_is_a_profile(self):
        """The TOML of the grammar's section loads."""
        (example,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
        assert parse(example, "page").messages[0].arguments == {
            "context": 1,
            "file_object": 2,
            "instance": 3,
        }

    def test_every_argument_is_explained(self):
        """No argument of the grammar is left out of the table."""
        assert [each for each in ARGUMENTS if f"`{each}`" not in PAGE] == []
