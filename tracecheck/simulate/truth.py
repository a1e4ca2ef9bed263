"""What a simulated capture must give, known because the simulator knows everything."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING

from tracecheck.simulate.objects import FREED, TYPE_NAMES, Context

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence, Set

_VERSION = 1


@dataclass(frozen=True)
class Life:
    """One life of one context, as it was when the capture stopped.

    Attributes:
        context: Its address, "0x...".
        generation: The how-manieth allocation of that address it was, from 1.
        seen: The how-manieth allocation of that address in the file it was; 0 where its own is not there.
        context_type: A name of :data:`tracecheck.simulate.objects.TYPE_NAMES`.
        owned: References that the driver had not released.
        link: 1 where it was attached to an object.
        freed: Whether it had been freed.
        stored: How many of ``owned`` other live contexts keep until their own cleanup.
    """

    context: str
    generation: int
    seen: int
    context_type: str
    owned: int
    link: int
    freed: bool
    stored: int = 0


@dataclass(frozen=True)
class FaultTruth:
    """A fault that was injected.

    Attributes:
        rule: The rule that it breaks.
        variant: Which way to go wrong it is.
        alternatives: Other rules that hold for the same fault; a finding may have one of them.
        context: The context's address, "0x...".
        generation: Its generation.
        seen: The how-manieth allocation of that address in the file it was; 0 where its own is not there.
        context_type: Its type's name.
        routine: What was called: for a leak, the acquire that was never answered.
        function: The function of the call site.
        line: The line there.
        process: Process id.
        thread: Thread id.
        time: When it was logged, nanoseconds since 1970 UTC.
        sequence: The event's number.
        reached: Whether the event is in the file.
        consequences: Lives that were not freed because of it: what a leaked context keeps references on.
    """

    rule: str
    variant: str
    alternatives: tuple[str, ...]
    context: str
    generation: int
    seen: int
    context_type: str
    routine: str
    function: str
    line: int
    process: int
    thread: int
    time: int
    sequence: int
    reached: bool
    consequences: tuple[dict[str, str | int], ...] = ()


@dataclass(frozen=True)
class Truth:
    """Everything that a capture must give.

    Attributes:
        scenario: What was simulated.
        events: Canonical events in the file.
        logged: Events that the driver's writer numbered, whether or not they reached the file.
        evidence: "complete", or what the capture cannot prove because of "lost" events, a "late" start or
            "partial" coverage.
        capture_rules: Rules that may be reported of the capture itself.
        unload: "returned", "hung", or "" where no unload was begun.
        faults: What was injected.
        lost: Why events are missing -> the numbers of the first and last of each run of them.
        contexts: How many lives there were.
        types: Type -> how many lives.
        lives: Every life, in the order of the allocations.
    """

    scenario: dict[str, object]
    events: int
    logged: int
    evidence: str
    capture_rules: tuple[str, ...]
    unload: str
    faults: tuple[FaultTruth, ...]
    lost: dict[str, list[list[int]]]
    contexts: int
    types: dict[str, int]
    lives: tuple[Life, ...] = field(repr=False)

    def to_json(self) -> str:
        """Write the truth as JSON: an object with these attributes, one life on a line."""
        whole: dict[str, object] = {"version": _VERSION} | asdict(self)
        lives = whole.pop("lives")
        assert isinstance(lives, tuple)
        head = json.dumps(whole, indent=1).removesuffix("\n}")
        return head + ',\n "lives": [\n  ' + ",\n  ".join(map(json.dumps, lives)) + "\n ]\n}\n"


def lives_of(contexts: Sequence[Context], missing: Set[int]) -> tuple[Life, ...]:
    """Take down the lives as they are now.

    Args:
        contexts: The lives, in the order of the allocations.
        missing: The numbers of the events that are not in the file.

    Returns:
        A life for each of ``contexts``.
    """
    kept = Counter(held for holder in contexts if holder.state != FREED for held in holder.stored)
    allocations: Counter[int] = Counter()
    lives = []
    for context in contexts:
        there = context.number not in missing and context.number > 0
        allocations[context.pointer] += there
        lives.append(
            Life(
                hex(context.pointer),
                context.generation,
                allocations[context.pointer] if there else 0,
                TYPE_NAMES[context.kind],
                context.owned,
                int(context.node is not None),
                context.state == FREED,
                kept.get(context, 0),
            )
        )
    return tuple(lives)


def see(fault: FaultTruth, lives: Iterable[Life], missing: Set[int]) -> FaultTruth:
    """Fill in what of a fault is in the file."""
    mine = (
        life.seen for life in lives if (life.context, life.generation) == (fault.context, fault.generation)
    )
    # NULL, or a pointer that was never allocated, has no life.
    return replace(fault, seen=next(mine, 0), reached=fault.sequence not in missing)


def count_types(contexts: Iterable[Context]) -> dict[str, int]:
    """Count lives by type; types that were not used are left out."""
    counts = dict.fromkeys(TYPE_NAMES, 0)
    for context in contexts:
        counts[context.kind] += 1
    return {TYPE_NAMES[kind]: count for kind, count in counts.items() if count}
