"""`check` and `timeline` of a driver that logs in its own words: lines before calls, silent success."""

import json
import struct

import pytest

from tracecheck.cli import main
from tracecheck.etl.writer import LogWriter

CONTEXT, OBJECT = 0xFFFFAE0512340010, 0xFFFFAE0500000200
PROFILE = """
profile = 1
name = "mine"
title = "a driver that says what it is about to do"
@
[[message]]
text = "[My]: Allocating stream context\\n"
routine = "FltAllocateContext"
tells = "intent"
[message.constant]
context_type = "stream"
[message.pointer]
first = "FltSetStreamContext"

[[message]]
text = "[My]: Setting stream context %p (FileObject = %p)\\n"
routine = "FltSetStreamContext"
tells = "intent"
context = 1
file_object = 2
[message.constant]
operation = "keep_if_exists"

[[message]]
text = "[My]: Failed to set stream context with status 0x%x\\n"
routine = "FltSetStreamContext"
tells = "failure"
status = 1

[[message]]
text = "[My]: Got stream context %p (FileObject = %p)\\n"
routine = "FltGetStreamContext"
context = 1
file_object = 2
[message.constant]
status = 0

[[message]]
text = "[My]: Releasing stream context %p\\n"
routine = "FltReleaseContext"
context = 1

[[message]]
text = "[My]: Unloaded\\n"
routine = "FilterUnload"
[message.constant]
phase = 2
"""
COMPLETE = """[coverage]
complete = ["FltAllocateContext", "FltSetStreamContext", "FltGetStreamContext", "FltReleaseContext"]
"""
PARTIAL = """[coverage]
complete = ["FltAllocateContext", "FltSetStreamContext", "FltGetStreamContext"]
partial = ["FltReleaseContext"]
note = "operations.c releases without a line"
"""
BORN = [
    "[My]: Allocating stream context\n",
    f"[My]: Setting stream context {CONTEXT:016X} (FileObject = {OBJECT:016X})\n",
]
RELEASE = f"[My]: Releasing stream context {CONTEXT:016X}\n"
GET = f"[My]: Got stream context {CONTEXT:016X} (FileObject = {OBJECT:016X})\n"
UNLOADED = "[My]: Unloaded\n"


@pytest.fixture
def check(tmp_path, capsys):
    """Write DbgPrint lines and a profile, run `check`; give exit code, report and stderr."""

    def run(lines, coverage, *options):
        log = LogWriter()
        for number, line in enumerate(lines, 1):
            payload = struct.pack("<II", 77, 3) + line.encode() + b"\0"
            log.system(0, number * 10_000, group=0xA, opcode=0x20, pid=4, tid=8, payload=payload)
        log.write(tmp_path / "debug.etl")
        (tmp_path / "mine.toml").write_text(PROFILE.replace("@", coverage))
        chosen = options or ("--profile", str(tmp_path / "mine.toml"))
        code = main(["check", str(tmp_path / "debug.etl"), "--format", "json", "-q", *chosen])
        out, err = capsys.readouterr()
        return code, json.loads(out) if out else None, err

    return run


class TestFindings:
    """What such a log can prove."""

    def test_a_leak_rests_on_a_success_that_nobody_told_of(self, check):
        """With all releases logged a leak is probable: that the silent calls succeeded is assumed."""
        code, report, _ = check([*BORN, RELEASE, GET, UNLOADED], COMPLETE)
        leaks = {found["rule"]: found for found in report["findings"] if found["severity"] == "error"}
        assert code == 1
        assert set(leaks) == {"L01", "L09"}
        for found in leaks.values():
            assert found["confidence"] == "probable"
            assert "only the intent was logged" in found["reasons"][0]
            assert found["context"] == f"{CONTEXT:#x}"
        assert report["summary"]["profiles"] == ["mine"]

    def test_unlogged_releases_give_no_leak(self, check):
        """Where releases are partial no leak is told of; the verdict names what is missing."""
        code, report, _ = check([*BORN, RELEASE, GET, UNLOADED], PARTIAL)
        assert code == 3
        assert {(found["rule"], found["severity"]) for found in report["findings"]} == {
            ("M02", "note"),
            ("M03", "note"),
        }
        (reason,) = report["summary"]["reasons"]
        assert "FltReleaseContext is not logged completely" in reason
        assert "operations.c releases without a line" in reason
        assert report["summary"]["advice"] == ["log every call of FltReleaseContext"]

    def test_an_unknown_coverage_is_said(self, check):
        """A profile that does not say what is logged gives probable findings, and that is the reason."""
        _, report, _ = check([*BORN, RELEASE, GET, UNLOADED], "")
        reasons = {reason for found in report["findings"] for reason in found["reasons"]}
        assert "the profile mine does not say what the driver logs completely" in reasons
        told = {found["confidence"] for found in report["findings"] if found["severity"] != "note"}
        assert told == {"probable"}

    def test_a_set_that_failed_took_no_reference(self, check):
        """The failure line undoes the intent: the release after it frees the context, nothing is wrong."""
        failed = "[My]: Failed to set stream context with status 0xc01c000b\n"
        code, report, _ = check([*BORN, failed, RELEASE, UNLOADED], COMPLETE)
        assert (code, {found["rule"] for found in report["findings"]}) == (0, {"M02", "S06"})


class TestChoice:
    """Which profiles are used."""

    def test_without_a_profile_the_advice_is_to_write_one(self, check):
        """Messages that nothing explains give no operations, and say what to do."""
        code, report, _ = check([*BORN, RELEASE], COMPLETE, "--profile", "simulated")
        assert code == 3
        assert any("--profile" in advice for advice in report["summary"]["advice"])

    def test_a_missing_profile_is_an_error_of_the_call(self, check):
        """No capture is read in vain."""
        code, report, said = check(BORN, COMPLETE, "--profile", "no-such")
        assert (code, report) == (2, None)
        assert "no-such: no profile has this name" in said

    def test_a_shipped_profile_is_used_on_its_own_and_says_so(self, tmp_path, capsys):
        """Where its messages occur, one line on stderr names it; 'none' turns it off."""
        path = str(tmp_path / "run.etl")
        assert main(["simulate", "-o", path, "--form", "dbgprint", "--operations", "300"]) == 0
        capsys.readouterr()
        assert main(["check", path, "-q"]) == 0
        assert "read by the profile simulated" in capsys.readouterr().err
        assert main(["check", path, "-q", "--profile", "none"]) == 3
        assert "simulated" not in capsys.readouterr().err

    def test_wpp_messages_without_definitions_are_counted(self, tmp_path, capsys):
        """What cannot be read is counted, with what to supply; with the TMF file it is read."""
        path, tmf = str(tmp_path / "run.etl"), str(tmp_path / "run.tmf")
        assert main(["simulate", "-o", path, "--form", "wpp", "--operations", "300"]) == 0
        capsys.readouterr()
        assert main(["check", path, "-q"]) == 3
        shown = capsys.readouterr()
        assert "WPP messages have no definition" in shown.err
        assert "give the driver's --pdb or --tmf" in shown.err + shown.out
        assert main(["check", path, "-q", "--tmf", tmf]) == 0

    def test_timeline_takes_the_same_options(self, tmp_path, capsys):
        """A context of a log in the driver's own words has a timeline."""
        path, tmf = str(tmp_path / "run.etl"), str(tmp_path / "run.tmf")
        main(["simulate", "-o", path, "--form", "wpp", "--operations", "300"])
        assert main(["timeline", path, "0", "--id", "-q", "--tmf", tmf]) == 0
        assert "FltAllocateContext" in capsys.readouterr().out
