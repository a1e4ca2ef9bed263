"""The README's transcripts are what the program prints, and its links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tracecheck.cli import COMMANDS, main

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
TRANSCRIPTS = re.findall(r"```console\n\$ tracecheck (.*?)\n(.*?)```", README, re.DOTALL)


class TestReadme:
    """What a new user reads first is true."""

    @pytest.mark.parametrize(("command", "printed"), TRANSCRIPTS, ids=[command for command, _ in TRANSCRIPTS])
    def test_transcripts_are_what_is_printed(
        self, command: str, printed: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Each command of the README prints, to the letter, what stands below it."""
        monkeypatch.chdir(ROOT)
        main(command.split())
        assert capsys.readouterr().out == printed

    def test_there_are_transcripts(self) -> None:
        """A finding and a timeline are shown."""
        assert [command.split()[0] for command, _ in TRANSCRIPTS] == ["check", "timeline"]

    def test_links_lead_somewhere(self) -> None:
        """Every file that the README and the docs link to exists."""
        for page in [
            ROOT / "README.md",
            *sorted((ROOT / "docs").glob("*.md")),
            ROOT / "sample_traces" / "README.md",
        ]:
            for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
                assert (page.parent / target).exists(), f"{page.name}: {target}"

    def test_every_command_is_told_of(self) -> None:
        """No command is left out of the README."""
        for name in COMMANDS:
            assert f"`tracecheck {name}" in README
