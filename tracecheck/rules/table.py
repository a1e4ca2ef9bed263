"""The Arrow schema of findings."""

import pyarrow as pa

#: A row is one fault.
#:
#: ``rule`` is a code of the rulebook, ``severity`` "error", "warning" or "note", ``confidence``
#: "definite", "probable" or "possible"; ``reasons`` say why that confidence and not a higher one.
#: ``context_id`` is a row of the contexts table (null where the finding is of the capture itself).
#: ``operations`` are the rows that prove it, the faulty one first. ``signature`` has no address in it
#: and survives another build of the driver.
FINDINGS = pa.schema(
    [
        pa.field("rule", pa.string(), nullable=False),
        pa.field("severity", pa.string(), nullable=False),
        pa.field("confidence", pa.string(), nullable=False),
        pa.field("reasons", pa.list_(pa.string()), nullable=False),
        pa.field("context_id", pa.uint32()),
        pa.field("context", pa.uint64()),
        pa.field("generation", pa.uint32()),
        pa.field("context_type", pa.uint16(), nullable=False),
        pa.field("time", pa.timestamp("ns", "UTC")),
        pa.field("operations", pa.list_(pa.uint32()), nullable=False),
        pa.field("message", pa.string(), nullable=False),
        pa.field("signature", pa.string(), nullable=False),
    ]
)
