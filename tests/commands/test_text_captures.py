"""Text logs through the commands: the findings of the .etl file, as sure as the form allows."""

import json
from dataclasses import replace

import pytest
from hostile import SAMPLES, commands, fair, run

from tracecheck.simulate import Fault, Scenario, simulate
from tracecheck.simulate.scenario import Mix

TEXT_FORMS = ("tracefmt", "tracefmt-csv", "debugview", "kd")
#: The surest that a finding of each form can be, where the profile says that all calls are logged.
SUREST = {"tracefmt": "probable", "tracefmt-csv": "definite", "debugview": "probable", "kd": "probable"}
FAULTS = ("R01", "R02", "R03", "R04", "R05", "L01", "L09")


@pytest.fixture
def logs(tmp_path):
    """Give a function that writes a run as .etl and as a text log."""

    def _logs(form, seed=1, fault=None, **settings):
        faults = (Fault(fault),) if fault else ()
        scenario = Scenario(seed=seed, operations=1500, threads=10, faults=faults, **settings)
        etl, log = tmp_path / "run.etl", tmp_path / f"{form}.log"
        simulate(scenario, "tracelogging").write(etl)
        simulate(scenario, form).write(log)
        return etl, log

    return _logs


def arguments(form):
    """Say what a plain debugger's log is; the others are recognised."""
    return ["--input", "kd"] if form == "kd" else []


def checked(path, *more):
    """Check a capture; give the report and the outcome."""
    outcome = fair(run("check", "--format", "json", path, *more), 0, 1, 3)
    return json.loads(outcome.out), outcome


def faults(report):
    """Give what a report finds wrong, and how sure it is."""
    found = [finding for finding in report["findings"] if finding["severity"] != "note"]
    return {(f["rule"], f["context"], f["generation"]): f["confidence"] for f in found}


