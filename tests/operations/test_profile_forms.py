"""The same run in every form of .etl file: the same operations and findings."""

from dataclasses import replace
from functools import cache
from zlib import crc32

import pytest
from drawn import scenario
from simulated_profile import profile

from tracecheck.capture import analyse
from tracecheck.etl import plain_rows
from tracecheck.operations import profiles
from tracecheck.operations.profiles import Binder, lines, load, shipped, wpp_source
from tracecheck.payload.manifest.xml import read_manifests
from tracecheck.payload.wpp.search import Definitions
from tracecheck.payload.wpp.tmf import read_tmf
from tracecheck.simulate import Fault, simulate
from tracecheck.simulate.faults import FAULTS
from tracecheck.simulate.scenario import Mix

FORMS = ("wpp", "manifest", "dbgprint")
SUFFIX = {"wpp": "tmf", "manifest": "manifest"}
#: What not every form tells, or not so.
UNLIKE = {"order", "record", "sequence", "paging_file", "function", "site", "assumed"}

#: Rules about what one call was given: a driver's own message need not say it as the call was made, so that
#: read by a profile they are possible.
WEAKER = {"D03", "G01", "R07", "R08", "R09", "R11", "R13", "S03", "S11"}
#: Rules that are silent where a profile reads the capture: the rule that speaks instead, and why.
SILENT = {
    "E04": (None, "a profile does not say for which types the driver has a cleanup callback"),
    "E06": ("M05", "that a message's text names another type says more of the text than of the context"),
    "S02": ("M05", "that a message's text names another type says more of the text than of the context"),
}
#: Weaker in one form alone: whose call F17 is about is told by its source file, which no line names.
WEAKER_IN = {("dbgprint", "F17")}
#: Rules that tell a finding for each call site: of lines, which name no source line, one for each function.
BY_SITE = {"S06"}

#: Faults that are injected in every form; all others are in one.
IN_EVERY_FORM = ("A03", "D03", "E06", "F15", "F17", "G01", "L01", "L09", "P04", "R01", "R08", "S02", "X03")
#: Lines take longest to read, so that fewer faults are read from them.
TURNS = ("wpp", "manifest", "wpp", "manifest", "dbgprint")
CASES = [
    (form, rule)
    for rule in sorted(FAULTS)
    if rule != "M04"
    for form in (FORMS if rule in IN_EVERY_FORM else [TURNS[crc32(rule.encode()) % len(TURNS)]])
]


