"""The guide to `events` shows what the program prints."""

import re
import shlex
from pathlib import Path

import pytest

from tracecheck.cli import main

ROOT = Path(__file__).resolve().parents[2]
GUIDE = (ROOT / "docs" / "events.md").read_text(encoding="utf-8")
TRANSCRIPTS = re.findall(r"```console\n\$ tracecheck (.*?)\n(.*?)```", GUIDE, re.DOTALL)


@pytest.mark.parametrize(("command", "printed"), TRANSCRIPTS, ids=[command for command, _ in TRANSCRIPTS])
def test_transcripts_are_what_is_printed(command, printed, capsys, monkeypatch):
    """Each command of the guide prints, to the letter, what stands below it."""
    monkeypatch.chdir(ROOT)
    monkeypatch.delenv("TRACE_FORMAT_PREFIX", raising=False)
    assert main(shlex.split(command)) == 0
    assert capsys.readouterr().out == printed


def test_every_option_is_told_of(capsys):
    """The guide leaves no option out."""
    main(["events", "--help"])
    options = set(re.findall(r"--[a-z-]+", capsys.readouterr().out))
    assert {each for each in options if each not in GUIDE} <= {"--output", "--no-progress", "--help"}
