"""Whom blame names in simulated runs whose culprit is known.

python benchmarks/blame_accuracy.py [--seeds 20] [-o accuracy.md]
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tracecheck.capture import analyse
from tracecheck.simulate import Fault, Scenario, simulate
from tracecheck.simulate.faults import FAULTS, culprits
from tracecheck.simulate.scenario import Mix
from tracecheck.simulate.truth import FaultTruth

#: The known culprits: rule and variant, and what is wrong in words.
CULPRITS = {
    ("L09", "error-path"): "one way out of a function, of several, forgets the release",
    ("L01", "forgotten"): "one function forgets OldContext",
    ("R01", "worker"): "a work item releases twice, while others use the context",
}
#: All other leaks and releases too many that are judged definite in a whole capture.
OTHERS = [
    (code, variant)
    for code in ("L01", "L02", "L09", "R01", "R02")
    for variant in FAULTS[code].ways
    if variant not in culprits.WAYS.get(code, {})
]
MIXES = (
    Mix(),
    Mix(handles=0.7, files=0.6, uses=0.3, nested=0.6),
    Mix(read=20, write=40, work=25, dirty=10, reset=10, drop=10),
    Mix(dispatch=0.8, failures=0.2, related=20, control=10),
)
_HEAD = "| fault | runs | definite findings | blamed right | blame definite | of these right |"


@dataclass
class Score:
    """How often blame was right about one fault.

    Attributes:
        name: What the table calls it.
        runs: How many runs there were.
        definite: How many definite leaks and over-releases were found on the faulty lives.
        right: Of how many of them the blamed call is the injected one.
        sure: Of how many the blame is definite.
        sure_right: How many of these are right.
        wrong: What was blamed instead.
    """

    name: str
    runs: int = 0
    definite: int = 0
    right: int = 0
    sure: int = 0
    sure_right: int = 0
    wrong: list[str] = field(default_factory=list)

    def line(self) -> str:
        """Write the row of the table."""
        parts = (self.runs, self.definite, _part(self.right, self.definite))
        return (
            f"| {' | '.join(map(str, (self.name, *parts, self.sure, _part(self.sure_right, self.sure))))} |"
        )


def _part(some: int, of: int) -> str:
    return f"{some} ({100 * some / of:.1f} %)" if of else "none"


def scenario(rule: str, variant: str, seed: int) -> Scenario:
    """Draw a run with a fault: a small busy machine, another one for each seed."""
    draw = random.Random(f"{rule} {variant} {seed}")
    return Scenario(
        seed=seed,
        operations=draw.choice([400, 600]),
        threads=draw.choice([4, 8, 16]),
        drivers=draw.choice([1, 1, 2]),
        begin=draw.random() < 0.8,
        mix=draw.choice(MIXES),
        unload=rule != "L02",
        returns=True,
        faults=(Fault(rule, variant),),
    )


def score(rule: str, variant: str, seeds: int, name: str, folder: Path) -> Score:
    """Play a fault in several runs, and compare who is blamed with who did it."""
    found = Score(name)
    for seed in range(seeds):
        made = simulate(scenario(rule, variant, seed))
        if not made.truth.faults:
            continue
        path = folder / "run.etl"
        made.write(path)
        found.runs += 1
        for fault in made.truth.faults:
            for blame in _definite(fault, path):
                site = blame["site"] or ""
                named = (blame["routine"], blame["function"]) == (fault.routine, fault.function)
                right = named and f":{fault.line})" in site
                found.definite += 1
                found.right += right
                found.sure += blame["confidence"] == "definite"
                found.sure_right += right and blame["confidence"] == "definite"
                if not right:
                    found.wrong.append(
                        f"{rule}:{variant} seed {seed} ({blame['confidence']}): {blame['text']}"
                    )
    return found


def _definite(fault: FaultTruth, path: Path) -> Iterator[dict[str, object]]:
    """Give the blame of each life with a definite leak or over-release: those of one life are one."""
    analysis = analyse([str(path)])
    findings = analysis.findings.select(["confidence", "context", "generation", "rule"]).to_pylist()
    seen = set()
    for blame in analysis.blame.to_pylist():
        finding = findings[blame["finding"]]
        mine = (f"{finding['context']:#x}", finding["generation"]) == (fault.context, fault.seen)
        if finding["confidence"] == "definite" and mine and blame["kind"] not in seen:
            seen.add(blame["kind"])
            yield blame


def table(scores: list[Score]) -> str:
    """Write scores as a Markdown table."""
    total = Score("all")
    for one in scores:
        for name in ("runs", "definite", "right", "sure", "sure_right"):
            setattr(total, name, getattr(total, name) + getattr(one, name))
    lines = [_HEAD, "| --- " * 6 + "|", *(one.line() for one in [*scores, total])]
    return "\n".join(lines)


def measure(seeds: int) -> tuple[str, list[Score]]:
    """Measure all faults; give the page and the scores."""
    with tempfile.TemporaryDirectory() as folder:
        known = [score(*key, seeds, text, Path(folder)) for key, text in CULPRITS.items()]
        rest = [score(*key, seeds, f"{key[0]}, {key[1]}", Path(folder)) for key in OTHERS]
    page = (
        "# Whom blame names\n\n"
        f"{seeds} runs of each fault (`python benchmarks/blame_accuracy.py --seeds {seeds}`): 400 to 600\n"
        "operations, 4 to 16 threads, different mixes. Right means: routine, function and line are those\n"
        "of the injected fault. A life counts once, whatever rules say of it.\n\n"
        f"## Known culprits among many\n\n{table(known)}\n\n## All other leaks and over-releases\n\n"
        f"{table(rest)}\n"
    )
    return page, [*known, *rest]


def main() -> None:
    """Measure and print Markdown."""
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("--seeds", type=int, default=20)
    arguments.add_argument("-o", "--output", type=Path)
    given = arguments.parse_args()
    page, scores = measure(given.seeds)
    for wrong in (line for one in scores for line in one.wrong):
        print(wrong, file=sys.stderr)
    if given.output is None:
        print(page)
    else:
        given.output.write_text(page, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
