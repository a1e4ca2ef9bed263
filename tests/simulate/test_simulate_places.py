"""What a careful driver does before a file is open and after it is closed: only what is supported there."""

import pytest
from written import events

from tracecheck.simulate import Mix, Scenario, simulate
from tracecheck.simulate.sites import CLOSE, CREATE, NETWORK_QUERY_OPEN, POST, PRE


def logged(**mix):
    """Simulate with some behaviour, and list what was logged."""
    return events(simulate(Scenario(seed=5, operations=500, mix=Mix(**mix))).data)


def at(found, major, phase):
    """Name the routines that were called in a callback."""
    return {
        event.name
        for event in found
        if (event.fields.get("MajorFunction"), event.fields.get("Phase")) == (major, phase)
    }


class TestPlaces:
    """Callbacks in which files have no contexts."""

    def test_network_query_open_uses_the_instance_s_context(self):
        """And no file's."""
        names = at(logged(network=0.5), NETWORK_QUERY_OPEN, PRE)
        assert names == {"FltGetInstanceContext", "FltReleaseContext"}

    def test_pre_create_looks_at_a_file_that_it_has_opened(self):
        """Its FILE_OBJECT is none that a create callback ever names after the open."""
        found = logged(early=0.5)
        assert {"FltGetInstanceContext", "FltGetStreamContext"} <= at(found, CREATE, PRE)

    def test_post_close_only_releases(self):
        """What pre-close got."""
        assert at(logged(late=0.5), CLOSE, POST) == {"FltReleaseContext"}

    def test_initialisation_comes_before_the_set(self):
        """The context of each logged initialisation is set by a later event of its thread."""
        found = logged(inits=1.0, reset=40)
        inits = [e for e in found if e.fields.get("Function") == "SimInitialiseContext"]
        assert inits
        for event in inits:
            later = next(
                e
                for e in found
                if e.fields["Sequence"] > event.fields["Sequence"]
                and e.tid == event.tid
                and e.name.startswith("FltSet")
            )
            assert later.fields["Context"] == event.fields["Context"]

    def test_by_default_there_is_none_of_it(self):
        """Samples stay as they are."""
        found = logged()
        assert at(found, NETWORK_QUERY_OPEN, PRE) == at(found, CLOSE, POST) == set()
        assert at(found, CREATE, PRE) == {"FltAllocateContext"}

    @pytest.mark.parametrize("name", ["network", "early", "late", "inits"])
    def test_the_truth_names_what_is_unusual_only_where_it_is_wanted(self, name):
        """Truths of before the behaviour existed are the same as those of today."""
        assert name not in Mix().told()
        assert Mix(**{name: 0.25}).told() == Mix().told() | {name: 0.25}
