"""What the rules on legacy per-stream contexts look at: blocks of memory and their steps, as arrays."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tracecheck.fltmgr import PerStream
from tracecheck.operations.table import ASSUMED
from tracecheck.payload.arrow import whole
from tracecheck.replay.per_stream.engine import PerStreamReplay
from tracecheck.rules.evidence import Evidence
from tracecheck.rules.registry import Candidate

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

#: What frees a block, and what tells that one has been taken off its list.
FREE = "ExFreePoolWithTag"
TAKES_OFF = ("FsRtlRemovePerStreamContext", "FreePerStreamContext")

#: How many operations a finding lists at most.
MOST = 100

_DOUBTS = {
    "order": "another order of overlapping calls explains it",
    "hasty": "when calls began was not logged: one that was logged long after it was made explains it",
    "unsettled": "too many calls on this context overlap to tell their order",
}
_UNBORN = "its allocation is not in the capture: what was done with it before is not known"
_CONTRADICTED = "what the capture tells of this context contradicts itself: calls are missing"
_NO_STATUS = "the status of an insert was not logged: that it succeeded is assumed"
_CLOCKS = "the processors' clocks differ: the order of calls on different processors is not known"
_SILENT = "of a call only the intent was logged"


class Blocks:
    """The blocks of a capture and their steps.

    Args:
        evidence: The whole evidence.
        replay: The replay of legacy contexts.

    Attributes:
        size: How many blocks there are.
        block: The block of each step.
        op: The operation of each step.
    """

    def __init__(self, evidence: Evidence, replay: PerStreamReplay) -> None:
        self.ops = evidence.ops
        self._evidence = evidence
        self.size = len(replay.blocks)
        self._blocks, self._steps = replay.blocks, replay.steps
        self.block: Ints = self.step("block").astype(np.int64)
        self.op: Ints = self.step("operation").astype(np.int64)

    def column(self, name: str) -> NDArray[np.int64]:
        """Give a column of the blocks table: codes for names, nanoseconds for times."""
        return _array(self._blocks, name)

    def step(self, name: str) -> NDArray[np.int64]:
        """Give a column of the steps table."""
        return _array(self._steps, name)

    @cached_property
    def pointer(self) -> NDArray[np.uint64]:
        """The address of each block."""
        return _array(self._blocks, "pointer").astype(np.uint64)

    @cached_property
    def first(self) -> Ints:
        """When each block was first seen, nanoseconds."""
        return self.column("first")

    @cached_property
    def last(self) -> Ints:
        """When each block was last seen, nanoseconds."""
        return self.column("last")

    @cached_property
    def _is_shared(self) -> Bools:
        """Whether several processors logged calls on the address of each block."""
        address = np.unique(self.pointer, return_inverse=True)[1]
        cpu = self.ops["cpu"][self.op].astype(np.int64)
        low = np.full(self.size, np.iinfo(np.int64).max)
        high = np.full(self.size, -1, np.int64)
        np.minimum.at(low, address[self.block], cpu)
        np.maximum.at(high, address[self.block], cpu)
        shared: Bools = (low != high)[address]
        return shared

    @cached_property
    def role(self) -> Ints:
        """Each step's :class:`~tracecheck.fltmgr.PerStream`."""
        return self.ops.per_stream()[self.op].astype(np.int64)

    @cached_property
    def time(self) -> Ints:
        """When each step was logged, nanoseconds."""
        time: Ints = self.ops["time"][self.op]
        return time

    @cached_property
    def block_of_op(self) -> Ints:
        """The block of each operation, -1 for none; a teardown names none of its own."""
        found = np.full(self.ops.size, -1, np.int64)
        own = self.role != PerStream.TEARDOWN
        found[self.op[own]] = self.block[own]
        return found

    def in_state(self, *names: str) -> Bools:
        """Tell which blocks end in one of some states, as far as the capture shows their ends."""
        names_ = whole(self._blocks.column("state")).dictionary.to_pylist()
        codes = [code for code, name in enumerate(names_) if name in names]
        found: Bools = np.isin(self.column("state"), codes) & (self.column("reused") == 0)
        return found

    def last_step(self, which: Bools) -> Ints:
        """Give the last of some steps of each block; -1 where it has none."""
        found = np.full(self.size, -1, np.int64)
        # Of several writes to one place the last one stays.
        found[self.block[which]] = np.flatnonzero(which)
        return found

    def doubts(self, block: int) -> Iterator[str]:
        """Say why what is found of a block is no more than possible."""
        if self.column("generation")[block] == 0:
            yield _UNBORN
        if self.column("contradicted")[block]:
            yield _CONTRADICTED
        mine = slice(*np.searchsorted(self.block, [block, block + 1]).tolist())
        inserts = self.op[mine][self.role[mine] == PerStream.INSERT]
        if not self.ops.has("status")[inserts].all():
            yield _NO_STATUS
        if ASSUMED.name in self.ops.table.schema.names and self.ops[ASSUMED.name][self.op[mine]].any():
            yield _SILENT
        if self._evidence.out_of_order and self._is_shared[block]:
            yield _CLOCKS

    def faults(self, name: str) -> dict[int, list[int]]:
        """Find the steps with a fault, by block."""
        names = whole(self._steps.column("fault")).dictionary.to_pylist()
        found: dict[int, list[int]] = {}
        for at in np.flatnonzero(self.step("fault") == names.index(name)).tolist():
            found.setdefault(int(self.block[at]), []).append(at)
        return found

    def doubt_of(self, at: int) -> Iterator[str]:
        """Say why a step's fault may be none."""
        name = whole(self._steps.column("doubt"))[at].as_py()
        if name:
            yield _DOUBTS[name]


