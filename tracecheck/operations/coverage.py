"""What a capture says of its own completeness."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Coverage:
    """Which routines a capture logs completely, as its CaptureStart events or a profile declare.

    Attributes:
        declared: Whether anything was declared at all.
        routines: The routines that are complete; None where the writer declares all that it ever emits.
        partial: Routines of which only some calls are logged, of those that would else be complete.
        silent: Routines that are called but never logged, likewise.
        note: Where the gaps are, in the words of the profile's author.
        profile: The names of the profiles that the capture was read by; "" where it needed none.
        weaknesses: What else of the capture lets nothing be sure, a sentence each.
        precision: What its times cannot tell apart, nanoseconds; 0 where they are exact.
        clocks_apart: By how much the processors' clocks differed before they were put on one, nanoseconds.
        clocks_unknown: Whether they differ by nobody knows how much.
    """

    declared: bool
    routines: frozenset[str] | None = None
    partial: frozenset[str] = frozenset()
    silent: frozenset[str] = frozenset()
    note: str = ""
    profile: str = ""
    weaknesses: tuple[str, ...] = ()
    precision: int = 0
    clocks_apart: int = 0
    clocks_unknown: bool = False

    def lacks(self, needed: frozenset[str]) -> frozenset[str]:
        """Tell which of the needed routines are declared to be incomplete."""
        lacking = needed & (self.partial | self.silent)
        return lacking if self.routines is None else lacking | (needed - self.routines)

    def inferred(self) -> Iterator[str]:
        """Say why nothing of the capture is more than probable, a sentence each."""
        if not self.declared and self.profile:
            yield f"the profile {self.profile} does not say what the driver logs completely"
        elif not self.declared:
            yield "the capture has no CaptureStart event: that it logs every call is inferred"
        yield from self.weaknesses

    @staticmethod
    def joint(parts: Iterable[Coverage]) -> Coverage:
        """Put together what several writers declare of one capture: what any leaves out is not complete.

        Args:
            parts: At least one.
        """
        every = list(parts)
        lists = [part.routines for part in every if part.routines is not None]
        return Coverage(
            declared=all(part.declared for part in every),
            routines=frozenset.intersection(*lists) if lists else None,
            partial=frozenset().union(*(part.partial for part in every)),
            silent=frozenset().union(*(part.silent for part in every)),
            note="; ".join(dict.fromkeys(part.note for part in every if part.note)),
            weaknesses=tuple(dict.fromkeys(text for part in every for text in part.weaknesses)),
            profile=", ".join(dict.fromkeys(part.profile for part in every if part.profile)),
        )
