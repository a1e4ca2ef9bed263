"""Collects what a chunk tells of stacks: walks, keys, definitions of keys, extended items, and candidates.

A *part* is a kernel half or a user half of a stack, or a whole one. A stack-walk event names its event by
tick and thread; an extended item stands in its event itself. Either may hold a key in place of the addresses.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from tracecheck.etl.layout import Ext
from tracecheck.payload._slices import distinct_slices, gather, join_slices
from tracecheck.payload.arrow import from_numpy, list_offsets
from tracecheck.payload.kernel._rows import Rows, numbers

if TYPE_CHECKING:
    import numpy.typing as npt

    from tracecheck.etl.extended import Items
    from tracecheck.etl.reader import Chunk
    from tracecheck.payload.kernel.decode import Decoded

    Ints = npt.NDArray[np.int64]

#: The parts of which the record is known later, by tick and thread.
NO_RECORD = -1
#: The code of a part that is told by a key, or that was beyond the bounds.
NO_CODE = -1

# How many bytes of different stacks are kept.
_MOST_BYTES = 1 << 28

_WIDTHS = {Ext.STACK_TRACE32: 4, Ext.STACK_TRACE64: 8, Ext.STACK_KEY32: 4, Ext.STACK_KEY64: 8}
_TRACES = (Ext.STACK_TRACE32, Ext.STACK_TRACE64)


class Pool:
    """Different lists of addresses, each once.

    Attributes:
        full: Whether lists were left out because there were too many.
    """

    def __init__(self) -> None:
        self._seen: dict[bytes, int] = {}
        self._room = _MOST_BYTES
        self.full = False

    def codes(self, addresses: npt.NDArray[np.uint64], count: Ints) -> npt.NDArray[np.int32]:
        """Number lists of addresses that lie one behind the other; -1 where there is no room for one."""
        raw = np.ascontiguousarray(addresses, "<u8").view(np.uint8)
        local, lists = distinct_slices(raw, list_offsets(count)[:-1] * 8, count * 8)
        renumber = np.full(len(lists) + 1, NO_CODE, np.int32)
        for i, each in enumerate(lists):
            if each not in self._seen:
                self._room -= len(each) + 64
                if self._room < 0:
                    self.full = True
                    continue
                self._seen[each] = len(self._seen)
            renumber[i] = self._seen[each]
        return renumber[local]

    def lists(self) -> tuple[npt.NDArray[np.uint64], Ints]:
        """Give all lists: their addresses one behind the other, and how many each has."""
        count = np.array([len(each) for each in self._seen], np.int64) // 8
        return np.frombuffer(b"".join(self._seen), "<u8"), count


class StackRows:
    """What was collected.

    Attributes:
        parts: A row is a part: session, tick, cpu, pid and tid of the event that it belongs to, its record
            or :data:`NO_RECORD`, the match id of an extended item, the code of its addresses or else its key.
        definitions: A row says what a key stands for: ``closing`` where it did until then.
        candidates: Records that a stack may belong to.
        pool: The addresses.
    """

    def __init__(self) -> None:
        place = {"session": "<u4", "tick": "<i8"}
        self.parts = Rows(
            {
                **place,
                "cpu": "<u2",
                "pid": "<u4",
                "tid": "<u4",
                "record": "<i8",
                "match": "<u8",
                "code": "<i4",
                "key": "<u8",
            }
        )
        self.definitions = Rows({**place, "key": "<u8", "code": "<i4", "closing": "?"})
        self.candidates = Rows({**place, "cpu": "<u2", "tid": "<u4", "record": "<i8"})
        self.pool = Pool()

    def add_candidates(self, chunk: Chunk, rows: Ints, first: int, session: int) -> None:
        """Add records that a stack may belong to."""
        columns = {name: chunk.column(name)[rows] for name in ("tick", "cpu", "tid")}
        self.candidates.add(
            rows.size, {**columns, "record": first + rows, "session": np.full(rows.size, session)}
        )

    def add_events(self, chunk: Chunk, decoded: Decoded, session: int) -> None:
        """Add the events of the class StackWalk."""
        name, rows, table = decoded.type.name.partition("/")[2], decoded.rows, decoded.table
        columns: dict[str, Any] = {"session": np.full(rows.size, session)}
        if "Stack" in table.schema.names:
            columns["code"] = self._codes_of_lists(table.column("Stack"))
        if "StackKey" in table.schema.names:
            columns["key"] = table.column("StackKey")
        if name in ("KeyCreate", "KeyDelete", "KeyRundown"):
            columns["tick"] = chunk.column("tick")[rows]
            columns["closing"] = np.full(rows.size, name != "KeyCreate")
            self.definitions.add(rows.size, columns)
            return
        self.parts.add(
            rows.size,
            {
                "code": np.full(rows.size, NO_CODE),
                **columns,
                "tick": table.column("EventTimeStamp"),
                "cpu": chunk.column("cpu")[rows],
                "pid": table.column("StackProcess"),
                "tid": table.column("StackThread"),
                "record": np.full(rows.size, NO_RECORD),
            },
        )

    def add_items(self, chunk: Chunk, first: int, session: int) -> None:
        """Add the stacks and stack keys in extended items."""
        rows = np.flatnonzero(chunk.column("extended"))
        if not rows.size:
            return
        items = chunk.items(rows)
        for kind, width in _WIDTHS.items():
            each = items.of_type(kind)
            if each.row.size:
                self._add_items_of(chunk, each, kind, width, first, session)

    def _add_items_of(
        self, chunk: Chunk, items: Items, kind: Ext, width: int, first: int, session: int
    ) -> None:
        whole = items.size >= 8 + (0 if kind in _TRACES else width)
        rows, start, size = items.row[whole], items.start[whole], items.size[whole] - 8
        columns: dict[str, Any] = {name: chunk.column(name)[rows] for name in ("tick", "cpu", "pid", "tid")}
        columns["match"] = gather(chunk.data, start, 8).view("<u8").reshape(-1)
        if kind in _TRACES:
            size = size // width * width
            raw = np.frombuffer(join_slices(chunk.data, start + 8, size), f"<u{width}")
            columns["code"] = self.pool.codes(raw.astype(np.uint64), size // width)
        else:
            columns["code"] = np.full(rows.size, NO_CODE)
            columns["key"] = gather(chunk.data, start + 8, width).view(f"<u{width}").reshape(-1)
        columns |= {"record": first + rows, "session": np.full(rows.size, session)}
        self.parts.add(rows.size, columns)

    def _codes_of_lists(self, array: pa.ListArray) -> npt.NDArray[np.int32]:
        count = numbers(array.value_lengths()).astype(np.int64)
        return self.pool.codes(numbers(array.flatten()), count)


def list_array(addresses: npt.NDArray[np.uint64], count: Ints) -> pa.ListArray:
    """Make lists of addresses that lie one behind the other."""
    offsets = from_numpy(list_offsets(count).astype(np.int32), pa.int32())
    return pa.ListArray.from_arrays(offsets, from_numpy(addresses, pa.uint64()))
