"""Positions from the callbacks that the kernel logged, against a stack for each thread."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tracecheck.etl import LOSSES
from tracecheck.operations import OPERATIONS
from tracecheck.operations.brackets import enclosing, partners
from tracecheck.operations.position import fill_positions

CALL, RETURN, OPERATION = "call", "return", "operation"
STEPS = st.tuples(
    st.sampled_from([CALL, CALL, RETURN, RETURN, OPERATION, "failure"]),
    st.integers(0, 2),  # thread: the first is idle
    st.integers(1, 3),  # callback data
    st.integers(1, 2),  # routine
    st.integers(0, 2),  # ticks since the step before
)


def lay(steps):
    """Give a history as (what, record, time, thread, callback data, routine)."""
    times = np.cumsum([step[4] for step in steps]).tolist()
    return [(s[0], i, t, *s[1:4]) for i, (s, t) in enumerate(zip(steps, times, strict=True))]


def fltio_table(history, began=None):
    """Make the table of the callbacks of a history; a routine's number is its major function."""
    rows = [each for each in history if each[0] != OPERATION]
    column = lambda values, kind: pa.array(list(values), kind)  # noqa: E731
    words = lambda values: pa.array(list(values), pa.string()).dictionary_encode()  # noqa: E731
    return pa.table(
        {
            "record": column((r[1] for r in rows), pa.int64()),
            "time": column((r[2] for r in rows), pa.timestamp("ns", "UTC")),
            "tick": column((r[2] for r in rows), pa.int64()),
            "cpu": column((7 for _ in rows), pa.uint16()),
            "tid": column((4 * r[3] for r in rows), pa.uint32()),
            "phase": words("pre" if r[5] == 1 else "post" for r in rows),
            "step": words(r[0] for r in rows),
            "routine": column((2**63 + r[5] for r in rows), pa.uint64()),
            "callback_data": column((2**63 + r[4] for r in rows), pa.uint64()),
            "major": column((r[5] for r in rows), pa.uint8()),
            "began": column(((began or {}).get(r[1]) for r in rows), pa.int64()),
        }
    )


def operations_table(history, **columns):
    """Make the table of the operations of a history."""
    rows = [each for each in history if each[0] == OPERATION]
    plain = {"routine": "FltGetStreamContext", "cpu": 7}
    made = []
    for place, row in enumerate(rows):
        values = {
            field.name: None if field.nullable else field.name.startswith("has_") or 0 for field in OPERATIONS
        }
        values |= plain | {"record": row[1], "time": row[2], "tick": row[2], "tid": 4 * row[3]}
        made.append(values | {name: column[place] for name, column in columns.items()})
    return pa.Table.from_pylist(made, schema=OPERATIONS)


def positions(table):
    """List what the operations have: (major, phase)."""
    return list(zip(table.column("major").to_pylist(), table.column("phase").to_pylist(), strict=True))


def by_stacks(history):
    """Say by record where each operation lies, one step at a time."""
    pairs = {}
    for key in {(each[3:]) for each in history}:
        open_ = []
        for what, record, *_ in (each for each in history if each[3:] == key):
            if what == CALL:
                open_.append(record)
            elif what == RETURN and open_:
                pairs[open_.pop()] = record
    ends = {record: (call, record) for call, record in pairs.items()}
    found = {}
    for thread in {each[3] for each in history}:
        mine = [each for each in history if each[3] == thread]
        calls = {each[1]: each for each in mine if each[1] in pairs}
        crossing = {
            a
            for a in calls
            for b in calls
            if a != b and (a < b < pairs[a] < pairs[b] or b < a < pairs[b] < pairs[a])
        }
        running = []
        for what, record, *_ in mine:
            if record in calls and record not in crossing:
                running.append(calls[record])
            elif record in ends and ends[record][0] not in crossing:
                running.remove(calls[ends[record][0]])
            elif what == OPERATION:
                routine = running[-1][5] if running else None
                found[record] = (routine, routine)
    return [found[each[1]] for each in history if each[0] == OPERATION]


