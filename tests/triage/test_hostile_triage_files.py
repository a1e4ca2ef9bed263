"""Suppression files and baselines that are no such files, or are made to hurt."""

import os
from pathlib import Path

import pytest
from hostile import SAMPLES, deadline, fair, run

from tracecheck.errors import InputError
from tracecheck.triage import Baseline, parse_suppressions

CAPTURE = SAMPLES / "two-drivers.etl"
OPTIONS = ("--suppressions", "--baseline")
KNOWN = '{"version": 1, "signatures": {"s": {"rule": "L09", "count": %s, "message": "m"}}}'


def refused(option, path):
    """Check a capture with a file that can't be used: one line, exit code 4, and at once."""
    return fair(run("check", option, path, CAPTURE, seconds=5), 4).err


@pytest.mark.skipif(os.name != "posix", reason="needs what only POSIX systems have")
class TestPlaces:
    """What is at the path is no regular file."""

    @pytest.mark.parametrize("option", OPTIONS)
    @pytest.mark.parametrize("device", ["/dev/zero", "/dev/null"])
    def test_a_device_is_refused_and_not_read_for_ever(self, option, device):
        """A device without an end takes neither time nor memory."""
        if not Path(device).exists():
            pytest.skip(f"there is no {device}")
        assert f"{device}: is no regular file" in refused(option, device)

    @pytest.mark.parametrize("option", OPTIONS)
    def test_a_pipe_is_not_waited_for(self, option, tmp_path):
        """A FIFO that nobody writes to is refused."""
        fifo = tmp_path / "fifo"
        os.mkfifo(fifo)
        assert f"{fifo}: is no regular file" in refused(option, fifo)


@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize("name", ["", "none", "x" * 5000])
def test_a_place_without_a_file_is_named(option, name, tmp_path):
    """A directory, a missing file and a name that no file can have are one clear line."""
    assert str(tmp_path)[:20] in refused(option, tmp_path / name)


class TestText:
    """What stands in the file."""

    @pytest.mark.parametrize("text", ["L09:" + " " * 300_000 + "x", "L09:" + " x" * 300_000, "L" * 600_000])
    def test_a_long_line_without_a_reason_is_refused_at_once(self, text):
        """Looking for the reason takes time in proportion to the line, whatever runs of blanks it has."""
        with deadline(2), pytest.raises(InputError, match="write RULE:SITE"):
            parse_suppressions(text, "f")

    @pytest.mark.parametrize(
        ("line", "site", "reason"),
        [
            ("L09:a # r", "a", "r"),
            ("L09:a#b \t #r # s", "a#b", "r # s"),
            ("L09:# # r", "#", "r"),
            ("L09: # a # r", "# a", "r"),
            ("L09:a:b (c.c:7)  # reason: r", "a:b (c.c:7)", "r"),
        ],
    )
    def test_the_reason_begins_at_the_first_mark_behind_a_blank(self, line, site, reason):
        """A call site may have marks and colons of its own."""
        (one,) = parse_suppressions(line, "f")
        assert (one.rules, one.sites, one.reason) == (("L09",), (site,), reason)

    def test_both_kinds_of_file_may_begin_with_a_byte_order_mark(self, tmp_path):
        """Editors of Windows write one."""
        path = tmp_path / "file"
        path.write_text(KNOWN % 2, "utf-8-sig")
        assert Baseline.read(path).known["s"].count == 2
        path.write_text("*:* # r", "utf-8-sig")
        fair(run("check", "--suppressions", path, CAPTURE), 0, 3)

    @pytest.mark.parametrize("number", ["-1", "true", "1.5", "NaN", "9" * 5000, '"1"'])
    def test_a_count_that_is_none_is_refused(self, number, tmp_path):
        """A baseline counts findings."""
        path = tmp_path / "file"
        path.write_text(KNOWN % number)
        assert "is no baseline" in refused("--baseline", path)

    def test_what_a_file_says_is_not_repeated_without_end(self, tmp_path):
        """Versions and reasons of any length give lines that can be read."""
        path = tmp_path / "file"
        path.write_text('{"version": "' + "v" * 1_000_000 + '", "signatures": {}}')
        assert len(refused("--baseline", path)) < 1000
        path.write_text("*:* # " + "r" * 1_000_000)
        assert len(fair(run("check", "--suppressions", path, CAPTURE), 0, 3).err) < 2000
