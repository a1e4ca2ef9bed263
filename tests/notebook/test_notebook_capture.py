"""A capture in a notebook as a whole: how it is opened, what it says, what it plots."""

import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from handmade import START, analysis
from hypothesis import given
from hypothesis import strategies as st

import tracecheck
from tracecheck.notebook import plots
from tracecheck.notebook.plots import plot_lifetimes, plot_live
from tracecheck.reporters.live import live_counts
from tracecheck.simulate.samples import SAMPLES as _SAMPLES

SAMPLES = Path(__file__).resolve().parents[2] / "sample_traces"
LIVES = st.lists(
    st.tuples(
        st.sampled_from([2, 8]),
        st.integers(0, 20),
        st.integers(0, 20),
        st.sampled_from(["freed", "reused", "held", "attached"]),
        st.sampled_from(["allocated", "unknown"]),
    ),
    max_size=30,
)


def contexts(lives):
    """Make a contexts table of (type, begin, length, end, birth)."""
    return analysis(
        contexts=[
            {
                "id": i,
                "context_type": kind,
                "first": START + first,
                "last": START + first + length,
                "freed": START + first + length if end == "freed" else None,
                "end": end,
                "birth": birth,
            }
            for i, (kind, first, length, end, birth) in enumerate(lives)
        ]
    ).contexts


class TestOpen:
    """Opening."""

    def test_files_are_opened_at_once_and_read_when_asked(self, monkeypatch):
        """What is no capture is refused by `open`; nothing is judged before its result is used."""
        with pytest.raises(tracecheck.InputError, match="no such file"):
            tracecheck.open("missing.etl")
        with pytest.raises(tracecheck.UsageError, match="give the path"):
            tracecheck.open([])
        capture = tracecheck.open(SAMPLES / "healthy.etl")
        monkeypatch.setattr("tracecheck.notebook.capture.analyse", lambda *_a, **_k: pytest.fail("read"))
        assert repr(capture) == f"<capture {SAMPLES / 'healthy.etl'}>"
        assert len(capture.records) == 597

    def test_it_says_what_check_says(self):
        """Verdict and tables are those of `analyse`; shown, it is the report of `check`."""
        paths = [str(SAMPLES / "double-release.etl")]
        capture, known = tracecheck.open(paths[0]), tracecheck.analyse(paths)
        assert capture.verdict == known.verdict
        for name in ("operations", "contexts", "steps", "losses", "findings"):
            assert getattr(capture, name).to_arrow().equals(getattr(known, name))
        assert "R01 (definite)" in capture._repr_html_()

    def test_info_counts_each_file(self):
        """Counts of `tracecheck info` for each file, sums of all."""
        capture = tracecheck.open([SAMPLES / "healthy.etl", SAMPLES / "get-leak.etl"])
        assert [each["events"] for each in capture.info["files"]] == [597, 645]
        assert capture.info["records"] == 597 + 645
        assert capture.info["contexts"] == len(capture.contexts)

    def test_options_reach_the_reader(self, tmp_path):
        """A profile that is not there is an error, "none" turns all off; a folder of TMFs is taken."""
        path = SAMPLES / "healthy.etl"
        with pytest.raises(tracecheck.UsageError, match=r"nothing\.toml"):
            _ = tracecheck.open(path, profiles="nothing.toml").verdict
        assert tracecheck.open(path, profiles=["none"], tmf=tmp_path, manifest=[]).verdict.word == "clean"

    def test_a_text_log_has_info_too(self, tmp_path):
        """What `info` says of a log of text."""
        log = tmp_path / "log.txt"
        log.write_text("".join(f"[0]0004.0098::01/02/2026-03:04:05.{n:03d} [drv]line\n" for n in range(9)))
        assert tracecheck.open(log).info["files"][0]["events"] == 9

    def test_importing_the_package_is_free(self):
        """Nothing is loaded by `import tracecheck`, and plotly by a plot alone."""
        code = (
            "import sys, tracecheck; first = {'pyarrow', 'pandas', 'plotly'} & set(sys.modules)\n"
            f"capture = tracecheck.open({str(SAMPLES / 'healthy.etl')!r}); capture.verdict\n"
            "print(first, {'plotly'} & set(sys.modules))"
        )
        environment = {**os.environ, "PYTHONPATH": str(SAMPLES.parent)}
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
        )
        assert done.stdout == "set() set()\n"


class TestPlots:
    """What is plotted."""

    @given(LIVES)
    def test_the_living_are_counted_as_one_by_one(self, lives):
        """At each moment as many contexts live as have begun and not ended."""
        found = live_counts(contexts(lives))
        assert set(found) == {kind for kind, *_ in lives}
        start = min((first for _, first, *_ in lives), default=0)
        for kind, (when, alive) in found.items():
            assert all(low < high for low, high in pairwise(when.tolist()))
            for moment, count in zip((when - START).tolist(), alive.tolist(), strict=True):
                expected = sum(
                    (start if birth == "unknown" else first) <= moment
                    and not (end in ("freed", "reused") and first + length <= moment)
                    for mine, first, length, end, birth in lives
                    if mine == kind
                )
                assert count == expected

    def test_the_live_plot_has_a_line_for_each_type(self):
        """Steps, named after the type, with times that a browser reads."""
        figure = plot_live(contexts([(8, 0, 5, "freed", "allocated"), (2, 1, 3, "held", "allocated")]))
        lines = {line.name: line for line in figure.data}
        assert set(lines) == {"stream context", "instance context"}
        assert list(lines["stream context"].y) == [1, 0, 0]
        assert list(lines["instance context"].y) == [1, 1]
        assert [line.x[-1] for line in lines.values()] == ["2026-01-02T03:04:05.000000011"] * 2

    def test_a_plot_of_many_contexts_stays_small(self):
        """A hundred thousand lives become no more points than a screen shows, peaks included."""
        lives = [(8, n, 1_000, "freed", "allocated") for n in range(20_000)]
        (line,) = plot_live(contexts(lives)).data
        assert len(line.x) <= plots._MOST_POINTS + 2
        assert max(line.y) == 1_000
        assert line.y[-1] == 0

    @given(LIVES)
    def test_every_freed_life_is_in_the_distribution(self, lives):
        """The bars of a type add up to the lives whose birth and end were seen."""
        figure = plot_lifetimes(contexts(lives))
        seen = [kind for kind, _, _, end, birth in lives if (end, birth) == ("freed", "allocated")]
        names = {2: "instance context", 8: "stream context"}
        assert {bar.name: sum(bar.y) for bar in figure.data} == {
            names[kind]: seen.count(kind) for kind in set(seen)
        }

    def test_a_life_stands_in_the_bar_of_its_length(self):
        """The bar's middle is within a tenth of a decade of the life."""
        lives = [(8, 0, length, "freed", "allocated") for length in (1_000, 50_000, 2_000_000)]
        (bar,) = plot_lifetimes(contexts(lives)).data
        middles = [x for x, y in zip(bar.x, bar.y, strict=True) if y]
        assert np.allclose(np.log10(middles), np.log10([1e-6, 5e-5, 2e-3]), atol=0.1)

    @pytest.mark.parametrize("name", ["healthy", "two-drivers"])
    def test_a_sample_is_plotted(self, name):
        """Both plots of a real capture have data."""
        assert name in {sample.name for sample in _SAMPLES}
        capture = tracecheck.open(SAMPLES / f"{name}.etl")
        assert len(capture.plot_live().data) >= 5
        assert len(capture.plot_lifetimes().data) >= 5
