"""The Arrow schemas of what a replay gives: contexts and steps."""

import pyarrow as pa

_NAME = pa.dictionary(pa.int32(), pa.string())
_TIME = pa.timestamp("ns", "UTC")

#: A row is one life of one context: from its allocation (or first sight) to its free (or last sight).
#:
#: ``generation`` counts the lives of one pointer from 1; it is 0 for a life that began before the
#: capture did. ``birth`` is "allocated" or "unknown". ``end`` is "freed" (the count reached zero or the
#: cleanup callback ran), "reused" (a later allocation returned the pointer, so it was freed unseen),
#: "attached" (only its object holds it) or "held" (``owned`` references were never released).
#: ``owned``, ``link`` are the counts at the end, ``peak`` the largest total. ``ordered`` is false where
#: the log's own order had a fault that another order of overlapping calls explains.
CONTEXTS = pa.schema(
    [
        pa.field("id", pa.uint32(), nullable=False),
        pa.field("pointer", pa.uint64(), nullable=False),
        pa.field("generation", pa.uint32(), nullable=False),
        pa.field("context_type", pa.uint16(), nullable=False),
        pa.field("filter", pa.uint64(), nullable=False),
        pa.field("birth", _NAME, nullable=False),
        pa.field("first", _TIME, nullable=False),
        pa.field("last", _TIME, nullable=False),
        pa.field("site", _NAME),
        pa.field("object", pa.uint64(), nullable=False),
        pa.field("instance", pa.uint64(), nullable=False),
        pa.field("end", _NAME, nullable=False),
        pa.field("freed", _TIME),
        pa.field("object_gone", _TIME),
        pa.field("owned", pa.int32(), nullable=False),
        pa.field("link", pa.int32(), nullable=False),
        pa.field("peak", pa.int32(), nullable=False),
        pa.field("operations", pa.uint32(), nullable=False),
        pa.field("ordered", pa.bool_(), nullable=False),
    ]
)

#: A row is one effect of one operation on one context, sorted by context and then in replay order.
#:
#: ``operation`` is a row of the operations table. ``owned`` and ``link`` are the counts after the step,
#: ``freed`` whether the context was already free before it. ``fault`` names what the step did that no
#: legal driver does: "" (nothing), "release attached", "release freed", "reference freed", "use freed",
#: "use unowned".
STEPS = pa.schema(
    [
        pa.field("context", pa.uint32(), nullable=False),
        pa.field("operation", pa.uint32(), nullable=False),
        pa.field("delta_owned", pa.int8(), nullable=False),
        pa.field("delta_link", pa.int8(), nullable=False),
        pa.field("owned", pa.int32(), nullable=False),
        pa.field("link", pa.int32(), nullable=False),
        pa.field("freed", pa.bool_(), nullable=False),
        pa.field("fault", _NAME, nullable=False),
    ]
)
