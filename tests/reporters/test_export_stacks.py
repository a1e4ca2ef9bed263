"""Call sites as stacks with weights: speedscope and collapsed stacks, against the formats' rules."""

from collections import Counter
from itertools import accumulate
from pathlib import Path

import pytest
from handmade import START, analysis, double_release, with_stacks
from hypothesis import given, settings
from hypothesis import strategies as st
from trace_formats import HOSTILE, collapsed, speedscope, stacks

from tracecheck.capture import analyse
from tracecheck.reporters.export.collapsed import render as render_collapsed
from tracecheck.reporters.export.speedscope import render as render_speedscope
from tracecheck.reporters.export.stacks import WEIGHTS

SAMPLES = Path(__file__).resolve().parents[2] / "sample_traces"


@pytest.fixture(scope="module")
def leak():
    """A capture with a leak."""
    return analyse([str(SAMPLES / "get-leak.etl")])


def life(routines, site="a.c:1", function="f", **context):
    """An analysis of one held life of calls (routine, what it changes the owned references by)."""
    call = {"context": 0x10, "context_type": 8, "pid": 4, "tid": 8, "site": site, "function": function}
    row = {"pointer": 0x10, "context_type": 8, "birth": "allocated", "end": "held", "first": START, **context}
    owned = accumulate(delta for _, delta in routines)
    steps = [
        {"operation": i, "delta_owned": delta, "owned": left}
        for i, ((_, delta), left) in enumerate(zip(routines, owned, strict=True))
    ]
    return analysis([{**call, "routine": name} for name, _ in routines], [row], steps)


def naive(found):
    """Weigh the call sites of an analysis one step after the other: taken and released."""
    operations = found.operations.to_pydict()
    names = ("volume", "instance", "file", "stream", "stream handle", "transaction", "section")
    kinds = {1 << bit: name for bit, name in enumerate(names)}
    types = found.contexts.to_pydict()["context_type"]
    taken, released = Counter(), Counter()
    for step in found.steps.to_pylist():
        place = step["operation"]
        frames = (
            f"{kinds[types[step['context']]]} context",
            *(operations[name][place] for name in ("function", "site", "routine")),
        )
        taken[frames] += max(step["delta_owned"], 0)
        released[frames] += max(-step["delta_owned"], 0)
    return dict(+taken), dict(+released)


class TestSpeedscope:
    """The JSON of speedscope."""

    @pytest.mark.parametrize("name", ["get-leak", "healthy", "two-drivers", "circular", "pointers32"])
    def test_samples_keep_the_rules_and_the_sums(self, name):
        """Each profile is valid; what was taken and released is what a loop over the steps adds up."""
        found = analyse([str(SAMPLES / f"{name}.etl")])
        file = speedscope("".join(render_speedscope(found, "taken")))
        assert (stacks(file, 0), stacks(file, 1)) == naive(found)

    def test_what_is_held_is_the_acquire_of_the_leak(self, leak):
        """The one reference that nobody released weighs on the get that took it."""
        file = speedscope("".join(render_speedscope(leak, "held")))
        assert file["profiles"][file["activeProfileIndex"]]["name"] == WEIGHTS["held"]
        site = "SimPreRead (operations.c:412)"
        assert stacks(file, 2) == {("stream context", "SimPreRead", site, "FltGetStreamContext"): 1}

    def test_a_frame_knows_its_place_in_the_source(self, leak):
        """Sites with file and line carry both, in either way of writing them."""
        file = speedscope("".join(render_speedscope(leak, "taken")))
        frames = {frame["name"]: frame for frame in file["shared"]["frames"]}
        assert frames["SimPreRead (operations.c:412)"]["file"] == "operations.c"
        assert frames["SimPreRead (operations.c:412)"]["line"] == 412
        file = speedscope("".join(render_speedscope(double_release(), "taken")))
        (place,) = [frame for frame in file["shared"]["frames"] if frame["name"] == "ctx.c:20"]
        assert (place["file"], place["line"]) == ("ctx.c", 20)

    def test_a_capture_of_nothing_is_a_file_of_nothing(self):
        """Without steps there are three empty profiles."""
        file = speedscope("".join(render_speedscope(analysis(), "taken")))
        assert [profile["samples"] for profile in file["profiles"]] == [[], [], []]
        assert "".join(render_collapsed(analysis(), "taken")) == ""

    @given(st.sampled_from(HOSTILE) | st.text(st.characters(exclude_categories=["Cs"])))
    @settings(max_examples=50)
    def test_hostile_names_are_harmless(self, text):
        """Whatever a trace calls its functions, the file is valid and every name printable."""
        found = with_stacks(life([(text, 1)], site=text, function=text), [["a", text, text]])
        written = "".join(render_speedscope(found, "taken"))
        assert written.isascii()
        for frame in speedscope(written)["shared"]["frames"]:
            assert frame["name"].isprintable()


