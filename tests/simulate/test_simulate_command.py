"""`tracecheck simulate`."""

import json

import pytest

from tracecheck.cli import main
from tracecheck.commands.simulate import simulate as command
from tracecheck.simulate import Fault, Scenario, simulate
from tracecheck.simulate.conditions import CONDITIONS
from tracecheck.simulate.faults import FAULTS
from tracecheck.simulate.forms import FORMS
from tracecheck.simulate.samples import SAMPLES


class TestCommand:
    """What the options do."""

    def test_it_writes_what_the_library_makes(self, tmp_path, capsys):
        """Options and scenario give the same bytes; the truth stands in its own file."""
        etl, truth = tmp_path / "a.etl", tmp_path / "a.json"
        options = ["--seed", "7", "--operations", "400", "--fault", "r01:set", "--condition", "noise"]
        assert main(["simulate", "-o", str(etl), "--truth", str(truth), *options]) == 0
        expected = simulate(
            Scenario(
                seed=7,
                operations=400,
                faults=(Fault("R01", "set"),),
                conditions=frozenset({"noise"}),
                buffer_size=65536,
            )
        )
        assert etl.read_bytes() == expected.data
        assert truth.read_text("utf-8") == expected.truth.to_json()
        assert capsys.readouterr() == ("", f"Wrote {etl}\nWrote {truth}\n")

    @pytest.mark.parametrize(
        ("options", "field", "value"),
        [
            (["--no-unload"], "unload", False),
            (["--cut"], "cut", True),
            (["--returns"], "returns", True),
            (["--bugcheck"], "bugcheck", True),
            (["--no-reuse"], "reuse", False),
            (["--compressed"], "compressed", True),
            (["--pointer-size", "4"], "pointer_size", 4),
            (["--processors", "3"], "processors", 3),
            (["--threads", "9"], "threads", 9),
            (["--drivers", "2"], "drivers", 2),
            (["--duration", "0.5"], "duration", 0.5),
        ],
    )
    def test_every_option_reaches_the_scenario(self, tmp_path, options, field, value):
        """The truth tells the scenario that was simulated."""
        truth = tmp_path / "a.json"
        few = ["--operations", "200", "-o", str(tmp_path / "a.etl"), "--truth", str(truth)]
        assert main(["simulate", *few, *options]) == 0
        assert json.loads(truth.read_text("utf-8"))["scenario"][field] == value

    def test_the_list_names_everything(self, capsys):
        """Faults with their variants, conditions, forms and samples are listed."""
        assert main(["simulate", "--list"]) == 0
        out = capsys.readouterr().out
        variants = [variant for rule in FAULTS.values() for variant in rule.ways]
        for name in (*FAULTS, *variants, *CONDITIONS, *FORMS, *(sample.name for sample in SAMPLES)):
            assert name in out

    @pytest.mark.parametrize(
        "wrong",
        [
            [],
            ["-o", "a.etl", "--fault", "Z99"],
            ["-o", "a.etl", "--fault", "L02"],
            ["-o", "a.etl", "--condition", "nonsense"],
            ["-o", "nowhere/a.etl", "--operations", "200"],
            ["-o", "a.etl", "--operations", "many"],
            ["-o", "a.etl", "--form", "nonsense"],
            ["-o", "a.txt", "--form", "kd", "--condition", "circular"],
        ],
    )
    def test_a_wrong_request_gives_two_and_one_line(self, wrong, tmp_path, monkeypatch, capsys):
        """Usage errors are one line on stderr, and no file is left."""
        monkeypatch.chdir(tmp_path)
        assert main(["simulate", *wrong]) == 2
        out, err = capsys.readouterr()
        assert (out, err.count("\n")) == ("", 1)
        assert list(tmp_path.iterdir()) == []

    def test_the_command_is_exported_by_its_name(self):
        """``simulate`` of the module is the click command."""
        assert command.name == "simulate"


class TestForms:
    """Captures in other forms."""

    @pytest.mark.parametrize(
        ("form", "ending"),
        [("tracelogging", None), ("wpp", ".tmf"), ("manifest", ".man"), ("dbgprint", None)],
    )
    def test_what_a_reader_needs_stands_beside_the_capture(self, tmp_path, capsys, form, ending):
        """The TMF file or the manifest has the capture's name, and is told on stderr."""
        etl = tmp_path / "a.etl"
        assert main(["simulate", "-o", str(etl), "--operations", "200", "--form", form]) == 0
        made = simulate(Scenario(operations=200, buffer_size=65536), form)
        files = {etl: made.data}
        if ending:
            files[etl.with_suffix(ending)] = made.beside.encode()
        assert {path: path.read_bytes() for path in tmp_path.iterdir()} == files
        assert capsys.readouterr() == ("", "".join(f"Wrote {path}\n" for path in files))

    @pytest.mark.parametrize("form", FORMS)
    def test_kernel_events_go_into_every_etl_form(self, tmp_path, capsys, form):
        """A text log can't have them, and nothing is written then."""
        path = tmp_path / "a.log"
        code = main(["simulate", "-o", str(path), "--operations", "200", "--form", form, "--kernel-events"])
        if FORMS[form].is_etl:
            made = simulate(Scenario(operations=200, buffer_size=65536), form, kernel_events=True)
            assert (code, path.read_bytes()) == (0, made.data)
        else:
            assert (code, list(tmp_path.iterdir())) == (2, [])
            assert "--kernel-events" in capsys.readouterr().err
