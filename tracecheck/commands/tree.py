"""`tracecheck tree`: where references come from and go."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
import numpy as np

from tracecheck.capture import analyse
from tracecheck.commands import options
from tracecheck.commands.emit import emit
from tracecheck.commands.notes import say
from tracecheck.commands.progress import progress
from tracecheck.commands.sources import sources
from tracecheck.errors import UsageError
from tracecheck.fltmgr import CONTEXT_TYPES
from tracecheck.reporters import tree
from tracecheck.reporters.causes import groups

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from tracecheck.capture import Analysis
    from tracecheck.commands.sources import Sources

_TYPES = {name.replace(" ", ""): int(kind) for kind, name in CONTEXT_TYPES.items()}
_SUGGESTIONS = 5


@click.command("tree")
@click.argument("captures", nargs=-1, required=True, type=options.CAPTURE)
@click.option("--signature", metavar="S", help="Only the contexts of the findings with this signature.")
@click.option("--type", "kind", type=click.Choice(list(_TYPES)), help="Only contexts of this type.")
@click.option("--unbalanced", is_flag=True, help="Only places where something is left, or too much is gone.")
@click.option("--invert", is_flag=True, help="By who released, and below it by who had taken.")
@click.option("--collapse", is_flag=True, help="By functions only, not by the calls in them.")
@options.formats("text", "json")
@options.output
@options.redact
@options.profiles
@options.input_form
@sources
@options.quiet
def command(
    captures: tuple[str, ...],
    signature: str | None,
    kind: str | None,
    unbalanced: bool,
    invert: bool,
    collapse: bool,
    form: str,
    output: Path | None,
    redact: bool,
    profiles: tuple[str, ...],
    input_form: str,
    sources: Sources,
    quiet: bool,
) -> int:
    """Show the references taken minus those dropped, by call site.

    Below each call that took references stand the calls that released them.
    """
    if signature is not None and kind is not None:
        raise UsageError("--signature and --type: give one of them")
    with progress("Reading", quiet) as advance:
        analysis = analyse(
            captures,
            profiles=profiles,
            sources=sources,
            input_form=input_form,
            prefix=options.tracefmt_prefix(),
            progress=advance,
            redact=redact,
        )
    say(analysis.notes)
    lives = _lives(analysis, signature, None if kind is None else _TYPES[kind])
    root = tree.grow(analysis, lives, invert=invert, collapse=collapse)
    if unbalanced:
        root = tree.pruned(root)
    as_json = form == "json"
    pieces = tree.render_json(root, analysis.paths, len(lives)) if as_json else tree.render_text(root)
    emit(pieces, output, [*captures, *profiles, *sources.paths()])
    return 0


def _lives(analysis: Analysis, signature: str | None, kind: int | None) -> NDArray[np.int64]:
    """Find the contexts that the tree is of."""
    if signature is not None:
        return _with_signature(analysis, signature.lower())
    if kind is not None:
        return np.flatnonzero(analysis.contexts.column("context_type").to_numpy() == kind)
    return np.arange(analysis.contexts.num_rows)


def _with_signature(analysis: Analysis, signature: str) -> NDArray[np.int64]:
    """Find the contexts of the findings with a signature: of a cause, or of a rule as `check` prints it."""
    causes = groups(analysis)
    own = analysis.findings.column("signature").to_pylist()
    places = {place for cause in causes if cause.signature == signature for place in cause.findings}
    places |= {place for place, text in enumerate(own) if text == signature}
    lives = analysis.findings.column("context_id").to_pylist()
    found = {lives[place] for place in places} - {None}
    if not places:
        known = ", ".join(cause.signature for cause in causes[:_SUGGESTIONS])
        hint = f"; there are {known}" if known else "; there are no findings"
        raise UsageError(f"{signature}: no finding has this signature{hint}")
    if not found:
        raise UsageError(f"{signature}: is of the capture itself, and of no context")
    return np.array(sorted(found), np.int64)
