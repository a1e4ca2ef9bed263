"""docs/blame.md: its transcripts are what the program prints."""

import re
from pathlib import Path

from tracecheck.cli import main

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "blame.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL)


def transcripts():
    """The commands of the page in order, each with what it prints."""
    for block in BLOCKS:
        yield from re.findall(r"\$ tracecheck (.*)\n((?:[^$].*\n)*)", block)


def test_the_page_shows_what_is_printed(tmp_path, monkeypatch, capsys):
    """Simulating, comparing, the trees and the timelines print to the letter what stands on the page."""
    monkeypatch.chdir(tmp_path)
    seen = []
    for command, printed in transcripts():
        main(command.split())
        assert capsys.readouterr().out == printed, command
        seen.append(command.split()[0])
    assert seen == ["simulate", "simulate", "diff", "tree", "tree", "timeline", "timeline"]
