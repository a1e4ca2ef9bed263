"""Threads that a log does not name bound nothing."""

import numpy as np
import pyarrow as pa
import pytest

from tracecheck.capture import analyse
from tracecheck.etl.columns import NO_ID
from tracecheck.replay import replay
from tracecheck.simulate import Fault, Scenario, simulate


@pytest.mark.parametrize("fault", ["R02", "R05", "L09"])
@pytest.mark.parametrize("tolerance", [0, 1_000_000, 50_000_000])
def test_calls_of_unknown_threads_are_each_of_a_thread_of_its_own(tmp_path, fault, tolerance):
    """A log without threads is replayed as one in which every call has a thread that made no other."""
    path = tmp_path / "run.etl"
    scenario = Scenario(operations=800, faults=(Fault(fault),), begin=False)
    simulate(scenario).write(path)
    analysis = analyse([str(path)])
    operations = analysis.operations
    place = operations.schema.get_field_index("tid")

    def replayed(tids):
        column = pa.array(tids, pa.uint32())
        table = operations.set_column(place, operations.schema.field(place), column)
        return replay(table, analysis.losses, tolerance=tolerance)

    records = operations.column("record").to_numpy()
    unknown = replayed(np.full(len(records), NO_ID))
    alone = replayed(1 + np.unique(records, return_inverse=True)[1])
    assert unknown.contexts.equals(alone.contexts)
    assert unknown.steps.equals(alone.steps)
    assert (unknown.hasty, unknown.uncertain) == (alone.hasty, alone.uncertain)
