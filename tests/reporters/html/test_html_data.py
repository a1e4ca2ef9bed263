"""What is packed into the HTML page is what the tables hold."""

import json
import zlib
from base64 import b64decode
from dataclasses import replace

import numpy as np
import pytest
from handmade import analysis, double_release, table
from hypothesis import given, settings
from hypothesis import strategies as st
from unpacked import Page
from unpacked import table as unpack

from tracecheck.capture import analyse
from tracecheck.reporters.common import rows
from tracecheck.reporters.html import render
from tracecheck.reporters.html.codes import distinct, distinct_rows
from tracecheck.reporters.html.data import Column, json_block, table_block
from tracecheck.reporters.html.findings import Findings
from tracecheck.rules.table import FINDINGS

SIGNED = st.lists(st.integers(-(2**63), 2**63 - 1))
POINTERS = st.lists(st.sampled_from([0, 1, 2**63, 2**64 - 1]) | st.integers(0, 2**64 - 1))


def page(result, **options):
    """Render and read back."""
    return Page("".join(render(result, **options)))


class TestBlocks:
    """Columns of numbers."""

    @given(SIGNED, st.booleans())
    def test_signed_numbers_come_back(self, values, narrow):
        """Any int64 is exact, and small numbers take a byte."""
        values = [value % 100 for value in values] if narrow else values
        raw = zlib.decompress(b64decode(table_block({"a": np.array(values, np.int64)})))
        assert unpack(raw) == {"a": values}
        if narrow:
            assert json.loads(raw[4 : 4 + int.from_bytes(raw[:4], "little")])["columns"][0][1] == 1

    @given(POINTERS)
    def test_pointers_come_back(self, values):
        """Pointers are exact over all 64 bits, stored as they are or as differences."""
        array = np.array(values, np.uint64)
        raw = zlib.decompress(b64decode(table_block({"a": array, "b": Column(array, differences=True)})))
        assert unpack(raw) == {"a": values, "b": values}

    @given(st.text() | st.lists(st.characters(categories=["Cs"])))
    def test_text_comes_back(self, value):
        """Any text is packed as it is, lone surrogates too, and base64 holds no character of markup."""
        block = json_block(value)
        assert json.loads(zlib.decompress(b64decode(block))) == value
        assert not set(block) & set("<>&'\"")


