"""Manifest files: what of them becomes definitions, and what a hostile one does."""

import contextlib
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from manifest_writing import GUID, manifest_xml, provider_xml

from tracecheck.errors import InputError
from tracecheck.payload.manifest.definition import In, Out
from tracecheck.payload.manifest.xml import LARGEST, parse_manifest, read_manifests

TEMPLATE = """<template tid='T'>
 <data name='Status' inType='win:UInt32' outType='win:NTSTATUS'/>
 <data name='Kind' inType='win:UInt8' map='Kinds'/>
 <data name='Length' inType='win:UInt16'/>
 <data name='Name' inType='win:UnicodeString' length='Length'/>
 <data name='Raw' inType='win:Binary' length='4'/>
 <struct name='Pairs' count='Kind'>
  <data name='A' inType='win:Pointer'/><data name='B' inType='win:SizeT'/>
 </struct>
 <UserData><x xmlns='u'>%1</x></UserData>
</template>"""
MAPS = """<valueMap name='Kinds'>
 <map value='0' message='$(string.zero)'/><map value='0x1' message='one'/>
</valueMap>
<bitMap name='Bits'><map value='0x1' message='READ'/><map value='0x6' message='WRITE'/></bitMap>"""
EVENTS = """<event value='0x10' version='2' symbol='Opened' task='Open' opcode='win:Start' level='win:Error'
 keywords='mine win:SQM' message='$(string.msg)' template='T'/>
<event value='17' task='Open' opcode='Half'/>"""
GROUPS = {
    "keywords": "<keyword name='mine' mask='0x8'/>",
    "levels": "<level name='Loud' value='16'/>",
    "tasks": "<task name='Open' value='3'/>",
}
STRINGS = {"zero": "nothing", "msg": "status %1 in @"}


def whole(namespace=True, **more):
    """Write a manifest with everything in it."""
    element = provider_xml(EVENTS, TEMPLATE, MAPS, **GROUPS)
    return manifest_xml(element, strings=STRINGS, namespace=namespace, **more)


def only(raw):
    """Parse a manifest of one provider."""
    found = parse_manifest(raw, "m.man")
    (provider,) = found.providers
    return provider, found.problems


class TestWhatAManifestSays:
    """Every part of a manifest."""

    @pytest.mark.parametrize("namespace", [True, False])
    @pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
    def test_everything_is_there(self, namespace, encoding):
        """Events, fields, maps, strings, levels, keywords: with or without namespaces, in any encoding."""
        raw = whole(namespace).decode().replace('encoding="utf-8"', f'encoding="{encoding}"').encode(encoding)
        provider, problems = only(raw)
        assert problems == []
        assert (provider.guid, provider.name, provider.source) == (GUID, "Test", "m.man")
        event = provider.events[16, 2]
        assert (event.name, event.task, event.opcode, event.level) == ("Opened", "Open", "Start", 2)
        assert event.keywords == 8 | 1 << 51
        assert event.message == "status %1 in en-US"
        assert provider.events[17, 0].name == "Open/Half"
        status, kind, length, name, raw, pairs = event.fields
        assert (status.in_type, status.out_type) == (In.UINT32, Out.NTSTATUS)
        assert [kind.map.text(value) for value in (0, 1, 2)] == ["nothing", "one", "2"]
        assert (length.name, name.length, raw.length, pairs.count) == ("Length", "Length", 4, "Kind")
        assert [(each.name, each.in_type) for each in pairs.fields] == [("A", In.POINTER), ("B", In.POINTER)]

    def test_flags_are_joined_and_what_has_no_name_is_a_number(self):
        """A bitMap names the flags that are set whole."""
        template = "<template tid='T'><data name='F' inType='win:UInt32' map='Bits'/></template>"
        provider, _ = only(manifest_xml(provider_xml("<event value='1' template='T'/>", template, MAPS)))
        text = provider.events[1, 0].fields[0].map.text
        assert [text(v) for v in (0, 1, 7, 6, 2, 0x17)] == [
            "0", "READ", "READ|WRITE", "WRITE", "0x2", "READ|WRITE|0x10"
        ]  # fmt: skip

    @pytest.mark.parametrize(
        ("cultures", "text"), [(["de-DE", "en-US"], "en-US"), (["de-DE", "fr-FR"], "de-DE"), ([], "msg")]
    )
    def test_english_strings_else_the_first(self, cultures, text):
        """The string table is that of en-US, else the first; with none the string's id is left."""
        provider, _ = only(whole(cultures=cultures))
        assert provider.events[16, 2].message in (f"status %1 in {text}", text)

    def test_several_providers_in_a_file_and_files_in_a_directory(self, tmp_path):
        """All providers of all *.man and *.xml files; a broken file is a line and harms no other."""
        two = manifest_xml(provider_xml(), provider_xml(guid="11111111-2222-3333-4444-555555555555"))
        (tmp_path / "b.man").write_bytes(two)
        (tmp_path / "a.XML").write_bytes(whole())
        (tmp_path / "c.xml").write_bytes(b"<broken")
        (tmp_path / "d.txt").write_bytes(b"<broken")
        found = read_manifests(tmp_path)
        assert [len(each.events) for each in found.providers] == [2, 0, 0]
        (problem,) = found.problems
        assert problem.startswith(f"{tmp_path / 'c.xml'}: at line 1, column ")


