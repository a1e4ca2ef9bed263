"""`timeline`: a whole life, its counts and its fault."""

import json
from dataclasses import replace

import pytest
from handmade import SECOND, START, analysis, double_release, table

from tracecheck.etl.tables import LOSSES
from tracecheck.reporters.timeline import render_json, render_text


def life(**cells):
    """A context with one step by which another context took its place."""
    context = {
        "id": 0,
        "pointer": 0x10,
        "generation": 1,
        "context_type": 8,
        "birth": "allocated",
        "first": START,
    }
    operation = {
        "routine": "FltSetStreamContext",
        "context": 0x20,
        "context_type": 8,
        "status": 0,
        "pid": 4,
        "tid": 8,
    }
    step = {"delta_owned": 1, "delta_link": -1, "owned": 1}
    return analysis(
        [
            {**operation, "old_context": 0x10, "has_old_context": True},
            operation,
            {**operation, "status": 0xC01C0002},
        ],
        [{**context, "last": START, "ordered": True, "operations": 1, "peak": 2, **cells}],
        [{**step, "operation": number} for number in range(3)],
    )


class TestText:
    """The table of a life."""

    def test_a_double_release(self):
        """The heading tells birth and end; each line a call, what it changed and the counts after it."""
        assert "".join(render_text(double_release(), [0])) == (
            "stream context 0xffffae0512340010 #1 (id 0)\n"
            "  born   2026-01-02T03:04:05.000000006Z, allocated at ctx.c:20\n"
            "  ended  2026-01-02T03:04:06.000000006Z, freed; peak count 1, 3 operations\n"
            "     2026-01-02 UTC      pair  cpu  pid:tid  routine             change  owned  link  count"
            "  call site\n"
            "     03:04:05.000000006  a       1  4:2188   FltAllocateContext      +1      1     0      1"
            "  ctx.c:20 CtxCreate\n"
            "     03:04:06.000000006  a       1  4:2188   FltReleaseContext       -1      0     0      0"
            "  ctx.c:70 CtxCleanup\n"
            "  !  03:04:07.000000006  ?       3  4:96     FltReleaseContext        0      0     0      0"
            "  ctx.c:88 CtxPostClose  <- release freed\n"
        )

    @pytest.mark.parametrize(
        ("cells", "line"),
        [
            ({"end": "held", "owned": 1}, "held: 1 reference never released; last seen"),
            ({"end": "held", "owned": 2}, "held: 2 references never released; last seen"),
            (
                {"end": "attached", "link": 1},
                "still attached to its object, which holds the one reference; last seen",
            ),
            ({"end": "reused"}, "freed unseen: the pointer was allocated again; last seen"),
            ({"end": "freed", "freed": None}, "2026-01-02T03:04:05.000000006Z, freed; peak"),
            ({"end": "held", "birth": "unknown"}, "unknown, before the capture began; first seen"),
            ({"end": "held", "ordered": False}, "overlapping calls"),
            (
                {"end": "held", "object": 0x30, "instance": 0x40, "object_gone": START + SECOND},
                "object 0x30 of instance 0x40, gone at 2026-01-02T03:04:06.000000006Z",
            ),
        ],
    )
    def test_the_heading_says_how_a_life_began_and_ended(self, cells, line):
        """Each end and each birth has its words."""
        assert line in "".join(render_text(life(**cells), [0]))

    def test_a_call_says_what_part_the_context_played(self):
        """An old context, a context that another call pushed out, and a failed call can be told apart."""
        lines = "".join(render_text(life(end="freed"), [0])).splitlines()[-3:]
        assert "FltSetStreamContext (old context)" in lines[0]
        assert "FltSetStreamContext (of 0x20)" in lines[1]
        assert "FltSetStreamContext = STATUS_FLT_CONTEXT_ALREADY_DEFINED (of 0x20)" in lines[2]


class TestJson:
    """A life as an object."""

    def test_a_life_has_its_steps(self):
        """Every step has the operation, the changes, the counts after it and the fault or null."""
        report = json.loads("".join(render_json(double_release(), [0])))
        (context,) = report["contexts"]
        assert [(step["total"], step["delta_owned"], step["fault"]) for step in context["steps"]] == [
            (1, 1, None),
            (0, -1, None),
            (0, 0, "release freed"),
        ]
        assert (context["context"], context["generation"], context["end"]) == (
            "0xffffae0512340010",
            1,
            "freed",
        )
        assert context["freed"] == "2026-01-02T03:04:06.000000006Z"

    @pytest.mark.parametrize("pointer", [0, 1, 2**63, 2**64 - 1])
    def test_pointers_are_exact(self, pointer):
        """The ends of the range survive."""
        (context,) = json.loads("".join(render_json(double_release(pointer), [0])))["contexts"]
        assert {context["context"], *(step["context"] for step in context["steps"])} == {f"{pointer:#x}"}


class TestPairs:
    """Who answers whom, and what is missing between."""

    def test_only_what_has_no_partner(self):
        """Of a double release the second release is left, in text and in JSON."""
        made = double_release()
        text = "".join(render_text(made, [0], unpaired=True))
        assert [line.split()[2] for line in text.splitlines()[4:]] == ["?"]
        (life_,) = json.loads("".join(render_json(made, [0], unpaired=True)))["contexts"]
        assert [(step["routine"], step["pair"]) for step in life_["steps"]] == [("FltReleaseContext", None)]

    def test_a_balanced_life_has_nothing_without_partner(self):
        """That all have partners is said."""
        made = double_release()
        made = replace(made, steps=made.steps.slice(0, 2))
        text = "".join(render_text(made, [0], unpaired=True))
        assert text.endswith("\n  every acquire and release has its partner\n")
        (life_,) = json.loads("".join(render_json(made, [0])))["contexts"]
        assert [step["pair"] for step in life_["steps"]] == [1, 1]

    def test_a_loss_between_two_operations_has_a_row(self):
        """The row stands between them; a loss after the life was freed has none."""
        gap = {"count": 3, "unit": "events", "sign": "event sequence", "detail": "", "cpu": 2}
        losses = [
            {**gap, "start": START + SECOND // 2, "end": START + 3 * SECOND // 4},
            {**gap, "start": START + 5 * SECOND, "end": None},
        ]
        base = double_release()
        made = replace(base, losses=table(LOSSES, losses))
        lines = "".join(render_text(made, [0])).splitlines()
        at = next(i for i, line in enumerate(lines) if "-- gap: lost 3 events on cpu 2" in line)
        assert "FltAllocateContext" in lines[at - 1]
        assert "FltReleaseContext" in lines[at + 1]
        assert sum("-- gap" in line for line in lines) == 1
        (life_,) = json.loads("".join(render_json(made, [0])))["contexts"]
        assert [(gap["count"], gap["start"]) for gap in life_["gaps"]] == [
            (3, "2026-01-02T03:04:05.500000006Z")
        ]

    def test_a_held_life_is_touched_by_what_was_lost_after_it(self):
        """What was lost before the capture's end may have been its release."""
        gap = {"count": 1, "unit": "events", "sign": "event sequence", "detail": "", "cpu": None}
        made = life(owned=1, end="held")
        made = replace(made, losses=table(LOSSES, [{**gap, "start": START + SECOND, "end": None}]))
        assert "-- gap" in "".join(render_text(made, [0]))
