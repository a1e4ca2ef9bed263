"""The findings of the HTML page: by case and cause, with the steps that prove them."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from tracecheck.etl import plain_rows
from tracecheck.reporters.blamed import blamed
from tracecheck.reporters.html.codes import Ints, numbers
from tracecheck.reporters.lookup import Row, ordered
from tracecheck.rules.book import families, page
from tracecheck.rules.evidence import describe_loss
from tracecheck.rules.registry import RULES

if TYPE_CHECKING:
    from tracecheck.capture import Analysis

#: How many findings a page tells of one by one; those of the worst severity and best confidence first.
MOST_FINDINGS = 100_000


class Findings:
    """The findings of one page.

    Args:
        analysis: What the page is of.
        most: How many findings there may be.

    Attributes:
        rows: The findings, the worst and surest first.
        total: How many there are in all.
        lives: The contexts that have findings, all of them.
        loose: Operations that prove findings and are no step of their lives: rows of the operations table.
    """

    def __init__(self, analysis: Analysis, most: int = MOST_FINDINGS) -> None:
        # The table of losses tells of each with its time; a finding that only repeats one would hide others.
        losses = {describe_loss(loss) for loss in plain_rows(analysis.losses)}
        every = [
            row
            for row in ordered(analysis.findings)
            if row["context_id"] is not None or row["message"] not in losses
        ]
        self.rows, self.total = every[:most], len(every)
        self._counts = _group_counts(every)
        known = {row["context_id"] for row in every if row["context_id"] is not None}
        self.lives = np.array(sorted(known), np.int64)
        self._blamed = blamed(analysis)
        self._proofs, self.loose = self._prove(analysis)

    def _prove(self, analysis: Analysis) -> tuple[list[list[int]], Ints]:
        """Find the step of each operation that proves a finding.

        Returns:
            For each finding the places of steps in its life, counted from 0, or -1 less the place among the
            loose operations; and those.
        """
        owners = numbers(analysis.steps.column("context")).astype(np.int64)
        steps = numbers(analysis.steps.column("operation")).astype(np.int64)
        first = np.searchsorted(owners, np.arange(analysis.contexts.num_rows + 1))
        some = np.isin(owners, self.lives)
        keys = owners[some] << 32 | steps[some]
        places = np.flatnonzero(some)
        order = np.argsort(keys, kind="stable")
        keys, places = keys[order], places[order]
        operations = np.array([each for row in self.rows for each in row["operations"]], np.int64)
        sizes = [len(row["operations"]) for row in self.rows]
        lives = np.array(
            [-1 if row["context_id"] is None else row["context_id"] for row in self.rows], np.int64
        )
        lives = np.repeat(lives, sizes)
        wanted = lives << 32 | operations
        at = np.minimum(np.searchsorted(keys, wanted), max(len(keys) - 1, 0))
        is_step = (keys[at] == wanted) & (lives >= 0) if len(keys) else np.zeros(len(wanted), np.bool_)
        loose, numbered = np.unique(operations[~is_step], return_inverse=True)
        proof = np.zeros(len(wanted), np.int64)
        proof[is_step] = places[at[is_step]] - first[lives[is_step]]
        proof[~is_step] = -1 - numbered
        ends = np.cumsum(np.array([0, *sizes], np.int64)).tolist()
        flat = proof.tolist()
        return [flat[start:end] for start, end in pairwise(ends)], loose

    def columns(self) -> dict[str, Any]:
        """Give the findings as columns, cases as lists of findings and groups as lists of cases."""
        cases = _cases(self.rows)
        groups: dict[str, list[int]] = {}
        for place, case in enumerate(cases):
            groups.setdefault(cause(self.rows[case[0]]), []).append(place)
        names = ("rule", "severity", "confidence", "context_id", "context_type", "generation")
        return {
            **{name: [row[name] for row in self.rows] for name in names},
            # Times and pointers are no numbers of JSON's: they would lose their last digits.
            "time": [None if row["time"] is None else str(row["time"]) for row in self.rows],
            "context": [None if row["context"] is None else f"{row['context']:x}" for row in self.rows],
            "reasons": [row["reasons"] for row in self.rows],
            "signature": [row["signature"] for row in self.rows],
            "message": [row["message"] for row in self.rows],
            "blame": [self._blame(row) for row in self.rows],
            "proof": self._proofs,
            "cases": cases,
            "groups": [[self._counts[key], members] for key, members in groups.items()],
            "total": self.total,
        }

    def _blame(self, finding: Row) -> str:
        """Say who did it: what a finding's page begins with."""
        blame = self._blamed.get(finding["row"])
        told: str = finding["message"] if blame is None else blame["text"]
        return told

    def rules(self) -> list[dict[str, Any]]:
        """Give what the book says of the rules that have findings."""
        known = {one.code: family.title for family in families() for one in family.pages}
        return [_rule(code, known) for code in sorted({row["rule"] for row in self.rows})]


def cause(finding: Row) -> str:
    """Give what findings of one cause share; those of the capture itself are one group for each rule."""
    found: str = finding["rule"] if finding["context_id"] is None else finding["signature"]
    return found


def _cases(found: Iterable[Row]) -> list[list[int]]:
    """Put the findings of one context together; what has no context stands alone."""
    cases: dict[object, list[int]] = {}
    for place, finding in enumerate(found):
        life = finding["context_id"]
        cases.setdefault(("alone", place) if life is None else life, []).append(place)
    return list(cases.values())


def _group_counts(found: list[Row]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for case in _cases(found):
        key = cause(found[case[0]])
        counts[key] = counts.get(key, 0) + 1
    return counts


def _rule(code: str, known: dict[str, str]) -> dict[str, Any]:
    if code not in known:
        title = RULES[code].title if code in RULES else ""
        return {"code": code, "title": title}
    found = page(code)
    return {
        "code": code,
        "title": found.title,
        "family": known[code],
        "severity": found.severity,
        "kind": found.kind,
        "parts": [
            ["What it means", found.means],
            ["Why it is a bug", found.bug],
            ["How to fix it", found.fix],
            ["What looks like it and is not", found.alike],
            ["What is not settled", found.unsettled],
            ["When it holds", found.condition],
            ["What must be logged", found.needs],
        ],
        "wrong": found.wrong,
        "right": found.right,
        "sources": [[source.text, source.url] for source in found.sources],
    }
