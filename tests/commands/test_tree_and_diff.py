"""`tracecheck tree` and `tracecheck diff` as processes see them: options, exit codes, messages."""

import json

import pytest

from tracecheck.cli import main
from tracecheck.simulate import Fault, Scenario, simulate


@pytest.fixture(scope="module")
def captures(tmp_path_factory):
    """A healthy capture, one with a leak, one with twenty, one that began late."""
    folder = tmp_path_factory.mktemp("captures")
    runs = {
        "healthy": {},
        "leak": {"faults": (Fault("L09"),)},
        "leaks": {"faults": (Fault("L09", occurrences=20),)},
        "late": {"conditions": frozenset({"late-start"})},
    }
    for name, more in runs.items():
        simulate(Scenario(seed=2, operations=900, returns=True, nested=False, **more)).write(
            folder / f"{name}.etl"
        )
    return {name: str(folder / f"{name}.etl") for name in runs}


def run(capsys, *arguments):
    """Run a command: its exit code, what it printed and what it complained of."""
    code = main(arguments)
    out, err = capsys.readouterr()
    return code, out, err


class TestDiff:
    """Exit codes are for CI jobs."""

    @pytest.mark.parametrize(
        ("before", "after", "code", "states"),
        [
            ("healthy", "healthy", 0, {}),
            ("leak", "leak", 0, {"unchanged": 1}),
            ("healthy", "leak", 1, {"new": 1}),
            ("leak", "leaks", 1, {"worse": 1}),
            ("leaks", "leak", 0, {"better": 1}),
            ("leak", "healthy", 0, {"fixed": 1}),
            ("leak", "late", 3, {"fixed": 1}),
            ("healthy", "late", 3, {}),
        ],
    )
    def test_what_is_new_or_worse_fails(self, captures, capsys, before, after, code, states):
        """1 where something is new or worse, 3 where AFTER could not be judged, else 0."""
        got, out, _ = run(capsys, "diff", captures[before], captures[after], "--format", "json")
        assert got == code
        assert {state: n for state, n in json.loads(out)["summary"].items() if n} == states

    def test_what_cannot_be_read(self, captures, capsys):
        """A file that is not there ends with 4 and one line."""
        code, out, err = run(capsys, "diff", captures["leak"], "nowhere.etl")
        assert (code, out, err.count("\n")) == (4, "", 1)


def _names(node):
    """List the names of a tree."""
    yield node["name"]
    for child in node["children"]:
        yield from _names(child)


def _depth(node):
    """Tell how deep a tree is."""
    return 1 + max(map(_depth, node["children"]), default=0)


class TestTree:
    """What the tree is of."""

    def test_a_signature_is_one_of_a_cause_or_of_a_rule(self, captures, capsys):
        """Both select the contexts of their findings."""
        _, out, _ = run(capsys, "diff", captures["healthy"], captures["leaks"], "--format", "json")
        cause = json.loads(out)["changes"][0]["signature"]
        _, out, _ = run(capsys, "check", captures["leaks"], "--format", "json")
        found = json.loads(out)["findings"]
        rules = {finding["signature"] for finding in found if finding["rule"] in ("L01", "L02", "L09")}
        seen = set()
        for signature in (cause, *rules):
            code, out, _ = run(
                capsys, "tree", captures["leaks"], "--signature", signature.upper(), "--format", "json"
            )
            read = json.loads(out)
            seen.add((code, read["contexts"]))
            assert 0 < read["tree"]["balance"] <= 20
        assert (0, 20) in seen

    def test_a_type(self, captures, capsys):
        """Only contexts of that type are counted."""
        _, out, _ = run(capsys, "tree", captures["leak"], "--type", "streamhandle", "--invert", "--collapse")
        assert "SimAttachHandleContext" in out
        assert "SimPreRead" not in out

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            (["--signature", "beef"], "beef: no finding has this signature; there are "),
            (["--signature", "beef", "--type", "stream"], "give one of them"),
            (["--type", "steam"], "'steam' is not one of"),
        ],
    )
    def test_what_there_is_not(self, captures, capsys, options, message):
        """A slip of the keyboard ends with 2 and says what there is."""
        code, out, err = run(capsys, "tree", captures["leak"], *options)
        assert (code, out) == (2, "")
        assert message in err

    def test_stacks_put_callers_above_the_functions(self, capsys, tmp_path):
        """With stacks the driver's callers stand above a call, no kernel's; sums are those without stacks."""
        path, plain = tmp_path / "stacks.etl", tmp_path / "plain.etl"
        run_ = Scenario(seed=3, operations=500, faults=(Fault("L09"),))
        simulate(run_, kernel_events=True).write(path)
        simulate(run_).write(plain)
        trees = []
        for each in (path, plain):
            _, out, _ = run(capsys, "tree", str(each), "--type", "stream", "--format", "json")
            trees.append(json.loads(out)["tree"])
        names = set(_names(trees[0]))
        assert any("Sim.sys" in name or "SimPostCreate" in name for name in names)
        assert not any("ntoskrnl" in name or "FLTMGR" in name.upper() for name in names)
        assert [trees[0][key] for key in ("taken", "dropped", "balance")] == [
            trees[1][key] for key in ("taken", "dropped", "balance")
        ]
        assert max(map(_depth, trees[0]["children"])) > max(map(_depth, trees[1]["children"]))

    def test_a_capture_without_operations(self, capsys, tmp_path):
        """Nothing was taken and nothing dropped."""
        path = tmp_path / "log.txt"
        path.write_text("nothing of interest\n", encoding="utf-8")
        code, out, _ = run(capsys, "tree", str(path), "--unbalanced", "--input", "text")
        assert (code, out.splitlines()[1].split()) == (0, ["0", "0", "0", "all"])
