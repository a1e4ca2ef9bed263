"""What the kernel's events give operations, against what the simulator's drivers would have logged."""

import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest

from tracecheck.etl import LOSSES, open_log
from tracecheck.operations import CanonicalReader, assemble
from tracecheck.operations.surroundings import Surroundings
from tracecheck.simulate import Fault, Scenario, simulate
from tracecheck.simulate.driver import NAMES
from tracecheck.simulate.images import Images

OTHERS = {"ContextCleanup", "FilterUnload", "FltUnregisterFilter", "InstanceTeardownComplete"}


class Places:
    """Places of PDBs that a test names."""

    def __init__(self, *places, servers=()):
        self.places, self.servers = places, servers

    def symbol_places(self):
        return self.places, self.servers


def read(path, sources=None, chunk=64 << 20, strip=("major", "phase", "function", "site"), losses=None):
    """Read a capture twice: as the driver logged it, and as if it had logged less."""
    reader, around, first = CanonicalReader(), Surroundings(sources or Places()), 0
    with open_log(path) as log:
        for part in log.chunks(chunk):
            reader.add(part, first)
            around.add(part, first, log.header.pointer_size)
            first += len(part.records)
        losses = log.losses() if losses is None else losses
    truth = assemble(reader.rows, reader.names)
    poor = truth
    for name in strip:
        field = truth.schema.field(name)
        empty = pa.array([None] * len(truth), pa.string() if name in ("function", "site") else field.type)
        poor = poor.set_column(truth.schema.get_field_index(name), field, empty.cast(field.type))
    return truth, around.finish(poor, losses), around


def written(tmp_path, **more):
    """Simulate a capture with the kernel's events."""
    path = tmp_path / "kernel.etl"
    simulate(Scenario(**({"operations": 600} | more)), kernel_events=True).write(path)
    return path


class TestPositions:
    """Major function and phase."""

    @pytest.mark.parametrize("seed", range(6))
    @pytest.mark.parametrize("pointer_size", [8, 4])
    def test_they_are_those_that_the_driver_logs(self, seed, pointer_size, tmp_path):
        """Where both tell, they agree; nearly nothing that the driver tells is left out."""
        path = written(
            tmp_path, seed=seed, pointer_size=pointer_size, drivers=1 + seed % 2, faults=(Fault("R01"),)
        )
        truth, filled, _ = read(path)
        due, missing = 0, 0
        for row, got in zip(truth.to_pylist(), filled.to_pylist(), strict=True):
            expected = (row["major"], min(row["phase"], 2) if row["phase"] else None)
            if row["routine"] in OTHERS:
                assert (got["major"], got["phase"]) == (None, None)
            elif row["major"] is not None and row["phase"] is not None:
                due += 1
                missing += got["major"] is None
                assert (got["major"], got["phase"]) in (expected, (None, None))
        print(due, missing)
        assert due > 100
        assert missing <= 0.01 * due
