"""Streams of operations for the replay's tests: legal, faulty and arbitrary ones, with losses and coverage.

Every generator takes a ``random.Random``, so that a seed repeats a stream and hypothesis can drive it too.
Times of operations are multiples of 10 ns and bounds of losses are not: no verdict hangs on a tie of the two.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pyarrow as pa
from hypothesis import strategies as st
from reference_model import ALREADY_DEFINED, DELETES, GETS, KEEP, NOT_FOUND, SETS, Op, arrange
from true_driver import (
    DELETE_OF,
    FILTER,
    GET_OF,
    HANDLE,
    NOT_SUPPORTED,
    SET_OF,
    SLOTS,
    START,
    STREAM,
    VOLUME,
    Driver,
    Style,
    World,
    slot_fields,
)

from tracecheck.etl.tables import LOSSES
from tracecheck.operations.coverage import Coverage
from tracecheck.operations.table import OPERATIONS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from random import Random


def style(random: Random, **fixed: object) -> Style:
    """A way of logging, at random."""
    values = {
        "begin": random.choice([0.0, 0.5, 1.0]),
        "cleanup": random.choice(["none", "both", "once"]),
        "reuse": random.choice([0.0, 0.9, 1.0]),
        "no_status": random.choice([0.0, 0.5]),
        "blind": random.random() < 0.5,
        "kept": random.choice([0.0, 0.0, 0.3]),
        **fixed,
    }
    return Style(**values)  # type: ignore[arg-type]


def legal(random: Random, way: Style) -> list[Op]:
    """A whole run of a driver that keeps to the rules, from its load to its unload."""
    return _whole(random, way, None)


def faulty(random: Random, way: Style, rule: str) -> list[Op]:
    """A legal stream with one fault added, which the rule must find; L03 has no unload."""
    return _whole(random, replace(way, kept=0.0), rule)


def _whole(random: Random, way: Style, rule: str | None) -> list[Op]:
    world = World(random, way)
    slots = random.sample(SLOTS, random.choice([1, 1, 2, 4]))
    world.unsupported = {0x2000} if random.random() < 0.3 else set()
    driver = Driver(world, slots)
    threads = [driver.thread(10 + tid, random.randint(1, 6)) for tid in range(random.randint(2, 5))]
    threads += [driver.objects()]
    if rule:
        threads += [driver.faulty(random.choice([9, 10]) if rule[0] == "L" else 9, rule)]
    world.run(threads)
    world.run([driver.deliver(8)])
    hangs = rule == "L01" and random.random() < 0.5
    if rule != "L03":
        world.run([driver.unload(hangs=hangs)])
    if rule == "L03" or hangs:
        # Long after the end of all else, so that no call that still runs can hold the reference.
        world.now += 1_000_000_000
        for tid in range(8, 16):
            world.log(tid, "FltSupportsFileContexts", status=1)
    return arrange(world.ops)


def mutated(random: Random, ops: Sequence[Op]) -> list[Op]:
    """The stream with a few rows dropped, doubled, moved, given to another thread, or logged in part."""
    rows = forgotten(random, ops) if random.random() < 0.5 else list(ops)
    for _ in range(random.randint(1, 4)):
        if not rows:
            break
        place = random.randrange(len(rows))
        row = rows.pop(place)
        change = random.randrange(4)
        if change == 1:
            rows += [row, replace(row, time=row.time + 10 * random.randint(1, 5000), begin=None, record=0)]
        elif change == 2:
            rows.append(replace(row, time=row.time + 10 * random.randint(-5000, 5000), begin=None, record=0))
        elif change == 3:
            rows.append(replace(row, tid=random.choice(rows).tid if rows else 1))
    return arrange(rows)


def forgotten(random: Random, ops: Sequence[Op]) -> list[Op]:
    """The stream with what a writer leaves out of most calls of some routines."""
    column = random.choice(["status", "status", "old_context", "begin", "filter", "instance", "context"])
    routines = {op.routine for op in ops if op.routine.startswith("Flt")}
    some = set(random.sample(sorted(routines), random.randint(0, len(routines))))
    return [
        replace(op, **{column: None}) if op.routine in some and random.random() < 0.8 else op for op in ops
    ]


ROUTINES = [
    *["FltAllocateContext"] * 4,
    *["FltReleaseContext"] * 8,
    *["FltReferenceContext"] * 3,
    *["FltDeleteContext", "ContextUse", "FltGetContexts", "FltReleaseContexts", "FltReleaseContextsEx"],
    *["FltGetContextsEx", "InstanceTeardownComplete", "FilterUnload", "FltUnregisterFilter"],
    *["ContextCleanup", "ContextCleanup", "FltCreateSectionForDataScan", "FltCloseSectionForDataScan"],
    *["FltSupportsFileContexts", "FltGetSectionContext"],
    *[table[kind] for kind in (STREAM, STREAM, HANDLE, VOLUME) for table in (SET_OF, GET_OF, SET_OF, GET_OF)],
    *[DELETE_OF[kind] for kind in (STREAM, STREAM, HANDLE, VOLUME)],
]
POINTERS = [0xA010, 0xA020, 0xA030, 0xA040]


def arbitrary(random: Random, *, size: int = 24, pointers: int = 4, ties: bool = False) -> list[Op]:
    """Rows that no driver would ever give, over a handful of pointers, threads and slots."""
    pick = random.choice
    now = START
    last: dict[int, int] = {}
    ops = []
    for _ in range(random.randint(1, size)):
        now += 10 * pick([0 if ties else 1, 1, 7, 500, 20_000, 60_000, 150_000])
        tid = pick([1, 1, 2, 3])
        routine = pick(ROUTINES)
        kind = SETS.get(routine) or GETS.get(routine) or DELETES.get(routine) or pick([0, 1, STREAM, STREAM])
        begin = max(last.get(tid, 0) + 10, now - 10 * pick([0, 3, 600, 30_000, 250_000]))
        values = slot_fields((kind, pick([0x1000, 0x1000, 0x2000]), pick([0x100, 0x100, 0x200])))
        if routine in ("FltAllocateContext", "FltReleaseContext", "FltReferenceContext", "ContextUse"):
            values = {"context_type": kind, "filter": pick([None, FILTER, FILTER])}
        values |= arguments(random, routine, POINTERS[:pointers])
        values["begin"] = pick([None, min(begin, now)])
        values["function"] = pick([None, "Create", "Close"])
        ops.append(Op(routine, now, tid, **values))  # type: ignore[arg-type]
        last[tid] = now
    if random.random() < 0.3:
        swap = random.random() < 0.3
        ops = [replace(op, sequence=place ^ (swap and place == 2)) for place, op in enumerate(ops)]
    return arrange(ops)


def arguments(random: Random, routine: str, pointers: Sequence[int]) -> dict[str, object]:
    """What one call was given and returned, as far as it was logged."""
    pick = random.choice
    values: dict[str, object] = {}
    if routine not in DELETES and "Teardown" not in routine and "Unload" not in routine:
        values["context"] = pick(pointers)
    if routine.startswith(("FltSet", "FltGet", "FltDelete", "FltAllocate", "FltC")):
        values["status"] = pick([0, 0, 0, None, NOT_FOUND, ALREADY_DEFINED, NOT_SUPPORTED, 0x40000000])
    if routine in SETS or routine in DELETES:
        values["old_context"] = pick([None, None, 0, pick(pointers)])
        values["old_requested"] = pick([None, True, False, False])
        if values["old_context"] == values.get("context"):
            values["old_context"] = None
    if routine in SETS:
        values["operation"] = pick([None, 0, KEEP])
    if routine in ("ContextCleanup", "FilterUnload", "FltUnregisterFilter"):
        values["phase"] = pick([None, 1, 2])
    if routine == "FltGetContexts":
        values["status"] = None
    return values


def losses(random: Random, ops: Sequence[Op]) -> list[tuple[int | None, int | None]]:
    """A few stretches of missing events, some of them open; none of their bounds is a time of the stream."""
    if not ops or random.random() < 0.5:
        return []
    span = (ops[0].time // 10 - 2, ops[-1].time // 10 + 2)
    found: list[tuple[int | None, int | None]] = []
    for _ in range(random.randint(1, 2)):
        start, end = sorted(10 * random.randint(*span) + 5 for _ in range(2))
        found.append((random.choice([None, start, start, start]), random.choice([None, end, end, end])))
    return found


def coverage(random: Random) -> Coverage:
    """What a capture may say of its completeness."""
    routines = sorted({routine for routine in ROUTINES if routine.startswith("Flt")})
    some = frozenset(random.sample(routines, random.randint(0, len(routines))))
    releases = {"FltReleaseContext", "FltReleaseContexts", "FltReleaseContextsEx"}
    return random.choice(
        [
            Coverage(False),
            Coverage(True),
            Coverage(True),
            Coverage(True, some),
            Coverage(True, some | releases),
        ]
    )


def chosen() -> dict[str, list[Op]]:
    """Short streams that a random one seldom comes near, by what is special about them."""
    one, other = 0xA010, 0xA020
    place, elsewhere = slot_fields((STREAM, 0x1000, 0x100)), slot_fields((STREAM, 0x2000, 0x100))
    life = {"context": one, "context_type": STREAM}
    attached = [
        _op("FltAllocateContext", 100, begin=90, status=0, **life),
        _op("FltSetStreamContext", 200, begin=190, context=one, status=0, old_context=0, **place),
        _op("FltReleaseContext", 300, **life),
    ]
    used = [
        _op("FltGetContexts", 3_000_000, begin=2_999_990, **life),
        _op("ContextUse", 3_000_100, **life),
        _op("FltReleaseContext", 3_000_200, **life),
    ]
    replaced = _op("FltSetStreamContext", 2_000_000, begin=1_999_990, context=other, operation=KEEP, **place)
    deleted = _op("FltDeleteStreamContext", 2_000_000, begin=1_999_990, **place)
    got = {"tid": 2, "begin": 400, "record": 9}
    reference = _op("FltReferenceContext", 1_106_720, begin=1_000_000, tid=2, **life)
    return {
        "a set that may not have replaced": [*attached, replaced, *used],
        "a delete that may not have deleted": [*attached, deleted, *used],
        "the last call of a thread is on several contexts": [
            *attached,
            _op("FltGetContexts", 500, context=one, **got, **place),
            _op("FltGetContexts", 500, context=other, **got, **elsewhere),
            _op("InstanceTeardownComplete", 600, tid=4, instance=0x100),
        ],
        "two calls wait, and one lets the other in": [
            *attached,
            _op("FltSupportsFileContexts", 310),
            reference,
            replace(reference, routine="FltReleaseContext", time=START + 1_500_000, begin=None, tid=3),
            _op("FltSupportsFileContexts", 1_500_010, tid=3),
            replace(reference, time=START + 2_085_980, tid=4),
        ],
        "one waits longer but began to wait first": [
            *attached[:1],
            attached[2],
            _op("FltSupportsFileContexts", 310),
            replace(reference, time=START + 1_300_000, begin=START + 900_000),
            replace(reference, tid=4),
            _op("ContextUse", 1_400_000, tid=5, **life),
        ],
        "a release within a call of its thread": [
            *attached[:1],
            attached[2],
            _op("ContextCleanup", 400, phase=1, **life),
            _op("ContextCleanup", 500, phase=2, **life),
            _op("FltReferenceContext", 600, **life),
        ],
    }


def _op(routine: str, time: int, **values: object) -> Op:
    """A row of a chosen stream, its times counted from the stream's start."""
    if values.get("begin") is not None:
        values["begin"] = START + values["begin"]  # type: ignore[operator]
    return Op(routine, START + time, **values)  # type: ignore[arg-type]


