"""What tests of every room share: the real traces, where they stand beside the project."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# How long an example takes says nothing: machines that run tests are busy with others.
settings.register_profile("shared", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared")

CORPUS = Path(__file__).resolve().parents[1].parent / "shared" / "corpus"


@pytest.fixture(scope="session")
def corpus():
    """The directory of real traces; without it the tests that need it are skipped."""
    if not CORPUS.is_dir():
        pytest.skip("the real traces (../shared/corpus) are not beside this project")
    return CORPUS
