"""The columns of legacy per-stream contexts: there where they were logged, and free where not."""

from tracecheck.capture import analyse
from tracecheck.operations.table import OPERATIONS, OWNERS
from tracecheck.simulate import Mix, Scenario, simulate


def operations(tmp_path, **more):
    """Read the operations of a simulated capture."""
    path = tmp_path / "capture.etl"
    simulate(Scenario(operations=300, **more)).write(path)
    return analyse([str(path)]).operations


def test_a_capture_without_legacy_contexts_has_none_of_them(tmp_path):
    """The table has the columns of its schema and of the provider's own, and none of these."""
    assert set(operations(tmp_path).schema.names).isdisjoint(OWNERS.names)


def test_owner_instance_and_callback_are_columns(tmp_path):
    """Pointers are non-null, and what was not logged is told from a logged NULL."""
    table = operations(tmp_path, mix=Mix(legacy=1.0))
    assert table.schema.names[len(OPERATIONS) :][: len(OWNERS)] == OWNERS.names
    assert set(table.schema.names).isdisjoint({"OwnerId", "InstanceId", "FreeCallback"})
    rows = table.select(["routine", *OWNERS.names]).to_pylist()
    inits = [row for row in rows if row["routine"] == "FsRtlInitPerStreamContext"]
    assert inits
    assert all(row["owner_id"] and row["free_callback"] for row in inits)
    assert all(row["has_instance_id"] and not row["instance_id"] for row in inits)
    others = [row for row in rows if row["routine"].startswith("Flt")]
    assert not any(row[name] for row in others for name in OWNERS.names)
