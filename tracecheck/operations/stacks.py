"""The stacks that were logged with a driver's calls, read by columns; `stack_texts` writes them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tracecheck.operations.frames import module_is_plumbing
from tracecheck.payload.arrow import whole
from tracecheck.payload.kernel.images import is_kernel

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tracecheck.payload.kernel import Collector, Kernel

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
K = TypeVar("K")

#: How many frames of a stack are kept.
MOST_FRAMES = 32
# How many more stand above the driver's at most, and how many stacks are looked at at once.
_MOST_ABOVE = 64
_BLOCK = 1 << 14
# How many places and stacks are told apart.
_MOST_PLACES = 1 << 18
_MOST_STACKS = 1 << 17


@dataclass(frozen=True)
class Logged:
    """The stacks of some operations.

    Attributes:
        rows: The operations; shape (n,).
        site: For each of them the innermost place that is the driver's, a row of ``places``.
        stack: For each of them a row of ``stacks``; -1 where there are too many different ones.
        stacks: Rows of ``places``, the innermost first, -1 for none; shape (m, :data:`MOST_FRAMES`).
        places: Image (-1 where it is not known), offset in it (else the address), whether it is a return
            address; shape (k, 3).
    """

    rows: Ints
    site: Ints
    stack: Ints
    stacks: NDArray[np.int32]
    places: Ints


def ask_for_stacks(operations: pa.Table, collector: Collector) -> None:
    """Tell the collector the records whose stacks are wanted: those of all operations."""
    record, tick, cpu, tid = (
        whole(operations.column(name)).to_numpy() for name in ("record", "tick", "cpu", "tid")
    )
    _, first = np.unique(record, return_index=True)
    collector.add_candidates(record[first].astype(np.int64), tick[first], cpu[first], tid[first])


def read_stacks(operations: pa.Table, kernel: Kernel, pointer_size: int = 8) -> Logged:
    """Find the stack of each operation.

    A stack begins with the innermost call in a module that is neither the kernel nor the filter manager nor a
    part of tracing. Where the trace does not say which module that is in, nothing is said of the stack.

    Args:
        operations: Schema :data:`~tracecheck.operations.table.OPERATIONS`.
        kernel: What the kernel's events tell; its records are numbered as the operations'.
        pointer_size: The machine's, 4 or 8.
    """
    at = kernel.stacks.find(whole(operations.column("record")).to_numpy().astype(np.int64))
    # Stacks find their records by tick and thread, several of one tick and thread in their order: where one
    # of them has no stack, it is not sure whose the others are.
    run = _runs(operations)
    doubtful = np.zeros(len(run), np.bool_)
    doubtful[run[at < 0]] = True
    rows = np.flatnonzero(~doubtful[run])
    at = at[rows]
    stack = whole(kernel.stacks.table.column("stack")).to_numpy()[at].astype(np.int64)
    time = whole(operations.column("time")).cast(pa.int64()).to_numpy()[rows]
    # Between two changes of what is loaded a stack means the same.
    changes = _changes(kernel)
    _, first, which = np.unique(
        stack * (len(changes) + 1) + np.searchsorted(changes, time, "right"),
        return_index=True,
        return_inverse=True,
    )
    reader = _Reader(kernel, pointer_size)
    number = np.full(len(first), -1, np.int64)
    site = np.full(len(first), -1, np.int64)
    for low in range(0, len(first), _BLOCK):
        some = first[low : low + _BLOCK]
        site[low : low + len(some)], number[low : low + len(some)] = reader.read(stack[some], time[some])
    told = site[which] >= 0
    return Logged(rows[told], site[which][told], number[which][told], reader.stacks(), reader.places())


class _Reader:
    """Reads stacks of addresses block by block, and numbers the different ones.

    Args:
        kernel: What the kernel's events tell.
        pointer_size: The machine's, 4 or 8.
    """

    def __init__(self, kernel: Kernel, pointer_size: int) -> None:
        self._images = kernel.images
        self._pointer_size = pointer_size
        self._begin = np.asarray(kernel.stacks.addresses.offsets).astype(np.int64)
        self._addresses = kernel.stacks.addresses.values.to_numpy()
        # One more element, for the place -1: it is no plumbing.
        self._plumbing = _plumbing(kernel)
        self._places: dict[tuple[int, int, bool], int] = {}
        self._stacks: dict[bytes, int] = {}

    def places(self) -> Ints:
        """Give the places so far; see :class:`Logged`."""
        found = np.array([(row, 0, returns) for row, _, returns in self._places], np.int64).reshape(-1, 3)
        found[:, 1] = np.array([at for _, at, _ in self._places], np.uint64).view(np.int64)
        return found

    def stacks(self) -> NDArray[np.int32]:
        """Give the different stacks so far; see :class:`Logged`."""
        return np.frombuffer(b"".join(self._stacks), np.int32).reshape(-1, MOST_FRAMES)

    def read(self, stack: Ints, time: Ints) -> tuple[Ints, Ints]:
        """Read some stacks.

        Args:
            stack: Rows of the kernel's lists of addresses; shape (n,).
            time: When each was walked, nanoseconds.

        Returns:
            For each stack the place of the driver's innermost frame and the stack's number; -1 for none.
        """
        begin = self._begin[stack]
        count = np.minimum(self._begin[stack + 1] - begin, _MOST_ABOVE + MOST_FRAMES)
        start = np.cumsum(count) - count
        owner = np.repeat(np.arange(len(stack)), count)
        flat = np.arange(len(owner))
        depth = flat - start[owner]
        frame = self._addresses[begin[owner] + depth]
        image, offset = self._images.find(np.zeros(len(frame), np.uint32), frame, time[owner])
        inside = is_kernel(frame, self._pointer_size)
        first = _first_of(inside & ~self._plumbing[image], owner, len(stack))
        # Of a call in a module that nobody knows it is not known whether it is the driver's.
        good = (first < len(flat)) & (np.append(image, -1)[np.minimum(first, len(flat))] >= 0)
        at = flat - first[owner]
        kept = np.flatnonzero(good[owner] & inside & (at >= 0) & (at < MOST_FRAMES))
        told = np.where(image[kept] >= 0, offset[kept], frame[kept])
        places = np.full((len(stack), MOST_FRAMES), -1, np.int32)
        places[owner[kept], at[kept]] = self._number_places(image[kept], told, depth[kept] > 0)
        return places[:, 0].astype(np.int64), self._number_stacks(places)

    def _number_places(self, image: Ints, offset: NDArray[np.uint64], returns: Bools) -> Ints:
        """Number places, the same at each call; -1 where there are too many."""
        _, code = np.unique(offset, return_inverse=True)
        key = (code * len(self._plumbing) + image + 1) * 2 + returns
        _, first, which = np.unique(key, return_index=True, return_inverse=True)
        different = zip(*(column[first].tolist() for column in (image, offset, returns)), strict=True)
        return _numbers(self._places, different, _MOST_PLACES)[which]

    def _number_stacks(self, places: NDArray[np.int32]) -> Ints:
        """Number stacks in the same way; one without a driver's frame has no number."""
        found = np.full(len(places), -1, np.int64)
        rows = np.flatnonzero(places[:, 0] >= 0)
        whole_rows = np.ascontiguousarray(places[rows]).view(f"V{places.itemsize * MOST_FRAMES}").reshape(-1)
        different, which = np.unique(whole_rows, return_inverse=True)
        found[rows] = _numbers(self._stacks, (each.tobytes() for each in different), _MOST_STACKS)[which]
        return found


