"""`tracecheck tmf`: the WPP message definitions of a PDB, as TMF files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from tracecheck.commands.emit import emit
from tracecheck.errors import InputError, UsageError
from tracecheck.reporters.common import clean

if TYPE_CHECKING:
    from tracecheck.payload.wpp.definition import Definition
    from tracecheck.payload.wpp.pdb import Annotations

_MOST_WARNINGS = 10
_NONE = (
    "no WPP message definitions: public PDBs and those of LLVM's linker have none; "
    "give the private PDB, or the object files"
)


@click.command("tmf")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="PDB...")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write the files into that folder.",
)
@click.option("--force", is_flag=True, help="Overwrite files that exist.")
def command(files: tuple[Path, ...], output: Path | None, force: bool) -> int:
    """Write the WPP message definitions of PDBs or object files as TMF files.

    One <guid>.tmf for each message GUID and one <guid>.tmc for each control GUID, as tracepdb does. Without
    -o all messages go to the standard output as one TMF, with the control GUIDs as comments at its top, and
    control characters as escapes.
    """
    from tracecheck.payload.wpp.pdb import read_annotations

    found = [read_annotations(path) for path in files]
    _warn([problem for one in found for problem in one.problems])
    texts = _texts(found, ", ".join(path.name for path in files))
    if not texts:
        raise InputError(f"{', '.join(map(str, files))}: {_NONE}")
    if output is None:
        shown = [_commented(text) if name.endswith(".tmc") else text for name, text in texts.items()]
        emit(map(_harmless, shown), None, [])
    else:
        _write(texts, output, force)
    return 0


def _texts(found: list[Annotations], source: str) -> dict[str, str]:
    """Make file name -> text, the control GUIDs first."""
    from tracecheck.payload.wpp.pdb import write_tmc
    from tracecheck.payload.wpp.tmf import write_tmf

    known: dict[tuple[object, int], Definition] = {}
    for one in found:
        for definition in one.definitions:
            known.setdefault((definition.guid, definition.number), definition)
    controls = dict.fromkeys(control for one in found for control in one.controls)
    return write_tmc(controls, source) | write_tmf(known.values(), source)


def _commented(text: str) -> str:
    return "".join(line if line.startswith("//") else f"// {line}" for line in text.splitlines(keepends=True))


def _harmless(text: str) -> str:
    """Escape what could steer a terminal; tabs stay."""
    return "".join(
        "\t".join(map(clean, line.split("\t"))) + "\n" for line in text.removesuffix("\n").split("\n")
    )


def _write(texts: dict[str, str], folder: Path, force: bool) -> None:
    there = [name for name in texts if (folder / name).exists()]
    if there and not force:
        more = f" and {len(there) - 1:,} more" if len(there) > 1 else ""
        raise UsageError(f"{folder / there[0]}{more}: exists already; give --force to overwrite")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            (folder / name).write_text(text, encoding="utf-8", errors="backslashreplace", newline="\n")
    except OSError as error:
        raise UsageError(f"{error.filename}: can't be written: {error.strerror or error}") from error
    click.echo(f"Wrote {len(texts):,} files into {clean(str(folder))}", err=True)


def _warn(problems: list[str]) -> None:
    for problem in problems[:_MOST_WARNINGS]:
        click.echo(f"tracecheck: warning: {clean(problem)}", err=True)
    if len(problems) > _MOST_WARNINGS:
        click.echo(f"tracecheck: warning: {len(problems) - _MOST_WARNINGS:,} more problems", err=True)
