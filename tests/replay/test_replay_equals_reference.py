"""The replay and the rules against the reference model, on random operation streams."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import pytest
import reference_model as model
import reference_rules as rules
import streams
import true_driver
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tracecheck.etl import plain_rows
from tracecheck.operations.coverage import Coverage
from tracecheck.replay import CONTEXTS, STEPS, replay
from tracecheck.rules import FINDINGS, contradictions, judge

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from reference_model import Life, Loss, Op

    Capture = tuple[list[Op], list[Loss], Coverage]

TOLERANCE = 1_000_000
COMPLETE = Coverage(declared=True)
#: What M04 says of calls whose results do not go together: the model replays what it is told.
UNMODELLED = (
    contradictions.KEPT_AND_REPLACED,
    contradictions.KEPT_NOTHING,
    contradictions.FOUND_NOTHING,
    contradictions.LINKED_TWICE,
)
QUICK = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))


def of_package(ops: Sequence[Op], losses: Sequence[Loss], coverage: Coverage) -> dict[str, list[tuple]]:
    """What the package makes of a capture, as plain lines that can be compared."""
    operations, missing = streams.to_table(ops), streams.to_losses(losses)
    result = replay(operations, missing, tolerance=TOLERANCE)
    findings = judge(operations, result, missing, coverage).findings
    assert result.contexts.schema.equals(CONTEXTS)
    assert result.steps.schema.equals(STEPS)
    assert findings.schema.equals(FINDINGS)
    lives = [(life["pointer"], life["generation"]) for life in plain_rows(result.contexts)]
    return {
        "contexts": sorted(_context_line(life) for life in plain_rows(result.contexts)),
        "steps": sorted(
            (
                (*lives[step["context"]], place, *list(step.values())[1:])
                for place, step in _placed(plain_rows(result.steps))
            )
        ),
        "findings": sorted(
            (
                (
                    row["rule"],
                    row["context"],
                    row["generation"],
                    row["confidence"],
                    *(row["operations"][:1] or [None]),
                    row["severity"],
                )
                for row in plain_rows(findings)
                if row["rule"] in rules.MODELLED and not row["message"].startswith(UNMODELLED)
            ),
            key=repr,
        ),
        "contradicted": [
            (row["context"], row["generation"])
            for row in plain_rows(findings)
            if row["message"].startswith(UNMODELLED)
        ],
    }


def of_model(ops: Sequence[Op], losses: Sequence[Loss], coverage: Coverage) -> dict[str, list[tuple]]:
    """What the reference model makes of the same capture."""
    lives = model.replay(ops, losses, TOLERANCE)
    return {
        "contexts": sorted(
            (
                life.pointer,
                life.generation,
                "allocated" if life.known else "unknown",
                life.end,
                life.owned,
                life.link,
                life.peak,
                len(life.steps),
                life.ordered,
                life.object_gone,
            )
            for life in lives
        ),
        "steps": sorted(
            (life.pointer, life.generation, place, step.row.op.order, *step[1:])
            for life in lives
            for place, step in enumerate(life.steps)
        ),
        "findings": sorted((tuple(line) for line in rules.judge(ops, lives, losses, coverage)), key=repr),
        "contradicted": [],
    }


def differences(ops: Sequence[Op], losses: Sequence[Loss], coverage: Coverage) -> list[tuple]:
    """The lines in which the two differ: what, the package's only, the model's only."""
    ours, theirs = of_package(ops, losses, coverage), of_model(ops, losses, coverage)
    # Of several orders without a fault each may have found another one.
    loose = {
        (life.pointer, life.generation) for life in model.replay(ops, losses, TOLERANCE) if life.searched
    }
    contradicted = {*ours.pop("contradicted"), *theirs.pop("contradicted")}
    ours, theirs = comparable(ours, contradicted), comparable(theirs, contradicted)
    ours["findings"] = as_sure(ours["findings"], theirs["findings"], _shared_addresses(theirs["contexts"]))
    for tables in (ours, theirs) if loose else ():
        tables["steps"] = [line for line in tables["steps"] if line[:2] not in loose]
        tables["contexts"] = [line for line in tables["contexts"] if line[:2] not in loose]
    return [
        (
            what,
            [line for line in ours[what] if line not in theirs[what]],
            [line for line in theirs[what] if line not in ours[what]],
        )
        for what in ours
        if ours[what] != theirs[what]
    ]


def smallest(ops: Sequence[Op], still_differs: Callable[[list[Op]], bool]) -> list[Op]:
    """Drop rows, many at a time and then one by one, as long as the difference stays."""
    rows, size = list(ops), len(ops) // 2
    while size:
        place = 0
        while place < len(rows):
            fewer = model.arrange(rows[:place] + rows[place + size :])
            if still_differs(fewer):
                rows = fewer
            else:
                place += size
        size //= 2
    return rows


def comparable(found: dict[str, list[tuple]], contradicted: set[tuple]) -> dict[str, list[tuple]]:
    """Take away how sure errors are about lives of which the trace contradicts itself."""
    kept = [row if row[1:3] not in contradicted else (*row[:3], *row[4:]) for row in found["findings"]]
    return {**found, "findings": sorted(kept, key=repr)}


def as_sure(ours: list[tuple], theirs: list[tuple], shared: set[int]) -> list[tuple]:
    """Let the package be less sure than the model of lives whose address others have too.

    It doubts that calls were logged with the life that they were made on, which the model takes for granted.
    The oracle of orders holds it to being no surer than that.
    """
    surer = {(*row[:3], *row[4:]): row for row in theirs}
    found = [
        surer.get((*row[:3], *row[4:]), row) if row[1] in shared and row[3] == "possible" else row
        for row in ours
    ]
    return sorted(found, key=repr)


def _shared_addresses(contexts: list[tuple]) -> set[int]:
    """Give the addresses that more than one life has."""
    every = [line[0] for line in contexts]
    return {pointer for pointer in every if every.count(pointer) > 1}


def check(ops: Sequence[Op], losses: Sequence[Loss], coverage: Coverage) -> None:
    """Assert that both give the same; tell the smallest stream in which they do not."""
    if differences(ops, losses, coverage):
        rows = smallest(ops, lambda fewer: bool(differences(fewer, losses, coverage)))
        told = "\n".join(str({k: v for k, v in vars(op).items() if v is not None}) for op in rows)
        pytest.fail(f"{told}\n{losses}\n{coverage}\n{differences(rows, losses, coverage)}")


def _context_line(life: dict[str, object]) -> tuple:
    names = (
        "pointer",
        "generation",
        "birth",
        "end",
        "owned",
        "link",
        "peak",
        "operations",
        "ordered",
        "object_gone",
    )
    return tuple(life[name] for name in names)


def _placed(steps: list[dict[str, object]]) -> list[tuple[int, dict[str, object]]]:
    """The steps, each with its place in its life."""
    placed, seen = [], {}
    for step in steps:
        seen[step["context"]] = seen.get(step["context"], -1) + 1
        placed.append((seen[step["context"]], step))
    return placed


def legal_capture(random: Random) -> Capture:
    """A whole run of a legal driver, all of it logged."""
    return streams.legal(random, streams.style(random)), [], COMPLETE


def cut_capture(random: Random) -> Capture:
    """A legal run of which only a stretch was captured, with losses."""
    ops, _, _ = legal_capture(random)
    start, end = sorted(random.randrange(len(ops) + 1) for _ in range(2))
    ops = model.arrange(ops[start if random.random() < 0.5 else 0 : end + 1])
    return ops, streams.losses(random, ops), streams.coverage(random)


def unfinished_capture(random: Random) -> Capture:
    """A legal run that goes on when the capture ends."""
    ops, losses, coverage = legal_capture(random)
    return model.arrange(ops[: random.randrange(len(ops) + 1)]), losses, coverage


def faulty_capture(random: Random) -> Capture:
    """A run with one known fault."""
    ops = streams.faulty(random, streams.style(random), random.choice(true_driver.FAULTS))
    return ops, streams.losses(random, ops), streams.coverage(random)


def mutated_capture(random: Random) -> Capture:
    """A run with a few rows dropped, doubled, moved or given to another thread."""
    ops = streams.mutated(random, streams.legal(random, streams.style(random, hidden=random.random() < 0.3)))
    return ops, streams.losses(random, ops), random.choice([COMPLETE, streams.coverage(random)])


def arbitrary_capture(random: Random) -> Capture:
    """Rows that no driver gives."""
    ops = streams.arbitrary(random, pointers=random.randint(1, 4))
    return ops, streams.losses(random, ops), streams.coverage(random)


def pinned(routine: str = "FltGetStreamContext") -> list[Op]:
    """A context that somebody took a reference to and nobody released, and the end of its instance."""
    life = {"context": 0xA010, "filter": 7, "context_type": 8}
    place = {"object": 0x1000, "instance": 0x100}
    return [
        model.Op("FltAllocateContext", 10, status=0, **life),
        model.Op("FltSetStreamContext", 20, context=0xA010, status=0, old_context=0, **place),
        model.Op("FltReleaseContext", 30, **life),
        model.Op(routine, 40, context=0xA010, status=0, **place),
        model.Op("InstanceTeardownComplete", 600, tid=4, instance=0x100),
    ]


class TestPackageEqualsModel:
    """The arrays give what the loops give: contexts, steps and findings."""

    @pytest.mark.parametrize(
        ("capture", "count"),
        [
            (legal_capture, 150),
            (unfinished_capture, 150),
            (cut_capture, 200),
            (faulty_capture, 200),
            (mutated_capture, 250),
            (arbitrary_capture, 600),
        ],
    )
    def test_on_random_streams(self, capture: Callable[[Random], Capture], count: int) -> None:
        """Every stream of a sort gives the same through both."""
        for seed in range(count):
            check(*capture(Random(f"{capture.__name__} {seed}")))

    @QUICK
    @given(streams.captures())
    def test_on_streams_that_hypothesis_finds(self, capture: Capture) -> None:
        """Hypothesis finds no stream that tells the two apart."""
        check(*capture)

    @pytest.mark.parametrize("name", streams.chosen())
    def test_on_chosen_streams(self, name: str) -> None:
        """What random streams seldom come near gives the same too."""
        check(model.arrange(streams.chosen()[name]), [], COMPLETE)

    @pytest.mark.parametrize(
        ("after", "confidence"), [(999_999_999, "possible"), (1_000_000_000, "definite")]
    )
    def test_on_an_object_that_is_gone(self, after: int, confidence: str) -> None:
        """Both are sure of a pinned context from one second after its object went, not before."""
        ops = [*pinned(), model.Op("FltSupportsFileContexts", 600 + after)]
        check(model.arrange(ops), [], COMPLETE)
        assert ("L02", confidence) in _complaints((model.arrange(ops), [], COMPLETE))

    @pytest.mark.parametrize(
        ("routine", "filter_", "cleans", "confidence"),
        [
            ("FltReferenceContext", 7, True, "possible"),
            ("FltReferenceContext", 8, True, "definite"),
            ("FltReferenceContext", 7, False, "possible"),
            ("FltGetStreamContext", 7, True, "possible"),
            ("FltGetStreamContext", 8, True, "definite"),
        ],
    )
    def test_on_an_unload_that_hangs(self, routine: str, filter_: int, cleans: bool, confidence: str) -> None:
        """Both are sure of it unless its filter has a context left to drop, which may keep the reference."""
        left = {"context": 0xA030, "filter": filter_, "context_type": 8}
        cleanup = model.Op("ContextCleanup", 700, context=0xA050, context_type=8)
        ops = [
            *pinned(routine),
            model.Op("FltAllocateContext", 100, status=0, **left),
            model.Op("FltSetStreamContext", 110, context=0xA030, status=0, old_context=0, object=0x2000),
            model.Op("FltReleaseContext", 120, **left),
            model.Op("FltUnregisterFilter", 650, tid=4, phase=1, filter=7),
            *([cleanup] if cleans else []),
            model.Op("FltSupportsFileContexts", 800),
        ]
        check(model.arrange(ops), [], COMPLETE)
        assert ("L01", confidence) in _complaints((model.arrange(ops), [], COMPLETE))

    def test_on_many_lives_at_once(self) -> None:
        """A long stream over few pointers gives the same, so lives are told apart and joined nowhere."""
        random = Random(7)
        ops = streams.arbitrary(random, size=4000)
        check(ops, streams.losses(random, ops), COMPLETE)

    def test_on_nothing(self) -> None:
        """No operations give no contexts, no steps and no findings but the losses."""
        assert of_package([], [], COMPLETE) == of_model([], [], COMPLETE)
        assert of_package([], [(None, None)], COMPLETE) == of_model([], [(None, None)], COMPLETE)


class TestPackage:
    """What the package says of drivers that keep to the rules."""

    def test_a_legal_driver_has_no_finding(self) -> None:
        """A whole run, all of it logged, has no error and no warning, whether old contexts were asked for."""
        for seed in range(250):
            random = Random(f"blind {seed}")
            capture = streams.legal(random, streams.style(random, blind=seed % 4 > 0)), [], COMPLETE
            assert _complaints(capture) == []

    def test_an_unfinished_run_has_no_sure_fault(self) -> None:
        """Where the end was not captured, nothing is surely wrong."""
        for seed in range(250):
            found = _complaints(unfinished_capture(Random(f"unfinished {seed}")))
            assert {confidence for _, confidence in found} <= {"possible"}

    def test_a_run_that_hides_its_statuses_has_no_sure_fault(self) -> None:
        """Where it is not logged which calls failed, no fault is more than possible."""
        for seed in range(150):
            random = Random(f"mute {seed}")
            way = streams.style(random, mute=random.choice([0.3, 1.0]), no_status=1.0)
            found = _complaints((streams.legal(random, way), [], COMPLETE))
            assert {confidence for _, confidence in found} <= {"possible"}


class TestModel:
    """What must hold of the model itself, or it is no oracle."""

    @QUICK
    @given(st.randoms(use_true_random=False))
    def test_a_legal_driver_has_no_finding(self, random: Random) -> None:
        """Logs of a driver that keeps to the rules give no error and no warning."""
        ops = streams.legal(random, streams.style(random))
        assert _faults(ops) == []

    @pytest.mark.parametrize("rule", true_driver.FAULTS)
    def test_a_fault_is_found(self, rule: str) -> None:
        """A fault put into a legal run is found on its context, and is definite where all is logged."""
        for seed in range(30):
            random = Random(f"{rule} {seed}")
            ops = streams.faulty(random, streams.style(random, no_status=0.0), rule)
            allocated = [op.context for op in ops if op.tid in (9, 10) and op.routine == "FltAllocateContext"]
            found = [finding for finding in _faults(ops) if finding.rule == rule]
            # Without cleanups nothing shows that a hanging unload has dropped all that it can.
            unsure = rule == "L03" or (
                rule == "L01" and not any(op.routine == "ContextCleanup" for op in ops)
            )
            allowed = {"possible", "definite"} if unsure else {"definite"}
            assert len(found) == 1
            assert found[0].confidence in allowed
            assert found[0].pointer in allocated

    @QUICK
    @given(st.randoms(use_true_random=False))
    def test_the_best_order_adds_no_fault(self, random: Random) -> None:
        """A life with no fault in the log's order has none in the order that is best for the driver."""
        ops = streams.mutated(random, streams.legal(random, streams.style(random)))
        for life in model.replay(ops, [], TOLERANCE):
            if not any(step.fault for step in life.logged):
                best = model.run_best(life, model.Clock(ops, TOLERANCE))
                assert not any(step.fault for step in best)

    @QUICK
    @given(streams.captures())
    def test_counts_stay_in_their_bounds(self, capture: Capture) -> None:
        """No stream makes a count negative or a link anything but 0 or 1, and deltas are differences."""
        for life in model.replay(capture[0], capture[1], TOLERANCE):
            before = (life.birth_owned, life.birth_link)
            for step in life.steps:
                assert step.owned >= 0
                assert step.link in (0, 1)
                assert (step.owned - step.delta_owned, step.link - step.delta_link) == before
                before = (step.owned, step.link)

    @QUICK
    @given(st.randoms(use_true_random=False))
    def test_a_loss_over_all_leaves_nothing_definite(self, random: Random) -> None:
        """Where events may be missing anywhere, no fault of a life is more than possible."""
        ops, _, coverage = mutated_capture(random)
        lives = model.replay(ops, [(None, None)], TOLERANCE)
        found = rules.judge(ops, lives, [(None, None)], coverage)
        assert {finding.confidence for finding in found if finding.rule[0] in "RL"} <= {"possible"}


def _complaints(capture: Capture) -> list[tuple[str, str]]:
    """The rule and the confidence of what the package says of a capture, notes left out."""
    lines = of_package(*capture)["findings"]
    return [(rule, confidence) for rule, _, _, confidence, _, severity in lines if severity != "note"]


def _faults(ops: Sequence[Op]) -> list[rules.Finding]:
    """What the model says of a capture that is complete, notes left out."""
    lives: list[Life] = model.replay(ops, [], TOLERANCE)
    return [finding for finding in rules.judge(ops, lives, [], COMPLETE) if finding.rule[0] != "M"]
