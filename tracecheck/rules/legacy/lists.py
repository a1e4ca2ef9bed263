"""F18 and F28: what can only be guessed from what others do with a stream's list."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tracecheck.fltmgr import PerStream
from tracecheck.replay.engine import TOLERANCE
from tracecheck.replay.order import Reach, intervals
from tracecheck.replay.per_stream.tables import STATE_NAMES
from tracecheck.rules.evidence import Evidence
from tracecheck.rules.legacy.blocks import TAKES_OFF, Blocks, Ints, about, blocks, call
from tracecheck.rules.registry import Candidate, rule

_INSERTED = STATE_NAMES.index("inserted")
_ENDS = (PerStream.REMOVE, PerStream.CALLBACK, PerStream.FREE, PerStream.TEARDOWN)
_MOST_LOOKED_AT = 1000


@rule("F18", "two contexts for one owner and instance", severity="warning", sound=False)
def duplicates(evidence: Evidence) -> Iterator[Candidate]:
    """Find inserts into streams that have a context of the same owner and instance; one for a call site."""
    of = blocks(evidence)
    if of is None or not of.column("owner").any() or evidence.coverage.lacks(frozenset(TAKES_OFF)):
        return
    seen: set[int] = set()
    for put, other in _doubled(of):
        op, site = int(of.op[put]), int(of.ops["site"][of.op[put]]) if of.ops.has("site")[of.op[put]] else -1
        if site in seen or evidence.gap_during(int(of.time[other]), int(of.time[put])):
            continue
        seen.add(site)
        message = f"{call(evidence, op)} added a second context of one owner and instance to a stream"
        ops = (op, int(of.op[other]))
        yield about(evidence, of, int(of.block[put]), ops, message, frozenset())


def _doubled(of: Blocks) -> Iterator[tuple[int, int]]:
    """Find the inserts, as steps, that are made while another context with the same key is inserted."""
    puts, ends = _stays(of)
    block = of.block[puts]
    columns = [of.column(name)[block].astype(np.uint64) for name in ("owner", "instance")]
    columns.append(of.ops["stream"][of.op[puts]])
    known = (columns[0] != 0) & (columns[2] != 0)
    puts, ends, columns = puts[known], ends[known], [column[known] for column in columns]
    if len(puts) < 2:
        return
    start = of.op[puts]
    until = np.where(ends >= 0, of.op[np.maximum(ends, 0)], of.ops.size)
    order = np.lexsort((start, *columns))
    same = np.ones(len(order) - 1, np.bool_)
    for column in columns:
        same &= column[order][1:] == column[order][:-1]
    # The stay before is not over in the log; nothing is said where it may have been over.
    double = np.flatnonzero(same & (until[order][:-1] > start[order][1:]))[:_MOST_LOOKED_AT]
    if not len(double):
        return
    before, after = order[double], order[double + 1]
    over = of.op[np.maximum(ends[before], 0)]
    early = intervals(of.ops, np.unique(over), Reach(TOLERANCE))[0].early[over]
    certain = (ends[before] < 0) | (early > of.ops["time"][start[after]])
    certain &= of.block[puts[before]] != of.block[puts[after]]
    for at in np.flatnonzero(certain).tolist():
        yield int(puts[after[at]]), int(puts[before[at]])


def _stays(of: Blocks) -> tuple[Ints, Ints]:
    """Find every stay of a block in a list: the step that began it, and the one that ended it, or -1."""
    inserted = of.step("state") == _INSERTED
    begins = np.flatnonzero((of.role == PerStream.INSERT) & inserted)
    enders = np.flatnonzero(np.isin(of.role, _ENDS) & ~inserted)
    at = np.searchsorted(enders, begins)
    next_ = np.append(enders, -1)[np.minimum(at, len(enders))]
    return begins, np.where((next_ >= 0) & (of.block[next_] == of.block[begins]), next_, -1)


@rule("F28", "pointer of a lookup used after another thread removed it", severity="warning", sound=False)
def borrowed(evidence: Evidence) -> Iterator[Candidate]:
    """Find uses of what a thread looked up and another one removed before the next lookup.

    Where the user frees it himself he must have known that he was the last: that is a count of his own.
    """
    of = blocks(evidence)
    if of is None:
        return
    uses = np.flatnonzero(of.role == PerStream.USE)
    if not len(uses):
        return
    thread = of.ops.thread()[of.op].astype(np.int64)
    index = np.arange(len(of.op))
    gone = np.isin(of.role, (PerStream.REMOVE, PerStream.CALLBACK)) & (of.ops["phase"][of.op] != 2)
    last_gone = np.maximum.accumulate(np.where(gone, index, -1))
    order = np.lexsort((index, thread, of.block))
    looked = np.maximum.accumulate(np.where(of.role[order] == PerStream.LOOKUP, np.arange(len(order)), -1))
    last_look = np.full(len(order), -1, np.int64)
    found = np.where(looked >= 0, order[looked], -1)
    last_look[order] = np.where((found >= 0) & (thread[found] == thread[order]), found, -1)
    freed = of.last_step(of.role == PerStream.FREE)[of.block]
    wrong = (last_gone[uses] > last_look[uses]) & (last_look[uses] >= 0)
    for column in (last_gone, last_look):
        wrong &= of.block[column[uses]] == of.block[uses]
    wrong &= (thread[last_gone[uses]] != thread[uses]) & (freed[uses] >= 0)
    wrong &= thread[freed[uses]] != thread[uses]
    sites: set[int] = set()
    for use in uses[wrong].tolist():
        op = int(of.op[use])
        site = int(of.ops["site"][op]) if of.ops.has("site")[op] else -1
        if site in sites:
            continue
        sites.add(site)
        proof = (op, int(of.op[last_gone[use]]), int(of.op[last_look[use]]))
        message = f"{call(evidence, op)} used what another thread had removed meanwhile"
        yield about(evidence, of, int(of.block[use]), proof, message, frozenset())