@st.composite
def captures(draw: st.DrawFn) -> tuple[list[Op], list[tuple[int | None, int | None]], Coverage]:
    """An arbitrary stream with losses and coverage, as small as hypothesis can make it."""
    random = draw(st.randoms(use_true_random=False))
    ops = arbitrary(random, size=draw(st.integers(1, 16)), pointers=draw(st.integers(1, 4)))
    return ops, losses(random, ops), coverage(random)


def to_table(ops: Sequence[Op]) -> pa.Table:
    """The stream as an operations table."""
    columns = [pa.array(list(_column(field, ops)), field.type) for field in OPERATIONS]
    return pa.Table.from_arrays(columns, schema=OPERATIONS)


def to_losses(stretches: Sequence[tuple[int | None, int | None]]) -> pa.Table:
    """The stretches as a losses table."""
    rows = [
        {"start": start, "end": end, "count": 1, "unit": "events", "sign": "event sequence", "detail": ""}
        for start, end in stretches
    ]
    return pa.Table.from_pylist(rows, schema=LOSSES)


def _column(field: pa.Field, ops: Sequence[Op]) -> Iterator[object]:
    """One column of the operations table: what was logged, else null or what stands for nothing."""
    defaults = {"tick": lambda op: op.time, "pid": lambda _op: 4}
    for op in ops:
        if field.name in ("has_context", "has_old_context"):
            yield getattr(op, field.name.removeprefix("has_")) is not None
        elif field.name in defaults:
            yield defaults[field.name](op)
        else:
            value = getattr(op, field.name, None)
            yield 0 if value is None and not field.nullable else value
