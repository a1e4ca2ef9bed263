"""The HTML page in a real browser: what it shows, where its links lead, that it asks for nothing."""

import browser
import pytest
from handmade import analysis, double_release
from hostile_page import NASTY, hostile

from tracecheck.capture import analyse
from tracecheck.reporters.html import render
from tracecheck.simulate.scenario import Scenario
from tracecheck.simulate.simulation import simulate

PROGRAM = browser.find()
pytestmark = pytest.mark.skipif(PROGRAM is None, reason="there is no Chromium on this machine")


@pytest.fixture(scope="module")
def chromium():
    """A running browser."""
    running = browser.Browser(PROGRAM)
    try:
        running.call("Browser.getVersion")
    except (browser.BrowserError, OSError) as error:
        running.close()
        pytest.skip(f"{PROGRAM} does not start: {error}")
    yield running
    running.close()


@pytest.fixture(scope="module")
def pages(tmp_path_factory, request):
    """A function that writes the page of a sample, or of an analysis, once."""
    folder = tmp_path_factory.mktemp("pages")

    def write(name, result=None, **options):
        path = folder / f"{name}.html"
        if not path.exists():
            result = result or analyse([str(request.config.rootpath / f"sample_traces/{name}.etl")])
            path.write_text("".join(render(result, **options)), encoding="ascii")
        return path

    return write


@pytest.fixture
def show(chromium, pages):
    """A function that opens the page of a sample; when the test is over the page must have had no trouble."""
    opened = []

    def show(name, address="", *, result=None, options=None, **how):
        tab = chromium.open(pages(name, result, **(options or {})), address, **how)
        tab.settle()
        opened.append(tab)
        return tab

    yield show
    for tab in opened:
        assert tab.troubles() == []
        tab.close()


#: How many different colours the first canvas of a view shows.
INKS = """(() => {
  const canvas = [...document.querySelectorAll('canvas')].find((each) => each.offsetParent);
  const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
  return new Set(new Uint32Array(data.buffer)).size;
})()"""


def pick(tab, label, value):
    """Choose a value of a filter."""
    tab.run(f"""(() => {{
      const node = [...document.querySelectorAll('[aria-label="{label}"]')].find((each) => each.offsetParent);
      node.value = {value!r};
      node.dispatchEvent(new Event(node.tagName === 'SELECT' ? 'change' : 'input'));
    }})()""")
    tab.settle()


class TestFindings:
    """The findings and the one that is chosen."""

    def test_the_worst_finding_is_shown(self, show):
        """The page opens with the causes, the first finding, its timeline, and the fault in it."""
        tab = show("double-release")
        assert tab.number(".cause") == 1
        assert "R01" in tab.text(".cause")
        assert "definite" in tab.text(".crumbs")
        assert tab.run(INKS) > 10
        assert tab.number(".step.fault") == 1
        assert "FltReleaseContext" in tab.text(".chosen")
        assert "What R01 means" in tab.text("details summary")

    def test_filters(self, show):
        """Rule, confidence, severity, type and text leave what fits; clearing brings all back."""
        tab = show("two-drivers")
        whole = tab.number(".cause")
        assert whole >= 2
        for label, value in (
            ("Filter by rule", "R01"),
            ("Filter by severity", "error"),
            ("Search findings", "nowhere-in-the-page"),
        ):
            pick(tab, label, value)
        assert tab.number(".cause") == 0
        pick(tab, "Search findings", "flt")
        assert tab.run("[...document.querySelectorAll('.rule-code')].every((n) => n.innerText === 'R01')")
        assert 0 < tab.number(".cause") < whole
        tab.run("[...document.querySelectorAll('.filters .link')].find((n) => n.offsetParent).click()")
        tab.settle()
        assert tab.number(".cause") == whole

    def test_a_pointer_is_found(self, show):
        """Typing a pointer finds the finding of its context."""
        tab = show("two-drivers")
        key = tab.run("document.querySelector('.facts a').getAttribute('href')")
        pick(tab, "Search findings", key.removeprefix("#context=").partition("-")[0])
        assert tab.number(".cause") == 1

    def test_keys_go_through_the_findings(self, show):
        """Keys: j and k change the finding, arrows the step, t the axis; the address follows."""
        tab = show("two-drivers")
        first = tab.text(".headline")
        tab.key("j")
        assert tab.text(".headline") != first
        assert tab.run("location.hash").startswith("#finding=")
        tab.key("k")
        assert tab.text(".headline") == first
        step = tab.text(".chosen")
        tab.key("ArrowLeft")
        assert tab.text(".chosen") != step
        tab.key("t")
        assert tab.run("document.querySelector('.segmented [aria-pressed=true]').innerText") == "Time"

    def test_the_wheel_zooms(self, show):
        """Turning the wheel over the timeline changes what is drawn, and Escape brings all back."""
        tab = show("get-leak")
        place = tab.run("(({x, y}) => [x, y])(document.querySelector('canvas').getBoundingClientRect())")
        picture = "document.querySelector('canvas').toDataURL()"
        before = tab.run(picture)
        tab.mouse("mouseWheel", place[0] + 300, place[1] + 80, deltaX=0, deltaY=-400)
        tab.settle()
        tab.wait(f"{picture} !== {before!r}")
        tab.key("Escape")
        tab.wait(f"{picture} === {before!r}")


