"""Drafts: how many of the known drivers' messages are guessed right, and that any text gives a profile."""

import pytest
import sample_facts
from hypothesis import given, settings
from hypothesis import strategies as st

from tracecheck.operations.profiles import load, parse, text_source
from tracecheck.operations.profiles.draft import Seen, draft, entries, of_definition
from tracecheck.operations.profiles.formats import parse_printf
from tracecheck.operations.profiles.generalise import MOST_FORMATS, formats, generalise
from tracecheck.operations.profiles.guess import guess
from tracecheck.operations.profiles.words import arguments
from tracecheck.payload.wpp.tmf import read_tmf

#: Of the messages that tell of operations, how many a draft must give the right routine, at least.
RIGHT = {"ctx": (67, 72), "avscan": (29, 29), "change": (18, 19), "delete": (2, 6), "swapbuffers": (3, 3)}
_WORDS = st.sampled_from(
    ["Setting", "Failed to get", "Releasing", "stream context", "file", "context", "FltGetFileContext"]
) | st.sampled_from(
    [" = %p", " 0x%x", "%!STATUS!", "%d", "(", ")", "\n", "%", "%%", "\\", '"', "\0", "Instance", "#", "'''"]
)


def seen(name):
    """A driver's messages, as its source has them."""
    return [Seen(text=f.text, file=f.file, line=f.line) for f in sample_facts.FACTS if f.driver == name]


class TestKnownDrivers:
    """What a draft gets right, measured by the profiles that were written by hand."""

    @pytest.mark.parametrize("name", RIGHT)
    def test_most_routines_are_found(self, name):
        """The routine of nearly each message that tells of an operation is guessed from its text."""
        wanted: dict[str, set[str]] = {}
        for message in load(name).messages:
            if not message.ignore:
                wanted.setdefault(message.text, set()).add(message.routine)
        right = 0
        for text, routines in wanted.items():
            found = guess(text)
            right += found is not None and found.routine in routines
        assert (right, len(wanted)) == RIGHT[name]

    @pytest.mark.parametrize("name", RIGHT)
    def test_the_draft_loads_and_knows_its_texts(self, name):
        """A draft is a profile; each of its texts is one of the driver's, with arguments that it has."""
        profile = parse(draft(seen(name), name), "draft")
        texts = {text_source(each.text).format.literals for each in seen(name)}
        assert profile.messages
        assert profile.coverage is None
        assert all(message.format.literals in texts for message in profile.messages)

    def test_system_informer(self, corpus):
        """Of 637 messages the two of the filter manager's contexts are bound; the driver's own are not."""
        definitions = read_tmf(corpus / "tmf" / "systeminformer.tmf").definitions
        found = entries([of_definition(definition) for definition in definitions])
        assert {each.seen.text: each.guess.routine for each in found if not each.ignore} == {
            "Filter unload invoked": "FilterUnload",
            "FltSetStreamHandleContext failed: %!STATUS!": "FltSetStreamHandleContext",
            "FltAllocateContext failed: %!STATUS!": "FltAllocateContext",
        }
        assert all(each.guess.tells == "failure" for each in found if "failed" in each.seen.text)

    def test_an_announced_get_is_completed(self):
        """A context that is only shown is the success of a get whose outcome no other line tells."""
        lines = [
            "Getting instance context (Instance = %p)",
            "Teardown of %wZ (InstanceContext = %p)",
            "Stream context info (StreamContext = %p)",
        ]
        found = entries([Seen(text=line) for line in lines])
        assert [(e.guess.routine, e.guess.tells, bool(e.ignore)) for e in found] == [
            ("FltGetInstanceContext", "intent", False),
            ("FltGetInstanceContext", "success", False),
            ("ContextUse", "result", True),
        ]


