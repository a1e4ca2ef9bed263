"""Blame of anything: whatever a capture holds, pairs are pairs, and what is blamed is there."""

import sys
from pathlib import Path

from hypothesis import HealthCheck, given, settings

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "replay"))
import streams
from handmade import analysis
from test_blame_pairs import check

from tracecheck.capture import Analysis, Verdict
from tracecheck.etl import plain_rows
from tracecheck.replay import replay
from tracecheck.reporters.causes import groups
from tracecheck.rules import RULES, judge

#: Rules whose findings always have somebody who is to blame.
BLAMED = ("L01", "L02", "L03", "L09", "R01", "R02", "R03", "R04", "R05")
QUICK = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))


def analysed(ops, losses, coverage):
    """Analyse a stream of operations."""
    operations, missing = streams.to_table(ops), streams.to_losses(losses)
    result = replay(operations, missing)
    findings = judge(operations, result, missing, coverage).findings
    return Analysis(
        ("x.etl",),
        operations,
        result.contexts,
        result.steps,
        missing,
        findings,
        Verdict("clean"),
        len(operations),
        (),
    )


class TestAnything:
    """Random operation streams: legal, faulty and arbitrary ones, with losses."""

    @QUICK
    @given(capture=streams.captures())
    def test_pairs_are_pairs_and_blame_is_no_surer_than_its_finding(self, capture):
        """Nothing is in two pairs, releases come after; each leak and over-release has one to blame."""
        made = analysed(*capture)
        check(made)
        findings = plain_rows(made.findings)
        rank = ("definite", "probable", "possible")
        blamed = plain_rows(made.blame)
        for row in blamed:
            finding = findings[row["finding"]]
            assert row["context"] == finding["context_id"]
            assert rank.index(row["confidence"]) >= rank.index(finding["confidence"])
            assert (row["confidence"] == "definite") <= (not row["reasons"])
            assert row["operation"] < made.operations.num_rows
        numbers = {row["finding"] for row in blamed}
        assert all(RULES[findings[number]["rule"]].family for number in numbers)
        assert {i for i, finding in enumerate(findings) if finding["rule"] in BLAMED} <= numbers

    @QUICK
    @given(capture=streams.captures())
    def test_every_finding_has_one_cause(self, capture):
        """Causes share out the findings among them."""
        made = analysed(*capture)
        causes = groups(made)
        assert sorted(place for cause in causes for place in cause.findings) == list(
            range(len(made.findings))
        )
        assert len({cause.signature for cause in causes}) == len(causes)


def test_an_empty_capture_has_neither():
    """No operations: no pairs and no blame."""
    made = analysis()
    assert (made.pairs.num_rows, made.blame.num_rows, groups(made)) == (0, 0, [])
