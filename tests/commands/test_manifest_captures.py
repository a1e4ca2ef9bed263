"""Manifest events through `check`: which of their layouts are known, and what is said where none is."""

import json
from uuid import UUID

import numpy as np
import pytest
from hostile import fair, run

from tracecheck.capture import analyse
from tracecheck.etl import Log, plain_rows
from tracecheck.etl.writer import LogWriter
from tracecheck.simulate import Fault, Scenario, simulate
from tracecheck.simulate.conditions import START_TICK

MANIFEST_ID, PART = 0xFFFE, 30_000
PROCESSORS = 8


@pytest.fixture
def leaky(tmp_path):
    """A run with a leak as manifest events, and its manifest."""
    path = tmp_path / "run.etl"
    simulate(Scenario(seed=4, operations=400, faults=(Fault("L01"),), returns=True), "manifest").write(path)
    return path, path.with_suffix(".man")


def checked(*arguments):
    """Check a capture; give the report and the outcome."""
    outcome = fair(run("check", "--format", "json", *arguments), 0, 1, 3)
    return json.loads(outcome.out), outcome


def with_manifest_at_end(path, manifest, out):
    """Copy the events of a log, and let each of their providers write its manifest behind them all."""
    log = LogWriter(processors=PROCESSORS, start_tick=START_TICK)
    providers, last = set(), 0
    with Log(path) as read:
        for chunk in read.chunks():
            for row in np.flatnonzero(chunk.column("id") != 0).tolist():
                of = {name: int(chunk.column(name)[row]) for name in ("cpu", "tick", "pid", "tid", "id")}
                start, size = int(chunk.column("payload")[row]), int(chunk.column("payload_size")[row])
                guid = UUID(bytes_le=chunk.column("provider")[row].tobytes())
                providers.add(guid)
                last = max(last, of["tick"])
                payload = chunk.data[start : start + size].tobytes()
                log.event(of.pop("cpu"), of.pop("tick"), provider=guid, payload=payload, **of)
    raw = manifest.read_bytes()
    parts = [raw[at : at + PART] for at in range(0, len(raw), PART)]
    for guid in providers:
        for number, part in enumerate(parts):
            head = bytes([1, 1, 0, 0x5B]) + len(parts).to_bytes(2, "little") + number.to_bytes(2, "little")
            last += 1
            log.event(0, last, pid=4, tid=8, provider=guid, id=MANIFEST_ID, payload=head + part)
    log.write(str(out))


class TestLayouts:
    """Where layouts come from."""

    def test_the_manifest_that_the_user_names(self, leaky):
        """The profile is found without asking, and the leak with it."""
        path, manifest = leaky
        report, _ = checked(path, "--manifest", manifest)
        assert {"L01", "L02"} <= {finding["rule"] for finding in report["findings"]}
        assert report["summary"]["profiles"] == ["simulated"]

    def test_the_trace_itself_where_its_manifest_stands_behind_the_events(self, leaky, tmp_path):
        """An EventSource may write its manifest last: the same findings as with --manifest."""
        path, manifest = leaky
        late = tmp_path / "late.etl"
        with_manifest_at_end(path, manifest, late)
        due, _ = checked(path, "--manifest", manifest)
        found = analyse([str(late)], profiles=["simulated"])
        rules = [
            (row["rule"], row["confidence"], f"{row['context']:#x}") for row in plain_rows(found.findings)
        ]
        assert rules == [(each["rule"], each["confidence"], each["context"]) for each in due["findings"]]

    def test_none(self, leaky):
        """Without a layout no operation is read, and the advice is to give the manifest."""
        report, outcome = checked(leaky[0], "--profile", "simulated")
        assert (report["summary"]["operations"], outcome.code) == (0, 3)
        assert "--manifest" in " ".join(report["summary"]["advice"])

    def test_one_that_is_no_manifest(self, leaky, tmp_path):
        """It is refused before the capture is read."""
        bad = tmp_path / "bad.man"
        bad.write_text("no manifest", encoding="utf-8")
        assert "bad.man" in fair(run("check", leaky[0], "--manifest", bad), 4).err
