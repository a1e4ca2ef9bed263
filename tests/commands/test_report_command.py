"""`tracecheck report`: where the page goes, and what it is called."""

from importlib.resources import files

import pytest

from tracecheck.cli import main
from tracecheck.reporters.html import page


@pytest.fixture
def sample(request):
    """A sample trace."""
    return str(request.config.rootpath / "sample_traces/get-leak.etl")


def test_a_file(sample, tmp_path, capsys):
    """The page is written to the file that is named, and the file is named on stderr."""
    path = tmp_path / "out.html"
    assert main(["report", sample, "-o", str(path)]) == 0
    assert path.read_text(encoding="ascii").startswith("<!DOCTYPE html>")
    assert "<title>get-leak.etl</title>" in path.read_text(encoding="ascii")
    assert str(path) in capsys.readouterr().err


def test_the_standard_output(sample, capsys):
    """Without -o the page goes to the standard output, if that is no terminal."""
    assert main(["report", sample, "--title", "<b>\u05d0"]) == 0
    out = capsys.readouterr().out
    assert "<title>&lt;b&gt;&#1488;</title>" in out
    assert out.endswith("</html>\n")


def test_a_terminal(sample, capsys, monkeypatch):
    """A page is not poured over a terminal."""
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    assert main(["report", sample]) == 2
    assert "-o FILE.html" in capsys.readouterr().err


def test_the_capture_is_not_overwritten(sample, capsys):
    """A slip of the hand does not cost the capture."""
    assert main(["report", sample, "-o", sample]) == 2
    assert "is one of the files that are read" in capsys.readouterr().err


def test_a_text_log(tmp_path):
    """Text logs have pages too."""
    log, out = tmp_path / "log.csv", tmp_path / "out.html"
    assert main(["simulate", "-o", str(log), "--form", "tracefmt-csv", "--operations", "200"]) == 0
    assert main(["report", str(log), "-o", str(out), "-q"]) == 0
    assert out.stat().st_size > 50_000


def test_what_the_page_is_made_of_comes_with_the_package():
    """Every part is package data, in ASCII, with comments on lines of their own as the joining needs."""
    folder = files("tracecheck.reporters.html").joinpath("assets")
    for name in ("page.html", "style.css", *page.PROGRAM):
        text = folder.joinpath(name).read_text(encoding="ascii")
        assert "/*" not in text
    assert {each.name for each in folder.iterdir()} == {"page.html", "style.css", *page.PROGRAM}
