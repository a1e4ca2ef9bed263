"""What one profile makes of a capture: its rows, and the definitions that it was bound to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tracecheck.fltmgr import RELEASES
from tracecheck.operations.coverage import Coverage
from tracecheck.operations.profiles.bind import Binder
from tracecheck.operations.profiles.extract import extract
from tracecheck.operations.profiles.resolve import resolve
from tracecheck.operations.rows import Rows

if TYPE_CHECKING:
    from collections.abc import Sequence
    from collections.abc import Set as AbstractSet

    from tracecheck.operations.batch import Batch
    from tracecheck.operations.names import Names
    from tracecheck.operations.profiles.bind import Binding, Bound, Source
    from tracecheck.operations.profiles.extract import Clock, Column
    from tracecheck.operations.profiles.grammar import Message, Profile
    from tracecheck.operations.profiles.place import Place


class Harvest:
    """The operations that one profile tells of.

    Args:
        profile: The profile.
        names: Takes the strings of the rows.

    Attributes:
        profile: The same.
        binder: Its binder.
        sources: The definitions that it knows and that occurred.
        telling: Those of them that tell operations.
        messages: How many of their messages there were.
        lag: The longest time by which a relay wrote one of them late, nanoseconds.
    """

    def __init__(self, profile: Profile, names: Names) -> None:
        self.profile = profile
        self.binder = Binder(profile)
        self.sources: set[Source] = set()
        self.telling: set[Source] = set()
        self.messages = self.lag = 0
        self._names = names
        self._rows = Rows()
        self._bound: list[tuple[Source, Message]] = []
        self._code: dict[tuple[Source, int], int] = {}

    def add(self, bound: Bound, columns: Sequence[Column], place: Place, clock: Clock | None = None) -> None:
        """Take messages of one definition.

        Args:
            bound: What the profile says of the definition.
            columns: Their arguments, in the definition's order.
            place: Where they stand.
            clock: Turns raw times of the session into nanoseconds; None where there are none.
        """
        self.sources.add(bound.source)
        if bound.bindings:
            self.telling.add(bound.source)
        self.messages += len(place)
        for binding in bound.bindings:
            batch = extract(binding, bound.source, columns, place, self._names, clock)
            if self.profile.filter:
                batch["filter"] = np.where(
                    batch["filter"] == 0, np.uint64(self.profile.filter), batch["filter"]
                )
            batch["binding"] = np.full(batch.size, self._number(bound.source, binding), np.int32)
            self.lag = max(self.lag, batch.lag)
            self._rows.add(batch)

    def _number(self, source: Source, binding: Binding) -> int:
        key = source, binding.message.number
        code = self._code.get(key)
        if code is None:
            code = self._code[key] = len(self._bound)
            self._bound.append((source, binding.message))
        return code

    def operations(self, without: AbstractSet[Source] = frozenset()) -> Batch:
        """Give the operations, intents resolved; only once.

        Args:
            without: Definitions that another profile tells of.
        """
        rows = self._rows
        if without:
            taken = np.array([source in without for source, _ in self._bound], np.bool_)
            rows = rows.keep(np.flatnonzero(~taken[rows["binding"]]))
        return resolve(rows, [message for _, message in self._bound])


def coverage_of(profile: Profile) -> Coverage:
    """Say what a capture that a profile reads logs completely.

    A routine of which the profile has messages is complete only if the profile says so; of one that it does
    not mention at all the driver makes no calls, but every driver releases contexts.
    """
    covered = profile.coverage
    if covered is None:
        return Coverage(declared=False, profile=profile.name)
    partial = covered.partial | (profile.routines() - covered.complete - covered.silent)
    silent = covered.silent
    if not (covered.complete | partial | silent) & RELEASES:
        silent = silent | {"FltReleaseContext"}
    return Coverage(declared=True, partial=partial, silent=silent, note=covered.note, profile=profile.name)
