"""The command line: finds the command, loads nothing else, and turns every error into one line."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING

import click

import tracecheck
from tracecheck.errors import TracecheckError
from tracecheck.reporters.common import clean

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Command name -> (the module whose ``command`` it is, what `tracecheck --help` says of it).
COMMANDS = {
    "check": ("tracecheck.commands.check", "Find leaks, double releases and uses after release."),
    "info": ("tracecheck.commands.info", "Say what a capture holds: providers, counts, losses, clock."),
    "events": ("tracecheck.commands.events", "List the events of a capture in the order of time."),
    "timeline": ("tracecheck.commands.timeline", "Show the life of one context, operation by operation."),
    "tree": ("tracecheck.commands.tree", "Show where references come from and go, by call site."),
    "diff": ("tracecheck.commands.diff", "Say what is new, fixed, worse or better in a later capture."),
    "report": ("tracecheck.commands.report", "Write one HTML page that shows everything that was found."),
    "export": ("tracecheck.commands.export", "Write a capture for speedscope, flame graphs or Perfetto."),
    "explain": ("tracecheck.commands.explain", "Say what a rule means and how to fix what it finds."),
    "profile": ("tracecheck.commands.profile", "Say what the messages of a driver mean: show, check, draft."),
    "tmf": ("tracecheck.commands.tmf", "Write the WPP message definitions of a PDB as TMF files."),
    "simulate": ("tracecheck.commands.simulate", "Write captures of a simulated driver with known faults."),
}

EXIT_UNREADABLE = 4
# What sysexits.h and the shells use: outside 0 to 4, which say something about the capture.
EXIT_INTERNAL = 70
EXIT_INTERRUPTED = 130


class LazyGroup(click.Group):
    """A group that imports a command's module only when that command is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Name all commands in the order in which a user needs them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:  # noqa: ARG002
        """Import the command ``name``, None where there is none."""
        if name not in COMMANDS:
            return None
        command = import_module(COMMANDS[name][0]).command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the list of commands from the table: importing them all would take half a second."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


def _print_version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        click.echo(f"tracecheck {tracecheck.__version__}")
        ctx.exit()


@click.group(cls=LazyGroup, name="tracecheck", context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Show the version.",
)
def group() -> None:
    """Find leaked, twice-released and used-after-release filter contexts in captured ETW traces.

    Exit codes: 0 clean, 1 findings, 2 usage, 3 nothing found but inconclusive, 4 unreadable input.
    """


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: What follows the program's name; those of the process where None.

    Returns:
        The exit code: 0 clean, 1 findings, 2 usage, 3 inconclusive, 4 unreadable input.
    """
    try:
        result = group.main(arguments, prog_name="tracecheck", standalone_mode=False)
    except click.UsageError as error:
        where = error.ctx.command_path if error.ctx else "tracecheck"
        return _fail(f"{error.format_message()} (see '{where} --help')", error.exit_code)
    except click.ClickException as error:
        return _fail(error.format_message(), error.exit_code)
    except TracecheckError as error:
        return _fail(str(error), error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        return _fail("interrupted", EXIT_INTERRUPTED)
    except MemoryError:
        return _fail("out of memory; give fewer captures, or a machine with more of it", EXIT_UNREADABLE)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        return _fail(f"{where}{error.strerror or error}", EXIT_UNREADABLE)
    except Exception as error:  # noqa: BLE001 - the interpreter would exit with 1, which means "findings"
        return _fail_internally(error)
    return result if isinstance(result, int) else 0


def _fail(text: str, exit_code: int) -> int:
    click.echo(f"tracecheck: error: {clean(' '.join(text.split()))}", err=True)
    return exit_code


def _fail_internally(error: Exception) -> int:
    if os.environ.get("TRACECHECK_TRACEBACK"):
        raise error
    what = f"{type(error).__name__}: {error}"
    advice = "this is a bug of tracecheck; TRACECHECK_TRACEBACK=1 shows where"
    return _fail(f"internal error: {what} ({advice})", EXIT_INTERNAL)


if __name__ == "__main__":
    sys.exit(main())
