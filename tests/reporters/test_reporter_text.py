"""`check --format text`: whole reports on analyses made by hand."""

import re
from dataclasses import replace

import pyarrow as pa
import pytest
from handmade import SECOND, START, analysis, double_release, table, with_stacks
from hypothesis import given
from hypothesis import strategies as st

from tracecheck.capture import Verdict
from tracecheck.etl.tables import LOSSES
from tracecheck.reporters.block import SHOWN_FRAMES
from tracecheck.reporters.common import rows
from tracecheck.reporters.losses import loss_line
from tracecheck.reporters.text import SHOWN_ALIKE, SHOWN_LOSSES, render
from tracecheck.rules.table import FINDINGS

RULER = "=" * 78


def text(result, **options):
    """Render a report as one string."""
    return "".join(render(result, **options))


def leaks(number):
    """An analysis in which many contexts leak in the same way, and one of them has a second fault."""
    contexts = [
        {
            "id": i,
            "pointer": 0x1000 + i,
            "generation": 1,
            "context_type": 8,
            "birth": "allocated",
            "end": "held",
        }
        for i in range(number)
    ]
    findings = [
        {
            "rule": "L01",
            "severity": "error",
            "confidence": "definite",
            "context_id": i,
            "context": 0x1000 + i,
            "generation": 1,
            "context_type": 8,
            "time": START + i * SECOND,
            "message": f"leak {i}",
            "signature": "L01:stream:CtxGet",
        }
        for i in range(number)
    ]
    second = {**findings[0], "rule": "L09", "confidence": "possible", "message": "a get was not answered"}
    return analysis(contexts=contexts, findings=[*findings, second], verdict=Verdict("findings"))


class TestWholeReports:
    """Reports character by character."""

    def test_a_double_release(self):
        """The block names the fault, shows the calls in order with counts, and marks the bad one."""
        assert text(double_release()) == (
            f"{RULER}\n"
            "ERROR R02 (probable): release after free\n"
            "  stream context 0xffffae0512340010 #1: released after it was free\n"
            "  FltReleaseContext at ctx.c:88 released a reference to a stream context that was not its own:"
            " none was left\n"
            "  who did it is possible because no healthy life shows who answers whom here\n"
            "\n"
            "  bad release by    ctx.c:88 CtxPostClose  FltReleaseContext   03:04:07.000000006"
            "  cpu 3  pid 4, tid 96\n"
            "  last released by  ctx.c:70 CtxCleanup    FltReleaseContext   03:04:06.000000006"
            "  cpu 1  pid 4, tid 2188\n"
            "  allocated by      ctx.c:20 CtxCreate     FltAllocateContext  03:04:05.000000006"
            "  cpu 1  pid 4, tid 2188\n"
            "\n"
            "     2026-01-02 UTC      cpu  pid:tid  routine             change  owned  link  count"
            "  call site\n"
            "     03:04:05.000000006    1  4:2188   FltAllocateContext      +1      1     0      1"
            "  ctx.c:20 CtxCreate\n"
            "     03:04:06.000000006    1  4:2188   FltReleaseContext       -1      0     0      0"
            "  ctx.c:70 CtxCleanup\n"
            "  !  03:04:07.000000006    3  4:96     FltReleaseContext        0      0     0      0"
            "  ctx.c:88 CtxPostClose  <- R02\n"
            "  born 2026-01-02T03:04:05.000000006Z, allocated at ctx.c:20\n"
            "  ended 2026-01-02T03:04:06.000000006Z, freed; peak count 1, 3 operations\n"
            "\n"
            "  probable because the capture has no CaptureStart event\n"
            "  signature: R02:stream:FltReleaseContext:CtxPostClose\n"
            "  next: tracecheck explain R02\n"
            "  next: tracecheck timeline capture.etl '0xffffae0512340010#1'\n"
            "  next: kd> !pool 0xffffae0512340010\n"
            "  next: kd> !fltkd.filters\n"
            f"{RULER}\n"
            "verdict: findings: 1 error\n"
            "  1 context, 3 operations, 3 records in capture.etl\n"
            "                  lives  freed  reused  attached  held\n"
            "  stream context      1      1       0         0     0\n"
        )

    def test_a_capture_that_can_not_be_judged(self):
        """What is lost stands before the verdict; the verdict says why and what to do next time."""
        losses = [
            {
                "cpu": 3,
                "start": START,
                "end": START + SECOND,
                "count": 14,
                "unit": "events",
                "sign": "buffer flag",
            }
        ]
        verdict = Verdict(
            "inconclusive", ("events were lost over the whole life.",), ("use larger buffers.",)
        )
        assert text(analysis(losses=losses, verdict=verdict, warnings=("at 0x10, 8 bytes: no record",))) == (
            "lost 14 events on cpu 3 between 2026-01-02T03:04:05.000000006Z"
            " and 2026-01-02T03:04:06.000000006Z (buffer flag)\n"
            "warning: at 0x10, 8 bytes: no record\n"
            "verdict: inconclusive\n"
            "  0 contexts, 0 operations, 0 records in capture.etl\n"
            "  because events were lost over the whole life.\n"
            "  next time: use larger buffers.\n"
        )

    def test_a_clean_capture(self):
        """Nothing found is two lines."""
        assert text(analysis(records=7)) == (
            "verdict: clean\n  0 contexts, 0 operations, 7 records in capture.etl\n"
        )

    def test_a_finding_of_the_capture_itself(self):
        """A note without a context is its title and its message."""
        note = {
            "rule": "M04",
            "severity": "note",
            "confidence": "definite",
            "message": "a gap",
            "signature": "M04",
        }
        assert text(analysis(findings=[note])).startswith(f"{RULER}\nNOTE M04 (definite): a gap\n{RULER}\n")


