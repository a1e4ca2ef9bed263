"""Legacy per-stream contexts for a reader: a block of memory, what was done with it, and its states."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from tracecheck.reporters.common import count, iso_time, pointer, rows
from tracecheck.reporters.json_report import operation_object
from tracecheck.reporters.lookup import Lookup, Row

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tracecheck.capture import Analysis


def read_blocks(analysis: Analysis, ids: Sequence[int]) -> list[tuple[Row, list[Row]]]:
    """Read blocks and their steps, each with its ``operation`` as a row.

    Args:
        analysis: What they are of.
        ids: Rows of the blocks table.
    """
    if not ids:
        return []
    lookup = Lookup(analysis)
    owner = analysis.block_steps.column("block").to_numpy()
    found = []
    for block in rows(analysis.blocks.take(pa.array(list(ids), pa.int64()))):
        first, end = np.searchsorted(owner, [block["id"], block["id"] + 1])
        steps = rows(analysis.block_steps.slice(first, end - first))
        operations = lookup.operations(step["operation"] for step in steps)
        found.append((block, [{**step, "operation": operations[step["operation"]]} for step in steps]))
    return found


def block_heading(block: Row) -> Iterator[str]:
    """Say what a block is, and how it began and ended."""
    yield f"legacy per-stream context {pointer(block['pointer'])} #{block['generation']}"
    born = "allocated" if block["birth"] == "allocated" else "its allocation is not in the capture"
    yield f"  born   {iso_time(block['first'])}, {born}"
    end = "freed unseen: the pool handed it out again" if block["reused"] else block["state"]
    yield f"  ended  {iso_time(block['last'])}, {end}; {count(block['operations'], 'operation')}"
    if block["stream"]:
        yield f"  stream {pointer(block['stream'])}"
    if block["owner"]:
        yield f"  owner  {pointer(block['owner'])}"


def block_object(block: Row, steps: list[Row]) -> dict[str, Any]:
    """Give a block and its steps as JSON has them; what is not known is null."""
    return {
        "context": pointer(block["pointer"]),
        "generation": block["generation"],
        "birth": block["birth"],
        "first": iso_time(block["first"]),
        "last": iso_time(block["last"]),
        "state": block["state"],
        "reused": block["reused"],
        "owner": pointer(block["owner"] or None),
        "instance_id": pointer(block["instance"] or None),
        "stream": pointer(block["stream"] or None),
        "steps": [
            {**operation_object(step["operation"]), "state": step["state"], "fault": step["fault"] or None}
            for step in steps
        ],
    }
