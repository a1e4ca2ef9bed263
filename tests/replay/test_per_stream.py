"""Legacy per-stream contexts: arrays and search against one call at a time and every order."""

import pyarrow as pa
import pytest
from handmade import SECOND, START, table
from hypothesis import given, settings
from hypothesis import strategies as st
from per_stream_reference import blocks, least

from tracecheck.etl import plain_rows
from tracecheck.operations.table import OPERATIONS, OWNERS
from tracecheck.replay.effects import Ops
from tracecheck.replay.order import Reach
from tracecheck.replay.per_stream.engine import per_stream
from tracecheck.replay.per_stream.machine import FAULTS, IMPOSSIBLE, Act
from tracecheck.replay.per_stream.orders import Row, best_order

ACTS = {
    "allocate": Act.ALLOCATE,
    "free": Act.FREE,
    "init": Act.INIT,
    "first init": Act.FIRST_INIT,
    "insert": Act.INSERT,
    "failed insert": Act.INSERT_FAILED,
    "lookup": Act.LOOKUP,
    "remove": Act.REMOVE,
    "teardown": Act.TEARDOWN,
    "callback": Act.CALLBACK,
    "callback end": Act.CALLBACK_END,
    "use": Act.USE,
}
ROUTINES = {
    "allocate": {"routine": "ExAllocatePoolWithTag"},
    "free": {"routine": "ExFreePoolWithTag"},
    "init": {"routine": "FsRtlInitPerStreamContext"},
    "insert": {"routine": "FsRtlInsertPerStreamContext", "status": 0},
    "failed insert": {"routine": "FsRtlInsertPerStreamContext", "status": 0xC0000010},
    "lookup": {"routine": "FsRtlLookupPerStreamContext"},
    "remove": {"routine": "FsRtlRemovePerStreamContext"},
    "callback": {"routine": "FreePerStreamContext", "phase": 1},
    "callback end": {"routine": "FreePerStreamContext", "phase": 2},
    "use": {"routine": "ContextUse"},
}
OWNED = pa.schema([*OPERATIONS, *OWNERS])


@st.composite
def overlapping(draw):
    """Draw up to six calls on one pointer, some of which overlap."""
    rows = []
    for at in range(draw(st.integers(1, 6))):
        call, time = draw(st.sampled_from(sorted(ACTS))), 10 * at
        early, late = (
            time - draw(st.sampled_from([0, 0, 5, 15, 40])),
            time + draw(st.sampled_from([0, 5, 15])),
        )
        rows.append((call, draw(st.sampled_from([0x10, 0x20])), draw(st.integers(1, 3)), early, late))
    return rows


class TestOrders:
    """The search for the order that is best for the driver."""

    @settings(max_examples=400, deadline=None)
    @given(overlapping())
    def test_it_finds_what_trying_every_order_finds(self, rows):
        """As few impossible calls and faults as in the best of all orders; the same for each fault alone."""
        calls = [Row(ACTS[call], *rest) for call, *rest in rows]
        found = best_order(calls)
        assert sorted(done.row for done in found) == list(range(len(rows)))
        told = [done.fault for done in found]
        impossible = told.count(IMPOSSIBLE)
        assert (impossible, sum(map(bool, told)) - impossible) == least(rows)
        for number in {fault for fault in told if fault not in (0, IMPOSSIBLE)}:
            words = FAULTS[number - 1]
            mine = best_order(calls, lambda _row, fault, number=number: fault == number)
            count = sum(done.fault == number for done in mine)
            assert count == least(rows, lambda _row, fault, words=words: fault == words)[1]

    def test_too_many_orders_are_not_tried(self):
        """Where everything overlaps the search says so, and soon."""
        rows = [Row(Act.LOOKUP, 1, thread, 0, 1000) for thread in range(200)]
        assert best_order(rows) is None


@st.composite
def logs(draw):
    """Draw calls on a few pointers that do not overlap, half of them as a sound driver would make them."""
    healthy = ["allocate", "init", "insert", "lookup", "use", "remove", "free"]
    torn = ["allocate", "init", "insert", "lookup", "callback", "free", "callback end"]
    rows = []
    for _ in range(draw(st.integers(1, 4))):
        pointer = draw(st.sampled_from([0x1000, 0x2000]))
        calls = draw(
            st.one_of(
                st.sampled_from([healthy, torn]), st.lists(st.sampled_from(sorted(ROUTINES)), max_size=6)
            )
        )
        rows += [(pointer, call, 0x77) for call in calls]
    return rows


def replayed(rows, **more):
    """Replay calls that lie a second apart."""
    calls = [
        {
            "order": at,
            "time": START + at * SECOND,
            "tid": 8,
            "record": at,
            "context": pointer,
            "has_context": True,
            "stream": stream,
            **ROUTINES[call],
            **more,
        }
        for at, (pointer, call, stream) in enumerate(rows)
    ]
    return per_stream(Ops(table(OWNED, calls)), Reach(1_000_000))


class TestBlocks:
    """The tables of blocks and steps."""

    @settings(max_examples=300, deadline=None)
    @given(logs())
    def test_they_are_those_of_one_call_after_the_other(self, rows):
        """Blocks, births, states and faults are the same through arrays and through the reference."""
        rows = _without_nested(rows)
        got, due = replayed(rows), blocks(rows)
        if got is None:
            assert due == {}
            return
        shown = {(row["pointer"], row["generation"]): row for row in plain_rows(got.blocks)}
        assert {key: (b["birth"], b["state"], b["reused"]) for key, b in due.items()} == {
            key: (row["birth"], row["state"], row["reused"]) for key, row in shown.items()
        }
        ids = {row["id"]: key for key, row in shown.items()}
        faults = {key: [] for key in due}
        for step in plain_rows(got.steps):
            if step["fault"]:
                assert step["doubt"] == ""
                faults[ids[step["block"]]].append((step["operation"], step["fault"]))
        assert faults == {key: block["faults"] for key, block in due.items()}

    @pytest.mark.parametrize("tag", [0, 7])
    def test_memory_of_another_tag_is_another_block(self, tag):
        """A free whose tag is not the allocation's is of memory that came from elsewhere."""
        rows = [(0x1000, call, 0x77) for call in ("allocate", "init", "free", "free")]
        calls = [
            {
                "order": at,
                "time": START + at * SECOND,
                "tid": 8,
                "record": at,
                "context": pointer,
                "stream": stream,
                "pool_tag": tag if at == 3 else 9,
                **ROUTINES[call],
            }
            for at, (pointer, call, stream) in enumerate(rows)
        ]
        got = per_stream(Ops(table(OWNED, calls)), Reach(1_000_000))
        assert got.steps.column("fault").to_pylist()[3:] == ([] if tag else ["freed twice"])

    def test_pool_that_no_routine_names_is_no_block(self):
        """Memory for other things gives nothing, however it is freed."""
        assert replayed([(0x1000, call, 0) for call in ("allocate", "free", "free", "use")]) is None


def _without_nested(rows):
    """Leave out the removals that lie between the begin and the end of a callback: they are F12's."""
    inside, begins = set(), []
    for at, (_, call, _) in enumerate(rows):
        if call == "callback":
            begins.append(at)
        elif call == "callback end" and begins:
            inside |= set(range(begins.pop(), at))
    return [row for at, row in enumerate(rows) if at not in inside or row[1] != "remove"]
