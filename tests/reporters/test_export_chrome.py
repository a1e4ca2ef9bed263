"""Traces for Perfetto and chrome://tracing: against the format's rules, exact in time and pointers."""

from datetime import datetime
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from handmade import SECOND, START, analysis, double_release
from hypothesis import given, settings
from hypothesis import strategies as st
from trace_formats import HOSTILE, chrome

from tracecheck.capture import analyse
from tracecheck.reporters.export.chrome import render
from tracecheck.reporters.export.spans import nested

SAMPLES = Path(__file__).resolve().parents[2] / "sample_traces"
NAMES = sorted(path.stem for path in SAMPLES.glob("*.etl"))
U32 = 2**32 - 1


def events(found, category=None, phase=None):
    """Give the events of an analysis, after the format's rules were checked."""
    return [
        event
        for event in chrome("".join(render(found)))["traceEvents"]
        if category in (None, event.get("cat")) and phase in (None, event["ph"])
    ]


@pytest.mark.parametrize("name", NAMES)
def test_every_sample_keeps_the_rules(name):
    """Each capture gives a valid trace with all its operations, lives, losses and findings."""
    found = analyse([str(SAMPLES / f"{name}.etl")])
    shown = chrome("".join(render(found)))["traceEvents"]
    count = {
        category: sum(event.get("cat") == category for event in shown)
        for category in ("operation", "finding")
    }
    assert count == {"operation": found.operations.num_rows, "finding": found.findings.num_rows}
    begun = [event["cat"] for event in shown if event["ph"] == "b"]
    assert begun.count("context") == found.contexts.num_rows
    assert begun.count("loss") == found.losses.num_rows


class TestTimes:
    """Microseconds since the beginning, exact."""

    def test_times_are_those_of_the_operations(self):
        """Origin plus ts is the time of each operation, to the nanosecond; ts plus dur where it is a span."""
        found = analyse([str(SAMPLES / "get-leak.etl")])
        file = chrome("".join(render(found)))
        origin = file["otherData"]["origin"]
        # The standard library knows microseconds: the nanoseconds are the last three digits.
        seconds = datetime.fromisoformat(f"{origin[:19]}+00:00").timestamp()
        start = int(seconds) * SECOND + int(origin[20:29])
        shown = [event for event in file["traceEvents"] if event.get("cat") == "operation"]
        ends = [start + int((event["ts"] + event.get("dur", 0)) * 1000) for event in shown]
        assert ends == found.operations["time"].cast("int64").to_pylist()
        assert {event["ph"] for event in shown} == {"X", "i"}

    def test_the_ends_of_time_fit(self):
        """Times that are 64 bits apart stay exact and not negative."""
        call = {"routine": "FltReferenceContext", "pid": 4, "tid": 8}
        found = analysis([{**call, "time": -(2**63)}, {**call, "time": 2**63 - 1}])
        first, last = events(found, "operation")
        assert (first["ts"], last["ts"]) == (0, Decimal(2**64 - 1) / 1000)

    def test_a_gap_without_ends_is_the_whole_capture(self):
        """What is open on a side reaches to the capture's edge; what lies outside lies there."""
        calls = [{"routine": "FltReferenceContext"}] * 3
        gaps = [(None, None), (START + SECOND, None), (START - SECOND, START + 9 * SECOND)]
        losses = [
            {"start": low, "end": high, "unit": "events", "sign": "x", "count": 1} for low, high in gaps
        ]
        spans = [(event["ph"], event["ts"]) for event in events(analysis(calls, losses=losses), "loss")]
        assert spans == [
            ("b", 0),
            ("e", 2_000_000),
            ("b", 1_000_000),
            ("e", 2_000_000),
            ("b", 0),
            ("e", 2_000_000),
        ]


