"""Timing whole processes, in turn, so that a drift of the machine's speed hits all alike."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

PACKAGE = Path(__file__).resolve().parents[1]


@dataclass
class Timed:
    """A command, and what its runs took.

    Attributes:
        name: What the table calls it.
        command: The program and its arguments.
        runs: How often it is run.
        wall: Seconds of each run, from start to exit.
        peak: The largest resident memory of any run, MB.
        output: What the last run printed.
    """

    name: str
    command: list[str]
    runs: int = 5
    wall: list[float] = field(default_factory=list)
    peak: float = 0.0
    output: str = ""

    @property
    def seconds(self) -> float:
        """The median of the runs."""
        return median(self.wall)


def measure(commands: list[Timed]) -> None:
    """Run all commands in turn, after one run of each that is not counted where it is run more than once."""
    for number in range(-1, max(c.runs for c in commands)):
        for command in commands:
            if number >= command.runs or (number < 0 and command.runs == 1):
                continue
            wall, peak, output = _run(command.command)
            if number >= 0:
                command.wall.append(wall)
                command.peak = max(command.peak, peak)
            command.output = output


def _run(command: list[str]) -> tuple[float, float, str]:
    started = time.perf_counter()
    # As installed packages run: their compiled modules are kept, after the run that is not counted.
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPATH"] = str(PACKAGE)
    process = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True)
    assert process.stdout is not None
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in (0, 1, 3):
        sys.exit(f"{command[0]} failed ({process.returncode})")
    return wall, usage.ru_maxrss / 1024, output


def table(title: str, commands: list[Timed], per_second: float, unit: str) -> str:
    """Write what was measured as a Markdown table, each command against the first.

    Args:
        title: What was measured.
        commands: What was run.
        per_second: How much each command dealt with.
        unit: Of what.
    """
    lines = [
        f"### {title}",
        "",
        f"| | median | spread | {unit}/s | peak | against the first |",
        "| --- " * 6 + "|",
    ]
    for c in commands:
        spread = f"{min(c.wall):.2f} to {max(c.wall):.2f} s"
        lines.append(
            f"| {c.name} | {c.seconds:.2f} s | {spread} | {per_second / c.seconds:,.0f} | {c.peak:,.0f} MB "
            f"| {c.seconds / commands[0].seconds:.2f} |"
        )
    return "\n".join(lines)


def machine() -> str:
    """Say in a line what this was measured on."""
    model = next(
        (line.split(":")[1].strip() for line in _cpuinfo() if line.startswith("model name")),
        platform.processor(),
    )
    return f"{os.cpu_count()} cores of {model}, Python {platform.python_version()}, {platform.system()}"


def _cpuinfo() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text().splitlines() if path.exists() else []
