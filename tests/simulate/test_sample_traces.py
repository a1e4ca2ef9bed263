"""The sample traces: they are what the documented command makes, and small."""

import json
from pathlib import Path

import pytest

from tracecheck.simulate.samples import SAMPLES, write_samples

DIRECTORY = Path(__file__).resolve().parents[2] / "sample_traces"


@pytest.fixture(scope="module")
def fresh(tmp_path_factory):
    """The samples, made anew."""
    directory = tmp_path_factory.mktemp("samples")
    list(write_samples(directory))
    return directory


class TestSamples:
    """Every file of the directory."""

    def test_the_directory_has_what_the_command_writes(self, fresh):
        """No file is missing and none is left over."""
        assert {p.name for p in fresh.iterdir()} == {p.name for p in DIRECTORY.iterdir()}

    @pytest.mark.parametrize("name", [sample.name for sample in SAMPLES])
    @pytest.mark.parametrize("ending", ["etl", "json"])
    def test_every_file_is_made_byte_for_byte(self, fresh, name, ending):
        """The checked-in file is the one that the command makes."""
        file = f"{name}.{ending}"
        assert (DIRECTORY / file).read_bytes() == (fresh / file).read_bytes()

    def test_the_readme_is_of_these_samples(self, fresh):
        """README.md says what these very traces must give."""
        assert (DIRECTORY / "README.md").read_text("utf-8") == (fresh / "README.md").read_text("utf-8")

    def test_they_are_small(self):
        """Each capture is below 300 KB."""
        sizes = {p.name: p.stat().st_size for p in DIRECTORY.glob("*.etl")}
        assert len(sizes) >= 10
        assert max(sizes.values()) < 300_000

    def test_every_rule_has_its_sample(self):
        """Together the truths hold every rule that can be injected."""
        truths = [json.loads(path.read_text("utf-8")) for path in DIRECTORY.glob("*.json")]
        rules = {fault["rule"] for truth in truths for fault in truth["faults"]}
        rules |= {rule for truth in truths for rule in truth["capture_rules"]}
        assert {"L01", "L02", "L03", "L09", "R01", "R02", "R03", "R04", "R05", "M01", "M04"} <= rules

    @pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
    def test_what_a_sample_is_for_is_in_it(self, sample):
        """Each fault asked for was made; losses fall where the sample says."""
        truth = json.loads((DIRECTORY / f"{sample.name}.json").read_text("utf-8"))
        assert [f["rule"] for f in truth["faults"]] == [f.rule for f in sample.scenario.faults]
        assert all(fault["reached"] for fault in truth["faults"])
        if "lost-buffers" in sample.scenario.conditions:
            (fault,) = truth["faults"]
            assert truth["lost"]["buffers"][-1][1] > fault["sequence"]
