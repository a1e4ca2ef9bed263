"""What is said of one life, and how sure it is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

LEAK, OVER_RELEASE, USE = "leak", "over-release", "use"
_CONFIDENCES = ("definite", "probable", "possible")


@dataclass(frozen=True)
class Doubt:
    """Why a blame is not definite.

    Attributes:
        confidence: What it is at most: "probable" or "possible".
        reason: Why, in words.
    """

    confidence: str
    reason: str


UNNAMED = Doubt("possible", "where calls were made was not logged")


@dataclass(frozen=True)
class Blamed:
    """Who is to blame for a life.

    Attributes:
        kind: :data:`LEAK`, :data:`OVER_RELEASE` or :data:`USE`.
        operation: The call that is to blame.
        pattern: What all others do that call there, in words.
        pattern_count: How many they are.
        text: The whole story.
        doubts: Why it is not definite.
        deviation, owner, victim: As the columns of :data:`~tracecheck.blame.tables.BLAME`.
    """

    kind: str
    operation: int
    pattern: str
    pattern_count: int
    text: str
    doubts: tuple[Doubt, ...]
    deviation: int | None = None
    owner: int | None = None
    victim: int | None = None


def weakest(confidences: Iterable[str]) -> str:
    """Give the least of some confidences; definite where there are none."""
    return max(confidences, key=_CONFIDENCES.index, default="definite")