class TestLinks:
    """Addresses within the page."""

    def test_a_finding(self, show):
        """An address names a finding for good."""
        tab = show("two-drivers")
        tab.key("j")
        address, headline = tab.run("location.hash"), tab.text(".headline")
        assert show("two-drivers", address).text(".headline") == headline

    def test_a_context(self, show):
        """An address names a life by pointer and generation; its timeline is drawn."""
        tab = show("healthy")
        tab.go("#view=contexts")
        name = tab.run("document.querySelector('#view-contexts .row code').innerText")
        tab = show("healthy", f"#context={name.replace(' #', '-')}")
        assert name in tab.text("#view-contexts .headline")
        assert tab.run(INKS) > 10

    def test_a_rule(self, show):
        """The rule of a finding leads to its page of the book."""
        tab = show("get-leak")
        tab.run("document.querySelector('.crumbs a').click()")
        tab.settle()
        assert tab.run("location.hash").startswith("#rule=")
        assert "How to fix it" in tab.text(".rule-page")

    @pytest.mark.parametrize(
        "address", ["#finding=L01:0x1-1", "#context=0x1-1", "#nonsense", "#context=%", "#=&"]
    )
    def test_what_is_not_there(self, show, address):
        """An address that leads nowhere is no error."""
        assert show("get-leak", address).number("main > section") == 1


class TestViews:
    """What else there is to see."""

    def test_live_contexts(self, show):
        """The counts over time are drawn, and the table says how many live at the end."""
        tab = show("get-leak", "#view=live")
        assert tab.run(INKS) > 5
        by_type = tab.number("#view-live tbody tr")
        tab.run("document.querySelectorAll('#view-live .segmented button')[1].click()")
        tab.settle()
        assert tab.number("#view-live tbody tr") != by_type
        assert "live at the end" in tab.text("#view-live table")

    def test_the_capture(self, show):
        """Verdict, reasons, losses and what is logged are told."""
        tab = show("lost-events", "#view=capture")
        told = tab.text("#view-capture")
        assert all(
            word in told
            for word in ("inconclusive", "events are missing", "event sequence", "FltReleaseContext")
        )

    def test_contexts_sort_and_filter(self, show):
        """A click on a heading sorts by it; filters leave what fits."""
        tab = show("crowded", "#view=contexts")
        tab.run("document.querySelectorAll('.context.head button')[5].click()")
        tab.settle()
        cells = tab.run(
            "[...document.querySelectorAll('#view-contexts .row')].map((n) => +n.children[5].innerText)"
        )
        assert cells == sorted(cells, reverse=True)
        pick(tab, "Filter by type", "2")
        assert tab.text("#view-contexts .status").startswith("4 of 76 contexts")

    def test_a_life_that_was_left_out(self, show):
        """Where the page has no steps of a life it says so, and how to see them."""
        tab = show("cut", result=double_release(), options={"most_steps": 0})
        assert tab.number(".chart") == 1
        result = analysis(
            contexts=[{"pointer": 16, "birth": "allocated", "end": "freed"}], steps=[{}], operations=[{}]
        )
        tab = show("left-out", "#context=0x10", result=result, options={"most_steps": 0})
        assert "0 steps of healthy lives" in tab.text(".life .notice")


