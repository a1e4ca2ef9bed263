"""The book has a page of every rule, each whole, and says what the rulebook and the registry say."""

import re
from pathlib import Path

import pytest
from c_names import ARGUMENTS, FIELDS, KEYWORDS, WDK

from tracecheck.fltmgr import ROUTINES
from tracecheck.rules import RULES
from tracecheck.rules.book import BookError, families, looked_for, page, parse
from tracecheck.rules.book.pages import FAMILIES, KINDS, PARTS, SEVERITIES
from tracecheck.rules.book.sources import source

ROOT = Path(__file__).resolve().parents[3]
RULEBOOK = ROOT.parent / "shared" / "reference" / "filter-contexts.md"
SCHEMA = ROOT.parent / "shared" / "spec" / "capture-schema.md"
PAGES = [one for family in families() for one in family.pages]
EXAMPLES = [
    (f"{one.code} {name}", code)
    for one in PAGES
    for name, code in (("wrong", one.wrong), ("right", one.right))
]
MOST_LINES, WIDEST = 10, 110
SEVERITY_OF = {"E": "error", "W": "warning", "N": "note"}
KIND_OF = {"S": "sound", "S!": "sound from one event", "H": "heuristic"}
#: Where the book differs from the rulebook's table: its own section on ambiguities (A5) makes X04 a warning
#: until it is confirmed on a live system.
#: Sound only with what the capture schema does not tell.
GUESSED = {"L20": "heuristic"}
SOFTENED = {"X04": "warning"}


@pytest.fixture(scope="session")
def rulebook():
    """The rulebook's tables: code -> the cells of its row."""
    if not RULEBOOK.is_file():
        pytest.skip("the rulebook (../shared/reference/filter-contexts.md) is not beside this project")
    text = RULEBOOK.read_text(encoding="utf-8")
    section = text[text.index("## 4. Checker rules") : text.index("## 5. ")]
    rows = re.findall(r"^\| ([A-Z]\d\d)\b(.*)\|$", section, re.MULTILINE)
    return {code: [cell.strip() for cell in rest.split(" | ")] for code, rest in rows}


class TestAgainstTheRulebook:
    """No rule is left out, none is made up, none is made stronger or weaker than it is."""

    def test_every_rule_has_a_page(self, rulebook):
        """The book's codes are the rulebook's."""
        assert sorted(one.code for one in PAGES) == sorted(rulebook)

    def test_severity_and_kind_are_the_rulebook_s(self, rulebook):
        """A cell begins with the severity or the kind; the rules of quality have neither: notes, sound."""
        for one in PAGES:
            if one.code.startswith("M"):
                assert (one.severity, one.kind) == ("note", "sound")
                continue
            severity, kind = rulebook[one.code][1], rulebook[one.code][2]
            assert one.severity == SOFTENED.get(one.code, SEVERITY_OF[severity[0]]), one.code
            assert one.kind == GUESSED.get(one.code, KIND_OF[re.match(r"S!|S|H", kind)[0]]), one.code

    def test_citations_are_the_rulebook_s(self, rulebook):
        """What the rulebook's row cites is cited by the page; it cites nothing that is not there."""
        known = RULEBOOK.read_text(encoding="utf-8")
        for one in PAGES:
            cited = {item.text for item in one.sources}
            row = " ".join(rulebook[one.code])
            for place in re.findall(r"`((?:ddi|ifs|devtest|debugger|samples|zodiacon):[\w.+/-]+:\d+)`", row):
                assert place in cited, f"{one.code}: {place}"
            for text in cited:
                if re.match(r"(ddi|ifs|devtest|debugger|samples|zodiacon):", text):
                    assert text in known, f"{one.code}: {text}"


class TestAgainstTheRegistry:
    """What is looked for is what the book describes."""

    @pytest.mark.parametrize("code", sorted(RULES))
    def test_a_rule_is_what_its_page_says(self, code):
        """Title, severity and soundness of each rule are those of its page."""
        rule, one = RULES[code], page(code)
        assert (rule.title, rule.severity, rule.sound) == (one.title, one.severity, one.kind != "heuristic")
        assert looked_for(code)