class TestBrackets:
    """Pairs in many sequences at once."""

    @given(st.lists(st.tuples(st.booleans(), st.integers(-2, 2)), max_size=60))
    def test_partners_are_those_of_a_stack(self, brackets):
        """A stack for each group finds the same partners."""
        expected, stacks = [-1] * len(brackets), {}
        for place, (opens, group) in enumerate(brackets):
            stack = stacks.setdefault(group, [])
            if opens:
                stack.append(place)
            elif stack:
                expected[place] = stack.pop()
                expected[expected[place]] = place
        opens = np.array([each[0] for each in brackets], bool)
        assert partners(opens, np.array([each[1] for each in brackets], int)).tolist() == expected

    @given(st.recursive(st.just(""), lambda inner: st.lists(inner.map("({})".format)).map("".join)))
    def test_what_encloses_is_the_top_of_a_stack(self, text):
        """Behind each bracket the innermost open one is the stack's top."""
        expected, stack = [], []
        for place, each in enumerate(text):
            if each == "(":
                stack.append(place)
            else:
                stack.pop()
            expected.append(stack[-1] if stack else -1)
        assert enclosing(np.array([each == "(" for each in text], bool)).tolist() == expected


class TestPositions:
    """Histories of calls, returns and operations."""

    @settings(deadline=None, max_examples=300)
    @given(st.lists(STEPS, max_size=60))
    @example([(CALL, 1, 1, 1, 0), (OPERATION, 1, 1, 1, 0), (RETURN, 1, 1, 1, 0)])
    @example([(CALL, 1, 1, 1, 1), (CALL, 1, 2, 2, 1), (RETURN, 1, 1, 1, 1), (OPERATION, 1, 1, 1, 1)])
    def test_they_are_those_of_a_stack_for_each_thread(self, steps):
        """The innermost callback with a return, that crosses no other, gives the position; ties too."""
        history = lay(steps)
        filled = fill_positions(operations_table(history), fltio_table(history))
        assert positions(filled) == by_stacks(history)
        assert filled.schema == OPERATIONS

    @settings(deadline=None)
    @given(st.lists(STEPS, max_size=40), st.randoms())
    def test_the_order_of_the_log_does_not_matter_between_ticks(self, steps, random):
        """Events of other processors may stand anywhere in the file."""
        history = lay([(*step[:4], 1) for step in steps])
        mixed = random.sample(history, len(history))
        operations = operations_table(history)
        assert fill_positions(operations, fltio_table(mixed)).equals(
            fill_positions(operations, fltio_table(history))
        )

    @pytest.mark.parametrize(
        ("logged", "filled"),
        [
            ((None, None), (2, 2)),
            ((9, 1), (9, 1)),
            ((2, None), (2, 2)),
            ((3, None), (3, None)),
            ((None, 2), (2, 2)),
            ((None, 3), (2, 3)),
            ((None, 1), (None, 1)),
        ],
    )
    def test_what_the_driver_logged_stays(self, logged, filled):
        """A half that was logged is completed only by a callback that agrees with it; draining is post."""
        history = lay([(CALL, 1, 1, 2, 1), (OPERATION, 1, 1, 1, 1), (RETURN, 1, 1, 2, 1)])
        table = operations_table(history, major=[logged[0]], phase=[logged[1]])
        assert positions(fill_positions(table, fltio_table(history))) == [filled]

    @pytest.mark.parametrize("routine", ["ContextCleanup", "FilterUnload", "FltUnregisterFilter"])
    def test_a_phase_of_another_meaning_is_not_made_up(self, routine):
        """1 and 2 are begin and end of these: what was not logged of them stays unknown."""
        history = lay([(CALL, 1, 1, 2, 1), (OPERATION, 1, 1, 1, 1), (RETURN, 1, 1, 2, 1)])
        table = operations_table(history, routine=[routine])
        assert positions(fill_positions(table, fltio_table(history))) == [(None, None)]

    @pytest.mark.parametrize(("begin", "filled"), [(0, None), (1, 2), (2, 2), (None, 2)])
    def test_a_call_that_began_before_the_callback_is_not_in_it(self, begin, filled):
        """The callback holds the whole of the call, or there is no position."""
        history = lay([(CALL, 1, 1, 2, 1), (OPERATION, 1, 1, 1, 1), (RETURN, 1, 1, 2, 1)])
        table = operations_table(history, begin=[begin])
        assert positions(fill_positions(table, fltio_table(history))) == [(filled, filled)]

    def test_idle_threads_of_processors_are_not_one(self):
        """Thread 0 of one processor does nothing for that of another."""
        history = lay([(CALL, 0, 1, 2, 1), (OPERATION, 0, 1, 1, 1), (RETURN, 0, 1, 2, 1)])
        table = operations_table(history, cpu=[3])
        assert positions(fill_positions(table, fltio_table(history))) == [(None, None)]
        assert positions(fill_positions(operations_table(history), fltio_table(history))) == [(2, 2)]

    @pytest.mark.parametrize("tick", [5, 6])
    def test_a_relay_at_the_time_of_a_boundary_tells_nothing(self, tick):
        """Its record stands where it was written; at the time of a call or return nothing is said."""
        history = lay([(CALL, 1, 1, 2, 5), (OPERATION, 1, 1, 1, 0), (RETURN, 1, 1, 2, 1)])
        table = operations_table(history, tick=[tick])
        expected = (2, 2) if tick == 5 else (None, None)
        assert positions(fill_positions(table, fltio_table(history))) == [expected]


