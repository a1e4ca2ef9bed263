"""Tables of a notebook: pointers survive every door, text is harmless, what is missing is said."""

import subprocess
import sys
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from handmade import analysis, double_release
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from tracecheck.errors import UsageError
from tracecheck.notebook.cells import hex_columns
from tracecheck.notebook.table import Table
from tracecheck.operations import OPERATIONS
from tracecheck.replay import CONTEXTS, STEPS
from tracecheck.rules import FINDINGS

POINTERS = [0, 1, 2**63, 2**64 - 1]
HOSTILE = st.text(st.characters(), max_size=40) | st.sampled_from(
    ["<script>alert(1)</script>", "\x1b[31m", "=1+1", "\u202egnp", '"><img src=x onerror=x>', "a\nb", "&amp;"]
)


def every(pointer=0x10):
    """The tables of an analysis, by name."""
    found = double_release(pointer)
    return {name: getattr(found, name) for name in ("operations", "contexts", "steps", "losses", "findings")}


class Stranger:
    """Something that knows Arrow only by its C stream."""

    def __init__(self, stream):
        self._stream = stream

    def __arrow_c_stream__(self, requested_schema=None):
        return self._stream


class Tags(HTMLParser):
    """The tags, the attributes and the text of a piece of HTML."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.text = set(), set(), []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        """Take a tag."""
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data):
        """Take a text."""
        self.text.append(data)


class TestPointers:
    """No way out of a table rounds a pointer."""

    @pytest.mark.parametrize("pointer", POINTERS)
    @pytest.mark.parametrize(
        "convert",
        [
            lambda table, _: table.to_arrow(),
            lambda table, _: pa.table(Stranger(table.__arrow_c_stream__())),
            lambda table, _: pa.Table.from_pandas(table.to_pandas(), preserve_index=False),
            lambda table, path: (table.to_parquet(path), parquet.read_table(path))[1],
        ],
        ids=["arrow", "stream", "pandas", "parquet"],
    )
    def test_each_pointer_of_every_table_survives(self, pointer, convert, tmp_path):
        """Through Arrow, its C stream, pandas and Parquet every column gives the values that it had."""
        for name, table in every(pointer).items():
            found = convert(Table(table, name), tmp_path / "table.parquet")
            assert found.to_pydict() == table.to_pydict()
            assert [found.schema.field(f.name).type for f in table.schema if f.type == pa.uint64()] == [
                f.type for f in table.schema if f.type == pa.uint64()
            ]

    @pytest.mark.parametrize("pointer", POINTERS)
    def test_neighbours_stay_apart_where_null_stands_beside_them(self, pointer):
        """A column of pointers with a null keeps its 64 bits; default pandas would make it float64."""
        beside = pointer ^ 1
        table = pa.table({"context": pa.array([pointer, None, beside], pa.uint64())})
        frame = Table(table, "findings").to_pandas()
        assert frame["context"].dtype == pd.ArrowDtype(pa.uint64())
        assert frame["context"].dropna().tolist() == [pointer, beside]
        assert (frame["context"] == np.uint64(pointer)).sum() == 1

    @pytest.mark.parametrize("pointer", POINTERS)
    def test_pointers_can_be_read(self, pointer):
        """As text they are the same as in every other output; in HTML too."""
        table = Table(every(pointer)["contexts"], "contexts")
        assert table.to_pandas(hex_pointers=True)["pointer"].tolist() == [f"{pointer:#x}"]
        assert f">{pointer:#x}</td>" in table._repr_html_()

    @pytest.mark.parametrize("pointer", POINTERS)
    def test_rows_are_found_by_pointer(self, pointer):
        """A filter takes the number and its text."""
        table = Table(every(pointer)["contexts"], "contexts")
        assert len(table.filter(pointer=pointer)) == len(table.filter(pointer=f"{pointer:#x}")) == 1
        assert len(table.filter(pointer=pointer ^ 1)) == 0

    def test_what_is_a_pointer_is_known_of_every_column(self):
        """Identities are hexadecimal, counts and numbers are not."""
        plain = {"sequence", "record", "order", "context_id", "generation", "owned", "tid", "id", "operation"}
        for schema in (OPERATIONS, CONTEXTS, STEPS, FINDINGS):
            assert not hex_columns(schema) & plain
        assert {"context", "object", "status"} <= hex_columns(OPERATIONS)
        assert {"pointer", "filter"} <= hex_columns(CONTEXTS)
        assert not hex_columns(STEPS)


class TestPandas:
    """What pandas gets."""

    def test_every_column_has_a_type_of_arrow(self):
        """No column goes through numpy, and names can be sorted, searched and grouped."""
        frame = Table(every()["operations"], "operations").to_pandas()
        assert all(isinstance(kind, pd.ArrowDtype) for kind in frame.dtypes)
        assert frame.sort_values("routine")["routine"].tolist()[0] == "FltAllocateContext"
        assert frame["routine"].str.contains("Release").sum() == 2
        assert frame.groupby("routine").size().to_dict() == {"FltAllocateContext": 1, "FltReleaseContext": 2}

    def test_times_keep_their_nanoseconds(self):
        """A time is exact and knows its zone."""
        table = every()["operations"]
        frame = Table(table, "operations").to_pandas()
        assert frame["time"].astype("int64[pyarrow]").tolist() == table["time"].cast(pa.int64()).to_pylist()

    def test_tables_without_rows_become_frames_without_rows(self):
        """Nothing found is no special case."""
        empty = analysis()
        for name in ("operations", "contexts", "steps", "losses", "findings"):
            table = Table(getattr(empty, name), name)
            assert table.to_pandas().shape == (0, len(table.schema))
            assert "0 rows" in table._repr_html_()

    @pytest.mark.parametrize(
        ("library", "call"),
        [
            ("pandas", "capture.findings.to_pandas()"),
            ("pandas", "capture.records.to_pandas()"),
            ("plotly", "capture.plot_live()"),
            ("plotly", "capture.plot_lifetimes()"),
        ],
    )
    def test_a_missing_library_is_named_with_its_extra(self, library, call):
        """Without pandas or plotly the rest works, and what needs them says how to get them."""
        code = f"""