@pytest.fixture(autouse=True, scope="module")
def _read_once():
    """Read each profile once: it is what most of the time would go to."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(profiles, "load", cache(load))
        patch.setattr(lines, "pattern_of", cache(lines.pattern_of))
        yield


class Beside:
    """Gives the definitions of one TMF file or manifest, whatever the environment names."""

    def __init__(self, tmf=None, manifest=None):
        self.tmf, self.manifest = tmf, manifest

    def definitions(self):
        """Make the catalogue."""
        return Definitions(tmf=[self.tmf] if self.tmf else [], environment={})

    def manifests(self):
        """Read the manifest."""
        return read_manifests(self.manifest) if self.manifest else None


def played(run, form, folder, **more):
    """Simulate, write, read and judge a run in a form."""
    made = simulate(run, form)
    path = folder / f"{form}.etl"
    made.write(path)
    sources = None
    if form in ("wpp", "manifest"):
        sources = Beside(**{SUFFIX[form]: path.with_suffix(f".{SUFFIX[form][:3]}")})
    return analyse([str(path)], sources=sources, **more)


def operations(analysis):
    """List what the operations say, without what the forms cannot carry."""
    names = [name for name in analysis.operations.schema.names if name not in UNLIKE]
    rows = plain_rows(analysis.operations.select(names))
    rows = [row for row in rows if row["routine"] not in ("CaptureStart", "FltRegisterFilter")]
    # Which of two processors' events of one tick comes first depends on how full their buffers are.
    return sorted(rows, key=lambda row: (row["time"], row["cpu"]))


def findings(analysis, form):
    """List the findings, without texts that name source lines."""
    return sorted({_finding(row, form) for row in plain_rows(analysis.findings)}, key=str)


def _finding(row, form):
    """Give what is the same of a finding in every form.

    One that is about a call site is in a line without file and line one for all sites of a function.
    """
    by_function = form == "dbgprint" and (row["context"] is None or row["rule"] in BY_SITE)
    about = ("rule", "severity", "confidence", "signature")
    about += () if by_function else ("context", "generation", "context_type", "time")
    return tuple(row[key] for key in about)


def due_in(form, told):
    """Say what is to be found in a form where the canonical provider tells these findings."""
    kept = [row for row in told if row[0] not in SILENT]
    weak = [row[0] in WEAKER or (form, row[0]) in WEAKER_IN for row in kept]
    found = {(*row[:2], "possible", *row[3:]) if less else row for row, less in zip(kept, weak, strict=True)}
    return sorted(found, key=str)


def instead(told):
    """Name the rules that speak instead of those that are silent."""
    return {SILENT[row[0]][0] for row in told if row[0] in SILENT} - {None}


def alike(run, form):
    """Take out of a run what a form cannot carry."""
    return replace(run, sequence=False, begin=run.begin and form != "dbgprint")


class TestForms:
    """What a profile reads is what the canonical provider tells."""

    @pytest.mark.parametrize("form", FORMS)
    @pytest.mark.parametrize("seed", range(3))
    def test_every_operation_is_as_the_canonical_provider_tells_it(self, form, seed, tmp_path):
        """Times, threads, pointers, statuses and flags of every operation are the same, in the same order."""
        run = alike(scenario(seed), form)
        due = played(run, "tracelogging", tmp_path)
        found = played(run, form, tmp_path)
        rows = operations(found)
        assert rows == [{key: row[key] for key in rows[0]} for row in operations(due)]
        assert found.profiles == ("simulated",)

    @pytest.mark.parametrize(("form", "rule"), CASES)
    def test_every_fault_gives_the_same_findings(self, form, rule, tmp_path):
        """Each fault of the simulator is found as in the canonical form, by the same signature.

        It is as sure but for the rules of WEAKER, and told but for those of SILENT.
        """
        run = alike(scenario(7, faults=(Fault(rule),), unload=not FAULTS[rule].loaded, drivers=1), form)
        due = played(run, "tracelogging", tmp_path)
        found = played(run, form, tmp_path, profiles=("simulated",))
        told, read = findings(due, form), findings(found, form)
        assert rule in {row[0] for row in told}
        others = instead(told)
        assert others <= {row[0] for row in read}
        assert [row for row in read if row[0] not in others] == due_in(form, told)
        silent = len(due_in(form, told)) < len(told)
        assert found.verdict.word in ((due.verdict.word, "clean") if silent else (due.verdict.word,))

    @pytest.mark.parametrize("form", FORMS)
    @pytest.mark.parametrize("condition", ["lost-events", "flush", "relay", "noise", "lean", "stalls"])
    def test_what_befalls_a_capture_changes_no_finding(self, form, condition, tmp_path):
        """Losses and disorder weaken findings of every form alike."""
        run = alike(scenario(11, condition, faults=(Fault("L01"), Fault("R01")), unload=True), form)
        due = played(run, "tracelogging", tmp_path)
        found = played(run, form, tmp_path, profiles=("simulated",))
        kinds = {(row["rule"], row["context"], row["generation"]) for row in plain_rows(due.findings)}
        assert {
            (row["rule"], row["context"], row["generation"]) for row in plain_rows(found.findings)
        } == kinds


class TestShippedProfile:
    """The profile of the simulator's messages."""

    def test_it_is_what_the_simulator_writes(self):
        """It has every message that a call site of the simulator may write, and no other."""
        assert shipped()["simulated"].read_text("utf-8") == profile()

    @pytest.mark.parametrize("conditions", [("lean",), ("relay",)])
    def test_it_knows_every_message_that_the_simulator_may_write(self, conditions, tmp_path):
        """All definitions of the TMF file are bound, of every driver, the legacy filter's too."""
        binder = Binder(load("simulated"))
        run = scenario(3, *conditions, drivers=3, begin=True, mix=Mix(legacy=0.5))
        simulate(run, "wpp").write(tmp_path / "run.etl")
        for definition in read_tmf(tmp_path / "run.tmf").definitions:
            assert binder.bind(wpp_source(definition)) is not None, definition.format
        assert binder.problems == []
