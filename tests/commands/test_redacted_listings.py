"""`events` and `info` with --redact: nothing of the machine or the driver is left in a listing."""

import json
import re

import pytest

from tracecheck.cli import main
from tracecheck.simulate import Fault, Scenario, simulate

SITES = re.compile(r"Sim\w+|\w+\.c\b")


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """A capture with a telling name."""
    path = tmp_path_factory.mktemp("listing") / "secret-name.etl"
    simulate(Scenario(seed=4, operations=300), kernel_events=True).write(path)
    return str(path)


def printed(capsys, *arguments):
    """Run a command and give what it printed."""
    assert main([*arguments, "-q"]) == 0
    return capsys.readouterr().out


def values(value):
    """List every text in a JSON value."""
    if isinstance(value, dict):
        return [text for inner in value.values() for text in values(inner)]
    if isinstance(value, list):
        return [text for inner in value for text in values(inner)]
    return [value] if isinstance(value, str) else []


class TestListings:
    """Events one by one."""

    @pytest.mark.parametrize("form", ["text", "jsonl", "csv"])
    def test_no_name_and_no_path_is_told(self, form, path, capsys):
        """No function, source file, image or capture is named in any format."""
        plain = printed(capsys, "events", path, "--format", form, "--stacks")
        redacted = printed(capsys, "events", path, "--format", form, "--stacks", "--redact")
        assert SITES.search(plain)
        assert SITES.search(redacted) is None
        assert "secret" not in redacted
        assert redacted.count("\n") == plain.count("\n") or form == "text"

    def test_no_pointer_of_the_trace_is_left(self, path, capsys):
        """Of the pointers that the plain listing has, none is in the redacted one."""
        plain, redacted = (
            {
                text
                for line in printed(capsys, "events", path, "--format", "jsonl", *more).splitlines()
                for text in values(json.loads(line)["fields"])
                if re.fullmatch(r"0x[0-9a-f]{9,16}", text)
            }
            for more in ((), ("--redact",))
        )
        assert plain
        assert not plain & redacted
        assert len(plain) <= len(redacted)

    def test_pointers_are_those_of_check(self, path, capsys):
        """A context has the same pseudonym in `events` and in `timeline`."""
        listing = printed(capsys, "events", path, "--format", "jsonl", "--redact")
        fields = [json.loads(line)["fields"] for line in listing.splitlines()]
        contexts = [each["Context"] for each in fields if each and each.get("Context", "0x0") != "0x0"]
        assert printed(capsys, "timeline", path, contexts[0], "--redact")

    @pytest.mark.parametrize(
        "command",
        [
            ("tree",),
            ("export", "--format", "chrome"),
            ("export", "--format", "speedscope"),
            ("export", "--format", "collapsed"),
        ],
    )
    def test_what_is_drawn_of_a_capture_is_redacted_too(self, command, path, capsys):
        """Trees and exports name no function, no source file and no capture."""
        plain = printed(capsys, command[0], path, *command[1:])
        redacted = printed(capsys, command[0], path, *command[1:], "--redact")
        assert SITES.search(plain)
        assert SITES.search(redacted) is None
        assert "secret" not in redacted

    def test_causes_keep_their_signatures(self, path, capsys, tmp_path):
        """`diff` compares redacted captures by the same signatures as plain ones."""
        other = tmp_path / "other.etl"
        simulate(Scenario(seed=4, operations=600, faults=(Fault("L09"),))).write(other)
        signatures = []
        for more in ((), ("--redact",)):
            main(["diff", path, str(other), "--format", "json", "-q", *more])
            report = json.loads(capsys.readouterr().out)
            signatures.append([change["signature"] for change in report["changes"]])
        assert signatures[0] == signatures[1]
        assert signatures[0]

    def test_info_names_neither_file_nor_session(self, path, capsys):
        """`info` tells counts and clocks, and no path."""
        report = printed(capsys, "info", path, "--redact", "--format", "json")
        assert "secret" not in report
        assert (
            json.loads(report)["events"]
            == json.loads(printed(capsys, "info", path, "--format", "json"))["events"]
        )
