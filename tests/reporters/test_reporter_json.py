"""`check --format json`: names that other programs rely on, and pointers to the last bit."""

import json
from dataclasses import replace

import pyarrow as pa
import pytest
from handmade import SECOND, START, analysis, double_release, with_stacks
from hypothesis import given
from hypothesis import strategies as st

from tracecheck.capture import Verdict
from tracecheck.reporters.json_report import render

U64 = st.integers(0, 2**64 - 1)


def parsed(result):
    """Render a report and reads it back."""
    return json.loads("".join(render(result)))


class TestWholeReports:
    """Whole objects."""

    def test_a_double_release(self):
        """A finding has its names, its proof with the faulty operation first, and exact times."""
        report = parsed(double_release())
        (found,) = report["findings"]
        proof = found.pop("operations")
        blame = found.pop("blame")
        assert (blame["kind"], blame["site"], blame["confidence"]) == ("over-release", "ctx.c:88", "possible")
        assert found == {
            "rule": "R02",
            "severity": "error",
            "confidence": "probable",
            "reasons": ["the capture has no CaptureStart event"],
            "context": "0xffffae0512340010",
            "generation": 1,
            "context_id": 0,
            "context_type": "stream",
            "time": "2026-01-02T03:04:07.000000006Z",
            "message": "released after it was free",
            "signature": "R02:stream:FltReleaseContext:CtxPostClose",
        }
        assert [(call["order"], call["routine"], call["site"], call["status"]) for call in proof] == [
            (2, "FltReleaseContext", "ctx.c:88", None),
            (1, "FltReleaseContext", "ctx.c:70", None),
            (0, "FltAllocateContext", "ctx.c:20", "0x0"),
        ]

    def test_the_summary(self):
        """The summary counts, names what is missing and gives the verdict."""
        losses = [
            {"cpu": 1, "start": START, "count": 3, "unit": "events", "sign": "buffer flag", "detail": "d"}
        ]
        verdict = Verdict("inconclusive", ("why",), ("what",))
        report = parsed(
            analysis(losses=losses, verdict=verdict, warnings=("w",), records=9, paths=("a.etl", "b.etl"))
        )
        assert report == {
            "captures": ["a.etl", "b.etl"],
            "findings": [],
            "summary": {
                "verdict": "inconclusive",
                "reasons": ["why"],
                "advice": ["what"],
                "weaknesses": [],
                "findings": {
                    "total": 0,
                    "severity": {"error": 0, "warning": 0, "note": 0},
                    "confidence": {"definite": 0, "probable": 0, "possible": 0},
                    "rules": {},
                },
                "contexts": 0,
                "context_types": {},
                "operations": 0,
                "records": 9,
                "losses": [
                    {
                        "cpu": 1,
                        "start": "2026-01-02T03:04:05.000000006Z",
                        "end": None,
                        "count": 3,
                        "unit": "events",
                        "sign": "buffer flag",
                        "detail": "d",
                    }
                ],
                "marks": [],
                "warnings": ["w"],
                "profiles": [],
                "notes": [],
            },
        }

    def test_types_tell_how_their_contexts_ended(self):
        """Each type says how many lives it had and how they ended, those of no known type too."""
        ends = [(8, "freed"), (8, "held"), (8, "freed"), (0x10, "attached"), (0, "reused"), (0x80, "freed")]
        contexts = [{"id": i, "context_type": kind, "end": end} for i, (kind, end) in enumerate(ends)]
        none = {"freed": 0, "reused": 0, "attached": 0, "held": 0}
        assert parsed(analysis(contexts=contexts))["summary"]["context_types"] == {
            "unknown": {"lives": 1, **none, "reused": 1},
            "stream": {"lives": 3, **none, "freed": 2, "held": 1},
            "stream handle": {"lives": 1, **none, "attached": 1},
            "0x80": {"lives": 1, **none, "freed": 1},
        }

    def test_a_finding_of_the_capture_itself_has_no_context(self):
        """What is not of one context says null, not zero."""
        note = {"rule": "M04", "severity": "note", "confidence": "definite", "message": "m", "signature": "s"}
        (found,) = parsed(analysis(findings=[note]))["findings"]
        names = ("context", "generation", "context_id", "context_type", "time")
        assert [found[name] for name in names] == [None] * 5


