"""Plots of a capture; plotly stands behind this one door."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tracecheck.notebook.extras import MissingExtraError
from tracecheck.reporters.live import has_word, lifetimes, live_counts
from tracecheck.reporters.names import context_kind

if TYPE_CHECKING:
    from types import ModuleType

    import pyarrow as pa
    from numpy.typing import NDArray
    from plotly.graph_objects import Figure

# What a screen can tell apart; a browser is not given more.
_MOST_POINTS = 2000
_BINS = 60
_LEAST_NS, _NS = 1, 1_000_000_000


def plot_live(contexts: pa.Table) -> Figure:
    """Draw how many contexts of each type were alive over time.

    Args:
        contexts: The contexts table.

    Raises:
        MissingExtraError: plotly is not installed.
    """
    graphs = _plotly("plot_live()")
    traces = []
    counts = live_counts(contexts)
    last = max((when[-1] for when, _ in counts.values()), default=0)
    for kind, (when, alive) in counts.items():
        kept = _thinned(alive)
        # What is still alive goes on to the end.
        moments = np.append(when[kept], last).astype("M8[ns]")
        shown = np.append(alive[kept], alive[-1]).tolist()
        look = {"name": context_kind(kind), "mode": "lines", "line_shape": "hv"}
        traces.append(graphs.Scatter(x=np.datetime_as_string(moments).tolist(), y=shown, **look))
    layout = {"title": "Living contexts", "xaxis_title": "time (UTC)", "yaxis_title": "contexts"}
    return graphs.Figure(traces, layout)


def plot_lifetimes(contexts: pa.Table) -> Figure:
    """Draw how long contexts of each type lived, of those whose birth and end were seen.

    Args:
        contexts: The contexts table.

    Raises:
        MissingExtraError: plotly is not installed.
    """
    graphs = _plotly("plot_lifetimes()")
    first, end, _ = lifetimes(contexts)
    seen = has_word(contexts, "birth", "allocated") & has_word(contexts, "end", "freed")
    kinds = contexts.column("context_type").to_numpy()
    # The difference of two times of 64 bits fits into 64 bits without a sign.
    length = np.maximum((end.view(np.uint64) - first.view(np.uint64))[seen].astype(np.float64), _LEAST_NS)
    low, high = np.log10([length.min(initial=_NS), length.max(initial=_LEAST_NS)])
    edges = np.logspace(low, max(high, low + 1), _BINS + 1)
    middle = (np.sqrt(edges[:-1] * edges[1:]) / _NS).tolist()
    traces = []
    for kind in np.unique(kinds[seen]).tolist():
        # The last edge is rounded, and must not leave out the longest life.
        place = np.clip(np.searchsorted(edges, length[kinds[seen] == kind], "right") - 1, 0, _BINS - 1)
        traces.append(
            graphs.Bar(x=middle, y=np.bincount(place, minlength=_BINS).tolist(), name=context_kind(kind))
        )
    layout = {"title": "Lifetimes of contexts that were freed", "barmode": "stack", "yaxis_title": "contexts"}
    figure = graphs.Figure(traces, layout)
    figure.update_xaxes(type="log", title="seconds")
    return figure


def _plotly(what: str) -> ModuleType:
    try:
        from plotly import graph_objects
    except ImportError as error:
        raise MissingExtraError(what, "plotly") from error
    module: ModuleType = graph_objects
    return module


def _thinned(alive: NDArray[np.int64]) -> NDArray[np.int64]:
    """Choose points that show the whole course: of each stretch its least, its greatest and its last."""
    size = len(alive)
    if size <= _MOST_POINTS:
        return np.arange(size)
    bounds = np.linspace(0, size, _MOST_POINTS // 3 + 1).astype(np.int64)
    chosen = {0}
    for low, high in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
        part = alive[low:high]
        chosen |= {low + int(part.argmin()), low + int(part.argmax()), high - 1}
    return np.array(sorted(chosen))
