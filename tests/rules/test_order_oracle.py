"""The confidence of R01 to R05 and of L01 against an oracle that tries every order and filling of a gap."""

from __future__ import annotations

import sys
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from order_oracle import KINDS, Call, fillings, outcomes

from tracecheck.etl import plain_rows
from tracecheck.operations.coverage import Coverage
from tracecheck.replay import TOLERANCE, replay
from tracecheck.replay.played import PATIENCE
from tracecheck.rules import judge

sys.path.append(str(Path(__file__).resolve().parents[1] / "replay"))
from reference_model import ALREADY_DEFINED, Op, arrange
from streams import to_losses, to_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    Loss = tuple[int, int]

CONTEXT, OTHER, FILTER = 0xA010, 0xB010, 7
SURENESS = ("definite", "probable", "possible")
OFTEN = settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
PLACE = {"object": 0x1000, "instance": 0x100}
ROWS: dict[str, tuple[str, dict[str, int]]] = {
    "allocate": (
        "FltAllocateContext",
        {"context": CONTEXT, "status": 0, "context_type": 8, "filter": FILTER},
    ),
    "get": ("FltGetStreamContext", {"context": CONTEXT, "status": 0, **PLACE}),
    "reference": ("FltReferenceContext", {"context": CONTEXT}),
    "release": ("FltReleaseContext", {"context": CONTEXT}),
    "set": ("FltSetStreamContext", {"context": CONTEXT, "status": 0, "old_context": 0, **PLACE}),
    "failed set": (
        "FltSetStreamContext",
        {"context": CONTEXT, "status": 0xC000000D, "old_context": 0, **PLACE},
    ),
    "replaced": ("FltDeleteStreamContext", {"old_context": CONTEXT, "status": 0, **PLACE}),
    "kept": (
        "FltSetStreamContext",
        {"context": OTHER, "old_context": CONTEXT, "status": ALREADY_DEFINED, "operation": 1, **PLACE},
    ),
    "delete": ("FltDeleteContext", {"context": CONTEXT}),
    "close": ("FltCloseSectionForDataScan", {"context": CONTEXT, "status": 0}),
    "cleanup": ("ContextCleanup", {"context": CONTEXT}),
    "use": ("ContextUse", {"context": CONTEXT}),
}
WEIGHTS = {"release": 9, "get": 4, "reference": 4, "set": 3, "delete": 2, "use": 2}
DRAWN = [kind for kind in KINDS if kind != "allocate" for _ in range(WEIGHTS.get(kind, 1))]


def history(random: Random, begins: float, *, size: int = 7, lives: int = 1) -> list[Call]:
    """Draw a few calls on one context: kinds, threads, and stretches that overlap or not."""
    now, last = 1_000_000_000, dict.fromkeys(range(4), 0)
    waits = [10, 20, 50, 100, 400] + ([] if begins == 1 else [1000, 600_000, 2_000_000])
    threads, count = random.randint(1, 3), random.randint(2, size)
    births = {0, random.randint(2, count)} if lives > 1 else {0}
    calls = []
    for place in range(count):
        now += random.choice(waits)
        kind = "allocate" if place in births else random.choice(DRAWN)
        thread, begin = random.randint(1, threads), None
        if not KINDS[kind][3] and random.random() < begins:
            began = now - random.choice([3, 13, 33, 73, 153, 403, 1203])
            begin = min(max(last[thread] + 3, began), now - 3)
        calls.append(Call(kind, thread, now, begin))
        last[thread] = now
    return calls


def found(calls: Sequence[Call], losses: Sequence[Loss] = ()) -> dict[str, str]:
    """What the package says of the context: rule -> the surest confidence; in the end comes an unload.

    A note M04 is in it too: what a trace that contradicts itself tells of a life is possible at most.
    """
    ops = [Op(ROWS[c.kind][0], c.time, c.thread, c.begin, **ROWS[c.kind][1]) for c in calls]
    end = calls[-1].time + 1_000_000_000
    ops += [Op("FltUnregisterFilter", end + phase, 99, phase=phase, filter=FILTER) for phase in (1, 2)]
    operations, missing = to_table(arrange(ops)), to_losses(losses)
    findings = judge(operations, replay(operations, missing), missing, Coverage(declared=True)).findings
    told: dict[str, str] = {}
    for row in plain_rows(findings):
        if row["context"] == CONTEXT and (row["severity"] == "error" or row["rule"] == "M04"):
            told[row["rule"]] = min(row["confidence"], told.get(row["rule"], "possible"), key=SURENESS.index)
    return told