class TestContent:
    """What is shown."""

    @pytest.mark.parametrize("pointer", [0, 1, 2**63, 2**64 - 1])
    def test_pointers_are_text_and_exact(self, pointer):
        """Lives, calls and findings name the pointer in hexadecimal digits."""
        shown = events(double_release(pointer))
        named = [event["args"]["context"] for event in shown if "context" in event.get("args", {})]
        assert named == [f"{pointer:#x}"] * 5

    def test_a_life_ends_when_it_is_freed(self):
        """A span from the allocation to the free; one that is held reaches to the end."""
        begin, end = events(double_release(), "context")
        assert (begin["ts"], end["ts"]) == (0, 1_000_000)
        assert begin["args"]["end"] == "freed"
        held = double_release()
        held = analysis(
            [{"routine": "FltAllocateContext"}, {"routine": "FltReleaseContext"}],
            [{"birth": "allocated", "end": "held", "first": START, "last": START}],
        )
        assert [event["ts"] for event in events(held, "context")] == [0, 1_000_000]

    def test_counters_follow_the_lives(self):
        """The counter of a type goes up at a birth and down at a free."""
        counted = [
            (event["name"], event["ts"], event["args"]) for event in events(double_release(), phase="C")
        ]
        assert counted == [
            ("living stream contexts", 0, {"contexts": 1}),
            ("living stream contexts", 1_000_000, {"contexts": 0}),
        ]

    def test_a_finding_stands_at_its_fault(self):
        """On the thread and at the time of the operation that is at fault."""
        (finding,) = events(double_release(), "finding")
        assert (finding["tid"], finding["ts"], finding["name"]) == (96, 2_000_000, "R02 error")

    def test_unknown_threads_are_no_thread(self):
        """Who is not known gets a number that nobody has, and is called unknown."""
        calls = [
            {"routine": "ContextUse", "pid": U32, "tid": U32},
            {"routine": "ContextUse", "pid": 1, "tid": 2},
        ]
        shown = events(analysis(calls))
        names = {event["pid"]: event["args"]["name"] for event in shown if event["ph"] == "M"}
        unknown, known = [event["pid"] for event in shown if event.get("cat") == "operation"]
        assert names[unknown] == "unknown process"
        assert known == 1
        assert 1 not in names

    @given(st.sampled_from(HOSTILE) | st.text(st.characters(exclude_categories=["Cs"])))
    @settings(max_examples=50)
    def test_hostile_names_are_harmless(self, text):
        """Whatever a trace holds, the file is ASCII, valid, and every text printable."""
        call = {"routine": text or "x", "site": text, "function": text}
        finding = {"rule": "X01", "severity": "error", "message": text, "operations": [0]}
        losses = [{"unit": "events", "sign": text, "detail": text}]
        found = analysis(
            [call], [{"site": text, "end": "held"}], losses=losses, findings=[finding], paths=(text,)
        )
        written = "".join(render(found))
        assert written.isascii()
        for event in chrome(written)["traceEvents"]:
            assert event["name"].isprintable()
            assert all(
                value.isprintable() for value in event.get("args", {}).values() if isinstance(value, str)
            )


class TestSpans:
    """Which calls are spans."""

    @given(
        st.lists(
            st.tuples(st.integers(0, 2), st.integers(-20, 20), st.integers(-2, 12), st.booleans()),
            max_size=40,
        )
    )
    def test_chosen_spans_nest_and_no_other_would_fit(self, rows):
        """Of each thread the chosen intervals nest, and one that was left out crosses one that was chosen."""
        thread, begin, length, wanted = (
            np.array(column) for column in (zip(*rows, strict=True) if rows else [[]] * 4)
        )
        begin, end = begin.astype(np.int64), (begin + length).astype(np.int64)
        chosen = nested(thread, begin, end, wanted.astype(bool))

        def cross(one, other):
            low, high = sorted((one, other), key=lambda i: (begin[i], -end[i]))
            return thread[low] == thread[high] and begin[high] < end[low] < end[high]

        kept = np.flatnonzero(chosen).tolist()
        assert not any(cross(one, other) for one in kept for other in kept)
        for left in set(np.flatnonzero(wanted).tolist()) - set(kept):
            assert begin[left] > end[left] or any(cross(left, other) for other in kept)
        assert not chosen[~wanted.astype(bool)].any()
