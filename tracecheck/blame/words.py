"""How blame speaks of calls and contexts. Text of the trace in it is made harmless by whoever prints it."""

from __future__ import annotations

import re

from tracecheck.fltmgr import TYPE_NAMES
from tracecheck.fltmgr.status import FAILURE_BIT, STATUS_NAMES
from tracecheck.rules.evidence import Evidence

# More release sites than these are not named one by one.
_MOST_SITES = 3


class Words:
    """Names of the calls of a capture, each looked up once.

    Args:
        evidence: The tables.
    """

    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence
        self._places: dict[int, tuple[str, str, str]] = {}

    def names(self, op: int) -> tuple[str, str, str]:
        """Give routine, function and site of an operation; "" where it was not logged."""
        place = int(self._evidence.place[op])
        if place not in self._places:
            names = self._evidence.names
            self._places[place] = names("routine", op), names("function", op), names("site", op)
        return self._places[place]

    def at(self, op: int) -> str:
        """Say where an operation was made: its site, else its function, else what was called."""
        routine, function, site = self.names(op)
        return site or function or routine

    def call(self, op: int) -> str:
        """Say what was called and where."""
        routine, function, site = self.names(op)
        where = site or function
        return f"{routine} at {where}" if where else routine

    def outcome(self, op: int) -> str:
        """Say how a call that failed failed, "" for any other."""
        status = int(self._evidence.ops["status"][op])
        if not self._evidence.ops.has("status")[op] or not status & FAILURE_BIT:
            return ""
        return STATUS_NAMES.get(status, f"{status:#010x}")

    def answered_at(self, releases: list[tuple[int, int]]) -> str:
        """Say where references were released.

        Args:
            releases: An operation at each site and how many were released there, the most first.
        """
        parts = [f"{many:,} at {self.at(op)}" for op, many in releases[:_MOST_SITES]]
        rest = sum(many for _, many in releases[_MOST_SITES:])
        if len(releases) == 1:
            return f"at {self.at(releases[0][0])}"
        return ", ".join([*parts, *([f"{rest:,} elsewhere"] if rest else [])])


def kind_of_context(context_type: int) -> str:
    """Name a context by its type: ``stream handle context``."""
    known = [name for kind, name in TYPE_NAMES.items() if kind == context_type]
    if known:
        return f"{re.sub('(?<=[a-z])(?=[A-Z])', ' ', known[0]).lower()} context"
    return f"context of type {context_type:#x}" if context_type else "context"


def many(number: int, noun: str) -> str:
    """Write ``1 reference``, ``1,204 references``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
