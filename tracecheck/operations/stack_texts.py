"""What the places and the stacks of a driver's calls are called, each different one written once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from tracecheck.operations.frames import module_is_plumbing
from tracecheck.operations.stacks import Logged, last_part, modules_of
from tracecheck.operations.table import STACK
from tracecheck.payload.arrow import from_numpy, strings

if TYPE_CHECKING:
    from tracecheck.payload.kernel import Kernel
    from tracecheck.payload.symbols import Symbols

# How many characters all stacks may have together.
_MOST_TEXT = 1 << 27


@dataclass(frozen=True)
class Names:
    """What places are called.

    Attributes:
        functions: The function of each; None where it is not known.
        sites: Each as a call site.
        frames: Each as a frame of a stack.
    """

    functions: list[str | None]
    sites: list[str]
    frames: list[str]


def name_places(
    logged: Logged, kernel: Kernel, symbols: Symbols | None = None, quiet: Symbols | None = None
) -> Names:
    """Write what the places of stacks are called.

    Args:
        logged: The stacks.
        kernel: What :func:`~tracecheck.operations.stacks.read_stacks` was given.
        symbols: The PDBs, asked for modules in which a driver made a call; None for none: a place is
            ``module+0x1234`` then, and no function is known.
        quiet: The PDBs, asked for all other modules: that theirs are not found hurts nobody.

    Raises:
        MissingExtraError: PDBs were named and cannot be read, because purepdb is not installed.
    """
    image, offset = logged.places[:, 0].copy(), logged.places[:, 1].copy().view(np.uint64)
    names, codes = modules_of(kernel)
    modules = [names[codes[row]] if row >= 0 else "" for row in image.tolist()]
    sites = [
        f"{module}+{at:#x}" if module else f"{at:#x}"
        for module, at in zip(modules, offset.tolist(), strict=True)
    ]
    functions: list[str | None] = [None] * len(sites)
    frames = list(sites)
    drivers = np.isin(image, np.unique(image[np.unique(logged.site)]))
    for source, mine in ((symbols, drivers), (quiet, ~drivers & (image >= 0))):
        rows = np.flatnonzero(mine)
        if source is None or not len(rows):
            continue
        returns = logged.places[rows, 2] != 0
        found = source.resolve(kernel.images.table, image[rows], offset[rows], returns).to_pydict()
        told = zip(*(found[name] for name in ("function", "file", "line", "displacement")), strict=True)
        for row, (function, *rest) in zip(rows.tolist(), told, strict=True):
            if function is not None:
                functions[row], sites[row] = function, _site(function, *rest)
                plumbing = module_is_plumbing(modules[row])
                frames[row] = f"{modules[row]}!{sites[row]}" if plumbing else sites[row]
    return Names(functions, sites, [frame.replace("\n", " ") for frame in frames])


def stack_column(size: int, logged: Logged, names: Names) -> tuple[pa.DictionaryArray | None, int]:
    """Write the stacks of operations.

    Args:
        size: How many operations there are.
        logged: The stacks of some of them.
        names: What their places are called.

    Returns:
        The column :data:`~tracecheck.operations.table.STACK`, None where no operation has a stack; and how
        many operations have a stack that is left out, because there are too many different ones.
    """
    texts: dict[str, int] = {}
    code = np.full(len(logged.stacks) + 1, -1, np.int32)
    room = _MOST_TEXT
    for number, places in enumerate(logged.stacks.tolist()):
        text = "\n".join(names.frames[place] for place in places if place >= 0)
        if text not in texts:
            room -= len(text)
            if room < 0:
                break
        code[number] = texts.setdefault(text, len(texts))
    codes = np.full(size, -1, np.int32)
    codes[logged.rows] = code[logged.stack]
    left_out = int(np.count_nonzero(codes[logged.rows] < 0))
    if not texts:
        return None, left_out
    valid = codes >= 0
    index = from_numpy(np.maximum(codes, 0), STACK.type.index_type, None if valid.all() else valid)
    return pa.DictionaryArray.from_arrays(index, strings(texts)), left_out


def _site(function: str, file: str | None, line: int | None, displacement: int | None) -> str:
    if file is not None and line is not None:
        return f"{function} ({last_part(file)}:{line})"
    return f"{function}+{displacement or 0:#x}"
