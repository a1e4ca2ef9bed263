"""`tracecheck export`: what it writes, and how it ends."""

from pathlib import Path

import pytest
from trace_formats import chrome, collapsed, speedscope

from tracecheck.cli import main

CAPTURE = str(Path(__file__).resolve().parents[2] / "sample_traces" / "get-leak.etl")
READERS = {"speedscope": speedscope, "collapsed": collapsed, "chrome": chrome}


@pytest.mark.parametrize("form", READERS)
def test_each_format_is_written(form, tmp_path, capsys):
    """The standard output and a file get the same valid text; a capture with findings is no failure."""
    assert main(["export", CAPTURE, "--format", form]) == 0
    shown = capsys.readouterr().out
    READERS[form](shown)
    assert main(["export", CAPTURE, "--format", form, "-o", str(tmp_path / "out")]) == 0
    assert (tmp_path / "out").read_text(encoding="utf-8") == shown


def test_what_is_held_is_asked_for(capsys):
    """`--weigh held` shows where the leak was taken."""
    assert main(["export", CAPTURE, "--format", "collapsed", "--weigh", "held"]) == 0
    assert capsys.readouterr().out == (
        "stream context;SimPreRead;SimPreRead (operations.c:412);FltGetStreamContext 1\n"
    )


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--format", "chrome", "--weigh", "held"], 2, "--weigh belongs to"),
        (["--format", "html"], 2, "html"),
        (["-o", CAPTURE], 2, "one of the files that are read"),
        (["missing.etl"], 4, "missing.etl: no such file"),
    ],
)
def test_what_can_not_be_done_is_one_line(arguments, code, words, capsys):
    """Wrong options give 2, unreadable input 4, and stderr one line."""
    assert main(["export", CAPTURE, *arguments]) == code
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert words in err
