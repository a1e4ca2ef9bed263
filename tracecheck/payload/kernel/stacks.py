"""Stacks joined to their events: the addresses of every record that has a stack, each stack once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from tracecheck.payload.arrow import from_numpy
from tracecheck.payload.kernel._lives import find_last
from tracecheck.payload.kernel._stack_rows import NO_CODE, NO_RECORD, StackRows, list_array
from tracecheck.payload.kernel.images import is_kernel
from tracecheck.payload.kernel.processes import NO_ID

if TYPE_CHECKING:
    import numpy.typing as npt

    Ints = npt.NDArray[np.int64]
    Codes = npt.NDArray[np.int32]


class Stacks:
    """The stacks of a capture.

    Args:
        rows: What was collected of them.
        pointer_size: The machine's, 4 or 8.

    Attributes:
        table: A row is a record with a stack: record (int64, its number in the order of reading), pid and tid
            (uint32, whose stack), stack (int32, an index into ``addresses``). Sorted by record.
        addresses: The different stacks: lists of uint64, the innermost call first, calls in the kernel before
            those of the user.
        unresolved: How many parts named a key that nothing explains.
        unmatched: How many parts belong to no record that was collected.
        surplus: How many parts are a second one of their half: at one tick of one thread there are not as
            many records as stacks, and the first is kept.
    """

    def __init__(self, rows: StackRows, pointer_size: int = 8) -> None:
        parts = rows.parts
        addresses, count = rows.pool.lists()
        code = _resolve(rows)
        self.unresolved = int(np.count_nonzero(code == NO_CODE))
        known = np.flatnonzero(code != NO_CODE)
        user = _is_user(addresses, count, pointer_size)[code[known]]
        record = _match(rows, known, user)
        self.unmatched = int(np.count_nonzero(record == NO_RECORD))
        placed = record != NO_RECORD
        known, record, user = known[placed], record[placed], user[placed]
        code = code[known]
        numbers, owner = np.unique(record, return_inverse=True)
        halves = np.full((2, numbers.size), NO_CODE, np.int32)
        self.surplus = owner.size - np.unique(owner * 2 + user).size
        # Backwards, so that of several parts of a half the first stays.
        halves[user[::-1].astype(np.int8), owner[::-1]] = code[::-1]
        _share(halves, owner, parts.column("session")[known], parts.column("match")[known])
        self.addresses, stack = _join(halves, addresses, count)
        first = np.zeros(numbers.size, np.int64)
        first[owner[::-1]] = known[::-1]
        self.table = pa.table(
            {
                "record": from_numpy(numbers, pa.int64()),
                "pid": from_numpy(parts.column("pid")[first], pa.uint32()),
                "tid": from_numpy(parts.column("tid")[first], pa.uint32()),
                "stack": from_numpy(stack, pa.int32()),
            }
        )

    def find(self, record: Ints) -> Ints:
        """Find the rows of :attr:`table` of some records; -1 where a record has no stack."""
        numbers = self.table.column("record").combine_chunks().to_numpy(zero_copy_only=True)
        if not numbers.size:
            return np.full(record.size, -1, np.int64)
        at = np.minimum(np.searchsorted(numbers, record), numbers.size - 1)
        return np.where(numbers[at] == record, at, -1)


def _is_user(addresses: npt.NDArray[np.uint64], count: Ints, pointer_size: int) -> npt.NDArray[np.bool_]:
    """Tell which lists begin outside of the kernel."""
    begin = np.cumsum(count) - count
    if not addresses.size:
        return np.ones(count.size, np.bool_)
    kernel = is_kernel(addresses[np.minimum(begin, addresses.size - 1)], pointer_size)
    return np.logical_not(kernel & (count > 0))


def _resolve(rows: StackRows) -> Codes:
    """Look up what keys stand for; give the code of every part."""
    parts, told = rows.parts, rows.definitions
    code: Codes = parts.column("code").copy()
    asked = np.flatnonzero((code == NO_CODE) & (parts.column("key") != 0))
    if not asked.size or not told.size:
        return code
    # The session stands in the key's highest bits, which all addresses of the kernel have in common.
    key, wanted = (
        each.column("key") ^ (each.column("session").astype(np.uint64) << 48) for each in (told, parts)
    )
    wanted = wanted[asked]
    order = np.lexsort((told.column("tick"), key))
    key, tick = key[order], told.column("tick")[order]
    value, closing = told.column("code")[order], told.column("closing")[order]
    before = find_last(key, tick, wanted, parts.column("tick")[asked] - 1)
    after = np.where(before >= 0, before + 1, np.searchsorted(key, wanted))
    inside = np.minimum(after, key.size - 1)
    # What a key stood for until it was deleted, or at the end; else what it was made for.
    good = (after < key.size) & (key[inside] == wanted) & closing[inside]
    made = (before >= 0) & ~closing[before]
    code[asked] = np.where(good, value[inside], np.where(made, value[before], NO_CODE))
    return code


def _match(rows: StackRows, known: Ints, user: npt.NDArray[np.bool_]) -> Ints:
    """Find the record of every part, by tick and thread."""
    parts, records = rows.parts, rows.candidates
    record = parts.column("record")[known].copy()
    todo = np.flatnonzero(record == NO_RECORD)
    if not todo.size or not records.size:
        return record
    seen = np.flatnonzero(np.isin(records.column("tick"), parts.column("tick")[known[todo]]))
    number = records.column("record")[seen]

    def code(names: tuple[str, ...], some: npt.NDArray[np.bool_]) -> tuple[Ints, Ints]:
        return _codes(
            [records.column(name)[seen[some]] for name in names],
            [parts.column(name)[known[todo]] for name in names],
        )

    # The record of the same thread; else, of those that name no thread, the one of the same processor.
    unnamed = records.column("tid")[seen] == NO_ID
    every = np.ones(seen.size, np.bool_)
    exact = _in_turn(*code(("session", "tick", "tid"), every), number, ~user[todo])
    same = _last(*code(("session", "tick", "cpu"), unnamed), number[unnamed])
    # A user half is walked later and maybe elsewhere: it goes where the other half of its thread went.
    found = np.where((exact < 0) & ~user[todo], same, exact)
    whose = [parts.column(name)[known[todo]] for name in ("session", "tick", "tid")]
    hit = found >= 0
    other = _last(*_codes([each[hit] for each in whose], whose), found[hit])
    alone = _only(*code(("session", "tick"), unnamed), number[unnamed])
    rest = np.where(other >= 0, other, np.where(same >= 0, same, alone))
    record[todo] = np.where(hit, found, rest)
    return record


def _codes(have: list[npt.NDArray[Any]], want: list[npt.NDArray[Any]]) -> tuple[Ints, Ints]:
    """Make one number of several columns, the same for the same values in both tables."""
    size = have[0].size
    total = np.zeros(size + want[0].size, np.int64)
    for one, other in zip(have, want, strict=True):
        values, code = np.unique(np.concatenate([one, other]), return_inverse=True)
        # Renumbered at each step, so that the product stays within 64 bits.
        total = np.unique(total * values.size + code, return_inverse=True)[1]
    return total[:size], total[size:]


def _last(have: Ints, want: Ints, number: Ints) -> Ints:
    """Give, for each wanted code, the highest number of the rows that have it; -1 where none has."""
    size = int(max(have.max(initial=-1), want.max(initial=-1))) + 1
    best = np.full(size, -1, np.int64)
    np.maximum.at(best, have, number)
    return best[want]


def _in_turn(have: Ints, want: Ints, number: Ints, takes_turns: npt.NDArray[np.bool_]) -> Ints:
    """Do the same; but where as many of those that take turns want a code as have it, each gets its own.

    What is logged at one tick of one thread comes from one processor, in order, and so do its stacks.
    """
    found = _last(have, want, number)
    size = int(max(have.max(initial=-1), want.max(initial=-1))) + 1
    asking = np.flatnonzero(takes_turns)
    supply, demand = np.bincount(have, minlength=size), np.bincount(want[asking], minlength=size)
    asking = asking[(supply == demand)[want[asking]] & (supply[want[asking]] > 1)]
    asking = asking[np.argsort(want[asking], kind="stable")]
    giving = np.lexsort((number, have))
    giving = giving[np.isin(have[giving], want[asking])]
    found[asking] = number[giving]
    return found


def _only(have: Ints, want: Ints, number: Ints) -> Ints:
    """Do the same where just one row has the code."""
    size = int(max(have.max(initial=-1), want.max(initial=-1))) + 1
    count = np.bincount(have, minlength=size)
    return np.where(count[want] == 1, _last(have, want, number), -1)


def _share(halves: Codes, owner: Ints, session: npt.NDArray[Any], match: npt.NDArray[Any]) -> None:
    """Give the records of one match id the halves that the others have."""
    rows = np.flatnonzero(match)
    if not rows.size:
        return
    _, group = np.unique(
        np.stack([session[rows].astype(np.uint64), match[rows]], 1), axis=0, return_inverse=True
    )
    group = group.reshape(-1)
    for half in halves:
        code = half[owner[rows]]
        has = code != NO_CODE
        best = np.full(int(group.max()) + 1, NO_CODE, np.int32)
        best[group[has][::-1]] = code[has][::-1]
        half[owner[rows]] = np.where(has, code, best[group])


def _join(halves: Codes, addresses: npt.NDArray[np.uint64], count: Ints) -> tuple[pa.ListArray, Codes]:
    """Put kernel and user halves together, each different pair once."""
    count = np.append(count, 0)
    begin = np.append(0, np.cumsum(count))
    base = np.int64(count.size)
    kernel, user = (np.where(half == NO_CODE, base - 1, half).astype(np.int64) for half in halves)
    pairs, stack = np.unique(kernel * base + user, return_inverse=True)
    both = np.stack(np.divmod(pairs, base), 1).reshape(-1)
    sizes = count[both]
    ends = np.cumsum(sizes)
    total = int(ends[-1]) if ends.size else 0
    # Where each address of the result comes from.
    source = np.arange(total) + np.repeat(begin[both] - (ends - sizes), sizes)
    return list_array(addresses[source], sizes.reshape(-1, 2).sum(axis=1)), stack.astype(np.int32)
