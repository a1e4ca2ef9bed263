"""The options that say where WPP message definitions come from."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable

    from tracecheck.payload.wpp.search import Definitions

_EXISTING = click.Path(exists=True, path_type=Path)
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_OPTIONS = (
    click.option("--tmf", multiple=True, type=_EXISTING, help="Read WPP messages from a TMF file or folder."),
    click.option("--pdb", multiple=True, type=_FILE, help="Read WPP messages from a PDB or an object file."),
    click.option("--symbols", multiple=True, type=_EXISTING, help="Search a folder or store of symbols."),
)


@dataclass(frozen=True, slots=True)
class Sources:
    """What the user named as sources of definitions, in the order of the options.

    Attributes:
        tmf: TMF files and folders of them.
        pdb: PDBs and object files.
        symbols: Folders of PDBs, symbol stores, PDBs.
    """

    tmf: tuple[Path, ...] = ()
    pdb: tuple[Path, ...] = ()
    symbols: tuple[Path, ...] = ()

    def paths(self) -> tuple[Path, ...]:
        """List all that the user named: what is written must be none of it."""
        return (*self.tmf, *self.pdb, *self.symbols)

    def definitions(self) -> Definitions:
        """Make the catalogue of these sources and of those that the environment names."""
        from tracecheck.payload.wpp.search import Definitions

        return Definitions(self.tmf, self.pdb, self.symbols)

    def symbol_places(self) -> list[Path]:
        """List where PDBs of images may lie: what the user named, then the environment's local folders."""
        from tracecheck.payload.symbol_path import split_symbol_path
        from tracecheck.payload.wpp.search import NT_SYMBOL_PATH

        folders, _ = split_symbol_path(os.environ.get(NT_SYMBOL_PATH, ""))
        return [*self.symbols, *self.pdb, *map(Path, folders)]


def sources(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command ``--tmf``, ``--pdb`` and ``--symbols``; it takes them as one argument ``sources``."""

    @wraps(function)
    def command(
        *args: object,
        tmf: tuple[Path, ...],
        pdb: tuple[Path, ...],
        symbols: tuple[Path, ...],
        **others: object,
    ) -> object:
        return function(*args, sources=Sources(tmf, pdb, symbols), **others)

    for option in reversed(_OPTIONS):
        command = option(command)
    return command
