"""What a command says on stderr of how it read a capture."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from tracecheck.reporters.common import clean

if TYPE_CHECKING:
    from collections.abc import Sequence

_MOST = 10


def say(notes: Sequence[str]) -> None:
    """Print notes, a line each."""
    for note in notes[:_MOST]:
        click.echo(f"tracecheck: {clean(note)}", err=True)
    if len(notes) > _MOST:
        click.echo(f"tracecheck: and {len(notes) - _MOST:,} lines more", err=True)
