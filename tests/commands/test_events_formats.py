"""`events`: CSV and Parquet, and whatever strings a trace holds in all four formats."""

import csv
import io
import json
import struct

import pyarrow as pa
import pytest
from events_capture import MESSAGES, POINTER, TMF, described, listed, message, run, wide, write_all
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from tracecheck.cli import main
from tracecheck.etl.writer import LogWriter
from tracecheck.reporters.events.parquet import SCHEMA
from tracecheck.reporters.events.table import COLUMNS, cell

FORMULAS = ("=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "\uff1d1")


def rows_of(lines):
    """Read CSV as a spreadsheet does."""
    return list(csv.DictReader(io.StringIO("\n".join(lines)), strict=True))


class TestCsv:
    """Rows for a spreadsheet."""

    def test_columns_are_fixed(self, tmp_path, capsys):
        """All records have all columns; pointers are hexadecimal."""
        path, tmf, manifest = write_all(tmp_path)
        out, _ = run(capsys, path, "--tmf", tmf, "--manifest", manifest, "--format", "csv")
        assert out[0] == ",".join(COLUMNS)
        rows, events = rows_of(out)[1:], listed(capsys, path, "--tmf", tmf, "--manifest", manifest)
        assert len(rows) == len(events)
        for row, event in zip(rows, events, strict=True):
            assert row["time"] == event["time"]
            assert row["text"] == event["text"]
            assert json.loads(row["fields"]) == event["fields"]
            assert row["name"] == (event.get("source") or event.get("name") or "")
            assert row["payload"] == event.get("payload", "")
            for name in ("pid", "process", "tid", "provider", "provider_name"):
                assert row[name] == ("" if event[name] is None else str(event[name]))
            for name in ("cpu", "id", "level", "opcode", "keyword"):
                assert row[name] == str(event[name])
        assert rows[1]["text"] == f"Context {POINTER:016X} set on volume \u00e9"

    @pytest.mark.parametrize("text", FORMULAS)
    def test_no_cell_is_a_formula(self, tmp_path, capsys, text):
        """What a spreadsheet would run has an apostrophe before it, wherever a trace may put it."""
        log = LogWriter()
        described(log, 1, text, text=text)
        message(log, 2, wide(text), number=10)
        log.write(tmp_path / "formula.etl")
        tmf = TMF.replace("%0Context %10!p! set on ", "%0").replace("Context, ItemPtr -- 10\n", "")
        (tmp_path / "plain.tmf").write_text(tmf.replace(" driver ", f" {text.strip()} "), encoding="utf-8")
        out, _ = run(capsys, tmp_path / "formula.etl", "--tmf", tmp_path / "plain.tmf", "--format", "csv")
        rows = rows_of(out)
        assert rows[1]["name"][0] == rows[2]["text"][0] == "'"
        for row in rows:
            assert not [value for value in row.values() if value and value[0] in "=+-@\t\r\n\uff1d"]

    @given(st.text())
    def test_a_cell_reads_as_what_it_shows(self, text):
        """A cell is one cell of one line; but for escapes and the apostrophe it is the text."""
        written = cell(text)
        assert "\n" not in written
        assert "\r" not in written
        ((read, end),) = csv.reader(io.StringIO(f"{written},end"), strict=True)
        assert end == "end"
        if text.isprintable() and text[:1] not in (
            "=",
            "+",
            "-",
            "@",
            "\uff1d",
            "\uff0b",
            "\uff0d",
            "\uff20",
        ):
            assert read == text


class TestParquet:
    """A file for notebooks."""

    def test_rows_are_those_of_json(self, tmp_path, capsys):
        """Times, numbers, strings, JSON fields and bytes come back as they are, in the order of time."""
        path, tmf, manifest = write_all(tmp_path)
        file = tmp_path / "events.parquet"
        arguments = [path, "--tmf", tmf, "--manifest", manifest]
        run(capsys, *arguments, "--format", "parquet", "-o", file)
        table = parquet.read_table(file)
        assert table.schema.equals(SCHEMA)
        times = table.column("time").cast(pa.int64()).to_pylist()
        rows = table.drop_columns("time").to_pylist()[1:]
        assert times == sorted(times)
        events = listed(capsys, *arguments)
        assert len(rows) == len(events)
        for row, event in zip(rows, events, strict=True):
            assert json.loads(row["fields"]) == event["fields"]
            assert row["payload"] == (bytes.fromhex(event["payload"]) if "payload" in event else None)
            assert f"{row['keyword']:#x}" == event["keyword"]
            assert row["name"] == event.get("source", event.get("name"))
            for name in (
                "cpu",
                "pid",
                "tid",
                "process",
                "kind",
                "provider",
                "provider_name",
                "id",
                "level",
                "text",
            ):
                assert row[name] == event[name]

    def test_a_large_capture_has_several_row_groups(self, corpus, tmp_path, capsys):
        """Memory is bounded by row groups; every record is there once."""
        file = tmp_path / "large.parquet"
        trace = corpus / "etl" / "DynamicEvents.etl"
        many = tmp_path / "many.etl"
        log = LogWriter(buffer_size=65536)
        for tick in range(40_000):
            message(log, tick, b"", number=tick & 0xFF)
        log.write(many)
        run(capsys, many, "--format", "parquet", "-o", file)
        meta = parquet.read_metadata(file)
        assert (meta.num_rows, meta.num_row_groups) == (40_001, 2)
        run(capsys, trace, "--format", "parquet", "-o", file)
        expected = json.loads((corpus / "expected.json").read_text(encoding="utf-8"))
        assert parquet.read_metadata(file).num_rows == expected["etl/DynamicEvents.etl"]["events"]

    def test_the_capture_is_not_overwritten(self, tmp_path, capsys):
        """A result never replaces what it was made of; what can't be written is a usage error."""
        path, _, _ = write_all(tmp_path)
        before = path.read_bytes()
        for output in (path, tmp_path / "no" / "such" / "folder.parquet"):
            assert main(["events", str(path), "--format", "parquet", "-o", str(output)]) == 2
        assert path.read_bytes() == before
        assert "one of the files that are read" in capsys.readouterr().err


ANY = st.text(
    st.characters(exclude_characters="\0", exclude_categories=["Cs"])
    | st.sampled_from(
        ["\x1b", "\n", "\r", "\t", "\x07", "\u202e", "\u2028", '"', "'", ",", "=", "%", "\\", "\x9b"]
    ),
    max_size=30,
)


class TestHostileStrings:
    """Names and values are the trace's: nothing of them is run, lost or taken for structure."""

    @given(name=ANY, text=ANY)
    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25, deadline=None)
    def test_in_every_format(self, tmp_path, capsys, name, text):
        """A line a record, none that steers a terminal; JSON and Parquet give the strings back exactly."""
        log = LogWriter()
        described(log, 1, name, text=text)
        message(log, 2, struct.pack("<Q", POINTER) + wide(text))
        log.system(0, 3, group=0x0A, opcode=0x20, pid=4, tid=8, payload=bytes(8) + text.encode() + b"\0")
        path, tmf, file = tmp_path / "any.etl", tmp_path / "any.tmf", tmp_path / "any.parquet"
        log.write(path)
        tmf.write_text(TMF, encoding="utf-8")
        arguments = [path, "--tmf", tmf]
        for form, lines in (("text", 4), ("csv", 5), ("jsonl", 4)):
            out, _ = run(capsys, *arguments, "--format", form)
            assert len(out) == lines
            assert all(line.isprintable() for line in out)
        described_event, sentence, _ = listed(capsys, *arguments)
        assert (described_event["name"], described_event["fields"]["File"]) == (name, text)
        assert sentence["text"] == f"Context {POINTER:016X} set on {text}"
        run(capsys, *arguments, "--format", "parquet", "-o", file)
        assert parquet.read_table(file).column("text")[2].as_py() == sentence["text"]

    def test_a_format_that_multiplies_is_bounded(self, tmp_path, capsys):
        """A definition that shows one long string a thousand times does not take the memory of all texts."""
        log = LogWriter(buffer_size=65536)
        for tick in range(200):
            message(log, tick, wide("x" * 3000))
        path, tmf = tmp_path / "many.etl", tmp_path / "many.tmf"
        log.write(path)
        lines = TMF.splitlines()
        body = f'#typev create_c12 10 "%0{"%10!s!" * 400}" // FUNC=Set\n{{\nName, ItemWString -- 10\n}}\n'
        tmf.write_text(f"{lines[1]}\n{body}", encoding="utf-8")
        out, _ = run(capsys, path, "--tmf", tmf, "--provider", str(MESSAGES))
        assert len(out) == 200
        assert {len(line) for line in out} == {len(out[0])}
        assert len(out[0]) > 200_000
