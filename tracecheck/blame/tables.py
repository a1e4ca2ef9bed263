"""The Arrow schemas of what blame gives: who did it, and who answers whom."""

import pyarrow as pa

_NAME = pa.dictionary(pa.int32(), pa.string())

#: A row is the blame of one finding of a leak or of a release too many.
#:
#: ``finding`` is a row of the findings table, ``operation`` the row of the operations table that is to blame:
#: for ``kind`` "leak" the call that took what was never released, for "over-release" the release of what it
#: did not own, for "use" the call that used what its driver no longer owned. ``routine``, ``function`` and
#: ``site`` are that call's. ``pattern`` says in words what all others do that call there, ``pattern_count``
#: how many they are. ``deviation`` is the operation at which this life left the pattern: the call that failed
#: or the first one after the function was left (leak), the release that gave up the last reference (use).
#: ``owner`` is the acquire whose reference an over-release took, null where it was the object's own, and
#: ``victim`` the first operation that suffered from it. ``alike`` counts the contexts that are blamed on the
#: same function. ``confidence`` is never above the finding's own; ``reasons`` say why it is not definite.
#: ``text`` is all this as a sentence or two.
BLAME = pa.schema(
    [
        pa.field("finding", pa.uint32(), nullable=False),
        pa.field("context", pa.uint32(), nullable=False),
        pa.field("kind", _NAME, nullable=False),
        pa.field("operation", pa.uint32(), nullable=False),
        pa.field("routine", _NAME, nullable=False),
        pa.field("function", _NAME),
        pa.field("site", _NAME),
        pa.field("pattern", pa.string(), nullable=False),
        pa.field("pattern_count", pa.uint32(), nullable=False),
        pa.field("deviation", pa.uint32()),
        pa.field("owner", pa.uint32()),
        pa.field("victim", pa.uint32()),
        pa.field("alike", pa.uint32(), nullable=False),
        pa.field("confidence", _NAME, nullable=False),
        pa.field("reasons", pa.list_(pa.string()), nullable=False),
        pa.field("text", pa.string(), nullable=False),
    ]
)

#: A row is an acquire and the release that answers it, sorted by context and then in replay order of the
#: acquires. ``acquire`` and ``release`` are rows of the operations table. ``how`` tells how the one was found
#: for the other: "function" (same thread and function), "pattern" (as healthy lives show), "thread" (same
#: thread), "order" (the oldest that was open).
PAIRS = pa.schema(
    [
        pa.field("context", pa.uint32(), nullable=False),
        pa.field("acquire", pa.uint32(), nullable=False),
        pa.field("release", pa.uint32(), nullable=False),
        pa.field("how", _NAME, nullable=False),
    ]
)