import sys
from importlib.abc import MetaPathFinder
class Missing(MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == {library!r}: raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Missing())
import tracecheck
capture = tracecheck.open("sample_traces/healthy.etl")
print(capture.verdict.word, len(capture.contexts._repr_html_()) > 0, len(str(capture.timeline(0))) > 0)
try:
    {call}
except tracecheck.UsageError as error:
    print(error)
"""
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        first, second = done.stdout.splitlines()
        assert first == "clean True True"
        assert second.endswith(f'needs {library}: pip install "tracecheck[notebook]"')


class TestShown:
    """What a notebook shows of a table."""

    @given(HOSTILE, HOSTILE)
    def test_text_of_a_trace_is_text(self, site, message):
        """Whatever stands in a trace, no tag, attribute or hidden character comes of it."""
        operations = pa.table({"site": [site.encode("utf-8", "replace").decode()]})
        findings = pa.table({"message": [message.encode("utf-8", "replace").decode()]})
        for table in (operations, findings):
            shown = Tags(Table(table, "rows")._repr_html_())
            assert shown.tags <= {"div", "p", "b", "table", "thead", "tbody", "tr", "th", "td"}
            assert shown.attributes <= {"style"}
            assert all(text.isprintable() for text in shown.text)

    def test_the_first_rows_and_the_number_of_all_are_shown(self):
        """A table of any size is a screen in a notebook."""
        table = Table(pa.table({"id": list(range(2_000))}), "contexts")
        shown = table._repr_html_()
        assert "2,000 rows, the first 10 shown" in shown
        assert shown.count("<tr>") == 11
        assert (len(table), repr(table)) == (2_000, "<contexts: 2,000 rows, 1 column>")


class TestFilter:
    """Choosing rows."""

    def test_values_lists_null_and_expressions_choose(self):
        """All conditions must hold; a list is any of its values."""
        table = Table(every()["operations"], "operations")
        assert len(table.filter(routine="FltReleaseContext")) == 2
        assert len(table.filter(routine=["FltReleaseContext", "FltAllocateContext"], cpu=3)) == 1
        assert len(table.filter(status=None)) == 2
        assert len(table.filter(status=[0, None])) == 3
        assert len(table.filter(pc.field("order") > 0, routine="FltAllocateContext")) == 0

    @pytest.mark.parametrize(
        ("wanted", "words"),
        [
            ({"rutine": "x"}, "operations has no such column; it has order, "),
            ({"context": -1}, "is not of its type uint64"),
            ({"context": "xyz"}, "is not of its type uint64"),
            ({"cpu": 1 << 16}, "is not of its type uint16"),
            ({"routine": 7}, "is not of its type string"),
        ],
    )
    def test_a_wrong_request_is_a_usage_error(self, wanted, words):
        """A slip names the column and what it takes."""
        with pytest.raises(UsageError, match=words):
            Table(every()["operations"], "operations").filter(**wanted)

    def test_a_file_that_can_not_be_written_is_a_usage_error(self, tmp_path):
        """The error names the file."""
        with pytest.raises(UsageError, match=r"nowhere.*can't be written"):
            Table(every()["steps"], "steps").to_parquet(tmp_path / "nowhere" / "steps.parquet")
