"""`tracecheck profile` and the events of manifests."""

from __future__ import annotations

import pytest

from tracecheck.cli import main
from tracecheck.simulate import Scenario, simulate


@pytest.fixture
def run(tmp_path):
    """A run whose driver logs by the events of a manifest, and the manifest."""
    simulate(Scenario(seed=3, operations=300), "manifest").write(tmp_path / "run.etl")
    return [str(tmp_path / "run.etl"), "--manifest", str(tmp_path / "run.man")]


class TestManifests:
    """Events of a named manifest are messages like others."""

    def test_check_counts_what_is_bound(self, run, capsys):
        """The events that a profile binds are listed with how often they occur."""
        main(["profile", "check", "simulated", *run])
        assert "SimFltAllocateContext" in capsys.readouterr().out

    def test_a_draft_reads(self, run, tmp_path):
        """A draft of a manifest's events names routines, and `profile check` reads it."""
        draft = tmp_path / "mine.toml"
        assert main(["profile", "draft", *run, "-o", str(draft)]) == 0
        assert 'routine = "FltReleaseContext"' in draft.read_text()
        assert main(["profile", "check", str(draft), *run]) in (0, 1)
