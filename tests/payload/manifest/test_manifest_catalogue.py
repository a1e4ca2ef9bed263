"""The catalogue of Windows' providers: its table, its cache, and that nobody pays who does not need it."""

import os
import subprocess
import sys
from importlib.metadata import version
from uuid import UUID

import pytest

from tracecheck.payload.manifest import catalogue, filter_manager, layouts
from tracecheck.payload.manifest.catalogue import CatalogueError, cache_directory, open_catalogue
from tracecheck.payload.manifest.definition import In, Provider
from tracecheck.payload.manifest.layouts import Layouts

KERNEL_PROCESS = UUID("22fb2cd6-0e7b-422b-a0c7-2fad1fd0e716")


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """A directory in which the catalogue has been made once."""
    directory = tmp_path_factory.mktemp("cache")
    open_catalogue({"TRACECHECK_CACHE": str(directory)})
    return directory


@pytest.fixture
def unmade(monkeypatch):
    """Making the catalogue again is an error."""

    def refuse():
        raise AssertionError("the catalogue is made again")

    monkeypatch.setattr(catalogue, "_make", refuse)


class TestTable:
    """What the table holds."""

    @pytest.mark.usefixtures("unmade")
    def test_a_provider_and_its_layouts(self, cache):
        """Names, ids, versions and fields are those of the catalogue."""
        provider = open_catalogue({"TRACECHECK_CACHE": str(cache)}).find(KERNEL_PROCESS)
        assert (provider.guid, provider.name, provider.source) == (
            KERNEL_PROCESS, "Microsoft-Windows-Kernel-Process", "catalogue"
        )  # fmt: skip
        event = provider.events[5, 0]
        assert event.inferred
        assert [(field.name, field.in_type) for field in event.fields[:3]] == [
            ("ImageBase", In.UINT64), ("ImageSize", In.UINT64), ("ProcessID", In.UINT32)
        ]  # fmt: skip

    def test_it_says_what_the_catalogue_itself_says(self, cache):
        """Every event of every provider is there, with the names of all its fields."""
        core = pytest.importorskip("etl.parsers.etw.core")
        pytest.importorskip("etl.parsers.etw")
        known = open_catalogue({"TRACECHECK_CACHE": str(cache)})
        count = 0
        for guid, events in core.__etw_factory__.items():
            raw = f"{guid.data1:08x}{guid.data2:04x}{guid.data3:04x}{bytes(guid.data4).hex()}"
            mine = known.find(UUID(raw))
            for id_, versions in events.items():
                for number, cls in versions.items():
                    fields = mine.events[id_, number].fields
                    assert [f.name for f in fields] == [each.name for each in cls.pattern.subcons]
                    assert all(f.in_type <= In.COUNTEDBINARY for f in fields)
                    count += 1
        assert count == len(known)

    def test_who_is_not_in_it_is_none(self, cache):
        """An unknown provider is no error."""
        assert open_catalogue({"TRACECHECK_CACHE": str(cache)}).find(UUID(int=1)) is None


