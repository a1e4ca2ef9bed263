"""The timeline of a context in a notebook: which lives it shows, the chart, the text, the table."""

import xml.etree.ElementTree as ET
from pathlib import Path

import pyarrow as pa
import pytest
from handmade import SECOND, START, analysis, double_release
from hypothesis import given
from hypothesis import strategies as st

import tracecheck
from tracecheck.notebook.lives import Timeline
from tracecheck.reporters.timeline import render_text

SAMPLES = Path(__file__).resolve().parents[2] / "sample_traces"
SVG = "{http://www.w3.org/2000/svg}"
LEAK = "0xffffa818000dc2e0#2"
HOSTILE = [
    "</text><script>alert(1)</script>",
    "\x1b[31m\x00",
    "\u202egnp",
    "]]>",
    '" onload="x',
    "&lt;",
    "a\nb",
]


@pytest.fixture(scope="module")
def capture():
    """A capture with a leak."""
    return tracecheck.open(SAMPLES / "get-leak.etl")


def svg(timeline):
    """Parse the charts of a timeline."""
    return ET.fromstring(f"<all>{timeline._repr_html_()}</all>")


def texts(timeline):
    """List the texts of the charts."""
    return ["".join(each.itertext()) for each in svg(timeline).iter(f"{SVG}text")]


def losses(*stretches):
    """Make losses of (begin, end), in seconds after the start; None is an open end."""
    return [
        {
            "start": None if low is None else START + int(low * SECOND),
            "end": None if high is None else START + int(high * SECOND),
            "count": 3,
            "unit": "events",
            "sign": "buffer sequence",
        }
        for low, high in stretches
    ]


def one_life(steps, **rest):
    """An analysis of a life with so many steps, a reference taken and given back in turn."""
    call = {
        "pid": 4,
        "tid": 8,
        "context": 0x10,
        "routine": "FltReferenceContext",
        "site": rest.pop("site", "a.c:1"),
    }
    life = {
        "pointer": 0x10,
        "generation": 1,
        "birth": "allocated",
        "end": rest.pop("end", "freed"),
        "first": START,
    }
    deltas = [1 if n % 2 == 0 else -1 for n in range(steps)]
    made = [{"operation": n, "delta_owned": d, "owned": int(n % 2 == 0)} for n, d in enumerate(deltas)]
    return analysis([call] * steps, [life], made, **rest)


class TestAsked:
    """What a timeline can be asked for with."""

    def test_a_life_is_found_in_every_way(self, capture):
        """Pointer, id, and rows of findings and contexts as dict, Series, tuple and of Arrow lead to it."""
        life = capture.timeline(LEAK)
        (number,) = life.ids
        finding = capture.findings.filter(rule="L09")
        context = capture.contexts.filter(id=number)
        ways = [
            number,
            LEAK.replace("0xffffa818", "ffffa818`"),
            finding.to_arrow().select(["rule", "context_id", "operations"]).to_pylist()[0],
            finding.to_pandas().iloc[0],
            next(finding.to_pandas().itertuples()),
            context.to_pandas().iloc[0],
            context.to_arrow().select(["id", "pointer"]).to_pylist()[0],
        ]
        assert {capture.timeline(way).ids for way in ways} == {(number,)}

    def test_a_pointer_without_a_number_has_all_its_lives(self, capture):
        """Each life has its chart, in order."""
        both = capture.timeline(LEAK.partition("#")[0])
        assert len(both.ids) == 2
        titles = [text for text in texts(both) if text.startswith("stream context")]
        assert [title.split()[3] for title in titles] == ["#1", "#2"]

    @pytest.mark.parametrize(
        ("what", "words"),
        [
            ("0x9999", "no such context"),
            ("nonsense", "a context is a pointer such as"),
            ("0x10#x", "a context is a pointer such as"),
            (50, "the capture has 50 contexts"),
            (-1, "no context has this id"),
            (0xFFFFA818000DC2E0, "given as text, '0xffffa818000dc2e0'"),
            (1.5, "give a pointer as text"),
            (None, "give a pointer as text"),
            ({"rule": "M04", "context_id": None}, "of the capture itself"),
            ({}, "give a pointer as text"),
        ],
    )
    def test_what_is_no_context_is_a_usage_error(self, capture, what, words):
        """The error says what is taken."""
        with pytest.raises(tracecheck.UsageError, match=words):
            capture.timeline(what)


