"""The heuristics about leaks: steady growth, contexts that keep each other, races taken for success."""

import pytest
from captured import (
    CONTEXT,
    MILLISECOND,
    OTHER,
    SECOND,
    allocate,
    attach,
    findings,
    get,
    release,
    row,
    told,
    unload,
)
from handmade import START

from tracecheck.fltmgr.status import STATUS_FLT_CONTEXT_ALREADY_DEFINED

BORN = [allocate(), attach(), release()]


def one(number, *, leaks, at, made="Open", lives=MILLISECOND):
    """A context of a stream of its own: attached, and freed with its object, or leaked."""
    pointer, stream = 0x10_0000 + 16 * number, 0x900_0000 + 16 * number
    place = {"object": stream, "stream": stream}
    rows = [
        allocate(pointer, function=made, site=f"a.c:{made}", time=at),
        attach(pointer, time=at + 10, **place),
        *([] if leaks else [release(pointer, time=at + 20)]),
        *([] if leaks else [row("FltDeleteContext", pointer, time=at + lives)]),
    ]
    return (
        rows
        if leaks
        else [*rows[:3], get(pointer, time=at + 30, **place), rows[3], release(pointer, time=at + lives + 10)]
    )


def capture(times, *, healthy=8, kept=0, end=True, lives=MILLISECOND):
    """Contexts that leak at these times, others that do not, and the unload."""
    rows = [each for i, at in enumerate(times) for each in one(i, leaks=True, at=START + at)]
    rows += [
        each
        for i in range(healthy)
        for each in one(500 + i, leaks=False, at=START + i * SECOND, made="Else", lives=lives)
    ]
    rows += [each for i in range(kept) for each in one(700 + i, leaks=False, at=START + i * SECOND)]
    last = max(each["time"] for each in rows) + SECOND
    rows += [
        each | {"time": last + i}
        for i, each in enumerate(unload() if end else [row("FltSupportsStreamContexts")] * 2)
    ]
    return sorted(rows, key=lambda each: each["time"])


STEADY = [SECOND * i for i in range(16)]


class TestGrowth:
    """L19."""

    def growth(self, rows):
        """The findings of L19."""
        return [f for f in findings(rows) if f["rule"] == "L19"]

    @pytest.mark.parametrize("end", [True, False])
    def test_a_steady_rise_is_one_possible_finding(self, end):
        """Sixteen contexts of one site, one each second: one finding, of no single context."""
        (found,) = self.growth(capture(STEADY, end=end))
        assert (found["confidence"], found["severity"], found["context"]) == ("possible", "warning", None)
        assert found["context_type"] == 8
        assert (
            "of 16 contexts that FltAllocateContext at a.c:Open made, 16 were never freed" in found["message"]
        )

    @pytest.mark.parametrize(
        ("times", "more"),
        [
            (STEADY[:15], {}),
            ([MILLISECOND * i for i in range(16)], {"lives": SECOND}),
            ([MILLISECOND * i for i in range(15)] + [20 * SECOND], {}),
            (STEADY, {"kept": 3}),
            (STEADY, {"healthy": 0}),
        ],
        ids=["too few", "not for long", "warm-up", "many are freed", "nothing to compare with"],
    )
    def test_what_is_no_growth(self, times, more):
        """Few, soon over, only at the start, mostly freed, or of unknown usual life."""
        assert self.growth(capture(times, **more)) == []

    def test_what_only_its_object_holds_does_not_count(self):
        """A thousand open files have a thousand contexts, in a capture without an unload."""
        rows = []
        for i in range(1000):
            place = {"object": 0x900_0000 + 16 * i, "stream": 0x900_0000 + 16 * i}
            rows += [
                allocate(0x10_0000 + 16 * i),
                attach(0x10_0000 + 16 * i, **place),
                release(0x10_0000 + 16 * i),
            ]
        assert told(rows) == set()


class TestCycles:
    """L20."""

    OTHER_BORN = (allocate(OTHER), attach(OTHER, object=0x99, stream=0x99), release(OTHER))

    def kept(self, *between, function="Pair"):
        """Two contexts, and a reference to each."""
        first = row("FltReferenceContext", CONTEXT, function="Pair")
        second = row("FltReferenceContext", OTHER, function=function)
        return [*BORN, *self.OTHER_BORN, first, *between, second]

    def test_a_pair_is_one_finding_that_names_the_other(self):
        """Both leaked, both references taken together."""
        (found,) = [f for f in findings([*self.kept(), *unload()]) if f["rule"] == "L20"]
        assert (found["confidence"], found["context"], f"{OTHER:#x}" in found["message"]) == (
            "possible",
            CONTEXT,
            True,
        )

    @pytest.mark.parametrize(
        "rows",
        [
            [*BORN, *OTHER_BORN, row("FltReferenceContext", CONTEXT), row("FltReferenceContext", CONTEXT)],
            [
                *BORN,
                *OTHER_BORN,
                row("FltReferenceContext", CONTEXT, tid=1),
                row("FltReferenceContext", OTHER, tid=2),
            ],
        ],
        ids=["one context", "two threads"],
    )
    def test_what_is_no_pair(self, rows):
        """Two references to one context, or of two threads."""
        assert "L20" not in dict(told([*rows, *unload()]))

    def test_apart_they_are_no_pair(self):
        """Another call between them, or another function."""
        assert "L20" not in dict(told([*self.kept(row("FltSupportsStreamContexts")), *unload()]))
        assert "L20" not in dict(told([*self.kept(function="Else"), *unload()]))

    def test_where_such_references_are_released_it_is_none(self):
        """Elsewhere in the capture a reference that was taken like it was given back."""
        place = {"object": 0x77, "stream": 0x77}
        sound = [
            allocate(0xC000),
            attach(0xC000, **place),
            release(0xC000),
            row("FltReferenceContext", 0xC000, function="Pair"),
        ]
        sound += [release(0xC000, function="Worker")]
        assert "L20" not in dict(told([*sound, *self.kept(), *unload()]))


class TestLostRaces:
    """L21."""

    LOST = (allocate(), attach(status=STATUS_FLT_CONTEXT_ALREADY_DEFINED))

    @pytest.mark.parametrize("use", ["ContextUse", "FltReferenceContext", "FltDeleteContext"])
    def test_a_use_after_it_is_found(self, use):
        """What the thread does next tells that it takes the context for attached."""
        releases = [release()] * (1 + (use == "FltReferenceContext"))
        assert told([*self.LOST, row(use, CONTEXT), *releases, *unload()]) == {("L21", "possible")}

    @pytest.mark.parametrize(
        "rows",
        [
            [release()],
            [attach(), release()],
            [row("ContextUse", CONTEXT, tid=12), release()],
        ],
        ids=["released", "tried again", "another thread"],
    )
    def test_what_is_right_after_it(self, rows):
        """A release, another try; what another thread does tells nothing."""
        assert "L21" not in dict(told([*self.LOST, *rows, *unload()]))

    def test_a_site_is_told_once(self):
        """A thousand lost races of one site are one finding, and its operations are few."""
        each = [*self.LOST, row("ContextUse", CONTEXT), release()]
        (found,) = [f for f in findings([*each * 1000, *unload()]) if f["rule"] == "L21"]
        assert "(1000 times)" in found["message"]
        assert len(found["operations"]) == 100
