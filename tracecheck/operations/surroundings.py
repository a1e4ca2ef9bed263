"""What the kernel logged around a driver's operations: callbacks, stacks, names of processes; and marks.

The decoders of kernel events are loaded when the first event that tells any of it is seen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pyarrow as pa

from tracecheck.etl.layout import Ext, Kind
from tracecheck.operations.marks import Marks
from tracecheck.operations.table import STACK
from tracecheck.payload.arrow import whole
from tracecheck.payload.pdb_container import MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from tracecheck.etl import Chunk
    from tracecheck.payload.kernel import Collector, Kernel
    from tracecheck.payload.symbols import Symbols

#: A further column where the trace tells of processes: the name of the thread's process, null where it does
#: not tell.
PROCESS = pa.field("process", pa.dictionary(pa.int32(), pa.string()))

_TABLES = ("processes", "images", "stacks", "fltio")
_KERNEL = (Kind.SYSTEM32, Kind.SYSTEM64, Kind.COMPACT32, Kind.COMPACT64, Kind.PERFINFO32, Kind.PERFINFO64)
_CLASSIC = (Kind.FULL32, Kind.FULL64)
_STACK_ITEMS = (Ext.STACK_TRACE32, Ext.STACK_TRACE64, Ext.STACK_KEY32, Ext.STACK_KEY64)
_NO_ID = 0xFFFFFFFF
# EVENT_TRACE_GROUP_PROCESS, _IMAGE and _STACKWALK; of _FILE, only FltIo.
_GROUPS, _FILE, _FLTIO = (0x03, 0x14, 0x18), 0x04, range(0x60, 0x66)
# A provider has stacks with all of its events or with none.
_PROBED = 256


class SymbolSources(Protocol):
    """Where PDBs lie."""

    def symbol_places(self) -> Sequence[Path]:
        """Give folders, symbol stores and PDBs."""
        ...


class Surroundings:
    """Collects what the kernel and the filter manager logged, and adds it to the operations.

    Args:
        sources: Where PDBs lie; None for what the environment names.

    Attributes:
        notes: What to tell the user, a line each.
    """

    def __init__(self, sources: SymbolSources | None = None) -> None:
        self.notes: list[str] = []
        self._sources = sources
        self._marks = Marks()
        self._collector: Collector | None = None
        self._pointer_size = 8

    def add(self, chunk: Chunk, first_record: int, pointer_size: int) -> None:
        """Take a chunk's events.

        Args:
            chunk: Records, in file order.
            first_record: The number of the chunk's first record in the capture.
            pointer_size: The log's, 4 or 8.
        """
        self._marks.add(chunk, first_record)
        if self._collector is None:
            if not _tells(chunk):
                return
            from tracecheck.payload.kernel import Collector

            self._pointer_size = pointer_size
            self._collector = Collector(_TABLES, pointer_size)
        # The records whose stacks are wanted, those of operations, are known at the end.
        self._collector.add(chunk, _without_thread(chunk), first_record)

    def marks(self) -> pa.Table:
        """Give the marks, after the last chunk; schema :data:`~tracecheck.operations.marks.MARKS`."""
        if self._marks.dropped:
            self.notes.append(f"{self._marks.dropped:,} more events of the filter manager were left out")
        return self._marks.finish()

    def finish(self, operations: pa.Table, losses: pa.Table) -> pa.Table:
        """Fill in what the driver did not log, after the last chunk.

        Args:
            operations: Schema :data:`~tracecheck.operations.table.OPERATIONS`.
            losses: The log's losses.

        Returns:
            The operations with positions and call sites; behind the columns of the schema, as far as the
            trace tells of them, stacks (:data:`~tracecheck.operations.table.STACK`) and names of processes
            (:data:`PROCESS`).
        """
        if self._collector is None or not len(operations):
            return operations
        from tracecheck.operations.position import fill_positions
        from tracecheck.operations.stacks import ask_for_stacks

        ask_for_stacks(operations, self._collector)
        kernel = self._collector.finish()
        self._collector = None
        self.notes += kernel.warnings
        operations = fill_positions(operations, kernel.fltio, losses)
        if len(kernel.stacks.table) and len(kernel.images.table):
            operations = self._with_stacks(operations, kernel)
        return _with_processes(operations, kernel) if len(kernel.processes.table) else operations

    def _with_stacks(self, operations: pa.Table, kernel: Kernel) -> pa.Table:
        """Fill in sites, and add the stacks."""
        from tracecheck.operations.sites import fill_sites
        from tracecheck.operations.stack_texts import name_places, stack_column
        from tracecheck.operations.stacks import read_stacks

        logged = read_stacks(operations, kernel, self._pointer_size)
        symbols = self._symbols()
        try:
            names = name_places(logged, kernel, symbols, self._symbols())
            self._say_symbols(symbols)
        except MissingExtraError as error:
            self.notes.append(f"functions stay without names: {error}")
            names = name_places(logged, kernel)
        operations = fill_sites(operations, logged, names)
        stacks, left_out = stack_column(len(operations), logged, names)
        if left_out:
            self.notes.append(f"{left_out:,} operations have stacks that were left out: too many differ")
        return operations if stacks is None else _with(operations, STACK, stacks)

    def _symbols(self) -> Symbols | None:
        from tracecheck.payload.symbol_path import symbol_places

        places = symbol_places() if self._sources is None else self._sources.symbol_places()
        if not places:
            return None
        from tracecheck.payload.symbols import Symbols

        return Symbols(places)

    def _say_symbols(self, symbols: Symbols | None) -> None:
        """Say which PDBs are missing; that servers are not asked matters only then."""
        from tracecheck.payload.symbol_path import NT_SYMBOL_PATH, symbol_servers

        if symbols is None:
            return
        self.notes += symbols.warnings
        if symbols.missing:
            self.notes.append(f"no symbols found for {', '.join(dict.fromkeys(symbols.missing))}")
            servers = symbol_servers()
            if servers:
                self.notes.append(
                    f"{NT_SYMBOL_PATH}: no symbols are downloaded, skipped: {', '.join(servers)}"
                )


def _with_processes(operations: pa.Table, kernel: Kernel) -> pa.Table:
    pid = whole(operations.column("pid")).to_numpy()
    time = whole(operations.column("time")).cast(pa.int64()).to_numpy()
    return _with(operations, PROCESS, kernel.processes.names(pid, time))


def _with(operations: pa.Table, field: pa.Field, column: pa.Array) -> pa.Table:
    """Add a column; a field of the provider's own that has its name steps aside."""
    if field.name in operations.schema.names:
        renamed = [f"{name}_2" if name == field.name else name for name in operations.schema.names]
        operations = operations.rename_columns(renamed)
    return operations.append_column(field, column)