class TestCache:
    """One file, trusted only when whole."""

    def test_it_is_one_file_named_after_the_version(self, cache):
        """The version of etl-parser is in the name; no part is left behind."""
        (file,) = cache.iterdir()
        assert f"{catalogue.PACKAGE}-{version(catalogue.PACKAGE)}" in file.name

    @pytest.mark.parametrize("damage", ["cut", "changed", "empty", "other"])
    def test_a_damaged_cache_is_made_again(self, cache, tmp_path, monkeypatch, damage):
        """Anything but the whole file is replaced by a good one."""
        (file,) = cache.iterdir()
        good = file.read_bytes()
        changed = bytearray(good)
        changed[len(good) // 2] ^= 1
        bad = {"cut": good[:-100], "changed": bytes(changed), "empty": b"", "other": b"x" * 999}[damage]
        (tmp_path / file.name).write_bytes(bad)
        monkeypatch.setattr(catalogue, "_make", lambda: good[:-32])
        assert len(open_catalogue({"TRACECHECK_CACHE": str(tmp_path)})) > 30_000
        assert (tmp_path / file.name).read_bytes() == good
        assert len(list(tmp_path.iterdir())) == 1

    def test_a_place_that_cannot_be_written_costs_time_and_nothing_else(self, cache, tmp_path, monkeypatch):
        """Where the cache directory is a file, the catalogue is made without a cache."""
        (file,) = cache.iterdir()
        good = file.read_bytes()
        monkeypatch.setattr(catalogue, "_make", lambda: good[:-32])
        (tmp_path / "file").write_bytes(b"")
        for environment in ({"TRACECHECK_CACHE": str(tmp_path / "file")}, {}):
            assert len(open_catalogue(environment)) > 30_000
        assert (tmp_path / "file").read_bytes() == b""

    @pytest.mark.parametrize(
        ("platform", "environment", "parts"),
        [
            ("linux", {"XDG_CACHE_HOME": "x", "HOME": "h"}, ("x", "tracecheck")),
            ("linux", {"HOME": "h"}, ("h", ".cache", "tracecheck")),
            ("darwin", {"HOME": "h"}, ("h", "Library", "Caches", "tracecheck")),
            ("win32", {"LOCALAPPDATA": "l", "HOME": "h"}, ("l", "tracecheck")),
            ("linux", {"TRACECHECK_CACHE": "t", "XDG_CACHE_HOME": "x"}, ("t",)),
        ],
    )
    def test_its_place_is_the_users_own(self, monkeypatch, platform, environment, parts):
        """Each system's own directory for caches, or the one that is named."""
        monkeypatch.setattr(catalogue.sys, "platform", platform)
        assert cache_directory(environment).parts == parts

    def test_what_cannot_be_made_is_said(self, tmp_path, monkeypatch):
        """A catalogue of an unknown form, or none at all, is one line."""
        monkeypatch.setattr(catalogue, "_make", lambda: b"nothing")
        with pytest.raises(CatalogueError, match="has a form that is not known"):
            open_catalogue({"TRACECHECK_CACHE": str(tmp_path)})
        monkeypatch.setattr(catalogue, "PACKAGE", "no-such-distribution")
        with pytest.raises(CatalogueError, match="is not installed"):
            open_catalogue({"TRACECHECK_CACHE": str(tmp_path)})


class TestLayouts:
    """The order in which layouts are looked up."""

    @pytest.fixture
    def asked(self, monkeypatch):
        """Note how often the catalogue is opened; it fails."""
        calls = []

        def fail():
            calls.append(1)
            raise CatalogueError("no catalogue")

        monkeypatch.setattr(layouts, "open_catalogue", fail)
        return calls

    def test_what_is_given_holds_and_the_catalogue_is_not_asked(self, asked):
        """A manifest's provider, the trace's and our own come first; nothing is opened for them."""
        given, trace = (Provider(UUID(int=5), name, {}, name) for name in ("given", "trace"))
        known = Layouts([given])
        known.add(trace)
        assert known.find(UUID(int=5)).name == "given"
        assert known.find(filter_manager.GUID).source == "tracecheck"
        assert (asked, known.problems) == ([], [])

    def test_without_a_catalogue_the_reason_is_said_once(self, asked):
        """The first unknown provider asks; the reason is one line and nobody asks again."""
        known = Layouts()
        assert [known.find(UUID(int=value)) for value in (1, 2, 1)] == [None, None, None]
        assert (known.problems, asked) == (["no catalogue"], [1])

    def test_this_process_stays_small(self, cache):
        """The catalogue's code is imported elsewhere; pandas is not needed."""
        code = (
            "import sys\nfrom uuid import UUID\n"
            "from tracecheck.payload.manifest.layouts import Layouts\n"
            f"assert Layouts().find(UUID('{KERNEL_PROCESS}')).events\n"
            "print(sorted({'etl', 'construct', 'pandas', 'defusedxml'} & set(sys.modules)))"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True,
            env={**os.environ, "TRACECHECK_CACHE": str(cache)},
        )  # fmt: skip
        assert done.stdout == "[]\n"