class TestContradictions:
    """Manifests that are XML but wrong: a line each, and the rest is used."""

    @pytest.mark.parametrize(
        ("template", "words"),
        [
            ("<data name='A' inType='win:Binary' length='A'/>", "the length of field 'A' is 'A'"),
            (
                "<data name='A' inType='win:UInt8' count='B'/><data name='B' inType='win:UInt8'/>",
                "no number before",
            ),
            (
                "<data name='A' inType='win:UnicodeString'/><data name='B' inType='win:UInt8' count='A'/>",
                "'A'",
            ),
            (
                "<struct name='S' count='S'><data name='A' inType='win:UInt8'/></struct>",
                "no number before it",
            ),
            ("<data name='A' inType='win:Binary' length='4294967296'/>", "too large"),
            ("<struct name='S'>" * 12 + "</struct>" * 12, "structs within structs"),
            ("<data name='A' inType='win:UInt8'/>" * 2000, "too many fields"),
        ],
    )
    def test_a_template_that_contradicts_itself_leaves_its_events_without_fields(self, template, words):
        """The event stays, with no field; the line names template and field."""
        element = provider_xml("<event value='1' template='T'/>", f"<template tid='T'>{template}</template>")
        provider, problems = only(manifest_xml(element))
        assert provider.events[1, 0].fields == ()
        (problem,) = problems
        assert problem.startswith("m.man: template 'T': ")
        assert words in problem

    @pytest.mark.parametrize(
        ("events", "templates", "words"),
        [
            ("<event value='1' template='X'/>", "", "template 'X' is not defined"),
            ("<event value='1'/><event value='65536'/>", "", "'65536'"),
            ("<event value='1'/><event value='2' version='256'/>", "", "'256'"),
            ("<event value='1'/><event value='nine'/>", "", "'nine'"),
            ("<event value='1'/><event value='1'/>", "", "is there twice"),
            ("<event value='1'/>", "<template tid='T'/>" * 2, "template 'T' is there twice"),
            ("<event value='1'/>", "<template tid='T'><data name='A' inType='win:X'/></template>", "'win:X'"),
            (
                "<event value='1'/>",
                "<template tid='T'><data name='A' inType='win:UInt8' map='M'/></template>",
                "'M'",
            ),
        ],
    )
    def test_what_cannot_be_used_is_one_line(self, events, templates, words):
        """The other events are there."""
        provider, problems = only(manifest_xml(provider_xml(events, templates)))
        assert (1, 0) in provider.events
        (problem,) = problems
        assert words in problem
        assert "\n" not in problem

    def test_many_problems_are_counted(self):
        """A manifest with a thousand faults has twenty lines and a count."""
        _, problems = only(manifest_xml(provider_xml("<event value='x'/>" * 1000)))
        assert (len(problems), problems[-1]) == (21, "m.man: and 980 more problems like these")


