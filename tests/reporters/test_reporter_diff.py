"""`diff`: causes before and after, for as many operations."""

import json
from dataclasses import replace

import pyarrow as pa
import pytest
from test_reporter_causes import leaked

from tracecheck.reporters.diff import compare, render_json, render_text


def capture(leaks, calls=1000):
    """A capture with so many leaks of one cause among so many operations."""
    made = leaked(["Read:10"] * leaks)
    steps = made.steps.to_pylist()
    contexts = [*made.contexts.to_pylist(), {**leaked(["Read:10"]).contexts.to_pylist()[0], "id": leaks}]
    contexts[-1]["end"] = "attached"
    steps += [{**steps[0], "context": leaks, "delta_owned": 0} for _ in range(calls - leaks)] if steps else []
    return replace(
        made,
        contexts=pa.Table.from_pylist(contexts, schema=made.contexts.schema),
        steps=pa.Table.from_pylist(steps, schema=made.steps.schema),
    )


class TestCompare:
    """How a cause has changed."""

    @pytest.mark.parametrize(
        ("before", "after", "state"),
        [
            ((40, 1000), (40, 1000), "unchanged"),
            ((40, 1000), (45, 1000), "unchanged"),
            ((40, 1000), (90, 1000), "worse"),
            ((40, 1000), (10, 1000), "better"),
            ((40, 1000), (80, 2000), "unchanged"),
            ((40, 2000), (40, 500), "worse"),
            ((40, 500), (40, 2000), "better"),
        ],
    )
    def test_rates_are_compared_and_chance_is_no_change(self, before, after, state):
        """As many contexts among twice the operations are half as many; a few more or less are chance."""
        (change,) = compare(capture(*before), capture(*after))
        assert (change.state, change.before, change.after) == (state, before[0], after[0])
        assert change.rates == (before[0] * 1e6 / before[1], after[0] * 1e6 / after[1])

    def test_what_one_side_lacks_is_new_or_fixed(self):
        """A cause that only one capture has; gone from a short capture it is not for sure."""
        some, other = capture(5), leaked(["Write:10"], "Write")
        assert [change.state for change in compare(some, other)] == ["new", "fixed"]
        assert [change.state for change in compare(other, some)] == ["new", "fixed"]
        assert compare(some, other)[1].is_thin


class TestText:
    """The two forms."""

    def test_text(self):
        """State, rules, who did what, numbers and rates, and a tally."""
        before, after = leaked(["Read:10"]), leaked(["Read:12"] * 2)
        assert "".join(render_text(compare(before, after), before, after)) == (
            "UNCHANGED L01, L09 (definite), stream contexts\n"
            "  FltGetStreamContext at Read:12 took the reference that nothing released; no reference to a "
            "stream context that was taken there was ever released; here its thread logged nothing more that "
            "tells why\n"
            "  contexts: 1 -> 2; for a million operations on stream contexts: 1,000,000.0 -> 1,000,000.0\n"
            f"  signature: {compare(before, after)[0].cause.signature}\n"
            "diff: 0 new, 0 worse, 1 unchanged, 0 better, 0 fixed\n"
            "  before: capture.etl (1 operation, clean)\n"
            "  after: capture.etl (2 operations, clean)\n"
        )

    def test_json(self):
        """The same as one object."""
        before, after = leaked(["Read:10"] * 2), leaked(["Write:10"], "Write")
        read = json.loads("".join(render_json(compare(before, after), before, after)))
        assert [change["state"] for change in read["changes"]] == ["new", "fixed"]
        assert read["summary"] == {"new": 1, "worse": 0, "unchanged": 0, "better": 0, "fixed": 1}
        assert read["changes"][1]["before_per_million"] == 1_000_000