class TestCodes:
    """Columns that repeat."""

    @given(SIGNED.map(lambda values: [value // 4 for value in values]) | st.lists(st.integers(-5, 5)))
    def test_values_are_numbered(self, values):
        """A table and a sort give the same numbers as numpy's own."""
        found, places = distinct(np.array(values, np.int64))
        expected, back = np.unique(np.array(values, np.int64), return_inverse=True)
        assert (found.tolist(), places.tolist()) == (expected.tolist(), back.tolist())

    @given(st.lists(st.tuples(st.integers(-3, 3), st.integers(0, 2**40), st.integers(0, 1))))
    def test_rows_are_numbered(self, cells):
        """Rows have the same number if, and only if, they are the same; each names a row."""
        columns = [np.array([cell[i] for cell in cells], np.int64) for i in range(3)]
        codes, where = distinct_rows(columns)
        assert [cells[where[code]] for code in codes] == cells
        assert len(where) == len(set(cells))


@pytest.fixture(
    scope="module", params=["crowded", "get-leak", "two-generations", "late-start", "lost-events"]
)
def sample(request):
    """A sample trace, and the page of it."""
    path = f"sample_traces/{request.param}.etl"
    result = analyse([str(request.config.rootpath / path)])
    return result, page(result)


class TestTables:
    """The page's tables against the analysis."""

    def test_contexts(self, sample):
        """Every context is there with its pointer, times, names and counts."""
        result, found = sample
        for life, row in enumerate(rows(result.contexts)):
            packed = {name: cells[life] for name, cells in found.contexts.items()}
            for name in ("birth", "end", "site"):
                packed[name] = found.word(packed[name])
            first = packed["first"]
            packed["first"] = found.time(first)
            packed["last"] = found.time(first + packed.pop("length"))
            packed["freed"], packed["object_gone"] = (
                found.when(name, life) for name in ("freed", "object_gone")
            )
            assert packed.pop("steps") == row["operations"]
            assert packed == {name: value for name, value in row.items() if name != "id"}

    def test_steps(self, sample):
        """Every step is there in replay order with its operation and counts."""
        result, found = sample
        operations = rows(result.operations)
        expected = {}
        for step in rows(result.steps):
            expected.setdefault(step["context"], []).append((step, operations[step["operation"]]))
        packed = found.steps()
        assert packed.keys() == expected.keys()
        for life, steps in expected.items():
            for (step, operation), seen in zip(steps, packed[life], strict=True):
                del seen["at"]
                assert (seen.pop("fault") or "") == step["fault"]
                for name, value in seen.items():
                    assert value == (step[name] if name in step else operation[name]), name

    def test_findings(self, sample):
        """Every finding is there, in the right case, with the steps that prove it."""
        result, found = sample
        kept = [row for row in rows(result.findings) if row["context_id"] is not None]
        columns = found.findings
        assert sum(life is not None for life in columns["context_id"]) == len(kept)
        steps = found.steps()
        operations = rows(result.operations)
        for place, row in enumerate(columns["context_id"]):
            if row is None:
                continue
            match = next(
                each
                for each in kept
                if (each["context_id"], each["rule"], each["message"])
                == (row, columns["rule"][place], columns["message"][place])
            )
            for step, operation in zip(columns["proof"][place], match["operations"], strict=True):
                seen = steps[row][step]["time"] if step >= 0 else found.time(found.loose["time"][-1 - step])
                assert seen == operations[operation]["time"]
            members = next(case for case in columns["cases"] if place in case)
            assert {columns["context_id"][each] for each in members} == {row}
        listed = [at for _, members in columns["groups"] for at in members]
        assert sorted(listed) == list(range(len(columns["cases"])))


class TestLimits:
    """What is left out of a large page."""

    def test_lives_with_findings_are_whole(self, request):
        """However few steps there may be, those of faulty lives are there, and the page states the limit."""
        result = analyse([str(request.config.rootpath / "sample_traces/get-leak.etl")])
        found = page(result, most_steps=30)
        faulty = {row["context_id"] for row in rows(result.findings)} - {None}
        shown = {life for life, number in enumerate(found.contexts["steps"]) if number}
        assert faulty
        assert faulty <= shown
        healthy = sum(found.contexts["steps"][life] for life in shown - faulty)
        assert healthy <= 30
        assert found.meta["most_steps"] == 30
        assert found.meta["whole"] == len(shown) < result.contexts.num_rows

    def test_more_findings_than_there_is_room_for(self):
        """The worst ones stay; the counts of causes are those of all."""
        kinds = [("note", "M01"), ("error", "L01"), ("error", "L01")]
        cells = [
            {
                "rule": rule,
                "severity": severity,
                "confidence": "definite",
                "context_id": i,
                "context": i,
                "signature": rule,
            }
            for i, (severity, rule) in enumerate(kinds)
        ]
        contexts = [{"id": i, "pointer": i} for i in range(3)]
        columns = Findings(analysis(contexts=contexts, findings=cells), most=1).columns()
        assert (columns["rule"], columns["total"]) == (["L01"], 3)
        assert columns["groups"] == [[2, [0]]]

    def test_nothing_at_all(self):
        """A capture without operations has a page too."""
        found = page(analysis())
        assert found.contexts["pointer"] == []
        assert found.steps() == {}

    @settings(max_examples=20)
    @given(st.lists(st.sampled_from([0, 1, 2**63, 2**64 - 1]), min_size=1, unique=True))
    def test_pointers_at_the_edges(self, pointers):
        """Pointers 0, 1, 2^63 and 2^64-1 survive in contexts, findings and loose operations."""
        contexts = [{"id": i, "pointer": value} for i, value in enumerate(pointers)]
        findings = [
            {
                "rule": "M04",
                "severity": "note",
                "confidence": "possible",
                "context_id": i,
                "context": value,
                "operations": [i],
            }
            for i, value in enumerate(pointers)
        ]
        operations = [{"order": i, "context": value, "has_context": True} for i, value in enumerate(pointers)]
        found = page(analysis(contexts=contexts, findings=findings, operations=operations))
        assert found.contexts["pointer"] == pointers
        assert sorted(found.findings["context"]) == sorted(f"{value:x}" for value in pointers)
        assert sorted(found.loose["pointer"]) == sorted(pointers)

    def test_a_finding_of_the_capture(self):
        """A finding without a context names its operations as loose ones."""
        result = double_release()
        row = {
            "rule": "M04",
            "severity": "note",
            "confidence": "possible",
            "operations": [1],
            "message": "odd",
        }
        found = page(replace(result, findings=table(FINDINGS, [row])))
        assert found.findings["proof"] == [[-1]]
        assert found.findings["cases"] == [[0]]
        assert len(found.loose["time"]) == 1
