"""Whom blame names where the simulator knows who did it."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))
from blame_accuracy import CULPRITS, score


class TestCulprits:
    """The three faults that issue trackers know best."""

    @pytest.mark.parametrize("key", CULPRITS)
    def test_the_injected_site_is_blamed(self, key, tmp_path):
        """Each is found as definite, and routine, function and line are those of the fault."""
        found = score(*key, 4, CULPRITS[key], tmp_path)
        assert found.definite >= 4
        assert found.right >= 0.95 * found.definite, found.wrong
        assert found.sure_right == found.sure
