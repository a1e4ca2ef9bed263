"""Suppression files: findings that the user knows, each with the reason why it may stay.

Two forms, which people know from LeakSanitizer and Valgrind, may stand in one file:

    # a comment
    L09:SimPreRead*  # reason: dropped in DriverUnload; expires: 2027-01-31
    {
       reason: the worker keeps it for the life of the driver
       rule: L*
       type: instance
       site: SimLazyWorker (work.c:*)
       stack: SimGet* < ... < SimPreCreate
       signature: 2f1c*
       expires: 2027-01-31
    }

``*`` stands for any text and ``?`` for any character; a pattern has to match the whole of what it is held
against. A pattern of a stack has one for each frame, the innermost first, with `` < `` between them; ``...``
stands for any number of frames, and what calls the last one may be anything. In the short form ``leak``
stands for L* and ``release`` for R*, and the pattern is held against call sites and functions.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING

from tracecheck.errors import InputError
from tracecheck.operations.frames import frame_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_FAMILIES = {"leak": "L*", "release": "R*"}
_RULE = re.compile(r"[A-Za-z0-9*?]+")
# Looks behind, for only so is a long run of blanks gone through once.
_REASON = re.compile(r"(?<=\s)#")
_KEYS = ("rule", "type", "site", "stack", "signature", "reason", "expires")
_ANY_FRAMES = "..."
# A file of suppressions is written by people.
_MOST = 10_000


@dataclass(frozen=True)
class Suppression:
    """One entry of a suppression file.

    Attributes:
        reason: Why what it matches may stay.
        rules: Patterns of rule codes, of which one has to match; empty for any rule.
        types: Patterns of context types ("stream", "stream handle" ...), likewise.
        sites: Patterns, each of which has to match a call site or a function of the operations that prove
            the finding.
        signatures: Patterns of signatures, of which one has to match; empty for any.
        stacks: Patterns of stacks, each of which has to match a stack of these operations.
        expires: The last day on which it holds; None for good.
        place: The file and the line where it stands.
    """

    reason: str
    rules: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    sites: tuple[str, ...] = ()
    signatures: tuple[str, ...] = ()
    expires: date | None = None
    place: str = ""
    stacks: tuple[str, ...] = ()

    def holds(self, today: date) -> bool:
        """Tell whether it has not expired."""
        return self.expires is None or today <= self.expires

    def matches(
        self,
        rule: str,
        kind: str,
        signature: str,
        sites: Sequence[str],
        stacks: Sequence[Sequence[str]] = (),
    ) -> bool:
        """Tell whether a finding is meant.

        Args:
            rule: Its rule's code.
            kind: The type of its context, in the words that reports use; "" where it has none.
            signature: Its signature.
            sites: The call sites and functions of the operations that prove it.
            stacks: The frames of each of these operations that has a stack, the innermost first.
        """
        return (
            _any(self.rules, [rule])
            and _any(self.types, [kind])
            and _any(self.signatures, [signature])
            and all(_any((pattern,), sites) for pattern in self.sites)
            and all(any(stack_matches(pattern, frames) for frames in stacks) for pattern in self.stacks)
        )


def wildcard(pattern: str, text: str) -> bool:
    """Tell whether a pattern with ``*`` and ``?`` matches a whole text, in time of their lengths' product."""
    at = place = mark = 0
    star = -1
    while place < len(text):
        if at < len(pattern) and pattern[at] == "*":
            star, mark = at, place
            at += 1
        elif at < len(pattern) and pattern[at] in ("?", text[place]):
            at, place = at + 1, place + 1
        elif star >= 0:
            mark += 1
            at, place = star + 1, mark
        else:
            return False
    return not pattern[at:].strip("*")


def stack_matches(pattern: str, frames: Sequence[str]) -> bool:
    """Tell whether a pattern of a stack matches the innermost frames of one.

    Args:
        pattern: A pattern for each frame, with `` < `` between them; ``...`` is any number of frames.
        frames: The innermost first. A pattern may match a frame or its name, without offset and line.
    """
    parts: list[list[str]] = [[]]
    for each in map(str.strip, re.split(r"\s<\s", pattern)):
        if each == _ANY_FRAMES:
            parts.append([])
        else:
            parts[-1].append(each)
    at = 0
    for number, part in enumerate(parts):
        # The first place where a part matches leaves the most for those after it.
        last = len(frames) - len(part) if number else 0
        found = (place for place in range(at, last + 1) if _frames_match(part, frames[place:]))
        place = next(found, -1)
        if place < 0:
            return False
        at = place + len(part)
    return True


