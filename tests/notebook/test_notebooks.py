"""The notebooks that come with the project run whole, and the pages about them print what they say."""

import doctest
import json
import re
from pathlib import Path

import pytest
from notebook_runner import cells, run

from tracecheck.cli import main

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
BY_NAME = {path.stem: path for path in NOTEBOOKS}
TRANSCRIPTS = re.findall(
    r"```console\n\$ tracecheck (.*?)\n(.*?)```",
    (ROOT / "docs" / "export.md").read_text(encoding="utf-8"),
    re.DOTALL,
)


@pytest.fixture
def beside(monkeypatch):
    """Work where the notebooks stand, as Jupyter does."""
    monkeypatch.chdir(ROOT / "notebooks")


def test_there_are_two():
    """One capture, and many."""
    assert set(BY_NAME) == {"post-mortem", "batch"}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
class TestFiles:
    """The files themselves."""

    def test_they_keep_the_format(self, path):
        """Version 4.5 of the notebook format: cells with ids of their own, sources in lines."""
        notebook = json.loads(path.read_text(encoding="utf-8"))
        assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
        assert set(notebook) == {"cells", "metadata", "nbformat", "nbformat_minor"}
        ids = [cell["id"] for cell in notebook["cells"]]
        assert len(set(ids)) == len(ids)
        for cell in notebook["cells"]:
            assert re.fullmatch(r"[A-Za-z0-9_-]{1,64}", cell["id"])
            assert all(line.endswith("\n") for line in cell["source"][:-1])
            assert cell["cell_type"] in ("markdown", "code")

    def test_nothing_of_a_run_is_in_them(self, path):
        """No output, no counter, no path of a machine."""
        notebook = json.loads(path.read_text(encoding="utf-8"))
        code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
        assert {(cell["execution_count"], len(cell["outputs"])) for cell in code} == {(None, 0)}
        text = "".join([*cells(path, "code"), *cells(path, "markdown")])
        assert not re.search(r"(?<![.\w])/(home|tmp|root|Users|work)\b|[A-Z]:\\", text)

    def test_every_cell_is_explained(self, path):
        """A notebook begins with what it is, and every part with words."""
        notebook = json.loads(path.read_text(encoding="utf-8"))
        assert notebook["cells"][0]["source"][0].startswith("# ")
        assert len(cells(path, "markdown")) * 2 >= len(cells(path, "code"))


@pytest.mark.usefixtures("beside")
class TestRuns:
    """They run whole."""

    def test_the_post_mortem_shows_the_leak(self, capsys):
        """Verdict, findings, the life with its fault, and the two plots."""
        shown = run(BY_NAME["post-mortem"])
        assert shown[0].startswith("Verdict(word='findings'")
        assert "0xffffa818000dc2e0" in shown[2]
        assert "<svg" in shown[3]
        assert "SimPreRead (operations.c:412)  ◀ L09" in shown[3]
        assert "held: 1 reference never released" in capsys.readouterr().out
        assert sum("plotly" in each for each in shown if each) == 2

    def test_the_batch_shows_every_sample(self):
        """All samples are rows, the missing one with its error, and the first cause is drawn."""
        shown = run(BY_NAME["batch"])
        assert "20 captures" in shown[0]
        assert "no such file" in shown[3]
        assert "<svg" in shown[5]
        assert shown[6] == "True"


class TestPages:
    """What the pages show is true."""

    def test_notebooks_md_prints_what_it_shows(self, monkeypatch):
        """Every example of the page, run in order from the project's folder."""
        monkeypatch.chdir(ROOT)
        done = doctest.testfile(str(ROOT / "docs" / "notebooks.md"), module_relative=False, encoding="utf-8")
        assert done.failed == 0
        assert done.attempted > 15

    @pytest.mark.parametrize(("command", "printed"), TRANSCRIPTS, ids=[command for command, _ in TRANSCRIPTS])
    def test_export_md_prints_what_it_shows(self, command, printed, monkeypatch, capsys, tmp_path):
        """Each command of the page prints, to the letter, what stands below it."""
        (tmp_path / "sample_traces").symlink_to(ROOT / "sample_traces")
        monkeypatch.chdir(tmp_path)
        assert main(command.split()) == 0
        assert capsys.readouterr().out == printed
