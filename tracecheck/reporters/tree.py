"""`tree`: references taken minus dropped, by call site."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from tracecheck.fltmgr import Effect
from tracecheck.operations.frames import frame_name, frames_of, own_frames
from tracecheck.operations.table import STACK, has_stacks
from tracecheck.payload.arrow import whole
from tracecheck.reporters.common import clean, columns, dump

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from tracecheck.capture import Analysis

    Ints = NDArray[np.int64]

_UNKNOWN = "(function not logged)"
_NOWHERE = "(never released)"
_UNTAKEN = "(no acquire)"


@dataclass
class Node:
    """A place and what it did.

    Attributes:
        name: The function or the call.
        taken: References taken there.
        dropped: How many of them were released; releases that answer nothing count where they were made.
        children: What it is made of.
    """

    name: str
    taken: int = 0
    dropped: int = 0
    children: dict[str, Node] = field(default_factory=dict)

    @property
    def balance(self) -> int:
        """What is left."""
        return self.taken - self.dropped

    @property
    def is_balanced(self) -> bool:
        """Whether nothing is left, here or anywhere below."""
        return not self.balance and all(child.is_balanced for child in self.children.values())

    def add(self, path: tuple[str, ...], taken: int, dropped: int) -> None:
        """Count references at this node and at each below it on a path."""
        self.taken += taken
        self.dropped += dropped
        if path:
            self.children.setdefault(path[0], Node(path[0])).add(path[1:], taken, dropped)


def grow(analysis: Analysis, lives: Ints, *, invert: bool = False, collapse: bool = False) -> Node:
    """Make the tree of some contexts.

    Under the function and the call that took references stand the calls that released them, each with as many
    as it released. Turned round, under the function and the call that released them stand those that took
    them. Where stacks were logged, the driver's callers of the function stand above it, the outermost first.

    Args:
        analysis: What the contexts are of.
        lives: Their ids.
        invert: Turn it round.
        collapse: Take the calls of a function together.
    """
    names = _Names(analysis)
    root = Node("all")
    for acquire, release, number in _edges(analysis, lives):
        taken, dropped = (number if acquire >= 0 else 0), (number if release >= 0 else 0)
        ends = [(acquire, _UNTAKEN), (release, _NOWHERE)]
        first, second = reversed(ends) if invert else ends
        # What answers nothing, or is not answered, stands at its own place.
        if not invert and first[0] < 0:
            first, second = second, first
        root.add((*names.path(*first, collapse), *names.path(*second, collapse)[-1:]), taken, dropped)
    return root


def _edges(analysis: Analysis, lives: Ints) -> Iterator[tuple[int, int, int]]:
    """Yield an acquire and a release of each pair of sites, -1 for none, and how many there are."""
    evidence = analysis.evidence
    chosen = np.zeros(len(analysis.contexts), np.bool_)
    chosen[lives] = True
    pairs = [
        analysis.pairs.column(name).to_numpy().astype(np.int64) for name in ("context", "acquire", "release")
    ]
    owner, operation = (evidence.step(name).astype(np.int64) for name in ("context", "operation"))
    releases = np.isin(evidence.ops.effect()[operation], (Effect.RELEASE, Effect.RELEASE_MANY))
    delta = np.where(releases, -1, evidence.step("delta_owned"))
    acquires: list[Ints] = [pairs[1][chosen[pairs[0]]]]
    answers: list[Ints] = [pairs[2][chosen[pairs[0]]]]
    for column, sign in ((1, 1), (2, -1)):
        key = (owner << 32) + operation
        alone = np.flatnonzero((np.sign(delta) == sign) & chosen[owner])
        alone = alone[~np.isin(key[alone], (pairs[0] << 32) + pairs[column])]
        nothing = np.full(len(alone), -1)
        acquires.append(operation[alone] if sign > 0 else nothing)
        answers.append(nothing if sign > 0 else operation[alone])
    taken, given = np.concatenate(acquires), np.concatenate(answers)
    place = np.append(_with_stacks(analysis, evidence.place.astype(np.int64)), -1)
    key = (place[taken] + 1) * (int(place.max(initial=0)) + 2) + place[given] + 1
    _, first, counts = np.unique(key, return_index=True, return_counts=True)
    for at, number in zip(first.tolist(), counts.tolist(), strict=True):
        yield int(taken[at]), int(given[at]), number


def _with_stacks(analysis: Analysis, place: Ints) -> Ints:
    """Tell places apart by the stacks that were logged with their calls too."""
    if not has_stacks(analysis.operations):
        return place
    codes = whole(analysis.operations.column(STACK.name)).indices.fill_null(-1)
    stack = codes.to_numpy(zero_copy_only=False).astype(np.int64) + 1
    both: Ints = np.unique(place * (int(stack.max(initial=0)) + 1) + stack, return_inverse=True)[1]
    return both.reshape(-1).astype(np.int64)


class _Names:
    """The names of functions and calls, and of those that called them."""

    def __init__(self, analysis: Analysis) -> None:
        self._evidence = analysis.evidence
        self._operations = analysis.operations
        self._has_stacks = has_stacks(analysis.operations)

    def path(self, op: int, missing: str, collapse: bool) -> tuple[str, ...]:
        """Name the function of an operation and the call itself."""
        if op < 0:
            return (missing,)
        names = self._evidence.names
        function = names("function", op) or _UNKNOWN
        callers = self._callers(op)
        if collapse:
            return (*map(frame_name, callers), function)
        site = names("site", op)
        return *callers, function, f"{names('routine', op)} at {site}" if site else names("routine", op)

    def _callers(self, op: int) -> tuple[str, ...]:
        """Name the driver's calls that led to the function of an operation, the outermost first."""
        if not self._has_stacks:
            return ()
        frames = own_frames(frames_of(self._operations.column(STACK.name)[op].as_py()))
        return tuple(reversed(frames[1:]))


