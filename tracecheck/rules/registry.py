"""The form of a rule, and the table of all rules."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from tracecheck.rules.evidence import Evidence


@dataclass(frozen=True)
class Candidate:
    """A fault that a rule found, before it is known how sure it is.

    Attributes:
        life: Row of the contexts table; None where the fault is of the capture itself.
        operations: The rows that prove it, the one at fault first.
        message: What happened, in words.
        judged: Until when the trace had to be complete for it, nanoseconds.
        cause: What the signature is made of besides the rule and the context's type; no address.
        doubts: Reasons why it is no more than possible.
        needs: The routines that must be logged completely for it to be certain.
        severity: Where it is not the rule's own.
        context: The context's address where it has no life in the replay: one that was never allocated, or
            is not counted. None where it has a life, or where there is no context at all.
        context_type: Its FLT_CONTEXT_TYPE, likewise; 0 where it is not known.
        since: From when the trace had to be complete where there is no life that tells, nanoseconds; None
            where nothing need be complete but what ``needs`` names.
    """

    life: int | None
    operations: tuple[int, ...]
    message: str
    judged: int
    cause: tuple[str, ...]
    doubts: tuple[str, ...] = ()
    needs: frozenset[str] = field(default_factory=frozenset)
    severity: str | None = None
    context: int | None = None
    context_type: int = 0
    since: int | None = None


#: What a rule's verdict rests on: on releases being logged, on acquires being logged, or on neither.
LEAKS = "leaks"
OVER_RELEASES = "over-releases"


@dataclass(frozen=True)
class Rule:
    """A rule of the rulebook.

    Attributes:
        code: Its code.
        title: What it finds, in a few words.
        severity: "error", "warning" or "note".
        sound: Whether it is always a bug where all it needs is logged; if not, it is a heuristic.
        family: :data:`LEAKS` or :data:`OVER_RELEASES` where it is withheld from captures that do not log
            enough to judge these; else "".
        find: Finds its faults.
    """

    code: str
    title: str
    severity: str
    sound: bool
    family: str
    find: Callable[[Evidence], Iterable[Candidate]]


#: All rules by code.
RULES: dict[str, Rule] = {}


def rule(
    code: str, title: str, *, severity: str = "error", sound: bool = True, family: str = ""
) -> Callable[[Callable[[Evidence], Iterable[Candidate]]], Callable[[Evidence], Iterable[Candidate]]]:
    """Enter a function into the table of rules; arguments as for :class:`Rule`."""

    def enter(find: Callable[[Evidence], Iterable[Candidate]]) -> Callable[[Evidence], Iterable[Candidate]]:
        RULES[code] = Rule(code, title, severity, sound, family, find)
        return find

    return enter
