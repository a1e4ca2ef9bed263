"""The markup of the HTML page: what it may hold, and that no text of a capture becomes a part of it."""

import base64
import hashlib
import re
from functools import cache
from html.parser import HTMLParser

import pytest
from handmade import analysis, double_release
from hostile_page import NASTY, hostile
from hypothesis import given, settings
from hypothesis import strategies as st
from unpacked import Page

from tracecheck.reporters.html import render

#: Text as Arrow can hold it, and as file names can, with single surrogates.
TEXT = st.text(max_size=40) | st.sampled_from(NASTY)
NAME = st.text(alphabet=st.characters(), max_size=40) | st.sampled_from(
    [*NASTY, "a\udc80b", "@STYLE@", "@POLICY@"]
)


class Parsed(HTMLParser):
    """The elements of a page with the names of their attributes, and its title."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.titles, self.scripts, self._inside = [], [], [], ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        """Note an element; the data blocks are as many as there are data."""
        self._inside = tag
        if tag != "script":
            self.elements.append((tag, tuple(attributes)))
        elif not attributes:
            self._inside = "program"
        else:
            assert [name for name, _ in attributes] == ["type", "id"]

    def handle_endtag(self, tag):
        """Leave an element."""
        del tag
        self._inside = ""

    def handle_comment(self, data):
        """Note a comment as an element: none is wanted."""
        self.elements.append(("comment", data))

    def handle_data(self, data):
        """Note the title and the program."""
        if self._inside == "title":
            self.titles.append(data)
        if self._inside == "program":
            self.scripts.append(data)


def text(result, **options):
    """Render a page."""
    return "".join(render(result, **options))


@cache
def parsed():
    """The page of a harmless analysis, read."""
    return Parsed(text(double_release()))


@pytest.fixture(scope="module")
def plain():
    """The page of a harmless analysis."""
    return text(double_release())


class TestPolicy:
    """What the page allows itself."""

    def test_only_its_own_program_and_style(self, plain):
        """The policy forbids all but the one style and the one program, by their hashes."""
        policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]+)"', plain)[1]
        style = re.search(r"<style>(.*?)</style>", plain, re.DOTALL)[1]
        program = re.search(r"<script>(.*?)</script>", plain, re.DOTALL)[1]
        hashes = [
            f"'sha256-{base64.b64encode(hashlib.sha256(part.encode()).digest()).decode()}'"
            for part in (program, style)
        ]
        assert policy == (
            f"default-src 'none'; script-src {hashes[0]}; style-src {hashes[1]}; "
            "base-uri 'none'; form-action 'none'"
        )

    def test_nothing_is_fetched(self, plain):
        """No element names another resource, no style imports one, and all is ASCII."""
        assert plain.isascii()
        assert not re.search(r"<(?:link|img|iframe|object|embed|base|audio|video)\b", plain)
        assert not re.search(r"""\b(?:src|srcset|action|data)=["']""", plain)
        assert not re.search(
            r"@import|url\(|fetch\(|XMLHttpRequest|innerHTML|outerHTML|insertAdjacent|eval\(", plain
        )

    def test_the_size_without_data(self, plain):
        """What every page holds besides its data is below 100 KB."""
        data = re.findall(r'id="data-[^>]*>([^<]*)<', plain)
        assert len(data) == 8
        assert len(plain) - sum(map(len, data)) < 100_000


class TestHostileText:
    """Texts of captures."""

    @settings(max_examples=30, deadline=None)
    @given(st.lists(TEXT, min_size=1, max_size=5), NAME)
    def test_no_text_becomes_markup(self, texts, title):
        """Whatever a capture or a title says, the page has the same elements with the same attributes."""
        found, expected = Parsed(text(hostile(texts), title=title)), parsed()
        assert found.elements == expected.elements
        assert found.scripts == expected.scripts

    @settings(max_examples=30, deadline=None)
    @given(st.lists(TEXT, min_size=1, max_size=5))
    def test_all_text_is_there(self, texts):
        """Texts are packed as they are: the page's program makes them harmless where it shows them."""
        found = Page(text(hostile(texts)))
        assert set(texts) <= set(found.meta["words"]) | {""}
        assert found.meta["reasons"] == texts
        assert {*found.findings["message"]} == set(texts)

    def test_surrogates_in_paths(self):
        """A file name that is no text of any encoding does not stop the page."""
        found = Page(text(analysis(paths=("a\udc80.etl",))))
        assert found.meta["paths"] == ["a\udc80.etl"]
        assert found.meta["title"] == "a\\udc80.etl"
