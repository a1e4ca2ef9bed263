"""Which profiles a capture is read by: those that the user named, and those whose messages occur."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tracecheck.operations.coverage import Coverage
from tracecheck.operations.profiles.collect import Harvest, coverage_of
from tracecheck.operations.profiles.load import shipped

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tracecheck.operations.profiles.bind import Source
    from tracecheck.operations.profiles.grammar import Profile
    from tracecheck.operations.rows import Rows

#: A profile that nobody named is used where at least so many of its messages occur.
LEAST_BOUND = 2


@dataclass
class Chosen:
    """The profiles that a capture was read by.

    Attributes:
        profiles: The profiles, those that the user named first.
        unasked: Those of them that nobody named.
        coverage: What they say the capture logs; None where none is used.
        operations: How many operations they told of.
        lag: The longest time by which a relay wrote one of them late, nanoseconds.
        notes: What to tell the user, a line each.
    """

    profiles: list[Profile] = field(default_factory=list)
    unasked: list[Profile] = field(default_factory=list)
    coverage: Coverage | None = None
    operations: int = 0
    lag: int = 0
    notes: list[str] = field(default_factory=list)


def choose(named: Sequence[Harvest], offered: Sequence[Harvest], rows: Rows) -> Chosen:
    """Choose profiles, and put their operations among those of the capture.

    A definition is read by one profile only: by the first that the user named, else by the one that knows
    most of the definitions that occur.

    Args:
        named: What the profiles that the user named told.
        offered: What the others told.
        rows: Takes the operations.
    """
    chosen = Chosen()
    taken: set[Source] = set()
    for harvest in named:
        _use(harvest, taken, rows, chosen)
    for harvest in sorted(offered, key=lambda each: -len(each.telling)):
        if len(harvest.telling - taken) >= LEAST_BOUND:
            _use(harvest, taken, rows, chosen)
            chosen.unasked.append(harvest.profile)
            many = len(harvest.telling)
            chosen.notes.append(
                f"read by the profile {harvest.profile.name} ({harvest.profile.title}), of whose messages "
                f"{many} occur; --profile none turns it off"
            )
    if chosen.profiles:
        chosen.coverage = Coverage.joint(coverage_of(profile) for profile in chosen.profiles)
    return chosen


def _use(harvest: Harvest, taken: set[Source], rows: Rows, chosen: Chosen) -> None:
    chosen.profiles.append(harvest.profile)
    # A profile of the package binds what any build of its driver may log; nobody is there to mend it.
    if harvest.profile.path not in shipped():
        chosen.notes += harvest.binder.problems
    batch = harvest.operations(taken & harvest.sources)
    taken |= harvest.sources
    if batch.size:
        rows.add(batch)
        chosen.operations += batch.size
        chosen.lag = max(chosen.lag, harvest.lag)
