"""Calls on several contexts: a row for each of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tracecheck.operations.batch import Batch

if TYPE_CHECKING:
    from numpy.typing import NDArray


def by_member(batch: Batch, members: list[tuple[int, NDArray[np.uint64]]]) -> Batch:
    """Give a call on several contexts a row for each; one that names no context keeps its one row.

    Args:
        batch: A row a call.
        members: Context types, and the context of that type of each call, 0 where there is none.
    """
    parts, named = [], batch["context"] != 0
    for kind, pointer in members:
        rows = np.flatnonzero(pointer)
        part = batch.take(rows)
        part["context"], part["has_context"] = pointer[rows], np.ones(len(rows), np.bool_)
        part["context_type"] = np.full(len(rows), kind, np.uint16)
        named[rows] = True
        parts.append(part)
    parts.append(batch.take(np.flatnonzero(~named | (batch["context"] != 0))))
    return Batch.concat(parts)
