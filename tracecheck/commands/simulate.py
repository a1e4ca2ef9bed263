"""`tracecheck simulate`: captures of a simulated driver, with known faults."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from tracecheck.errors import UsageError

if TYPE_CHECKING:
    from tracecheck.simulate import Fault, Simulation

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command("simulate")
@click.option("-o", "--output", type=_FILE, help="Write the capture there.")
@click.option("--truth", type=_FILE, help="Write what the capture must give there, as JSON.")
@click.option("--seed", default=1, show_default=True, help="The same seed gives the same bytes.")
@click.option("--operations", default=1000, show_default=True, help="How many events, about.")
@click.option("--fault", "faults", multiple=True, help="A rule to break: CODE or CODE:VARIANT (--list).")
@click.option("--form", default="tracelogging", show_default=True, help="What the capture is (--list).")
@click.option("--kernel-events", is_flag=True, help="Add the kernel's events, in an .etl form.")
@click.option("--condition", "conditions", multiple=True, help="What befalls the capture (--list).")
@click.option("--processors", default=4, show_default=True, help="Processors of the machine.")
@click.option("--threads", default=6, show_default=True, help="Threads that open files.")
@click.option("--drivers", default=1, show_default=True, help="Drivers that log to the capture, 1 to 3.")
@click.option("--duration", default=10.0, show_default=True, help="Seconds on the machine's clock.")
@click.option("--pointer-size", default=8, show_default=True, help="4 or 8.")
@click.option("--buffer-size", default=65536, show_default=True, help="Bytes of a buffer.")
@click.option("--compressed", is_flag=True, help="Store compressed buffers.")
@click.option("--no-unload", is_flag=True, help="The driver stays loaded; L02, L03 and E03 need that.")
@click.option("--cut", is_flag=True, help="The capture stops in the middle of everything.")
@click.option("--returns", is_flag=True, help="FltUnregisterFilter returns although references are out.")
@click.option("--bugcheck", is_flag=True, help="A release too many stops the machine.")
@click.option("--no-reuse", is_flag=True, help="Freed addresses are not handed out again.")
@click.option("--samples", type=click.Path(path_type=Path, file_okay=False), help="Write all sample traces.")
@click.option("--list", "listing", is_flag=True, help="List faults, conditions and samples.")
def command(
    output: Path | None,
    truth: Path | None,
    faults: tuple[str, ...],
    conditions: tuple[str, ...],
    form: str,
    kernel_events: bool,
    samples: Path | None,
    listing: bool,
    no_unload: bool,
    no_reuse: bool,
    **settings: object,
) -> None:
    """Write captures of a simulated driver with known faults.

    A model of the filter manager runs scripted drivers on several processors and threads, and writes
    what they log as a real .etl file, or in another form. The same options give the same bytes. WPP
    messages get their TMF file beside the capture, manifest events their manifest.
    """
    if listing:
        click.echo(_list())
    elif samples is not None:
        _write_samples(samples)
    elif output is not None:
        from tracecheck.simulate import Scenario, simulate

        scenario = Scenario(
            faults=tuple(_parse_fault(text) for text in faults),
            conditions=frozenset(conditions),
            unload=not no_unload and not settings["cut"],
            reuse=not no_reuse,
            **settings,  # type: ignore[arg-type]
        )
        _write(simulate(scenario, form, kernel_events=kernel_events), output, truth)
    else:
        raise click.UsageError("give -o FILE, --samples DIRECTORY or --list")


#: The same under the name of the command.
simulate = command


def _parse_fault(text: str) -> Fault:
    from tracecheck.simulate import Fault

    rule, _, variant = text.partition(":")
    return Fault(rule.upper(), variant)


def _write(made: Simulation, output: Path, truth: Path | None) -> None:
    try:
        written = made.write(output)
        if truth is not None:
            truth.write_text(made.truth.to_json(), encoding="utf-8", newline="\n")
            written.append(truth)
    except OSError as error:
        raise UsageError(f"{error.filename}: can't be written: {error.strerror}") from error
    for path in written:
        click.echo(f"Wrote {path}", err=True)


def _write_samples(directory: Path) -> None:
    from tracecheck.simulate.samples import write_samples

    try:
        for path in write_samples(directory):
            click.echo(f"Wrote {path}", err=True)
    except OSError as error:
        raise UsageError(f"{error.filename}: can't be written: {error.strerror}") from error


def _list() -> str:
    from tracecheck.simulate.conditions import CONDITIONS
    from tracecheck.simulate.faults import FAULTS
    from tracecheck.simulate.forms import FORMS
    from tracecheck.simulate.samples import SAMPLES

    lines = ["Faults (--fault CODE or CODE:VARIANT; the first variant is the usual one):"]
    for code, rule in FAULTS.items():
        variants = f" [{', '.join(rule.ways)}]" if rule.ways else " [with the condition late-start]"
        lines.append(f"  {code}  {rule.text}{variants}")
    lines += ["", "Conditions (--condition NAME):"]
    lines += [f"  {name:<15} {text}" for name, text in CONDITIONS.items()]
    lines += ["", "Forms (--form NAME):"]
    lines += [f"  {name:<15} {form.text}" for name, form in FORMS.items()]
    lines += ["", "Samples (--samples DIRECTORY):"]
    lines += [f"  {sample.name:<15} {sample.text}" for sample in SAMPLES]
    return "\n".join(lines)
