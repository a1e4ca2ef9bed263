"""`tracecheck profile`: the files that say what the messages of a driver mean."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from tracecheck.commands import options
from tracecheck.commands.emit import emit
from tracecheck.commands.progress import progress
from tracecheck.commands.sources import Sources, sources
from tracecheck.errors import UsageError
from tracecheck.reporters.common import clean

if TYPE_CHECKING:
    from tracecheck.commands.messages import Messages

_MOST_WARNINGS = 10
EXIT_LEFT = 1


@click.group("profile")
def command() -> None:
    """Show, check and draft profiles: what the messages of a driver mean.

    A profile is a TOML file. `check` takes one with --profile; docs/profiles.md tells how to write one.
    """


@command.command("list")
def list_profiles() -> int:
    """List the profiles that come with tracecheck."""
    from tracecheck.operations.profiles import load, shipped
    from tracecheck.reporters.profile import render_list

    emit(render_list([load(name) for name in shipped()]), None, [])
    return 0


@command.command("show")
@click.argument("name")
def show(name: str) -> int:
    """Print a profile that comes with tracecheck, as an example to start from."""
    from tracecheck.operations.profiles import shipped

    known = shipped()
    if name not in known:
        raise UsageError(f"{name}: no profile of this name; there are {', '.join(known)}")
    emit([known[name].read_text(encoding="utf-8")], None, [])
    return 0


@command.command("check")
@click.argument("profile")
@click.argument("captures", nargs=-1, type=options.CAPTURE, metavar="[CAPTURE]...")
@sources
@click.option("--all", "everything", is_flag=True, help="List all messages, not ten of each kind.")
@options.input_form
@options.quiet
def check(
    profile: str,
    captures: tuple[str, ...],
    sources: Sources,
    everything: bool,
    input_form: str,
    quiet: bool,
) -> int:
    """Say what a profile binds, and what it leaves.

    PROFILE is a name or a file. It is bound to the messages of the CAPTUREs and of --tmf and --pdb; without
    any, only its grammar is checked. Exit codes: 0 nothing is left over, 1 something is, 2 usage,
    4 unreadable input.
    """
    from tracecheck.operations.profiles import load
    from tracecheck.reporters.profile import render_check

    loaded = load(profile)
    if not captures and not sources.tmf and not sources.pdb:
        emit(render_check(loaded, None, captured=False, everything=everything), None, [])
        return 0
    from tracecheck.operations.profiles.usage import usage

    messages = _gather(captures, sources, input_form, quiet)
    found = usage(loaded, [(each.source, each.seen) for each in messages.known], messages.texts)
    pieces = render_check(
        loaded,
        found,
        captured=messages.captured,
        undefined=messages.undefined,
        everything=everything,
    )
    emit(pieces, None, captures)
    told = any(not use.message.ignore for use in found.used)
    return 0 if told and not (found.left or found.problems or messages.undefined) else EXIT_LEFT


@command.command("draft")
@click.argument("captures", nargs=-1, type=options.CAPTURE, metavar="[CAPTURE]...")
@sources
@click.option("--name", default="", help="The profile's name; by default that of the first file.")
@options.output
@options.input_form
@options.quiet
def draft(
    captures: tuple[str, ...],
    sources: Sources,
    name: str,
    output: Path | None,
    input_form: str,
    quiet: bool,
) -> int:
    """Propose a profile from the texts of messages.

    The messages are those of --tmf and --pdb, and those that occur in the CAPTUREs: WPP messages, DbgPrint
    messages and lines of text logs, TraceLogging events. What is not sure says so: read it before use.
    """
    from tracecheck.operations.profiles.draft import draft as write
    from tracecheck.operations.profiles.usage import draft_seen

    if not captures and not sources.tmf and not sources.pdb:
        raise UsageError("give a capture, or the driver's messages with --pdb or --tmf")
    messages = _gather(captures, sources, input_form, quiet)
    seen = draft_seen([(each.source, each.seen) for each in messages.known], messages.texts)
    text = write(seen, name or _name(captures, sources, output))
    emit([text], output, [*captures, *sources.paths()])
    bound = text.count("\nroutine = ")
    click.echo(f"tracecheck: {len(seen):,} messages, {bound:,} bound by guesses; read them", err=True)
    return 0


def _gather(captures: tuple[str, ...], sources: Sources, form: str, quiet: bool) -> Messages:
    from tracecheck.commands.messages import gather

    with progress("Reading", quiet) as advance:
        messages = gather(captures, sources, form=form, progress=advance)
    for line in messages.warnings[:_MOST_WARNINGS]:
        click.echo(f"tracecheck: warning: {clean(line)}", err=True)
    if len(messages.warnings) > _MOST_WARNINGS:
        click.echo(
            f"tracecheck: warning: {len(messages.warnings) - _MOST_WARNINGS:,} more problems", err=True
        )
    return messages


def _name(captures: tuple[str, ...], sources: Sources, output: Path | None) -> str:
    if output is not None:
        return output.stem
    files = [*sources.pdb, *sources.tmf, *map(Path, captures)]
    return files[0].stem
