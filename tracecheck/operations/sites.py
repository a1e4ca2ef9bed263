"""Where a driver made its calls, by the stacks that were logged with its events."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tracecheck.payload.arrow import from_numpy, strings, whole
from tracecheck.payload.kernel.images import is_kernel

if TYPE_CHECKING:
    from tracecheck.payload.kernel import Collector, Kernel
    from tracecheck.payload.symbols import Symbols

Ints = NDArray[np.int64]
Words = NDArray[np.uint64]
Bools = NDArray[np.bool_]

# The kernel, the HAL, the filter manager, and what stands between a driver and its log: these have called, or
# were called by, whoever made the call.
_PLUMBING = re.compile(
    r"(ntoskrnl|ntkr\w*)\.exe|hal\w*\.dll|(fltmgr|wpprecorder|verifierext)\.sys", re.IGNORECASE
)
_ADDRESS = re.compile(r"0x[0-9a-f]+")
# How far up a stack the driver is looked for, how many stacks at once, and how many places are told apart.
_MOST_FRAMES = 64
_BLOCK = 1 << 14
_MOST_PLACES = 1 << 18


def lacking_sites(operations: pa.Table) -> Ints:
    """Find the operations that name no function, and no more of their site than an address."""
    site, function = whole(operations.column("site")), whole(operations.column("function"))
    bare = np.array([_ADDRESS.fullmatch(text) is not None for text in site.dictionary.to_pylist()] + [True])
    return np.flatnonzero(bare[_codes(site)] & (_codes(function) < 0))


def ask_for_stacks(operations: pa.Table, collector: Collector) -> None:
    """Tell the collector the records whose stacks could say a site.

    Stacks find their records by tick and thread, several of one tick and thread in their order: either all
    of them are asked for, or none.
    """
    rows = lacking_sites(operations)
    run = _runs(operations)
    rows = np.flatnonzero(np.isin(run, run[rows]))
    record, tick, cpu, tid = (
        whole(operations.column(name)).to_numpy()[rows] for name in ("record", "tick", "cpu", "tid")
    )
    _, first = np.unique(record, return_index=True)
    collector.add_candidates(record[first].astype(np.int64), tick[first], cpu[first], tid[first])


def fill_sites(
    operations: pa.Table, kernel: Kernel, symbols: Symbols | None = None, pointer_size: int = 8
) -> pa.Table:
    """Fill in function and site of the operations that were logged without.

    The site is the innermost call in a module that is neither the kernel nor the filter manager nor a part
    of tracing. Where the trace does not say which module an address is in, nothing is said of the stack.

    Args:
        operations: Schema :data:`~tracecheck.operations.table.OPERATIONS`.
        kernel: What the kernel's events tell; its records are numbered as the operations'.
        symbols: The PDBs; without them a site is ``module+0x1234``, and no function is known.
        pointer_size: The machine's, 4 or 8.

    Returns:
        The operations, in the same order.

    Raises:
        MissingExtraError: PDBs were named and cannot be read, because purepdb is not installed.
    """
    rows = lacking_sites(operations)
    run = _runs(operations)
    at = kernel.stacks.find(whole(operations.column("record")).to_numpy().astype(np.int64))
    # Where one of several records of a tick has no stack, it is not sure whose the others are.
    rows = rows[~np.isin(run[rows], run[at < 0])]
    at = at[rows]
    if not len(rows) or not len(kernel.images.table):
        return operations
    stack = whole(kernel.stacks.table.column("stack")).to_numpy()[at].astype(np.int64)
    time = whole(operations.column("time")).cast(pa.int64()).to_numpy()[rows]
    # Between two changes of what is loaded a stack means the same.
    changes = _changes(kernel)
    _, first, which = np.unique(
        stack * (len(changes) + 1) + np.searchsorted(changes, time, "right"),
        return_index=True,
        return_inverse=True,
    )
    image, offset, returns = _places(kernel, stack[first], time[first], pointer_size)
    place = np.stack([image, offset.view(np.int64), returns], 1)[image >= 0]
    different, of = np.unique(place, axis=0, return_inverse=True)
    functions, sites = _texts(kernel, symbols, different[:_MOST_PLACES])
    number = np.full(len(image), -1, np.int64)
    number[image >= 0] = of.reshape(-1)
    number = number[which]
    told = (number >= 0) & (number < len(sites))
    operations = _put(operations, "function", rows[told], functions, number[told])
    return _put(operations, "site", rows[told], sites, number[told])


def _runs(operations: pa.Table) -> Ints:
    """Number the different ticks and threads of the operations' records."""
    tick, tid = (whole(operations.column(name)).to_numpy() for name in ("tick", "tid"))
    order = np.lexsort((tid, tick))
    new = (tick[order][1:] != tick[order][:-1]) | (tid[order][1:] != tid[order][:-1])
    run = np.empty(len(order), np.int64)
    run[order] = np.cumsum(np.append(True, new)[: len(order)])
    return run