class TestManyContexts:
    """A capture of many contexts."""

    def test_only_what_is_in_sight_is_in_the_document(self, show, tmp_path):
        """Thousands of contexts are a few dozen rows, wherever the list is scrolled to."""
        path = tmp_path / "many.etl"
        simulate(Scenario(seed=1, operations=30_000)).write(path)
        result = analyse([str(path)])
        tab = show("many", "#view=contexts", result=result)
        assert result.contexts.num_rows > 1_000
        for part in (0, 0.5, 1):
            tab.run(
                f"(() => {{ const n = document.querySelector('.grid-frame .list'); "
                f"n.scrollTop = {part} * n.scrollHeight; }})()"
            )
            tab.settle()
            assert 5 < tab.number("#view-contexts .row") < 60

    def test_a_life_of_more_steps_than_pixels(self, show, tmp_path):
        """The longest life is drawn whole, and each of its steps can be chosen."""
        path = tmp_path / "many.etl"
        simulate(Scenario(seed=1, operations=30_000)).write(path)
        tab = show("many", "#view=contexts", result=analyse([str(path)]), width=500)
        tab.run("document.querySelectorAll('.context.head button')[5].click()")
        tab.run("document.querySelector('#view-contexts .row').click()")
        tab.wait("document.querySelector('#view-contexts canvas')")
        tab.settle()
        assert tab.run(INKS) > 10
        tab.run("document.querySelector('#view-contexts .chart').focus()")
        tab.key("End")
        number = tab.run("document.querySelector('#view-contexts .row').children[5].innerText")
        assert tab.text("#view-contexts .chosen").startswith(f"Step {number.replace(',', '')} of {number}")


class TestHostileText:
    """Texts that want to be something else."""

    @pytest.mark.parametrize("pointer", [0, 1, 2**63, 2**64 - 1])
    def test_it_stays_text(self, show, pointer):
        """No element, attribute or script arises from text; what is unseen is shown; pointers are exact."""
        names = """[...new Set([...document.body.querySelectorAll('*')].flatMap(
          (n) => [n.localName, ...n.getAttributeNames()]))]"""
        seen = []
        for name, texts in ((f"plain-{pointer}", ("plain",)), (f"nasty-{pointer}", NASTY)):
            tab = show(name, result=hostile(texts, pointer))
            for view in ("contexts", "live", "capture", "rules", "findings"):
                tab.go(f"#view={view}")
            tab.go(f"#context={pointer:#x}-1")
            assert f"{pointer:#x} #1" in tab.text("#view-contexts .headline")
            seen.append(set(tab.run(names)))
            assert tab.run("typeof window.broken") == "undefined"
            shown = tab.run("document.body.textContent")
            assert not set(shown) & set("\x00\x07\x1b\x9b\u202e\u2066\u200f\ufeff\u2028")
        assert seen[1] <= seen[0] | {"aria-expanded"}
        assert "\u241b[31mred" in shown

    def test_text_is_isolated(self, show):
        """Each text of a capture has its own direction."""
        tab = show("isolated", "#view=capture", result=hostile(("\u05d0<b>",)))
        assert (
            tab.run(
                "[...document.querySelectorAll('bdi')].filter((n) => /\\u05d0/.test(n.textContent)).length"
            )
            > 5
        )
        whole = "document.body.textContent.split('\\u05d0<b>').length"
        inside = "[...document.querySelectorAll('bdi')].map((n) => n.textContent).join()"
        assert tab.run(f"{whole} - {inside}.split('\\u05d0<b>').length") == 0


