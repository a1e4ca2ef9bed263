"""Findings by cause: what is one thing to mend has one signature, in every build of the driver."""

import pytest
from handmade import analysis, double_release

from tracecheck.reporters.causes import groups, steady, title


def leaked(sites, function="Read"):
    """Contexts of which one reference each was leaked, at these sites of a function."""
    call = {"routine": "FltGetStreamContext", "function": function, "context_type": 8, "status": 0, "tid": 4}
    operations, contexts, steps, findings = [], [], [], []
    for number, site in enumerate(sites):
        pointer = 0x1000 + number
        operations.append({**call, "site": site, "context": pointer, "record": number})
        life = {"id": number, "pointer": pointer, "generation": 1, "context_type": 8, "owned": 1}
        contexts.append({**life, "birth": "allocated", "end": "held", "ordered": True})
        steps.append({"context": number, "operation": number, "delta_owned": 1, "owned": 1})
        for rule, confidence in (("L09", "possible"), ("L01", "definite")):
            findings.append(
                {
                    "rule": rule,
                    "severity": "error",
                    "confidence": confidence,
                    "context_id": number,
                    "context": pointer,
                    "generation": 1,
                    "context_type": 8,
                    "operations": [number],
                    "signature": rule,
                }
            )
    return analysis(operations, contexts, steps, findings=findings)


class TestGroups:
    """One row for each cause."""

    def test_contexts_and_rules_of_one_function_are_one_cause(self):
        """Two rules on each of seven contexts are one cause, with the surest finding first."""
        (cause,) = groups(leaked(["Read:10"] * 7))
        assert (cause.kind, cause.rules, cause.contexts) == ("leak", ("L01", "L09"), 7)
        assert (cause.severity, cause.confidence) == ("error", "definite")
        assert sorted(cause.findings) == list(range(14))
        assert cause.example == 1
        assert cause.operations == tuple(range(7))
        assert (cause.shown(3), cause.shown(7)) == ("3 of 7 shown", "")
        assert cause.sentence.startswith("FltGetStreamContext at Read:10 took the reference")
        assert title(cause) == "error L01, L09 (definite): 7 contexts"

    def test_another_build_has_the_same_signature(self):
        """Lines, offsets and addresses may change; functions may not."""
        one, other, third = (
            groups(leaked(["Read:10"])),
            groups(leaked(["Read:99"] * 3)),
            groups(leaked(["Read:10"], "Write")),
        )
        assert one[0].signature == other[0].signature != third[0].signature
        named, moved = (groups(leaked([site], None))[0] for site in ("drv.sys+0x10", "drv.sys+0x2c4"))
        assert named.signature == moved.signature

    def test_a_finding_without_blame_keeps_its_own_signature(self):
        """What nobody is blamed for is grouped by rule and cause, as it is signed."""
        note = {"rule": "M04", "severity": "note", "confidence": "definite", "signature": "aa", "reasons": []}
        (cause,) = groups(analysis(findings=[note, note]))
        assert (cause.signature, cause.kind, cause.contexts, cause.findings) == ("aa", "M04", 0, (0, 1))

    def test_the_worst_comes_first(self):
        """Causes stand in the order in which findings are shown."""
        assert [cause.kind for cause in groups(double_release())] == ["over-release"]


@pytest.mark.parametrize(
    ("site", "left"),
    [
        ("SimPreRead (operations.c:412)", "SimPreRead"),
        ("PreRead:133", ""),
        ("drv.sys+0x1A2", "drv.sys"),
        ("0xfffff80000001000", ""),
    ],
)
def test_a_site_loses_what_a_build_changes(site, left):
    """Line, offset and address go; what names a function or a module stays."""
    assert steady(site) == left