class TestStacks:
    """Stacks that were logged with the calls."""

    @pytest.mark.parametrize(
        ("site", "function", "inner"),
        [
            ("Get (a.c:7)", "Get", "Get (a.c:7)"),
            ("b.c:9", "Other", "Other;b.c:9"),
            ("Sim.sys+0x10", None, "Sim.sys+0x10"),
        ],
    )
    def test_the_frames_outside_lead_to_the_call_site(self, site, function, inner):
        """The outermost frame comes first; the innermost is named as the driver named it."""
        frames = ["Sim.sys+0x10" if function == "Other" else site, "Create (a.c:3)", "FLTMGR.SYS+0x20"]
        found = life([("FltGetStreamContext", 1)], site=site, function=function)
        told = "".join(render_collapsed(with_stacks(found, [frames]), "taken"))
        assert told == f"stream context;FLTMGR.SYS+0x20;Create (a.c:3);{inner};FltGetStreamContext 1\n"

    def test_callers_of_one_site_are_told_apart(self):
        """Two calls at one site that came different ways are two stacks; one without a stack is a third."""
        calls = life([("FltGetStreamContext", 1)] * 4, site="a.c:1", function="f")
        stacked = with_stacks(calls, [["a.c:1", "x"], ["a.c:1", "y"], ["a.c:1", "x"], None])
        file = speedscope("".join(render_speedscope(stacked, "taken")))
        weights = {frames[1:-1]: weight for frames, weight in stacks(file, 0).items()}
        assert weights == {("x", "a.c:1"): 2, ("y", "a.c:1"): 1, ("f", "a.c:1"): 1}
        (frame,) = [frame for frame in file["shared"]["frames"] if frame["name"] == "a.c:1"]
        assert (frame["file"], frame["line"]) == ("a.c", 1)


class TestCollapsed:
    """Collapsed stacks."""

    @pytest.mark.parametrize("weigh", WEIGHTS)
    def test_it_says_the_same_as_speedscope(self, leak, weigh):
        """Both formats have the same stacks and weights, for each way of weighing."""
        file = speedscope("".join(render_speedscope(leak, weigh)))
        lines = "".join(render_collapsed(leak, weigh))
        assert collapsed(lines) == stacks(file, file["activeProfileIndex"])
        assert lines.splitlines() == sorted(lines.splitlines())

    @given(st.sampled_from(HOSTILE) | st.text(st.characters(exclude_categories=["Cs"])))
    @settings(max_examples=50)
    def test_hostile_names_end_no_frame_and_no_line(self, text):
        """Semicolons, line ends and blanks in a name leave one line of four frames with its count."""
        found = life([(text, 1), (text, 1)], site=f"{text}:1", function=text)
        ((frames, weight),) = collapsed("".join(render_collapsed(found, "taken"))).items()
        assert weight == 2
        assert len(frames) == 4 - (not text)
        assert all(frame.isprintable() for frame in frames)

    def test_what_was_not_logged_is_said(self):
        """A call without site and function has a frame that says so."""
        found = life([("FltGetStreamContext", 1)], site=None, function=None)
        assert "".join(render_collapsed(found, "held")) == (
            "stream context;(call site not logged);FltGetStreamContext 1\n"
        )

    def test_names_that_become_equal_are_one_stack(self):
        """Two sites that differ only in what is replaced are summed up, not written twice."""
        call = {"context": 0x10, "context_type": 8, "routine": "FltGetStreamContext"}
        row = {"pointer": 0x10, "context_type": 8, "birth": "allocated", "end": "held"}
        steps = [{"operation": place, "delta_owned": 1} for place in range(2)]
        found = analysis([{**call, "site": "a;b"}, {**call, "site": "a,b"}], [row], steps)
        assert collapsed("".join(render_collapsed(found, "taken"))) == {
            ("stream context", "a,b", "FltGetStreamContext"): 2
        }
