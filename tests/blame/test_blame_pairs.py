"""The table of pairs: every acquire and release of a capture, column-wise."""

import pytest
from truths import play

from tracecheck.blame import BLAME, PAIRS
from tracecheck.etl import plain_rows
from tracecheck.simulate import Fault, Scenario

RELEASES = ("FltReleaseContext", "FltReleaseContexts", "FltReleaseContextsEx")


def steps_of(analysis):
    """The steps that take or drop a reference: (context, operation) -> (place in the replay, change)."""
    return {
        (row["context"], row["operation"]): (place, row["delta_owned"])
        for place, row in enumerate(plain_rows(analysis.steps))
        if row["delta_owned"]
    }


def check(analysis):
    """What holds for every table of pairs; give the steps that are in none."""
    assert analysis.pairs.schema.equals(PAIRS)
    assert analysis.blame.schema.equals(BLAME)
    steps, used = steps_of(analysis), set()
    last = (-1, -1)
    for pair in plain_rows(analysis.pairs):
        acquire, release = (pair["context"], pair["acquire"]), (pair["context"], pair["release"])
        assert not {acquire, release} & used
        used |= {acquire, release}
        assert steps[acquire][1] == 1
        # A release at fault changes nothing in the replay.
        assert steps.get(release, (steps[acquire][0] + 1, -1))[1] == -1
        assert steps[acquire][0] < steps.get(release, (steps[acquire][0] + 1, -1))[0]
        assert last < (pair["context"], steps[acquire][0])
        last = pair["context"], steps[acquire][0]
    return set(steps) - used


class TestPairs:
    """Whole captures."""

    @pytest.mark.parametrize("seed", range(4))
    def test_in_a_sound_capture_everything_has_its_partner(self, seed, tmp_path):
        """Each acquire has one release, later in the replay, and nothing is left over; nobody is to blame."""
        run = Scenario(seed=seed, operations=900, threads=4 * seed + 2, begin=seed % 2 == 0)
        _, analysis = play(run, tmp_path / "sound.etl")
        assert check(analysis) == set()
        assert analysis.blame.num_rows == 0

    @pytest.mark.parametrize("condition", ["late-start", "lost-events", "partial", "no-cleanup"])
    def test_what_is_missing_leaves_partners_over(self, condition, tmp_path):
        """In captures that lack something pairs are still one to one and in order."""
        run = Scenario(seed=3, operations=900, conditions=frozenset({condition}))
        _, analysis = play(run, tmp_path / "lossy.etl")
        check(analysis)

    @pytest.mark.parametrize(("rule", "left"), [("L09", 1), ("L01", 1), ("R01", 0), ("R02", 0)])
    def test_only_the_faulty_acquire_is_left(self, rule, left, tmp_path):
        """The one step without partner is that of the leak; a release at fault is no step of the replay."""
        run = Scenario(seed=4, operations=700, returns=True, faults=(Fault(rule),))
        truth, analysis = play(run, tmp_path / "faulty.etl")
        kept = sum(len(fault.consequences) for fault in truth.faults)
        alone = check(analysis)
        assert len(alone) == left + kept
        if left:
            blamed = {(row["context"], row["operation"]) for row in plain_rows(analysis.blame)}
            assert len(blamed & alone) == 1

    def test_a_release_too_many_is_told_from_the_one_that_fails(self, tmp_path):
        """The worker is blamed for its second release, not the thread that then found nothing."""
        run = Scenario(seed=5, operations=2000, threads=12, faults=(Fault("R01", "worker"),))
        truth, analysis = play(run, tmp_path / "worker.etl")
        rows = [row for row in plain_rows(analysis.blame) if row["kind"] == "over-release"]
        (row,) = {row["operation"]: row for row in rows}.values()
        assert row["function"] == truth.faults[0].function == "SimScanWorker"
        assert f":{truth.faults[0].line})" in row["site"]
        assert row["victim"] not in (None, row["operation"])
        assert row["owner"] is not None
        finding = plain_rows(analysis.findings)[row["finding"]]
        assert finding["operations"][0] == row["victim"]
