"""The options that say where the definitions of WPP messages and of events come from."""

from __future__ import annotations

from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable

    from tracecheck.payload.manifest.xml import Manifests
    from tracecheck.payload.wpp.search import Definitions

_EXISTING = click.Path(exists=True, path_type=Path)
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_OPTIONS = (
    click.option("--tmf", multiple=True, type=_EXISTING, help="Read WPP messages from a TMF file or folder."),
    click.option("--pdb", multiple=True, type=_FILE, help="Read WPP messages from a PDB or an object file."),
    click.option("--symbols", multiple=True, type=_EXISTING, help="Search a folder or store of symbols."),
    click.option(
        "--manifest", multiple=True, type=_EXISTING, help="Read events from a manifest or a folder of them."
    ),
)


@dataclass(frozen=True, slots=True)
class Sources:
    """What the user named as sources of definitions, in the order of the options.

    Attributes:
        tmf: TMF files and folders of them.
        pdb: PDBs and object files.
        symbols: Folders of PDBs, symbol stores, PDBs.
        manifest: Instrumentation manifests and folders of them.
    """

    tmf: tuple[Path, ...] = ()
    pdb: tuple[Path, ...] = ()
    symbols: tuple[Path, ...] = ()
    manifest: tuple[Path, ...] = ()

    def paths(self) -> tuple[Path, ...]:
        """List all that the user named: what is written must be none of it."""
        return (*self.tmf, *self.pdb, *self.symbols, *self.manifest)

    def definitions(self) -> Definitions:
        """Make the catalogue of these sources and of those that the environment names."""
        from tracecheck.payload.wpp.search import Definitions

        return Definitions(self.tmf, self.pdb, self.symbols)

    def manifests(self) -> Manifests | None:
        """Read the manifests; None where none is named."""
        if not self.manifest:
            return None
        from tracecheck.payload.manifest.xml import Manifests, read_manifests

        found = Manifests()
        for path in self.manifest:
            found.add(read_manifests(path))
        return found

    def symbol_places(self) -> list[Path]:
        """List where PDBs of images may lie: what the user named, then the environment's local folders."""
        from tracecheck.payload.symbol_path import symbol_places

        return symbol_places((*self.symbols, *self.pdb))


def sources(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command ``--tmf``, ``--pdb``, ``--symbols`` and ``--manifest``, as one argument ``sources``."""

    @wraps(function)
    def command(
        *args: object,
        tmf: tuple[Path, ...],
        pdb: tuple[Path, ...],
        symbols: tuple[Path, ...],
        manifest: tuple[Path, ...],
        **others: object,
    ) -> object:
        return function(*args, sources=Sources(tmf, pdb, symbols, manifest), **others)

    for option in reversed(_OPTIONS):
        command = option(command)
    return command
