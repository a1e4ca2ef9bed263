"""SARIF 2.1.0: what code-scanning pages need, and the rules of the format that no schema checks."""

import json
from dataclasses import replace
from urllib.parse import urlsplit

import pytest
from handmade import START, analysis, double_release, table, with_stacks

from tracecheck.capture import Verdict, analyse
from tracecheck.reporters.sarif import MOST_STACKS, MOST_STEPS, render
from tracecheck.rules import RULES
from tracecheck.rules.table import FINDINGS
from tracecheck.simulate import Fault, Scenario, simulate
from tracecheck.triage import Baseline, parse_suppressions, triage

LEVELS = {"none", "note", "warning", "error"}


def run_of(judged):
    """Render a log and give its one run, held against what the format demands of every log."""
    log = json.loads("".join(render(judged, "1.0")))
    assert set(log) == {"$schema", "version", "runs"}
    assert log["version"] == "2.1.0"
    (run,) = log["runs"]
    ids = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert len(set(ids)) == len(ids)
    for result in run["results"]:
        assert ids[result["ruleIndex"]] == result["ruleId"]
        assert result["level"] in LEVELS
        assert 0 <= result["rank"] <= 100
        assert result["message"]["text"]
        assert all(isinstance(value, str) for value in result["partialFingerprints"].values())
        for location in _locations(result):
            physical = location.get("physicalLocation")
            if physical:
                uri = urlsplit(physical["artifactLocation"]["uri"])
                assert not uri.scheme
                assert not uri.netloc
                assert physical.get("region", {"startLine": 1})["startLine"] >= 1
    return run


def _locations(result):
    yield from result["locations"]
    for stack in result.get("stacks", ()):
        assert set(stack) == {"message", "frames"}
        yield from (frame["location"] for frame in stack["frames"])
    for flow in result.get("codeFlows", ()):
        orders = [at["executionOrder"] for thread in flow["threadFlows"] for at in thread["locations"]]
        assert sorted(orders) == list(range(len(orders)))
        for thread in flow["threadFlows"]:
            assert thread["locations"]
            yield from (at["location"] for at in thread["locations"])


class TestLogs:
    """Whole logs."""

    def test_a_double_release(self):
        """A finding has its place, its signature as fingerprint, and its life as a code flow by thread."""
        run = run_of(triage(double_release()))
        (result,) = run["results"]
        assert result["ruleId"] == "R02"
        assert result["partialFingerprints"] == {
            "tracecheckSignature/v1": "R02:stream:FltReleaseContext:CtxPostClose"
        }
        place = result["locations"][0]["physicalLocation"]
        assert place["artifactLocation"]["uri"] == "ctx.c"
        assert place["region"]["startLine"] == 88
        flows = result["codeFlows"][0]["threadFlows"]
        assert [len(flow["locations"]) for flow in flows] == [2, 1]
        assert flows[1]["locations"][0]["importance"] == "essential"

    def test_every_rule_is_described(self):
        """The driver lists all rules with a title, a level and a text, whatever was found."""
        run = run_of(triage(analysis()))
        rules = run["tool"]["driver"]["rules"]
        assert [rule["id"] for rule in rules] == sorted(RULES)
        assert all(rule["shortDescription"]["text"] for rule in rules)
        assert run["results"] == []

    def test_suppressed_and_known_results_are_there_and_say_so(self):
        """A suppressed result carries its reason, a known one its state, a new one that it is new."""
        suppressed = triage(double_release(), parse_suppressions("{\nreason: by design\nrule: R*\n}", "f"))
        (result,) = run_of(suppressed)["results"]
        assert result["suppressions"] == [{"kind": "external", "justification": "by design"}]
        known = {"rule": "R02", "message": "m", "signature": "R02:stream:FltReleaseContext:CtxPostClose"}
        (result,) = run_of(triage(double_release(), baseline=Baseline.of([known])))["results"]
        assert result["baselineState"] == "unchanged"
        (result,) = run_of(triage(double_release(), baseline=Baseline.of([])))["results"]
        assert result["baselineState"] == "new"

    @pytest.mark.parametrize("rule", ["L09", "R01", "R04"])
    def test_simulated_faults(self, rule, tmp_path):
        """On a real capture all locations are relative and all flows are in the replay's order."""
        path = tmp_path / "x.etl"
        simulate(Scenario(seed=3, operations=500, faults=(Fault(rule),), unload=True)).write(path)
        run = run_of(triage(analyse([str(path)])))
        assert any(result["ruleId"] == rule for result in run["results"])
        assert run["properties"]["verdict"] == "findings"

    def test_a_long_life_is_told_in_part_with_its_proof(self):
        """A life of thousands of steps is told by its ends and by what proves the finding."""
        count = 5 * MOST_STEPS
        calls = [
            {"routine": "FltReferenceContext", "context": 16, "site": f"a.c:{i + 1}"} for i in range(count)
        ]
        steps = [{"operation": i, "delta_owned": 1, "owned": i} for i in range(count)]
        context = {"pointer": 16, "generation": 1, "end": "held", "birth": "allocated"}
        finding = {
            "rule": "L01",
            "severity": "error",
            "confidence": "definite",
            "context_id": 0,
            "context": 16,
            "generation": 1,
            "operations": [count // 2],
            "message": "m",
            "signature": "s",
        }
        found = analysis(calls, [context], steps, findings=[finding], verdict=Verdict("findings"))
        (result,) = run_of(triage(found))["results"]
        (flow,) = result["codeFlows"]
        lines = [
            at["location"]["physicalLocation"]["region"]["startLine"]
            for thread in flow["threadFlows"]
            for at in thread["locations"]
        ]
        assert len(lines) <= MOST_STEPS
        assert {1, count // 2 + 1, count} <= set(lines)
        assert flow["message"]["text"].startswith(f"{len(lines)} of {count} ")


class TestStacks:
    """Stacks that were logged with the calls."""

    def test_the_stacks_of_the_proof(self):
        """The faulty operation's comes first; frames have their place in the source as far as it is known."""
        found = with_stacks(double_release(), [["A (a.c:1)"], None, ["B (b\x1b.c:2)", "x.sys+0x1"]])
        (result,) = run_of(triage(found))["results"]
        first, second = result["stacks"]
        assert first["message"]["text"].startswith("FltReleaseContext, pid 4, tid 96, 2026-01-02T03:04:07")
        assert second["message"]["text"].startswith("FltAllocateContext, pid 4, tid 2188")
        inner, outer = (frame["location"] for frame in first["frames"])
        assert inner["physicalLocation"]["region"] == {"startLine": 2}
        assert inner["message"]["text"] == "B (b\\x1b.c:2)"
        assert outer == {
            "logicalLocations": [{"name": "x.sys+0x1", "kind": "function"}],
            "message": {"text": "x.sys+0x1"},
        }

    def test_there_are_few_and_each_is_there_once(self):
        """A proof of many operations tells some stacks; the format allows no two that are the same."""
        found = double_release()
        rows = [{**found.findings.to_pylist()[0], "operations": [0] * 3 + [1, 2], "time": START}]
        twice = with_stacks(replace(found, findings=table(FINDINGS, rows)), [["a"], ["b"], ["c"]])
        (result,) = run_of(triage(twice))["results"]
        assert len(result["stacks"]) == 2 <= MOST_STACKS

    def test_without_stacks_there_is_no_key(self):
        """A result of a capture without stacks has none."""
        assert all("stacks" not in result for result in run_of(triage(double_release()))["results"])