def blocks(evidence: Evidence) -> Blocks | None:
    """Give the blocks of a capture; None where it has no legacy context."""
    found = evidence.found(_blocks)
    return found[0] if found else None


def _blocks(evidence: Evidence) -> Iterator[Blocks]:
    if evidence.replay.per_stream is not None:
        yield Blocks(evidence, evidence.replay.per_stream)


def not_judged(evidence: Evidence) -> Iterator[tuple[str, str]]:
    """Say what of legacy contexts the capture does not log enough for, and what to log next time."""
    if blocks(evidence) is None:
        return
    for what, needs in (
        ("that legacy per-stream contexts were not freed", frozenset({FREE})),
        ("that legacy per-stream contexts were freed too early", frozenset(TAKES_OFF)),
    ):
        lacking = sorted(evidence.coverage.lacks(needs))
        if lacking:
            names = " and ".join(lacking)
            verb = "is" if len(lacking) == 1 else "are"
            yield f"{what} was not judged: {names} {verb} not logged completely", f"log every call of {names}"


def about(
    evidence: Evidence,
    of: Blocks,
    block: int,
    ops: Sequence[int],
    message: str,
    needs: frozenset[str],
    *,
    judged: int | None = None,
    doubts: tuple[str, ...] = (),
    severity: str | None = None,
) -> Candidate:
    """Describe a fault of a block.

    Args:
        evidence: The whole evidence.
        of: The blocks.
        block: Which.
        ops: The operations that prove it, the one at fault first.
        message: What happened.
        needs: The routines that must be logged completely.
        judged: Until when the trace had to be complete; None for the time of the first operation.
        doubts: Why it is no more than possible, besides what the block says.
        severity: Where it is not the rule's own.
    """
    first = ops[0]
    return Candidate(
        None,
        tuple(ops[:MOST]),
        message,
        int(of.ops["time"][first]) if judged is None else judged,
        (evidence.names("routine", first), evidence.names("function", first)),
        (*doubts, *of.doubts(block)),
        needs,
        severity,
        context=int(of.pointer[block]),
        since=int(of.first[block]),
    )


def call(evidence: Evidence, op: int) -> str:
    """Name a call and its site."""
    site = evidence.names("site", op)
    return evidence.names("routine", op) + (f" at {site}" if site else "")


def _array(table: pa.Table, name: str) -> NDArray[np.int64]:
    column = whole(table.column(name))
    if pa.types.is_dictionary(column.type):
        column = column.indices
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.int64())
    values: NDArray[np.int64] = column.to_numpy(zero_copy_only=False)
    return values