class TestPages:
    """Every page is whole and speaks of things that exist."""

    def test_the_files_are_the_families(self):
        """Each file of the book is read, under its own name."""
        folder = ROOT / "tracecheck" / "rules" / "book"
        assert sorted(FAMILIES) == sorted(path.stem for path in folder.glob("*.md"))
        assert [family.name for family in families()] == list(FAMILIES)

    def test_codes_are_unique_and_found_in_any_case(self):
        """One page for each code; ``l09`` is L09."""
        assert len({one.code for one in PAGES}) == len(PAGES)
        assert all(page(one.code.lower()) is one for one in PAGES)

    def test_a_page_is_whole(self):
        """All facts and parts are there; sentences end; wrong and right code differ."""
        for one in PAGES:
            assert one.severity in SEVERITIES, one.code
            assert one.kind in KINDS, one.code
            assert one.sources, one.code
            for text in (one.means, one.bug, one.fix, one.alike, one.unsettled or "."):
                assert text.endswith("."), f"{one.code}: {text}"
            assert one.condition.rstrip(".") == one.condition != "", one.code
            assert one.wrong != one.right, one.code

    def test_what_must_be_logged_is_in_the_schema(self):
        """Names in backticks are the canonical provider's; all else is said to be beyond it."""
        for one in PAGES:
            names = set(re.findall(r"`(\w+)`", one.needs))
            assert names <= ROUTINES.keys() | FIELDS, one.code
            assert names or "beyond the schema: " in one.needs, one.code

    def test_rules_that_a_page_names_exist(self):
        """A code in the text is that of another rule."""
        known = {one.code for one in PAGES}
        for one in PAGES:
            text = " ".join((one.means, one.bug, one.fix, one.alike, one.unsettled, one.wrong, one.right))
            assert set(re.findall(r"\b[LRSGDAQPXTEFM]\d\d\b", text)) <= known - {one.code}, one.code

    def test_the_schema_has_these_fields(self):
        """The names that the tests take for fields are those of the capture schema."""
        if not SCHEMA.is_file():
            pytest.skip("the capture schema (../shared/spec/capture-schema.md) is not beside this project")
        known = set(re.findall(r"`(\w+)`", SCHEMA.read_text(encoding="utf-8")))
        assert known >= FIELDS


class TestExamples:
    """Examples are short, well-formed, and call routines that exist as they are declared."""

    def test_an_example_is_short(self):
        """Ten lines at most, none too wide, no tabs or blanks at the end."""
        for name, code in EXAMPLES:
            lines = code.splitlines()
            assert len(lines) <= MOST_LINES, name
            assert all(
                len(line) <= WIDEST and line == line.rstrip() and "\t" not in line for line in lines
            ), name

    def test_brackets_balance(self):
        """Every bracket that is opened is closed, in order."""
        for name, code in EXAMPLES:
            open_ = [""]
            for char in _bare(code):
                if char in "([{":
                    open_.append(")]}"["([{".index(char)])
                elif char in ")]}":
                    assert open_.pop() == char, name
            assert open_ == [""], name

    def test_routines_exist(self):
        """What is called is the filter manager's, the WDK's, or named My... as the example driver's own."""
        for name, code in EXAMPLES:
            called = {routine for routine, _ in _calls(_bare(code)) if not routine.startswith("My")}
            assert called <= ROUTINES.keys() | WDK, name

    def test_calls_have_their_arguments(self):
        """Each routine is called with as many arguments as it is declared with."""
        for name, code in EXAMPLES:
            for routine, arguments in _calls(_bare(code)):
                if routine in ARGUMENTS:
                    assert len(arguments) == ARGUMENTS[routine], f"{name}: {routine}{arguments}"
                else:
                    assert routine not in ROUTINES, f"{name}: how many arguments has {routine}?"

    def test_right_code_gives_back_what_it_takes(self):
        """No example of right code takes a reference by a get and never releases or hands on anything."""
        for one in PAGES:
            gets = [
                routine for routine, _ in _calls(_bare(one.right)) if re.match(r"FltGet\w*Contexts?", routine)
            ]
            given = re.search(r"FltReleaseContext|CompletionContext = context|keeps the reference", one.right)
            assert not gets or given or "Safe" in one.right, one.code


