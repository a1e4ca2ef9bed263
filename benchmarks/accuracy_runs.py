"""Single runs of the simulator held against their truth: what of a fault was found, and what was made up."""

from __future__ import annotations

import random
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(PACKAGE), str(PACKAGE / "tests")]

import pyarrow as pa  # noqa: E402
import pyarrow.compute as pc  # noqa: E402
from drawn import scenario  # noqa: E402
from truths import accusations, guilty, is_about, life_at_fault, life_of, play, sureness  # noqa: E402

from tracecheck.capture import Analysis  # noqa: E402
from tracecheck.errors import UsageError  # noqa: E402
from tracecheck.etl import plain_rows  # noqa: E402
from tracecheck.rules import RULES  # noqa: E402
from tracecheck.simulate import Fault, Scenario  # noqa: E402
from tracecheck.simulate.conditions import CONDITIONS  # noqa: E402
from tracecheck.simulate.faults import FAULTS  # noqa: E402
from tracecheck.simulate.truth import FaultTruth, Truth  # noqa: E402

CONFIDENCES = ("definite", "probable", "possible", "missed")
#: What is not a condition of the simulator, but of the run.
COMPLETE, LOADED, CUT = "complete", "loaded", "cut"
EVERY = (COMPLETE, *CONDITIONS, LOADED, CUT)
_OPERATIONS = (150, 250, 400)
# How many faults a run has at most, and how many operations more it has for each.
_TOGETHER, _FOR_A_FAULT = 8, 40
# What changes the registration changes what else can go wrong. A trace that contradicts itself, or in which
# a driver works that was loaded before, shows that calls are missing: nothing else is sure then.
_ALONE = ("A01", "A12", "E05", "G03", "G04", "M04", "R13")
Alarm = tuple[str, str, str]
Life = tuple[str, int]
_ENDS = {COMPLETE: {}, LOADED: {"unload": False}, CUT: {"unload": False, "cut": True}}


@dataclass(frozen=True)
class Outcome:
    """What became of one run.

    Attributes:
        rule: The rule that was broken, "" for none.
        variant: In which way.
        condition: What befell the capture, one of :data:`EVERY`.
        seed: Draws the rest of the run again.
        confidence: How sure the fault was found, one of :data:`CONFIDENCES`; "" where there was none, or
            its event is not in the file.
        overstated: Whether a fault that rests on counts was found definite although events of its life
            are missing from the file.
        alarms: Errors and warnings that are not of the fault: rule, severity and confidence.
    """

    rule: str
    variant: str
    condition: str
    seed: int
    confidence: str = ""
    overstated: bool = False
    alarms: tuple[Alarm, ...] = ()


@dataclass
class Tally:
    """Outcomes of a kind, counted.

    Attributes:
        runs: How many.
        found: Confidence -> in how many.
        unseen: In how many the fault's event is not in the file.
        overstated: In how many it was definite without all of its evidence.
        alarms: (severity, confidence) -> how many.
        accused: Rule -> how many alarms.
        examples: Alarms that are sure, overstated faults and missed ones, in words.
    """

    runs: int = 0
    found: Counter[str] = field(default_factory=Counter)
    unseen: int = 0
    overstated: int = 0
    alarms: Counter[tuple[str, str]] = field(default_factory=Counter)
    accused: Counter[str] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)

    def add(self, outcome: Outcome) -> None:
        """Count an outcome."""
        self.runs += 1
        if outcome.confidence:
            self.found[outcome.confidence] += 1
        self.unseen += bool(outcome.rule) and not outcome.confidence
        self.overstated += outcome.overstated
        for rule, severity, confidence in outcome.alarms:
            self.alarms[severity, confidence] += 1
            self.accused[rule] += 1
        sure = sorted({alarm for alarm in outcome.alarms if alarm[1:] in SURE})
        what = [" ".join(alarm) for alarm in sure] + ["overstated"] * outcome.overstated
        what += ["missed"] * (outcome.confidence == "missed")
        which = f"{outcome.rule}:{outcome.variant}" if outcome.rule else "no fault"
        self.examples += [f"{which}, {outcome.condition}, seed {outcome.seed}: {one}" for one in what]


#: What no faultless capture may be told.
SURE = (("error", "definite"), ("error", "probable"))


def injectable(rules: Iterable[str] = ()) -> list[str]:
    """Name the rules whose faults can be injected; of those given, where any are."""
    wanted = set(rules)
    return [code for code in sorted(FAULTS) if FAULTS[code].ways and (not wanted or code in wanted)]


