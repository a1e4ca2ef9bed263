"""What a capture says of its own completeness."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Coverage:
    """Which routines a capture logs completely, as its CaptureStart events declare.

    Attributes:
        declared: Whether a CaptureStart event was seen at all.
        routines: The routines that are complete; None where the writer declares all that it ever emits.
    """

    declared: bool
    routines: frozenset[str] | None = None

    def lacks(self, needed: frozenset[str]) -> frozenset[str]:
        """Tell which of the needed routines are declared to be incomplete."""
        if self.routines is None:
            return frozenset()
        return needed - self.routines
