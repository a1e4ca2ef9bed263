"""`check --format table`: allocated, freed and live contexts for each type and allocation site."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from tracecheck.payload.arrow import nulls, strings
from tracecheck.reporters.common import clean, columns, rows
from tracecheck.reporters.names import context_kind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tracecheck.capture import Analysis
    from tracecheck.reporters.lookup import Row

#: How many sites are shown without ``--all``.
SHOWN = 40

_HEAD = ("context type", "allocated", "freed", "live", "owned", "% freed", "peak", "allocated at")
_FLUSHED = (False, True, True, True, True, True, True, False)
_BEFORE = "(before the capture)"


def render(analysis: Analysis, *, everything: bool = False) -> Iterator[str]:
    """Write a table, a line for each context type and allocation site, those with most live ones first.

    ``owned`` are the live contexts that a driver's own reference holds, ``peak`` is the largest count that
    one context had.

    Args:
        analysis: What `check` found.
        everything: Show every site.

    Yields:
        Lines with their line ends.
    """
    found = balance(analysis.contexts)
    shown = found if everything else found[:SHOWN]
    cells = [_HEAD, *(_cells(row) for row in shown)]
    for line in columns(cells, _FLUSHED):
        yield f"{line}\n"
    if len(shown) < len(found):
        yield f"{len(shown)} of {len(found):,} sites shown (--all shows every one)\n"
    yield f"verdict: {analysis.verdict.word}\n"


def balance(contexts: pa.Table) -> list[Row]:
    """Count lives by context type and allocation site.

    Args:
        contexts: The contexts table.

    Returns:
        Rows with ``context_type``, ``site`` ("" where it is not known, None for lives that are older than
        the capture), ``allocated``, ``freed``, ``live``, ``owned`` and ``peak``; most live ones first.
    """
    end, birth = (contexts.column(name).cast(pa.string()) for name in ("end", "birth"))
    freed = pc.is_in(end, value_set=strings(["freed", "reused"]))
    site = pc.if_else(
        pc.equal(birth, "allocated"),
        pc.fill_null(contexts.column("site").cast(pa.string()), ""),
        nulls(contexts.num_rows, pa.string()),
    )
    table = pa.table(
        {
            "context_type": contexts.column("context_type"),
            "site": site,
            "freed": pc.cast(freed, pa.int64()),
            "owned": pc.cast(pc.equal(end, "held"), pa.int64()),
            "peak": contexts.column("peak"),
        }
    )
    sums = [("freed", "sum"), ("owned", "sum"), ("peak", "max"), ("freed", "count")]
    found = [
        {
            "context_type": row["context_type"],
            "site": row["site"],
            "allocated": row["freed_count"],
            "freed": row["freed_sum"],
            "live": row["freed_count"] - row["freed_sum"],
            "owned": row["owned_sum"],
            "peak": row["peak_max"],
        }
        for row in rows(table.group_by(["context_type", "site"]).aggregate(sums))
    ]
    return sorted(
        found, key=lambda row: (-row["owned"], -row["live"], row["context_type"], row["site"] or "")
    )


def _cells(row: Row) -> tuple[str, ...]:
    share = f"{100 * row['freed'] / row['allocated']:.1f}"
    site = _BEFORE if row["site"] is None else clean(row["site"]) or "-"
    numbers = (f"{row[name]:,}" for name in ("allocated", "freed", "live", "owned"))
    return (context_kind(row["context_type"]), *numbers, share, str(row["peak"]), site)
