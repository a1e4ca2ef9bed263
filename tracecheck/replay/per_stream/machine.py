"""The states of a block that holds a legacy per-stream context, and what each call does to them.

Tables of facts; docs/replay.md has them in words.
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

import numpy as np


class State(IntEnum):
    """What a block is."""

    UNKNOWN = 0
    RAW = 1
    INIT = 2
    INSERTED = 3
    REMOVED = 4
    TORN = 5
    FREED = 6
    #: Freed after the file system had taken it off the list.
    FREED_TORN = 7


#: The states in words.
STATES = (
    "unknown",
    "allocated",
    "initialised",
    "inserted",
    "removed",
    "torn down",
    "freed",
    "freed",
)


class Act(IntEnum):
    """What a row does to a block."""

    ALLOCATE = 0
    FREE = 1
    INIT = 2
    #: An initialisation before the first allocation of the pointer that was logged: a life of unknown birth.
    FIRST_INIT = 3
    INSERT = 4
    INSERT_FAILED = 5
    LOOKUP = 6
    REMOVE = 7
    #: FsRtlTeardownPerStreamContexts of the stream that the block was inserted in.
    TEARDOWN = 8
    CALLBACK = 9
    CALLBACK_END = 10
    USE = 11


#: What is wrong with a call, in words; their numbers are their places, counted from 1.
FAULTS = (
    "freed while inserted",
    "inserted before initialised",
    "inserted twice",
    "used after free",
    "used after teardown",
    "freed twice",
)
FREED_INSERTED, NOT_INITIALISED, INSERTED_TWICE, USED_FREED, USED_TORN, FREED_TWICE = range(1, 7)
#: No fault of the driver's: the system cannot have done what the log tells.
IMPOSSIBLE = 99


class Outcome(NamedTuple):
    """What an act does in a state: the state after it, and a fault, :data:`IMPOSSIBLE` or 0."""

    state: State
    fault: int = 0


_S = State
_FREED = (_S.FREED, _S.FREED_TORN)
_FAULT_OF = {_S.FREED: USED_FREED, _S.FREED_TORN: USED_TORN}


def _row(act: Act) -> dict[State, Outcome]:
    """Tabulate what an act does in each state."""
    if act is Act.ALLOCATE:
        mine = (_S.UNKNOWN, *_FREED)
        return {s: Outcome(_S.RAW, 0 if s in mine else IMPOSSIBLE) for s in _S}
    if act is Act.FIRST_INIT:
        return dict.fromkeys(_S, Outcome(_S.INIT))
    if act is Act.FREE:
        to = dict.fromkeys(_S, Outcome(_S.FREED))
        return to | {
            _S.TORN: Outcome(_S.FREED_TORN),
            _S.INSERTED: Outcome(_S.FREED, FREED_INSERTED),
            _S.FREED: Outcome(_S.FREED, FREED_TWICE),
            _S.FREED_TORN: Outcome(_S.FREED_TORN, FREED_TWICE),
        }
    # All else is a use of what is freed, and changes nothing there.
    out = {s: Outcome(s, _FAULT_OF.get(s, 0)) for s in _S}
    torn = {_S.TORN: Outcome(_S.TORN, USED_TORN)}
    if act is Act.INIT:
        fresh = (_S.UNKNOWN, _S.RAW, _S.INIT, _S.REMOVED)
        return out | torn | dict.fromkeys(fresh, Outcome(_S.INIT))
    if act is Act.INSERT:
        ready = dict.fromkeys((_S.UNKNOWN, _S.INIT, _S.REMOVED), Outcome(_S.INSERTED))
        wrong = {_S.RAW: Outcome(_S.INSERTED, NOT_INITIALISED)}
        return out | torn | ready | wrong | {_S.INSERTED: Outcome(_S.INSERTED, INSERTED_TWICE)}
    if act is Act.INSERT_FAILED:
        return out | torn | {_S.UNKNOWN: Outcome(_S.INIT), _S.RAW: Outcome(_S.RAW, NOT_INITIALISED)}
    if act in (Act.LOOKUP, Act.REMOVE):
        to_ = _S.INSERTED if act is Act.LOOKUP else _S.REMOVED
        missing = dict.fromkeys((_S.RAW, _S.INIT, _S.REMOVED), Outcome(to_, IMPOSSIBLE))
        return out | torn | missing | dict.fromkeys((_S.UNKNOWN, _S.INSERTED), Outcome(to_))
    if act is Act.TEARDOWN:
        return {s: Outcome(_S.TORN if s is _S.INSERTED else s) for s in _S}
    if act is Act.CALLBACK:
        return out | {s: Outcome(_S.TORN) for s in _S if s not in _FREED}
    if act is Act.CALLBACK_END:
        return {s: Outcome(_S.TORN if s is _S.UNKNOWN else s) for s in _S}
    return out


#: ``OUTCOMES[act][state]``.
OUTCOMES: tuple[tuple[Outcome, ...], ...] = tuple(tuple(_row(act)[state] for state in State) for act in Act)

#: The same as arrays of shape (acts, states).
NEXT = np.array([[int(out.state) for out in row] for row in OUTCOMES], np.int8)
FAULT = np.array([[out.fault for out in row] for row in OUTCOMES], np.int8)


class Place(NamedTuple):
    """A block's state, and the stream that it is inserted in (0 where that is not known)."""

    state: int
    stream: int


# Plain numbers: members of an enum are slow to compare.
_TEARDOWN, _INSERTED, _TORN = int(Act.TEARDOWN), int(State.INSERTED), int(State.TORN)
_PUTS = (int(Act.INSERT), int(Act.LOOKUP))
_OUTCOMES = [[(int(out.state), out.fault) for out in row] for row in OUTCOMES]
_NOWHERE = [Place(int(state), 0) for state in State]


def play(place: Place, act: int, stream: int) -> tuple[Place, int]:
    """Do one call.

    Args:
        place: The block before it.
        act: An :class:`Act`.
        stream: The stream that the call names, 0 for none.

    Returns:
        The block after it, and the fault, :data:`IMPOSSIBLE` or 0.
    """
    if act == _TEARDOWN and place.stream != stream:
        return place, 0
    after, fault = _OUTCOMES[act][place.state]
    if after != _INSERTED:
        return _NOWHERE[after], fault
    found = act in _PUTS and place.state < _TORN
    return Place(after, stream if found else place.stream), fault


START = Place(State.UNKNOWN, 0)
