"""Manifest events: payloads whose layout a manifest says, decoded event by event into Arrow columns.

All payloads of one event (provider, id, version) and pointer size are decoded together, a field at a
time. Layouts are those of tdh.h's in-types.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from tracecheck.payload._arrays import Budget
from tracecheck.payload._plan import Scope
from tracecheck.payload._slices import within
from tracecheck.payload.arrow import from_numpy, nulls, strings, unique_names
from tracecheck.payload.manifest._choice import EVENT_COST, choose, read, with_doubt
from tracecheck.payload.manifest._plan import readers_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt

    from tracecheck.payload._slices import Bytes, Ints
    from tracecheck.payload.manifest.definition import Event, Provider

__all__ = ["Decoded", "decode"]

# As for TraceLogging: a call decodes events of this many fields in all, the most frequent first, so that a
# file in which every record is another event cannot take minutes.
_BUDGET = 1 << 16
_ELEMENTS = 1 << 22

# Where a layout has gaps, a call tries readings of so many fields in all.
_TRIED = 1 << 16

_TOO_MANY = "not decoded: there are too many different events"


@dataclass(frozen=True)
class Decoded:
    """The events of one provider, id, version and pointer size.

    Attributes:
        provider: Whose they are.
        event: Their definition, its fields as they were read (see :attr:`Event.inferred`).
        pointer_size: The writer's, 4 or 8.
        rows: Their indices in the arguments' arrays, int64, ascending.
        table: One column for each field in the layout's order, ``len(rows)`` rows. Names that occur
            again get a suffix (``a``, ``a_2``). A value is null where its payload ended before it,
            where the field's type is not known, or a time that Arrow cannot hold.
        problems: For each row null, or why it was not decoded whole or is a guess; None where no row has one.
    """

    provider: Provider
    event: Event
    pointer_size: int
    rows: npt.NDArray[np.int64]
    table: pa.RecordBatch
    problems: pa.DictionaryArray | None

    @property
    def schema(self) -> Event:
        """The definition, by the name that decoded TraceLogging events have for theirs."""
        return self.event


def decode(
    data: npt.NDArray[np.uint8],
    providers: Sequence[Provider | None],
    provider: npt.ArrayLike,
    event_id: npt.ArrayLike,
    version: npt.ArrayLike,
    payload_start: npt.ArrayLike,
    payload_size: npt.ArrayLike,
    *,
    pointer_size: npt.ArrayLike = 8,
) -> list[Decoded]:
    """Decode the payloads of manifest events.

    Arrow types are those of :func:`tracecheck.payload.tracelogging.decode`, but pointers of either size
    are uint64. Values of a field with a map stay numbers: names are for rendering.

    Args:
        data: The bytes that hold the events, one contiguous array.
        providers: The providers' layouts; None for one that has none.
        provider: For each event, which of ``providers`` it is of; -1 for none.
        event_id: Its id.
        version: Its version.
        payload_start: Where its user data starts in ``data``.
        payload_size: Bytes of user data.
        pointer_size: The writer's, 4 or 8: one for all, or one for each.

    Returns:
        One :class:`Decoded` for each provider, id, version and pointer size that ``providers`` define, in
        the order of their first events; other events are in none. Slices that leave ``data`` are cut at
        its end; no input raises.
    """
    data = np.ascontiguousarray(data, dtype=np.uint8)
    pos, room = within(data, payload_start, payload_size)
    groups = list(_groups(providers, provider, event_id, version, pointer_size, pos.size))
    budget, trials = Budget(_ELEMENTS), Budget(_TRIED)
    left = _BUDGET
    out = []
    for each in sorted(groups, key=lambda group: -group.rows.size):
        left -= EVENT_COST + each.event.size
        if left < 0:
            out.append(_refused(each))
            continue
        rows = each.rows
        out.append(_decoded(data, pos[rows], pos[rows] + room[rows], each, budget, trials))
    return sorted(out, key=lambda decoded: int(decoded.rows[0]))


@dataclass(frozen=True)
class _Group:
    """The rows of one event and pointer size."""

    provider: Provider
    event: Event
    pointer_size: int
    rows: Ints


def _groups(
    providers: Sequence[Provider | None],
    provider: npt.ArrayLike,
    event_id: npt.ArrayLike,
    version: npt.ArrayLike,
    pointer_size: npt.ArrayLike,
    size: int,
) -> Iterator[_Group]:
    code, id_, version_, width = (
        np.broadcast_to(np.asarray(each).astype(np.int64), size)
        for each in (provider, event_id, version, pointer_size)
    )
    key = (((code << 16 | id_ & 0xFFFF) << 8) | version_ & 0xFF) << 1 | (width == 4)
    order = np.argsort(key, kind="stable")
    if not size:
        return
    cuts = np.flatnonzero(np.diff(key[order])) + 1
    for rows in np.split(order, cuts):
        first = int(rows[0])
        owner = providers[code[first]] if 0 <= code[first] < len(providers) else None
        event = owner.events.get((int(id_[first]), int(version_[first]))) if owner else None
        if owner is not None and event is not None:
            yield _Group(owner, event, 4 if width[first] == 4 else 8, rows)


def _decoded(data: Bytes, pos: Ints, end: Ints, group: _Group, budget: Budget, trials: Budget) -> Decoded:
    event = group.event
    is_doubtful = False
    if event.inferred:
        event, is_doubtful = choose(data, pos, end, event, group.pointer_size, trials)
    columns, problems = read(data, pos, end, event, group.pointer_size, budget)
    if is_doubtful:
        problems = with_doubt(problems, pos.size)
    return Decoded(
        group.provider, event, group.pointer_size, group.rows, _batch(event, columns, pos.size), problems
    )


def _batch(event: Event, columns: list[pa.Array], rows: int) -> pa.RecordBatch:
    if columns:
        return pa.RecordBatch.from_arrays(columns, unique_names(field.name for field in event.fields))
    # A batch made of no arrays would forget how many rows it has.
    return pa.RecordBatch.from_struct_array(pa.Array.from_buffers(pa.struct([]), rows, [None]))


def _refused(group: _Group) -> Decoded:
    size = group.rows.size
    scope = Scope(group.pointer_size, Budget(0))
    columns = [nulls(size, each.kind) for each in readers_of(group.event.fields, scope)]
    codes = from_numpy(np.zeros(size, dtype=np.int32), pa.int32())
    problems = pa.DictionaryArray.from_arrays(codes, strings([_TOO_MANY]))
    table = _batch(group.event, columns, size)
    return Decoded(group.provider, group.event, group.pointer_size, group.rows, table, problems)