def _bare(code):
    """Take comments and strings out of C."""
    return re.sub(
        r'/\*.*?\*/|"(?:\\.|[^"\\])*"', lambda m: '""' if m[0][0] == '"' else "", code, flags=re.DOTALL
    )


def _calls(code):
    """Find all calls and their top-level arguments."""
    for match in re.finditer(r"(?<!\w)([A-Za-z_]\w*)\(", code):
        if match[1] in KEYWORDS:
            continue
        depth, arguments = 1, [""]
        for char in code[match.end() :]:
            depth += (char in "([{") - (char in ")]}")
            if not depth:
                break
            if char == "," and depth == 1:
                arguments.append("")
            else:
                arguments[-1] += char
        yield match[1], [argument.strip() for argument in arguments]


SECTION = PAGES[0].markdown
FILE = f"# Title\n\nAbout.\n\n{SECTION}"


class TestParser:
    """The form is kept to: whatever differs is an error that names the page."""

    def test_a_page_is_read_as_it_is_written(self):
        """A section read from its own Markdown is the page that it came from."""
        (read,) = parse(PAGES[0].family, FILE).pages
        assert read == PAGES[0]

    @pytest.mark.parametrize("heading", list(PARTS)[:-1])
    def test_a_missing_part_is_an_error(self, heading):
        """Every part but the last has to be there."""
        broken = FILE.replace(f"### {heading}\n", "### Something else\n")
        with pytest.raises(BookError, match="L01"):
            parse("leaks", broken)

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ("- Severity: error", "- Severity: bad"),
            ("- Kind: sound", "- Kind: sure"),
            ("- Severity: error\n", ""),
            ("- Source: devtest", "- Source: nowhere"),
            ("```c", "```"),
            ("## L01 ", "## L1 "),
            ("# Title", "Title"),
        ],
    )
    def test_a_slip_is_an_error(self, old, new):
        """A value that is not known, a fact that is missing, a form that is broken."""
        assert old in FILE
        with pytest.raises(BookError):
            parse("leaks", FILE.replace(old, new, 1))


class TestSources:
    """Citations lead to their pages."""

    @pytest.mark.parametrize(
        ("text", "url"),
        [
            (
                "ddi:nf-fltkernel-fltsetstreamcontext:109",
                "https://learn.microsoft.com/windows-hardware/drivers/ddi/fltkernel/nf-fltkernel-fltsetstreamcontext",
            ),
            (
                "ddi:ns-ntifs-_fsrtl_per_stream_context:122",
                "https://learn.microsoft.com/windows-hardware/drivers/ddi/ntifs/ns-ntifs-_fsrtl_per_stream_context",
            ),
            (
                "ifs:releasing-contexts:61",
                "https://learn.microsoft.com/windows-hardware/drivers/ifs/releasing-contexts",
            ),
            (
                "debugger:bug-check-0xf5--fltmgr-file-system:94",
                "https://learn.microsoft.com/windows-hardware/drivers/debugger/bug-check-0xf5--fltmgr-file-system",
            ),
            (
                "samples:ctx/context.c:199",
                "https://github.com/microsoft/Windows-driver-samples/blob/26a27df8/filesys/miniFilter/ctx/context.c#L199",
            ),
            (
                "issue:microsoft/Windows-driver-samples#1360",
                "https://github.com/microsoft/Windows-driver-samples/issues/1360",
            ),
            ("inferred: so it must be", ""),
        ],
    )
    def test_a_citation_has_its_page(self, text, url):
        """Each kind of citation gives the address of what it cites."""
        assert source(text).url == url

    @pytest.mark.parametrize("text", ["", "ddi", "ddi:", "nowhere:page:1", "web:http://x", "issue:x#1"])
    def test_what_is_no_citation_is_refused(self, text):
        """A form that is not known is an error."""
        with pytest.raises(ValueError, match="is no citation"):
            source(text)
