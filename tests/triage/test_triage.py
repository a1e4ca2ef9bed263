"""What counts: suppressed and known findings are taken away, and nothing else."""

import json
from contextlib import suppress
from dataclasses import replace
from datetime import date

import pytest
from handmade import double_release, with_stacks
from hypothesis import given
from hypothesis import strategies as st

from tracecheck.capture import Verdict, analyse
from tracecheck.errors import InputError
from tracecheck.etl import plain_rows
from tracecheck.operations.redact import Redaction
from tracecheck.reporters import suppressions as generated
from tracecheck.simulate import Fault, Scenario, simulate
from tracecheck.triage import Baseline, parse_suppressions, triage

TODAY = date(2026, 11, 21)
KEYS = st.sampled_from(["version", "signatures", "findings", "rule", "count", "message", "signature"])
JSON = st.recursive(
    st.none() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner),
    max_leaves=12,
)


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """An analysis with leaks and over-releases of several kinds."""
    path = tmp_path_factory.mktemp("triage") / "faults.etl"
    faults = tuple(Fault(rule, occurrences=2) for rule in ("L09", "R01", "R05"))
    simulate(Scenario(seed=5, operations=900, faults=faults, unload=True)).write(path)
    return analyse([str(path)])


def rules(table):
    """Name the rules of findings."""
    return set(table.column("rule").to_pylist())


class TestSuppressing:
    """Suppressions on real findings."""

    def test_a_rule_is_taken_away_and_the_rest_stays(self, found):
        """What matches moves to the suppressed, row for row; the verdict is that of the rest."""
        judged = triage(found, parse_suppressions("{\nreason: r\nrule: R*\n}", "f"), today=TODAY)
        assert rules(judged.suppressed) == {rule for rule in rules(found.findings) if rule[0] == "R"}
        left = judged.analysis.findings
        assert left.num_rows + judged.suppressed.num_rows == found.findings.num_rows
        assert not rules(left) & rules(judged.suppressed)
        assert judged.analysis.verdict.word == "findings"
        assert judged.used[0][1] == judged.suppressed.num_rows

    def test_with_all_taken_away_the_verdict_is_what_the_capture_allows(self, found):
        """A capture whose every error is suppressed is clean, or inconclusive where it was not whole."""
        judged = triage(found, parse_suppressions("{\nreason: r\nrule: *\n}", "f"), today=TODAY)
        assert judged.analysis.findings.num_rows == 0
        expected = "inconclusive" if found.verdict.reasons else "clean"
        assert judged.analysis.verdict.word == expected

    def test_unused_and_expired_ones_are_told_and_do_nothing(self, found):
        """An entry that matches nothing is unused; one whose day has passed is expired and takes nothing."""
        text = "R01:NoSuch* # never\nR01:* # over; expires: 2026-11-20\n"
        judged = triage(found, parse_suppressions(text, "f"), today=TODAY)
        assert judged.analysis is found
        assert [each.place for each in judged.unused] == ["f:1"]
        assert [each.place for each in judged.expired] == ["f:2"]

    def test_generated_ones_suppress_exactly_what_they_were_made_for(self, found):
        """Every error and warning is taken by what --generate-suppressions writes; none is unused."""
        written = "".join(generated.render(found)).replace("<say here why this may stay>", "known")
        judged = triage(found, parse_suppressions(written, "f"), today=TODAY)
        severities = judged.analysis.findings.column("severity").to_pylist()
        assert set(severities) <= {"note"}
        assert not judged.unused


class TestBaselines:
    """Comparing with an earlier capture."""

    def test_the_same_capture_has_nothing_new(self, found, tmp_path):
        """Against its own baseline all is known and nothing is gone."""
        path = tmp_path / "base.json"
        path.write_text("".join(Baseline.of(plain_rows(found.findings)).pieces()), "utf-8")
        judged = triage(found, baseline=Baseline.read(path))
        assert judged.compared
        assert judged.analysis.findings.num_rows == 0
        assert judged.known.num_rows == found.findings.num_rows
        assert judged.absent == ()

    def test_what_the_baseline_lacks_is_new_and_what_it_has_alone_is_gone(self, found):
        """A signature counts as known, new or gone by where it occurs."""
        rows = plain_rows(found.findings)
        signatures = sorted({row["signature"] for row in rows})
        kept = [row for row in rows if row["signature"] != signatures[0]]
        other = {"rule": "L01", "message": "old", "signature": "gone"}
        judged = triage(found, baseline=Baseline.of([*kept, other]))
        assert set(judged.analysis.findings.column("signature").to_pylist()) == {signatures[0]}
        assert [key for key, _ in judged.absent] == ["gone"]

    @given(JSON)
    def test_any_json_is_a_baseline_or_one_error(self, tmp_path_factory, value):
        """Whatever a file holds, reading it gives a baseline or an InputError that names it."""
        path = tmp_path_factory.getbasetemp() / "any.json"
        path.write_text(json.dumps(value), "utf-8")
        known = {}
        with suppress(InputError):
            known = Baseline.read(path).known
        assert all(isinstance(each.message, str) for each in known.values())


def test_a_verdict_without_findings_keeps_its_reasons(found):
    """Taking findings away changes the word of a verdict and nothing that it says of the capture."""
    empty = found.with_findings(found.findings.slice(0, 0))
    assert isinstance(empty.verdict, Verdict)
    assert empty.verdict.reasons == found.verdict.reasons
    assert empty.verdict.advice == found.verdict.advice


class TestStacks:
    """Suppressions that name stacks."""

    STACKS = (
        None,
        ["CtxCleanup (ctx.c:70)"],
        ["Put (ctx.c:88)", "CtxPostClose (ctx.c:90)", "FLTMGR.SYS+0x1"],
    )

    @pytest.mark.parametrize(
        ("pattern", "taken"),
        [("Put < CtxPost*", 1), ("... < CtxPostClose", 1), ("CtxPostClose", 0), ("Cle*", 0)],
    )
    def test_a_stack_of_the_proof_has_to_match(self, pattern, taken):
        """A pattern is held against the stacks of the operations that prove a finding."""
        entries = parse_suppressions(f"{{\nreason: r\nstack: {pattern}\n}}", "f")
        judged = triage(with_stacks(double_release(), self.STACKS), entries, today=TODAY)
        assert judged.suppressed.num_rows == taken
        assert triage(double_release(), entries, today=TODAY).suppressed.num_rows == 0

    def test_it_names_stacks_as_the_source_does(self):
        """In a redacted capture too the real names are those that match."""
        plain = with_stacks(double_release(), self.STACKS)
        redaction = Redaction(plain.operations)
        hidden = replace(plain, operations=redaction.table(plain.operations))
        entries = parse_suppressions("{\nreason: r\nstack: Put < CtxPostClose (ctx.c:90)\n}", "f")
        assert triage(hidden, entries, today=TODAY, original=redaction.original).suppressed.num_rows == 1
        assert triage(hidden, entries, today=TODAY).suppressed.num_rows == 0
