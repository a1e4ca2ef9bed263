"""Binding: which definitions a message of a profile is, and which of their arguments it means."""

from uuid import UUID

import pytest

from tracecheck.operations.profiles import Binder, event_source, parse, text_source, wpp_source
from tracecheck.payload.wpp.definition import Definition, Item

GUID = UUID("10e74659-4865-38cb-9632-02587595fa3f")
POINTERS = tuple(Item(10 + at, name, "ItemPtr") for at, name in enumerate(("Object", "Context")))


def binder(*messages):
    """Make a binder of messages, each the lines of its table."""
    return Binder(parse('profile = 1\nname = "p"\n' + "".join(f"[[message]]\n{m}\n" for m in messages), "p"))


def definition(text, items=POINTERS, **more):
    """Make a WPP definition."""
    return Definition(GUID, 17, "driver", "context_c132", "C:\\src\\Context.c", 132, text, items, **more)


SET = 'text = "Set %p (Object = %p)\\n"\nroutine = "FltSetFileContext"\ncontext = 1\nobject = 2'


class TestTexts:
    """Formats are compared by their words and the classes of their conversions."""

    @pytest.mark.parametrize(
        "text",
        [
            "%0Set %11!p! (Object = %10!p!)",
            "Set  %11!p!\n(Object = %10!p!) ",
            "%0 Set %11!016p! (Object =\\n %10!p!)\\n",
        ],
    )
    def test_blanks_and_prefixes_do_not_count(self, text):
        """The same words are the same message; arguments are found by their place in the text."""
        bound = binder(SET).bind(wpp_source(definition(text)))
        assert bound.bindings[0].columns == {"context": 1, "object": 0}

    @pytest.mark.parametrize(
        "text",
        [
            "Set %11!p! (Object = %10!x!)",
            "Set %11!p! (object = %10!p!)",
            "Set %11!p!",
            "Set %11!p! (Object = %10!p!) x",
        ],
    )
    def test_other_words_and_classes_are_other_messages(self, text):
        """A word more, another case or a number for a pointer is another message."""
        assert binder(SET).bind(wpp_source(definition(text))) is None

    def test_statuses_are_statuses_in_any_spelling(self):
        """What WPP prints by name is %!STATUS! in the source."""
        status = (Item(10, "status", "ItemNTSTATUS"),)
        mine = binder(
            'text = "failed: %!STATUS!"\nroutine = "FltSetFileContext"\nstatus = 1\ntells = "failure"'
        )
        assert mine.bind(wpp_source(definition("failed: %10!s!", status))).bindings[0].columns == {
            "status": 0
        }

    def test_arguments_are_found_by_their_expressions(self):
        """A name is the driver's own expression, blanks and case aside."""
        by_name = SET.replace("context = 1", 'context = " context"')
        bound = binder(by_name).bind(wpp_source(definition("Set %11!p! (Object = %10!p!)")))
        assert bound.bindings[0].columns == {"context": 1, "object": 0}

    def test_a_message_text_of_a_manifest_is_a_text_too(self):
        """%1 is the first field wherever it stands."""
        source = event_source(GUID, "P", "e", 3, ("Object", "Context"), "Set %2 (Object = %1)%n")
        assert binder(SET).bind(source).bindings[0].columns == {"context": 1, "object": 0}


class TestNarrowing:
    """A message can be narrowed to a place in the source."""

    @pytest.mark.parametrize(
        ("more", "fits"),
        [
            ('file = "context.c"\nline = 132', True),
            ('file = "context.c"\nline = 131', False),
            ('file = "other.c"', False),
            ('function = "Create"', True),
            ('function = "Close"', False),
            (f'wpp = ["{{{GUID}}}", 17]', True),
            (f'wpp = ["{GUID}", 18]', False),
            ('provider = "driver"', True),
            (f'provider = "{{{GUID}}}"', True),
            ('provider = "other"', False),
        ],
    )
    def test_places(self, more, fits):
        """File, line, function, number and provider must be those of the definition."""
        source = wpp_source(definition("Set %11!p! (Object = %10!p!)", function="Create"))
        assert (binder(f"{SET}\n{more}").bind(source) is not None) == fits

    def test_lines_of_text_cannot_tell_places(self):
        """Of two messages with one text, each narrowed, a line of text is neither; and that is said."""
        mine = binder(f'{SET}\nfile = "a.c"', f'{SET}\nfile = "b.c"')
        assert mine.bind(text_source("Set %p (Object = %p)\n")) is None
        assert "which of the messages 1, 2" in mine.problems[0]
        assert binder(f'{SET}\nfile = "a.c"').bind(text_source("Set %p (Object = %p)")) is not None


class TestEvents:
    """Events are known by names, with or without their provider."""

    @pytest.mark.parametrize(
        "event", ["FltSet", "fltset", "My-Driver/FltSet", f"{GUID}/FltSet", "My-Driver/3"]
    )
    def test_names(self, event):
        """Name, Provider/Name and Provider/17 all mean it; no case matters."""
        mine = binder(f'event = "{event}"\nroutine = "FltSetFileContext"\ncontext = "Context"')
        assert mine.bind(event_source(GUID, "My-Driver", "FltSet", 3, ("A", "Context"))) is not None
        assert mine.bind(event_source(GUID, "My-Driver", "FltGet", 4, ("A", "Context"))) is None

    def test_fields_come_and_go_but_not_the_context(self):
        """An event without a field did not log it; without its context it is another, and that is said."""
        mine = binder('event = "E"\nroutine = "FltSetFileContext"\ncontext = "Context"\nirql = "Irql"')
        assert mine.bind(event_source(GUID, "", "E", 1, ("Context",))).bindings[0].columns == {"context": 0}
        assert mine.problems != []
        assert mine.bind(event_source(GUID, "", "E", 2, ("Context", "Irql"))).bindings[0].columns["irql"] == 1
        assert mine.problems == []
        assert mine.bind(event_source(GUID, "", "E", 3, ("Irql",))).bindings == ()
