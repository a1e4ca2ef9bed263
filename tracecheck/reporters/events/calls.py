"""The stack of each event: a line a call, by module and offset or by function and source line."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from tracecheck.reporters.fields import integers

if TYPE_CHECKING:
    import pyarrow as pa

    from tracecheck.etl import Chunk
    from tracecheck.payload.kernel import Kernel
    from tracecheck.payload.symbols import Symbols

#: The column that tells of a chunk's records where they stand in the order of reading.
RECORD = "record"

_FOLDERS = re.compile(r"[\\/]")


class CallStacks:
    """Stacks of records, in words.

    Args:
        kernel: The images and stacks of the capture.
        symbols: The PDBs that the user named.
    """

    def __init__(self, kernel: Kernel, symbols: Symbols) -> None:
        self._stacks = kernel.stacks
        self._images = kernel.images
        self._symbols = symbols

    def of(self, chunk: Chunk) -> list[list[str]]:
        """Give the calls of each record, the innermost first.

        Args:
            chunk: Records with a column :data:`RECORD`.

        Returns:
            For each record its calls: ``module!function+0x12 (file:line)``, ``module+0x1234`` where no PDB
            tells the function, the address alone where no image holds it. Empty where it has no stack.
        """
        at = self._stacks.find(chunk.column(RECORD))
        rows = np.flatnonzero(at >= 0)
        out: list[list[str]] = [[] for _ in range(at.size)]
        if not rows.size:
            return out
        table = self._stacks.table
        which = integers(table.column("stack").combine_chunks())[at[rows]].astype(np.int64)
        offsets = integers(self._stacks.addresses.offsets).astype(np.int64)
        begin, count = offsets[which], offsets[which + 1] - offsets[which]
        place = np.arange(int(count.sum())) - np.repeat(np.cumsum(count) - count, count)
        address = integers(self._stacks.addresses.values)[np.repeat(begin, count) + place]
        pid = integers(table.column("pid").combine_chunks())[at[rows]]
        time = chunk.column("time")[rows]
        image, offset = self._images.find(np.repeat(pid, count), address, np.repeat(time, count))
        # All but the innermost are return addresses.
        named = self._symbols.resolve(self._images.table, image, offset, place > 0)
        words = _words(named, address.tolist(), offset.tolist())
        ends = np.cumsum(count).tolist()
        for row, end, size in zip(rows.tolist(), ends, count.tolist(), strict=True):
            out[row] = words[end - size : end]
        return out


def _words(named: pa.Table, address: list[int], offset: list[int]) -> list[str]:
    names = ("module", "function", "displacement", "file", "line")
    columns = (named.column(name).to_pylist() for name in names)
    return [_call(*cells) for cells in zip(address, offset, *columns, strict=True)]


def _call(
    address: int,
    offset: int,
    module: str | None,
    function: str | None,
    displacement: int | None,
    file: str | None,
    line: int | None,
) -> str:
    if module is None:
        return f"{address:#x}"
    if function is None:
        return f"{module}+{offset:#x}"
    place = f" ({_FOLDERS.split(file)[-1]}:{line})" if file else ""
    return f"{module.rpartition('.')[0] or module}!{function}+{displacement or 0:#x}{place}"
