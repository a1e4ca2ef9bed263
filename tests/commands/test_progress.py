"""Progress: only for a person, only for long work, never among the results."""

import sys

import pytest

from tracecheck.commands import progress as module
from tracecheck.commands.progress import progress


class TestProgress:
    """Who sees a bar."""

    @pytest.mark.parametrize(("terminal", "quiet"), [(False, False), (False, True), (True, True)])
    def test_nobody_watching_costs_nothing(self, monkeypatch, terminal, quiet):
        """Without a terminal on stderr, or with -q, the work is not asked to report."""
        monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
        with progress("Checking", quiet) as advance:
            assert advance is None

    @pytest.mark.parametrize(("short", "shown"), [(0.0, True), (60.0, False)])
    def test_only_long_work_shows_a_bar(self, monkeypatch, capsys, short, shown):
        """The bar comes when the work has lasted, on stderr, and says what is done."""
        monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
        monkeypatch.setattr(module, "_SHORT", short)
        monkeypatch.setenv("FORCE_COLOR", "1")
        with progress("Checking", quiet=False) as advance:
            for done in range(5):
                advance(done, 4)
        out, err = capsys.readouterr()
        assert out == ""
        assert ("Checking" in err) is shown

    def test_an_error_takes_the_bar_away(self, monkeypatch, capsys):
        """Whatever ends the work, the terminal is left as it was: the cursor is shown again."""
        monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
        monkeypatch.setattr(module, "_SHORT", 0.0)
        monkeypatch.setenv("FORCE_COLOR", "1")

        def interrupted():
            with progress("Checking", quiet=False) as advance:
                advance(1, 4)
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            interrupted()
        assert capsys.readouterr().err.rindex("\x1b[?25h") > 0