def _told() -> NDArray[np.bool_]:
    """Make a table of the kernel's events that say something: by group and opcode."""
    table = np.zeros((256, 256), np.bool_)
    table[list(_GROUPS)] = True
    table[_FILE, list(_FLTIO)] = True
    return table


_TOLD = _told()


def _tells(chunk: Chunk) -> bool:
    """Tell whether a chunk may hold kernel events that say something of operations."""
    kind = chunk.column("kind")
    kinds = np.bincount(kind, minlength=256)
    if kinds[list(_CLASSIC)].any():
        return True
    if kinds[list(_KERNEL)].any():
        rows = np.flatnonzero(np.isin(kind, _KERNEL))
        if _TOLD[chunk.column("group")[rows], chunk.column("opcode")[rows]].any():
            return True
    rows = np.flatnonzero(chunk.column("extended"))
    some = rows[:: max(1, len(rows) // _PROBED)]
    return bool(len(some)) and bool(np.isin(chunk.items(some).type, _STACK_ITEMS).any())


def _without_thread(chunk: Chunk) -> NDArray[Any]:
    """Find the FltIo events whose headers name no thread: their stacks do."""
    tid = chunk.column("tid")
    if not (tid == _NO_ID).any():
        return np.zeros(0, np.int64)
    mine = (tid == _NO_ID) & (chunk.column("group") == _FILE)
    return np.flatnonzero(mine & np.isin(chunk.column("opcode"), _FLTIO))