class TestGuess:
    """Single texts of other drivers, and what they tell."""

    @pytest.mark.parametrize(
        ("text", "routine", "tells", "named"),
        [
            ("Failed to set file context (0x%08X)\n", "FltSetFileContext", "failure", {"status": 1}),
            (
                "EptCreateContext->FltAllocateContext FLT_STREAM_CONTEXT failed. Status = %X\n",
                "FltAllocateContext",
                "failure",
                {"status": 1},
            ),
            ("FltCloseSectionForDataScan failed %X", "FltCloseSectionForDataScan", "failure", {"status": 1}),
            (
                "[Fmm]: Failed to set instance context (Volume = %p, Instance = %p, Status = 0x%08X)\n",
                "FltSetInstanceContext",
                "failure",
                {"volume": 1, "instance": 2, "status": 3},
            ),
            ("Releasing ctx %p", "FltReleaseContext", "result", {"context": 1}),
            ("allocated stream context %p", "FltAllocateContext", "result", {"context": 1}),
            ("Getting volume context %p", "FltGetVolumeContext", "success", {"context": 1}),
        ],
    )
    def test_texts(self, text, routine, tells, named):
        """The routine, whether it failed or was only tried, and which argument is what."""
        found = guess(text)
        assert (found.routine, found.tells, found.arguments) == (routine, tells, named)

    @pytest.mark.parametrize(
        "text", ["Opened %wZ", "Failed to allocate MDL", "context switch", "status 0x%x"]
    )
    def test_other_texts_mean_nothing(self, text):
        """A message without the words of a context operation is left alone."""
        assert guess(text) is None


class TestAnyText:
    """A draft of whatever a driver may print is a profile."""

    @settings(max_examples=200, deadline=None)
    @given(st.lists(st.one_of(st.text(max_size=60), st.lists(_WORDS, max_size=12).map(" ".join)), max_size=6))
    def test_a_draft_always_loads(self, texts):
        """No text, however odd, makes a draft that the loader refuses; each message fits its own text."""
        profile = parse(draft([Seen(text=text) for text in texts], "x"), "draft")
        for message in profile.messages:
            assert message.text in texts

    @settings(max_examples=100, deadline=None)
    @given(st.lists(st.sampled_from(["%p", "0x%x", "%d"]), max_size=4), st.integers(0, (1 << 64) - 1))
    def test_generalising_undoes_printing(self, conversions, value):
        """The format that is made of a text is the one that wrote it, up to the kinds of its numbers."""
        text = "Set context " + ", ".join(f"arg{'abcd'[n]} = {c}" for n, c in enumerate(conversions)) + " end"
        shown = {"%p": f"{value:016X}", "0x%x": f"0x{value & 0xFFFFFFF:x}", "%d": str(value & 0xFFFF)}
        printed = text
        for conversion in conversions:
            printed = printed.replace(conversion, shown[conversion], 1)
        assert parse_printf(generalise(printed)).agrees(parse_printf(text))
        assert len(arguments(generalise(printed))) == len(conversions)

    def test_paths_with_blanks_and_brackets(self):
        r"""A path is one value up to what the format goes on with: ``\Device\... (1).txt (Cbd =``."""
        text = r"for file \Device\HarddiskVolume2\a b\x (1).txt (Cbd = FFFFAC04A21CD8A0)"
        assert generalise(text) == "for file %wZ (Cbd = %p)"

    def test_texts_of_one_format_are_one(self):
        """Numbers that could be decimal or hexadecimal do not make two messages of one."""
        found, left = formats({"got context c000000d": 2, "got context 10": 3, "other": 1})
        assert [(each.text, each.count) for each in found] == [("got context %x", 5), ("other", 1)]
        assert left == 0

    def test_a_log_of_nothing_but_different_lines_is_bounded(self):
        """Beyond a number of formats messages are counted, not kept."""
        found, left = formats(
            (f"name{'abcdefghij'[n % 10]}x{'q' * (n // 10)}", 1) for n in range(MOST_FORMATS + 50)
        )
        assert (len(found), left) == (MOST_FORMATS, 50)
