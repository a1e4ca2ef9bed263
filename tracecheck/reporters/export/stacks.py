"""Who takes references, who gives them back and who keeps them, as stacks with weights."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from tracecheck.operations import Coverage
from tracecheck.operations.frames import frames_of
from tracecheck.operations.table import STACK, has_stacks
from tracecheck.payload.arrow import whole
from tracecheck.replay import Replay
from tracecheck.reporters.common import clean
from tracecheck.reporters.names import context_kind
from tracecheck.rules.evidence import Evidence

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    from tracecheck.capture import Analysis

    Ints = NDArray[np.int64]

#: What stacks can be weighed by, and what each means.
WEIGHTS = {
    "taken": "references taken",
    "released": "references released",
    "held": "references never released",
}
_SOURCE = re.compile(r"(?:^|\()([^():]+):(\d{1,9})\)?$")
_NOWHERE = "(call site not logged)"


@dataclass(frozen=True)
class Frame:
    """One frame of a stack.

    Attributes:
        name: What it is called; no character in it is hidden or steers a terminal.
        file, line: Its place in the source, "" and 0 where that is not known.
    """

    name: str
    file: str = ""
    line: int = 0


@dataclass(frozen=True)
class Stacks:
    """Stacks and what each weighs.

    Attributes:
        frames: The different frames.
        stacks: The different stacks, outermost frame first, as places in ``frames``: the type of the
            context, the frames outside of the call as far as they were logged, the function, the call site,
            the routine.
        weights: By each name of :data:`WEIGHTS`, how many references went through each stack.
    """

    frames: list[Frame] = field(default_factory=list)
    stacks: list[tuple[int, ...]] = field(default_factory=list)
    weights: dict[str, list[int]] = field(default_factory=dict)


def stacks_of(analysis: Analysis) -> Stacks:
    """Weigh the call sites of a capture.

    What is held is what the lives of known birth that ended held still own; which acquire that was is what
    the leak rules say.
    """
    steps = analysis.steps
    if not steps.num_rows:
        return Stacks(weights={name: [] for name in WEIGHTS})
    delta = whole(steps.column("delta_owned")).to_numpy().astype(np.int64)
    life = whole(steps.column("context")).to_numpy().astype(np.int64)
    operation = whole(steps.column("operation")).to_numpy().astype(np.int64)
    held_life, held_operation = _held(analysis)
    moved = np.flatnonzero(delta)
    kind = whole(analysis.contexts.column("context_type")).to_numpy()
    rows = np.concatenate([operation[moved], held_operation])
    owner = np.concatenate([life[moved], held_life])
    key = _keys(analysis.operations, rows, kind[owner].astype(np.int64))
    different, first, which = np.unique(key, return_index=True, return_inverse=True)
    counts = delta[moved]
    weights = {
        "taken": (which[: len(moved)], np.maximum(counts, 0)),
        "released": (which[: len(moved)], np.maximum(-counts, 0)),
        "held": (which[len(moved) :], np.ones(len(held_operation), np.int64)),
    }
    found = Stacks(
        weights={
            name: np.bincount(place, weight, len(different)).astype(np.int64).tolist()
            for name, (place, weight) in weights.items()
        }
    )
    _name(found, analysis.operations, rows[first], kind[owner[first]].tolist())
    return found


def _held(analysis: Analysis) -> tuple[Ints, Ints]:
    """Find the acquires that nothing answers: the lives, and the operations, one for each reference."""
    replayed = Replay(
        analysis.contexts, analysis.steps, {}, {}, frozenset(), frozenset(), frozenset(), frozenset()
    )
    evidence = Evidence(analysis.operations, replayed, analysis.losses, Coverage(declared=False))
    pairs = [(life, step) for life in evidence.held.tolist() for step in evidence.unanswered(life).steps]
    found = np.array(pairs, np.int64).reshape(-1, 2)
    return found[:, 0], found[:, 1]


def _keys(operations: pa.Table, rows: Ints, kind: Ints) -> Ints:
    """Number the different stacks of some operations on contexts of some types."""
    key = kind
    stack = _codes(operations, STACK.name)[rows] if has_stacks(operations) else np.full(len(rows), -1)
    for name in ("function", "site", "routine", STACK.name):
        codes = stack if name == STACK.name else _codes(operations, name)[rows]
        key = np.unique(key * (int(codes.max(initial=0)) + 2) + codes + 1, return_inverse=True)[1].astype(
            np.int64
        )
    return key


def _codes(operations: pa.Table, name: str) -> Ints:
    indices = whole(operations.column(name)).indices
    found: Ints = (indices.fill_null(-1) if indices.null_count else indices).to_numpy().astype(np.int64)
    return found


def _name(stacks: Stacks, operations: pa.Table, rows: Ints, kinds: list[int]) -> None:
    """Fill in frames and stacks."""
    numbers: dict[Frame, int] = {}
    words = []
    for name in ("function", "site", "routine"):
        texts = [*map(clean, whole(operations.column(name)).dictionary.to_pylist()), ""]
        words.append([texts[code] for code in _codes(operations, name)[rows].tolist()])
    called = _called(operations, rows)
    for kind, stack, function, site, routine in zip(kinds, called, *words, strict=True):
        # Who logged its call site has a better name for the innermost frame than an offset.
        inner = [_source(site)] if stack and stack[0] == site else _places(function, site)
        places = [*map(_source, reversed(stack[1:])), *inner]
        frames = [Frame(context_kind(kind)), *places, Frame(routine or "(no name)")]
        stacks.stacks.append(tuple(numbers.setdefault(frame, len(numbers)) for frame in frames))
    stacks.frames.extend(numbers)


def _called(operations: pa.Table, rows: Ints) -> list[list[str]]:
    """Give the frames of some operations, cleaned, the innermost first; none where no stack was logged."""
    if not has_stacks(operations):
        return [[] for _ in rows]
    texts = [*whole(operations.column(STACK.name)).dictionary.to_pylist(), None]
    return [
        list(map(clean, frames_of(texts[code]))) for code in _codes(operations, STACK.name)[rows].tolist()
    ]


def _places(function: str, site: str) -> list[Frame]:
    """Give the frames of a call site: its function and its line."""
    found = [Frame(function)] if function else []
    if site and site != function:
        found.append(_source(site))
    return found or [Frame(_NOWHERE)]


def _source(site: str) -> Frame:
    """Give the frame of a call site, with its place in the source where it tells one."""
    source = _SOURCE.search(site)
    return Frame(site, source[1].strip(), int(source[2])) if source else Frame(site)