def loss(start, end, cpu=None):
    """Make a table of one loss."""
    row = {"cpu": cpu, "start": start, "end": end, "count": 1, "unit": "events", "sign": "buffer flag"}
    return pa.Table.from_pylist([row | {"detail": ""}], schema=LOSSES)


class TestLosses:
    """What is missing may be a return."""

    HISTORY = lay([(CALL, 1, 1, 2, 10), (OPERATION, 1, 1, 1, 5), (RETURN, 1, 1, 2, 5)])

    @pytest.mark.parametrize(
        ("start", "end", "believed"),
        [(None, None, False), (0, 9, True), (0, 10, False), (20, 30, False), (21, 30, True), (12, 13, False)],
    )
    def test_a_pair_across_a_loss_is_not_believed(self, start, end, believed):
        """Any loss between call and return may hide a return and the next call."""
        filled = fill_positions(operations_table(self.HISTORY), fltio_table(self.HISTORY), loss(start, end))
        assert positions(filled) == [(2, 2) if believed else (None, None)]

    @pytest.mark.parametrize(("began", "believed"), [(10, True), (9, False)])
    def test_a_return_that_names_its_call_is_proof(self, began, believed):
        """Where a return says when its callback was called, nothing can be hidden."""
        fltio = fltio_table(self.HISTORY, {2: began})
        filled = fill_positions(operations_table(self.HISTORY), fltio, loss(None, None))
        assert positions(filled) == [(2, 2) if believed else (None, None)]


class TestHostile:
    """Kernels that do not keep to it."""

    def test_a_storm_without_returns_tells_nothing(self):
        """Calls alone, or returns alone, are no callbacks."""
        for what in (CALL, RETURN):
            history = lay([(what, 1, 1, 1, 0)] * 2000 + [(OPERATION, 1, 1, 1, 0)])
            assert positions(fill_positions(operations_table(history), fltio_table(history))) == [
                (None, None)
            ]

    def test_deep_nesting_takes_no_longer(self):
        """A hundred thousand callbacks inside each other: the innermost one counts."""
        deep = 100_000
        calls = [(CALL, 1, i, 1 + i % 2, 1) for i in range(deep)]
        history = lay([*calls, (OPERATION, 1, 0, 0, 1), *((RETURN, *c[1:]) for c in reversed(calls))])
        filled = fill_positions(operations_table(history), fltio_table(history))
        assert positions(filled) == [(1 + (deep - 1) % 2,) * 2]

    def test_times_at_the_ends_of_the_range_do_no_harm(self):
        """The lowest and highest times are times like others."""
        low, high = -(2**63), 2**63 - 1
        history = [(CALL, 0, low, 1, 1, 2), (OPERATION, 1, 5, 1, 1, 1), (RETURN, 2, high, 1, 1, 2)]
        assert positions(fill_positions(operations_table(history), fltio_table(history))) == [(2, 2)]
