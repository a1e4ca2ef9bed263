"""The profiles that come with the package: they load, and bind what the drivers' sources really print."""

import re

import pytest
import sample_facts

from tracecheck.fltmgr import ROUTINES, Effect
from tracecheck.operations.profiles import Binder, Tells, load, shipped, text_source, wpp_source
from tracecheck.payload.wpp.tmf import read_tmf

# The simulator's driver logs all it does; its profile is tested with the simulator.
NAMES = tuple(name for name in shipped() if name != "simulated")
SAMPLES = tuple(name for name in NAMES if name != "systeminformer")
# How an argument is labelled where the text labels it at all.
LABELS = {
    "context": r"(?i)context ?(?:\(|=|$)",
    "old_context": r"(?i)(?:old \w+ (?:handle )?context|new context)",
    "file_object": r"FileObject = $",
    "instance": r"Instance = $",
    "volume": r"Volume = $",
    "status": r"(?i)(?:status|scan\.\n,|context\.\n,)",
    "operation": r"ReplaceIfExists = $",
    "major": r"rq(?:: | = )$",
}


def facts(name):
    """The messages of a driver."""
    return [fact for fact in sample_facts.FACTS if fact.driver == name]


def before(text):
    """What stands before each conversion of a text."""
    return re.split(r"%(?:wZ|ws|I64x|0?8?[xX]|p|d|s|Iu|llu|04x)", text)[:-1]


class TestEveryProfile:
    """What holds for each profile of a real driver."""

    def test_the_drivers_are_those_promised(self):
        """Microsoft's samples with contexts and System Informer each have a profile."""
        assert NAMES == ("avscan", "change", "ctx", "delete", "minispy", "swapbuffers", "systeminformer")

    @pytest.mark.parametrize("name", NAMES)
    def test_it_loads_and_says_what_its_driver_logs(self, name):
        """A profile has the name of its file, a title, and a coverage with a note."""
        profile = load(name)
        assert profile.name == name
        assert profile.driver.endswith(".sys")
        assert profile.title != name
        assert profile.coverage is not None
        assert profile.coverage.note

    @pytest.mark.parametrize("name", NAMES)
    def test_releases_are_never_said_to_be_complete(self, name):
        """None of these drivers logs every release, so none of their logs can show a leak."""
        covered = load(name).coverage
        releases = {"FltReleaseContext", "FltReleaseContexts", "FltReleaseContextsEx"}
        assert not releases & covered.complete
        assert "FltReleaseContext" in covered.partial | covered.silent

    @pytest.mark.parametrize("name", NAMES)
    def test_coverage_speaks_of_what_is_bound(self, name):
        """A routine that has a message is not silent, and one that is complete has a message."""
        profile = load(name)
        routines = profile.routines()
        assert not routines & profile.coverage.silent
        assert profile.coverage.complete | profile.coverage.partial <= routines

    def test_no_text_is_of_two_drivers(self):
        """A log is read by the profile of its driver: no sample's message is known to another's profile."""
        binders = {name: Binder(load(name)) for name in SAMPLES}
        for fact in sample_facts.FACTS:
            source = text_source(fact.text)
            others = [name for name, each in binders.items() if name != fact.driver and each.bind(source)]
            assert others == [], fact


@pytest.mark.parametrize("name", SAMPLES)
class TestSamples:
    """Microsoft's samples: the profile and the sources say the same."""

    def test_every_text_is_in_the_source(self, name):
        """A profile binds no message that its driver does not print, to the letter."""
        printed = {fact.text for fact in facts(name)}
        assert {message.text for message in load(name).messages} == printed

    def test_every_comment_names_the_line(self, name):
        """The comment above each message names the file and line of its first place."""
        written = shipped()[name].read_text(encoding="utf-8")
        named = set(re.findall(r"^\[\[message\]\]\n# ([\w.]+):(\d+)", written, re.M))
        places = {}
        for fact in facts(name):
            places.setdefault(fact.text, (fact.file, str(fact.line)))
        assert named == set(places.values())

    def test_arguments_are_what_their_labels_say(self, name):
        """An argument that is bound stands behind the label that it has in the text."""
        for message in load(name).messages:
            labels = before(message.text)
            for what, number in message.arguments.items():
                label = labels[number - 1]
                bare = name in ("delete", "ctx", "change") and re.search(
                    r"(?:context |\"%wZ\" \(|\" \()$", label
                )
                assert bare or re.search(LABELS[what], label), (message.text, what)

    def test_a_failure_is_told_of_what_can_fail(self, name):
        """Intents, failures and successes are of calls that return; a release or a callback is at once."""
        at_once = {Effect.RELEASE, Effect.CLEANUP, Effect.USE, Effect.UNLOAD, Effect.REFERENCE}
        for message in load(name).messages:
            if not message.ignore and message.tells is not Tells.RESULT:
                assert ROUTINES[message.routine].effect not in at_once


class TestSystemInformer:
    """System Informer's driver: its real WPP messages."""

    def test_all_its_context_messages_are_known(self, corpus):
        """Of 637 messages those with the word context are known, and the filter's two are bound."""
        definitions = read_tmf(corpus / "tmf" / "systeminformer.tmf").definitions
        binder = Binder(load("systeminformer"))
        bound = {}
        for definition in definitions:
            found = binder.bind(wpp_source(definition))
            if found is not None:
                bound[definition] = found
            else:
                assert "context" not in definition.format.lower(), definition
        told = {d.symbol: b.bindings[0] for d, b in bound.items() if b.bindings}
        assert {symbol: binding.message.routine for symbol, binding in told.items()} == {
            "informer_filenc_c176": "FltAllocateContext",
            "informer_filenc_c231": "FltSetStreamHandleContext",
            "informer_file_c47": "FilterUnload",
        }
        assert told["informer_filenc_c176"].columns == {"status": 0}
        assert binder.problems == []
