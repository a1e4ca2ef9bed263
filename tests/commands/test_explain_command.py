"""`tracecheck explain`: every rule can be asked for, in every format, and a slip is answered kindly."""

import json
import re
from pathlib import Path

import pytest

from tracecheck.cli import main
from tracecheck.reporters import rulebook
from tracecheck.reporters.rulebook_terminal import pages_terminal
from tracecheck.rules import RULES
from tracecheck.rules.book import families

ROOT = Path(__file__).resolve().parents[2]
PAGES = [page for family in families() for page in family.pages]


@pytest.fixture
def explain(capsys):
    """Run the command; gives (exit code, what it printed, what it complained of)."""

    def run(*arguments):
        code = main(["explain", *arguments])
        return code, *capsys.readouterr()

    return run


class TestList:
    """Without a code all rules are listed."""

    def test_every_rule_is_listed_once_with_its_severity(self, explain):
        """A line for each rule, by family; those that are looked for are marked."""
        code, out, err = explain()
        assert (code, err) == (0, "")
        listed = re.findall(r"^  ([A-Z]\d\d) ([* ]) (\w+) +(\S.*)$", out, re.MULTILINE)
        assert [(rule, severity) for rule, _, severity, _ in listed] == [(p.code, p.severity) for p in PAGES]
        assert {rule for rule, mark, _, _ in listed if mark == "*"} == set(RULES)
        assert f"{len(PAGES)} rules; tracecheck looks for the {len(RULES)} marked" in out

    def test_the_page_of_the_docs_is_what_is_printed(self, explain):
        """docs/rules.md ends with the list as Markdown."""
        assert (
            (ROOT / "docs" / "rules.md")
            .read_text(encoding="utf-8")
            .endswith(explain("--format", "markdown")[1])
        )

    def test_json_has_every_rule_whole(self, explain):
        """Programs get all parts of all pages."""
        rules = json.loads(explain("--format", "json")[1])["rules"]
        assert [rule["rule"] for rule in rules] == [page.code for page in PAGES]
        optional = {"unsettled", "looked_for"}
        assert all(rule[key] for rule in rules for key in rule if key not in optional)
        assert {rule["rule"] for rule in rules if rule["looked_for"]} == set(RULES)


class TestPages:
    """A rule is explained."""

    @pytest.mark.parametrize("page", [PAGES[0], PAGES[3], PAGES[-1]], ids=lambda page: page.code)
    def test_a_page_says_all_that_the_book_says(self, page, explain, monkeypatch):
        """Every part of the page is printed, and whether the rule is looked for."""
        monkeypatch.setenv("COLUMNS", "90")
        out = explain(page.code)[1]
        words = " ".join(out.split())
        for text in (page.title, page.means, page.bug, page.fix, page.alike, page.unsettled, page.condition):
            assert text.replace("`", "") in words
        for code in (page.wrong, page.right):
            assert "".join(f"    {line}".rstrip() + "\n" for line in code.splitlines()) in out
        assert all(source.text in words for source in page.sources)
        assert ("does not look for this yet" in words) == (page.code not in RULES)

    def test_case_does_not_matter_and_a_rule_is_told_once(self, explain):
        """``r01 R01 l09`` are two pages, in the order asked for."""
        assert re.findall(r"^([A-Z]\d\d) ", explain("r01", "R01", "l09")[1], re.MULTILINE) == ["R01", "L09"]

    def test_markdown_is_the_book_s_own(self, explain):
        """The section as it stands in the book."""
        assert explain("L04", "--format", "markdown")[1] == PAGES[3].markdown

    @pytest.mark.parametrize("width", [20, 60, 200])
    def test_text_fits_the_width(self, width, explain, monkeypatch):
        """Running text keeps to the terminal's width, within reason; code and addresses do not break."""
        monkeypatch.setenv("COLUMNS", str(width))
        code = {f"    {line}" for page in PAGES for line in (page.wrong + "\n" + page.right).splitlines()}
        for line in explain(*(page.code for page in PAGES))[1].splitlines():
            if line not in code and " " in line.strip() and not line.startswith("="):
                assert len(line) <= min(max(width, 40), 100) or re.match(r"[A-Z]\d\d ", line)

    def test_a_terminal_gets_the_same_words(self):
        """With colours a page says what it says without them."""
        for page in PAGES:
            out = "".join(pages_terminal([page], 100))
            assert "\x1b[" in out
            # Words and nothing else: a terminal's lines may break elsewhere.
            plain = re.sub(r"\x1b\]8;[^\x1b]*\x1b\\|\x1b\[[\d;]*m", "", out)
            text = "".join(rulebook.pages_text([page], 100))
            assert re.sub(r"\s+|=====*", "", plain) == re.sub(r"\s+|=====*", "", text), page.code

    def test_a_file_gets_it_all(self, tmp_path, explain):
        """With -o the pages go to a file."""
        path = tmp_path / "rules.md"
        explain("S01", "--format", "markdown", "-o", str(path))
        assert path.read_text(encoding="utf-8").startswith("## S01 ")


class TestSlips:
    """What is not in the book is refused, with help."""

    @pytest.mark.parametrize(("asked", "near"), [("L99", "L09"), ("RO1", "R01"), ("L0", "L01")])
    def test_near_codes_are_named(self, asked, near, explain):
        """A code that is not there names those that look like it."""
        code, out, err = explain(asked)
        assert (code, out) == (2, "")
        assert f"{asked}: there is no such rule" in err
        assert near in err

    @pytest.mark.parametrize("asked", ["", "?", "leak", "\x1b[31m", "L01L01L01"])
    def test_nonsense_is_one_line(self, asked, explain):
        """Whatever is asked for, the answer is one line and exit code 2."""
        code, out, err = explain(asked)
        assert (code, out) == (2, "")
        assert len(err.splitlines()) == 1
        assert "\x1b" not in err
