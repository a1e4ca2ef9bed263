"""The ctx sample's log: lines before calls, silent success, silent releases. No leak is claimed of it."""

import json

import ctx_log
import pytest

from tracecheck.cli import main
from tracecheck.etl.writer import LogWriter

DBGPRINT, PRINTED = 0xA, 0x20


@pytest.fixture
def capture(tmp_path):
    """Write lines as DbgPrint events of one thread, and give the file."""

    def write(lines, name="ctx.etl", step=10_000):
        log = LogWriter()
        for number, line in enumerate(lines):
            payload = bytes(8) + line.encode() + b"\n\0"
            log.system(0, 100 + number * step, group=DBGPRINT, opcode=PRINTED, pid=4, tid=8, payload=payload)
        path = tmp_path / name
        log.write(str(path))
        return str(path)

    return write


def checked(capsys, *arguments):
    """Run check, and give its exit code, its report and what it said on stderr."""
    code = main(["check", "--format", "json", "--no-progress", *arguments])
    out, err = capsys.readouterr()
    return code, json.loads(out), err


class TestCtxLog:
    """A driver without a fault, and a log that does not tell of all its releases."""

    @pytest.mark.parametrize("unload", [True, False])
    def test_it_is_inconclusive_and_no_leak(self, capture, capsys, unload):
        """There is no error and no warning, so no leak, definite or probable; and it is not called clean."""
        path = capture(ctx_log.healthy_run(unload=unload))
        code, report, _ = checked(capsys, path, "--profile", "ctx")
        assert code == 3
        assert report["summary"]["verdict"] == "inconclusive"
        assert {finding["severity"] for finding in report["findings"]} <= {"note"}
        assert not [f for f in report["findings"] if f["rule"].startswith(("L", "R"))]

    def test_it_says_which_coverage_is_missing(self, capture, capsys):
        """The reasons name FltReleaseContext and the file that is silent; the advice says what to log."""
        _, report, _ = checked(capsys, capture(ctx_log.healthy_run()), "--profile", "ctx")
        reasons = " ".join(report["summary"]["reasons"])
        assert "FltReleaseContext" in reasons
        assert "operations.c" in reasons
        assert "log every call of FltReleaseContext" in report["summary"]["advice"]

    def test_that_lives_end_owned_is_said_once(self, capture, capsys):
        """Releases without a line leave most lives owned at their cleanup: one note says so."""
        _, report, _ = checked(capsys, capture(ctx_log.healthy_run(files=6)), "--profile", "ctx")
        notes = [f for f in report["findings"] if f["rule"] == "M04"]
        assert [note["context"] for note in notes] == [None]
        assert not [line for line in report["summary"]["reasons"] if "contradict" in line]

    def test_the_profile_is_found_without_asking(self, capture, capsys):
        """The sample's messages are recognised, which is said once; the findings are the same."""
        path = capture(ctx_log.healthy_run())
        asked = checked(capsys, path, "--profile", "ctx")
        code, report, err = checked(capsys, path)
        assert (code, report["findings"]) == (asked[0], asked[1]["findings"])
        assert "ctx" in err
        assert report["summary"]["profiles"] == ["ctx"]

    def test_every_life_is_seen(self, capture, capsys):
        """Each context's allocation finds its pointer: lives by type are those of the run."""
        _, report, _ = checked(capsys, capture(ctx_log.healthy_run(files=3)), "--profile", "ctx")
        lives = {kind: row["lives"] for kind, row in report["summary"]["context_types"].items()}
        # Of the second file the stream's context lost its race, and the winner's was made unseen.
        assert lives == {"instance": 1, "file": 3, "stream": 4, "stream handle": 4}

    def test_without_the_profile_nothing_is_known(self, capture, capsys):
        """With --profile none the lines mean nothing."""
        code, report, _ = checked(capsys, capture(ctx_log.healthy_run()), "--profile", "none")
        assert code == 3
        assert report["summary"]["operations"] == 0

    def test_all_lines_of_the_log_are_the_samples(self, capture, capsys):
        """The log of this test prints what the sample prints: the profile knows all its lines."""
        assert main(["profile", "check", "ctx", capture(ctx_log.healthy_run())]) == 0
        assert "leaves nothing" in capsys.readouterr().out

    def test_an_unedited_draft_claims_nothing_either(self, capture, tmp_path, capsys):
        """A profile drafted of the log itself finds no error in a driver that has none."""
        path, draft = capture(ctx_log.healthy_run()), tmp_path / "draft.toml"
        assert main(["profile", "draft", path, "-o", str(draft)]) == 0
        capsys.readouterr()
        _, report, _ = checked(capsys, path, "--profile", str(draft), "--profile", "none")
        assert {finding["severity"] for finding in report["findings"]} <= {"note"}
        assert report["summary"]["operations"] > 40

    def test_a_debugview_log_is_known_too(self, tmp_path, capsys):
        """The same lines as DebugView saves them, where a message of several lines is one still."""
        path = tmp_path / "ctx.log"
        lines = ctx_log.healthy_run()
        text = "".join(f"{n:08d}\t{n / 1000:.8f}\t{line}\n" for n, line in enumerate(lines, 1))
        path.write_text(text, encoding="utf-8")
        assert main(["profile", "check", "ctx", str(path), "--input", "debugview"]) == 0
        assert "leaves nothing" in capsys.readouterr().out