def _changes(kernel: Kernel) -> Ints:
    """Give the times at which images came or went, ascending."""
    found = [
        whole(kernel.images.table.column(name)).drop_null().cast(pa.int64()).to_numpy()
        for name in ("start", "end")
    ]
    return np.unique(np.concatenate(found))


def _places(kernel: Kernel, stack: Ints, time: Ints, pointer_size: int) -> tuple[Ints, Words, Bools]:
    """Find the site in each stack: image (-1 for none), offset, whether it is a return address."""
    names = whole(kernel.images.table.column("name"))
    plumbing = np.array(
        [_PLUMBING.fullmatch(_last_part(text)) is not None for text in names.dictionary.to_pylist()] + [False]
    )[_codes(names)]
    begin = np.asarray(kernel.stacks.addresses.offsets).astype(np.int64)
    addresses = kernel.stacks.addresses.values.to_numpy()
    image, offset = np.full(len(stack), -1, np.int64), np.zeros(len(stack), np.uint64)
    returns = np.zeros(len(stack), np.bool_)
    for low in range(0, len(stack), _BLOCK):
        some = np.arange(low, min(low + _BLOCK, len(stack)))
        count = np.minimum(begin[stack[some] + 1] - begin[stack[some]], _MOST_FRAMES)
        some, count = some[count > 0], count[count > 0]
        start = np.cumsum(count) - count
        depth = np.arange(int(count.sum())) - np.repeat(start, count)
        frame = addresses[np.repeat(begin[stack[some]], count) + depth]
        found, at = kernel.images.find(np.zeros(len(frame), np.uint32), frame, np.repeat(time[some], count))
        ours = ~(plumbing[found] & (found >= 0)) if len(plumbing) else found < 0
        ours &= is_kernel(frame, pointer_size)
        last = len(frame)
        site = np.minimum.reduceat(np.where(ours, np.arange(last), last), start) if last else start
        hit = site < last
        image[some[hit]], offset[some[hit]] = found[site[hit]], at[site[hit]]
        returns[some[hit]] = depth[site[hit]] > 0
    return image, offset, returns


def _texts(kernel: Kernel, symbols: Symbols | None, place: Ints) -> tuple[list[str | None], list[str]]:
    """Write the function and the site of each place, an (image, offset, whether it is a return address)."""
    image, offset = np.ascontiguousarray(place[:, 0]), np.ascontiguousarray(place[:, 1]).view(np.uint64)
    names = whole(kernel.images.table.column("name"))
    paths, codes = names.dictionary.to_pylist(), _codes(names)
    plain = [
        f"{_last_part(paths[code]) if code >= 0 else '?'}+{at:#x}"
        for code, at in zip(codes[image].tolist(), offset.tolist(), strict=True)
    ]
    if symbols is None or not len(place):
        return [None] * len(plain), plain
    found = symbols.resolve(kernel.images.table, image, offset, place[:, 2] != 0).to_pydict()
    functions = found["function"]
    sites = [
        known if name is None else _site(name, *rest)
        for known, name, *rest in zip(
            plain, functions, found["file"], found["line"], found["displacement"], strict=True
        )
    ]
    return functions, sites


def _site(function: str, file: str | None, line: int | None, displacement: int | None) -> str:
    if file is not None and line is not None:
        return f"{function} ({_last_part(file)}:{line})"
    return f"{function}+{displacement or 0:#x}"


def _put(operations: pa.Table, name: str, rows: Ints, texts: list[Any], number: Ints) -> pa.Table:
    """Set some rows of a column of strings to the texts of some numbers; None leaves a row as it is."""
    column = whole(operations.column(name))
    known = {text: code for code, text in enumerate(column.dictionary.to_pylist())}
    new = np.array(
        [-1 if text is None else known.setdefault(text, len(known)) for text in texts] + [-1], np.int32
    )[number]
    codes = _codes(column).astype(np.int32)
    codes[rows[new >= 0]] = new[new >= 0]
    valid = codes >= 0
    index = from_numpy(np.maximum(codes, 0), pa.int32(), None if valid.all() else valid)
    made = pa.DictionaryArray.from_arrays(index, strings(known))
    return operations.set_column(operations.schema.get_field_index(name), operations.schema.field(name), made)


def _codes(column: pa.DictionaryArray) -> Ints:
    """Give the codes of a column of strings, -1 where it has none."""
    codes = column.indices
    if codes.null_count:
        codes = codes.fill_null(-1)
    found: Ints = codes.to_numpy(zero_copy_only=False).astype(np.int64)
    return found


def _last_part(path: str) -> str:
    return re.split(r"[\\/]", path)[-1]
