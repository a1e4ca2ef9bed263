"""The sample traces: what each is, and the scenario that makes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tracecheck.simulate.scenario import Fault, Scenario
from tracecheck.simulate.simulation import simulate

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tracecheck.simulate.truth import FaultTruth, Truth

_OPERATIONS = 500

_README_HEAD = """\
# Sample traces

Small captures of a simulated minifilter, with what each must give. `tracecheck simulate` made them, byte
for byte the same every time:

    tracecheck simulate --samples sample_traces

`<name>.etl` is the capture, `<name>.json` the truth about it: the faults that were injected, with context
(address, generation, type), routine, function, line, thread and time; which events never reached the
file; and every life of every context with its true counts at the end. The "generation" of a life counts
the allocations that its address had, from 1, lost ones included.

A finding on one of the faults may have one of its `alternatives` as its rule: a context that a Get leaked
(L09) is also out when the filter is unloaded (L01). What `capture_rules` names may be reported of the
capture itself. All other lives are sound, and nothing must be said against them. Where `evidence` is not
"complete", no finding may be definite that rests on what is missing.

| trace | what it is | what it must give |
| --- | --- | --- |
"""


@dataclass(frozen=True)
class Sample:
    """A sample trace.

    Attributes:
        name: Its file's name, without the ending.
        text: What it is.
        scenario: What makes it.
    """

    name: str
    text: str
    scenario: Scenario


def _sample(name: str, text: str, seed: int, **more: object) -> Sample:
    settled: dict[str, object] = {"operations": _OPERATIONS, "processors": 2, "buffer_size": 8192}
    return Sample(name, text, Scenario(seed=seed, **(settled | more)))  # type: ignore[arg-type]


#: In the order of the README.
SAMPLES = (
    _sample("healthy", "A driver that does nothing wrong, from its load to its unload.", 11),
    _sample(
        "get-leak",
        "Pre-read returns early with what FltGetStreamContext gave; FltUnregisterFilter never returns.",
        12,
        faults=(Fault("L09", "stream"),),
    ),
    _sample(
        "reference-leak",
        "FltReferenceContext for a list that nobody empties; FltUnregisterFilter returns all the same.",
        13,
        faults=(Fault("L01", "reference"),),
        returns=True,
    ),
    _sample(
        "instance-gone",
        "A reference is out when the instance is torn down; the driver stays loaded.",
        14,
        faults=(Fault("L02", "instance"),),
        unload=False,
    ),
    _sample(
        "outstanding",
        "The reference of an allocation is out at the end of the capture, long after all others.",
        15,
        faults=(Fault("L03", "allocation"),),
        unload=False,
    ),
    _sample(
        "double-release",
        "Get, release, release: one too many while the stream still holds the context.",
        16,
        faults=(Fault("R01", "get"),),
    ),
    _sample(
        "release-freed",
        "An error path releases a context that was never set, and falls through to the ordinary release.",
        17,
        faults=(Fault("R02", "orphan"),),
    ),
    _sample(
        "reference-freed",
        "A work item kept a pointer without a reference, and takes one when the context is gone.",
        18,
        faults=(Fault("R03", "work"),),
    ),
    _sample(
        "use-freed",
        "A context is released because it could not be filled, and set all the same.",
        19,
        faults=(Fault("R04", "set"),),
    ),
    _sample(
        "use-released",
        "FltReleaseContext first, FltDeleteContext after it: only the stream still held the context.",
        20,
        faults=(Fault("R05", "delete"),),
    ),
    _sample(
        "two-generations",
        "The end of one life was not logged, and its address is allocated again.",
        21,
        faults=(Fault("M04", "unhooked"),),
    ),
    _sample(
        "lost-events",
        "A driver that does nothing wrong; single events were lost.",
        22,
        conditions=frozenset({"lost-events"}),
    ),
    _sample(
        "lost-buffers",
        "A leak whose life two lost buffers fall into.",
        23,
        conditions=frozenset({"lost-buffers"}),
        faults=(Fault("L09", "stream", at=0.2),),
    ),
    _sample(
        "circular",
        "A circular log that forgot its beginning; the driver does nothing wrong.",
        24,
        operations=900,
        conditions=frozenset({"circular"}),
    ),
    _sample(
        "late-start",
        "The capture starts when the driver has long been running; later a work item makes a mistake.",
        25,
        conditions=frozenset({"late-start"}),
        faults=(Fault("R03", "work", at=0.6),),
    ),
    _sample(
        "partial",
        "Some call sites do not log FltReleaseContext, and CaptureStart says so.",
        26,
        conditions=frozenset({"partial"}),
    ),
    _sample(
        "pointers32",
        "A 32-bit machine, compressed buffers; an allocation that failed at something else is forgotten.",
        27,
        pointer_size=4,
        compressed=True,
        faults=(Fault("L01", "orphan"),),
    ),
    _sample(
        "crowded",
        "Twelve threads, no pauses, no Begin, other providers' events between; nothing is wrong.",
        28,
        threads=12,
        duration=0.0,
        processors=4,
        compressed=True,
        conditions=frozenset({"no-begin", "noise", "sequence-races"}),
    ),
    _sample(
        "two-drivers",
        "Two drivers, written later by a relay; one leaks an OldContext, one releases too often.",
        29,
        operations=700,
        drivers=2,
        compressed=True,
        conditions=frozenset({"relay"}),
        faults=(Fault("L01", "kept"), Fault("R01", "set")),
    ),
)


def write_samples(directory: Path) -> Iterator[Path]:
    """Write all sample traces, their truths and the README that describes them.

    Args:
        directory: Where; made if it is not there.

    Yields:
        Each file when it has been written.
    """
    directory.mkdir(parents=True, exist_ok=True)
    readme = _README_HEAD
    for sample in SAMPLES:
        made = simulate(sample.scenario)
        readme += f"| `{sample.name}.etl` | {sample.text} | {_expectation(made.truth)} |\n"
        trace = directory / f"{sample.name}.etl"
        made.write(trace)
        yield trace
        yield _write_text(trace.with_suffix(".json"), made.truth.to_json())
    yield _write_text(directory / "README.md", readme)


def _write_text(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8", newline="\n")
    return path


def _expectation(truth: Truth) -> str:
    """Say what a trace must give, in a cell of a table."""
    said = "; ".join(_describe(fault) for fault in truth.faults) or "nothing against any context"
    if truth.capture_rules:
        said += f"; of the capture itself {' or '.join(truth.capture_rules)}"
    return said if truth.evidence == "complete" else f"{said}; evidence: {truth.evidence}"


def _describe(fault: FaultTruth) -> str:
    rules = " or ".join((fault.rule, *fault.alternatives))
    where = f"{fault.routine} in {fault.function}, line {fault.line}"
    return (
        f"{rules} on {fault.context_type} context `{fault.context}`, generation {fault.generation} ({where})"
    )
