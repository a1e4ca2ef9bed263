"""The Arrow schemas of legacy per-stream contexts: blocks of memory and what was done with them."""

import pyarrow as pa

from tracecheck.replay.per_stream.machine import FAULTS, STATES

_NAME = pa.dictionary(pa.int32(), pa.string())
_TIME = pa.timestamp("ns", "UTC")

#: A row is one block of memory that held a per-stream context, from its pool allocation (or first sight) to
#: its free (or last sight); sorted by pointer and generation.
#:
#: ``generation`` counts the pool allocations of the pointer from 1, whatever they were for; it is 0 for a
#: block that was allocated before the capture began, or where the pool is not logged. ``state`` is the last
#: one, of :data:`~tracecheck.replay.per_stream.machine.STATES`; ``reused`` tells that the pool handed the
#: pointer out again without a free having been seen. ``owner`` and ``instance`` are what the last
#: FsRtlInitPerStreamContext was given, ``stream`` is where it was last inserted or found; 0 where nothing was
#: logged. ``contradicted`` is true where no order of the calls makes sense of all of them.
BLOCKS = pa.schema(
    [
        pa.field("id", pa.uint32(), nullable=False),
        pa.field("pointer", pa.uint64(), nullable=False),
        pa.field("generation", pa.uint32(), nullable=False),
        pa.field("birth", _NAME, nullable=False),
        pa.field("first", _TIME, nullable=False),
        pa.field("last", _TIME, nullable=False),
        pa.field("state", _NAME, nullable=False),
        pa.field("reused", pa.bool_(), nullable=False),
        pa.field("owner", pa.uint64(), nullable=False),
        pa.field("instance", pa.uint64(), nullable=False),
        pa.field("stream", pa.uint64(), nullable=False),
        pa.field("pool", pa.uint32(), nullable=False),
        pa.field("pool_tag", pa.uint32(), nullable=False),
        pa.field("operations", pa.uint32(), nullable=False),
        pa.field("contradicted", pa.bool_(), nullable=False),
    ]
)

#: A row is one operation on one block, sorted by block and then in the order that is best for the driver.
#:
#: ``state`` is the state after it. ``fault`` is "" or one of
#: :data:`~tracecheck.replay.per_stream.machine.FAULTS`. ``doubt`` says of a fault why it may be none: "order"
#: (an order of overlapping calls has no such fault), "hasty" (one has none if calls may be logged long after
#: they were made), "unsettled" (too many calls overlap to look at every order), or "".
BLOCK_STEPS = pa.schema(
    [
        pa.field("block", pa.uint32(), nullable=False),
        pa.field("operation", pa.uint32(), nullable=False),
        pa.field("state", _NAME, nullable=False),
        pa.field("fault", _NAME, nullable=False),
        pa.field("doubt", _NAME, nullable=False),
    ]
)

STATE_NAMES = STATES
FAULT_NAMES = ("", *FAULTS)
DOUBT_NAMES = ("", "order", "hasty", "unsettled")
BIRTH_NAMES = ("allocated", "unknown")
