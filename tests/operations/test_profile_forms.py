"""The same run in every form of .etl file: the same operations and findings."""

from dataclasses import replace

import pytest
from test_simulated_truth import VARIANTS, scenario

from tracecheck.capture import analyse
from tracecheck.etl import plain_rows
from tracecheck.operations.profiles import Binder, load, wpp_source
from tracecheck.payload.manifest.xml import read_manifests
from tracecheck.payload.wpp.search import Definitions
from tracecheck.payload.wpp.tmf import read_tmf
from tracecheck.simulate import Fault, simulate

FORMS = ("wpp", "manifest", "dbgprint")
SUFFIX = {"wpp": "tmf", "manifest": "manifest"}
#: What not every form tells, or not so.
UNLIKE = {"order", "record", "sequence", "paging_file", "function", "site", "assumed"}

#: Rules that rest on what no other form tells.
UNTOLD = {"P04"}


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


def findings(analysis):
    """List the findings, without texts that name source lines."""
    keys = ("rule", "severity", "confidence", "context", "generation", "context_type", "time", "signature")
    told = [row for row in plain_rows(analysis.findings) if row["rule"] not in UNTOLD]
    return sorted((tuple(row[key] for key in keys) for row in told), key=str)


def alike(run, form):
    """Take out of a run what a form cannot carry."""
    return replace(run, sequence=False, begin=run.begin and form != "dbgprint")


@pytest.mark.parametrize("form", FORMS)
class TestForms:
    """What a profile reads is what the canonical provider tells."""

    @pytest.mark.parametrize("seed", range(6))
    def test_every_operation_is_as_the_canonical_provider_tells_it(self, form, seed, tmp_path):
        """Times, threads, pointers, statuses and flags of every operation are the same, in the same order."""
        run = alike(scenario(seed), form)
        due = played(run, "tracelogging", tmp_path)
        found = played(run, form, tmp_path)
        expected = [{key: row[key] for key in operations(found)[0]} for row in operations(due)]
        assert operations(found) == expected
        assert found.profiles == ("simulated",)

    @pytest.mark.parametrize(("rule", "way"), [pair for pair in VARIANTS if pair[0] not in UNTOLD])
    def test_every_fault_gives_the_same_findings(self, form, rule, way, tmp_path):
        """Each fault of the simulator is found as surely as in the canonical form, by the same signature."""
        run = alike(scenario(7, faults=(Fault(rule, way),), unload=rule not in ("L02", "L03")), form)
        due = played(run, "tracelogging", tmp_path)
        found = played(run, form, tmp_path)
        assert findings(found) == findings(due)
        assert found.verdict == due.verdict

    @pytest.mark.parametrize("condition", ["lost-events", "flush", "relay", "noise", "lean", "stalls"])
    def test_what_befalls_a_capture_changes_no_finding(self, form, condition, tmp_path):
        """Losses and disorder weaken findings of every form alike."""
        run = alike(scenario(11, condition, faults=(Fault("L01"), Fault("R01")), unload=True), form)
        due = played(run, "tracelogging", tmp_path)
        found = played(run, form, tmp_path)
        kinds = {(row[0], row[3], row[4]) for row in findings(due) if row[3] is not None}
        assert {(row[0], row[3], row[4]) for row in findings(found) if row[3] is not None} == kinds


class TestShippedProfile:
    """The profile of the simulator's messages."""

    @pytest.mark.parametrize("conditions", [(), ("lean",), ("relay",)])
    def test_it_knows_every_message_that_the_simulator_may_write(self, conditions, tmp_path):
        """All definitions of the TMF file are bound, of every driver, with and without the calls' begins."""
        binder = Binder(load("simulated"))
        for begin in (True, False):
            simulate(scenario(3, *conditions, drivers=3, begin=begin), "wpp").write(tmp_path / "run.etl")
            for definition in read_tmf(tmp_path / "run.tmf").definitions:
                assert binder.bind(wpp_source(definition)) is not None, definition.format
        assert binder.problems == []
