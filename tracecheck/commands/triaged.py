"""The options that say which findings count: suppressions and baselines."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from os.path import realpath
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tracecheck.commands.emit import emit
from tracecheck.errors import UsageError
from tracecheck.reporters.common import clean, count
from tracecheck.triage import Baseline, Suppression, Triage, parse_suppressions, triage
from tracecheck.triage.files import read_text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tracecheck.capture import Analysis

# A file of suppressions is written by people.
_LARGEST = 16 << 20
_SHOWN = 20
# A line on stderr is to be read by people; the whole of a reason stands in the reports.
_WIDEST = 1000


@dataclass(frozen=True)
class Wanted:
    """What the user asked for.

    Attributes:
        suppressions: Suppression files.
        baseline: A baseline to compare with.
        new_baseline: Where to write one.
        generate: Write suppressions for what is found, instead of a report.
    """

    suppressions: tuple[Path, ...]
    baseline: Path | None
    new_baseline: Path | None
    generate: bool

    def any(self) -> bool:
        """Tell whether some findings may not count."""
        return bool(self.suppressions) or self.baseline is not None

    def paths(self) -> list[Path]:
        """Name the files that are read."""
        return [*self.suppressions, *([self.baseline] if self.baseline else [])]

    def refuse(self, output: Path | None) -> None:
        """Refuse to write the report over the baseline that was just written.

        Raises:
            UsageError: Both would go to one file.
        """
        new = self.new_baseline
        if output is not None and new is not None and realpath(output) == realpath(new):
            raise UsageError(f"{output}: is to hold the report and the baseline; choose another one for -o")

    def read(self) -> Asked:
        """Read the files.

        Raises:
            InputError: One cannot be read, or is malformed.
        """
        found = [each for path in self.suppressions for each in _read(path)]
        return Asked(found, None if self.baseline is None else Baseline.read(self.baseline))

    def write(self, analysis: Analysis, inputs: Sequence[str | Path]) -> None:
        """Write the baseline that was asked for; it has what is suppressed as well."""
        if self.new_baseline is not None:
            from tracecheck.etl import plain_rows

            findings = plain_rows(analysis.findings.select(["rule", "severity", "message", "signature"]))
            kept = [row for row in findings if row["severity"] != "note"]
            emit(Baseline.of(kept).pieces(), self.new_baseline, inputs)


@dataclass(frozen=True)
class Asked:
    """What was read."""

    suppressions: list[Suppression]
    baseline: Baseline | None

    def apply(self, analysis: Analysis) -> Triage:
        """Take away what does not count."""
        original = str if analysis.redaction is None else analysis.redaction.original
        return triage(analysis, self.suppressions, self.baseline, original=original)

    def tell(self, judged: Triage) -> None:
        """Say on stderr what was taken away, and which suppressions did nothing."""
        lines = [
            f"suppressed {count(number, 'finding')}: {each.place}: {each.reason}"
            for each, number in judged.used
        ]
        lines += [f"unused suppression: {each.place}: {each.reason}" for each in judged.unused]
        lines += [f"expired suppression: {each.place}: {each.reason}" for each in judged.expired]
        for line in lines[:_SHOWN]:
            click.echo(f"tracecheck: {clean(line[:_WIDEST])}", err=True)
        if len(lines) > _SHOWN:
            click.echo(f"tracecheck: and {count(len(lines) - _SHOWN, 'suppression')} more", err=True)
        if judged.known is not None:
            known, gone = count(judged.known.num_rows, "finding"), count(len(judged.absent), "cause")
            click.echo(f"tracecheck: known from the baseline: {known}; gone since: {gone}", err=True)


def triaged(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options, as one argument ``wanted``."""

    @click.option(
        "--suppressions",
        multiple=True,
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Leave out the findings that this file suppresses, each with a reason.",
    )
    @click.option(
        "--generate-suppressions",
        "generate",
        is_flag=True,
        help="Write a suppression for each cause that is found, instead of a report.",
    )
    @click.option(
        "--baseline",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Count only what this baseline does not know.",
    )
    @click.option(
        "--write-baseline",
        "new_baseline",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Write a baseline of all that is found.",
    )
    @functools.wraps(function)
    def wrapped(
        *arguments: object,
        suppressions: tuple[Path, ...],
        generate: bool,
        baseline: Path | None,
        new_baseline: Path | None,
        **named: object,
    ) -> object:
        return function(*arguments, wanted=Wanted(suppressions, baseline, new_baseline, generate), **named)

    return wrapped


def _read(path: Path) -> list[Suppression]:
    return parse_suppressions(read_text(path, _LARGEST, "a file of suppressions"), str(path))