class TestLongLives:
    """What is shown of a life of many operations."""

    def test_its_ends_and_its_fault_stand_and_the_rest_is_counted(self):
        """Of a thousand steps the ends and those around the fault are shown, all else is counted."""
        count, fault = 1000, 500
        calls = [{"routine": "FltReferenceContext", "context": 16, "site": f"a.c:{i}"} for i in range(count)]
        context = {"pointer": 16, "generation": 1, "end": "held", "birth": "unknown"}
        steps = [{"operation": i, "delta_owned": 1, "owned": i} for i in range(count)]
        finding = {
            **rows(double_release().findings)[0],
            "rule": "L01",
            "context": 16,
            "operations": [fault],
        }
        report = text(analysis(calls, [context], steps, findings=[finding]))
        shown = [int(line) for line in re.findall(r"a\.c:(\d+)(?:  <-.*)?$", report, re.MULTILINE)]
        left_out = [int(number) for number in re.findall(r"^ +\.\.\. (\d+) more", report, re.MULTILINE)]
        assert {0, fault, count - 1} <= set(shown)
        assert len(shown) < 20
        assert sum(left_out) + len(shown) == count

    def test_a_leak_names_its_last_release_wherever_it_is(self):
        """What was released last is looked for in the whole life of a leak, not only before its acquire."""
        found = double_release()
        leak = {**rows(found.findings)[0], "rule": "L01", "operations": [0]}
        report = text(replace(found, findings=table(FINDINGS, [leak])))
        assert "  taken by          ctx.c:20 CtxCreate" in report
        assert "  last released by  ctx.c:70 CtxCleanup" in report


class TestGroups:
    """What is shown of many findings."""

    @pytest.mark.parametrize("number", [1, SHOWN_ALIKE, SHOWN_ALIKE + 1, 17])
    def test_contexts_that_fail_alike_are_shown_a_few_times(self, number):
        """Three blocks stand for a signature, and a line says how many there are; --all shows each."""
        few, every = text(leaks(number)), text(leaks(number), everything=True)
        assert few.count("ERROR L01") == min(number, SHOWN_ALIKE)
        assert (f"{SHOWN_ALIKE} of {number} like this shown" in few) is (number > SHOWN_ALIKE)
        assert every.count("ERROR L01") == number
        assert "like this shown" not in every

    def test_a_context_has_one_block(self):
        """The surest and worst finding heads the block; the others of that context are named in it."""
        report = text(leaks(2))
        assert "  also L09 (error, possible): a get was not answered\n" in report
        assert report.count("L09") == 1
        assert "verdict: findings: 3 errors\n" in report

    def test_what_heads_a_block_is_not_said_again_below_it(self):
        """The end of a message that the main one has too is left out; the rest of it stays."""
        told = [
            "owned at the unload; nothing answers A at b.c:3",
            "owned later; nothing answers A at b.c:3",
            "it; was",
        ]
        rows = [
            {"rule": f"L0{i}", "severity": "error", "confidence": "definite", "context_id": 0, "context": 16}
            | {"message": message, "generation": 1, "context_type": 8, "signature": "s"}
            for i, message in enumerate(told)
        ]
        report = text(
            analysis(contexts=[{"id": 0, "pointer": 16, "birth": "allocated", "end": "held"}], findings=rows)
        )
        assert report.count("nothing answers A at b.c:3") == 1
        assert "also L01 (error, definite): owned later\n" in report
        assert "also L02 (error, definite): it; was\n" in report

    def test_the_worst_stands_first(self):
        """Errors come before warnings and notes, definite ones before possible ones."""
        ways = [("note", "definite"), ("warning", "definite"), ("error", "possible"), ("error", "definite")]
        rows = [
            {"rule": f"X{i}", "severity": s, "confidence": c, "signature": str(i)}
            for i, (s, c) in enumerate(ways)
        ]
        report = text(analysis(findings=rows))
        assert report.index("X3") < report.index("X2") < report.index("X1") < report.index("X0")

    def test_many_losses_are_counted(self):
        """Ten losses are shown, and how many there are."""
        losses = [{"unit": "buffers", "sign": "buffer sequence", "count": 1}] * (SHOWN_LOSSES + 5)
        assert text(analysis(losses=losses)).count("lost 1 buffer") == SHOWN_LOSSES
        assert f"{SHOWN_LOSSES} of {SHOWN_LOSSES + 5} losses shown" in text(analysis(losses=losses))
        assert text(analysis(losses=losses), everything=True).count("lost 1 buffer") == SHOWN_LOSSES + 5

    def test_a_life_past_midnight_shows_dates(self):
        """Where operations lie on several days, each line has its date."""
        result = double_release()
        column = result.operations.column("time").cast(pa.int64()).to_pylist()
        later = pa.array([column[0], column[1], column[2] + 86_400 * SECOND]).cast(pa.timestamp("ns", "UTC"))
        moved = result.operations.set_column(1, result.operations.schema.field("time"), later)
        report = text(replace(result, operations=moved))
        assert "2026-01-02 03:04:05.000000006" in report
        assert "2026-01-03 03:04:07.000000006" in report


