"""What is done at a call site all over a capture: the habits that a faulty life is held against."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tracecheck.rules.evidence import Evidence

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Habit:
    """What is usual at a site.

    Attributes:
        count: How many references were taken there and released, or released there and taken.
        others: An operation at each site where that was done, and how often; the most frequent first.
    """

    count: int
    others: list[tuple[int, int]]


class Habits:
    """The habits of a capture.

    Args:
        evidence: The tables.
        pairs: Schema :data:`~tracecheck.blame.tables.PAIRS`.
    """

    def __init__(self, evidence: Evidence, pairs: pa.Table) -> None:
        kind = evidence.context("context_type")[pairs.column("context").to_numpy()]
        self._ops = {name: pairs.column(name).to_numpy() for name in ("acquire", "release")}
        # A call site may be of several types.
        self._sites = {name: (evidence.place[op] << 16) + kind for name, op in self._ops.items()}
        self._order = {name: np.argsort(site, kind="stable") for name, site in self._sites.items()}
        self._known: dict[tuple[str, int], Habit] = {}
        self._evidence = evidence

    def of_acquires(self, op: int, context_type: int) -> Habit:
        """Tell where references are released that are taken where an operation was made."""
        return self._of("acquire", "release", op, context_type)

    def of_releases(self, op: int, context_type: int) -> Habit:
        """Tell where references were taken that are released where an operation was made."""
        return self._of("release", "acquire", op, context_type)

    def _of(self, side: str, other: str, op: int, context_type: int) -> Habit:
        site = (int(self._evidence.place[op]) << 16) + context_type
        if (side, site) not in self._known:
            order, sites = self._order[side], self._sites[side]
            low, high = np.searchsorted(sites, [site, site + 1], sorter=order).tolist()
            rows = order[low:high]
            _, first, counts = np.unique(self._sites[other][rows], return_index=True, return_counts=True)
            found = sorted(
                zip(self._ops[other][rows[first]].tolist(), counts.tolist(), strict=True),
                key=lambda one: (-one[1], one[0]),
            )
            self._known[side, site] = Habit(len(rows), found)
        return self._known[side, site]


class Threads:
    """What each thread did next.

    Args:
        evidence: The tables.
    """

    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence
        self._order = evidence.ops.by_thread()
        self._thread = evidence.ops.thread()[self._order]

    def after(self, op: int, most: int) -> list[int]:
        """Give the operations of the same thread after one, of other calls than that one."""
        thread = self._evidence.ops.thread()[op]
        low, high = np.searchsorted(self._thread, [thread, thread + 1]).tolist()
        at = low + int(np.searchsorted(self._order[low:high], op, "right"))
        record = self._evidence.ops["record"]
        return [
            other for other in self._order[at : min(at + most, high)].tolist() if record[other] != record[op]
        ]
