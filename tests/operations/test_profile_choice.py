"""Which profiles a capture is read by."""

from __future__ import annotations

import pytest

from tracecheck.capture import analyse
from tracecheck.commands.sources import Sources
from tracecheck.simulate import Scenario, simulate


@pytest.fixture(scope="module")
def capture(tmp_path_factory):
    """A run whose driver logs by DbgPrint, in the words of the profile ``simulated``."""
    path = tmp_path_factory.mktemp("choice") / "run.etl"
    simulate(Scenario(seed=3, operations=300), "dbgprint").write(path)
    return str(path)


class TestChoice:
    """A profile is used on its own only where the user named none."""

    def test_a_shipped_one_is_found(self, capture):
        """A shipped profile whose messages occur is used, and the user is told."""
        found = analyse([capture])
        assert found.profiles == ("simulated",)
        assert any("--profile none" in note for note in found.notes)

    def test_none(self, capture):
        """With "none" no message means anything."""
        assert not len(analyse([capture], profiles=["none"]).operations)

    def test_what_a_shipped_one_misses_is_not_told(self, tmp_path):
        """Arguments that a build of the driver does not log are no mistake of a profile of the package."""
        simulate(Scenario(seed=3, operations=300), "manifest").write(tmp_path / "run.etl")
        sources = Sources(manifest=(tmp_path / "run.man",))
        found = analyse([str(tmp_path / "run.etl")], sources=sources)
        assert len(found.operations)
        assert not any("has no argument" in note for note in found.notes)

    def test_a_named_one_stands_alone(self, capture, tmp_path):
        """Lines that a named profile reads are not read again by one that nobody named."""
        mine = tmp_path / "mine.toml"
        mine.write_text(
            'profile = 1\nname = "mine"\ntitle = "one message"\n[[message]]\n'
            'text = "FilterUnload begins"\nroutine = "FilterUnload"\nconstant = { phase = 1 }\n'
        )
        assert "simulated" not in analyse([capture], profiles=[str(mine)]).profiles
