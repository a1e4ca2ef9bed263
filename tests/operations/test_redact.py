"""Redaction: nothing of what it replaces is left in any output, and the findings stay the same."""

import json
import re

import pyarrow as pa
import pytest
from handmade import analysis, table, with_stacks
from hypothesis import given
from hypothesis import strategies as st

from tracecheck.capture import analyse
from tracecheck.etl import plain_rows
from tracecheck.operations.redact import Redaction
from tracecheck.operations.table import OPERATIONS
from tracecheck.reporters import json_report, junit, markdown, sarif, text
from tracecheck.simulate import Fault, Scenario, simulate
from tracecheck.triage import triage

U64 = st.integers(1, 2**64 - 1)


@pytest.fixture(scope="module", params=["plain", "stacks"])
def pair(tmp_path_factory, request):
    """One capture, as it is and redacted; with the kernel's events it has stacks."""
    path = tmp_path_factory.mktemp("secret") / "secret-name.etl"
    faults = (Fault("L09"), Fault("R01"), Fault("R04"))
    scenario = Scenario(seed=8, operations=700, faults=faults, unload=True)
    simulate(scenario, kernel_events=request.param == "stacks").write(path)
    return analyse([str(path)]), analyse([str(path)], redact=True)


def secrets(whole):
    """List every pointer, function and file that the operations of a capture name."""
    found = set()
    for field in whole.operations.schema:
        column = whole.operations.column(field.name)
        if field.type == pa.uint64() and field.name not in ("sequence", "record"):
            found |= {f"{value:x}" for value in column.unique().to_pylist() if value}
        elif field.name in ("function", "site", "stack", "process"):
            names = [name for name in column.cast(pa.string()).unique().to_pylist() if name]
            found |= {part for name in names for part in re.split(r"[ ():]+", name) if len(part) > 4}
    return found


class TestCaptures:
    """Whole captures."""

    def test_findings_are_the_same_but_for_names(self, pair):
        """Rules, confidences, times, types, proofs and signatures do not change with redaction."""
        names = (
            "rule",
            "severity",
            "confidence",
            "time",
            "context_type",
            "generation",
            "operations",
            "signature",
        )
        plain, redacted = ([{n: row[n] for n in names} for row in plain_rows(a.findings)] for a in pair)
        assert plain == redacted
        assert plain

    @pytest.mark.parametrize("form", ["json", "text", "sarif", "junit", "markdown"])
    def test_no_output_tells_a_name_or_a_pointer(self, pair, form):
        """No function, source file, pointer or path of the capture is in any report of it."""
        whole, redacted = pair
        judged = triage(redacted)
        written = {
            "json": lambda: json_report.render(redacted, judged),
            "text": lambda: text.render(redacted, everything=True),
            "sarif": lambda: sarif.render(judged, "1.0"),
            "junit": lambda: junit.render(judged),
            "markdown": lambda: markdown.render(judged),
        }[form]
        report = "".join(written())
        assert "secret-name" not in report
        told = [secret for secret in secrets(whole) if secret in report]
        assert told == []

    def test_the_same_pseudonyms_each_time(self, pair):
        """Reading the capture again gives the same redacted operations."""
        whole, redacted = pair
        again = analyse(list(whole.paths), redact=True)
        assert again.operations.equals(redacted.operations)

    def test_json_of_a_redacted_capture_is_whole(self, pair):
        """A redacted report has as many findings and contexts as the plain one."""
        plain, redacted = (json.loads("".join(json_report.render(each))) for each in pair)
        assert len(plain["findings"]) == len(redacted["findings"])
        assert plain["summary"]["contexts"] == redacted["summary"]["contexts"]


class TestStacks:
    """Stacks of a redacted capture."""

    def test_frames_are_redacted_as_sites_are(self):
        """Functions and files get their pseudonyms, the same as in the call site; lines stay."""
        rows = [{"routine": "r", "site": "Get (a.c:7)", "function": "Get"}]
        frames = ["Get (a.c:7)", "Create (a.c:9)", "Get (a.c:8)", "FLTMGR.SYS+0x10", "X.sys+0x20"]
        operations = with_stacks(analysis(rows).operations, [frames])
        redacted = Redaction(operations).table(operations).to_pylist()[0]
        assert (redacted["function"], redacted["site"]) == ("function-1", "function-1 (file-1:7)")
        assert redacted["stack"].split("\n") == [
            "function-1 (file-1:7)",
            "function-2 (file-1:9)",
            "function-1 (file-1:8)",
            "site-1",
            "site-2",
        ]

    def test_what_only_a_provider_knows_is_left_out(self):
        """A field of the provider's own is not carried along, whatever it is called."""
        operations = analysis([{"routine": "r"}]).operations
        for name in ("secret", "stack", "Secret"):
            operations = operations.append_column(name, pa.array(["secret"]))
        assert Redaction(operations).table(operations).schema.names == OPERATIONS.names


class TestPseudonyms:
    """Pointers and names one by one."""

    @given(st.lists(U64, min_size=1, max_size=30))
    def test_pointers_map_one_to_one(self, values):
        """Different pointers have different stand-ins, the same one the same, and NULL stays NULL."""
        rows = [{"routine": "FltReleaseContext", "context": value} for value in values]
        redaction = Redaction(analysis(rows).operations)
        replaced = redaction.table(analysis(rows).operations).column("context").to_pylist()
        pairs = set(zip(values, replaced, strict=True))
        assert len(pairs) == len(set(values)) == len(set(replaced))
        nothing = Redaction(table(OPERATIONS, []))
        assert nothing.pointers(pa.array([0], pa.uint64()).to_numpy()).tolist() == [0]

    @given(st.lists(st.text(max_size=20), max_size=10))
    def test_a_pseudonym_leads_back_to_its_name(self, names):
        """What a name was replaced by stands for that name, as long as the capture is worked on."""
        redaction = Redaction(table(OPERATIONS, []))
        for name in names:
            assert redaction.original(redaction.pseudonym(name, "function")) == name
