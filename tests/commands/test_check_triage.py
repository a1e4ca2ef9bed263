"""`check` with suppressions, baselines and redaction: exit codes, files and messages."""

import json
from pathlib import Path

import pytest

from tracecheck.cli import main

SAMPLES = Path(__file__).resolve().parents[2] / "sample_traces"
LEAK = str(SAMPLES / "get-leak.etl")
HEALTHY = str(SAMPLES / "healthy.etl")


def run(capsys, *arguments):
    """Run `check` on the leak: its exit code, what it printed, and what it said on stderr."""
    code = main(["check", *arguments, "-q"])
    told = capsys.readouterr()
    return code, told.out, told.err


class TestFormats:
    """Every format, through the command."""

    @pytest.mark.parametrize("form", ["text", "table", "json", "sarif", "junit", "markdown", "html"])
    def test_each_tells_the_same_verdict(self, form, capsys):
        """The exit code is that of the verdict in every format, and there is something to read."""
        assert run(capsys, LEAK, "--format", form)[0] == 1
        code, out, _ = run(capsys, HEALTHY, "--format", form)
        assert code == 0
        assert out

    def test_junit_fails_on_what_the_job_fails_on(self, capsys):
        """Findings that do not fail a run pass in JUnit too; the counts are those of the elements."""
        out = run(capsys, LEAK, "--format", "junit", "--fail-on", "error")[1]
        assert out.count("<failure") == int(out.split('failures="')[1].split('"')[0])
        assert out.count("<testcase") == int(out.split('tests="')[1].split('"')[0])


class TestSuppressions:
    """Files of suppressions."""

    def test_generated_ones_make_the_run_pass(self, capsys, tmp_path):
        """What --generate-suppressions writes is what --suppressions takes; the run then passes."""
        _, out, _ = run(capsys, LEAK, "--generate-suppressions")
        path = tmp_path / "known.supp"
        path.write_text(out, "utf-8")
        code, out, err = run(capsys, LEAK, "--suppressions", str(path))
        assert code == 0
        assert "verdict: clean" in out
        assert f"suppressed 3 findings: {path}:" in err

    def test_json_lists_what_was_suppressed_and_why(self, capsys, tmp_path):
        """The findings that do not count are there, each with its reason, and unused entries too."""
        path = tmp_path / "known.supp"
        path.write_text("L09:Sim* # by design\nR01:x # never\n", "utf-8")
        code, out, err = run(capsys, LEAK, "--suppressions", str(path), "--format", "json")
        report = json.loads(out)
        assert code == 1
        assert [(row["rule"], row["reason"]) for row in report["suppressed"]] == [("L09", "by design")]
        assert "L09" not in {row["rule"] for row in report["findings"]}
        assert [row["reason"] for row in report["suppressions"]["unused"]] == ["never"]
        assert "unused suppression" in err

    @pytest.mark.parametrize(
        ("content", "why"),
        [(None, "cannot be read"), (b"\xff\xfe", "is no UTF-8 text"), (b"what\n", ":1: write RULE:SITE")],
    )
    def test_a_bad_file_is_told_before_the_work(self, content, why, capsys, tmp_path):
        """A missing or malformed file is one line, and exit code 4."""
        path = tmp_path / "bad.supp"
        if content is not None:
            path.write_bytes(content)
        code, out, err = run(capsys, LEAK, "--suppressions", str(path))
        assert (code, out) == (4, "")
        assert str(path) in err
        assert why in err
        assert err.count("\n") == 1


class TestBaselines:
    """Baseline files."""

    @pytest.mark.parametrize("by", ["--write-baseline", "json"])
    def test_what_is_known_does_not_fail_a_run(self, by, capsys, tmp_path):
        """Against a baseline of itself a capture passes; one of another capture leaves it failing."""
        path = tmp_path / "base.json"
        if by == "json":
            run(capsys, LEAK, "--format", "json", "-o", str(path))
        else:
            run(capsys, LEAK, by, str(path))
        code, out, err = run(capsys, LEAK, "--baseline", str(path))
        assert code == 0
        assert "verdict: clean" in out
        assert "known from the baseline: " in err
        run(capsys, HEALTHY, "--write-baseline", str(path))
        assert run(capsys, LEAK, "--baseline", str(path))[0] == 1

    def test_a_capture_is_not_overwritten(self, capsys):
        """A baseline is not written over what is read."""
        code, _, err = run(capsys, LEAK, "--write-baseline", LEAK)
        assert code == 2
        assert "is one of the files that are read" in err

    def test_a_new_baseline_is_not_overwritten_by_the_report(self, capsys, tmp_path):
        """One file can't hold both; nothing is written."""
        path = tmp_path / "out"
        code, out, err = run(
            capsys, LEAK, "-o", str(path), "--write-baseline", str(tmp_path / "x" / ".." / "out")
        )
        assert (code, out) == (2, "")
        assert "is to hold the report and the baseline" in err
        assert not path.exists()


class TestRedaction:
    """Redacted output through the commands."""

    def test_a_redacted_report_leads_to_a_redacted_timeline(self, capsys):
        """The pointer that a redacted report shows is found by `timeline --redact`; so is the trace's own."""
        out = run(capsys, LEAK, "--redact", "--format", "json")[1]
        shown = json.loads(out)["findings"][0]["context"]
        plain = json.loads(run(capsys, LEAK, "--format", "json")[1])["findings"][0]["context"]
        lives = []
        for pointer in (shown, plain):
            assert main(["timeline", LEAK, pointer, "--redact", "-q"]) == 0
            lives.append(capsys.readouterr().out)
        assert lives[0] == lives[1]
        assert shown in lives[0]
        assert plain not in lives[0]
        assert "Sim" not in lives[0]
