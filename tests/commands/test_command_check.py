"""`check` and `timeline` on whole files: from bytes to findings and exit codes."""

import json

import pytest

from tracecheck.cli import main
from tracecheck.etl.writer import LogWriter
from tracecheck.simulate import tracelogging

CONTEXT = 0xFFFFAE0512340010
ALLOCATE = ("FltAllocateContext", {"Context": CONTEXT, "ContextType": 8, "Status": 0})
RELEASE = ("FltReleaseContext", {"Context": CONTEXT})
UNLOAD = [
    ("FilterUnload", {"Phase": 1}),
    ("FltUnregisterFilter", {"Phase": 1}),
    ("FltUnregisterFilter", {"Phase": 2}),
]
TYPES = {
    "Context": "hexint64",
    "ContextType": "uint16",
    "Status": "hexint32",
    "Phase": "uint8",
    "Filter": "hexint64",
}


def capture(path, calls):
    """Write a capture of calls, a millisecond apart, by one thread that says where it was."""
    log = LogWriter()
    for number, (routine, values) in enumerate([("CaptureStart", {}), *calls]):
        values = {"Filter": 0xFFFFAE0500000001, **values}
        kinds = [*TYPES.items(), ("Function", "string"), ("Sequence", "uint64")]
        cells = {**values, "Function": "CtxWork", "Sequence": number}
        fields = tuple(tracelogging.Field(name, kind) for name, kind in kinds if name in cells)
        payload = tracelogging.encode(fields, [cells[field.name] for field in fields])
        items = tracelogging.items(routine, fields)
        tick = (number + 1) * 10_000
        log.event(0, tick, pid=4, tid=8, provider=tracelogging.PROVIDER, items=items, payload=payload)
    log.write(path)
    return path


class TestCheck:
    """The main job."""

    def test_a_double_release_is_found(self, tmp_path, capsys):
        """The second release of a context whose only reference is gone is R02, with that call as proof."""
        path = capture(tmp_path / "double.etl", [ALLOCATE, RELEASE, RELEASE, *UNLOAD])
        assert main(["check", str(path), "--format", "json"]) == 1
        report = json.loads(capsys.readouterr().out)
        found = [finding for finding in report["findings"] if finding["severity"] == "error"]
        assert [(f["rule"], f["context"], f["generation"]) for f in found] == [("R02", f"{CONTEXT:#x}", 1)]
        assert found[0]["operations"][0]["routine"] == "FltReleaseContext"
        assert found[0]["operations"][0]["time"] == found[0]["time"]
        assert report["summary"]["verdict"] == "findings"

    def test_a_life_that_balances_is_clean(self, tmp_path, capsys):
        """Whatever is taken and given back gives exit code 0."""
        path = capture(tmp_path / "clean.etl", [ALLOCATE, RELEASE, *UNLOAD])
        assert main(["check", str(path)]) == 0
        assert "verdict: clean" in capsys.readouterr().out

    def test_text_leads_to_the_timeline(self, tmp_path, capsys):
        """The command that a finding names shows the life, and marks its fault."""
        path = capture(tmp_path / "double.etl", [ALLOCATE, RELEASE, RELEASE, *UNLOAD])
        main(["check", str(path)])
        (hint,) = [
            line
            for line in capsys.readouterr().out.splitlines()
            if line.startswith("  next: tracecheck timeline ")
        ]
        arguments = [word.strip("'") for word in hint.removeprefix("  next: tracecheck ").split()]
        assert main(arguments) == 0
        lines = capsys.readouterr().out.splitlines()
        marked = [line for line in lines if line.lstrip().startswith("!")]
        assert len(marked) == 1
        assert marked[0].endswith("CtxWork  <- release freed")

    def test_a_capture_without_operations_is_not_called_clean(self, tmp_path, capsys):
        """Nothing to judge is inconclusive, with what to do next time."""
        path = tmp_path / "other.etl"
        LogWriter().write(path)
        assert main(["check", str(path)]) == 3
        out = capsys.readouterr().out
        assert "verdict: inconclusive" in out
        assert "next time: " in out

    @pytest.mark.parametrize(
        "trace", ["etl/KernelProcess.etl", "etl/ebpforwindows.etl", "wpp/wppstr-sample.etl"]
    )
    def test_traces_of_other_things_are_inconclusive(self, corpus, trace):
        """A real trace in which no driver logs contexts can't be judged."""
        assert main(["check", str(corpus / trace), "--format", "json"]) == 3
