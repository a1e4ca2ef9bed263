"""`check --format text`: a block for each faulty context, then the capture's quality, then the verdict."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from tracecheck.etl import plain_rows
from tracecheck.reporters.blamed import blamed
from tracecheck.reporters.block import AROUND, ENDS, is_leak, life_in_words, life_lines, next_steps, roles
from tracecheck.reporters.common import (
    SEVERITIES,
    SEVERITY_COLOURS,
    clean,
    columns,
    count,
    painter,
    pointer,
    rows,
)
from tracecheck.reporters.lookup import Life, Lookup, Row, lives_by_type, ordered
from tracecheck.reporters.losses import loss_line
from tracecheck.reporters.names import context_kind
from tracecheck.rules import RULES
from tracecheck.rules.evidence import describe_loss

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tracecheck.capture import Analysis

#: How many contexts of one signature, operations of one finding and losses are shown without ``--all``.
SHOWN_ALIKE = 3
SHOWN_OPERATIONS = 8
SHOWN_LOSSES = 10

_RULER = "=" * 78
_MORE = "(--all shows every one)"


def render(analysis: Analysis, *, everything: bool = False, colour: bool = False) -> Iterator[str]:
    """Write an analysis for a reader.

    Args:
        analysis: What `check` found.
        everything: Show every context and every operation that proves a finding.
        colour: Use terminal colours.

    Yields:
        Lines with their line ends. No text of the trace in them can steer a terminal.
    """
    report = _Report(analysis, everything, painter(colour))
    for line in report.lines():
        yield f"{line}\n"


class _Report:
    """One rendering: the analysis, what is wanted of it, and the pen."""

    def __init__(self, analysis: Analysis, everything: bool, paint: Callable[..., str]) -> None:
        self.analysis = analysis
        self.everything = everything
        self.paint = paint
        self.cases = _cases(_without_losses(ordered(analysis.findings), analysis))
        self.groups = [_Group(alike, alike[: self._most(SHOWN_ALIKE)]) for alike in _alike(self.cases)]
        self.blame = blamed(analysis)
        self._look_up([case[0] for group in self.groups for case in group.shown])

    def _most(self, number: int) -> int | None:
        return None if self.everything else number

    def _look_up(self, mains: list[Row]) -> None:
        """Read all rows that will be shown at once: one by one, thousands of findings would take minutes."""
        lookup = Lookup(self.analysis)
        proofs = [(main["context_id"], main["operations"][: self._most(SHOWN_OPERATIONS)]) for main in mains]
        owned = {context: numbers for context, numbers in proofs if context is not None}
        held = {main["context_id"] for main in mains if is_leak(main)}
        self.contexts = lookup.contexts(owned)
        self.lives = lookup.lives(owned, held, ENDS, AROUND)
        self.operations = lookup.operations(number for _, numbers in proofs for number in numbers)

    def lines(self) -> Iterator[str]:
        for group in self.groups:
            yield from self._group(group)
        if self.groups:
            yield _RULER
        yield from self._quality()
        yield from self._verdict()

    def _group(self, group: _Group) -> Iterator[str]:
        """Write the contexts whose main findings share a signature."""
        for place, case in enumerate(group.shown):
            main = case[0]
            if main["severity"] != "note":
                yield _RULER
                yield self._title(main)
                yield f"  {self._whose(main)}{clean(main['message'])}"
                yield from self._who(main)
                yield from self._body(main, case[1:])
                continue
            if not place:
                yield _RULER
            yield f"{self._note(main)}: {self._whose(main)}{clean(main['message'])}"
        if len(group.shown) < len(group.alike):
            yield f"  {len(group.shown)} of {len(group.alike):,} like this shown {_MORE}"

    def _title(self, main: Row) -> str:
        rule = RULES.get(main["rule"])
        return f"{self._note(main)}: {rule.title if rule else 'a finding'}"

    def _note(self, main: Row) -> str:
        level = self.paint(main["severity"].upper(), fg=SEVERITY_COLOURS[main["severity"]], bold=True)
        return f"{level} {clean(main['rule'])} ({main['confidence']})"

    def _whose(self, main: Row) -> str:
        """Name the context of a finding, where it has one."""
        if main["context"] is None:
            return ""
        kind = f"{context_kind(main['context_type'])} " if main["context_type"] else ""
        life = "" if main["generation"] is None else f" #{main['generation']}"
        return f"{kind}{pointer(main['context'])}{life}: "

    def _who(self, main: Row) -> Iterator[str]:
        """Say who is to blame, where that is more than the message says."""
        blame = self.blame.get(main["row"])
        if blame is None:
            return
        yield f"  {clean(blame['text'])}"
        if blame["reasons"] and blame["confidence"] != main["confidence"]:
            yield f"  who did it is {blame['confidence']} because {clean('; '.join(blame['reasons']))}"

    def _body(self, main: Row, others: list[Row]) -> Iterator[str]:
        proof = main["operations"][: self._most(SHOWN_OPERATIONS)]
        first = self.operations[proof[0]] if proof else None
        life = Life([], [], None, None) if main["context_id"] is None else self.lives[main["context_id"]]
        yield ""
        yield from (f"  {line}" for line in roles(main, life, first))
        if life.steps:
            context = self.contexts[main["context_id"]]
            yield ""
            yield from (f"  {line}" for line in life_lines(main, life, proof, self.paint))
            yield from (f"  {line}" for line in life_in_words(context))
        if len(proof) < len(main["operations"]):
            yield f"  {len(proof)} of {len(main['operations']):,} operations that prove it {_MORE}"
        yield ""
        for reason in main["reasons"]:
            yield f"  {main['confidence']} because {clean(reason)}"
        for other in others:
            sureness = f"{other['severity']}, {other['confidence']}"
            yield f"  also {clean(other['rule'])} ({sureness}): {clean(_news(other, main))}"
        yield f"  signature: {clean(main['signature'])}"
        filter_ = self.contexts[main["context_id"]]["filter"] if life.steps else 0
        for step in next_steps(main, self.analysis.paths, filter_):
            yield f"  next: {step}"

    def _quality(self) -> Iterator[str]:
        losses = rows(self.analysis.losses)
        shown = losses[: self._most(SHOWN_LOSSES)]
        for loss in shown:
            yield self.paint(loss_line(loss), fg="yellow")
        if len(shown) < len(losses):
            yield f"{len(shown)} of {len(losses):,} losses shown {_MORE}"
        for warning in self.analysis.warnings:
            yield self.paint(f"warning: {clean(warning)}", fg="yellow")

    def _verdict(self) -> Iterator[str]:
        analysis, verdict = self.analysis, self.analysis.verdict
        colour = {"findings": "red", "clean": "green"}.get(verdict.word, "yellow")
        yield f"verdict: {self.paint(verdict.word, fg=colour, bold=True)}{_tally(self.cases)}"
        seen = [
            count(analysis.contexts.num_rows, "context"),
            count(analysis.operations.num_rows, "operation"),
            count(analysis.records, "record"),
        ]
        if len(analysis.blocks):
            seen.insert(1, count(len(analysis.blocks), "legacy context"))
        yield f"  {', '.join(seen)} in {' '.join(clean(path) for path in analysis.paths)}"
        yield from self._types()
        for weakness in verdict.weaknesses:
            yield f"  not for sure: {clean(weakness)}"
        for reason in verdict.reasons:
            yield f"  because {clean(reason)}"
        for advice in verdict.advice:
            yield f"  next time: {clean(advice)}"

    def _types(self) -> Iterator[str]:
        """Write how the contexts of each type ended: leaked types stand out by what was never freed."""
        found = lives_by_type(self.analysis.contexts)
        heads = list(next(iter(found.values()), {}))
        cells = [(context_kind(kind), *(f"{ends[head]:,}" for head in heads)) for kind, ends in found.items()]
        if cells:
            flushed = (False, *(True for _ in heads))
            yield from (f"  {line}" for line in columns([("", *heads), *cells], flushed))


class _Group(NamedTuple):
    """Cases whose main findings share a signature, and those of them that are shown."""

    alike: list[list[Row]]
    shown: list[list[Row]]


def _without_losses(found: list[Row], analysis: Analysis) -> list[Row]:
    """Leave out the findings that only repeat a loss: the lines on quality tell it with its time."""
    losses = {describe_loss(loss) for loss in plain_rows(analysis.losses)}
    return [row for row in found if row["context_id"] is not None or row["message"] not in losses]


def _cases(found: list[Row]) -> list[list[Row]]:
    """Put the findings of one context together; what has no context stands alone."""
    cases: dict[object, list[Row]] = {}
    for place, finding in enumerate(found):
        key: object = finding["context_id"]
        if key is None:
            key = ("alone", place) if finding["context"] is None else ("pointer", finding["context"])
        cases.setdefault(key, []).append(finding)
    return list(cases.values())


def _alike(cases: list[list[Row]]) -> list[list[list[Row]]]:
    """Group cases by the signature of their main finding, in the order of each group's first case.

    Findings of the capture itself are grouped by rule: each loss has a signature of its own.
    """
    groups: dict[str, list[list[Row]]] = {}
    for case in cases:
        main = case[0]
        groups.setdefault(main["rule"] if main["context"] is None else main["signature"], []).append(case)
    return list(groups.values())


def _news(other: Row, main: Row) -> str:
    """Leave out of a message what the main finding of the same context says already at its end."""
    what, told, rest = str(other["message"]).rpartition("; ")
    return what if told and str(main["message"]).endswith(told + rest) else str(other["message"])


def _tally(cases: list[list[Row]]) -> str:
    severities = Counter(finding["severity"] for case in cases for finding in case)
    parts = [count(severities[name], name) for name in SEVERITIES if severities[name]]
    return f": {', '.join(parts)}" if parts else ""
