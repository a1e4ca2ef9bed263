"""The options that several commands share."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Callable

#: A capture is opened by its reader, not by click: what can't be read exits with 4, not with 2.
CAPTURE = click.STRING

output = click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="Write there instead of to the standard output."
)
profiles = click.option(
    "--profile",
    "profiles",
    multiple=True,
    metavar="NAME|FILE",
    help="Read the driver's own messages by this profile and no other; 'none' for none at all.",
)
redact = click.option(
    "--redact",
    is_flag=True,
    help="Replace pointers, names and paths by pseudonyms, the same ones in every output of a capture.",
)
quiet = click.option("-q", "--no-progress", "quiet", is_flag=True, help="Show no progress.")

#: The form of a text log where its beginning does not tell it; the names are those of
#: :data:`tracecheck.payload.text.FORM_NAMES`, which is not loaded to print help.
input_form = click.option(
    "--input",
    "input_form",
    type=click.Choice(["auto", "etl", "tracefmt", "tracefmt-csv", "debugview", "kd", "text"]),
    default="auto",
    show_default=True,
    help="Say what the captures are where that can't be told from them.",
)


def tracefmt_prefix() -> str:
    """Give the prefix that the user's tracefmt puts before messages; "" for its default."""
    return os.environ.get("TRACE_FORMAT_PREFIX", "")


def formats(*names: str) -> Callable[[click.decorators.FC], click.decorators.FC]:
    """Make the ``--format`` option; the first name is the default."""
    return click.option("--format", "form", type=click.Choice(names), default=names[0], show_default=True)


def wants_colour(output_path: Path | None) -> bool:
    """Tell whether the standard output is a terminal whose user wants colours (no-color.org)."""
    if output_path is not None or sys.stdout is None:
        return False
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")