class TestInvariants:
    """What holds for every analysis."""

    @given(st.lists(U64, min_size=1, max_size=4, unique=True))
    def test_neighbouring_pointers_stay_apart(self, pointers):
        """Every pointer comes back to the last bit, whatever its neighbours are."""
        neighbours = [near % 2**64 for value in pointers for near in (value, value + 1)]
        rows = [
            {
                "rule": "R02",
                "severity": "error",
                "confidence": "definite",
                "context": value,
                "time": START + i,
            }
            for i, value in enumerate(neighbours)
        ]
        assert [
            int(found["context"], 16) for found in parsed(analysis(findings=rows))["findings"]
        ] == neighbours

    @pytest.mark.parametrize("pointer", [0, 1, 2**63, 2**64 - 1])
    def test_the_ends_of_the_range_are_exact(self, pointer):
        """A NULL that was logged is "0x0", not null; the highest pointer is not rounded."""
        (found,) = parsed(double_release(pointer))["findings"]
        assert found["context"] == f"{pointer:#x}"
        assert {call["context"] for call in found["operations"]} == {f"{pointer:#x}"}
        assert {call["old_context"] for call in found["operations"]} == {None}

    @given(st.text(st.characters(exclude_categories=["Cs"])))
    def test_text_of_a_trace_comes_back_whole(self, evil):
        """JSON keeps every character, and no byte of it steers a terminal."""
        plain = double_release()
        messages = pa.array([evil], pa.string())
        place = plain.findings.schema.get_field_index("message")
        field = plain.findings.schema.field("message")
        pieces = "".join(render(replace(plain, findings=plain.findings.set_column(place, field, messages))))
        assert pieces.replace("\n", "").isprintable()
        assert pieces.isascii()
        assert json.loads(pieces)["findings"][0]["message"] == evil

    def test_findings_are_in_one_order(self):
        """However the rules gave them, the worst, surest and earliest findings come first."""
        rows = [
            {"rule": rule, "severity": severity, "confidence": confidence, "time": START + later * SECOND}
            for rule, severity, confidence, later in (
                ("A", "note", "definite", 0),
                ("B", "error", "possible", 0),
                ("C", "error", "definite", 2),
                ("D", "error", "definite", 1),
                ("E", "warning", "probable", 0),
            )
        ]
        orders = [
            [found["rule"] for found in parsed(analysis(findings=some))["findings"]]
            for some in (rows, rows[::-1])
        ]
        assert orders == [["D", "C", "B", "E", "A"]] * 2


class TestStacks:
    """Stacks that were logged with the calls."""

    def test_a_stack_is_a_list_of_frames(self):
        """Operations with a stack have its frames, others null; without the column there is no key."""
        found = with_stacks(double_release(), [["A (a.c:1)", "x.sys+0x1"], None, ["B (b.c:2)"]])
        (finding,) = parsed(found)["findings"]
        assert [each["stack"] for each in finding["operations"]] == [
            ["B (b.c:2)"],
            None,
            ["A (a.c:1)", "x.sys+0x1"],
        ]
        (plain,) = parsed(double_release())["findings"]
        assert all("stack" not in each for each in plain["operations"])

    @pytest.mark.parametrize("name", ["stack", "process"])
    def test_a_field_of_the_providers_own_is_not_taken_for_it(self, name):
        """A column that has the name and another type is not shown."""
        found = double_release()
        own = found.operations.append_column(name, pa.array([7, 8, 9]))
        assert parsed(replace(found, operations=own)) == parsed(found)
