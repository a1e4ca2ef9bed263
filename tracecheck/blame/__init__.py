"""Who did it: acquires matched with releases, and leaks and over-releases blamed on call sites."""

from tracecheck.blame.pairs import pair_all
from tracecheck.blame.tables import BLAME, PAIRS
from tracecheck.blame.work import blame_all

__all__ = ["BLAME", "PAIRS", "blame_all", "pair_all"]
