"""Images over time: the module and offset of every address, and the PDB of every module."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from tracecheck.payload.arrow import from_numpy
from tracecheck.payload.kernel._lives import ALWAYS, BEGINS, ENDS, LIVES, NEVER, build_lives, find_last
from tracecheck.payload.kernel._rows import Rows, times
from tracecheck.payload.kernel.layouts import END, LOAD

if TYPE_CHECKING:
    import numpy.typing as npt

    Ints = npt.NDArray[np.int64]
    Words = npt.NDArray[np.uint64]

# Images of one process do not overlap; where an unload was lost, one that is gone may hide the right one.
_MOST_STEPS = 8


def image_rows() -> Rows:
    """Make the table that collects image events."""
    return Rows(
        {
            "time": "<i8",
            "opcode": "u1",
            "ImageBase": "<u8",
            "ImageSize": "<u8",
            "ProcessId": "<u4",
            "ImageChecksum": "<u4",
            "TimeDateStamp": "<u4",
        },
        ("FileName",),
    )


def debug_rows() -> Rows:
    """Make the table that collects the debug ids of images."""
    return Rows(
        {"time": "<i8", "ImageBase": "<u8", "ProcessId": "<u4", "Age": "<u4"}, ("GuidSig", "PdbFileName")
    )


def is_kernel(address: Words, pointer_size: int) -> npt.NDArray[np.bool_]:
    """Tell which addresses lie in the kernel's half of the address space."""
    return address >= np.uint64(1 << 31 if pointer_size == 4 else 1 << 63)


class Images:
    """The images of a capture.

    Args:
        rows: Their events.
        debug: Their debug ids.
        pointer_size: The machine's, 4 or 8.

    Attributes:
        table: A row is one life of one image in one process: pid (uint32, 0 for all images of the kernel),
            base and size (uint64), checksum and timestamp (uint32, of its header), name (its path), start
            and end (null where they were not seen), guid and age and pdb (of its debug directory; null
            where the trace does not tell). Sorted by pid, base and start.
    """

    def __init__(self, rows: Rows, debug: Rows, pointer_size: int = 8) -> None:
        self._pointer_size = pointer_size
        base, pid = rows.column("ImageBase"), rows.column("ProcessId")
        pid = self._space(pid, base)
        order = np.lexsort((base, pid))
        new = np.ones(base.size, np.bool_)
        new[1:] = (base[order][1:] != base[order][:-1]) | (pid[order][1:] != pid[order][:-1])
        place = np.empty(base.size, np.int64)
        place[order] = np.cumsum(new) - 1
        # A place is a base in a process: it can hold several images one after the other.
        self._place_pid = pid[order][new]
        self._place_base = base[order][new]
        identity = rows.column("FileName").astype(np.int64)
        self._lives = build_lives(place.astype(np.uint64), rows.column("time"), _says(rows), identity)
        event = self._lives.event
        self._pid, self._base = pid[event], base[event]
        self._size = rows.column("ImageSize")[event]
        self.table = pa.table(
            {
                "pid": from_numpy(self._pid, pa.uint32()),
                "base": from_numpy(self._base, pa.uint64()),
                "size": from_numpy(self._size, pa.uint64()),
                "checksum": from_numpy(rows.column("ImageChecksum")[event], pa.uint32()),
                "timestamp": from_numpy(rows.column("TimeDateStamp")[event], pa.uint32()),
                "name": rows.text("FileName", event),
                "start": times(self._lives.start, self._lives.start != ALWAYS),
                "end": times(self._lives.end, self._lives.end != NEVER),
                **self._debug_columns(debug),
            }
        )

    def find(self, pid: npt.NDArray[Any], address: Words, time: Ints) -> tuple[Ints, Words]:
        """Find the image that holds an address.

        Args:
            pid: The process of each, shape (n,); of no account for addresses of the kernel.
            address: Shape (n,), uint64.
            time: Nanoseconds since 1970, shape (n,).

        Returns:
            Rows of :attr:`table`, int64, -1 where no image is known there; and the offsets in the images,
            uint64, 0 where there is none.
        """
        found = np.full(address.size, -1, np.int64)
        if not self._base.size:
            return found, np.zeros(address.size, np.uint64)
        space = self._space(pid, address)
        place = find_last(self._place_pid, self._place_base, space, address)
        todo = np.flatnonzero(place >= 0)
        for _ in range(_MOST_STEPS):
            at = place[todo]
            life = self._lives.find(at.astype(np.uint64), time[todo])
            hit = (life >= 0) & (time[todo] <= self._lives.end[life])
            hit &= address[todo] - self._base[life] < self._size[life]
            found[todo[hit]] = life[hit]
            place[todo] -= 1
            more = ~hit & (at > 0) & (self._place_pid[np.maximum(at - 1, 0)] == space[todo])
            todo = todo[more]
            if not todo.size:
                break
        return found, np.where(found >= 0, address - self._base[found], np.uint64(0))

    def _space(self, pid: npt.NDArray[Any], address: Words) -> npt.NDArray[np.uint32]:
        """Give the process whose images an address is looked up among: 0 for the kernel's."""
        return np.where(is_kernel(address, self._pointer_size), 0, pid).astype(np.uint32)

    def _debug_columns(self, debug: Rows) -> dict[str, pa.Array]:
        """Join the debug ids to the images."""
        row = np.full(self._base.size, -1, np.int64)
        base, time = debug.column("ImageBase"), debug.column("time")
        space = self._space(debug.column("ProcessId"), base)
        place = find_last(self._place_pid, self._place_base, space, base)
        rows = (
            np.flatnonzero((place >= 0) & (self._place_base[place] == base)) if self._base.size else place[:0]
        )
        key = place[rows].astype(np.uint64)
        life = self._lives.find(key, time[rows])
        # An id may stand before the load that it belongs to.
        early = np.searchsorted(self._lives.key, key)
        row[np.where(life >= 0, life, early)] = rows
        known = row >= 0
        age = debug.column("Age")[row] if debug.size else np.zeros(row.size, np.uint32)
        return {
            "guid": _pick(debug.text("GuidSig"), row),
            "age": from_numpy(np.where(known, age, 0).astype(np.uint32), pa.uint32(), known),
            "pdb": _pick(debug.text("PdbFileName"), row),
        }


def _pick(texts: pa.DictionaryArray, row: Ints) -> pa.DictionaryArray:
    return texts.take(from_numpy(np.maximum(row, 0), pa.int64(), row >= 0))


def _says(rows: Rows) -> npt.NDArray[np.int8]:
    opcode = rows.column("opcode")
    return np.where(opcode == LOAD, BEGINS, np.where(opcode == END, ENDS, LIVES)).astype(np.int8)