def surest(told: dict[str, str], family: str) -> str:
    """The best confidence of a family's rules, "" where there is none."""
    return min((c for rule, c in told.items() if rule[0] == family), key=SURENESS.index, default="")


@st.composite
def histories(draw: st.DrawFn, **options: int) -> list[Call]:
    """A history as hypothesis draws it: with all begins, with some, or with none."""
    return history(draw(st.randoms(use_true_random=False)), draw(st.sampled_from([0, 0.5, 1])), **options)


class TestOrders:
    """Complete logs."""

    @OFTEN
    @given(histories())
    def test_an_over_release_is_definite_if_every_order_has_it(self, calls: list[Call]) -> None:
        """Definite is what every order has, however late a line was written; all else is less.

        What the tolerance alone makes sure is possible; what some order has and others have not is possible
        or not said; what no order has is not said.
        """
        soon, late = outcomes(calls, TOLERANCE), outcomes(calls, PATIENCE)
        assume(soon.possible)
        told = found(calls)
        sure = surest(told, "R") == "definite"
        assert sure == (late.verdict == "every" and "M04" not in told)
        assert surest(told, "R") or soon.verdict != "every"
        assert soon.verdict != "none" or not surest(told, "R")
        assert {rule for rule in told if rule[0] == "R"} <= soon.codes

    @OFTEN
    @given(histories())
    def test_a_leak_is_definite_if_every_order_has_it(self, calls: list[Call]) -> None:
        """A leak is definite only if every order has it, and always where the log's lines bound the calls."""
        soon, late = outcomes(calls, TOLERANCE), outcomes(calls, PATIENCE)
        assume(soon.possible)
        told = found(calls)
        if told.get("L01") == "definite":
            assert late.real_leak == "every"
        if late.leak == "every" and "M04" not in told:
            assert told["L01"] in (
                "definite",
                "possible" if soon.verdict == "every" != late.verdict else "definite",
            )
        if soon.real_leak == "none":
            assert "L01" not in told

    @OFTEN
    @given(histories(lives=2))
    def test_so_is_one_on_an_address_that_was_used_twice(self, calls: list[Call]) -> None:
        """With two lives on one address nothing is definite that some order of all their calls explains."""
        late = outcomes(calls, PATIENCE)
        assume(late.possible)
        if surest(found(calls), "R") == "definite":
            assert late.verdict == "every"


class TestGaps:
    """Logs of which events are missing."""

    @settings(OFTEN, max_examples=20)
    @given(histories(size=5), st.integers(0, 2**20), st.integers(0, 2**20))
    def test_nothing_is_definite_that_a_filling_explains(
        self, calls: list[Call], one: int, other: int
    ) -> None:
        """No unlogged get, release, set, delete, cleanup or allocation explains a definite fault."""
        span = calls[-1].time - calls[0].time + 100
        start, end = sorted(calls[0].time - 45 + bound % (span // 10) * 10 for bound in (one, other))
        told = found(calls, [(start, end)])
        sure = [family for family in "RL" if surest(told, family) == "definite"]
        assume(sure)
        ends = [outcomes(filled, TOLERANCE) for filled in fillings(calls, start, end)]
        if "R" in sure:
            assert {each.verdict for each in ends if each.possible} <= {"every"}
        if "L" in sure:
            assert {each.real_leak for each in ends if each.real} <= {"every"}


@pytest.mark.parametrize(
    ("kinds", "verdict"),
    [
        (["allocate", "release", "release"], "every"),
        (["allocate", "set", "release", "release"], "every"),
        (["allocate", "set", "release", "get", "release"], "none"),
        (["allocate", "release", "reference"], "every"),
    ],
)
def test_the_oracle_knows_plain_histories(kinds: list[str], verdict: str) -> None:
    """On one thread there is one order, and the oracle finds in it what is there."""
    calls = [Call(kind, 1, 1000 * place) for place, kind in enumerate(kinds, 1)]
    assert outcomes(calls, TOLERANCE).verdict == verdict


def test_the_oracle_tries_overlapping_calls_both_ways() -> None:
    """A reference that overlaps the last release comes before it in one order, and behind it in another."""
    calls = [Call("allocate", 1, 100), Call("release", 1, 200), Call("reference", 2, 300, 150)]
    assert outcomes(calls, TOLERANCE).verdict == "some"