def _frames_match(patterns: Sequence[str], frames: Sequence[str]) -> bool:
    return len(patterns) <= len(frames) and all(
        wildcard(pattern, frame) or wildcard(pattern, frame_name(frame))
        for pattern, frame in zip(patterns, frames, strict=False)
    )


def parse_suppressions(text: str, name: str) -> list[Suppression]:
    """Read a suppression file.

    Args:
        text: What stands in it.
        name: What it is called in messages.

    Raises:
        InputError: It is malformed; the message names the line.
    """
    found = []
    for number, suppression in _entries(text.splitlines(), name):
        if not any(
            getattr(suppression, part) for part in ("rules", "types", "sites", "stacks", "signatures")
        ):
            raise InputError(
                f"{name}:{number}: suppresses everything; name a rule, type, site, stack or signature"
            )
        if not suppression.reason:
            raise InputError(f"{name}:{number}: has no reason; say why the finding may stay")
        found.append(replace(suppression, place=f"{name}:{number}"))
        if len(found) > _MOST:
            raise InputError(f"{name}: has more than {_MOST:,} entries")
    return found


def _entries(lines: Sequence[str], name: str) -> Iterator[tuple[int, Suppression]]:
    """Find the entries, each with the number of its first line."""
    block: list[tuple[int, str]] | None = None
    start = 0
    for number, raw in enumerate(lines, 1):
        line = raw.strip().removeprefix("\N{ZERO WIDTH NO-BREAK SPACE}")
        if block is not None:
            if line == "}":
                yield start, _block(block, name)
                block = None
            elif line and not line.startswith("#"):
                block.append((number, line))
        elif line == "{":
            block, start = [], number
        elif line and not line.startswith("#"):
            yield number, _short(line, f"{name}:{number}")
    if block is not None:
        raise InputError(f"{name}:{start}: this block has no end; close it with a line '}}'")


def _short(line: str, place: str) -> Suppression:
    """Read ``rule:site  # reason: ...; expires: ...``."""
    code, colon, rest = line.partition(":")
    # A call site is not empty, and may begin with what would else begin the reason.
    mark = _REASON.search(rest, 2)
    if not colon or not _RULE.fullmatch(code) or mark is None:
        raise InputError(f"{place}: write RULE:SITE  # reason, or a block in braces")
    parts = [part.strip() for part in rest[mark.end() :].split(";")]
    expires = next((part for part in parts if part.startswith("expires:")), None)
    reason = "; ".join(part.removeprefix("reason:").strip() for part in parts if part != expires)
    rule = _FAMILIES.get(code, code)
    until = None if expires is None else _day(expires.partition(":")[2].strip(), place)
    return Suppression(reason, rules=(rule,), sites=(rest[: mark.start()].strip(),), expires=until)


def _block(lines: Sequence[tuple[int, str]], name: str) -> Suppression:
    """Read the lines of a block."""
    found: dict[str, list[str]] = {key: [] for key in _KEYS}
    until = None
    for number, line in lines:
        key, colon, value = (part.strip() for part in line.partition(":"))
        if not colon or key not in found or not value:
            raise InputError(f"{name}:{number}: {key!r} is none of {', '.join(_KEYS)}, or has no value")
        if key == "expires":
            until = _day(value, f"{name}:{number}")
        # A list of codes or types may stand on one line; a call site may have commas of its own.
        several = key in ("rule", "type")
        found[key] += [part.strip() for part in value.split(",")] if several else [value]
    return Suppression(
        " ".join(found["reason"]),
        tuple(_FAMILIES.get(rule, rule) for rule in found["rule"]),
        tuple(found["type"]),
        tuple(found["site"]),
        tuple(found["signature"]),
        until,
        stacks=tuple(found["stack"]),
    )


def _day(text: str, place: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise InputError(f"{place}: {text!r} is no day; write it as 2027-01-31") from None


def _any(patterns: Sequence[str], texts: Sequence[str]) -> bool:
    return not patterns or any(wildcard(pattern, text) for pattern in patterns for text in texts)
