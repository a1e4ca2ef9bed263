"""The blame of findings, whole and in words."""

import time

from handmade import START, analysis, double_release

from tracecheck.etl import plain_rows

STATUS_LOCKED = 0xC0000054


def calls(*rows):
    """Operations on one stream context a microsecond apart: routine, function, line, thread, more."""
    return [
        {
            "routine": routine,
            "function": function,
            "site": f"{function}:{line}",
            "tid": tid,
            "record": place,
            "time": START + place * 1000,
            "context": 0x10,
            "context_type": 8,
            **more,
        }
        for place, (routine, function, line, tid, more) in enumerate(rows)
    ]


def context(number, pointer, end, **more):
    """A row of the contexts table."""
    return {
        "id": number,
        "pointer": pointer,
        "generation": 1,
        "context_type": 8,
        "birth": "allocated",
        "end": end,
        "ordered": True,
        **more,
    }


def finding(number, rule, operations, confidence="definite"):
    """A row of the findings table."""
    return {
        "rule": rule,
        "severity": "error",
        "confidence": confidence,
        "context_id": number,
        "context": 0x10,
        "generation": 1,
        "context_type": 8,
        "operations": operations,
        "reasons": [],
    }


def leak(confidence="definite"):
    """Three reads of a file; the last one fails to lock it and forgets the release."""
    read = [
        ("FltGetStreamContext", "PreRead", 10, 8, {"status": 0}),
        ("FltReleaseContext", "PostRead", 30, 9, {}),
    ]
    made = calls(
        *read,
        *read,
        ("FltGetStreamContext", "PreRead", 10, 8, {"status": 0}),
        ("FltCreateSectionForDataScan", "PreRead", 14, 8, {"status": STATUS_LOCKED}),
        ("FltGetStreamContext", "PreCleanup", 50, 8, {"status": 0}),
        ("FltReleaseContext", "PreCleanup", 55, 8, {}),
    )
    deltas = [1, -1, 1, -1, 1, 0, 1, -1]
    lives = [0, 0, 0, 0, 1, 1, 1, 1]
    owned = [1, 0, 1, 0, 1, 1, 2, 1]
    steps = [
        {"context": life, "operation": i, "delta_owned": delta, "owned": count}
        for i, (life, delta, count) in enumerate(zip(lives, deltas, owned, strict=True))
    ]
    contexts = [context(0, 0x20, "freed"), context(1, 0x10, "held", owned=1)]
    return analysis(made, contexts, steps, findings=[finding(1, "L01", [4], confidence)])


class TestLeak:
    """A reference that nothing released."""

    def test_it_is_told_what_the_others_do_and_where_this_one_left(self):
        """The acquire, where the others are released, the call that failed, and where the thread went on."""
        (row,) = plain_rows(leak().blame)
        assert (row["kind"], row["operation"], row["pattern_count"]) == ("leak", 4, 2)
        assert (row["function"], row["site"], row["alike"]) == ("PreRead", "PreRead:10", 1)
        assert (row["deviation"], row["confidence"], row["reasons"]) == (5, "definite", [])
        assert row["text"] == (
            "FltGetStreamContext at PreRead:10 took the reference that nothing released; the other 2 "
            "references to stream contexts taken there were released at PostRead:30; here "
            "FltCreateSectionForDataScan at PreRead:14 gave 0xc0000054, and the thread left PreRead for "
            "FltGetStreamContext at PreCleanup:50"
        )

    def test_it_is_no_surer_than_the_finding(self):
        """A leak that is only possible has nobody who is definitely to blame."""
        (row,) = plain_rows(leak("possible").blame)
        assert (row["confidence"], row["reasons"]) == ("possible", ["the finding itself is possible"])

    def test_it_is_worked_out_once_and_only_when_asked_for(self):
        """Nothing is paired before somebody wants to know."""
        made = leak()
        assert "pairs" not in vars(made)
        assert made.blame is made.blame
        assert "pairs" in vars(made)


class TestRelease:
    """A release too many."""

    def test_a_release_after_the_last_one_is_itself_to_blame(self):
        """Nothing was open but what had been released."""
        (row,) = plain_rows(double_release().blame)
        assert (row["kind"], row["operation"], row["owner"], row["victim"]) == ("over-release", 2, None, None)
        assert row["text"] == (
            "FltReleaseContext at ctx.c:88 released a reference to a stream context that was not its own: "
            "none was left"
        )
        assert row["confidence"] == "possible"
        assert row["reasons"] == ["no healthy life shows who answers whom here"]


def test_a_capture_in_which_everything_is_at_fault_is_blamed_in_time():
    """20,000 leaked contexts with a finding each, and one that is released 20,000 times too often."""
    size = 20_000
    made = [
        {
            "routine": "FltAllocateContext" if i < size else "FltReleaseContext",
            "function": f"F{i % 50}",
            "tid": i % 7,
            "record": i,
            "context": i if i < size else size,
            "context_type": 8,
        }
        for i in range(2 * size)
    ]
    steps = [{"context": i, "operation": i, "delta_owned": 1, "owned": 1} for i in range(size)]
    steps += [
        {"context": size, "operation": i, "freed": True, "fault": "release freed"}
        for i in range(size, 2 * size)
    ]
    contexts = [context(i, i, "held", owned=1) for i in range(size)] + [context(size, size, "freed")]
    findings = [finding(i, "L01", [i]) for i in range(size)] + [finding(size, "R02", [size])]
    whole = analysis(made, contexts, steps, findings=findings)
    started = time.perf_counter()
    assert whole.blame.num_rows == size + 1
    assert time.perf_counter() - started < 20
    assert set(whole.blame.column("alike").to_pylist()) == {1, size // 50}
