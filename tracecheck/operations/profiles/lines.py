"""Lines of text, from DbgPrint events or from logs, as messages of profiles."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from tracecheck.operations.profiles.bind import text_source
from tracecheck.operations.profiles.patterns import Pattern, Sieve, pattern_of, search

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tracecheck.operations.profiles.bind import Bound
    from tracecheck.operations.profiles.collect import Harvest
    from tracecheck.operations.profiles.place import Place


class LineReader:
    """Finds the messages of profiles among lines of text.

    Args:
        harvests: Takes what each profile tells.

    Attributes:
        lines: How many lines there were.
        unmatched: How many of them no profile knows.
    """

    def __init__(self, harvests: Sequence[Harvest]) -> None:
        self._harvests = harvests
        self._patterns: list[list[tuple[Pattern, Bound]]] = []
        self.lines = self.unmatched = 0

    def add(self, texts: pa.Array, place: Place, *, cut: bool = False) -> None:
        """Take lines.

        Args:
            texts: The messages without what the log puts before them: strings, or a dictionary of strings,
                shape (n,). Null is no message.
            place: Where they stand, shape (n,).
            cut: Whether a message of several lines may have been cut after its first.
        """
        coded = texts if pa.types.is_dictionary(texts.type) else texts.dictionary_encode()
        if not self._patterns:
            self._patterns = [_patterns(harvest) for harvest in self._harvests]
        code = coded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
        distinct = coded.dictionary
        used = np.zeros(len(distinct) + 1, np.bool_)
        used[code] = True
        candidates = np.flatnonzero(used[:-1])
        sieve = Sieve(distinct)
        known = np.zeros(len(distinct) + 1, np.bool_)
        for harvest, patterns in zip(self._harvests, self._patterns, strict=True):
            left = candidates
            for pattern, bound in patterns:
                found = search(pattern, distinct, left[sieve.of(pattern)[left]], lines=cut)
                if not len(found.where):
                    continue
                known[found.where] = True
                left = left[~np.isin(left, found.where, assume_unique=True)]
                rows, position = _rows(code, found.where, len(distinct))
                harvest.add(bound, found.spread(position, pattern), place.take(rows))
        self.lines += len(place)
        self.unmatched += int(np.count_nonzero(~known[code]))


def _patterns(harvest: Harvest) -> list[tuple[Pattern, Bound]]:
    """Make a pattern of each text of a profile, those with the most text of their own first."""
    texts: dict[object, str] = {}
    for message in harvest.profile.messages:
        if message.format is not None:
            texts.setdefault((message.format.literals, message.format.conversions), message.text)
    out = []
    for text in texts.values():
        source = text_source(text)
        bound = harvest.binder.bind(source)
        if bound is not None and source.format is not None:
            out.append((pattern_of(source.format), bound))
    return sorted(out, key=lambda each: -each[0].certainty)


def _rows(
    code: NDArray[np.int64], where: NDArray[np.int64], size: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Find the lines that have one of some texts, and which of them each has."""
    place = np.full(size + 1, -1, np.int64)
    place[where] = np.arange(len(where))
    position = place[code]
    rows = np.flatnonzero(position >= 0)
    return rows, position[rows]