def draw(rules: Sequence[str], condition: str, seed: int) -> Scenario:
    """Draw a run with a fault of each rule, or with none.

    What is drawn does not hide anything by itself: calls tell their begin and are numbered, and an unload
    returns. What is hidden is the condition.
    """
    names = (condition,) if condition in CONDITIONS else ()
    more: dict[str, object] = {"begin": True, "sequence": True, "returns": True}
    operations = _OPERATIONS[seed % len(_OPERATIONS)] + _FOR_A_FAULT * len(rules)
    more |= {"operations": operations, "unload": True}
    more |= _ENDS.get(condition, {})
    if any(FAULTS[rule].unloaded for rule in rules):
        more |= {"unload": True, "cut": False}
    if any(FAULTS[rule].loaded for rule in rules):
        more["unload"] = False
    faults = []
    for rule in rules:
        ways = list(FAULTS[rule].ways)
        faults.append(Fault(rule, ways[seed // len(_OPERATIONS) % len(ways)]))
    if condition == CUT:
        # A cut capture ends with its last operation: the faults have to be made before.
        faults = [replace(fault, at=0.4) for fault in faults]
    return scenario(seed, *names, **more, faults=tuple(faults))


def together(rules: Iterable[str], seed: int) -> Iterator[tuple[str, ...]]:
    """Put rules together whose faults fit into one run, other ones for each seed."""
    drawn = list(rules)
    random.Random(seed).shuffle(drawn)
    kinds: dict[str, list[str]] = {}
    for rule in drawn:
        faulty = FAULTS[rule]
        alone = rule if rule in _ALONE else ""
        kinds.setdefault(alone or ("loaded" if faulty.loaded else "unloaded"), []).append(rule)
    for some in kinds.values():
        for first in range(0, len(some), _TOGETHER):
            yield tuple(some[first : first + _TOGETHER])


def run(rules: Sequence[str], condition: str, seed: int, folder: Path) -> Iterator[Outcome]:
    """Simulate, check and compare: an outcome for each fault that was made, or one of a faultless run."""
    drawn = draw(rules, condition, seed)
    try:
        truth, analysis = play(drawn, folder / "run.etl")
    except (UsageError, AssertionError):
        # The run has no place for one of them: a script finds its machine otherwise than it needs it.
        if len(rules) > 1:
            for rule in rules:
                yield from run((rule,), condition, seed, folder)
        return
    alarms = list(_alarms(truth, analysis))
    if not rules:
        yield Outcome("", "", condition, seed, alarms=tuple(alarm for _, alarm in alarms))
        return
    found = plain_rows(analysis.findings)
    for fault in truth.faults:
        mine = tuple(alarm for whose, alarm in alarms if whose in (life_at_fault(fault), None))
        confidence, overstated = "", False
        if fault.reached:
            confidence = CONFIDENCES[sureness(fault, found)]
            counted = RULES[fault.rule].family != ""
            overstated = counted and confidence == "definite" and not _whole(truth, analysis, fault)
        yield Outcome(fault.rule, fault.variant, condition, seed, confidence, overstated, mine)


def _whole(truth: Truth, analysis: Analysis, fault: FaultTruth) -> bool:
    """Tell by the numbers whether all events from a life's allocation to its fault are in the file."""
    operations = analysis.operations
    mine = pc.and_(
        pc.equal(operations.column("routine"), "FltAllocateContext"),
        pc.equal(operations.column("context"), pa.scalar(int(fault.context, 16), pa.uint64())),
    )
    numbers = operations.column("sequence").filter(mine).to_pylist()
    if not fault.seen or len(numbers) < fault.seen:
        # What is sure of a life whose allocation is not in the file, its cleanup proves.
        return True
    missing = [pair for why in truth.lost.values() for pair in why]
    born, end = numbers[fault.seen - 1], truth.logged if FAULTS[fault.rule].leak else fault.sequence
    return born is None or not any(first <= end and last >= born for first, last in missing)


def _alarms(truth: Truth, analysis: Analysis) -> Iterator[tuple[Life | None, Alarm]]:
    """Give the errors and warnings against lives with which nothing is wrong, or that no fault explains.

    Each with the life at fault that it is about, or None.
    """
    lives = guilty(truth)
    mine: dict[Life, set[str]] = {}
    for fault in truth.faults:
        mine.setdefault(life_at_fault(fault), set()).update((fault.rule, *fault.alternatives))
    for row in accusations(analysis):
        life = life_of(row)
        if row["context"] is None and any(is_about(row, fault) for fault in truth.faults):
            continue
        if life not in lives or (life in mine and row["rule"] not in mine[life]):
            yield (life if life in mine else None), (row["rule"], row["severity"], row["confidence"])


def runs(job: tuple[tuple[str, ...], str, int, int]) -> list[Outcome]:
    """Make runs under one condition.

    Args:
        job: The rules (none for faultless runs), the condition, the first seed, and how many rounds: in each
            the fault of every rule is made once.
    """
    rules, condition, first, count = job
    with tempfile.TemporaryDirectory() as folder:
        return [
            outcome
            for seed in range(first, first + count)
            for some in (together(rules, seed) if rules else ((),))
            for outcome in run(some, condition, seed, Path(folder))
        ]
