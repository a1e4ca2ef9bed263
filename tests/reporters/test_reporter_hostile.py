"""Every report of a capture whose names are attacks: nothing in it acts, and no pointer loses a bit."""

import json
import re
import xml.etree.ElementTree as ET
from dataclasses import replace

import pyarrow as pa
import pytest
from handmade import double_release, with_stacks
from hypothesis import given
from hypothesis import strategies as st

from tracecheck.reporters import balance, json_report, junit, markdown, sarif, suppressions, text
from tracecheck.reporters.common import clean
from tracecheck.triage import parse_suppressions, triage

ATTACKS = (
    "<script>alert(1)</script>",
    "</testcase><x/>",
    "]]>",
    '"><img src=x onerror=alert(1)>',
    "\x1b[31mred\x1b]0;title\x07",
    "\u202egnp.exe",
    "=cmd|' /C calc'!A0",
    "[click](javascript:alert(1))",
    "`code` **bold** @everyone #1 http://evil.example/",
    "a\r\nb\u2028c\0d",
    "\ud800",
    "| cell |",
)
NAMES = st.sampled_from(ATTACKS) | st.text(max_size=30)
FORMS = ("json", "sarif", "junit", "markdown", "text", "table", "suppressions")
# Characters that steer a terminal or turn text around; line ends are the report's own.
ACTS = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def named(site, function, message):
    """Make an analysis whose call sites, functions and messages are what a trace says."""
    found = double_release()
    count = found.operations.num_rows

    def renamed(table, column, value):
        place = table.schema.get_field_index(column)
        text_ = value.encode("utf-8", "replace").decode()
        values = pa.array([text_] * table.num_rows, pa.string()).cast(table.schema.field(place).type)
        return table.set_column(place, table.schema.field(place), values)

    operations = renamed(renamed(found.operations, "site", site), "function", function)
    assert operations.num_rows == count
    frames = [text_.encode("utf-8", "replace").decode() for text_ in (function, site)]
    return replace(
        found,
        operations=with_stacks(operations, [frames] * count),
        contexts=renamed(found.contexts, "site", site),
        findings=renamed(found.findings, "message", message),
        paths=(site,),
        warnings=(message,),
    )


def rendered(analysis, form):
    """Write a report."""
    judged = triage(analysis)
    pieces = {
        "json": lambda: json_report.render(analysis, judged),
        "sarif": lambda: sarif.render(judged, "1.0"),
        "junit": lambda: junit.render(judged),
        "markdown": lambda: markdown.render(judged),
        "text": lambda: text.render(analysis),
        "table": lambda: balance.render(analysis),
        "suppressions": lambda: suppressions.render(analysis),
    }[form]
    return "".join(pieces())


class TestHostileNames:
    """Names of a trace in every format."""

    @pytest.mark.parametrize("form", FORMS)
    @given(site=NAMES, function=NAMES, message=NAMES)
    def test_no_character_acts(self, form, site, function, message):
        """No control character, terminal escape or mark that turns text around is in any report."""
        report = rendered(named(site, function, message), form)
        assert ACTS.search(report) is None
        report.encode("utf-8")

    @given(site=NAMES, function=NAMES, message=NAMES)
    def test_no_element_of_xml_arises(self, site, function, message):
        """JUnit parses, and has the elements that the same report with plain names has."""
        plain = ET.fromstring(rendered(named("a.c:1", "f", "m"), "junit"))
        hostile = ET.fromstring(rendered(named(site, function, message), "junit"))
        assert [e.tag for e in hostile.iter()] == [e.tag for e in plain.iter()]

    @pytest.mark.parametrize("form", ["json", "sarif"])
    @given(site=NAMES, function=NAMES, message=NAMES)
    def test_json_has_its_own_keys_only(self, form, site, function, message):
        """JSON parses, is ASCII, and text of a trace is only ever a value."""

        def keys(value):
            if isinstance(value, dict):
                return set(value) | {key for inner in value.values() for key in keys(inner)}
            return {key for inner in value for key in keys(inner)} if isinstance(value, list) else set()

        report = rendered(named(site, function, message), form)
        assert report.isascii()
        allowed = keys(json.loads(rendered(named("f (a.c:1)", "f", "m"), form)))
        assert keys(json.loads(report)) <= allowed

    @given(message=NAMES)
    def test_no_markup_arises_in_markdown(self, message):
        """Outside of code spans and fences a report has no character of a name that Markdown acts on."""
        report = rendered(named("a.c:1", "f", message), "markdown")
        bare = re.sub(r"```.*?```", "", report, flags=re.DOTALL)
        bare = re.sub(r"`[^`\n]*`", "", bare)
        assert not re.search(r"[<>\[\]*`@~\\]|://|(?<!\w)_|_(?!\w)|\bwww\.", bare)
        assert report.count("```") == 2

    @given(site=NAMES, function=NAMES, message=NAMES)
    def test_generated_suppressions_can_be_read(self, site, function, message):
        """What --generate-suppressions writes is read back as one entry for each cause."""
        written = rendered(named(site, function, message), "suppressions")
        assert len(parse_suppressions(written, "f")) == 1


class TestPointers:
    """Pointers at the ends of their range."""

    @pytest.mark.parametrize("pointer", [0, 1, 2**53 + 1, 2**63, 2**64 - 1])
    @pytest.mark.parametrize("form", ["json", "sarif", "junit", "markdown", "text"])
    def test_a_pointer_survives(self, form, pointer):
        """The context of a finding is written with every bit, as text."""
        assert f"{pointer:#x}" in rendered(double_release(pointer), form)


def test_a_clean_name_stays_as_it_is():
    """Text that acts on nothing is not changed in any format."""
    for form in ("sarif", "junit", "text", "markdown"):
        assert "SimPreRead" in rendered(named("SimPreRead (a.c:12)", "SimPreRead", "m"), form)
    assert clean("SimPreRead (a.c:12)") == "SimPreRead (a.c:12)"
