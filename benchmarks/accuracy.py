"""What the rules find of injected faults, and what they say of drivers that do nothing wrong.

python benchmarks/accuracy.py [--runs 1000] [--condition-runs 50] [--healthy 1000] [--blame-seeds 20]
                              [--rules R01 L09] [--jobs 2] [-o docs/accuracy.md]

Every run is a simulated machine of its own: processors, threads, drivers, what they do and how fast are
drawn at random, and calls of all threads overlap. The same numbers give the same runs.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import blame_accuracy
from accuracy_runs import (
    COMPLETE,
    CONFIDENCES,
    CUT,
    EVERY,
    LOADED,
    SURE,
    Outcome,
    Tally,
    injectable,
    runs,
)

from tracecheck.rules import RULES
from tracecheck.simulate.conditions import CONDITIONS
from tracecheck.simulate.faults import FAULTS

_JOB = 25
Tallies = dict[tuple[str, str], Tally]
_KINDS = [(severity, confidence) for severity in ("error", "warning") for confidence in CONFIDENCES[:3]]
_WORDS = {
    COMPLETE: "everything is logged, and the unload returns",
    LOADED: "the capture ends with the driver loaded",
    CUT: "the capture stops in the middle of everything",
}


def main() -> int:
    """Measure and write; 1 where a faultless run was accused for sure."""
    given = _arguments()
    started = time.perf_counter()
    rules = injectable(given.rules)
    tallies = measure(rules, given.runs, given.condition_runs, given.healthy, given.jobs)
    text = page(rules, tallies, _command(given))
    if given.blame_seeds:
        text += "\n" + blame_accuracy.measure(given.blame_seeds)[0].replace("# ", "## ").replace(
            "####", "###"
        )
    if given.output:
        Path(given.output).write_text(text, encoding="utf-8", newline="\n")
    else:
        print(text)
    total = sum(tally.runs for tally in tallies.values())
    seconds = time.perf_counter() - started
    print(f"{total:,} runs in {seconds:,.0f} s ({total / seconds:.1f} a second)", file=sys.stderr)
    for line in (line for tally in tallies.values() for line in tally.examples[:5]):
        print(line, file=sys.stderr)
    return int(any(tally.alarms[kind] for tally in tallies.values() for kind in SURE))


def measure(rules: Sequence[str], count: int, others: int, healthy: int, jobs: int) -> Tallies:
    """Make all runs.

    Args:
        rules: Whose faults are injected.
        count: Runs of each rule with everything logged.
        others: The same under each other condition.
        healthy: Runs without a fault with everything logged; under each other condition a tenth of it.
        jobs: How many processes.

    Returns:
        (rule or "", condition) -> what came of it.
    """
    tallies: Tallies = defaultdict(Tally)
    for outcomes in _made(list(_jobs(rules, count, others, healthy)), jobs):
        for outcome in outcomes:
            tallies[outcome.rule, outcome.condition].add(outcome)
    return dict(tallies)


def _jobs(
    rules: Sequence[str], count: int, others: int, healthy: int
) -> Iterator[tuple[tuple[str, ...], str, int, int]]:
    """Cut the work into pieces; the same numbers give the same runs."""
    for some in ((), tuple(rules)):
        start = 1_000_000 * len(some)
        for condition in EVERY:
            wanted = (count, others) if some else (healthy, healthy // 10)
            wanted = wanted[condition != COMPLETE]
            first = start + 10_000 * EVERY.index(condition)
            size = _JOB if not some else 1
            for done in range(0, wanted, size):
                yield some, condition, first + done, min(size, wanted - done)


def _made(work: list[tuple[tuple[str, ...], str, int, int]], jobs: int) -> Iterator[list[Outcome]]:
    if jobs < 2:
        yield from map(runs, work)
        return
    with ProcessPoolExecutor(jobs) as pool:
        yield from pool.map(runs, work)


def page(rules: Iterable[str], tallies: Tallies, command: str) -> str:
    """Write the page: faults by rule, false alarms by condition, faults by rule and condition."""
    names = list(rules)
    parts = [
        "# How accurate the rules are",
        f"Made by `{command}`. Every run is a simulated machine whose processors, threads, drivers and work "
        "are drawn at random; in one with faults, up to eight of different rules are injected.",
        "## Faults found",
        "With everything logged and an unload that returns (rules that need a driver that stays loaded: "
        "without one). A fault is found if its rule, or another that holds for the same fault, is reported "
        "for its context; what counts is the surest of these findings. *heuristic* rules are never more "
        "than possible. *False alarms* are errors and warnings of any confidence against other contexts, "
        "or by rules that do not hold for the fault.",
        "\n".join(_faults(names, tallies)),
        "## False alarms",
        "Runs without any fault; a finding is an error or a warning against a context.",
        "\n".join(_alarms(tallies)),
        "## Faults found under each condition",
        "Each cell: definite / probable / possible / missed, of the runs in which the event of the fault "
        "reached the file.",
        "\n".join(_matrix(names, tallies)),
        "The conditions:",
        "\n".join(f"- *{name}*: {_WORDS.get(name) or CONDITIONS[name]}" for name in EVERY),
    ]
    overstated = sum(tally.overstated for tally in tallies.values())
    parts.insert(-2, f"Definite without all of the evidence: {overstated}.")
    return "\n\n".join(parts) + "\n"


def _faults(rules: Sequence[str], tallies: Tallies) -> Iterator[str]:
    yield "| rule | | kind | runs | definite | probable | possible | missed | false alarms |"
    yield "| --- | --- | --- | --: | --: | --: | --: | --: | --: |"
    for rule in rules:
        tally = tallies.get((rule, COMPLETE), Tally())
        kind = "sound" if rule in RULES and RULES[rule].sound else "heuristic"
        cells = [rule, FAULTS[rule].text, kind, f"{tally.runs:,}"]
        cells += [_count(tally.found[word]) for word in CONFIDENCES]
        yield _row([*cells, _count(tally.alarms.total())])


def _alarms(tallies: Tallies) -> Iterator[str]:
    heads = [f"{confidence} {severity}s" for severity, confidence in _KINDS]
    yield _row(["condition", "runs", *heads, "rules"])
    yield "| --- | --: |" + " --: |" * len(_KINDS) + " --- |"
    for condition in EVERY:
        tally = tallies.get(("", condition), Tally())
        named = ", ".join(f"{rule} {count}" for rule, count in sorted(tally.accused.items()))
        yield _row([condition, f"{tally.runs:,}", *(_count(tally.alarms[kind]) for kind in _KINDS), named])


def _matrix(rules: Sequence[str], tallies: Tallies) -> Iterator[str]:
    shown = [name for name in EVERY if name != COMPLETE]
    yield _row(["rule", *shown])
    yield "| --- |" + " --- |" * len(shown)
    for rule in rules:
        cells = []
        for condition in shown:
            tally = tallies.get((rule, condition), Tally())
            cells.append("/".join(str(tally.found[word]) for word in CONFIDENCES) if tally.runs else "")
        yield _row([rule, *cells])


def _count(number: int) -> str:
    return f"{number:,}" if number else "0"


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _command(given: argparse.Namespace) -> str:
    options = (
        f"--runs {given.runs} --condition-runs {given.condition_runs} --healthy {given.healthy} "
        f"--blame-seeds {given.blame_seeds}"
    )
    chosen = f" --rules {' '.join(given.rules)}" if given.rules else ""
    return f"python benchmarks/accuracy.py {options}{chosen}"


def _arguments() -> argparse.Namespace:
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("--runs", type=int, default=1000, help="of each rule")
    arguments.add_argument("--healthy", type=int, default=1000, help="without a fault")
    arguments.add_argument("--condition-runs", type=int, default=50, help="of each rule and condition")
    arguments.add_argument("--blame-seeds", type=int, default=20, help="of each fault, for whom blame names")
    arguments.add_argument("--rules", nargs="*", default=[], help="only these")
    arguments.add_argument("--jobs", type=int, default=2, help="processes")
    arguments.add_argument("-o", "--output", default="", help="the page to write")
    return arguments.parse_args()


if __name__ == "__main__":
    sys.exit(main())