class TestScreens:
    """Sizes, themes, paper."""

    @pytest.mark.parametrize("view", ["findings", "contexts", "live", "capture", "rules"])
    @pytest.mark.parametrize("width", [340, 700, 1280])
    def test_nothing_is_wider_than_the_screen(self, show, view, width):
        """At no width does the page scroll sideways."""
        tab = show("lost-buffers", f"#view={view}", width=width)
        assert tab.run("document.documentElement.scrollWidth") <= width

    @pytest.mark.parametrize("dark", [False, True])
    def test_themes(self, show, dark):
        """The page follows the system's theme, and the switch changes it; text is readable in both."""
        tab = show("get-leak", dark=dark)
        ground = "getComputedStyle(document.body).backgroundColor"
        first = tab.run(ground)
        assert (sum(map(int, first[4:-1].split(","))) < 200) is dark
        for _ in range(2):
            assert tab.run(LEAST_CONTRAST) >= 4.5
            tab.run("document.querySelector('#theme').click()")
            tab.settle()
        tab.run("document.querySelector('#theme').click()")
        assert tab.run(ground) != first

    def test_paper(self, show, tmp_path):
        """Printing gives a document of some pages, and leaves the page as it was."""
        tab = show("two-drivers")
        before = tab.text("main")
        tab.pdf(tmp_path / "page.pdf")
        raw = (tmp_path / "page.pdf").read_bytes()
        assert raw.startswith(b"%PDF-")
        assert len(raw) > 20_000
        tab.settle()
        assert tab.text("main") == before

    def test_labels(self, show):
        """Every control has a name, and every list and chart says what it is."""
        tab = show("two-drivers")
        for view in ("contexts", "live", "findings"):
            tab.go(f"#view={view}")
        nameless = """[...document.querySelectorAll('button, input, select, a, [tabindex="0"]')].filter(
          (n) => !(n.textContent || '').trim() && !n.getAttribute('aria-label')).map((n) => n.outerHTML)"""
        assert tab.run(nameless) == []


class TestOldBrowsers:
    """What happens where something is missing."""

    def test_a_browser_that_cannot_unpack(self, chromium, pages):
        """Without DecompressionStream the page says which browsers can."""
        path = pages("get-leak")
        tab = chromium.open(path)
        tab.call("Page.addScriptToEvaluateOnNewDocument", source="delete window.DecompressionStream")
        tab.call("Page.reload")
        tab.wait("/too old/.test(document.querySelector('#notice')?.textContent)")
        tab.close()

    def test_a_page_that_was_cut_off(self, chromium, pages, tmp_path):
        """A page whose end is missing says so and shows no half of it."""
        whole = pages("get-leak").read_text()
        start = whole.index('id="data-effects"')
        (tmp_path / "cut.html").write_text(
            whole[:start] + 'id="x">' + whole[whole.index("</script>", start) :]
        )
        tab = chromium.open(tmp_path / "cut.html")
        assert "is missing" in tab.text("#notice")
        tab.close()


#: The least contrast of any text that is shown with what is behind it (WCAG 2.2, 1.4.3: 4.5 for small text).
LEAST_CONTRAST = """(() => {
  const parts = (colour) => (colour.match(/[\\d.]+/g) || []).map(Number);
  const light = (c) => {
    const linear = (v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    const [r, g, b] = c.map((v) => linear(v / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (node) => {
    for (let n = node; n; n = n.parentElement) {
      const c = parts(getComputedStyle(n).backgroundColor);
      if (c.length === 3 || c[3] === 1) return c;
    }
    return [255, 255, 255];
  };
  const texts = [...document.body.querySelectorAll('*')].filter(
    (n) => n.offsetParent && [...n.childNodes].some((c) => c.nodeType === 3 && c.data.trim()));
  return Math.min(...texts.map((n) => {
    const [a, b] = [light(parts(getComputedStyle(n).color).slice(0, 3)), light(behind(n).slice(0, 3))];
    return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  }));
})()"""