ENTITIES = '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><x>&b;</x>'
EXTERNAL = '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><x>&a;</x>'
PARAMETER = '<!DOCTYPE x [<!ENTITY % p SYSTEM "http://localhost/x"> %p;]><x/>'


class TestHostile:
    """Files made to do harm."""

    @pytest.mark.parametrize("raw", [ENTITIES, EXTERNAL, PARAMETER])
    def test_entities_and_external_files_are_refused(self, raw):
        """Nothing is expanded and nothing opened."""
        with pytest.raises(InputError, match=r"^m\.man: not read: it declares XML entities"):
            parse_manifest(raw.encode(), "m.man")

    @pytest.mark.parametrize(
        "raw",
        [
            b"", b"not xml", b"<a>", b"\xff\xfe<", b"<?xml version='1.0' encoding='nonsense'?><a/>",
            b"<?xml version='1.0' encoding='utf-7'?><a/>", b"<a/>", b"<provider/>", b"<provider guid='x'/>",
            b"<a>" * 50_000,
        ],
    )  # fmt: skip
    def test_what_is_no_manifest_is_one_line(self, raw):
        """The line names the file; nothing else is raised."""
        with pytest.raises(InputError, match=r"^m\.man: [^\n]+$"):
            parse_manifest(raw, "m.man")

    def test_a_file_of_100_mb_is_refused_at_once(self, tmp_path):
        """Its size alone is enough: it is not read."""
        path = tmp_path / "large.man"
        with path.open("wb") as file:
            file.truncate(100 << 20)
        begin = time.perf_counter()
        with pytest.raises(InputError, match="larger than any manifest"):
            read_manifests(path)
        assert time.perf_counter() - begin < 5

    def test_messages_that_refer_to_long_strings_are_bounded(self):
        """A small file cannot ask for gigabytes of messages."""
        events = "".join(f"<event value='{id_}' message='$(string.s){id_}'/>" for id_ in range(20_000))
        raw = manifest_xml(provider_xml(events), strings={"s": "x" * 30_000})
        provider, problems = only(raw)
        assert sum(len(event.message) for event in provider.events.values()) < 40 << 20
        assert len(provider.events) == 20_000
        assert "characters" in problems[0]

    @pytest.mark.parametrize("name", ["missing.man", "bad\0name.man"])
    def test_a_path_that_cannot_be_read(self, tmp_path, name):
        """A path that does not exist or cannot is one line that names it."""
        with pytest.raises(InputError, match=r"^[^\n]+$"):
            read_manifests(f"{tmp_path}/{name}")

    def test_a_directory_without_manifests(self, tmp_path):
        """An empty directory is an error, since the user named it."""
        with pytest.raises(InputError, match="holds no manifest"):
            read_manifests(tmp_path)

    @settings(max_examples=150, deadline=None)
    @given(st.data())
    def test_damage_anywhere_is_an_error_or_a_manifest(self, data):
        """A manifest with bytes changed or cut off parses or is refused; nothing else happens."""
        raw = bytearray(whole())
        for _ in range(data.draw(st.integers(1, 4))):
            raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
        cut = data.draw(st.integers(0, len(raw)))
        with contextlib.suppress(InputError):
            parse_manifest(bytes(raw[:cut]) if data.draw(st.booleans()) else bytes(raw), "m.man")

    def test_a_file_may_not_be_larger_in_memory_either(self):
        """The bound holds for manifests from traces too."""
        with pytest.raises(InputError, match="more than any manifest"):
            parse_manifest(b" " * (LARGEST + 1), "m.man")