class TestSameFindings:
    """What the .etl file of a run gives, its text log gives."""

    @pytest.mark.parametrize("form", TEXT_FORMS)
    @pytest.mark.parametrize("fault", FAULTS)
    def test_a_fault_is_found_through_every_form(self, logs, form, fault):
        """Every finding of the .etl file is found, none surer than the form allows, and no other is sure."""
        etl, log = logs(form, seed=3, fault=fault)
        wanted = faults(checked(etl)[0])
        report, outcome = checked(log, "--profile", "simulated", *arguments(form))
        got = faults(report)
        assert wanted.keys() <= got.keys()
        assert {got[key] for key in got.keys() - wanted.keys()} <= {"possible"}
        assert "definite" not in got.values() or SUREST[form] == "definite"
        assert [got[key] for key in wanted if wanted[key] == "definite"].count(SUREST[form]) > 0 or form in (
            "debugview",
            "kd",
        )
        assert outcome.code == 1
        assert "zone" in outcome.err or "no dates" in outcome.err or "no times" in outcome.err

    @pytest.mark.parametrize("form", TEXT_FORMS)
    @pytest.mark.parametrize("seed", [1, 2])
    def test_a_healthy_run_has_no_findings(self, logs, form, seed):
        """Where the driver does nothing wrong, no form says that it does."""
        _, log = logs(form, seed=seed)
        report, _ = checked(log, "--profile", "simulated", *arguments(form))
        assert faults(report) == {}
        assert report["summary"]["operations"] > 1000
        # A profile that comes with the package is used unasked.
        assert checked(log, *arguments(form))[0]["summary"]["profiles"] == ["simulated"]

    @pytest.mark.parametrize("form", TEXT_FORMS)
    def test_lines_of_others_change_nothing(self, logs, form):
        """What other components print between the driver's lines is not taken for its own."""
        _, log = logs(form, fault="R02", conditions=frozenset({"noise"}))
        quiet = faults(checked(log, "--profile", "simulated", *arguments(form))[0])
        _, log = logs(form, fault="R02")
        assert quiet == faults(checked(log, "--profile", "simulated", *arguments(form))[0])

    def test_a_missing_number_is_a_loss(self, logs):
        """Lines that DebugView dropped are losses, and a finding that they touch is no more than possible."""
        _, log = logs("debugview", fault="L01")
        lines = log.read_bytes().split(b"\r\n")
        log.write_bytes(b"\r\n".join(lines[:500] + lines[510:]))
        report, _ = checked(log, "--profile", "simulated")
        (loss,) = report["summary"]["losses"]
        assert (loss["count"], loss["sign"]) == (10, "message sequence")
        assert report["summary"]["verdict"] != "clean"
        assert set(faults(report).values()) <= {"possible", "probable"}

    @pytest.mark.parametrize("form", TEXT_FORMS)
    def test_a_log_in_parts_is_one(self, logs, form):
        """Several files of one log, given in order, give what the whole one gives."""
        _, log = logs(form, fault="R04")
        whole = faults(checked(log, "--profile", "simulated", *arguments(form))[0])
        data = log.read_bytes()
        cut = data.index(b"\n", len(data) // 2) + 1
        one, two = log.with_suffix(".1"), log.with_suffix(".2")
        one.write_bytes(data[:cut])
        two.write_bytes(data[cut:])
        report, _ = checked(one, two, "--profile", "simulated", *arguments(form))
        assert {key[0] for key in faults(report)} == {key[0] for key in whole}

    def test_what_the_log_does_not_tell_is_not_shown(self, logs):
        """Processors, processes and threads that a log does not name are null, and a dash."""
        _, log = logs("debugview", fault="R02")
        report, _ = checked(log, "--profile", "simulated")
        operation = report["findings"][0]["operations"][0]
        assert (operation["cpu"], operation["pid"], operation["tid"]) == (None, None, None)
        assert operation["record"] <= len(log.read_bytes().split(b"\n"))
        context = report["findings"][0]["context"]
        outcome = fair(run("timeline", log, context, "--profile", "simulated"), 0)
        assert "-:-" in outcome.out
        assert "4294967295" not in outcome.out


class TestCommands:
    """`info` and `events` of text logs, and what is refused."""

    @pytest.mark.parametrize("form", TEXT_FORMS)
    def test_info_counts_what_the_log_has(self, logs, form):
        """The form, the messages and, where there are any, times and processes."""
        _, log = logs(form)
        found = json.loads(fair(run("info", "--format", "json", log, *arguments(form)), 0).out)
        lines = log.read_text(encoding="utf-8").split("\n")
        assert found["form"] == form
        assert found["events"] == len([line for line in lines if line.strip()]) - (form == "tracefmt-csv")
        assert (found["first_record"] is None) == (form == "kd")
        assert bool(found["processes"]) == form.startswith("tracefmt")
        assert found["threads"] == (0 if form in ("debugview", "kd") else found["threads"])
        text = fair(run("info", log, *arguments(form)), 0).out
        assert f"{form} log" in text

    @pytest.mark.parametrize("form", TEXT_FORMS)
    def test_events_lists_every_message(self, logs, form):
        """Each message is a line or an object; the text is that of the log."""
        _, log = logs(form)
        out = fair(run("events", "--format", "jsonl", log, *arguments(form)), 0).out.splitlines()
        objects = [json.loads(line) for line in out]
        data = log.read_text(encoding="utf-8")
        for each in objects[::50]:
            assert each["text"] in data.replace('""', '"')
            assert {"time", "cpu", "pid", "tid", "provider", "name", "fields", "text", "line"} <= each.keys()
        assert [each["line"] for each in objects[:3]] == sorted(each["line"] for each in objects[:3])
        text = fair(run("events", "--limit", "5", log, *arguments(form)), 0).out
        assert text.count("\n") == 5

    @pytest.mark.parametrize("command", ["check", "info", "events"])
    def test_text_of_other_kinds_is_refused_with_a_hint(self, tmp_path, command):
        """A text file that is no known log is no capture; the line names the option that says what it is."""
        path = tmp_path / "notes.txt"
        path.write_bytes(b"not a trace\r\n" * 100)
        err = fair(run(command, path), 4).err
        assert "not an .etl file" in err
        assert "--input" in err

    def test_what_the_user_says_it_is_must_be_possible(self, tmp_path):
        """An .etl file is no text log, no text is none, and an empty file is neither."""
        binary, empty = tmp_path / "binary.bin", tmp_path / "empty.log"
        binary.write_bytes(bytes(1000))
        empty.write_bytes(b"")
        assert "is an .etl file" in fair(run("check", "--input", "kd", SAMPLES / "healthy.etl"), 4).err
        assert "is no text" in fair(run("check", "--input", "debugview", binary), 4).err
        assert "is empty" in fair(run("info", "--input", "text", empty), 4).err
        fair(run("check", "--input", "etl", SAMPLES / "healthy.etl"), 0)

    def test_files_without_dates_have_no_place_among_others(self, logs):
        """A log without dates is not put in one order with an .etl file."""
        etl, log = logs("debugview")
        outcome = run("check", etl, log, "--profile", "simulated")
        assert outcome.code == 2
        assert "no dates" in outcome.err

    def test_a_prefix_of_the_environment_is_used(self, tmp_path, monkeypatch):
        """What TRACE_FORMAT_PREFIX says is how the log is read."""
        path = tmp_path / "own.log"
        path.write_bytes(b"07/25/2003-14:55:39.998|1f|0004> hello\n")
        fair(run("info", path), 4)
        monkeypatch.setenv("TRACE_FORMAT_PREFIX", "%4!s!|%3!x!|%8!04X!> ")
        (line,) = fair(run("events", "--format", "jsonl", path), 0).out.splitlines()
        assert json.loads(line)["tid"] == 0x1F


class TestHostileLogs:
    """Logs made to harm."""

    HOSTILE = (
        b"[0]0004.0008::07/25/2003-14:55:39.998 [d]\x1b[2Jescape\0nul\xff\xfe\r\n"
        b"[0]0004.0008::07/25/2003-14:55:38.998 [\x1b]0;x\x07]back\xe2\x80\xae\n" + b"x" * 1_000_000 + b"\n"
        b"[0]0004.0008::99/99/9999-99:99:99.999 [d]=cmd()\n"
    )

    @pytest.mark.parametrize("data", [HOSTILE, b"00000001\t999999999.999999999\t\x1b[2J\0\n" * 3])
    def test_every_command_is_fair(self, tmp_path, data):
        """Escapes, NULs, long lines, and times that are none: each command ends as it should."""
        path = tmp_path / "hostile.log"
        path.write_bytes(data)
        for each in commands(path):
            fair(run(*each), 0, 1, 2, 3)

    def test_forms_that_it_is_not_are_fair(self, tmp_path):
        """A log said to be of another form gives what it gives."""
        path = tmp_path / "hostile.log"
        path.write_bytes(self.HOSTILE)
        for form in (*TEXT_FORMS, "text"):
            for each in commands(path):
                fair(run(*each, "--input", form), 0, 1, 2, 3)


class TestSureness:
    """What a text log's verdict may claim."""

    def test_a_number_that_is_missing_within_a_millisecond_lets_nothing_be_sure(self, tmp_path):
        """Where times are cut off a loss covers all of its millisecond, and so the life that it befell."""
        scenario = Scenario(
            seed=1072, operations=600, duration=1.0, processors=1, threads=16, pointer_size=4, returns=True
        )
        mix = Mix(handles=1.0, files=1.0, transactions=0.5, uses=1.0, nested=1.0)
        path = tmp_path / "lost.csv"
        scenario = replace(scenario, mix=mix, conditions=frozenset({"lost-events"}))
        simulate(scenario, "tracefmt-csv").write(path)
        report, _ = checked(path, "--profile", "simulated")
        assert set(faults(report).values()) == {"possible"}

    @pytest.mark.parametrize("form", TEXT_FORMS)
    def test_a_clean_verdict_says_why_it_is_not_sure(self, logs, form):
        """Lines may be missing unseen, unless the writer has numbered them."""
        _, log = logs(form, seed=2)
        report, _ = checked(log, "--profile", "simulated", *arguments(form))
        assert report["summary"]["verdict"] == "clean"
        unnumbered = [line for line in report["summary"]["weaknesses"] if "did not number" in line]
        assert bool(unnumbered) == (form != "tracefmt-csv")
        printed = fair(run("check", log, "--profile", "simulated", *arguments(form)), 0).out
        assert all(f"not for sure: {line}" in printed for line in report["summary"]["weaknesses"])