def pruned(node: Node) -> Node:
    """Leave out what is balanced."""
    left = {name: pruned(child) for name, child in node.children.items() if not child.is_balanced}
    return Node(node.name, node.taken, node.dropped, left)


def render_text(root: Node) -> Iterator[str]:
    """Write a tree for a reader, the largest balance first.

    Args:
        root: The tree.

    Yields:
        Lines with their line ends.
    """
    cells = [("taken", "dropped", "balance", "")]
    cells += [
        (
            f"{node.taken:,}",
            f"{node.dropped:,}",
            f"{node.balance:+,}" if node.balance else "0",
            "  " * depth + clean(node.name),
        )
        for node, depth in _walk(root, 0)
    ]
    for line in columns(cells, (True, True, True, False)):
        yield f"{line}\n"


def _walk(node: Node, depth: int) -> Iterator[tuple[Node, int]]:
    yield node, depth
    for child in _sorted(node.children):
        yield from _walk(child, depth + 1)


def _sorted(children: Mapping[str, Node]) -> list[Node]:
    return sorted(
        children.values(), key=lambda node: (-abs(node.balance), -node.taken, -node.dropped, node.name)
    )


def render_json(root: Node, paths: tuple[str, ...], contexts: int) -> Iterator[str]:
    """Write a tree as one JSON object.

    Args:
        root: The tree.
        paths: The files of the capture.
        contexts: How many contexts it is of.

    Yields:
        Pieces of the object.
    """
    yield f'{{"captures": {dump(list(paths))}, "contexts": {contexts},\n "tree": {dump(_object(root))}}}\n'


def _object(node: Node) -> dict[str, Any]:
    return {
        "name": node.name,
        "taken": node.taken,
        "dropped": node.dropped,
        "balance": node.balance,
        "children": [_object(child) for child in _sorted(node.children)],
    }
