"""Records in a notebook: read when asked for, batch by batch, and numbered as operations name them."""

import tracemalloc
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

import tracecheck
from tracecheck.etl import open_log
from tracecheck.etl.reader import CHUNK
from tracecheck.etl.writer import LogWriter
from tracecheck.simulate.tracelogging import PROVIDER

SAMPLES = Path(__file__).resolve().parents[2] / "sample_traces"
CAPTURE = SAMPLES / "get-leak.etl"
TEXT = "".join(f"[0]0004.0098::01/02/2026-03:04:05.{n:03d} [drv]line {n}\n" for n in range(50))


@pytest.fixture
def log(tmp_path):
    """Write a text log of tracefmt."""
    path = tmp_path / "log.txt"
    path.write_text(TEXT)
    return path


class TestTraces:
    """Records of .etl files."""

    def test_records_are_those_of_the_reader(self):
        """Every column that means something outside its chunk has the values that the reader gives."""
        found = tracecheck.open(CAPTURE).records.to_arrow()
        with open_log(CAPTURE) as opened:
            raw = pa.Table.from_batches([chunk.records for chunk in opened.chunks()])
        same = set(raw.column_names) & set(found.column_names) - {"kind", "provider"}
        assert len(same) > 15
        assert found.select(sorted(same)).equals(raw.select(sorted(same)))
        assert found["record"].to_pylist() == list(range(len(raw)))

    def test_an_operation_names_its_record(self):
        """The record that an operation names was logged at that time by that thread; also in later files."""
        capture = tracecheck.open([SAMPLES / "healthy.etl", CAPTURE])
        records = capture.records.to_arrow()
        operations = capture.operations.to_arrow()
        place = operations["record"].to_numpy()
        assert set(records["file"].to_numpy()[place].tolist()) == {0, 1}
        for name in ("tick", "cpu", "tid"):
            assert np.array_equal(records[name].to_numpy()[place], operations[name].to_numpy())

    def test_names_are_names(self):
        """Kinds and providers are text: a GUID as everywhere else."""
        records = tracecheck.open(CAPTURE).records.to_pandas()
        assert set(records["kind"]) == {"SYSTEM64", "EVENT64"}
        assert "c64d51f2-edf4-50f1-4e59-a52a745ca35b" in set(records["provider"])

    def test_payloads_come_when_they_are_asked_for(self):
        """Each payload has the size that its record tells."""
        (batch,) = list(tracecheck.open(CAPTURE).records.batches(payload=True))
        lengths = [len(payload) for payload in batch.column("payload").to_pylist()]
        assert lengths == batch.column("payload_size").to_pylist()
        assert sum(lengths) > 0

    def test_every_door_gives_the_same_rows(self, tmp_path):
        """The stream, Parquet and the table agree, and streaming a second time begins anew."""
        records = tracecheck.open(CAPTURE).records
        table = records.to_arrow()
        records.to_parquet(tmp_path / "records.parquet")
        assert pa.table(records).to_pydict() == table.to_pydict()
        assert parquet.read_table(tmp_path / "records.parquet").to_pydict() == table.to_pydict()
        assert len(records) == table.num_rows

    def test_showing_reads_no_more_than_it_shows(self):
        """The first rows are shown; how many there are is said once they were counted."""
        records = tracecheck.open(CAPTURE).records
        assert "records</b>: the first rows" in records._repr_html_()
        assert len(records) == 645
        assert "records</b>: 645 rows" in records._repr_html_()

    def test_memory_does_not_grow_with_the_file(self, tmp_path):
        """A file streams in the memory of a few chunks, payloads and all."""
        log = LogWriter(buffer_size=65536)
        payload = bytes(30_000)
        for number in range(4_000):
            log.event(0, number + 1, pid=4, tid=8, provider=PROVIDER, payload=payload)
        path = tmp_path / "large.etl"
        log.write(str(path))
        del log
        records = tracecheck.open(path).records
        tracemalloc.start()
        try:
            assert sum(batch.num_rows for batch in records.batches(payload=True)) == 4_001
            assert tracemalloc.get_traced_memory()[1] < 6 * CHUNK < path.stat().st_size / 2
        finally:
            tracemalloc.stop()


class TestTextLogs:
    """Records of text logs."""

    def test_messages_are_records(self, log):
        """A line is a row with its number, time, thread and text."""
        rows = tracecheck.open(log).records.to_pandas()
        assert rows["text"].tolist() == [f"line {n}" for n in range(50)]
        assert rows["record"].tolist() == list(range(1, 51))
        assert set(rows["tid"]) == {0x98}

    def test_mixed_captures_are_told_apart(self, log):
        """Traces and text logs have not the same columns, and the error says so."""
        capture = tracecheck.open([log, CAPTURE])
        with pytest.raises(tracecheck.UsageError, match="different records"):
            len(capture.records)
