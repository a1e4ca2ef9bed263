"""Lines of text through a profile to the operations table: what tests of profiles share."""

import numpy as np
import pyarrow as pa

from tracecheck.etl import plain_rows
from tracecheck.operations import assemble
from tracecheck.operations.names import Names
from tracecheck.operations.profiles import Harvest, LineReader, Place, parse
from tracecheck.operations.rows import Rows

HEAD = 'profile = 1\nname = "p"\n'


def profile(*messages, head=HEAD):
    """Make a profile of messages, each the lines of its table."""
    return parse(head + "".join(f"[[message]]\n{message}\n" for message in messages), "p.toml")


def operations(mine, lines, **more):
    """Read (time, thread, text) lines by a profile; give the rows of the operations table as dicts."""
    names, rows = Names(), Rows()
    harvest = Harvest(mine, names)
    count = len(lines)
    place = Place.of_lines(
        np.array([line[0] for line in lines], np.int64),
        tid=np.array([line[1] for line in lines], np.uint32),
        record=np.arange(count, dtype=np.uint64),
    )
    LineReader([harvest]).add(pa.array([line[2] for line in lines], pa.string()), place, **more)
    rows.add(harvest.operations())
    return plain_rows(assemble(rows, names))
