"""Many captures: the same findings as one by one, and nobody is harmed by a bad one."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import tracecheck
from tracecheck.notebook import many

SAMPLES = Path(__file__).resolve().parents[2] / "sample_traces"
#: The worker, but a capture of this name ends its process.
DEADLY = many._PROGRAM.replace(
    "main()\n",
    """
from tracecheck.notebook import worker
answer = worker.answer
def deadly(path, reading):
    if "deadly" in path:
        import os
        os._exit(9)
    return answer(path, reading)
worker.answer = deadly
main()
""",
)


@pytest.fixture(scope="module")
def found():
    """All sample traces, one that is missing and one that is none."""
    paths = sorted(SAMPLES.glob("*.etl"))
    return tracecheck.open_many([*paths, SAMPLES / "missing.etl", SAMPLES / "README.md"], jobs=2)


class TestMany:
    """What comes back."""

    def test_each_capture_is_judged_as_alone(self, found):
        """Verdicts, counts and findings are those of `tracecheck.open`."""
        rows = found.captures.to_arrow().to_pylist()
        assert len(rows) == 21
        for row in rows[:19:3]:
            alone = tracecheck.open(row["path"])
            mine = found.findings.filter(capture=row["path"]).to_arrow().drop_columns("capture")
            assert mine.to_pydict() == alone.findings.to_arrow().to_pydict()
            assert (row["verdict"], row["error"]) == (alone.verdict.word, None)
            assert row["operations"] == len(alone.operations)
            serious = alone.findings.filter(severity=["error", "warning"])
            assert row["errors"] + row["warnings"] == len(serious)
            assert row["definite"] + row["probable"] + row["possible"] == len(serious)
            assert sum(number for _, number in row["rules"] or ()) == len(serious)

    def test_what_can_not_be_read_is_a_row(self, found):
        """The rows of bad files stand in their places and say in one line what is wrong with them."""
        missing, readme = found.captures.to_arrow().to_pylist()[-2:]
        assert missing["error"] == f"{SAMPLES / 'missing.etl'}: no such file"
        assert readme["error"].startswith(f"{SAMPLES / 'README.md'}: not an .etl file")
        assert {missing[name] for name in ("verdict", "operations", "errors", "lost")} == {None}

    def test_losses_are_counted(self, found):
        """The events that are known to be missing are summed up."""
        rows = {Path(row["path"]).stem: row for row in found.captures.to_arrow().to_pylist()}
        assert rows["healthy"]["lost"] == rows["healthy"]["losses"] == 0
        assert rows["lost-events"]["lost"] == 3

    def test_it_shows_itself(self, found):
        """The table of captures is shown, with the number of findings."""
        assert repr(found) == f"<21 captures, {len(found.findings)} findings>"
        assert "21 captures, the first 10 shown" in found._repr_html_()

    def test_no_captures_are_no_rows(self):
        """An empty list gives empty tables of the same columns."""
        none = tracecheck.open_many([])
        assert (len(none), len(none.findings)) == (0, 0)
        assert none.captures.schema == many.CAPTURES


class TestTrouble:
    """What goes wrong."""

    def test_a_process_that_dies_takes_nobody_with_it(self, monkeypatch, tmp_path):
        """Its capture is a row with an error, those before and after it are read."""
        monkeypatch.setattr(many, "_PROGRAM", DEADLY)
        names = ["a.etl", "deadly.etl", "b.etl", "deadly2.etl", "c.etl", "d.etl"]
        for name in names:
            shutil.copy(SAMPLES / "double-release.etl", tmp_path / name)
        found = tracecheck.open_many([tmp_path / name for name in names], jobs=2)
        rows = found.captures.to_arrow().to_pylist()
        assert [row["verdict"] for row in rows] == [
            "findings",
            None,
            "findings",
            None,
            "findings",
            "findings",
        ]
        assert "died (exit code 9)" in rows[1]["error"]
        alone = tracecheck.open(tmp_path / "a.etl").findings
        assert len(found.findings) == 4 * len(alone) > 0

    def test_a_path_that_is_no_text_is_shown(self, tmp_path):
        """A name that is not UTF-8 is read, and its bytes are visible."""
        path = os.fsencode(tmp_path) + b"/\xff.etl"
        try:
            shutil.copy(SAMPLES / "healthy.etl", path)
        except OSError:
            pytest.skip("the file system knows only names that are text")
        (row,) = tracecheck.open_many([os.fsdecode(path)]).captures.to_arrow().to_pylist()
        assert row["verdict"] == "clean"
        assert row["path"].endswith("\\udcff.etl")

    @pytest.mark.parametrize(
        ("paths", "options", "words"),
        [("one.etl", {}, "takes a list"), (["one.etl"], {"jobs": 0}, "at least one process")],
    )
    def test_a_wrong_request_is_a_usage_error(self, paths, options, words):
        """A lone path and a number of processes that is none are refused."""
        with pytest.raises(tracecheck.UsageError, match=words):
            tracecheck.open_many(paths, **options)

    def test_a_script_needs_no_guard(self, tmp_path):
        """Called at the top of a script, processes do not run the script again."""
        script = tmp_path / "script.py"
        script.write_text(
            f"import tracecheck\nprint(len(tracecheck.open_many([{str(SAMPLES / 'healthy.etl')!r}])))\n"
        )
        root = str(SAMPLES.parent)
        done = subprocess.run(
            [sys.executable, str(script)],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "PYTHONPATH": root},
        )
        assert done.stdout == "1\n"