class TestChart:
    """The drawing."""

    def test_every_step_has_its_line(self, capture):
        """Time, change, routine and site of each step stand in a line of their own."""
        timeline = capture.timeline(LEAK)
        shown = texts(timeline)
        for row in timeline.to_pandas().itertuples():
            assert any(row.routine in text for text in shown)
            assert any(text.startswith(row.site) for text in shown)
        assert len(list(svg(timeline).iter(f"{SVG}path"))) == len(timeline) == 6

    def test_the_fault_is_marked(self, capture):
        """Of a leak the get that nobody answered, with the rules that name it; of a release the step."""
        (marked,) = [text for text in texts(capture.timeline(LEAK)) if text.startswith("SimPreRead")]
        assert {"◀", "L01", "L09"} <= set(marked.split())
        row = capture.findings.filter(rule="L09").to_pandas().iloc[0]
        (marked,) = [text for text in texts(capture.timeline(row)) if "◀" in text]
        assert marked.endswith("◀ L09")
        (marked,) = [text for text in texts(Timeline(double_release(), [0])) if "◀" in text]
        assert marked == "ctx.c:88 CtxPostClose  ◀ R02: release freed"

    @pytest.mark.parametrize(
        ("stretches", "before"),
        [
            ([(0.2, 0.5)], [1]),
            ([(None, 1.5)], [0]),
            ([(2.5, None)], [3]),
            ([(None, -1)], []),
            ([(3.5, 4)], []),
            ([(0.5, 0.6), (1.5, 1.6)], [1, 2]),
        ],
    )
    def test_gaps_stand_where_they_are(self, stretches, before):
        """A gap within a life stands before the step that follows it; what lies outside is not shown."""
        shown = texts(Timeline(one_life(4, losses=losses(*stretches)), [0]))
        lines = [text for text in shown if text.startswith(("lost", "+1", "-1"))]
        steps = [
            sum(not t.startswith("lost") for t in lines[:i]) for i, t in enumerate(lines) if t[:4] == "lost"
        ]
        assert steps == before

    def test_a_gap_behind_a_life_that_is_held_is_shown(self):
        """The release that seems to be missing may lie in it."""
        life = one_life(3, end="held", losses=losses((10, 11)))
        assert texts(Timeline(life, [0]))[-1].startswith("lost 3 events")

    def test_a_long_life_is_drawn_in_parts(self):
        """Of thousands of steps a screenful is drawn, and how many are left out is said."""
        timeline = Timeline(one_life(5_000), [0])
        shown = texts(timeline)
        assert len(timeline) == 5_000
        assert any("4,900 steps not shown" in text for text in shown)
        assert len(timeline._repr_html_()) < 200_000

    def test_many_gaps_are_counted(self):
        """Thousands of gaps do not drown the life."""
        life = one_life(4, losses=losses(*[(1.2, 1.3)] * 3_000))
        shown = texts(Timeline(life, [0]))
        assert sum(text.startswith("lost") for text in shown) == 20
        assert shown[-1] == "and 2,980 more gaps"

    @given(st.sampled_from(HOSTILE) | st.text(st.characters(exclude_categories=["Cs"])))
    def test_text_of_a_trace_is_text(self, site):
        """No name of a trace becomes an element or an attribute, or hides what it is."""
        root = svg(Timeline(one_life(2, site=site), [0]))
        known = {"all", "div", *(f"{SVG}{tag}" for tag in ("svg", "title", "text", "rect", "path", "g"))}
        assert {each.tag for each in root.iter()} <= known
        assert not any(name.startswith("on") for each in root.iter() for name in each.attrib)
        assert "".join(root.itertext()).isprintable()


class TestText:
    """The same as words and as rows."""

    def test_printed_it_is_what_the_command_shows(self, capture):
        """``str`` gives the text of `tracecheck timeline`."""
        timeline = capture.timeline(LEAK)
        assert str(timeline) == repr(timeline) == "".join(render_text(capture.analysis, timeline.ids))

    @pytest.mark.parametrize("pointer", [0, 1, 2**63, 2**64 - 1])
    def test_the_table_has_steps_and_operations(self, pointer, tmp_path):
        """Counts and calls stand side by side, pointers exact, through every door."""
        timeline = Timeline(double_release(pointer), [0])
        rows = timeline.to_arrow()
        assert rows["owned"].to_pylist() == [1, 0, 0]
        assert rows["context"].to_pylist() == [pointer] * 3
        assert rows["routine"].to_pylist() == ["FltAllocateContext", "FltReleaseContext", "FltReleaseContext"]
        assert pa.table(timeline).equals(rows)
        assert timeline.to_pandas()["context"].tolist() == [pointer] * 3
        timeline.to_parquet(tmp_path / "life.parquet")
        assert f"{pointer:#x}" in timeline._repr_html_()
