"""The operations table: what a driver called, whatever format told it."""

import pyarrow as pa

_NAME = pa.dictionary(pa.int32(), pa.string())
_TIME = pa.timestamp("ns", "UTC")

#: A row is one call or callback on one context; rows are in the time order of the whole capture.
#:
#: A call on several contexts (FltGetContexts and its kin) has a row for each of them; they share
#: ``record``. Pointers are 0 where there is none; ``has_context`` and ``has_old_context`` tell a logged
#: NULL from one that was not logged. ``object`` is what the context is attached to: the stream (file
#: object where the stream is unknown), file object, transaction, volume or instance. ``begin`` is when
#: the call started, null where not logged. ``phase`` of I/O callbacks: 1 pre, 2 post, 3 draining; of
#: FltMgr callbacks: 1 begin, 2 end. ``site`` is the call site as text, ``function`` its function.
#: ``record`` numbers the event in the file. ``operation`` is FLT_SET_CONTEXT_OPERATION.
OPERATIONS = pa.schema(
    [
        pa.field("order", pa.uint32(), nullable=False),
        pa.field("time", _TIME, nullable=False),
        pa.field("tick", pa.int64(), nullable=False),
        pa.field("begin", _TIME),
        pa.field("cpu", pa.uint16(), nullable=False),
        pa.field("pid", pa.uint32(), nullable=False),
        pa.field("tid", pa.uint32(), nullable=False),
        pa.field("routine", _NAME, nullable=False),
        pa.field("context", pa.uint64(), nullable=False),
        pa.field("has_context", pa.bool_(), nullable=False),
        pa.field("old_context", pa.uint64(), nullable=False),
        pa.field("has_old_context", pa.bool_(), nullable=False),
        pa.field("old_requested", pa.bool_()),
        pa.field("object", pa.uint64(), nullable=False),
        pa.field("file_object", pa.uint64(), nullable=False),
        pa.field("stream", pa.uint64(), nullable=False),
        pa.field("instance", pa.uint64(), nullable=False),
        pa.field("volume", pa.uint64(), nullable=False),
        pa.field("transaction", pa.uint64(), nullable=False),
        pa.field("filter", pa.uint64(), nullable=False),
        pa.field("context_type", pa.uint16(), nullable=False),
        pa.field("operation", pa.uint32()),
        pa.field("status", pa.uint32()),
        pa.field("irql", pa.uint8()),
        pa.field("pool", pa.uint32()),
        pa.field("pool_tag", pa.uint32()),
        pa.field("size", pa.uint32()),
        pa.field("major", pa.uint8()),
        pa.field("phase", pa.uint8()),
        pa.field("paging_file", pa.bool_()),
        pa.field("function", _NAME),
        pa.field("site", _NAME),
        pa.field("sequence", pa.uint64()),
        pa.field("record", pa.uint64(), nullable=False),
    ]
)

#: A further column where the capture was read by profiles: whether the call is taken to have succeeded only
#: because no line says that it failed.
ASSUMED = pa.field("assumed", pa.bool_(), nullable=False)

#: Further columns where legacy per-stream contexts were logged: what FsRtlInitPerStreamContext was given, and
#: what lookups and removals asked for. ``has_`` tells a logged NULL from what was not logged.
OWNERS = pa.schema(
    [
        pa.field("owner_id", pa.uint64(), nullable=False),
        pa.field("has_owner_id", pa.bool_(), nullable=False),
        pa.field("instance_id", pa.uint64(), nullable=False),
        pa.field("has_instance_id", pa.bool_(), nullable=False),
        pa.field("free_callback", pa.uint64(), nullable=False),
        pa.field("has_free_callback", pa.bool_(), nullable=False),
    ]
)

#: A further column where the trace has stacks of operations: the frames of the call, the innermost first, a
#: line each, null where none was logged. It begins with the driver's innermost frame and has at most 32,
#: those of the kernel's half only; :mod:`tracecheck.operations.frames` says how they are written.
STACK = pa.field("stack", _NAME)


def has_stacks(operations: pa.Table) -> bool:
    """Tell whether operations have the column :data:`STACK`; a provider may have a field of that name."""
    names: list[str] = operations.schema.names
    return STACK.name in names and bool(operations.schema.field(STACK.name).type == STACK.type)
