"""The simulated legacy filter: it logs what a sound driver does, and nothing where it is not wanted."""

import pytest
from written import events

from tracecheck.simulate import Fault, Mix, Scenario, simulate
from tracecheck.simulate.faults import FAULTS
from tracecheck.simulate.legacy.sites import LEGACY_ROUTINES


def legacy(made):
    """Give the events of the legacy routines, with the time of each call."""
    return [event for event in events(made.data) if event.name in LEGACY_ROUTINES]


class TestSound:
    """A driver without faults."""

    @pytest.mark.parametrize("seed", range(6))
    def test_what_is_allocated_is_freed(self, seed):
        """After the unload every block is free, and as many frees are logged as allocations."""
        made = simulate(Scenario(seed=seed, operations=600, mix=Mix(legacy=1.0), threads=16))
        names = [event.name for event in legacy(made)]
        assert made.truth.blocks
        assert {block.state for block in made.truth.blocks} == {"freed"}
        assert names.count("ExAllocatePoolWithTag") == names.count("ExFreePoolWithTag")
        assert len(made.truth.blocks) == names.count("ExAllocatePoolWithTag")

    @pytest.mark.parametrize("seed", range(6))
    def test_a_stream_has_one_context(self, seed):
        """Between an insert and what takes it off again no other block is inserted in the stream."""
        made = simulate(Scenario(seed=seed, operations=600, mix=Mix(legacy=1.0), threads=16))
        where = {}
        for event in legacy(made):
            stream, block = event.fields.get("Stream"), event.fields.get("Context")
            if event.name == "FsRtlInsertPerStreamContext" and event.fields["Status"] == 0:
                assert where.setdefault(stream, block) == block
            elif event.name == "FsRtlRemovePerStreamContext" and block:
                assert where.pop(stream) == block
            elif event.name == "FreePerStreamContext" and event.fields["Phase"] == 1:
                where = {s: b for s, b in where.items() if b != block}

    def test_all_that_there_is_happens(self):
        """Every routine of the schema for legacy contexts is called, and paging files refuse the insert."""
        made = simulate(Scenario(operations=2000, mix=Mix(legacy=1.0, paging=0.1, uses=1.0)))
        assert {event.name for event in legacy(made)} == set(LEGACY_ROUTINES)
        assert {event.fields.get("Status") for event in legacy(made)} >= {0, 0xC0000010}

    def test_where_it_is_not_wanted_nothing_changes(self):
        """Without the chance there is neither an event nor a word of it in the truth."""
        made = simulate(Scenario(operations=300))
        assert not [event for event in events(made.data) if "PerStream" in event.name]
        assert "legacy" not in made.truth.to_json()
        assert "blocks" not in made.truth.to_json()


@pytest.mark.parametrize("code", [code for code, rule in FAULTS.items() if rule.legacy])
def test_a_fault_brings_its_driver(code):
    """A scenario with a fault of the family needs no mix of its own."""
    truth = simulate(Scenario(operations=400, faults=(Fault(code),))).truth
    assert truth.faults[0].context in {block.context for block in truth.blocks}