def _numbers(known: dict[K, int], keys: Iterable[K], most: int) -> Ints:
    """Number keys by a table that grows with them; -1 where it is full."""
    return np.array(
        [known.get(key, -1) if len(known) >= most else known.setdefault(key, len(known)) for key in keys],
        np.int64,
    )


def _first_of(hit: Bools, owner: Ints, size: int) -> Ints:
    """Find the first hit of each owner; the number of all elements where it has none."""
    found = np.full(size, len(hit), np.int64)
    places = np.flatnonzero(hit)[::-1]
    found[owner[places]] = places
    return found


def _runs(operations: pa.Table) -> Ints:
    """Number the different ticks and threads of the operations' records."""
    tick, tid = (whole(operations.column(name)).to_numpy() for name in ("tick", "tid"))
    order = np.lexsort((tid, tick))
    new = (tick[order][1:] != tick[order][:-1]) | (tid[order][1:] != tid[order][:-1])
    run = np.empty(len(order), np.int64)
    run[order] = np.cumsum(np.append(True, new)[: len(order)]) - 1
    return run


def _changes(kernel: Kernel) -> Ints:
    """Give the times at which images came or went, ascending."""
    found = [
        whole(kernel.images.table.column(name)).drop_null().cast(pa.int64()).to_numpy()
        for name in ("start", "end")
    ]
    return np.unique(np.concatenate(found))


def modules_of(kernel: Kernel) -> tuple[list[str], Ints]:
    """Name the files of images: the different names, the last one for none, and for each image its place."""
    paths = whole(kernel.images.table.column("name"))
    names = [*map(last_part, paths.dictionary.to_pylist()), "?"]
    codes = paths.indices.fill_null(len(names) - 1).to_numpy(zero_copy_only=False).astype(np.int64)
    return names, codes


def _plumbing(kernel: Kernel) -> Bools:
    """Tell which images are no driver's; one more element, for an image that is not known, says it may be."""
    names, codes = modules_of(kernel)
    return np.append(np.array([module_is_plumbing(name) for name in names], np.bool_)[codes], False)


def last_part(path: str) -> str:
    """Give the name of a file of a path."""
    return re.split(r"[\\/]", path)[-1]
