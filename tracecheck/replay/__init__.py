"""Operations to lifetimes: every context's counts, and the steps that made them."""

from tracecheck.replay.engine import TOLERANCE, Replay, replay, stretches
from tracecheck.replay.tables import CONTEXTS, STEPS

__all__ = ["CONTEXTS", "STEPS", "TOLERANCE", "Replay", "replay", "stretches"]
