"""Intents and what came of them, against a loop over the lines."""

from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lines_of_profiles import operations, profile

SECOND = 1_000_000_000
UNSUCCESSFUL = 0xC0000001

SET = 'routine = "FltSetFileContext"\n'
FILE = profile(
    f'text = "setting %p of %p"\n{SET}tells = "intent"\ncontext = 1\nfile_object = 2',
    f'text = "set failed with %x of %p"\n{SET}tells = "failure"\nstatus = 1\nfile_object = 2',
    f'text = "old one is %p"\n{SET}tells = "failure"\nold_context = 1',
    f'text = "set is done of %p"\n{SET}tells = "success"\nfile_object = 1',
    'text = "releasing %p"\nroutine = "FltReleaseContext"\ncontext = 1',
)


@dataclass
class Call:
    """A call as the loop knows it."""

    time: int
    begin: int | None
    context: int
    old: int
    object: int
    status: int | None
    assumed: bool
    joined: list
    tells: str
    announced: int = 0


def differ(one, other):
    """Tell whether both are known and not the same."""
    return bool(one and other and one != other)


def by_loop(lines):
    """Join the lines one by one: (time, thread, kind, context or status, object)."""
    calls, pending = [], {}
    for time, tid, kind, number, obj in lines:
        if kind == "intent":
            call = Call(time, None, number, 0, obj, None, True, [], "", obj)
            pending[tid] = call, time
            calls.append(call)
            continue
        told = "success" if kind == "success" else "failure"
        status = number if kind == "failure" else None
        old = number if kind == "old" else 0
        call, start = pending.get(tid, (None, 0))
        alone = Call(time, None, 0, old, obj, status, False, [], told)
        if call is None or time - start > SECOND or differ(obj, call.announced):
            calls.append(alone)
            continue
        call.joined.append(kind)
        if len(call.joined) == 1:
            call.begin, call.time, call.assumed, call.tells = start, time, False, told
        contradicts = told != call.tells or differ(status, call.status) or differ(obj, call.object)
        if contradicts or len(call.joined) > 4:
            calls.append(alone)
            continue
        call.status = status if call.status is None else call.status
        call.old = call.old or old
        call.object = call.object or obj
    for call in calls:
        if call.status is None:
            call.status = UNSUCCESSFUL if call.tells == "failure" else 0
    return calls


TEXTS = {
    "intent": lambda number, obj: f"setting {number:016X} of {obj:016X}",
    "failure": lambda number, obj: f"set failed with {number:x} of {obj:016X}",
    "old": lambda number, _: f"old one is {number:016X}",
    "success": lambda _, obj: f"set is done of {obj:016X}",
}
LINES = st.lists(
    st.tuples(
        st.sampled_from([0, SECOND // 3, SECOND + 1]),
        st.sampled_from([4, 8]),
        st.sampled_from(list(TEXTS)),
        st.sampled_from([0xC0000225, 0xC01C0002]),
        st.sampled_from([0, 0x10, 0x20]),
    ),
    max_size=30,
)


class TestAgainstALoop:
    """Array work gives what a loop over the lines gives."""

    @settings(deadline=None, max_examples=300)
    @given(LINES)
    def test_every_call_has_its_outcome(self, steps):
        """Failures and successes join the intent before them; silence is success; others stand alone."""
        lines, now = [], 0
        for step, tid, kind, number, obj in steps:
            now += step + 1
            lines.append((now, tid, kind, number, 0 if kind == "old" else obj))
        if not lines:
            return
        found = operations(FILE, [(t, tid, TEXTS[kind](n, o)) for t, tid, kind, n, o in lines])
        keys = ("time", "begin", "context", "old_context", "file_object", "status", "assumed")
        due = [(c.time, c.begin, c.context, c.old, c.object, c.status, c.assumed) for c in by_loop(lines)]
        assert sorted((tuple(row[key] for key in keys) for row in found), key=str) == sorted(due, key=str)


class TestAllocations:
    """Lines of allocations that lack the pointer."""

    MINE = profile(
        'text = "allocating"\nroutine = "FltAllocateContext"\ntells = "intent"\n'
        '[message.constant]\ncontext_type = "file"\n[message.pointer]\nfirst = "FltSetFileContext"',
        'text = "no memory %x"\nroutine = "FltAllocateContext"\ntells = "failure"\nstatus = 1',
        'text = "setting %p"\nroutine = "FltSetFileContext"\ntells = "intent"\ncontext = 1',
    )

    def test_the_next_set_of_the_thread_names_the_context(self):
        """Each thread's allocation takes the pointer of its own next set; one that failed takes none."""
        lines = [
            (1, 4, "allocating"),
            (2, 8, "allocating"),
            (3, 8, "no memory c000009a"),
            (4, 8, "allocating"),
            (5, 8, "setting 00000000000000B0"),
            (6, 4, "setting 00000000000000A0"),
            (7, 8, "setting 00000000000000C0"),
        ]
        rows = operations(self.MINE, lines)
        born = [
            (row["tid"], row["context"], row["status"])
            for row in rows
            if row["routine"] == "FltAllocateContext"
        ]
        assert sorted(born) == [(4, 0xA0, 0), (8, 0, 0xC000009A), (8, 0xB0, 0)]

    def test_an_allocation_that_no_set_follows_has_no_context(self):
        """Of two allocations in a row only the second can be the one that is set."""
        rows = operations(self.MINE, [(1, 4, "allocating"), (2, 4, "allocating"), (3, 4, "setting 0A")])
        assert [(row["context"], row["has_context"]) for row in rows[:2]] == [(0, False), (10, True)]


class TestVoidRoutines:
    """Routines that cannot fail."""

    @pytest.mark.parametrize("tells", ["intent", "result"])
    def test_nothing_about_a_release_is_assumed(self, tells):
        """FltReleaseContext returns nothing: a line before it is as good as one after it."""
        mine = profile(
            f'text = "releasing %p"\nroutine = "FltReleaseContext"\ntells = "{tells}"\ncontext = 1'
        )
        (row,) = operations(mine, [(1, 4, "releasing 0A")])
        assert (row["context"], row["status"], row["assumed"]) == (10, None, False)