class TestLosses:
    """One line for a loss."""

    @pytest.mark.parametrize(
        ("loss", "line"),
        [
            ({"count": 1}, "lost 1 event at an unknown time (sign)"),
            (
                {"start": START},
                "lost an unknown number of events after 2026-01-02T03:04:05.000000006Z (sign)",
            ),
            (
                {"end": START, "count": 2, "cpu": 0},
                "lost 2 events on cpu 0 before 2026-01-02T03:04:05.000000006Z (sign)",
            ),
            ({"count": 0, "detail": "so it says"}, "lost 0 events at an unknown time (sign): so it says"),
        ],
    )
    def test_a_loss_says_what_where_and_when(self, loss, line):
        """What is not known of a loss is not made up."""
        assert loss_line(rows(table(LOSSES, [{"unit": "events", "sign": "sign", **loss}]))[0]) == line


class TestHostileTraces:
    """Traces written to harm their reader."""

    @given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
    def test_no_text_of_a_trace_steers_the_terminal(self, evil):
        """Call sites, routines, messages, paths and warnings can't write control characters."""
        plain = double_release(paths=(evil.replace("\0", ""),), warnings=(evil,))
        finding = {
            **rows(plain.findings)[0],
            "message": evil,
            "signature": evil,
            "reasons": [evil],
        }
        names = pa.array([evil] * 3, pa.string()).dictionary_encode()
        operations = plain.operations
        for name in ("routine", "function", "site"):
            place = operations.schema.get_field_index(name)
            operations = operations.set_column(place, operations.schema.field(name), names)
        losses = table(LOSSES, [{"unit": evil, "sign": evil, "detail": evil}])
        verdict = Verdict("findings", (evil,), (evil,))
        result = replace(
            plain, operations=operations, losses=losses, verdict=verdict, findings=table(FINDINGS, [finding])
        )
        for line in render(result):
            assert line.endswith("\n")
            assert line[:-1].isprintable()

    @pytest.mark.parametrize("pointer", [0, 1, 2**63, 2**64 - 1])
    def test_every_pointer_is_shown_exactly(self, pointer):
        """The ends of the range and its middle are written digit by digit."""
        assert f"stream context {pointer:#x} #1" in text(double_release(pointer))


class TestStacks:
    """Stacks that were logged with the calls."""

    def test_frames_stand_under_who_did_it(self):
        """Each role has its frames below it, the innermost first, no more than a screen can bear."""
        deep = [f"F{i} (a.c:{i})" for i in range(SHOWN_FRAMES + 3)]
        report = text(with_stacks(double_release(), [deep, None, ["CtxPostClose (ctx.c:88)", "X.sys+0x1"]]))
        lines = report.partition("UTC  ")[0].splitlines()[6:]
        assert [line[:19].strip() or line for line in lines[:1]] == ["bad release by"]
        assert lines[1:3] == ["      CtxPostClose (ctx.c:88)", "      X.sys+0x1"]
        assert [line.split("  ")[1] for line in lines[3:5]] == ["last released by", "allocated by"]
        shown = [f"      {frame}" for frame in deep[:SHOWN_FRAMES]]
        assert lines[5 : 6 + SHOWN_FRAMES] == [*shown, "      ... 3 more ..."]

    def test_without_a_stack_nothing_changes(self):
        """A column that says nothing of these calls leaves the report as it is without."""
        assert text(with_stacks(double_release(), [None] * 3)) == text(double_release())
